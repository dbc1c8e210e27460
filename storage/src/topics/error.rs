//! What can go wrong with the backlog, split by what the caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::record::{Lsn, SegmentId, op};
use crate::{log, write};

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Something is longer than its limit. Nothing was stored.
    #[error("{what} has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// `topic`, `message` or `name`.
        what: &'static str,
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// There are as many durable subscriptions as there may be.
    #[error("there are {count} durable subscriptions already, remove one first")]
    TooManySubscriptions {
        /// How many.
        count: usize,
    },
    /// The options cannot work.
    #[error("topics: {what}")]
    Options {
        /// What is wrong with them.
        what: &'static str,
    },
    /// The write path refused or failed.
    #[error("topics: {0}")]
    Write(#[from] write::Error),
    /// A record of a sealed segment does not verify any more. Later ones may be read by a new cursor.
    #[error("topics: corrupt at segment {segment} offset {offset}, lsn {lsn}: {what}")]
    Corrupt {
        /// The damaged segment.
        segment: SegmentId,
        /// Byte offset of the record.
        offset: u64,
        /// Its lsn.
        lsn: Lsn,
        /// What is wrong there.
        what: &'static str,
    },
    /// A frame verifies but holds a record that this build cannot decode.
    #[error("topics: record in the frame at lsn {lsn}: {source}")]
    Record {
        /// First lsn of the frame.
        lsn: Lsn,
        /// Why.
        source: op::Error,
    },
    /// A topic index was written by a newer build.
    #[error("topics: index {} has format version {version}, this build reads up to {supported}", path.display())]
    Newer {
        /// Which.
        path: PathBuf,
        /// The version found.
        version: u16,
        /// The newest version this build reads.
        supported: u16,
    },
    /// Arranging files failed.
    #[error("topics: {doing} {}: {source}", path.display())]
    Io {
        /// What was being done, as a verb in its -ing form.
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the disk said.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// True when the same call may succeed after [`Topics::room`](super::Topics::room).
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Error::Write(write::Error::Busy))
    }

    /// True when the store can only be reopened.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Write(write::Error::Poisoned { .. } | write::Error::UnknownOutcome { .. }))
    }

    /// Wraps what the disk said about `path`.
    pub(super) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        let path = path.to_owned();
        move |source| Error::Io { doing, path, source }
    }
}

impl From<log::Error> for Error {
    fn from(error: log::Error) -> Error {
        Error::Write(error.into())
    }
}
