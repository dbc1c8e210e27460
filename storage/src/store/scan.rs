//! Consistent views and scans: what is dirty at one position, merged with the L2 snapshot below it.

use std::ops::Bound;
use std::sync::Arc;

use super::Store;
use super::error::Error;
use super::read::visible;
use crate::memory::EntryRef;
use crate::record::{EntryFields, EntryKind, Lsn};
use crate::table;
use crate::write::dirty::last_versions;

/// The state at one position. Holding it keeps L2 pages and replaced versions alive: drop it soon.
#[derive(Debug)]
pub struct Snapshot {
    lsn: Lsn,
    now_us: u64,
    /// Last versions above the table's position, by key.
    dirty: Vec<EntryRef>,
    table: Arc<table::Snapshot>,
}

/// A row of a scan, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Encoded key.
    pub key: Vec<u8>,
    /// JSON text.
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
    /// A consistent view of now. Cost: a lock held for one reference per 1,024 dirty entries, then a
    /// sort of them without a lock.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let pipeline = &self.shared.pipeline;
        let (lsn, cut, table) = {
            let inner = pipeline.inner.lock();
            // Under the lock no checkpoint freezes, so the table cannot be ahead of the cut.
            (inner.core.staged(), inner.dirty.cut(), pipeline.table.snapshot())
        };
        Snapshot { lsn, now_us: self.now_us(), dirty: last_versions(&cut), table }
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
        let mut show =
            |key: &[u8], fields: &EntryFields<'_>| !visible(fields, self.now_us) || each(key, fields);
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
