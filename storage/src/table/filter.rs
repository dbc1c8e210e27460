//! The negative filter's bits: a blocked Bloom filter that many threads read while one adds.
//!
//! ```text
//! key -> 64 bit hash -> one block of 512 bits (one cache line) -> 7 bits in it
//! ```
//!
//! A query touches one cache line, which costs a little accuracy against a classic Bloom filter of
//! the same size and saves six memory misses. Source of the idea: Putze, Sanders, Singler,
//! "Cache-, Hash- and Space-Efficient Bloom Filters" (2007).

use std::hash::{BuildHasher, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use foldhash::quality::FixedState;

const BLOCK_WORDS: usize = 8;
const BLOCK_BITS: u64 = 512;
const PROBES: u32 = 7;
/// Bits of the hash that pick one bit of a block.
const PROBE_BITS: u32 = 9;

/// A set of keys that may answer "maybe" for a key it does not hold, never "no" for one it does.
#[derive(Debug)]
pub(super) struct Filter {
    blocks: Box<[Block]>,
    hasher: FixedState,
    keys_max: u64,
    /// Keys whose addition changed a bit: nearly the number of different keys.
    keys: AtomicU64,
}

/// One cache line.
#[derive(Debug, Default)]
#[repr(align(64))]
struct Block([AtomicU64; BLOCK_WORDS]);

impl Filter {
    /// Room for `keys_max` keys at `bits_per_key` bits each. `seed` keeps clients from choosing keys
    /// that collide.
    pub(super) fn new(keys_max: u64, bits_per_key: u32, seed: u64) -> Filter {
        let blocks = keys_max.saturating_mul(u64::from(bits_per_key)).div_ceil(BLOCK_BITS).max(1);
        let blocks = usize::try_from(blocks).unwrap_or(usize::MAX / BLOCK_WORDS);
        Filter {
            blocks: std::iter::repeat_with(Block::default).take(blocks).collect(),
            hasher: FixedState::with_seed(seed),
            keys_max,
            keys: AtomicU64::new(0),
        }
    }

    /// Memory of the bits.
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&*self.blocks)
    }

    /// True when more keys were added than the filter has room for.
    pub(super) fn is_overfull(&self) -> bool {
        self.keys.load(Ordering::Relaxed) > self.keys_max
    }

    /// Adds a key. Lock-free; a concurrent [`Filter::may_hold`] of the same key may miss it.
    ///
    /// Relaxed everywhere: a reader that must see the key got its order elsewhere. The entry stays
    /// pinned in memory until after the new snapshot is published (decision 13), and the reader that
    /// misses it there has synchronised with the unpinning, which comes after this addition.
    pub(super) fn add(&self, key: &[u8]) {
        let (block, mut probes) = self.place(key);
        let mut changed = false;
        for _ in 0..PROBES {
            let (word, bit) = split_probe(probes);
            let word = &block.0[word];
            // A load first: most bits of a full filter are set, and a load leaves the line shared.
            if word.load(Ordering::Relaxed) & bit == 0 {
                changed |= word.fetch_or(bit, Ordering::Relaxed) & bit == 0;
            }
            probes >>= PROBE_BITS;
        }
        if changed {
            self.keys.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// False only when the key was never added. One hash, one cache line.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        let (block, mut probes) = self.place(key);
        for _ in 0..PROBES {
            let (word, bit) = split_probe(probes);
            if block.0[word].load(Ordering::Relaxed) & bit == 0 {
                return false;
            }
            probes >>= PROBE_BITS;
        }
        true
    }

    /// The block of a key and the 63 bits that pick its probes.
    fn place(&self, key: &[u8]) -> (&Block, u64) {
        let mut hasher = self.hasher.build_hasher();
        hasher.write(key);
        let hash = hasher.finish();
        // The high half scaled to the number of blocks; a product with an odd number makes probes
        // that do not follow from the block.
        let block = (u128::from(hash) * self.blocks.len() as u128) >> 64;
        (&self.blocks[block as usize], hash.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1)
    }
}

fn split_probe(probes: u64) -> (usize, u64) {
    let at = probes % BLOCK_BITS;
    ((at / 64) as usize, 1 << (at % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> [u8; 12] {
        let mut key = *b"ns\0keyXXXXXX";
        key[4..].copy_from_slice(&number.to_be_bytes());
        key
    }

    #[test]
    fn never_says_no_for_a_key_it_holds() {
        let filter = Filter::new(10_000, 10, 1);
        (0..20_000).for_each(|number| filter.add(&key(number)));
        assert!((0..20_000).all(|number| filter.may_hold(&key(number))), "even when overfull");
        assert!(filter.is_overfull());
    }

    #[test]
    fn says_no_for_most_others() {
        for seed in 0..4 {
            let filter = Filter::new(100_000, 10, seed);
            (0..100_000).for_each(|number| filter.add(&key(number)));
            let wrong = (100_000..200_000).filter(|&number| filter.may_hold(&key(number))).count();
            assert!(wrong < 2_000, "seed {seed}: {wrong} of 100000 false answers at 10 bits a key");
            assert!(!filter.is_overfull());
        }
    }

    #[test]
    fn counts_a_key_once() {
        let filter = Filter::new(10, 10, 1);
        (0..100).for_each(|_| filter.add(b"same"));
        assert!(!filter.is_overfull());
        assert_eq!(filter.bytes() % 64, 0);
    }
}
