//! What the table held after one checkpoint. Immutable, cheap to share, safe to keep for a scan.
//!
//! A snapshot keeps its redb read transaction open, and so its pages: a long scan makes the file
//! grow by what is checkpointed meanwhile. Take a fresh one for each chunk where that matters.

use std::ops::Bound;

use redb::{AccessGuard, ReadTransaction, ReadableTableMetadata};

use crate::record::EntryFields;

use super::error::during;
use super::meta::{self, Counters};
use super::schema::{self, CELLS, DROPS, ENTRIES, EXPIRY, META, ReadMarks, ReadRows, TAGS};
use super::{CheckpointPosition, Error, row};

/// An entry in order of expiry: when it expires (microseconds since 1970), and its encoded key.
pub type Expiring = (u64, Box<[u8]>);

/// The table as one checkpoint left it.
pub struct Snapshot {
    /// Which opening of the file this belongs to; a reopened table publishes a higher one.
    pub(super) opening: u64,
    pub(super) counters: Counters,
    position: CheckpointPosition,
    entries: ReadRows,
    expiry: ReadMarks,
    cells: ReadRows,
    drops: ReadMarks,
    pub(super) tags: ReadRows,
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Snapshot").field("position", &self.position).finish_non_exhaustive()
    }
}

impl Snapshot {
    pub(super) fn new(transaction: &ReadTransaction, opening: u64) -> Result<Snapshot, Error> {
        let rows = |name| transaction.open_table(name).map_err(during("open a table"));
        let marks = |name| transaction.open_table(name).map_err(during("open a table"));
        let (position, counters) = meta::read(&rows(META)?)?;
        Ok(Snapshot {
            opening,
            counters,
            position,
            entries: rows(ENTRIES)?,
            expiry: marks(EXPIRY)?,
            cells: rows(CELLS)?,
            drops: marks(DROPS)?,
            tags: rows(TAGS)?,
        })
    }

    /// How far this snapshot goes.
    #[must_use]
    pub fn position(&self) -> CheckpointPosition {
        self.position
    }

    /// Rows of entries. Expired ones count until their removal is checkpointed.
    pub fn entries(&self) -> Result<u64, Error> {
        self.entries.len().map_err(during("count entries"))
    }

    /// Entries that have an expiry.
    pub fn expiring(&self) -> Result<u64, Error> {
        self.expiry.len().map_err(during("count expiry rows"))
    }

    /// Rows of structures.
    pub fn cells(&self) -> Result<u64, Error> {
        self.cells.len().map_err(during("count cells"))
    }

    /// Structures whose cells are not all removed yet.
    pub fn drops(&self) -> Result<u64, Error> {
        self.drops.len().map_err(during("count drops"))
    }

    /// Gives `visit` the entry stored under `key`; `None` when there is none. An entry is given even
    /// when it has expired: hiding it is the caller's business, who knows the time.
    ///
    /// One walk down the tree, no copy of the value. [`Error::Lost`] after a failure of the handle.
    pub fn read<R>(&self, key: &[u8], visit: impl FnOnce(EntryFields<'_>) -> R) -> Result<Option<R>, Error> {
        match self.entries.get(key).map_err(during("read an entry"))? {
            None => Ok(None),
            Some(found) => Ok(Some(visit(row::decode(key, found.value())?))),
        }
    }

    /// The entries between two keys, in key order, from either end.
    pub fn range(&self, from: Bound<&[u8]>, to: Bound<&[u8]>) -> Result<Rows, Error> {
        let range = self.entries.range::<&[u8]>((from, to)).map_err(during("open a range of entries"))?;
        Ok(Rows { range })
    }

    /// Up to `limit` entries whose expiry is at or before `through_us`, soonest first, behind `after`
    /// (an expiry and a key, as an earlier call gave them).
    pub fn expired(
        &self,
        through_us: u64,
        after: Option<(u64, &[u8])>,
        limit: usize,
    ) -> Result<Vec<Expiring>, Error> {
        let mut found = Vec::new();
        let mut last = Vec::new();
        if let Some((expires_us, key)) = after {
            schema::expiry_key(expires_us, key, &mut last);
        }
        let from = if last.is_empty() { Bound::Unbounded } else { Bound::Excluded(last.as_slice()) };
        let all = self
            .expiry
            .range::<&[u8]>((from, Bound::Unbounded))
            .map_err(during("open a range of expiry rows"))?;
        for mark in all.take(limit) {
            let (mark, ()) = mark.map(|(mark, _)| (mark, ())).map_err(during("read an expiry row"))?;
            let (expires_us, key) = split_mark(mark.value())?;
            if expires_us > through_us {
                break;
            }
            found.push((expires_us, key.into()));
        }
        Ok(found)
    }

    /// The cell `subkey` of the structure `id`.
    pub fn read_cell<R>(
        &self,
        id: u64,
        subkey: &[u8],
        visit: impl FnOnce(&[u8]) -> R,
    ) -> Result<Option<R>, Error> {
        let mut key = Vec::with_capacity(8 + subkey.len());
        schema::cell_key(id, subkey, &mut key);
        let found = self.cells.get(key.as_slice()).map_err(during("read a cell"))?;
        Ok(found.map(|cell| visit(cell.value())))
    }

    /// All rows of the expiry index, for the verifier.
    pub(super) fn marks(&self) -> Result<impl Iterator<Item = Result<Box<[u8]>, Error>>, Error> {
        let all = self.expiry.range::<&[u8]>(..).map_err(during("open a range of expiry rows"))?;
        Ok(all.map(|mark| Ok(mark.map_err(during("read an expiry row"))?.0.value().into())))
    }

    /// True when the expiry index holds exactly this mark, for the verifier.
    pub(super) fn has_mark(&self, mark: &[u8]) -> Result<bool, Error> {
        Ok(self.expiry.get(mark).map_err(during("read an expiry row"))?.is_some())
    }
}

/// Splits a row of the expiry index, or says that it is none.
pub(super) fn split_mark(mark: &[u8]) -> Result<(u64, &[u8]), Error> {
    schema::split_expiry_key(mark).ok_or_else(|| {
        Error::corrupt("expiry row", format!("expected at least 8 bytes, found {}", mark.len()))
    })
}

/// Entries in key order; see [`Snapshot::range`]. Keeps the snapshot's pages alive.
pub struct Rows {
    range: redb::Range<'static, &'static [u8], &'static [u8]>,
}

impl std::fmt::Debug for Rows {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Rows")
    }
}

type Pair = (AccessGuard<'static, &'static [u8]>, AccessGuard<'static, &'static [u8]>);

fn row_of(pair: Result<Pair, redb::StorageError>) -> Result<Row, Error> {
    let (key, row) = pair.map_err(during("read a range of entries"))?;
    Ok(Row { key, row })
}

impl Iterator for Rows {
    type Item = Result<Row, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        self.range.next().map(row_of)
    }
}

impl DoubleEndedIterator for Rows {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.range.next_back().map(row_of)
    }
}

/// One stored entry, borrowed from its page.
pub struct Row {
    key: AccessGuard<'static, &'static [u8]>,
    row: AccessGuard<'static, &'static [u8]>,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Row").field(&self.key().escape_ascii().to_string()).finish()
    }
}

impl Row {
    /// The encoded key.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        self.key.value()
    }

    /// Bytes the row takes beside its key.
    #[must_use]
    pub fn row_bytes(&self) -> usize {
        self.row.value().len()
    }

    /// The entry. [`Error::Corrupt`] or [`Error::NewerFormat`] when the bytes are no entry.
    pub fn fields(&self) -> Result<EntryFields<'_>, Error> {
        row::decode(self.key.value(), self.row.value())
    }
}
