//! S3-FIFO: newcomers prove themselves in a small queue before they may stay.
//!
//! ```text
//!            not known                    read while here
//! admit ───────────────> small (10 %) ───────────────────────> main <──┐ read: one round more per
//!    │                      │ not read                          │ └────┘ heat, oldest first
//!    │                      └──> evicted, remembered as ghost   │ not read
//!    └── a ghost ───────────────────────────────────────────────┴──> evicted
//! ```
//!
//! Source: Yang et al., "FIFO queues are all you need for cache eviction", SOSP 2023. Different here: shares by bytes instead of
//! entries, a write counts as a read, an eviction ends after a bounded number of looks, the sizes can be turned while it
//! runs (`tuning.rs`), and the first filling settles in the main queue: there is nothing it would have to be better
//! than, and a loop longer than the memory then finds a part of itself there instead of nothing.

use std::sync::Arc;

use super::ghost::Ghosts;
use super::tuning::{PLAIN, Steering, Tuning};
use super::{Entry, Fragment, Index, Policy, Queue, Resident, Scale};

/// Reads that count; an entry gets at most this many further rounds in the main queue.
pub(super) const HEAT_MAX: u8 = 3;
/// Entries one eviction looks at before it takes the next one whatever its heat: bounds the time under the lock.
const LOOKS_MAX: usize = 1024;

const SMALL: u8 = 1;
const MAIN: u8 = 2;

#[derive(Debug)]
pub(super) struct S3Fifo {
    steering: Option<Arc<Steering>>,
    small: Queue,
    main: Queue,
    ghosts: Ghosts,
    /// The first filling has been moved to the main queue.
    settled: bool,
}

impl S3Fifo {
    /// With the plain tuning, or with whatever the steering says at the moment.
    pub(super) fn new(scale: Scale, steering: Option<Arc<Steering>>) -> S3Fifo {
        let (small, main) = (Queue::new(SMALL, scale), Queue::new(MAIN, scale));
        S3Fifo { steering, small, main, ghosts: Ghosts::default(), settled: false }
    }

    fn tuning(&self) -> Tuning {
        self.steering.as_ref().map_or(PLAIN, |steering| steering.tuning())
    }

    fn entries(&self) -> usize {
        self.small.entries() + self.main.entries()
    }

    fn ghosts_max(&self, tuning: Tuning) -> usize {
        self.entries() * tuning.ghosts_percent / 100
    }

    /// True when the small queue should give: above its share, and not only by the newcomer that asks for room.
    fn small_is_over(&self, tuning: Tuning) -> bool {
        let weight = self.small.weight() + self.main.weight();
        self.small.entries() > 1 && self.small.weight() * 1000 > weight * tuning.small_permille
    }

    /// The oldest newcomer: proven ones, and the first filling, move on and `None` comes back.
    fn evict_small<'a>(&mut self, index: &'a Index, tuning: Tuning, patient: bool) -> Option<Resident<'a>> {
        let (fragment, resident) = self.small.pop(index)?;
        if patient && !self.settled {
            self.main.push(index, fragment, &resident.entry);
            return None;
        }
        if patient && resident.entry.heat() >= tuning.proven {
            resident.entry.set_heat(0);
            self.main.push(index, fragment, &resident.entry);
            return None;
        }
        self.ghosts.remember(fragment, self.ghosts_max(tuning));
        Some(resident)
    }

    /// The oldest of the proven: those read since the last round get another one and `None` comes back.
    fn evict_main<'a>(&mut self, index: &'a Index, patient: bool) -> Option<Resident<'a>> {
        let (fragment, resident) = self.main.pop(index)?;
        let heat = resident.entry.heat();
        if patient && heat > 0 {
            resident.entry.set_heat(heat - 1);
            self.main.push(index, fragment, &resident.entry);
            return None;
        }
        Some(resident)
    }
}

impl Policy for S3Fifo {
    fn admit(&mut self, index: &Index, fragment: Fragment, entry: &Entry) {
        // Emptied, for instance by `drop_clean`: filling begins anew.
        self.settled &= self.entries() > 0;
        let queue = if self.ghosts.recall(fragment) { &mut self.main } else { &mut self.small };
        queue.push(index, fragment, entry);
    }

    fn replace(&mut self, old: &Entry, new: &Entry) {
        let queue = if self.small.holds(old) { &mut self.small } else { &mut self.main };
        queue.replace(old, new);
    }

    fn forget(&mut self, entry: &Entry) {
        let queue = if self.small.holds(entry) { &mut self.small } else { &mut self.main };
        queue.forget(entry);
    }

    fn evict<'a>(&mut self, index: &'a Index) -> Option<Resident<'a>> {
        let tuning = self.tuning();
        // Out of patience, each look takes a victim or empties a queue of what is dirty: two more are enough.
        for look in 0..LOOKS_MAX + 2 {
            if self.entries() == 0 {
                return None;
            }
            let patient = look < LOOKS_MAX;
            let small_is_over = self.small_is_over(tuning);
            self.settled |= !small_is_over;
            let victim = if small_is_over || self.main.entries() == 0 {
                self.evict_small(index, tuning, patient)
            } else {
                self.evict_main(index, patient)
            };
            if victim.is_some() {
                return victim;
            }
        }
        None
    }

    #[cfg(all(test, not(loom)))]
    fn nodes(&self) -> usize {
        self.small.nodes() + self.main.nodes()
    }
}
