//! Repeatable randomness: one seed, printed, gives the same run again.

/// SplitMix64 (Steele, Lea and Flood, 2014): eight bytes of state, no bad seeds.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// An independent stream for part number `part` of a run.
    pub fn split(seed: u64, part: u64) -> Random {
        let mut random = Random(seed ^ part.wrapping_mul(0xd134_2543_de82_ef95));
        Random(random.next())
    }

    /// 64 uniform bits.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Uniform in `0..bound`; `bound` is not 0. The bias is below 2^-32 for any bound used here.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Uniform in `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// A seed nobody chose, for runs that were given none.
pub fn fresh_seed() -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn same_seed_same_stream_and_bounds_hold() {
        let (mut left, mut right) = (Random::split(7, 3), Random::split(7, 3));
        for _ in 0..1000 {
            assert_eq!(left.next(), right.next());
            assert!(left.below(10) < 10 && right.below(10) < 10);
            assert!((0.0..1.0).contains(&left.fraction()));
            right.next();
        }
        assert_ne!(Random::split(7, 3).next(), Random::split(7, 4).next());
    }
}
