//! A shard: a table that readers walk freely, and a lock for whoever changes it.
//!
//! Readers load `index` while pinned and never wait. Writers hold `writer`, change slots one store at a time, and
//! give the table's reference of a removed version to the epoch: a pinned reader may still take a reference of
//! his own. The table grows by building a larger copy aside and swapping the pointer; readers of the old one see
//! the moment of the swap, which is inside their own call.
//!
//! Dirty entries are never evicted: the policy is told of an entry when it becomes clean.

use std::sync::atomic::{AtomicU64, Ordering};

use crossbeam_epoch::{Atomic, Guard, Owned};
use parking_lot::Mutex;

use super::bucket::Slot;
use super::entry::{Entry, EntryRef};
use super::fill::{FillToken, Gate};
use super::hash::KeyHash;
use super::index::{Index, Resident};
use super::policy::{Common, Policy, Scale};
use super::shared::Shared;
use crate::record::EntryKind;

/// Garbage of this many bytes is handed to the epoch's common pile at once instead of waiting for 63 more.
const FLUSH_BYTES: u64 = 16 * 1024;

/// One part of the memory. The three lines that readers, fillers and writers touch are kept apart.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Shard {
    index: Line<Atomic<Index>>,
    pub(super) gate: Gate,
    writer: Mutex<Box<dyn Policy>>,
    pub(super) counts: Counts,
}

#[derive(Debug)]
#[repr(align(64))]
struct Line<T>(T);

/// What the shard holds; written under the lock, read by anybody.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) entries: AtomicU64,
    pub(super) bytes: AtomicU64,
    pub(super) dirty_entries: AtomicU64,
    pub(super) dirty_bytes: AtomicU64,
    pub(super) evictions: AtomicU64,
}

impl Counts {
    fn add(&self, entry: &Entry) {
        let bytes = Scale::Bytes.weigh(entry);
        raise(&self.entries, 1);
        raise(&self.bytes, bytes);
        if entry.is_dirty() {
            raise(&self.dirty_entries, 1);
            raise(&self.dirty_bytes, bytes);
        }
    }

    fn remove(&self, entry: &Entry) {
        let bytes = Scale::Bytes.weigh(entry);
        lower(&self.entries, 1);
        lower(&self.bytes, bytes);
        if entry.is_dirty() {
            lower(&self.dirty_entries, 1);
            lower(&self.dirty_bytes, bytes);
        }
    }

    /// Bytes of clean entries: what eviction could free here.
    pub(super) fn clean_bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed).saturating_sub(self.dirty_bytes.load(Ordering::Relaxed))
    }
}

/// Load and store: the lock excludes other writers.
fn raise(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

fn lower(counter: &AtomicU64, by: u64) {
    counter.store(counter.load(Ordering::Relaxed) - by, Ordering::Relaxed);
}

impl Shard {
    pub(super) fn new(policies: &Common) -> Shard {
        Shard {
            index: Line(Atomic::new(Index::with_room_for(0))),
            gate: Gate::new(),
            writer: Mutex::new(policies.build()),
            counts: Counts::default(),
        }
    }

    /// The table of this instant.
    #[inline]
    pub(super) fn index<'g>(&self, guard: &'g Guard) -> &'g Index {
        // Acquire: pairs with the release in `resize`, so the table's buckets are complete.
        let index = self.index.0.load(Ordering::Acquire, guard);
        // SAFETY: never null after `new`; a replaced table is freed by the epoch after this pin ends.
        unsafe { index.deref() }
    }

    /// Puts a version in place of whatever the key has. Returns what it had.
    pub(super) fn apply(
        &self,
        shared: &Shared,
        hash: KeyHash,
        entry: EntryRef,
        guard: &Guard,
    ) -> Option<EntryRef> {
        let mut policy = self.writer.lock();
        let previous = match self.index(guard).find(hash, entry.key()) {
            Some(resident) => Some(self.replace(&mut **policy, shared, hash, &resident, entry, guard)),
            None => {
                self.insert(shared, hash, entry, guard);
                None
            }
        };
        // After the publication, not before it: `fill.rs` says why.
        self.gate.count_write(hash);
        previous
    }

    /// Inserts a clean entry if the key is absent and was not written since the token was taken.
    pub(super) fn fill(
        &self,
        shared: &Shared,
        hash: KeyHash,
        token: FillToken,
        entry: EntryRef,
        guard: &Guard,
    ) -> bool {
        let mut policy = self.writer.lock();
        if !self.gate.unchanged(hash, token) || self.index(guard).find(hash, entry.key()).is_some() {
            return false;
        }
        let filled = self.insert(shared, hash, entry, guard);
        policy.admit(self.index(guard), hash.fragment(), &filled.entry);
        shared.limit.set_barren(false);
        true
    }

    /// Marks a version as held by the checkpoint, if it still is the key's current one.
    pub(super) fn clean(&self, shared: &Shared, hash: KeyHash, entry: &Entry, guard: &Guard) {
        let mut policy = self.writer.lock();
        let index = self.index(guard);
        let Some(slot) = index.find_version(hash, entry) else { return };
        if !entry.is_dirty() {
            return;
        }
        if entry.kind() == EntryKind::Tombstone {
            self.remove(&mut **policy, shared, slot, entry, guard);
            return;
        }
        self.counts.remove(entry);
        entry.set_clean();
        self.counts.add(entry);
        if entry.queue() == 0 {
            policy.admit(index, hash.fragment(), entry);
        }
        shared.limit.set_barren(false);
    }

    /// Evicts the clean entry the policy likes least. Its bytes; 0 when there is none.
    pub(super) fn evict(&self, shared: &Shared, guard: &Guard) -> u64 {
        let mut policy = self.writer.lock();
        let Some(victim) = policy.evict(self.index(guard)) else { return 0 };
        let bytes = Scale::Bytes.weigh(&victim.entry);
        self.remove(&mut **policy, shared, victim.slot, &victim.entry, guard);
        raise(&self.counts.evictions, 1);
        bytes
    }

    /// Removes every clean entry, whatever the policy thinks of it.
    pub(super) fn drop_clean(&self, shared: &Shared, guard: &Guard) {
        let mut policy = self.writer.lock();
        let index = self.index(guard);
        for resident in index.residents().filter(|resident| !resident.entry.is_dirty()) {
            self.remove(&mut **policy, shared, resident.slot, &resident.entry, guard);
        }
        let entries = self.counts.entries.load(Ordering::Relaxed) as usize;
        if index.is_sparse(entries) {
            self.resize(shared, entries, guard);
        }
    }

    /// Frees the table and its references. Not in `Drop`, which has no guard to choose.
    ///
    /// # Safety
    /// No other thread uses the shard any more.
    pub(super) unsafe fn dismantle(&mut self) {
        // SAFETY: the caller is alone; so nothing needs the epoch's protection.
        let guard = unsafe { crossbeam_epoch::unprotected() };
        for resident in self.index(guard).residents() {
            // SAFETY: the table owns one reference for each occupied slot, and is not used again.
            drop(unsafe { EntryRef::from_ptr(resident.entry.as_ptr()) });
        }
        let index = self.index.0.swap(crossbeam_epoch::Shared::null(), Ordering::Relaxed, guard);
        // SAFETY: the pointer came from an `Owned` and nobody else can load it any more.
        drop(unsafe { index.into_owned() });
    }

    fn replace(
        &self,
        policy: &mut dyn Policy,
        shared: &Shared,
        hash: KeyHash,
        resident: &Resident<'_>,
        entry: EntryRef,
        guard: &Guard,
    ) -> EntryRef {
        let old = &resident.entry;
        entry.set_queue(old.queue());
        // A write is a use like a read, and what was known of the key's warmth stays true.
        entry.set_heat((old.heat() + 1).min(shared.heat_max));
        if old.queue() != 0 {
            policy.replace(old, &entry);
        }
        self.counts.remove(old);
        self.counts.add(&entry);
        shared.limit.replace(old, &entry);
        let previous = old.to_ref();
        resident.slot.publish(hash.tag(), entry.into_ptr().as_ptr());
        retire(old, guard);
        previous
    }

    fn insert<'g>(&self, shared: &Shared, hash: KeyHash, entry: EntryRef, guard: &'g Guard) -> Resident<'g> {
        let entries = self.counts.entries.load(Ordering::Relaxed) as usize;
        if entries >= self.index(guard).entries_max() {
            self.resize(shared, entries, guard);
        }
        self.counts.add(&entry);
        shared.limit.add(&entry);
        self.index(guard).insert(hash, entry)
    }

    fn remove(&self, policy: &mut dyn Policy, shared: &Shared, slot: &Slot, entry: &Entry, guard: &Guard) {
        if entry.queue() != 0 {
            policy.forget(entry);
        }
        self.counts.remove(entry);
        shared.limit.remove(entry);
        slot.clear();
        retire(entry, guard);
    }

    /// Replaces the table by one for `entries` and some more. Cost: all entries are looked at once.
    fn resize(&self, shared: &Shared, entries: usize, guard: &Guard) {
        let index = self.index(guard);
        let resized = Index::with_room_for(entries + 1);
        index.copy_into(&resized, |key| shared.hasher.hash(key));
        // Release: pairs with the acquire in `index`.
        let old = self.index.0.swap(Owned::new(resized), Ordering::Release, guard);
        // SAFETY: no new reader can load the old table; those that have it are pinned.
        unsafe { guard.defer_destroy(old) };
    }
}

/// Gives the table's reference of a removed version back, once nobody pinned can be looking at it.
fn retire(entry: &Entry, guard: &Guard) {
    let bytes = entry.allocated_bytes();
    let pointer = entry.as_ptr();
    // SAFETY: the slot was overwritten or cleared before, so later pins cannot find the entry, and its reference
    // was the table's to give. The deferred function owns all it uses; an `EntryRef` may be dropped anywhere.
    unsafe { guard.defer_unchecked(move || drop(EntryRef::from_ptr(pointer))) };
    if bytes >= FLUSH_BYTES {
        guard.flush();
    }
}
