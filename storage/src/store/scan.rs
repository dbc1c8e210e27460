//! Consistent views and scans: what is dirty at one position, merged with the L2 snapshot below it.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use super::Store;
use super::error::Error;
use super::read::visible;
use crate::memory::EntryRef;
use crate::record::{EntryFields, EntryKind, Lsn};
use crate::structure::{MalformedRoot, ROOT_CELL, Structure};
use crate::table::{self, SnapshotSource};
use crate::write;
use crate::write::dirty::last_versions;
use crate::write::marks::Hidden;

/// The state at one position. Holding it keeps L2 pages and replaced versions alive: drop it soon.
#[derive(Debug)]
pub struct Snapshot {
    lsn: Lsn,
    now_us: u64,
    /// Last versions above the table's position, by key.
    dirty: Vec<EntryRef>,
    table: Arc<table::Snapshot>,
    hidden: Hidden,
    /// Structures with changes above the table's position, when they were asked for.
    structures: HashMap<u64, Structure>,
}

/// A row of a scan, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Encoded key.
    pub key: Vec<u8>,
    /// Whether it is a value or a structure.
    pub kind: EntryKind,
    /// JSON text of a value; which structure it is otherwise.
    pub value: Vec<u8>,
    /// Encoded metadata.
    pub extras: Vec<u8>,
    /// Position of its record.
    pub lsn: Lsn,
    /// Microseconds since 1970 UTC.
    pub created_us: u64,
    /// Microseconds since 1970 UTC; 0 = never.
    pub expires_us: u64,
}

/// One chunk of a scan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// Ascending by key.
    pub rows: Vec<Row>,
    /// Pass it as `after` for the next chunk; `None` at the end.
    pub next: Option<Vec<u8>>,
}

impl Store {
    /// A consistent view of now, apart from members of structures, which are read as they are. Cost: a lock held for
    /// one reference per 1,024 dirty entries, then a sort of them without a lock.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        self.view(false)
    }

    /// A consistent view of now, members of structures included. Cost beyond [`Store::snapshot`]: the lock is held for
    /// one reference per structure that has changed since the last checkpoint.
    #[must_use]
    pub fn snapshot_whole(&self) -> Snapshot {
        self.view(true)
    }

    fn view(&self, whole: bool) -> Snapshot {
        let pipeline = &self.shared.pipeline;
        let (lsn, cut, table, structures, hidden, now_us) = {
            let inner = pipeline.inner.lock();
            let changed = inner.dirty.structures().filter(|_| whole).map(|hot| (hot.id(), hot.view()));
            // Under the lock no checkpoint freezes, so the table cannot be ahead of the cut.
            let cut = inner.dirty.entries.cut();
            let (table, hidden) = (pipeline.table.snapshot(), pipeline.hidden.clone());
            (inner.core.staged(), cut, table, changed.collect(), hidden, self.now_us())
        };
        Snapshot { lsn, now_us, dirty: last_versions(&cut), table, hidden, structures }
    }

    /// Up to `limit` visible rows whose key starts with `prefix`, after the key `after`. Each call
    /// takes a view of its own, so a scan in chunks sees writes made between its chunks.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, Error> {
        self.snapshot().scan(prefix, after, limit)
    }
}

impl Snapshot {
    /// Everything through here is in the view.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Up to `limit` visible rows whose key starts with `prefix`, after the key `after`.
    pub fn scan(&self, prefix: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Page, Error> {
        let mut rows = Vec::new();
        let mut next = None;
        self.visit(prefix, after, |key, fields| {
            if rows.len() == limit {
                next = rows.last().map(|row: &Row| row.key.clone());
                return false;
            }
            rows.push(Row {
                key: key.into(),
                kind: fields.kind,
                value: fields.value.into(),
                extras: fields.extras.into(),
                lsn: fields.lsn,
                created_us: fields.created_us,
                expires_us: fields.expires_us,
            });
            true
        })?;
        Ok(Page { rows, next })
    }

    fn shows(&self, fields: &EntryFields<'_>) -> bool {
        let stored = fields.kind.is_stored() && visible(fields, self.now_us);
        stored && self.hidden.lsn_of(fields.extras, fields.lsn).is_none()
    }

    /// Entries under a prefix that have expired and wait for the sweeper.
    pub fn expired_in(&self, prefix: &[u8]) -> Result<u64, Error> {
        let expired = |fields: &EntryFields<'_>| fields.expires_us != 0 && self.now_us > fields.expires_us;
        let newest = |key: &[u8]| self.dirty.binary_search_by(|entry| entry.key().cmp(key)).is_ok();
        let dirty = self.dirty.iter().filter(|entry| {
            entry.key().starts_with(prefix) && entry.kind().is_stored() && expired(&entry.fields())
        });
        let mut count = dirty.count() as u64;
        for row in self.table.range(Bound::Included(prefix), Bound::Unbounded)? {
            let row = row?;
            if !row.key().starts_with(prefix) {
                break;
            }
            count += u64::from(!newest(row.key()) && expired(&row.fields()?));
        }
        Ok(count)
    }

    /// State time of the view.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.now_us
    }

    /// A structure of the view, its members read through [`Snapshot::cells`]. The view must be a whole one.
    pub fn structure(&self, id: u64) -> Result<Option<Structure>, Error> {
        if let Some(structure) = self.structures.get(&id) {
            return Ok(Some(structure.clone()));
        }
        let Some(root) = self.table.cell(id, ROOT_CELL)? else { return Ok(None) };
        let damaged = |error: MalformedRoot| write::Error::Inconsistent { what: error.to_string() };
        Ok(Some(Structure::from_root(id, &root).map_err(damaged)?))
    }

    /// The cells of a structure of the view.
    #[must_use]
    pub fn cells(&self, id: u64) -> SnapshotSource<'_> {
        SnapshotSource { snapshot: &self.table, id }
    }

    /// Calls `each` for every visible entry in key order until it answers `false`.
    pub fn visit(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        mut each: impl FnMut(&[u8], &EntryFields<'_>) -> bool,
    ) -> Result<(), Error> {
        let begins = |key: &[u8]| match after {
            Some(after) => key > after && key >= prefix,
            None => key >= prefix,
        };
        let first = self.dirty.partition_point(|entry| !begins(entry.key()));
        let mut dirty =
            self.dirty[first..].iter().take_while(|entry| entry.key().starts_with(prefix)).peekable();
        let mut show = |key: &[u8], fields: &EntryFields<'_>| !self.shows(fields) || each(key, fields);
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        for row in self.table.range(from, Bound::Unbounded)? {
            let row = row?;
            if !row.key().starts_with(prefix) {
                break;
            }
            while let Some(entry) = dirty.next_if(|entry| entry.key() < row.key()) {
                if !show(entry.key(), &entry.fields()) {
                    return Ok(());
                }
            }
            let shown = match dirty.next_if(|entry| entry.key() == row.key()) {
                Some(entry) => show(entry.key(), &entry.fields()),
                None => show(row.key(), &row.fields()?),
            };
            if !shown {
                return Ok(());
            }
        }
        for entry in dirty {
            debug_assert!(
                entry.kind() != EntryKind::Tombstone || entry.value().is_empty(),
                "tombstones are bare"
            );
            if !show(entry.key(), &entry.fields()) {
                return Ok(());
            }
        }
        Ok(())
    }
}
