//! Looking for a key among packed strings by their heads.
//!
//! The head of a key is its beginning behind what all keys of a node share, as a number. Heads stand close together in
//! the marks of a [`Packed`], while each key may be a cache miss away: a search looks at heads alone, and at most
//! at one key where no two heads are alike.

use std::cmp::Ordering;

use super::packed::Packed;

/// Bytes at the beginning that are the same in both.
pub(super) fn shared(left: &[u8], right: &[u8]) -> usize {
    left.iter().zip(right).take_while(|(left, right)| left == right).count()
}

/// The four bytes of `key` behind the first `shared`, filled up with zeros, as a number: of two keys that
/// share so many bytes the one with the lower head is the lower, and equal heads say nothing.
pub(super) fn head_of(key: &[u8], shared: usize) -> u32 {
    let rest = key.get(shared..).unwrap_or_default();
    match rest.first_chunk::<4>() {
        Some(head) => u32::from_be_bytes(*head),
        None => rest.iter().rev().fold(0, |head, &byte| head >> 8 | u32::from(byte) << 24),
    }
}

/// `Equal` when `key` begins with the first `shared` bytes of `other`, otherwise how it stands to all that do.
#[inline]
pub(super) fn compare_shared(key: &[u8], other: &[u8], shared: usize) -> Ordering {
    if shared == 0 {
        return Ordering::Equal;
    }
    key[..key.len().min(shared)].cmp(&other[..shared])
}

/// Place of `key` among the strings `from` to `to` of `packed`, or the place where it belongs. They ascend, share
/// their first `shared` bytes and have their heads set; `key_at` gives the key of one.
#[inline]
pub(super) fn find<'p>(
    packed: &'p Packed,
    (from, to): (usize, usize),
    shared: usize,
    key: &[u8],
    key_at: impl Fn(&'p Packed, usize) -> &'p [u8],
) -> Result<usize, usize> {
    if from == to {
        return Err(from);
    }
    let head = head_of(key, shared);
    let mut low = packed.first_from_head((from, to), head);
    // Any of the keys would do to compare with; a change at this place will touch this one.
    match compare_shared(key, key_at(packed, low.min(to - 1)), shared) {
        Ordering::Less => return Err(from),
        Ordering::Greater => return Err(to),
        Ordering::Equal => {}
    }
    if low == to || packed.head(low) != head {
        return Err(low);
    }
    let mut high = head.checked_add(1).map_or(to, |above| packed.first_from_head((low, to), above));
    while low < high {
        let middle = (low + high) / 2;
        match key_at(packed, middle).cmp(key) {
            Ordering::Less => low = middle + 1,
            Ordering::Greater => high = middle,
            Ordering::Equal => return Ok(middle),
        }
    }
    Err(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Few letters and long repeats: heads and prefixes agree often.
        #[test]
        fn finds_what_a_sorted_vector_finds(
            keys in proptest::collection::btree_set("[ab\u{0}]{0,9}", 0..40),
            wanted in "[ab\u{0}]{0,9}",
            skip in 0_usize..3,
        ) {
            let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes()).collect();
            let from = skip.min(keys.len());
            let sorted = &keys[from..];
            let same = if sorted.len() > 1 { shared(sorted[0], sorted[sorted.len() - 1]) } else { 0 };
            for shared in [0, same / 2, same] {
                let mut packed = Packed::default();
                for (at, key) in keys.iter().enumerate() {
                    packed.insert(at, key.len()).copy_from_slice(key);
                    packed.set_head(at, head_of(key, shared));
                }
                let wanted = wanted.as_bytes();
                let found = find(&packed, (from, keys.len()), shared, wanted, |packed, at| packed.get(at));
                let expected = sorted.binary_search(&wanted).map(|at| at + from).map_err(|at| at + from);
                prop_assert_eq!(found, expected);
            }
        }
    }
}
