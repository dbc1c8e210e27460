//! Reading: hash, pin, bucket, entry. No lock, no allocation, no shared line written.

use crossbeam_epoch as epoch;

use super::entry::{Entry, EntryRef};
use super::hash::KeyHash;
use super::policy::adaptive::Access;
use super::{Memory, index::Resident};

/// Keys whose lines are fetched at a time: more than the processor has outstanding misses for would be lost.
const PREFETCH_KEYS: usize = 16;

impl Memory {
    /// Shows `f` the key's current version, tombstones and expired ones included, without taking a reference.
    /// A visible value's read is counted.
    ///
    /// `f` runs pinned: while it runs no memory is freed anywhere, so it must be short and must not wait.
    #[inline]
    pub fn read<R>(&self, key: &[u8], now_us: u64, f: impl FnOnce(&Entry) -> R) -> Option<R> {
        let hash = self.hash(key);
        let guard = epoch::pin();
        match self.shard(hash).index(&guard).find(hash, key) {
            Some(resident) => {
                self.count(hash, &resident, now_us);
                Some(f(&resident.entry))
            }
            None => {
                self.shared.reads.miss();
                None
            }
        }
    }

    /// A handle of the key's current version, tombstones and expired ones included; the read is counted as in
    /// [`Memory::read`]. Cost beyond it: one atomic addition, and one subtraction when the handle goes.
    #[inline]
    #[must_use]
    pub fn get(&self, key: &[u8], now_us: u64) -> Option<EntryRef> {
        self.read(key, now_us, Entry::to_ref)
    }

    /// [`Memory::get`] without counting anything: for the engine's own look-ups.
    #[must_use]
    pub fn peek(&self, key: &[u8]) -> Option<EntryRef> {
        let hash = self.hash(key);
        let guard = epoch::pin();
        let resident = self.shard(hash).index(&guard).find(hash, key)?;
        Some(resident.entry.to_ref())
    }

    /// Starts loading the lines that reads of these keys will need, all at once instead of one after the other.
    /// Changes nothing. Worth it for batches of about four keys or more.
    pub fn prefetch<'k>(&self, keys: impl IntoIterator<Item = &'k [u8]>) {
        let guard = epoch::pin();
        let mut keys = keys.into_iter();
        loop {
            let mut hashes = [KeyHash(0); PREFETCH_KEYS];
            let mut count = 0;
            for key in keys.by_ref().take(PREFETCH_KEYS) {
                let hash = self.hash(key);
                self.shard(hash).index(&guard).prefetch_bucket(hash);
                hashes[count] = hash;
                count += 1;
            }
            for &hash in &hashes[..count] {
                self.shard(hash).index(&guard).prefetch_entry(hash);
            }
            if count < PREFETCH_KEYS {
                return;
            }
        }
    }

    #[inline]
    fn count(&self, hash: KeyHash, resident: &Resident<'_>, now_us: u64) {
        if resident.entry.is_visible(now_us) {
            let sample = self.shared.reads.hit();
            resident.entry.touch(now_us, sample, self.shared.heat_max);
            if self.shared.sampling.takes(hash) {
                self.note(hash, Access::Read);
            }
        }
    }

    /// Shows the advisor an access to a sampled key.
    #[cold]
    pub(super) fn note(&self, hash: KeyHash, access: Access) {
        if let Some(advisor) = &self.shared.advisor {
            advisor.note(hash, access);
        }
    }
}
