//! How long syncs take here, and who therefore leads them: whoever waits, or a thread of its own.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Mean sync time above which a thread of its own syncs, in microseconds.
const SLOW_SYNC_US: u64 = 500;
/// Mean sync time below which syncing moves back to the callers.
const FAST_SYNC_US: u64 = 300;

/// There is no sync thread.
const NO_THREAD: u8 = 0;
/// It looks after idle tails.
const IDLE_TAILS: u8 = 1;
/// It leads every sync.
const LEADS: u8 = 2;

/// See the module. Relaxed throughout: only the leader counts, and a choice made a moment late is as good.
#[derive(Debug, Default)]
pub(super) struct Pace {
    mean_us: AtomicU64,
    syncs: AtomicU64,
    thread: AtomicU8,
}

impl Pace {
    /// A sync took so long. Called by the leader alone.
    pub fn count(&self, took_us: u64) {
        let mean_us = self.mean_us.load(Ordering::Relaxed);
        let next_us = if mean_us == 0 { took_us } else { (mean_us * 7 + took_us) / 8 };
        self.mean_us.store(next_us, Ordering::Relaxed);
        self.syncs.fetch_add(1, Ordering::Relaxed);
        let slow = if self.is_slow() { next_us > FAST_SYNC_US } else { next_us > SLOW_SYNC_US };
        if self.thread.load(Ordering::Relaxed) != NO_THREAD {
            self.thread.store(if slow { LEADS } else { IDLE_TAILS }, Ordering::Relaxed);
        }
    }

    /// Whether syncs are slow here and a thread of its own leads.
    pub fn is_slow(&self) -> bool {
        self.thread.load(Ordering::Relaxed) == LEADS
    }

    /// Says that there is such a thread.
    pub fn has_thread(&self) {
        self.thread.store(IDLE_TAILS, Ordering::Relaxed);
    }

    /// Moving mean of the sync time in microseconds, and how many syncs there were.
    pub fn figures(&self) -> (u64, u64) {
        (self.mean_us.load(Ordering::Relaxed), self.syncs.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_leads_while_syncs_are_slow_and_only_where_there_is_one() {
        let pace = Pace::default();
        pace.count(10_000);
        assert!(!pace.is_slow(), "nobody could lead");
        pace.has_thread();
        pace.count(10_000);
        assert!(pace.is_slow());
        // Between the two bounds it stays as it is.
        while pace.figures().0 > SLOW_SYNC_US {
            assert!(pace.is_slow());
            pace.count(350);
        }
        assert!(pace.is_slow());
        (0..30).for_each(|_| pace.count(100));
        assert!(!pace.is_slow());
        assert!(pace.figures().1 > 32);
    }
}
