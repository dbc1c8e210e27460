//! L1, the memory tier: a bounded table of entries that is read without a lock and without an allocation.
//!
//! ```text
//! Memory ── shards ── index ── buckets of 64 bytes ── slot: tag + pointer ──> entry (one allocation)
//!             │  └─ gate: write counters, so that no old value is filled in
//!             └─ lock: policy queues, growth, every change
//! ```
//!
//! - **A read** hashes the key, pins the epoch, and touches two cache lines: the bucket and the entry.
//! - **Clean** entries are copies of what the checkpoint holds. They may leave at any instant, and do when the
//!   bounds are passed; the policy chooses which.
//! - **Dirty** entries are newer than the checkpoint and never leave before [`Memory::clean`]. They count
//!   against the bounds, so what is clean gives way to them; bounding them is the caller's business.
//! - **Tombstones** are dirty entries that hide what the checkpoint still holds.
//!
//! The room does not know the log or the checkpoint: it deals in encoded keys and [`EntryFields`].
//!
//! ```
//! use mpreg_storage::memory::{Memory, Options};
//! use mpreg_storage::record::{EntryFields, EntryKind, Lsn};
//!
//! let memory = Memory::new(&Options::default());
//! let now_us = 1_700_000_000_000_000;
//! let fields = EntryFields {
//!     kind: EntryKind::Value,
//!     lsn: Lsn(1),
//!     created_us: now_us,
//!     expires_us: 0,
//!     access_count: 0,
//!     last_access_us: now_us,
//!     value: b"\"text\"",
//!     extras: b"",
//! };
//! let written = memory.apply(b"ns\0id\0", &fields);
//! assert_eq!(memory.read(b"ns\0id\0", now_us, |entry| entry.value().len()), Some(6));
//! memory.clean(&written.entry); // a checkpoint holds it now
//! memory.drop_clean();
//! assert!(memory.get(b"ns\0id\0", now_us).is_none());
//! ```

// The one room of the crate that may: lock-free reading needs it. Each block says why it is sound; the blocks are in
// `bucket`, `entry`, `index` and `shard`, and none is in the policies.
#![allow(unsafe_code)]

mod bucket;
mod entry;
mod fill;
mod hash;
mod index;
#[cfg(all(test, loom))]
mod loom;
mod policy;
mod read;
mod reclaim;
mod refs;
mod shard;
mod shared;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};

use crossbeam_epoch as epoch;

pub use entry::{Entry, EntryRef};
pub use fill::FillToken;
pub use policy::PolicyKind;

use crate::record::{EntryFields, EntryKind};
use hash::{KeyHash, KeyHasher, SHARD_BITS_MAX};
use policy::Common;
use policy::adaptive::{Access, Sampling};
use shard::Shard;
use shared::{Limit, Reads, Shared};

/// A filled entry may take at most one part in this many of the memory.
const ADMITTED_PART: u64 = 8;
/// Bytes of memory a shard is made for when the number of shards is left open: some 6,000 small entries, so that
/// growing a shard's table stays below a millisecond.
const SHARD_BYTES: u64 = 1024 * 1024;

/// How a [`Memory`] is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Bytes of keys, values and overhead, as allocated, above which clean entries leave. Default 256 MiB.
    pub bytes_max: u64,
    /// Entries above which clean entries leave, whatever their size; policies then weigh every entry alike.
    /// Default 0: no such bound.
    pub entries_max: u64,
    /// Clean entries leave only when both bounds are passed, where there are two; bytes are then not bounded while the
    /// entries are few. Default false.
    pub both_bounds: bool,
    /// Which clean entries leave first.
    pub policy: PolicyKind,
    /// Number of shards, rounded up to a power of two, at most 65,536. Default 0: one for each MiB.
    pub shards: usize,
    /// Seed of the key hash. Must be unknown to clients where they choose keys.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            bytes_max: 256 * 1024 * 1024,
            entries_max: 0,
            both_bounds: false,
            policy: PolicyKind::default(),
            shards: 0,
            seed: 0,
        }
    }
}

impl Options {
    fn shard_bits(&self) -> u32 {
        let by_size = usize::try_from(self.bytes_max / SHARD_BYTES).unwrap_or(usize::MAX);
        let shards = if self.shards == 0 { by_size } else { self.shards };
        shards.clamp(1, 1 << SHARD_BITS_MAX).next_power_of_two().trailing_zeros()
    }
}

/// What [`Memory::apply`] did.
#[derive(Debug)]
pub struct Applied {
    /// The version now in memory, dirty. To be kept until the checkpoint holds it, then given to [`Memory::clean`].
    pub entry: EntryRef,
    /// The version it replaced, tombstones included.
    pub previous: Option<EntryRef>,
}

/// What a memory holds and has done. Counted in passing: exact when nothing runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stats {
    /// Entries, tombstones included.
    pub entries: u64,
    /// Their bytes as allocated, with their share of the tables.
    pub bytes: u64,
    /// Entries that no checkpoint holds yet.
    pub dirty_entries: u64,
    /// Their bytes.
    pub dirty_bytes: u64,
    /// Reads answered with a visible value.
    pub hits: u64,
    /// Reads that found nothing at all, neither a tombstone nor an expired entry.
    pub misses: u64,
    /// Clean entries that left because of the bounds.
    pub evictions: u64,
}

/// The memory tier. All methods may be called from any thread.
#[derive(Debug)]
pub struct Memory {
    shards: Box<[Shard]>,
    shard_bits: u32,
    shared: Shared,
    /// Where the last eviction looked for more; see `reclaim`.
    cursor: AtomicUsize,
}

impl Memory {
    /// An empty memory. Cost: 256 bytes and a small table for each shard.
    #[must_use]
    pub fn new(options: &Options) -> Memory {
        let scale = Limit::new(options.bytes_max, options.entries_max, options.both_bounds).scale();
        let policies = Common::new(options.policy, scale, options.bytes_max, options.seed);
        let advisor = policies.advisor(options.bytes_max, options.entries_max);
        // What the policy takes beside the entries is set aside.
        let taken_bytes = policies.bytes() + advisor.as_ref().map_or(0, |advisor| advisor.bytes());
        let bytes_max = options.bytes_max.saturating_sub(taken_bytes);
        let limit = Limit::new(bytes_max, options.entries_max, options.both_bounds);
        let shard_bits = options.shard_bits();
        Memory {
            shards: (0..1 << shard_bits).map(|_| Shard::new(&policies)).collect(),
            shard_bits,
            shared: Shared {
                hasher: KeyHasher::new(options.seed),
                heat_max: options.policy.heat_max(),
                sampling: Sampling::new(),
                advisor,
                limit,
                reads: Reads::new(),
            },
            cursor: AtomicUsize::new(0),
        }
    }

    /// The write path: makes a version the key's current one, dirty. Clean entries give way when the bounds
    /// are passed. Read counts of the previous version do not carry over.
    ///
    /// Cost: one allocation, the shard's lock.
    ///
    /// # Panics
    /// When a length is above its limit in `limits.rs`, which callers have checked.
    pub fn apply(&self, key: &[u8], fields: &EntryFields<'_>) -> Applied {
        let hash = self.hash(key);
        let entry = EntryRef::allocate(key, fields, true);
        let guard = epoch::pin();
        let previous = self.shard(hash).apply(&self.shared, hash, entry.clone(), &guard);
        if fields.kind != EntryKind::Tombstone {
            self.advise(hash, Access::Write);
        }
        self.reclaim(hash, &guard);
        Applied { entry, previous }
    }

    /// The key's write counter. To be taken **before** the look-up that misses, which must come before the
    /// snapshot of the checkpoint that is read instead.
    pub fn fill_token(&self, key: &[u8]) -> FillToken {
        let hash = self.hash(key);
        self.shard(hash).gate.token(hash)
    }

    /// True when the key was not written since the token was taken. May say false without a reason.
    #[must_use]
    pub fn unchanged(&self, token: FillToken, key: &[u8]) -> bool {
        let hash = self.hash(key);
        self.shard(hash).gate.unchanged(hash, token)
    }

    /// Keeps what was read from the checkpoint, clean, unless the key was written since the token was taken, is
    /// here already, is a tombstone, or takes more than an eighth of the memory. True when it was kept.
    pub fn fill(&self, token: FillToken, key: &[u8], fields: &EntryFields<'_>) -> bool {
        if fields.kind == EntryKind::Tombstone {
            return false;
        }
        let payload_bytes = (key.len() + fields.value.len() + fields.extras.len()) as u64;
        if payload_bytes > self.shared.limit.bytes_max() / ADMITTED_PART {
            return false;
        }
        let hash = self.hash(key);
        if !self.shard(hash).gate.unchanged(hash, token) {
            return false;
        }
        let entry = EntryRef::allocate(key, fields, false);
        let guard = epoch::pin();
        let filled = self.shard(hash).fill(&self.shared, hash, token, entry, &guard);
        if filled {
            self.advise(hash, Access::Read);
            self.reclaim(hash, &guard);
        }
        filled
    }

    /// A checkpoint holds this version, and readers can see that checkpoint: a tombstone is removed, a value may be
    /// evicted from now on. Nothing happens when the key has been written again.
    pub fn clean(&self, entry: &Entry) {
        let guard = epoch::pin();
        self.clean_pinned(entry, &guard);
    }

    /// [`Memory::clean`] for many versions, pinned anew every few so that the garbage can go.
    pub fn clean_all<'a>(&self, entries: impl IntoIterator<Item = &'a EntryRef>) {
        let mut guard = epoch::pin();
        for (count, entry) in entries.into_iter().enumerate() {
            if count % 128 == 127 {
                guard.repin();
            }
            self.clean_pinned(entry, &guard);
        }
    }

    /// What is held and what was done. Cost: a walk over the shards' counters.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (hits, misses) = self.shared.reads.totals();
        let mut stats = Stats { hits, misses, ..Stats::default() };
        for counts in self.shards.iter().map(|shard| &shard.counts) {
            stats.entries += counts.entries.load(Ordering::Relaxed);
            stats.bytes += counts.bytes.load(Ordering::Relaxed);
            stats.dirty_entries += counts.dirty_entries.load(Ordering::Relaxed);
            stats.dirty_bytes += counts.dirty_bytes.load(Ordering::Relaxed);
            stats.evictions += counts.evictions.load(Ordering::Relaxed);
        }
        stats
    }

    fn clean_pinned(&self, entry: &Entry, guard: &epoch::Guard) {
        let hash = self.hash(entry.key());
        self.shard(hash).clean(&self.shared, hash, entry, guard);
        self.reclaim(hash, guard);
    }

    /// Shows the advisor an access by somebody who changed the table anyway, and lets it think.
    fn advise(&self, hash: KeyHash, access: Access) {
        if self.shared.sampling.takes(hash)
            && let Some(advisor) = &self.shared.advisor
        {
            advisor.note(hash, access);
            advisor.settle(&self.shared.sampling, || self.entries());
        }
    }

    /// Entries held. Cost: a walk over the shards.
    fn entries(&self) -> u64 {
        self.shards.iter().map(|shard| shard.counts.entries.load(Ordering::Relaxed)).sum()
    }

    #[inline]
    fn hash(&self, key: &[u8]) -> KeyHash {
        self.shared.hasher.hash(key)
    }

    #[inline]
    fn shard(&self, hash: KeyHash) -> &Shard {
        &self.shards[hash.shard(self.shard_bits)]
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for shard in &mut self.shards {
            // SAFETY: `&mut self`: no reader and no writer is left.
            unsafe { shard.dismantle() }
        }
    }
}
