//! What all shards of one memory share: the hasher, the bounds, and the counters of what is held.

use std::cell::Cell;
use std::cmp::Ordering::{Equal, Greater, Less};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use crossbeam::utils::CachePadded;

use super::entry::Entry;
use super::hash::KeyHasher;
use super::policy::Scale;
use super::policy::adaptive::{Advisor, Sampling};

/// Threads that count reads without meeting another thread on their line.
pub(super) const LANES: usize = 64;

/// State outside the shards.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) hasher: KeyHasher,
    pub(super) heat_max: u8,
    pub(super) sampling: Sampling,
    pub(super) advisor: Option<Advisor>,
    pub(super) limit: Limit,
    pub(super) reads: Reads,
}

/// The bounds and what is used of them.
#[derive(Debug)]
pub(super) struct Limit {
    /// What was asked for at the start.
    bytes_max: u64,
    /// What others hold of it.
    reserved_bytes: AtomicU64,
    /// 0 = no bound on the number of entries.
    pub(super) entries_max: u64,
    /// Both bounds must be passed, not either.
    both: bool,
    used_bytes: CachePadded<AtomicU64>,
    used_entries: CachePadded<AtomicU64>,
    /// All that is held was found dirty. A hint: set and cleared without order, at worst a write too late.
    barren: AtomicBool,
}

impl Limit {
    pub(super) fn new(bytes_max: u64, entries_max: u64, both: bool) -> Limit {
        let (used_bytes, used_entries) = (CachePadded::default(), CachePadded::default());
        let (reserved_bytes, barren) = (AtomicU64::new(0), AtomicBool::new(false));
        Limit { bytes_max, reserved_bytes, entries_max, both, used_bytes, used_entries, barren }
    }

    /// Bytes that may be held here now. A relaxed load: a bound a moment old is as good.
    pub(super) fn bytes_max(&self) -> u64 {
        self.bytes_max - self.reserved_bytes.load(Ordering::Relaxed)
    }

    /// Leaves `bytes` of the bound to others, but never more than half of it.
    pub(super) fn reserve(&self, bytes: u64) {
        self.reserved_bytes.store(bytes.min(self.bytes_max / 2), Ordering::Relaxed);
    }

    /// What the policies weigh by.
    pub(super) fn scale(&self) -> Scale {
        if self.entries_max == 0 || self.both { Scale::Bytes } else { Scale::Entries }
    }

    /// True when something should leave. The counters are relaxed: they bound, they decide nothing else.
    pub(super) fn is_over(&self, bytes_max: u64) -> bool {
        let bytes = self.bytes() > bytes_max;
        if self.entries_max == 0 {
            return bytes;
        }
        let entries = self.entries() > self.entries_max;
        if self.both { bytes && entries } else { bytes || entries }
    }

    pub(super) fn is_barren(&self) -> bool {
        self.barren.load(Ordering::Relaxed)
    }

    /// Notes that nothing clean is left, or that something is. Written only when it changes: all threads read it.
    pub(super) fn set_barren(&self, barren: bool) {
        if self.is_barren() != barren {
            self.barren.store(barren, Ordering::Relaxed);
        }
    }

    /// Everything held, in bytes as allocated with overhead.
    pub(super) fn bytes(&self) -> u64 {
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Entries held; counted only where they are bounded, for these lines are shared by all writers.
    pub(super) fn entries(&self) -> u64 {
        self.used_entries.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, entry: &Entry) {
        self.used_bytes.fetch_add(Scale::Bytes.weigh(entry), Ordering::Relaxed);
        if self.entries_max != 0 {
            self.used_entries.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn remove(&self, entry: &Entry) {
        self.used_bytes.fetch_sub(Scale::Bytes.weigh(entry), Ordering::Relaxed);
        if self.entries_max != 0 {
            self.used_entries.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// An entry gave way to a newer version.
    pub(super) fn replace(&self, old: &Entry, new: &Entry) {
        let (old_bytes, new_bytes) = (Scale::Bytes.weigh(old), Scale::Bytes.weigh(new));
        match new_bytes.cmp(&old_bytes) {
            Less => self.used_bytes.fetch_sub(old_bytes - new_bytes, Ordering::Relaxed),
            Equal => old_bytes,
            Greater => self.used_bytes.fetch_add(new_bytes - old_bytes, Ordering::Relaxed),
        };
    }
}

/// Hits and misses, a line per thread. With more than 64 threads two may share a line and lose a count.
#[derive(Debug)]
pub(super) struct Reads {
    lanes: Box<[CachePadded<Lane>]>,
}

#[derive(Debug, Default)]
struct Lane {
    hits: AtomicU64,
    misses: AtomicU64,
}

impl Reads {
    pub(super) fn new() -> Reads {
        Reads { lanes: (0..LANES).map(|_| CachePadded::default()).collect() }
    }

    /// Counts a hit and returns a number that changes with every hit of this thread.
    #[inline]
    pub(super) fn hit(&self) -> u64 {
        bump(&self.lane().hits)
    }

    #[inline]
    pub(super) fn miss(&self) {
        bump(&self.lane().misses);
    }

    /// Hits and misses so far.
    pub(super) fn totals(&self) -> (u64, u64) {
        self.lanes.iter().fold((0, 0), |(hits, misses), lane| {
            (hits + lane.hits.load(Ordering::Relaxed), misses + lane.misses.load(Ordering::Relaxed))
        })
    }

    #[inline]
    fn lane(&self) -> &Lane {
        &self.lanes[lane_of_thread()]
    }
}

/// Load and store instead of an atomic add: the lane is this thread's own.
#[inline]
pub(super) fn bump(counter: &AtomicU64) -> u64 {
    let count = counter.load(Ordering::Relaxed).wrapping_add(1);
    counter.store(count, Ordering::Relaxed);
    count
}

/// Threads that have taken a lane so far, anywhere in the process.
static THREADS: AtomicUsize = AtomicUsize::new(0);

/// How many of the lanes threads have taken.
pub(super) fn lanes_in_use() -> usize {
    THREADS.load(Ordering::Relaxed).min(LANES)
}

/// The calling thread's lane, below [`LANES`].
#[inline]
pub(super) fn lane_of_thread() -> usize {
    thread_local! {
        static LANE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    LANE.with(|lane| {
        if lane.get() == usize::MAX {
            lane.set(THREADS.fetch_add(1, Ordering::Relaxed) % LANES);
        }
        lane.get() % LANES
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_thread_counts_for_itself() {
        let reads = Reads::new();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        reads.hit();
                    }
                    reads.miss();
                });
            }
        });
        assert_eq!(reads.totals(), (8000, 8));
    }

    #[test]
    fn either_bound_is_enough() {
        let limit = Limit::new(1000, 2, false);
        limit.used_bytes.store(1001, Ordering::Relaxed);
        assert!(limit.is_over(1000) && !limit.is_over(1001));
        limit.used_entries.store(3, Ordering::Relaxed);
        assert!(limit.is_over(5000));
    }

    #[test]
    fn or_both_are_needed() {
        let limit = Limit::new(1000, 2, true);
        limit.used_bytes.store(1001, Ordering::Relaxed);
        assert!(!limit.is_over(1000));
        limit.used_entries.store(3, Ordering::Relaxed);
        assert!(limit.is_over(1000) && !limit.is_over(1001));
    }
}
