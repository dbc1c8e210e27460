//! Reading: L1 without a lock; on a miss the negative filter, then one shared read of L2.

use super::Store;
use super::error::Error;
use crate::memory::{Entry, EntryRef};
use crate::record::{EntryFields, EntryKind, Lsn};

/// What memory knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Read<R> {
    /// There; the value of the closure.
    Hit(R),
    /// Certainly not there. `observed` is the position of the deletion or of the expired version that
    /// says so, `Lsn::ZERO` when there is none above the checkpoint.
    Miss {
        /// See above.
        observed: Lsn,
    },
    /// Not in memory, perhaps in L2: [`Store::fetch`].
    Cold,
}

impl Store {
    /// Reads a key from memory: no lock, no allocation, no I/O. `now_us` comes from
    /// [`Store::now_us`]; one reading of the clock serves a batch.
    ///
    /// The closure runs while memory is pinned: keep it short.
    pub fn read<R>(&self, key: &[u8], now_us: u64, hit: impl FnOnce(&Entry) -> R) -> Read<R> {
        let pipeline = &self.shared.pipeline;
        let mut hit = Some(hit);
        loop {
            let found = pipeline.memory.read(key, now_us, |entry| {
                if pipeline.is_partial(entry.lsn()) {
                    return None;
                }
                if !entry.is_visible(now_us) {
                    return Some(Read::Miss { observed: entry.lsn() });
                }
                match self.hidden_by_tag(entry) {
                    None => hit.take().map(|hit| Read::Hit(hit(entry))),
                    Some(observed) => Some(Read::Miss { observed }),
                }
            });
            match found {
                Some(Some(read)) => return read,
                Some(None) => pipeline.wait_whole(),
                None if pipeline.table.may_hold(key) => return Read::Cold,
                None => return Read::Miss { observed: Lsn::ZERO },
            }
        }
    }

    /// Starts loading what reads of these keys will touch, all at once instead of one after the other. Changes
    /// nothing; worth it before about four reads or more.
    pub fn prefetch<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) {
        self.shared.pipeline.memory.prefetch(keys);
    }

    /// Reads a key from L2 into memory and returns it; `None` when it is not visible. Blocks for a
    /// disk read at worst. Concurrent calls for one key share one read.
    pub fn fetch(&self, key: &[u8]) -> Result<Option<EntryRef>, Error> {
        let pipeline = &self.shared.pipeline;
        loop {
            let now_us = self.now_us();
            let flight = self.shared.flights.board(key);
            // The token comes before the look into memory: a write after this point refuses the fill.
            let token = pipeline.memory.fill_token(key);
            if let Some(entry) = pipeline.get_whole(key, now_us) {
                return Ok(self.seen(entry, now_us));
            }
            if flight.is_none() {
                // Someone else read it and it did not stay, or was absent: read it ourselves.
                continue;
            }
            let filled = pipeline.table.read(key, |fields| {
                let fields = counted(fields, now_us);
                pipeline.memory.fill(token, key, &fields);
                EntryRef::detached(key, &fields)
            })?;
            return Ok(filled.and_then(|entry| self.seen(entry, now_us)));
        }
    }

    /// The visible version of a key from wherever it is. Blocks for a disk read at worst.
    ///
    /// Cost on a hit: that of [`Store::read`], a look at the coarse clock, and one more holder of the entry. What
    /// expires may be seen a few milliseconds longer.
    pub fn get(&self, key: &[u8]) -> Result<Option<EntryRef>, Error> {
        let now_us = self.shared.pipeline.coarse_now_us();
        match self.shared.pipeline.get_whole(key, now_us) {
            Some(entry) => Ok(self.seen(entry, now_us)),
            None if self.shared.pipeline.table.may_hold(key) => self.fetch(key),
            None => Ok(None),
        }
    }
}

impl Store {
    /// Whether the key's entry is in memory.
    #[must_use]
    pub fn is_in_memory(&self, key: &[u8]) -> bool {
        self.shared.pipeline.memory.peek(key).is_some()
    }

    /// The entry, if readers at `now_us` see it.
    fn seen(&self, entry: EntryRef, now_us: u64) -> Option<EntryRef> {
        (entry.is_visible(now_us) && self.hidden_by_tag(&entry).is_none()).then_some(entry)
    }

    /// The record that hides an entry by one of its tags.
    #[inline]
    fn hidden_by_tag(&self, entry: &Entry) -> Option<Lsn> {
        let extras = entry.extras();
        if extras.is_empty() { None } else { self.shared.pipeline.hidden.lsn_of(extras, entry.lsn()) }
    }
}

/// Whether a version is there for a reader at `now_us`, as far as its own fields say.
pub(super) fn visible(fields: &EntryFields<'_>, now_us: u64) -> bool {
    fields.kind != EntryKind::Tombstone && (fields.expires_us == 0 || now_us <= fields.expires_us)
}

/// The row as read once more.
fn counted<'a>(fields: EntryFields<'a>, now_us: u64) -> EntryFields<'a> {
    EntryFields { access_count: fields.access_count.saturating_add(1), last_access_us: now_us, ..fields }
}
