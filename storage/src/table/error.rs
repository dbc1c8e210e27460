//! What can go wrong with the table file, split by what the caller can do about it.

use std::io;

/// Why an operation on the table failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The disk answered with an error. The handle is dead: [`Table::reopen`](super::Table::reopen),
    /// then try again, later when [`Error::is_no_space`].
    #[error("table: {doing}: {source}")]
    Io {
        /// What was tried.
        doing: &'static str,
        /// The disk's answer.
        source: io::Error,
    },
    /// The handle behind this snapshot died of an earlier I/O error or was closed. Take the
    /// published snapshot of a reopened table.
    #[error("table: {doing}: the handle is closed after an earlier failure")]
    Lost {
        /// What was tried.
        doing: &'static str,
    },
    /// Bytes in the file are not what was written there. Nothing is ever recreated over it.
    #[error("table: {place}: {what}")]
    Corrupt {
        /// Which row or page.
        place: String,
        /// What is wrong, with offset and lengths.
        what: String,
    },
    /// The file or a row was written by a newer version of this software.
    #[error("table: {place}: format version {found}, this build knows up to {known}")]
    NewerFormat {
        /// Which row.
        place: String,
        /// The version in the file.
        found: u8,
        /// The newest version known here.
        known: u8,
    },
    /// Another process holds the file in a way that excludes this use.
    #[error("table: the file is in use by another process")]
    InUse,
    /// The file was not closed cleanly and nobody has it open: a read-only open must not repair it.
    #[error("table: the file was not closed cleanly and wants a repair, which a read-only open may not do")]
    Unclean,
    /// The caller broke the order a checkpoint requires.
    #[error("table: checkpoint refused: {what}")]
    BadCheckpoint {
        /// Which rule, and where.
        what: String,
    },
    /// A reader still holds a snapshot, so the file cannot be rearranged now.
    #[error("table: a snapshot is still in use")]
    Busy,
    /// The tree of a structure and its cells do not fit together.
    #[error(transparent)]
    Tree(#[from] crate::tree::Error),
    /// redb refused for a reason that no rule above names.
    #[error("table: {doing}: {source}")]
    Engine {
        /// What was tried.
        doing: &'static str,
        /// redb's answer.
        source: Box<redb::Error>,
    },
}

impl Error {
    /// True when the disk is full: wait for space, then try again.
    #[must_use]
    pub fn is_no_space(&self) -> bool {
        let full = [io::ErrorKind::StorageFull, io::ErrorKind::QuotaExceeded, io::ErrorKind::FileTooLarge];
        matches!(self, Error::Io { source, .. } if full.contains(&source.kind()))
    }

    /// True when the handle that answered is of no more use and a reopened one may do better.
    #[must_use]
    pub fn wants_reopen(&self) -> bool {
        matches!(self, Error::Io { .. } | Error::Lost { .. })
    }

    /// True when a structure's tree was of an earlier time than its cells: take the tree of now.
    #[must_use]
    pub fn is_stale(&self) -> bool {
        matches!(self, Error::Tree(crate::tree::Error::Stale { .. }))
    }

    /// Damage found at `place`.
    pub(super) fn corrupt(place: impl Into<String>, what: impl Into<String>) -> Error {
        Error::Corrupt { place: place.into(), what: what.into() }
    }

    /// An error of the disk itself.
    pub(super) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { doing, source }
    }
}

/// Sorts redb's errors into ours: `.map_err(during("commit"))`.
pub(super) fn during<E: Into<redb::Error>>(doing: &'static str) -> impl FnOnce(E) -> Error {
    move |error| match error.into() {
        // How redb says that a file is none of its own.
        redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
            Error::corrupt(doing, source.to_string())
        }
        redb::Error::Io(source) => Error::Io { doing, source },
        redb::Error::PreviousIo | redb::Error::DatabaseClosed => Error::Lost { doing },
        redb::Error::Corrupted(what) => Error::corrupt(doing, what),
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => Error::InUse,
        redb::Error::RepairAborted => Error::Unclean,
        redb::Error::TransactionInProgress => Error::Busy,
        source => Error::Engine { doing, source: Box::new(source) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = Error::io("write")(io::Error::from(io::ErrorKind::StorageFull));
        let broken = Error::io("write")(io::Error::other("EIO"));
        assert!(full.is_no_space() && full.wants_reopen());
        assert!(!broken.is_no_space() && broken.wants_reopen());
    }

    #[test]
    fn redb_errors_are_sorted_by_what_the_caller_can_do() {
        assert!(matches!(during("get")(redb::StorageError::PreviousIo), Error::Lost { doing: "get" }));
        assert!(matches!(during("get")(redb::StorageError::DatabaseClosed), Error::Lost { .. }));
        assert!(matches!(during("open")(redb::DatabaseError::RepairAborted), Error::Unclean));
        assert!(matches!(during("open")(redb::DatabaseError::DatabaseAlreadyOpen), Error::InUse));
        let damage = during("get")(redb::StorageError::Corrupted("page 7".into()));
        assert_eq!(damage.to_string(), "table: get: page 7");
        assert!(!damage.wants_reopen());
    }
}
