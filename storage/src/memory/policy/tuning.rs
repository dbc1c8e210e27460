//! What can be turned at [`super::s3fifo::S3Fifo`] while it runs, and who turns it.
//!
//! No one tuning wins everywhere. A small probation keeps loops and scans out, a large one keeps what is read again
//! soon; long ghosts find what returns after a long time, short ones do not believe in chance. The
//! candidates were chosen so that together they come close to the best policy of each of our traces, and to plain
//! recency where that is best, which none of the traces tells.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Settings of one S3-FIFO.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tuning {
    /// Share of the small queue in all weight, in 1/1000.
    pub(super) small_permille: u64,
    /// Ghosts for each hundred residents.
    pub(super) ghosts_percent: usize,
    /// Reads in the small queue that prove an entry; above `HEAT_MAX` only ghosts are proven.
    pub(super) proven: u8,
}

/// The tuning without anybody to turn it: the paper's, but for twice the ghosts, which gain 0.3 points of hit ratio over our
/// traces.
pub(super) const PLAIN: Tuning = Tuning { small_permille: 100, ghosts_percent: 200, proven: 2 };

/// Tunings that are judged beside the memory.
pub(super) const CANDIDATES: [Tuning; 6] = [
    // The best on average, and the one to begin with: only what comes back is worth a place.
    Tuning { small_permille: 50, ghosts_percent: 200, proven: 4 },
    // As published.
    Tuning { small_permille: 100, ghosts_percent: 90, proven: 2 },
    // Loops, scans and steady popularity: almost everything for the proven, and few proofs count.
    Tuning { small_permille: 10, ghosts_percent: 60, proven: 2 },
    // What returns after a long time.
    Tuning { small_permille: 10, ghosts_percent: 300, proven: 2 },
    // What is read again soon: one read is proof enough.
    Tuning { small_permille: 200, ghosts_percent: 90, proven: 1 },
    // What is read again after a while and then never more: near to plain recency, the worst of S3-FIFO.
    Tuning { small_permille: 700, ghosts_percent: 50, proven: 1 },
];

/// Which candidate the instances of one memory follow.
#[derive(Debug, Default)]
pub(super) struct Steering(AtomicUsize);

impl Steering {
    /// Relaxed: a tuning is a matter of taste, a shard may follow an eviction later.
    pub(super) fn chosen(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(super) fn choose(&self, candidate: usize) {
        assert!(candidate < CANDIDATES.len());
        self.0.store(candidate, Ordering::Relaxed);
    }

    pub(super) fn tuning(&self) -> Tuning {
        CANDIDATES[self.chosen()]
    }
}
