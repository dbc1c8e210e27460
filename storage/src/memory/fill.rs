//! The fill protocol: a value read from the checkpoint enters memory only if no write came between.
//!
//! A reader that misses memory reads an older tier and wants to keep what it found. Meanwhile the key may be
//! written, checkpointed and evicted again, so "the key is absent" proves nothing. Hence a counter per
//! slot of keys:
//!
//! ```text
//! reader  token = count          look up: absent      snapshot, read      lock { count == token? fill }
//! writer                lock { publish entry; count += 1 }
//! later   publish snapshot; then lock { entry clean }; evict
//! ```
//!
//! - A write whose count is **not** in the token is seen by the comparison under the lock: no fill.
//! - A write whose count **is** in the token was published before it was counted, so the reader's look-up comes
//!   after it: either the entry is found (no miss), or it has been evicted, hence was clean, hence the
//!   snapshot that holds it was there before the reader took his.
//!
//! So the count moves *after* the publication. The other order loses (`memory::loom` shows it): the token
//! holds the count, the look-up still misses, the old snapshot is read, and the fill finds nothing changed.

use std::array;

use super::hash::KeyHash;
use super::sync::{AtomicU32, Ordering};
use crate::mutants::{Bug, planted};

/// Counters of one shard: 16 of 4 bytes are one cache line.
const COUNTERS: usize = 16;

/// Write counters of one shard's keys.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Gate {
    counts: [AtomicU32; COUNTERS],
}

/// State of a key's write counter at one instant, taken before a miss is decided.
///
/// Valid for the key it was taken for. 2^32 writes to one sixteenth of a shard while it is held would be
/// mistaken for none; at a million writes a second into 256 shards that takes half a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub struct FillToken {
    pub(super) count: u32,
}

impl Gate {
    pub(super) fn new() -> Gate {
        Gate { counts: array::from_fn(|_| AtomicU32::new(0)) }
    }

    /// Acquire: pairs with the release in `count_write`; what a counted write published is seen from here on.
    pub(super) fn token(&self, hash: KeyHash) -> FillToken {
        FillToken { count: self.counter(hash).load(Ordering::Acquire) }
    }

    /// True when no write of the key was counted since the token was taken. Decides a fill only under the
    /// shard lock, which orders it against `count_write`.
    pub(super) fn unchanged(&self, hash: KeyHash, token: FillToken) -> bool {
        planted(Bug::FillWithoutToken) || self.counter(hash).load(Ordering::Acquire) == token.count
    }

    /// Counts a write that has just been published. Only under the shard lock.
    pub(super) fn count_write(&self, hash: KeyHash) {
        // Release: pairs with the acquire in `token`. The lock excludes other writers, so no atomic add.
        let counter = self.counter(hash);
        let count = counter.load(Ordering::Relaxed);
        counter.store(count.wrapping_add(1), Ordering::Release);
    }

    fn counter(&self, hash: KeyHash) -> &AtomicU32 {
        &self.counts[usize::from(hash.tag()) % COUNTERS]
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_writes_of_the_same_counter_are_seen() {
        let gate = Gate::new();
        let (one, other, twin) = (KeyHash(1), KeyHash(2), KeyHash(1 + 16));
        let token = gate.token(one);
        gate.count_write(other);
        assert!(gate.unchanged(one, token));
        gate.count_write(twin);
        assert!(!gate.unchanged(one, token), "keys share counters; a false alarm is harmless");
    }

    #[test]
    fn counting_wraps() {
        let gate = Gate::new();
        gate.counts[1].store(u32::MAX, Ordering::Relaxed);
        let token = gate.token(KeyHash(1));
        gate.count_write(KeyHash(1));
        assert!(!gate.unchanged(KeyHash(1), token));
    }
}
