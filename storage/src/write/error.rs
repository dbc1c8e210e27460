//! What can go wrong on the write path, split by what the caller can do about it.

use crate::record::op;
use crate::{log, table};

/// See the variants.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A write or sync of the log failed earlier. Nothing can be written until the store is reopened:
    /// stop the process.
    #[error("the store is poisoned: {cause}; stop and reopen it")]
    Poisoned {
        /// The failure that did it.
        cause: String,
    },
    /// The log failed while this operation waited: it may or may not have been stored.
    #[error("outcome unknown: {cause}")]
    UnknownOutcome {
        /// The failure.
        cause: String,
    },
    /// Certainly not applied: there is no room on the disk. Reads and deletes go on.
    #[error("no space: {what}")]
    NoSpace {
        /// What ran out.
        what: String,
    },
    /// Certainly not applied: writes outrun the disk. Wait (`Store::room`) and try again.
    #[error("writes outrun the disk, wait for room")]
    Busy,
    /// The log cannot be opened or read.
    #[error("log: {0}")]
    Log(#[from] log::Error),
    /// L2 cannot be opened, read or written.
    #[error("L2: {0}")]
    Table(#[from] table::Error),
    /// A record in the log cannot be decoded.
    #[error("log record after lsn {after}: {source}")]
    Record {
        /// Last position that decoded.
        after: crate::record::Lsn,
        /// Why.
        #[source]
        source: op::Error,
    },
    /// Log and L2 do not fit together, or a record does not fit the state it is applied to.
    #[error("inconsistent: {what}")]
    Inconsistent {
        /// What does not fit.
        what: String,
    },
    /// The store has been closed.
    #[error("the store is closed")]
    Closed,
}
