//! Ghosts: fingerprints of keys evicted lately, so that one that comes back at once is known to be wanted.
//!
//! Four bytes a ghost: 20 bits of fingerprint, 12 bits of age, in sets of eight. A ghost is forgotten when
//! `capacity` others came after it (to 1/1024 of that), or when its set is full and it is the oldest.
//!
//! ```text
//! | fingerprint: 20 bits | time of birth: 12 bits, in steps of the capacity at building / 1024 |    0 = empty
//! ```

use super::Fragment;

const WAYS: usize = 8;
const AGE_BITS: u32 = 12;
const AGE_MASK: u32 = (1 << AGE_BITS) - 1;
/// Steps of age in a full life, up to twice as many in small sets; the rest of the range tells old from new.
const STEPS: usize = 1024;

/// A set of recently evicted fragments.
#[derive(Debug, Default)]
pub(super) struct Ghosts {
    sets: Vec<[u32; WAYS]>,
    capacity: usize,
    /// Births per step of age. Fixed while the table stands, or the ages in it would lose their meaning.
    step: u64,
    born: u64,
}

impl Ghosts {
    /// Remembers a fragment among the youngest `capacity` ones. Cost: one cache line.
    pub(super) fn remember(&mut self, fragment: Fragment, capacity: usize) {
        self.fit(capacity);
        self.born += 1;
        let now = self.now();
        let (set, fingerprint) = self.place(fragment);
        let age = |ghost: u32| if ghost == 0 { u32::MAX } else { now.wrapping_sub(ghost) & AGE_MASK };
        let same = |ghost: u32| ghost >> AGE_BITS == fingerprint;
        let ways = &mut self.sets[set];
        let way = ways.iter().position(|&ghost| same(ghost));
        let oldest = || (0..WAYS).max_by_key(|&way| age(ways[way])).expect("a set has ways");
        let way = way.unwrap_or_else(oldest);
        ways[way] = fingerprint << AGE_BITS | now;
    }

    /// True when the fragment was remembered and is young enough; it is forgotten by that.
    pub(super) fn recall(&mut self, fragment: Fragment) -> bool {
        if self.sets.is_empty() {
            return false;
        }
        let now = self.now();
        let (set, fingerprint) = self.place(fragment);
        let Some(ghost) = self.sets[set].iter_mut().find(|ghost| **ghost >> AGE_BITS == fingerprint) else {
            return false;
        };
        let age = now.wrapping_sub(*ghost) & AGE_MASK;
        *ghost = 0;
        u64::from(age) * self.step <= self.capacity as u64
    }

    /// Bytes of a table for this many ghosts.
    pub(super) fn bytes(capacity: usize) -> usize {
        sets_for(capacity) * size_of::<[u32; WAYS]>()
    }

    /// Rebuilds the table, empty, when the capacity has moved far from what it was built for.
    fn fit(&mut self, capacity: usize) {
        let built_for = self.sets.len() * WAYS * 4 / 5;
        if self.sets.is_empty() || capacity > built_for + built_for / 4 || capacity < built_for / 4 {
            self.sets = vec![[0; WAYS]; sets_for(capacity)];
            self.step = (capacity / STEPS).max(1) as u64;
        }
        self.capacity = capacity;
    }

    fn now(&self) -> u32 {
        ((self.born / self.step) as u32) & AGE_MASK
    }

    /// The set, and a fingerprint that is never 0.
    fn place(&self, fragment: Fragment) -> (usize, u32) {
        let mixed = (u64::from(fragment.0) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let set = ((mixed >> 32) * self.sets.len() as u64) >> 32;
        (set as usize, (mixed as u32 >> AGE_BITS).max(1))
    }
}

/// A quarter of the ways stays free, so that sets seldom overflow before their ghosts are old.
fn sets_for(capacity: usize) -> usize {
    (capacity + capacity / 4).div_ceil(WAYS).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_young_are_known_once_and_the_old_are_not() {
        let mut ghosts = Ghosts::default();
        assert!(!ghosts.recall(Fragment(1)));
        for number in 0..3000 {
            ghosts.remember(Fragment(number), 1000);
        }
        let known = (2100..3000).filter(|&number| ghosts.recall(Fragment(number))).count();
        assert!(known > 850, "{known} of the 900 youngest are known");
        let known = (2100..3000).filter(|&number| ghosts.recall(Fragment(number))).count();
        assert!(known <= 2, "{known} were recalled twice");
        let known = (0..1900).filter(|&number| ghosts.recall(Fragment(number))).count();
        assert!(known < 20, "{known} of the forgotten are known");
    }

    #[test]
    fn a_capacity_that_wavers_keeps_the_ages() {
        let mut ghosts = Ghosts::default();
        // 11 and 12 steps of 1024 in turns: a step that wavered with it would make every age a random one.
        for number in 0..200_000 {
            ghosts.remember(Fragment(number), if number % 2 == 0 { 12_200 } else { 12_400 });
        }
        let known = (190_000..200_000).filter(|&number| ghosts.recall(Fragment(number))).count();
        assert!(known > 9_500, "{known} of the 10,000 youngest are known");
        let known = (100_000..185_000).filter(|&number| ghosts.recall(Fragment(number))).count();
        assert!(known < 300, "{known} of the forgotten are known");
    }

    #[test]
    fn tiny_and_changing_capacities() {
        let mut ghosts = Ghosts::default();
        for capacity in [0, 1, 5, 10_000, 3] {
            ghosts.remember(Fragment(7), capacity);
            assert!(ghosts.recall(Fragment(7)), "capacity {capacity}");
        }
    }
}
