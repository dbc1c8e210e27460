//! redb's file as a [`DiskFile`], so that the faulty disk of the tests stands under redb too.
//!
//! Locks. The store runs redb in its single-writer mode: inspection commands of another process may
//! open the live file read-only and see the last commit. That protocol needs byte range locks on
//! the file itself, so a disk that has handles of the operating system lends one to redb's own lock
//! code. A disk without handles (the simulated one) is seen by one process only, where every lock is
//! free for the taking; two writers are kept apart by the lock of the data directory either way.

use std::io;
use std::ops::Bound;
use std::sync::Arc;

use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::disk::DiskFile;

use super::Error;
use super::error::during;

/// One open redb file.
#[derive(Debug)]
pub(super) struct Backend {
    file: Arc<dyn DiskFile>,
    /// `None`: nobody else can see this file.
    locks: Option<FileBackend>,
}

impl Backend {
    pub(super) fn new(file: Arc<dyn DiskFile>) -> Result<Backend, Error> {
        let handle = file.lock_handle().map_err(Error::io("open a lock handle"))?;
        let locks = handle.map(FileBackend::new).transpose().map_err(during("open a lock handle"))?;
        Ok(Backend { file, locks })
    }

    /// Asks the real locks, or says `alone` where there is nobody to conflict with.
    fn locked<R>(
        &self,
        alone: R,
        ask: impl FnOnce(&FileBackend) -> Result<R, BackendError>,
    ) -> Result<R, BackendError> {
        self.locks.as_ref().map_or(Ok(alone), ask)
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read_at(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.file.write_at(offset, bytes)
    }

    fn close(&self) -> io::Result<()> {
        self.locks.as_ref().map_or(Ok(()), StorageBackend::close)
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locked(true, |locks| locks.try_lock_range(start, end))
    }

    fn try_lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locked(true, |locks| locks.try_lock_shared_range(start, end))
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locked((), |locks| locks.lock_range(start, end))
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locked((), |locks| locks.lock_shared_range(start, end))
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.locked((), |locks| locks.unlock_range(start, end))
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.locked(false, |locks| locks.query_lock_range(start, end))
    }
}
