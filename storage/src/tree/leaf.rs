//! Leaves: items in order, packed.
//!
//! An item in the buffer is `key_len, key, value_len, value`, lengths as varints (`codec.rs`). Stored
//! leaves hold the same bytes, so that encoding one is a copy.

use super::codec::{put_varint, varint, varint_bytes};
use super::heads::{self, compare_shared, head_of, shared};
use super::node::Edge;
use super::packed::Packed;
use crate::limits::{LEAF_BYTES_MAX, LEAF_ITEMS_MAX};

/// One item of a tree. In trees navigated by rank the key is empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Item<'a> {
    /// The key.
    pub key: &'a [u8],
    /// The value.
    pub value: &'a [u8],
}

impl Item<'_> {
    /// Bytes of key and value.
    pub(super) fn bytes(&self) -> usize {
        self.key.len() + self.value.len()
    }

    /// Bytes in the buffer of a leaf.
    fn packed_bytes(&self) -> usize {
        varint_bytes(self.key.len()) + varint_bytes(self.value.len()) + self.bytes()
    }

    fn write(&self, mut out: &mut [u8]) {
        for part in [self.key, self.value] {
            let after = put_varint(part.len(), out);
            let (to, rest) = std::mem::take(&mut out)[after..].split_at_mut(part.len());
            to.copy_from_slice(part);
            out = rest;
        }
    }
}

/// Between 1 and [`LEAF_ITEMS_MAX`] items of together at most [`LEAF_BYTES_MAX`], or one of any length.
#[derive(Debug, Clone, Default)]
pub(super) struct Leaf {
    /// The head of an item is that of its key, behind the first `shared` bytes.
    items: Packed,
    /// So many bytes at the beginning are the same in all keys; perhaps more.
    shared: usize,
}

impl Leaf {
    /// Takes over items that were checked.
    pub(super) fn from_packed(items: Packed) -> Leaf {
        let mut leaf = Leaf { items, shared: 0 };
        leaf.set_heads();
        leaf
    }

    pub(super) fn of(item: Item<'_>) -> Leaf {
        let mut leaf = Leaf::default();
        leaf.insert(0, item);
        leaf
    }

    pub(super) fn count(&self) -> usize {
        self.items.count()
    }

    /// The items as they are stored.
    pub(super) fn packed_bytes(&self) -> &[u8] {
        self.items.bytes()
    }

    /// Sum of the bytes of all keys and values. Walks all items.
    pub(super) fn bytes(&self) -> u64 {
        (0..self.count()).map(|slot| self.item(slot).bytes() as u64).sum()
    }

    pub(super) fn item(&self, slot: usize) -> Item<'_> {
        let packed = self.items.get(slot);
        let (key_len, key_start) = varint(packed);
        let (key, rest) = packed[key_start..].split_at(key_len);
        let (_, value_start) = varint(rest);
        Item { key, value: &rest[value_start..] }
    }

    pub(super) fn key(&self, slot: usize) -> &[u8] {
        key_of(&self.items, slot)
    }

    pub(super) fn last_key(&self) -> &[u8] {
        self.key(self.count() - 1)
    }

    /// Slot of `key`, or the slot where it belongs.
    #[inline]
    pub(super) fn find(&self, key: &[u8]) -> Result<usize, usize> {
        heads::find(&self.items, (0, self.count()), self.shared, key, key_of)
    }

    /// Finds out anew what the keys share, and sets all heads.
    fn set_heads(&mut self) {
        let count = self.count();
        self.shared = if count > 1 { shared(self.key(0), self.last_key()) } else { 0 };
        for slot in 0..count {
            self.items.set_head(slot, head_of(self.key(slot), self.shared));
        }
    }

    /// Keeps the items before `slot` and returns the others.
    fn split_off(&mut self, slot: usize) -> Leaf {
        let mut right = Leaf { items: self.items.split_off(slot), shared: 0 };
        self.set_heads();
        right.set_heads();
        right
    }

    /// Whether `item` can join without a split.
    pub(super) fn has_room(&self, item: Item<'_>) -> bool {
        self.has_room_for(item.packed_bytes(), self.count(), self.items.bytes().len())
    }

    /// Whether `bytes` more can join a leaf of `count` items in `len` bytes.
    fn has_room_for(&self, bytes: usize, count: usize, len: usize) -> bool {
        count == 0 || (count < LEAF_ITEMS_MAX && len + bytes <= LEAF_BYTES_MAX)
    }

    /// Adds `item` at `slot`, where there is room for it.
    pub(super) fn insert(&mut self, slot: usize, item: Item<'_>) {
        // Any key would do to compare with; this one was just looked at by whoever found the slot.
        let is_like_others = self.shared == 0
            || compare_shared(item.key, self.key(slot.min(self.count() - 1)), self.shared).is_eq();
        item.write(self.items.insert(slot, item.packed_bytes()));
        // A leaf that grew from nothing learns from time to time what its keys share.
        let is_time = self.count().is_power_of_two() && !item.key.is_empty();
        if is_like_others && !is_time {
            self.items.set_head(slot, head_of(item.key, self.shared));
        } else {
            self.set_heads();
        }
    }

    /// Puts `item` in the place of the one at `slot`, which has the same key, if it takes as many bytes; the old value.
    pub(super) fn replace_alike(&mut self, slot: usize, item: Item<'_>) -> Option<Vec<u8>> {
        let packed = self.items.get_mut(slot);
        if packed.len() != item.packed_bytes() {
            return None;
        }
        let old = packed[packed.len() - item.value.len()..].to_vec();
        item.write(packed);
        Some(old)
    }

    /// Removes the item at `slot` and returns its value.
    pub(super) fn remove(&mut self, slot: usize) -> Vec<u8> {
        let value = self.item(slot).value.to_vec();
        self.items.remove(slot);
        if self.count() == 0 {
            self.shared = 0;
        }
        value
    }

    /// Adds `item` at `slot`. The leaves that have to stand to the right of this one now: none as long as there is
    /// room, one after a split, two when a long item came between others.
    pub(super) fn insert_or_split(&mut self, slot: usize, item: Item<'_>, edge: Edge) -> Vec<Leaf> {
        if self.has_room(item) {
            self.insert(slot, item);
            return Vec::new();
        }
        let halves = if edge == Edge::None { self.halves_for(slot, item) } else { None };
        let Some(middle) = halves else { return self.split_at(slot, item) };
        let mut right = self.split_off(middle);
        if slot <= middle {
            self.insert(slot, item)
        } else {
            right.insert(slot - middle, item)
        }
        vec![right]
    }

    /// Where to halve so that both parts have items and `item` fits into the one it belongs to.
    fn halves_for(&self, slot: usize, item: Item<'_>) -> Option<usize> {
        let (count, len) = (self.count(), self.items.bytes().len());
        if count < 2 {
            return None;
        }
        let middle = self.items.string_at(len / 2).clamp(1, count - 1);
        let left_len = self.items.bytes_before(middle);
        let (part_count, part_len) =
            if slot <= middle { (middle, left_len) } else { (count - middle, len - left_len) };
        self.has_room_for(item.packed_bytes(), part_count, part_len).then_some(middle)
    }

    /// Cuts at `slot` and puts `item` to the left part, the right part, or between them: what was full
    /// stays full.
    fn split_at(&mut self, slot: usize, item: Item<'_>) -> Vec<Leaf> {
        let mut right = self.split_off(slot);
        if self.has_room(item) {
            self.insert(slot, item);
            return vec![right];
        }
        if right.has_room(item) {
            right.insert(0, item);
            return vec![right];
        }
        vec![Leaf::of(item), right]
    }

    /// Whether both fit into one leaf with as much room again.
    pub(super) fn can_merge(&self, other: &Leaf) -> bool {
        self.count() + other.count() <= LEAF_ITEMS_MAX / 2
            && self.items.bytes().len() + other.items.bytes().len() <= LEAF_BYTES_MAX / 2
    }

    /// Whether it is worth looking for a neighbour to merge with.
    pub(super) fn is_small(&self) -> bool {
        self.count() <= LEAF_ITEMS_MAX / 4 && self.items.bytes().len() <= LEAF_BYTES_MAX / 4
    }

    /// Gives back memory kept for items to come.
    pub(super) fn shrink(&mut self) {
        self.items.shrink();
    }

    /// Adds the items of its right neighbour.
    pub(super) fn merge(&mut self, right: &Leaf) {
        self.items.append(&right.items);
        self.set_heads();
    }

    /// Memory behind this value.
    #[cfg(test)]
    pub(super) fn capacity_bytes(&self) -> usize {
        self.items.capacity_bytes()
    }
}

/// The key of an item.
#[inline]
fn key_of(items: &Packed, slot: usize) -> &[u8] {
    let packed = items.get(slot);
    let (key_len, start) = varint(packed);
    &packed[start..start + key_len]
}

/// The shortest key that is higher than `left` and not higher than `right`, its right neighbour. Empty
/// when both are.
pub(super) fn separator<'k>(left: &[u8], right: &'k [u8]) -> &'k [u8] {
    &right[..right.len().min(shared(left, right) + 1)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item<'a>(key: &'a [u8], value: &'a [u8]) -> Item<'a> {
        Item { key, value }
    }

    fn leaf(value_lens: &[usize]) -> Leaf {
        let mut leaf = Leaf::default();
        for (slot, &len) in value_lens.iter().enumerate() {
            leaf.insert(slot, item(b"", &vec![slot as u8; len]));
        }
        leaf
    }

    /// Lengths of the values in the leaf and in those split from it.
    fn lens_after(mut leaf: Leaf, slot: usize, len: usize, edge: Edge) -> Vec<Vec<usize>> {
        let mut all = leaf.insert_or_split(slot, item(b"", &vec![255; len]), edge);
        all.insert(0, leaf);
        let lens = |leaf: &Leaf| (0..leaf.count()).map(|slot| leaf.item(slot).value.len()).collect();
        all.iter().map(lens).collect()
    }

    #[test]
    fn separators_are_short_and_separate() {
        for (left, right, wanted) in [
            (&b"abc"[..], &b"abd"[..], &b"abd"[..]),
            (b"ab", b"abcd", b"abc"),
            (b"a", b"zzz", b"z"),
            (b"", b"a", b"a"),
            (b"", b"", b""),
        ] {
            assert_eq!(separator(left, right), wanted);
        }
    }

    #[test]
    fn an_item_goes_where_there_is_room() {
        let full = || leaf(&[1000, 1000, 1000, 1000]);
        assert_eq!(lens_after(leaf(&[5, 6]), 1, 7, Edge::None), [vec![5, 7, 6]]);
        assert_eq!(lens_after(full(), 1, 200, Edge::None), [vec![1000, 200, 1000], vec![1000, 1000]]);
        assert_eq!(lens_after(full(), 3, 200, Edge::None), [vec![1000, 1000], vec![1000, 200, 1000]]);
    }

    #[test]
    fn at_the_edges_a_full_leaf_stays_full() {
        let full = || leaf(&[1000, 1000, 1000, 1000]);
        assert_eq!(lens_after(full(), 4, 200, Edge::Right), [vec![1000; 4], vec![200]]);
        assert_eq!(lens_after(full(), 0, 200, Edge::Left), [vec![200], vec![1000; 4]]);
    }

    #[test]
    fn long_items_stand_alone() {
        assert_eq!(lens_after(leaf(&[10, 20]), 1, 9000, Edge::None), [vec![10], vec![9000], vec![20]]);
        assert_eq!(lens_after(leaf(&[9000]), 0, 1, Edge::None), [vec![1], vec![9000]]);
        assert_eq!(lens_after(leaf(&[9000]), 1, 1, Edge::None), [vec![9000], vec![1]]);
        assert_eq!(
            lens_after(leaf(&[2000, 2000]), 1, 4000, Edge::None),
            [vec![2000], vec![4000], vec![2000]]
        );
        assert_eq!(lens_after(leaf(&[100, 3900]), 1, 1500, Edge::None), [vec![100, 1500], vec![3900]]);
        assert_eq!(lens_after(leaf(&[3900, 100]), 1, 1500, Edge::None), [vec![3900], vec![1500, 100]]);
    }

    #[test]
    fn finds_keys_and_gaps() {
        let mut leaf = Leaf::default();
        for (slot, key) in [b"b", b"d", b"f"].into_iter().enumerate() {
            leaf.insert(slot, item(key, &[slot as u8]));
        }
        assert_eq!(leaf.find(b"a"), Err(0));
        assert_eq!(leaf.find(b"b"), Ok(0));
        assert_eq!(leaf.find(b"e"), Err(2));
        assert_eq!(leaf.find(b"f"), Ok(2));
        assert_eq!(leaf.find(b"ff"), Err(3));
        assert_eq!(leaf.item(1), item(b"d", &[1]));
        assert_eq!(leaf.bytes(), 6);
        assert_eq!(leaf.remove(1), [1]);
        assert_eq!(leaf.find(b"d"), Err(1));
    }
}
