//! Reading a backlog beside the server that writes it, or at rest: for tools. Nothing is changed and nothing locked.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::Error;
use super::recovery::{FoundIndexes, LOG_NAME};
use crate::disk::Disk;
use crate::log::{self, Look, SegmentScan, Step};
use crate::record::message::{self, Entry};
use crate::record::{Epoch, Lsn, Position};

/// A look at a backlog. It shows the log as it was when it was opened.
#[derive(Debug)]
pub struct ReadOnlyTopics {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    look: Look,
}

impl ReadOnlyTopics {
    /// Looks at the backlog in `dir`, which is `wal/topics` of a data directory.
    ///
    /// # Errors
    /// As an opening. Beside a server a fault near the end may be a frame just being written: look again.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path) -> Result<ReadOnlyTopics, Error> {
        let vouched = FoundIndexes::take(&*disk, dir)?.vouched();
        let look = log::look(&*disk, dir, LOG_NAME, vouched)?;
        Ok(ReadOnlyTopics { disk, dir: dir.to_owned(), look })
    }

    /// Segments, positions, and how the log ends.
    #[must_use]
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Reads every record from the oldest one on, commits included.
    #[must_use]
    pub fn records(&self) -> ReadOnlyCursor<'_> {
        ReadOnlyCursor { topics: self, segment: 0, scan: None, at: 0, lsn: Lsn::ZERO, own_lsn: Lsn::ZERO }
    }
}

/// A walk over all records of all segments, every frame verified.
#[derive(Debug)]
pub struct ReadOnlyCursor<'a> {
    topics: &'a ReadOnlyTopics,
    segment: usize,
    scan: Option<SegmentScan>,
    /// Byte in the body of the present frame, and the record that begins there.
    at: usize,
    lsn: Lsn,
    /// Records below were copied into the segment from the life before.
    own_lsn: Lsn,
}

impl ReadOnlyCursor<'_> {
    /// The next record and its position; `None` behind the last one.
    ///
    /// # Errors
    /// Damage, with its place; a segment that was retired meanwhile cannot be opened.
    #[expect(clippy::should_implement_trait, reason = "what it lends ends with the next call")]
    pub fn next(&mut self) -> Result<Option<(Position, Entry<'_>)>, Error> {
        if !self.find_record()? {
            return Ok(None);
        }
        let scan = self.scan.as_ref().expect("a record was found in it");
        let epoch = scan.header().epoch;
        let body = scan.frame().map(|frame| frame.body).unwrap_or_default();
        let lsn = self.lsn;
        let (entry, end) = message::decode(body, self.at).map_err(|source| Error::Record { lsn, source })?;
        self.at = end;
        self.lsn = lsn.plus(1);
        let epoch = if lsn < self.own_lsn { Epoch(epoch.0.saturating_sub(1)) } else { epoch };
        Ok(Some((Position { epoch, lsn }, entry)))
    }

    /// Goes to the next record that is not read. False behind the last one.
    fn find_record(&mut self) -> Result<bool, Error> {
        loop {
            let Some(looked) = self.topics.look.segments.get(self.segment) else { return Ok(false) };
            let Some(scan) = &mut self.scan else {
                let path = self.topics.dir.join(format!("{:020}.seg", looked.id.0));
                let scan = SegmentScan::open(&*self.topics.disk, &path)?;
                self.own_lsn = scan.header().base_lsn.max(scan.header().durable.plus(1));
                self.scan = Some(scan);
                continue;
            };
            let here = scan.frame().is_some_and(|frame| self.at < frame.body.len());
            if here {
                return Ok(true);
            }
            if scan.offset() >= looked.frames_end {
                self.segment += 1;
                self.scan = None;
                continue;
            }
            match scan.advance()? {
                Step::Frame => {
                    self.at = 0;
                    self.lsn = scan.frame().map(|frame| frame.head.first_lsn).unwrap_or_default();
                }
                Step::Footer => return Err(scan.corrupt(log::envelope::Fault::Zeros).into()),
                Step::Fault(fault) => return Err(scan.corrupt(fault).into()),
            }
        }
    }
}
