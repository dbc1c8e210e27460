//! Folding a sorted batch into the `entries` table.
//!
//! A batch that meets the existing keys one by one costs a walk down the tree each. But batches often
//! hold runs of new keys that fall between two existing ones (a first load, ascending ids), and redb
//! builds such a run leaf by leaf through a cursor, at about twice the speed and with full pages. Runs
//! are found by halving: a part of the batch whose key range is empty in the table goes in as one
//! run; a small part that is not goes in row by row. The probes cost one walk for every
//! [`PART_MIN`] / 2 rows at most.

use std::ops::Bound;

use redb::{ReadableTable, Table};

use super::checkpoint::{Change, CheckpointSummary};
use super::error::during;
use super::marks::IndexRows;
use super::meta::Counters;
use super::negative::Pupils;
use super::{Error, row};
use crate::record::EntryFields;

/// Parts of a batch below this size are not probed any more.
const PART_MIN: usize = 128;

/// Changes of the expiry index that follow from the rows: `(expires_us, key)`.
#[derive(Default)]
pub(super) struct Marks<'a> {
    /// Structures whose entry was replaced or removed.
    pub(super) drops: Vec<u64>,
    /// Tags and dependencies.
    pub(super) index: IndexRows,
    pub(super) gone: Vec<(u64, &'a [u8])>,
    pub(super) new: Vec<(u64, &'a [u8])>,
}

/// One batch on its way into the table.
pub(super) struct Merge<'a, 'txn> {
    table: Table<'txn, &'static [u8], &'static [u8]>,
    pupils: &'a Pupils,
    counters: Counters,
    summary: CheckpointSummary,
    marks: Marks<'a>,
    /// The row being built; kept to reuse its memory.
    row: Vec<u8>,
}

impl<'a, 'txn> Merge<'a, 'txn> {
    pub(super) fn new(
        table: Table<'txn, &'static [u8], &'static [u8]>,
        counters: Counters,
        pupils: &'a Pupils,
    ) -> Merge<'a, 'txn> {
        let summary = CheckpointSummary::default();
        Merge { table, pupils, counters, summary, marks: Marks::default(), row: Vec::new() }
    }

    /// The changes of the expiry index, and what was counted.
    pub(super) fn finish(self) -> (Marks<'a>, (Counters, CheckpointSummary)) {
        (self.marks, (self.counters, self.summary))
    }

    /// Folds in `changes`, which are sorted.
    pub(super) fn apply<C: Change>(&mut self, changes: &'a [C]) -> Result<(), Error> {
        if changes.len() < PART_MIN {
            return changes.iter().try_for_each(|change| self.apply_one(change));
        }
        if self.is_gap(changes)? {
            return self.apply_run(changes);
        }
        let (left, right) = changes.split_at(changes.len() / 2);
        self.apply(left)?;
        self.apply(right)
    }

    /// True when the table has no key from the first to the last of `changes`.
    fn is_gap<C: Change>(&self, changes: &[C]) -> Result<bool, Error> {
        let (Some(first), Some(last)) = (changes.first(), changes.last()) else { return Ok(false) };
        let mut between =
            self.table.range::<&[u8]>(first.key()..=last.key()).map_err(during("probe for a gap"))?;
        Ok(between.next().transpose().map_err(during("probe for a gap"))?.is_none())
    }

    /// Rows for a gap: nothing to replace, and removals have nothing to remove.
    fn apply_run<C: Change>(&mut self, changes: &'a [C]) -> Result<(), Error> {
        let Some(first) = changes.first() else { return Ok(()) };
        let from = Bound::Included(first.key());
        let mut cursor = self.table.lower_bound_mut(from).map_err(during("open a gap"))?;
        for change in changes {
            let Some(fields) = change.fields() else { continue };
            row::encode(change.key(), &fields, &mut self.row);
            self.pupils.learn(change.key());
            cursor.insert_before(change.key(), self.row.as_slice()).map_err(during("fill a gap"))?;
            if fields.expires_us != 0 {
                self.marks.new.push((fields.expires_us, change.key()));
            }
            self.marks.index.replace(change.key(), b"", fields.extras);
            count_put(&mut self.summary, change.key(), &self.row);
            self.counters.stored_bytes += (change.key().len() + self.row.len()) as u64;
        }
        cursor.close().map_err(during("fill a gap"))
    }

    fn apply_one<C: Change>(&mut self, change: &'a C) -> Result<(), Error> {
        match change.fields() {
            Some(fields) => {
                row::encode(change.key(), &fields, &mut self.row);
                self.put(change.key(), &fields)
            }
            None => self.remove(change.key()),
        }
    }

    /// Stores `self.row` under `key`.
    fn put(&mut self, key: &'a [u8], fields: &EntryFields<'_>) -> Result<(), Error> {
        self.pupils.learn(key);
        let old = self.table.insert(key, self.row.as_slice()).map_err(during("write an entry"))?;
        match &old {
            None => self.marks.replace(key, None, Some(fields)),
            Some(old) => {
                self.counters.forget(key, old.value())?;
                self.marks.replace(key, replaced(key, old.value())?.as_ref(), Some(fields));
            }
        }
        count_put(&mut self.summary, key, &self.row);
        self.counters.stored_bytes += (key.len() + self.row.len()) as u64;
        Ok(())
    }

    fn remove(&mut self, key: &'a [u8]) -> Result<(), Error> {
        let old = self.table.remove(key).map_err(during("remove an entry"))?;
        let Some(old) = old else { return Ok(()) };
        self.counters.forget(key, old.value())?;
        self.marks.replace(key, replaced(key, old.value())?.as_ref(), None);
        self.summary.removes += 1;
        Ok(())
    }
}

impl<'a> Marks<'a> {
    /// `0` = never expires, so there is no mark.
    /// One version of a key takes the place of another.
    fn replace(&mut self, key: &'a [u8], old: Option<&EntryFields<'_>>, new: Option<&EntryFields<'_>>) {
        let expires_us = |fields: Option<&EntryFields<'_>>| fields.map_or(0, |fields| fields.expires_us);
        let (old_us, new_us) = (expires_us(old), expires_us(new));
        if old_us != 0 && old_us != new_us {
            self.gone.push((old_us, key));
        }
        if new_us != 0 && old_us != new_us {
            self.new.push((new_us, key));
        }
        let id = |fields: Option<&EntryFields<'_>>| Some(fields?.structure()?.id);
        if id(old) != id(new) {
            self.drops.extend(id(old));
        }
        let extras = |fields: Option<&EntryFields<'_>>| fields.map_or(0, |fields| fields.extras.len());
        if extras(old) + extras(new) > 0 {
            let old = old.map_or(&b""[..], |fields| fields.extras);
            self.index.replace(key, old, new.map_or(b"", |fields| fields.extras));
        }
    }
}

impl Counters {
    /// Takes a row that is gone out of the sums. An underflow means they were damaged.
    fn forget(&mut self, key: &[u8], row: &[u8]) -> Result<(), Error> {
        let bytes = (key.len() + row.len()) as u64;
        let left = self.stored_bytes.checked_sub(bytes);
        self.stored_bytes = left.ok_or_else(|| {
            let what = format!("{} stored bytes counted, a row of {bytes} is there", self.stored_bytes);
            Error::corrupt("meta row counters", what)
        })?;
        Ok(())
    }
}

/// A row that is about to go. A damaged one cannot say what it was, and must not keep the checkpoint from replacing it:
/// its marks, if it had any, stay behind, and those who go by marks pass over what no entry confirms.
fn replaced<'a>(key: &[u8], row: &'a [u8]) -> Result<Option<EntryFields<'a>>, Error> {
    match row::decode(key, row) {
        Ok(fields) => Ok(Some(fields)),
        Err(Error::Corrupt { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn count_put(summary: &mut CheckpointSummary, key: &[u8], row: &[u8]) {
    summary.puts += 1;
    summary.put_bytes += (key.len() + row.len()) as u64;
}
