//! A shadow: what the memory would hold of the sampled keys under one tuning. The S3-FIFO of `s3fifo.rs` with names in
//! place of entries and a capacity in place of bounds.

use std::collections::{HashMap, VecDeque};

use foldhash::fast::FixedState;

use super::super::ghost::Ghosts;
use super::super::s3fifo::HEAT_MAX;
use super::super::tuning::Tuning;
use crate::memory::hash::Fragment;

#[derive(Debug)]
pub(super) struct Shadow {
    tuning: Tuning,
    capacity: usize,
    residents: HashMap<u32, Resident, FixedState>,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    ghosts: Ghosts,
    /// The first filling goes to the main queue, as far as it may grow.
    filling: bool,
}

/// Names stand in one queue each, so which one need not be noted.
#[derive(Debug, Default)]
struct Resident {
    heat: u8,
}

impl Shadow {
    pub(super) fn new(tuning: Tuning) -> Shadow {
        let (small, main) = (VecDeque::new(), VecDeque::new());
        let (residents, ghosts) = (HashMap::default(), Ghosts::default());
        Shadow { tuning, capacity: 1, residents, small, main, ghosts, filling: true }
    }

    /// Bytes of one with this capacity: table, queues and ghosts with the slack they grow by.
    pub(super) fn bytes(tuning: Tuning, capacity: usize) -> usize {
        let table = (capacity * 8 / 7).next_power_of_two() * (size_of::<(u32, Resident)>() + 1);
        let queues = 2 * (capacity + 1).next_power_of_two() * size_of::<u32>();
        table + queues + Ghosts::bytes(capacity * tuning.ghosts_percent / 100)
    }

    /// Another number of places. What is too much leaves with the next accesses.
    pub(super) fn resize(&mut self, capacity: usize) {
        self.capacity = capacity.max(1);
    }

    /// True when the name was there; it is afterwards.
    pub(super) fn access(&mut self, name: u32) -> bool {
        if let Some(resident) = self.residents.get_mut(&name) {
            resident.heat = (resident.heat + 1).min(HEAT_MAX);
            return true;
        }
        let proven = self.ghosts.recall(Fragment(name));
        while self.residents.len() >= self.capacity {
            self.evict();
        }
        let unsettled = self.filling && self.main.len() + self.small_max() < self.capacity;
        let queue = if proven || unsettled { &mut self.main } else { &mut self.small };
        queue.push_back(name);
        self.residents.insert(name, Resident::default());
        false
    }

    fn small_max(&self) -> usize {
        (self.capacity * self.tuning.small_permille as usize / 1000).max(1)
    }

    fn evict(&mut self) {
        self.filling = false;
        let before = self.residents.len();
        // Each round lowers a heat or moves a name on, so it ends.
        while self.residents.len() == before {
            if self.small.len() >= self.small_max() || self.main.is_empty() {
                self.evict_small();
            } else {
                self.evict_main();
            }
        }
    }

    fn evict_small(&mut self) {
        let name = self.small.pop_front().expect("no main queue, so all are here");
        let resident = self.residents.get_mut(&name).expect("queued names are residents");
        if resident.heat >= self.tuning.proven {
            resident.heat = 0;
            self.main.push_back(name);
            return;
        }
        self.residents.remove(&name);
        self.ghosts.remember(Fragment(name), self.capacity * self.tuning.ghosts_percent / 100);
    }

    fn evict_main(&mut self) {
        let name = self.main.pop_front().expect("the caller looked");
        let resident = self.residents.get_mut(&name).expect("queued names are residents");
        if resident.heat > 0 {
            resident.heat -= 1;
            self.main.push_back(name);
            return;
        }
        self.residents.remove(&name);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::super::tuning::{CANDIDATES, PLAIN};
    use super::*;

    fn shadow(tuning: Tuning, capacity: usize) -> Shadow {
        let mut shadow = Shadow::new(tuning);
        shadow.resize(capacity);
        shadow
    }

    #[test]
    fn it_holds_what_it_has_room_for() {
        for tuning in CANDIDATES {
            let mut shadow = shadow(tuning, 100);
            for name in 0..100_000_u32 {
                shadow.access(name.wrapping_mul(name) % 777);
                assert!(shadow.residents.len() <= 100);
                assert_eq!(shadow.small.len() + shadow.main.len(), shadow.residents.len());
            }
            shadow.resize(10);
            shadow.access(1 << 20);
            assert_eq!(shadow.residents.len(), 10);
        }
    }

    #[test]
    fn a_loop_finds_a_part_of_itself() {
        let mut shadow = shadow(PLAIN, 100);
        let hits = (0..10_000).filter(|request| shadow.access(request % 1000)).count();
        assert!((700..1000).contains(&hits), "{hits} of 10,000 hits, 900 are what a tenth can give");
    }

    #[test]
    fn who_left_too_early_is_proven() {
        let mut shadow = shadow(PLAIN, 100);
        for name in 0..101 {
            shadow.access(name);
        }
        assert!(!shadow.access(90), "the oldest of the small queue left for number 100");
        assert_eq!(shadow.main.back(), Some(&90));
    }
}
