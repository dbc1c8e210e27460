//! What lies in a log's directory, before anything is decided.

use std::path::Path;
use std::sync::Arc;

use super::Error;
use super::footer::Footer;
use super::header::{HEADER_BYTES, Header, HeaderFound, LogName, SEGMENT_VERSION};
use super::names::{self, FileKind};
use super::scan::read_footer;
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::record::{Epoch, Lsn, SegmentId};

/// One `.seg` file.
#[derive(Debug)]
pub(super) struct SegmentFile {
    pub id: SegmentId,
    pub file: Arc<dyn DiskFile>,
    pub file_bytes: u64,
    pub header: HeaderFound,
    pub footer: Option<Footer>,
}

impl SegmentFile {
    /// The header, when it verifies.
    pub fn valid(&self) -> Option<&Header> {
        match &self.header {
            HeaderFound::Valid(header) => Some(header),
            _ => None,
        }
    }
}

/// The directory of a log.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Segment files by ascending id.
    pub segments: Vec<SegmentFile>,
    pub spares: Vec<SegmentId>,
    pub unfinished: Vec<SegmentId>,
    /// Above every number in any file name.
    pub next_id: u64,
}

impl Survey {
    /// Lists the directory and reads each segment's header and footer. Changes nothing.
    pub fn take(disk: &dyn Disk, dir: &Path, name: LogName) -> Result<Survey, Error> {
        let mut survey = Survey { next_id: 1, ..Survey::default() };
        let names = disk.list(dir).map_err(Error::io("listing", dir))?;
        for (id, kind) in names.iter().filter_map(|name| names::parse(name)) {
            let above = id.0.checked_add(1).ok_or(Error::Options { what: "segment numbers are used up" })?;
            survey.next_id = survey.next_id.max(above);
            match kind {
                FileKind::Segment => survey.segments.push(look_at(disk, dir, id, name)?),
                FileKind::Spare => survey.spares.push(id),
                FileKind::Unfinished => survey.unfinished.push(id),
            }
        }
        survey.segments.sort_by_key(|segment| segment.id);
        Ok(survey)
    }

    /// The highest epoch in any header, also of segments that no longer count: an epoch once begun is
    /// never begun again.
    pub fn epoch(&self) -> Epoch {
        let epochs = self.segments.iter().filter_map(|segment| Some(segment.valid()?.epoch));
        epochs.max().unwrap_or_default()
    }

    /// The highest lsn that headers and footers call durable.
    pub fn durable(&self) -> Lsn {
        let headers = self.segments.iter().filter_map(|segment| Some(segment.valid()?.durable));
        let footers = self.segments.iter().filter_map(|segment| Some(segment.footer?.durable));
        headers.chain(footers).max().unwrap_or_default()
    }
}

fn look_at(disk: &dyn Disk, dir: &Path, id: SegmentId, name: LogName) -> Result<SegmentFile, Error> {
    let path = names::path(dir, id, FileKind::Segment);
    let file = disk.open(&path, OpenMode::ReadWrite).map_err(Error::io("opening", &path))?;
    let file_bytes = file.len().map_err(Error::io("measuring", &path))?;
    let header = if file_bytes < HEADER_BYTES as u64 {
        // No segment file is ever this short under its final name.
        HeaderFound::Broken
    } else {
        let mut first = [0; HEADER_BYTES];
        file.read_at(0, &mut first).map_err(Error::io("reading", &path))?;
        Header::find(&first, id)
    };
    let mut footer = None;
    if let HeaderFound::Valid(header) = &header {
        footer = read_footer(&*file, header).map_err(Error::io("reading", &path))?;
        if header.name != name {
            let (expected, found) = (name.to_string(), header.name.to_string());
            return Err(Error::OtherLog { segment: id, expected, found });
        }
    }
    if let HeaderFound::Newer(version) = header {
        return Err(Error::Newer { segment: id, offset: 0, version, supported: SEGMENT_VERSION });
    }
    Ok(SegmentFile { id, file, file_bytes, header, footer })
}
