//! Looking at a log from outside: what an opening would find, without changing anything. For tools.
//!
//! At rest the answer is exact. Beside a writer the end may move while it is looked for, so a fault
//! reported near the end may be a frame just being written: look again, and believe a fault that stays
//! at its place.

use std::path::Path;

use super::header::LogName;
use super::open::Ending;
use super::survey::Survey;
use super::{Error, walk};
use crate::disk::Disk;
use crate::record::{Epoch, Lsn, SegmentId};

/// A segment that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looked {
    /// Its number.
    pub id: SegmentId,
    /// Life of the log it belongs to.
    pub epoch: Epoch,
    /// Lsn of its first record.
    pub first_lsn: Lsn,
    /// Lsn of its last record that counts; one below `first_lsn` when it has none.
    pub last_lsn: Lsn,
    /// Byte offset behind its last frame that counts.
    pub frames_end: u64,
    /// Length of the file.
    pub file_bytes: u64,
    /// Whether it ends with a footer that verifies.
    pub sealed: bool,
}

/// What lies in a log's directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The segments that count, oldest first.
    pub segments: Vec<Looked>,
    /// The highest epoch ever begun.
    pub epoch: Epoch,
    /// The highest lsn that anything calls durable.
    pub durable: Lsn,
    /// The last lsn in the log.
    pub last_lsn: Lsn,
    /// Where and how it ends.
    pub ending: Ending,
}

/// Looks at the log `name` in `dir` as [`Log::open`](super::Log::open) would, read-only.
///
/// # Errors
/// As an opening: `Corrupt`, `Missing`, `Newer`, `OtherLog`, `Io`, `Options`.
pub fn look(disk: &dyn Disk, dir: &Path, name: &str, known_durable: Lsn) -> Result<Look, Error> {
    let name = LogName::new(name)
        .ok_or(Error::Options { what: "a log's name has 1 to 16 printable ASCII bytes" })?;
    let survey = Survey::take(disk, dir, name)?;
    let walked = walk::walk(&survey, known_durable)?;
    let segment = |part: &walk::Part| {
        let file = &survey.segments[part.at];
        Looked {
            id: part.header.id,
            epoch: part.header.epoch,
            first_lsn: part.header.base_lsn,
            last_lsn: part.tip.lsn.prev(),
            frames_end: part.tip.offset,
            file_bytes: file.file_bytes,
            sealed: file.footer.is_some(),
        }
    };
    let segments = walked.parts.iter().map(segment).collect();
    Ok(Look {
        segments,
        epoch: survey.epoch(),
        durable: walked.durable,
        last_lsn: walked.next.lsn.prev(),
        ending: Ending::of(&walked),
    })
}
