//! One checkpoint: one redb transaction that brings the table from one log position to a later one.
//!
//! Order of things, each for a reason:
//!
//! 1. rows, expiry index, cells, counters and position in **one** transaction: the file is exactly
//!    the effect of the log up to its position, or what it was before;
//! 2. the negative filter learns every key **before** the commit: also when the commit's outcome
//!    stays unknown, no published snapshot holds a key that the filter denies;
//! 3. an immediate commit with quick repair: reopening after a crash walks nothing.

use redb::{Durability, ReadableTable, WriteTransaction};

use crate::limits::CELLS_DROPPED_PER_CHECKPOINT_MAX;
use crate::record::{EntryFields, Lsn};

use super::bulk::{Marks, Merge};
use super::cells::CellChanges;
use super::error::during;
use super::marks::{self, HiddenTag, IndexRows, TagChange};
use super::meta::{self, Counters};
use super::negative::Pupils;
use super::schema::{self, CELLS, DROPS, ENTRIES, EXPIRY, META};
use super::{CheckpointPosition, Error};

/// The last version of one key since the previous checkpoint.
pub trait Change {
    /// The encoded key.
    fn key(&self) -> &[u8];
    /// What to store, or `None` to remove the row (a row that is not there is fine).
    fn fields(&self) -> Option<EntryFields<'_>>;
}

/// A [`Change`] that borrows both parts.
#[derive(Debug, Clone, Copy)]
pub enum EntryChange<'a> {
    /// Store this version.
    Put(&'a [u8], EntryFields<'a>),
    /// Remove the row.
    Remove(&'a [u8]),
}

impl Change for EntryChange<'_> {
    fn key(&self) -> &[u8] {
        match self {
            EntryChange::Put(key, _) | EntryChange::Remove(key) => key,
        }
    }

    fn fields(&self) -> Option<EntryFields<'_>> {
        match self {
            EntryChange::Put(_, fields) => Some(*fields),
            EntryChange::Remove(_) => None,
        }
    }
}

/// One row of a structure. `value` `None` removes it.
#[derive(Debug, Clone, Copy)]
pub struct CellChange<'a> {
    /// The structure.
    pub id: u64,
    /// The row inside it.
    pub subkey: &'a [u8],
    /// Its bytes.
    pub value: Option<&'a [u8]>,
}

/// What one checkpoint folds into the table.
pub struct Checkpoint<'a, C> {
    /// The position the table has afterwards; not below the one it has.
    pub position: CheckpointPosition,
    /// Strictly ascending by key.
    pub entries: &'a [C],
    /// In any order; cheapest when sorted by id and subkey.
    pub cells: &'a dyn CellChanges,
    /// Structures that no entry names any more, beside those whose entry this checkpoint replaces or removes. Their
    /// cells are removed by this and later checkpoints, a bounded number each; the ids are kept in the table meanwhile.
    pub drops: &'a [u64],
    /// How the counts of tags move.
    pub tags: &'a [TagChange],
    /// The tags that are hidden at this position, all of them; `None` leaves them as they are.
    pub hidden: Option<&'a [HiddenTag]>,
}

impl<C> std::fmt::Debug for Checkpoint<'_, C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Checkpoint").field("position", &self.position).finish_non_exhaustive()
    }
}

/// What a checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckpointSummary {
    /// Rows stored.
    pub puts: u64,
    /// Rows that were there and are gone.
    pub removes: u64,
    /// Bytes of keys and rows stored.
    pub put_bytes: u64,
}

/// Refuses a batch whose keys are not strictly ascending or that would take the table back.
pub(super) fn check<C: Change>(now: CheckpointPosition, batch: &Checkpoint<'_, C>) -> Result<(), Error> {
    if batch.position.lsn < now.lsn {
        let what = format!("position {} is before the table's {}", batch.position.lsn, now.lsn);
        return Err(Error::BadCheckpoint { what });
    }
    match batch.entries.windows(2).position(|pair| pair[0].key() >= pair[1].key()) {
        None => Ok(()),
        Some(at) => {
            let what = format!("entry {} of {} does not ascend", at + 1, batch.entries.len());
            Err(Error::BadCheckpoint { what })
        }
    }
}

/// Fills `transaction` with everything in `batch` and commits it. `before` and `counters` are the table's now.
pub(super) fn write<C: Change>(
    mut transaction: WriteTransaction,
    batch: &Checkpoint<'_, C>,
    before: Lsn,
    counters: Counters,
    pupils: &Pupils,
) -> Result<CheckpointSummary, Error> {
    transaction.set_durability(Durability::Immediate).map_err(during("begin a checkpoint"))?;
    transaction.set_quick_repair(true);
    let mut merged = write_entries(&transaction, batch.entries, counters, pupils)?;
    let mut drops = std::mem::take(&mut merged.drops);
    drops.extend_from_slice(batch.drops);
    write_cells(&transaction, batch.cells, &drops)?;
    write_index(&transaction, batch, before, std::mem::take(&mut merged.index))?;
    let mut meta = transaction.open_table(META).map_err(during("open meta"))?;
    let position = batch.position.encode();
    meta.insert(&b"position"[..], &position[..]).map_err(during("write the position"))?;
    meta.insert(&b"counters"[..], &merged.counters.encode()[..]).map_err(during("write the counters"))?;
    drop(meta);
    transaction.commit().map_err(during("commit a checkpoint"))?;
    Ok(merged.summary)
}

/// Gives the pages that the last checkpoint replaced back to the next one.
///
/// redb frees them in the first commit after nobody reads the state they belong to. That would be the
/// commit of the next checkpoint, too late for its own writes, and the file would grow to hold three
/// states instead of two (measured: 424 MiB against 303 for a million rows in scattered batches).
pub(super) fn reclaim(mut transaction: WriteTransaction) -> Result<(), Error> {
    transaction.set_quick_repair(true);
    transaction.commit().map_err(during("reclaim pages"))
}

struct Merged {
    counters: Counters,
    summary: CheckpointSummary,
    /// Structures whose entry was replaced or removed.
    drops: Vec<u64>,
    index: IndexRows,
}

fn write_entries<C: Change>(
    transaction: &WriteTransaction,
    entries: &[C],
    counters: Counters,
    pupils: &Pupils,
) -> Result<Merged, Error> {
    let table = transaction.open_table(ENTRIES).map_err(during("open entries"))?;
    let mut merge = Merge::new(table, counters, pupils);
    merge.apply(entries)?;
    let (mut marks, merged) = merge.finish();
    let (drops, index) = (std::mem::take(&mut marks.drops), std::mem::take(&mut marks.index));
    write_marks(transaction, marks)?;
    Ok(Merged { counters: merged.0, summary: merged.1, drops, index })
}

/// Brings the expiry index in step: first what no longer holds, then what holds now.
fn write_marks(transaction: &WriteTransaction, mut marks: Marks<'_>) -> Result<(), Error> {
    if marks.gone.is_empty() && marks.new.is_empty() {
        return Ok(());
    }
    let mut expiry = transaction.open_table(EXPIRY).map_err(during("open expiry"))?;
    marks.gone.sort_unstable();
    marks.new.sort_unstable();
    let mut mark = Vec::new();
    for (expires_us, key) in marks.gone {
        schema::expiry_key(expires_us, key, &mut mark);
        expiry.remove(mark.as_slice()).map_err(during("remove an expiry row"))?;
    }
    for (expires_us, key) in marks.new {
        schema::expiry_key(expires_us, key, &mut mark);
        expiry.insert(mark.as_slice(), ()).map_err(during("write an expiry row"))?;
    }
    Ok(())
}

fn write_index<C>(
    transaction: &WriteTransaction,
    batch: &Checkpoint<'_, C>,
    before: Lsn,
    index: IndexRows,
) -> Result<(), Error> {
    let nothing = batch.tags.is_empty() && batch.hidden.is_none() && index.is_empty();
    if nothing {
        return Ok(());
    }
    let mut table = transaction.open_table(schema::TAGS).map_err(during("open tags"))?;
    index.write(&mut table)?;
    marks::write_tags(&mut table, batch.tags, before, batch.hidden)
}

fn write_cells(
    transaction: &WriteTransaction,
    changes: &dyn CellChanges,
    dropped: &[u64],
) -> Result<(), Error> {
    let mut drops = transaction.open_table(DROPS).map_err(during("open drops"))?;
    for id in dropped {
        drops.insert(&id.to_be_bytes()[..], ()).map_err(during("write a drop"))?;
    }
    let mut cells = transaction.open_table(CELLS).map_err(during("open cells"))?;
    let mut key = Vec::new();
    changes.each(&mut |cell| {
        schema::cell_key(cell.id, cell.subkey, &mut key);
        match cell.value {
            Some(value) => cells.insert(key.as_slice(), value).map_err(during("write a cell"))?,
            None => cells.remove(key.as_slice()).map_err(during("remove a cell"))?,
        };
        Ok(())
    })?;
    let mut room = CELLS_DROPPED_PER_CHECKPOINT_MAX;
    while room > 0 {
        let Some(id) = first_drop(&drops)? else { break };
        let removed = drop_cells(&mut cells, id, room)?;
        if removed < room {
            drops.remove(&id.to_be_bytes()[..]).map_err(during("finish a drop"))?;
        }
        room -= removed;
    }
    Ok(())
}

fn first_drop(drops: &redb::Table<'_, &'static [u8], ()>) -> Result<Option<u64>, Error> {
    let Some((id, _)) = drops.first().map_err(during("read a drop"))? else { return Ok(None) };
    let id = id.value();
    match id.try_into() {
        Ok(id) => Ok(Some(u64::from_be_bytes(id))),
        Err(_) => Err(Error::corrupt("drops row", format!("expected 8 bytes, found {}", id.len()))),
    }
}

/// Removes up to `room` cells of one structure; returns how many.
fn drop_cells(
    cells: &mut redb::Table<'_, &'static [u8], &'static [u8]>,
    id: u64,
    room: usize,
) -> Result<usize, Error> {
    let from = id.to_be_bytes();
    let to = id.checked_add(1).map(u64::to_be_bytes);
    let range = (
        std::ops::Bound::Included(&from[..]),
        to.as_ref().map_or(std::ops::Bound::Unbounded, |to| std::ops::Bound::Excluded(&to[..])),
    );
    let mut removed = 0;
    let doomed = cells.extract_from_if::<&[u8], _>(range, |_, _| true).map_err(during("drop cells"))?;
    for cell in doomed.take(room) {
        cell.map_err(during("drop cells"))?;
        removed += 1;
    }
    Ok(removed)
}

/// Writes the first content of a new file.
pub(super) fn write_first(mut transaction: WriteTransaction) -> Result<(), Error> {
    transaction.set_quick_repair(true);
    for name in [ENTRIES, CELLS, schema::TAGS] {
        transaction.open_table(name).map_err(during("create a table"))?;
    }
    for name in [EXPIRY, DROPS] {
        transaction.open_table(name).map_err(during("create a table"))?;
    }
    let mut meta = transaction.open_table(META).map_err(during("create meta"))?;
    let rows: [(&str, &[u8]); 3] = [
        ("format", &[meta::FILE_FORMAT]),
        ("position", &CheckpointPosition::default().encode()),
        ("counters", &Counters::default().encode()),
    ];
    for (name, value) in rows {
        meta.insert(name.as_bytes(), value).map_err(during("write meta"))?;
    }
    drop(meta);
    transaction.commit().map_err(during("commit a new table"))
}
