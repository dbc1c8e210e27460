//! The change feed: the log, read in order from any position that is still kept.

use super::Store;
use super::error::Error;
use crate::log;
use crate::record::{Epoch, Lsn, Record, Records};
use crate::write;

/// A cursor on the log. It never runs ahead of what is written.
#[derive(Debug)]
pub struct Feed {
    reader: log::Reader,
    from: Lsn,
}

/// One group commit.
#[derive(Debug)]
pub struct FeedFrame<'a> {
    frame: log::FrameRef<'a>,
    from: Lsn,
}

impl Store {
    /// Starts at the record `from`. An error on the first read when it is older than what is kept.
    #[must_use]
    pub fn feed(&self, from: Lsn) -> Feed {
        Feed { reader: self.shared.pipeline.log.reader(from), from }
    }

    /// The epoch new positions belong to.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.pipeline.log.epoch()
    }
}

impl Feed {
    /// The next frame; `None` when the cursor has reached what is written: ask again later.
    pub fn next_frame(&mut self) -> Result<Option<FeedFrame<'_>>, Error> {
        let from = self.from;
        Ok(self.reader.next_frame()?.map(|frame| FeedFrame { frame, from }))
    }
}

impl FeedFrame<'_> {
    /// State time of the frame, microseconds since 1970 UTC.
    #[must_use]
    pub fn time_us(&self) -> u64 {
        self.frame.head.time_us
    }

    /// The records with their positions, oldest first.
    pub fn records(&self) -> impl Iterator<Item = Result<(Lsn, Record<'_>), Error>> {
        let first = self.frame.head.first_lsn;
        let from = self.from;
        Records::new(self.frame.body).zip(0u64..).filter_map(move |(record, at)| {
            let lsn = first.plus(at);
            match record {
                Ok(_) if lsn < from => None,
                Ok(record) => Some(Ok((lsn, record))),
                Err(source) => Some(Err(write::Error::Record { after: lsn.prev(), source }.into())),
            }
        })
    }
}
