//! The one error type of the engine's front door.

use std::io;
use std::path::PathBuf;

use crate::record::key;
use crate::{json, write};

/// Split by what the caller can do: fix the request, wait, free space, stop the process.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The key cannot be.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// The value is not JSON text within the limits.
    #[error("value: {0}")]
    Value(#[from] json::Error),
    /// Something is larger than its limit. Nothing was stored.
    #[error("{what} has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// `value` or `extras`.
        what: &'static str,
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
    /// The operation needs the row of a key that is not in memory: `fetch` it and try again.
    #[error("the key is not in memory, fetch it first")]
    Cold,
    /// The write path refused or failed.
    #[error(transparent)]
    Write(#[from] write::Error),
    /// Another process has the data directory.
    #[error("data directory {} is in use by another process", dir.display())]
    InUse {
        /// Which.
        dir: PathBuf,
    },
    /// The directory was written by a newer build, or is not ours.
    #[error("data directory {}: {what}", dir.display())]
    Format {
        /// Which.
        dir: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// Others than its owner may write to the data directory.
    #[error("data directory {what}")]
    Exposed {
        /// Which directory, its mode, and what to do.
        what: String,
    },
    /// The file system failed outside of log and L2.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was being done.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

impl Error {
    /// True when the same call may succeed after `Store::room`.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        matches!(self, Error::Write(write::Error::Busy))
    }

    /// True when the store can only be reopened.
    #[must_use]
    pub fn is_fatal(&self) -> bool {
        matches!(self, Error::Write(write::Error::Poisoned { .. } | write::Error::UnknownOutcome { .. }))
    }
}

impl From<crate::log::Error> for Error {
    fn from(error: crate::log::Error) -> Error {
        Error::Write(error.into())
    }
}

impl From<crate::table::Error> for Error {
    fn from(error: crate::table::Error) -> Error {
        Error::Write(error.into())
    }
}
