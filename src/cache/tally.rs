//! Counts of cache operations: gathered per connection, added to the node's totals once a batch, so that
//! counting costs the hot path no shared cache line.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::protocol::cache::Level;

/// What one connection has done since the last batch ended.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) l1_hits: u64,
    pub(super) l2_hits: u64,
    pub(super) misses: u64,
    pub(super) puts: u64,
    pub(super) deletes: u64,
    pub(super) invalidations: u64,
    pub(super) atomics: u64,
    pub(super) structures: u64,
}

impl Tally {
    pub(super) fn hit(&mut self, level: Level) {
        match level {
            Level::L1 => self.l1_hits += 1,
            _ => self.l2_hits += 1,
        }
    }
}

/// The node's counts since its start.
#[derive(Debug, Default)]
pub(super) struct Totals {
    counters: [AtomicU64; 8],
}

impl Totals {
    /// Adds and clears a tally.
    pub(super) fn add(&self, tally: &mut Tally) {
        let Tally { l1_hits, l2_hits, misses, puts, deletes, invalidations, atomics, structures } =
            std::mem::take(tally);
        let counts = [l1_hits, l2_hits, misses, puts, deletes, invalidations, atomics, structures];
        for (counter, count) in self.counters.iter().zip(counts) {
            if count != 0 {
                // Relaxed: statistics guard nothing.
                counter.fetch_add(count, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn read(&self) -> Tally {
        let [l1_hits, l2_hits, misses, puts, deletes, invalidations, atomics, structures] =
            std::array::from_fn(|at| self.counters[at].load(Ordering::Relaxed));
        Tally { l1_hits, l2_hits, misses, puts, deletes, invalidations, atomics, structures }
    }
}
