//! What can go wrong in a log, split by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::{Lsn, SegmentId};

/// Errors of the log room.
///
/// *Wait for space*: [`NoSpace`](Error::NoSpace). *Fix the call*: `FrameTooLarge`, `OutOfOrder`, `Options`,
/// `Closed`, `Retired`. *Restart the process*: `Sync`, `Write`, `Poisoned`. *Ask an operator*: the others.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Reading or arranging files failed; nothing was acknowledged because of it.
    #[error("log: {doing} {path:?}: {source}", path = path.display())]
    Io {
        /// What was being done, as a verb in its -ing form.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the disk said.
        source: io::Error,
    },
    /// The disk has no room for the next segment. Nothing was written; try again when there is space.
    #[error("log: no space for a segment of {needed_bytes} bytes")]
    NoSpace {
        /// Bytes the file would have had.
        needed_bytes: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// A sync failed. It is unknown what the disk holds; the log is poisoned and the process should restart.
    #[error(
        "log: sync of segment {segment} failed, everything not yet durable has an unknown outcome: {source}"
    )]
    Sync {
        /// The segment whose sync failed.
        segment: SegmentId,
        /// What the disk said.
        source: io::Error,
    },
    /// A write into a segment failed part-way. The log is poisoned and the process should restart.
    #[error("log: write of {bytes} bytes at segment {segment} offset {offset} failed: {source}")]
    Write {
        /// The segment written to.
        segment: SegmentId,
        /// Byte offset in it.
        offset: u64,
        /// Bytes that should have been written.
        bytes: u64,
        /// What the disk said.
        source: io::Error,
    },
    /// An earlier write or sync failed; this log takes nothing more until the process restarts.
    #[error("log: poisoned by an earlier failed write or sync, restart the process")]
    Poisoned,
    /// The log was closed.
    #[error("log: closed")]
    Closed,
    /// Stored bytes that were durable do not verify any more.
    #[error("log: corrupt at segment {segment} offset {offset}, lsn {lsn}: {what}")]
    Corrupt {
        /// The damaged segment.
        segment: SegmentId,
        /// Byte offset of the structure that does not verify.
        offset: u64,
        /// The first lsn that cannot be read.
        lsn: Lsn,
        /// What is wrong there.
        what: &'static str,
    },
    /// Records that must be there are in no segment.
    #[error("log: records from lsn {expected} on are missing, the next segment found starts at {found:?}")]
    Missing {
        /// First lsn that is in no segment.
        expected: Lsn,
        /// Where the log goes on, if anywhere.
        found: Option<Lsn>,
    },
    /// Written by a newer version of this program.
    #[error(
        "log: segment {segment} offset {offset} has format version {version}, this program reads up to {supported}"
    )]
    Newer {
        /// The segment.
        segment: SegmentId,
        /// Byte offset of the structure.
        offset: u64,
        /// The version found.
        version: u16,
        /// The newest version this program reads.
        supported: u16,
    },
    /// The segment belongs to a log of another name.
    #[error("log: segment {segment} belongs to log {found:?}, not {expected:?}")]
    OtherLog {
        /// The segment.
        segment: SegmentId,
        /// The name asked for.
        expected: String,
        /// The name in the header.
        found: String,
    },
    /// The position asked for lies below the oldest record kept.
    #[error("log: records below lsn {first} are retired")]
    Retired {
        /// Lowest lsn still readable.
        first: Lsn,
    },
    /// A frame body above [`FRAME_BODY_BYTES_MAX`](crate::limits::FRAME_BODY_BYTES_MAX).
    #[error("log: frame body of {bytes} bytes, the limit is {limit_bytes}")]
    FrameTooLarge {
        /// Bytes asked for.
        bytes: u64,
        /// Most bytes a body may have.
        limit_bytes: u64,
    },
    /// The frame does not follow the last one. A mistake of the caller; nothing was written.
    #[error(
        "log: frame starts at lsn {lsn} index {index} with {count} records, expected lsn {expected_lsn} index {expected_index}"
    )]
    OutOfOrder {
        /// First lsn of the frame refused.
        lsn: Lsn,
        /// Its index.
        index: u64,
        /// Its number of records.
        count: u32,
        /// The lsn that was due.
        expected_lsn: Lsn,
        /// The index that was due.
        expected_index: u64,
    },
    /// The options cannot work.
    #[error("log: {what}")]
    Options {
        /// What is wrong with them.
        what: &'static str,
    },
}

impl Error {
    /// Wraps what the disk said about `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }
}
