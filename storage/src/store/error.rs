//! The one error type of the engine's front door.

use std::io;
use std::path::PathBuf;

use crate::record::key;
use crate::structure::{self, ApplyError, Mismatch, Refusal};
use crate::{json, topics, tree, write};

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
    /// The operation needs something that is not in memory, the row of a key or cells of its structure: the calls
    /// that block load it.
    #[error("the key is not in memory, fetch it first")]
    Cold,
    /// The operation does not fit what the key holds. Nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The record takes more room in the log than could be foreseen: the calls that block make it.
    #[error("the log needs room for {bytes} bytes first")]
    Cramped {
        /// What it takes, with what waits to be written.
        bytes: u64,
    },
    /// Whoever judged a batch has given it up. Nothing was changed.
    #[error("the batch was given up")]
    GivenUp,
    /// The write path refused or failed.
    #[error(transparent)]
    Write(#[from] write::Error),
    /// The backlog of topics cannot be opened or closed.
    #[error(transparent)]
    Topics(#[from] topics::Error),
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

    /// As whoever may not wait is told: what only takes waiting is [`Error::Cold`].
    pub(super) fn without_waiting(self) -> Error {
        if matches!(self, Error::Cramped { .. }) { Error::Cold } else { self }
    }

    /// True when the request is at fault, not the store.
    #[must_use]
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Error::Key(_) | Error::Value(_) | Error::TooLarge { .. } | Error::Refused(_) | Error::GivenUp
        )
    }

    /// True when a structure was of an earlier time than its cells: find it anew.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Error::Write(write::Error::Table(error)) if error.is_stale())
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

impl From<tree::Error> for Error {
    fn from(error: tree::Error) -> Error {
        match error {
            tree::Error::Cold { .. } => Error::Cold,
            error => crate::table::Error::from(error).into(),
        }
    }
}

impl From<Mismatch> for Error {
    fn from(mismatch: Mismatch) -> Error {
        Error::Refused(mismatch.into())
    }
}

impl<E: Into<Error>> From<structure::Error<E>> for Error {
    fn from(error: structure::Error<E>) -> Error {
        match error {
            structure::Error::Cells(error) => error.into(),
            structure::Error::Refused(refusal) => refusal.into(),
        }
    }
}

impl<E: Into<Error> + std::fmt::Display> From<ApplyError<E>> for Error {
    fn from(error: ApplyError<E>) -> Error {
        match error {
            ApplyError::Cells(error) => error.into(),
            error => write::Error::Inconsistent { what: error.to_string() }.into(),
        }
    }
}
