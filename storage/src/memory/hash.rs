//! One 64-bit hash decides everything about a key's place.
//!
//! ```text
//! 63         48 47                        16 15        0
//! | shard ...  |          place             |   tag    |
//!
//! shard   the top bits choose the shard (at most 2^16 of them)
//! place   32 bits, scaled to the number of buckets of the shard (no power of two needed)
//! tag     16 bits kept beside the pointer in the slot, so a wrong key is seldom dereferenced
//! ```

use std::hash::Hasher;

use foldhash::SharedSeed;
use foldhash::quality::FoldHasher;

/// Bits of [`KeyHash`] that may choose a shard.
pub(super) const SHARD_BITS_MAX: u32 = 16;
/// Low bits of `place` that a [`Fragment`] gives up for tag bits.
const FRAGMENT_TAG_BITS: u32 = 12;
const FRAGMENT_TAG_MASK: u32 = (1 << FRAGMENT_TAG_BITS) - 1;

/// Hashes keys with a seed of its own, so that clients cannot choose colliding keys.
#[derive(Debug)]
pub(super) struct KeyHasher {
    seed: u64,
    shared: SharedSeed,
}

impl KeyHasher {
    pub(super) fn new(seed: u64) -> KeyHasher {
        KeyHasher { seed, shared: SharedSeed::from_u64(seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15) }
    }

    #[inline]
    pub(super) fn hash(&self, key: &[u8]) -> KeyHash {
        let mut hasher = FoldHasher::with_seed(self.seed, &self.shared);
        hasher.write(key);
        KeyHash(hasher.finish())
    }
}

/// The hash of a key under the seed of one `Memory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KeyHash(pub(super) u64);

impl KeyHash {
    /// Index of the shard among `1 << shard_bits`.
    #[inline]
    pub(super) fn shard(self, shard_bits: u32) -> usize {
        // Two shifts: shifting by 64 at once is not defined for a single shard.
        ((self.0 >> 32) >> (32 - shard_bits)) as usize
    }

    #[inline]
    pub(super) fn place(self) -> u32 {
        (self.0 >> 16) as u32
    }

    #[inline]
    pub(super) fn tag(self) -> u16 {
        self.0 as u16
    }

    /// The 32 bits an eviction queue keeps of a key.
    pub(super) fn fragment(self) -> Fragment {
        Fragment((self.place() & !FRAGMENT_TAG_MASK) | (u32::from(self.tag()) & FRAGMENT_TAG_MASK))
    }
}

/// What an eviction queue remembers of a key: 20 bits of its place and 12 of its tag.
///
/// Within one shard two resident keys share a fragment about once in a million pairs of neighbours;
/// the cost of a mix-up is that one evictable entry leaves instead of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Fragment(pub(super) u32);

impl Fragment {
    /// The first and the last place a key with this fragment can have.
    pub(super) fn places(self) -> (u32, u32) {
        (self.0 & !FRAGMENT_TAG_MASK, self.0 | FRAGMENT_TAG_MASK)
    }

    /// True when a slot with this tag may belong to the fragment.
    pub(super) fn fits(self, tag: u16) -> bool {
        (u32::from(tag) ^ self.0) & FRAGMENT_TAG_MASK == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_the_hash() {
        let hash = KeyHash(0xabcd_1234_5678_9fed);
        assert_eq!(hash.shard(0), 0);
        assert_eq!(hash.shard(8), 0xab);
        assert_eq!(hash.shard(16), 0xabcd);
        assert_eq!(hash.place(), 0x1234_5678);
        assert_eq!(hash.tag(), 0x9fed);
    }

    #[test]
    fn fragment_contains_its_hash() {
        let hash = KeyHash(0xabcd_1234_5678_9fed);
        let (first, last) = hash.fragment().places();
        assert!(first <= hash.place() && hash.place() <= last);
        assert!(hash.fragment().fits(hash.tag()));
        assert!(!hash.fragment().fits(hash.tag() ^ 1));
        assert!(hash.fragment().fits(hash.tag() ^ 0x1000), "only twelve bits are kept");
    }

    #[test]
    fn seeds_disagree_and_repeat() {
        let (one, two) = (KeyHasher::new(1), KeyHasher::new(2));
        assert_eq!(one.hash(b"key"), KeyHasher::new(1).hash(b"key"));
        assert_ne!(one.hash(b"key"), two.hash(b"key"));
        assert_ne!(one.hash(b"key"), one.hash(b"kez"));
    }
}
