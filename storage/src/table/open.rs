//! Opening, creating and closing the redb file.
//!
//! A new file is built under another name, synced, and renamed into place, so a file under the real
//! name is always a whole one: an empty or foreign file there is damage and is never written over.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use redb::{Builder, ConcurrencyMode, Database, ReadOnlyDatabase, ReadableDatabase};

use crate::disk::{Disk, DiskFile, OpenMode};

use super::backend::Backend;
use super::checkpoint::write_first;
use super::error::during;
use super::overlay::Overlay;
use super::{Error, Snapshot};

/// Opens the file for writing, creating it when there is none.
pub(super) fn open(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<Database, Error> {
    let file = match disk.open(path, OpenMode::ReadWrite) {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => {
            create(disk, path, cache_bytes)?;
            disk.open(path, OpenMode::ReadWrite).map_err(Error::io("open the table file"))?
        }
        opened => opened.map_err(Error::io("open the table file"))?,
    };
    refuse_empty(&*file)?;
    builder(cache_bytes).create_with_backend(Backend::new(file)?).map_err(during("open the table file"))
}

/// Builds a file that holds the empty tables at position zero. Durable when it returns.
fn create(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<(), Error> {
    let unfinished = beside(path, ".new");
    let parent = path.parent().unwrap_or(Path::new(""));
    disk.create_dir(parent).map_err(Error::io("create the table's directory"))?;
    match disk.remove(&unfinished) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("remove an unfinished table file")(error));
        }
        _ => {}
    }
    let file = disk.open(&unfinished, OpenMode::Create).map_err(Error::io("create the table file"))?;
    let backend = Backend::new(file.clone())?;
    let database =
        builder(cache_bytes).create_with_backend(backend).map_err(during("create the table file"))?;
    write_first(database.begin_write().map_err(during("create the table file"))?)?;
    database.close().map_err(during("close the new table file"))?;
    file.sync_data().map_err(Error::io("sync the new table file"))?;
    disk.rename(&unfinished, path).map_err(Error::io("rename the new table file"))?;
    disk.sync_dir(parent).map_err(Error::io("sync the table's directory"))
}

fn refuse_empty(file: &dyn DiskFile) -> Result<(), Error> {
    match file.is_empty() {
        Ok(false) => Ok(()),
        // redb would take an empty file for a new one and start from nothing.
        Ok(true) => Err(Error::corrupt("table file", "is empty")),
        Err(source) => Err(Error::io("measure the table file")(source)),
    }
}

/// A read-only file: beside its writer, at rest, or as a repaired view of one that was not closed.
pub(super) fn open_read_only(
    disk: &dyn Disk,
    path: &Path,
    cache_bytes: usize,
) -> Result<Box<dyn Readable>, Error> {
    let file = disk.open(path, OpenMode::Read).map_err(Error::io("open the table file"))?;
    refuse_empty(&*file)?;
    match builder(cache_bytes).open_read_only_with_backend(Backend::new(file.clone())?) {
        Ok(database) => Ok(Box::new(database)),
        Err(redb::DatabaseError::RepairAborted) => Ok(Box::new(repaired_view(file, cache_bytes)?)),
        Err(error) => Err(during("open the table file read-only")(error)),
    }
}

fn repaired_view(file: Arc<dyn DiskFile>, cache_bytes: usize) -> Result<Database, Error> {
    let overlay = Overlay::new(file).map_err(Error::io("measure the table file"))?;
    builder(cache_bytes).create_with_backend(overlay).map_err(during("repair a view of the table file"))
}

/// Verifies every page checksum of a file that nobody has open, in a view that leaves it untouched.
pub(super) fn check_pages(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<(), Error> {
    let file = disk.open(path, OpenMode::Read).map_err(Error::io("open the table file"))?;
    refuse_empty(&*file)?;
    let overlay = Overlay::new(file).map_err(Error::io("measure the table file"))?;
    let mut checked = builder(cache_bytes);
    checked.set_check_integrity_on_open(true);
    checked.create_with_backend(overlay).map(drop).map_err(during("check the pages of the table file"))
}

/// [`check_pages`] of a file that is not longer than `bytes_max`; nothing for one that is, or is not there.
pub(super) fn check_small(
    disk: &dyn Disk,
    path: &Path,
    cache_bytes: usize,
    bytes_max: u64,
) -> Result<(), Error> {
    if bytes_max == 0 {
        return Ok(());
    }
    let bytes = match disk.open(path, OpenMode::Read).and_then(|file| file.len()) {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        measured => measured.map_err(Error::io("measure the table file"))?,
    };
    if bytes > bytes_max { Ok(()) } else { check_pages(disk, path, cache_bytes) }
}

/// Moves pages to the front and gives the rest of the file back, while nobody has it open. True when
/// something moved. A crash in the middle costs nothing but a slow next opening.
pub(super) fn compact(disk: &dyn Disk, path: &Path, cache_bytes: usize) -> Result<bool, Error> {
    let mut database = open(disk, path, cache_bytes)?;
    let moved = database.compact().map_err(during("compact the table file"))?;
    database.close().map_err(during("close the compacted table file"))?;
    Ok(moved)
}

fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes).set_concurrency_mode(ConcurrencyMode::SingleWriter);
    builder
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Either kind of redb handle, as far as snapshots go.
pub(super) trait Readable: Send + Sync {
    /// The newest committed state.
    fn snapshot(&self, opening: u64) -> Result<Snapshot, Error>;
}

fn newest(database: &impl ReadableDatabase, opening: u64) -> Result<Snapshot, Error> {
    let transaction = database.begin_read().map_err(during("begin a snapshot"))?;
    Snapshot::new(&transaction, opening)
}

impl Readable for Database {
    fn snapshot(&self, opening: u64) -> Result<Snapshot, Error> {
        newest(self, opening)
    }
}

impl Readable for ReadOnlyDatabase {
    fn snapshot(&self, opening: u64) -> Result<Snapshot, Error> {
        newest(self, opening)
    }
}
