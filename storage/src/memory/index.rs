//! The table of one shard: an array of buckets, read without a lock, replaced as a whole when it grows.
//!
//! The number of buckets needs no power of two: `bucket = place * buckets >> 32`. So a table grows by half,
//! and stands between four and six entries a bucket (10 to 16 bytes an entry).

use std::ptr::NonNull;

use super::bucket::{Bucket, Slot, Word};
use super::entry::{Entry, EntryRef};
use super::hash::{Fragment, KeyHash};

/// Entries per bucket above which the table grows; seven fit before a bucket overflows.
const LOAD_MAX: usize = 6;
/// Entries per bucket of a table just built.
const LOAD_FRESH: usize = 4;
/// Fewest buckets of a table.
const BUCKETS_MIN: usize = 4;

/// Buckets of one size. Does not own the entries: they outlive a table when it grows.
#[derive(Debug)]
pub(super) struct Index {
    buckets: Box<[Bucket]>,
}

/// An entry found in the table, with the slot it stands in. Lives as long as the pin or lock it was found under.
#[derive(Debug)]
pub(super) struct Resident<'a> {
    pub(super) slot: &'a Slot,
    pub(super) entry: Entry,
}

impl<'a> Resident<'a> {
    fn new(slot: &'a Slot, pointer: NonNull<u8>) -> Resident<'a> {
        // SAFETY: slots hold pointers from `EntryRef::into_ptr`. The table's reference is released only by
        // a deferred function of the epoch, and whoever borrows the index for 'a is pinned.
        Resident { slot, entry: unsafe { Entry::from_ptr(pointer) } }
    }
}

impl Index {
    /// A table for this many entries, with room to grow.
    pub(super) fn with_room_for(entries: usize) -> Index {
        let buckets = entries.div_ceil(LOAD_FRESH).max(BUCKETS_MIN);
        Index { buckets: (0..buckets).map(|_| Bucket::empty()).collect() }
    }

    /// Entries at which the table should be replaced by a larger one.
    pub(super) fn entries_max(&self) -> usize {
        self.buckets.len() * LOAD_MAX
    }

    /// True when a table for `entries` would be a small fraction of this one.
    pub(super) fn is_sparse(&self, entries: usize) -> bool {
        self.buckets.len() > BUCKETS_MIN && entries < self.buckets.len()
    }

    /// Finds a key. Readers call it pinned, the writer under the lock. Cost: one cache line for the bucket,
    /// one for the entry, and a wrong key is compared once in 65,536 slots.
    #[inline]
    pub(super) fn find(&self, hash: KeyHash, key: &[u8]) -> Option<Resident<'_>> {
        let mut bucket = self.bucket(hash.place());
        loop {
            let words = bucket.words();
            let mut matches = Word::matches(&words, hash.tag());
            while matches != 0 {
                let at = matches.trailing_zeros() as usize;
                if let Some(pointer) = words[at].pointer() {
                    prefetch_entry(pointer);
                    let resident = Resident::new(&bucket.slots[at], pointer);
                    if resident.entry.key() == key {
                        return Some(resident);
                    }
                }
                matches &= matches - 1;
            }
            bucket = bucket.next()?;
        }
    }

    /// Finds the slot of exactly this version. Only under the shard lock.
    pub(super) fn find_version(&self, hash: KeyHash, entry: &Entry) -> Option<&Slot> {
        let wanted = Some(entry.as_ptr());
        self.bucket(hash.place()).chain().find(|slot| slot.load().pointer() == wanted)
    }

    /// The first entry of a policy's queue that fits the fragment. Only under the shard lock.
    pub(super) fn find_queued(&self, fragment: Fragment, queue: u8) -> Option<Resident<'_>> {
        self.queued(fragment, queue).next()
    }

    /// Entries of a policy's queue that fit the fragment: one, or a few that look alike.
    pub(super) fn queued(&self, fragment: Fragment, queue: u8) -> impl Iterator<Item = Resident<'_>> {
        let (first, last) = fragment.places();
        let buckets = self.position(first)..=self.position(last);
        let slots = self.buckets[buckets].iter().flat_map(Bucket::chain);
        let words = slots.map(|slot| (slot, slot.load())).filter(move |(_, word)| fragment.fits(word.tag()));
        let residents = words.filter_map(|(slot, word)| Some(Resident::new(slot, word.pointer()?)));
        residents.filter(move |resident| resident.entry.queue() == queue)
    }

    /// Publishes a key that is not there yet; the table takes the reference over. Only under the shard lock.
    pub(super) fn insert(&self, hash: KeyHash, entry: EntryRef) -> Resident<'_> {
        let slot = self.bucket(hash.place()).vacancy();
        let pointer = entry.into_ptr();
        slot.publish(hash.tag(), pointer.as_ptr());
        Resident::new(slot, pointer)
    }

    /// Every entry, in no meaningful order.
    pub(super) fn residents(&self) -> impl Iterator<Item = Resident<'_>> {
        let slots = self.buckets.iter().flat_map(Bucket::chain);
        slots.filter_map(|slot| Some(Resident::new(slot, slot.load().pointer()?)))
    }

    /// Copies every entry into a table of another size that nobody else sees yet.
    pub(super) fn copy_into(&self, target: &Index, hash_of: impl Fn(&[u8]) -> KeyHash) {
        for (position, bucket) in self.buckets.iter().enumerate() {
            if let Some(ahead) = self.buckets.get(position + 1) {
                ahead.slots.iter().for_each(|slot| prefetch(slot.load().pointer()));
            }
            for slot in bucket.chain() {
                let word = slot.load();
                if let Some(pointer) = word.pointer() {
                    let hash = hash_of(Resident::new(slot, pointer).entry.key());
                    target.bucket(hash.place()).vacancy().copy(word);
                }
            }
        }
    }

    /// Asks the processor for the bucket of a key.
    pub(super) fn prefetch_bucket(&self, hash: KeyHash) {
        prefetch(Some(NonNull::from(self.bucket(hash.place())).cast()));
    }

    /// Asks the processor for the entry of a key, whose bucket is there by now.
    pub(super) fn prefetch_entry(&self, hash: KeyHash) {
        for slot in &self.bucket(hash.place()).slots {
            if let Some(pointer) = slot.load().tagged(hash.tag()) {
                prefetch_entry(pointer);
                return;
            }
        }
    }

    #[inline]
    fn bucket(&self, place: u32) -> &Bucket {
        &self.buckets[self.position(place)]
    }

    #[inline]
    fn position(&self, place: u32) -> usize {
        ((u64::from(place) * self.buckets.len() as u64) >> 32) as usize
    }
}

/// Loads the first lines of an entry together: where its value lies is known only when the head has come, and a short
/// entry ends in its second or third line.
#[inline]
fn prefetch_entry(pointer: NonNull<u8>) {
    for line in 0..3 {
        prefetch(Some(pointer.map_addr(|address| address.saturating_add(64 * line))));
    }
}

/// A hint only: touches no memory, faults on no address.
#[inline]
fn prefetch(pointer: Option<NonNull<u8>>) {
    #[cfg(target_arch = "x86_64")]
    if let Some(pointer) = pointer {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: prefetching is allowed for any address and needs only SSE, which x86-64 always has.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(pointer.as_ptr().cast()) }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = pointer;
}
