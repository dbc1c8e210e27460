//! The table as inspection commands see it: beside a running server or at rest, never written.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::Disk;
use crate::limits::TABLE_CACHE_BYTES_DEFAULT;

use super::open::{self, Readable};
use super::{Error, Snapshot, VerifyReport};

/// A table opened for looking only.
///
/// Three cases, found by trying. A live server has the file: snapshots follow its commits. The file
/// was closed cleanly: it is read as it is. It was not (a crash) and nobody has it: it is read
/// through a repaired view in memory. In the last case the caller should hold the lock of the data
/// directory; a server that starts meanwhile would change pages under the view, which can give
/// wrong answers here but never harms the file.
pub struct ReadOnlyTable {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    database: Box<dyn Readable>,
}

impl std::fmt::Debug for ReadOnlyTable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReadOnlyTable").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ReadOnlyTable {
    /// Opens `path`. [`Error::Io`] when there is none, [`Error::Corrupt`] when it is no table.
    pub fn open(disk: Arc<dyn Disk>, path: &Path) -> Result<ReadOnlyTable, Error> {
        let database = open::open_read_only(&*disk, path, TABLE_CACHE_BYTES_DEFAULT)?;
        Ok(ReadOnlyTable { disk, path: path.to_path_buf(), database })
    }

    /// The state after the newest checkpoint, also one committed since the last call.
    pub fn snapshot(&self) -> Result<Snapshot, Error> {
        self.database.snapshot(0)
    }

    /// Walks every row of the newest snapshot; see [`Snapshot::verify`].
    pub fn verify(&self, progress: impl FnMut(u64)) -> Result<VerifyReport, Error> {
        self.snapshot()?.verify(progress)
    }

    /// Checks the checksum of every page, through a view that leaves the file untouched. Only for a
    /// file that no server has open; reads all of it.
    pub fn check_pages(&self) -> Result<(), Error> {
        open::check_pages(&*self.disk, &self.path, TABLE_CACHE_BYTES_DEFAULT)
    }
}
