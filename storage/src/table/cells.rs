//! Cells: the rows of structures, with a checksum each, and the source that trees read them from.
//!
//! ```text
//! key    structure id u64 BE, cell u32 BE
//! value  crc32c of key and bytes u32 LE, bytes
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use super::{CellChange, Error, Snapshot, Table};
use crate::tree;

/// What a checkpoint does to the cells: called once, calls back for every cell that changes.
pub trait CellChanges {
    /// Calls `put` with each change.
    fn each(&self, put: &mut dyn FnMut(&CellChange<'_>) -> Result<(), Error>) -> Result<(), Error>;
}

/// Changes given one by one.
impl<const N: usize> CellChanges for [CellChange<'_>; N] {
    fn each(&self, put: &mut dyn FnMut(&CellChange<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.iter().try_for_each(put)
    }
}

/// Changes given one by one.
impl CellChanges for &[CellChange<'_>] {
    fn each(&self, put: &mut dyn FnMut(&CellChange<'_>) -> Result<(), Error>) -> Result<(), Error> {
        self.iter().try_for_each(put)
    }
}

/// Calls `put` with a change of a tree's cell, sealed with its checksum. `buffer` is used again.
pub fn put_sealed(
    id: u64,
    cell: u32,
    bytes: Option<&[u8]>,
    buffer: &mut Vec<u8>,
    put: &mut dyn FnMut(&CellChange<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let key = key(id, cell);
    if let Some(bytes) = bytes {
        seal(&key, bytes, buffer);
    }
    put(&CellChange { id, subkey: &key[8..], value: bytes.is_some().then_some(&buffer[..]) })
}

fn key(id: u64, cell: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&id.to_be_bytes());
    key[8..].copy_from_slice(&cell.to_be_bytes());
    key
}

fn seal(key: &[u8; 12], bytes: &[u8], out: &mut Vec<u8>) {
    out.clear();
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), bytes);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(bytes);
}

/// The bytes of a cell as they were given, checked.
fn unseal<'a>(key: &[u8; 12], stored: &'a [u8]) -> Result<&'a [u8], Error> {
    let (crc, bytes) = stored.split_first_chunk::<4>().ok_or_else(|| damaged(key, stored.len()))?;
    if u32::from_le_bytes(*crc) == crc32c::crc32c_append(crc32c::crc32c(key), bytes) {
        Ok(bytes)
    } else {
        Err(damaged(key, stored.len()))
    }
}

fn damaged(key: &[u8; 12], bytes: usize) -> Error {
    let (id, cell) = key.split_at(8);
    let number = |bytes: &[u8]| bytes.iter().fold(0u64, |number, &byte| number << 8 | u64::from(byte));
    let what = format!("checksum of {bytes} bytes does not verify");
    Error::corrupt(format!("cell {} of structure {}", number(cell), number(id)), what)
}

impl Snapshot {
    /// The bytes of a cell; `None` when there is none. Cost: one walk, one copy.
    pub fn cell(&self, id: u64, cell: u32) -> Result<Option<Vec<u8>>, Error> {
        let key = key(id, cell);
        self.read_cell(id, &key[8..], |stored| unseal(&key, stored).map(<[u8]>::to_vec))?.transpose()
    }
}

/// The cells of one structure as of the newest checkpoint.
#[derive(Debug)]
pub struct CellSource<'a> {
    table: &'a Table,
    id: u64,
    /// Bytes read so far.
    loaded: AtomicU64,
}

impl<'a> CellSource<'a> {
    /// Of the structure `id`.
    #[must_use]
    pub fn new(table: &'a Table, id: u64) -> CellSource<'a> {
        CellSource { table, id, loaded: AtomicU64::new(0) }
    }

    /// Bytes of cells read so far.
    #[must_use]
    pub fn loaded_bytes(&self) -> u64 {
        self.loaded.load(Ordering::Relaxed)
    }
}

impl tree::Source for CellSource<'_> {
    type Error = Error;

    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Error> {
        let found = self.table.cell(self.id, cell)?;
        // A cell that is gone is like one that is newer: the tree that asks is of an earlier time.
        let bytes = found.ok_or(tree::Error::Stale { cell, wanted: stamp, found: 0 })?;
        self.loaded.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        Ok(bytes)
    }
}

/// The cells of one structure as one snapshot has them.
#[derive(Debug)]
pub struct SnapshotSource<'a> {
    /// Whose cells.
    pub snapshot: &'a Snapshot,
    /// Of the structure.
    pub id: u64,
}

impl tree::Source for SnapshotSource<'_> {
    type Error = Error;

    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Error> {
        let found = self.snapshot.cell(self.id, cell)?;
        Ok(found.ok_or(tree::Error::Stale { cell, wanted: stamp, found: 0 })?)
    }
}
