//! Inner nodes: links to children, and the keys between them.

use super::heads::{self, compare_shared, head_of, shared};
use super::node::{Edge, Link, Node};
use super::packed::Packed;
use super::{Edit, node};
use crate::limits::{INNER_CHILDREN_MAX, INNER_CHILDREN_SPLIT_MIN, INNER_KEY_BYTES_MAX};

/// At least one child. Key `i` is above every key below child `i - 1` and at or below every key below
/// child `i`. The key of the first child is empty: what stands left of it is the parent's business.
#[derive(Debug, Clone, Default)]
pub(super) struct Inner {
    /// Levels above the leaves.
    pub(super) level: u8,
    pub(super) keys: Packed,
    pub(super) links: Vec<Link>,
    /// So many bytes at the beginning are the same in all keys but the first; perhaps more.
    shared: usize,
}

/// Nodes that stand to the right of one that was split, each with the key that separates it.
pub(super) type Siblings = Vec<(Vec<u8>, Link)>;

impl Inner {
    pub(super) fn new(level: u8) -> Inner {
        Inner { level, ..Inner::default() }
    }

    /// Takes over keys and links that were checked.
    pub(super) fn from_parts(level: u8, keys: Packed, links: Vec<Link>) -> Inner {
        let mut inner = Inner { level, keys, links, shared: 0 };
        inner.set_heads();
        inner
    }

    pub(super) fn insert(&mut self, at: usize, key: &[u8], link: Link) {
        let count = self.links.len();
        let is_like_others = self.shared == 0
            || at > 0 && count > 1 && compare_shared(key, self.keys.get(1), self.shared).is_eq();
        self.keys.insert(at, key.len()).copy_from_slice(key);
        self.links.insert(at, link);
        if is_like_others && !self.links.len().is_power_of_two() {
            self.keys.set_head(at, head_of(key, self.shared));
        } else {
            self.set_heads();
        }
    }

    /// Finds out anew what the keys share, and sets all heads.
    fn set_heads(&mut self) {
        let count = self.keys.count();
        self.shared = if count > 2 { shared(self.keys.get(1), self.keys.get(count - 1)) } else { 0 };
        for at in 1..count {
            let head = head_of(self.keys.get(at), self.shared);
            self.keys.set_head(at, head);
        }
    }

    /// The child below which `key` belongs.
    pub(super) fn child_of(&self, key: &[u8]) -> usize {
        let found = heads::find(&self.keys, (1, self.links.len()), self.shared, key, |keys, at| keys.get(at));
        found.unwrap_or_else(|above| above - 1)
    }

    /// The child below which item `index` stands, and how many items stand before that child. `len` is the
    /// number of items below this node, and `index` is lower. Looks from the nearer end, so that the ends of
    /// a list cost no search.
    pub(super) fn child_at(&self, index: u64, len: u64) -> (usize, u64) {
        if index < len / 2 {
            let mut before = 0;
            for (child, link) in self.links.iter().enumerate() {
                if index - before < link.len {
                    return (child, before);
                }
                before += link.len;
            }
        }
        let mut before = len;
        for (child, link) in self.links.iter().enumerate().rev() {
            before -= link.len;
            if index >= before {
                return (child, before);
            }
        }
        unreachable!("the counts of the children were compared with the count of this node")
    }

    /// Items before `child`, of `len` below this node.
    pub(super) fn len_before(&self, child: usize, len: u64) -> u64 {
        let sum = |links: &[Link]| links.iter().map(|link| link.len).sum::<u64>();
        if child < self.links.len() / 2 { sum(&self.links[..child]) } else { len - sum(&self.links[child..]) }
    }

    fn is_overfull(&self) -> bool {
        let (count, key_bytes) = (self.links.len(), self.keys.bytes().len());
        count > INNER_CHILDREN_MAX || (count > INNER_CHILDREN_SPLIT_MIN && key_bytes > INNER_KEY_BYTES_MAX)
    }

    /// Adds what was split from `child`. If that is too much, returns the right part of this node with
    /// the key that separates it.
    pub(super) fn take_in(
        &mut self,
        child: usize,
        siblings: Siblings,
        edge: Edge,
    ) -> Option<(Vec<u8>, Inner)> {
        let added = siblings.len();
        for (position, (key, link)) in siblings.into_iter().enumerate() {
            self.insert(child + 1 + position, &key, link);
        }
        if !self.is_overfull() {
            return None;
        }
        let count = self.links.len();
        // What was full stays full at the ends of the tree, where more of the same may follow.
        let cut = match edge {
            Edge::None => count / 2,
            Edge::Left => added,
            Edge::Right => count - added,
        };
        Some(self.split_off(cut))
    }

    fn split_off(&mut self, cut: usize) -> (Vec<u8>, Inner) {
        let mut keys = self.keys.split_off(cut);
        let key = keys.get(0).to_vec();
        keys.remove(0);
        keys.insert(0, 0);
        let links = self.links.split_off(cut);
        self.links.shrink_to(cut.next_power_of_two());
        self.set_heads();
        (key, Inner::from_parts(self.level, keys, links))
    }

    /// After a removal below `child`: drops it when it is empty, joins it with a neighbour when it is small.
    pub(super) fn settle<S: ?Sized>(&mut self, child: usize, edit: &mut Edit<'_, S>) {
        if self.links[child].len == 0 {
            edit.retire(self.links[child].cell);
            self.remove(child);
        } else if self.links[child].slot.get().is_some_and(|node| node.is_small()) {
            let lefts = [Some(child), child.checked_sub(1)];
            if let Some(left) = lefts.into_iter().flatten().find(|&left| self.can_merge(left)) {
                self.merge(left, edit);
            }
        }
    }

    /// Takes a child out. The first key stays empty, whose child it is.
    fn remove(&mut self, child: usize) -> Link {
        self.keys.remove(if self.links.len() > 1 { child.max(1) } else { child });
        if self.keys.count() <= 2 {
            // Nothing is shared by fewer than two.
            self.set_heads();
        }
        self.links.remove(child)
    }

    /// Whether child `left` and the next one are in memory and small enough together.
    fn can_merge(&self, left: usize) -> bool {
        let nodes = self.links.get(left..left + 2).map(|pair| (pair[0].slot.get(), pair[1].slot.get()));
        matches!(nodes, Some((Some(left), Some(right))) if left.can_merge(right))
    }

    /// Moves what is below child `left + 1` to child `left`.
    fn merge<S: ?Sized>(&mut self, left: usize, edit: &mut Edit<'_, S>) {
        let key = self.keys.get(left + 1).to_vec();
        let right = self.remove(left + 1);
        let into = &mut self.links[left];
        match (into.own(), right.slot.take().map(node::into_owned)) {
            (Node::Leaf(into), Some(Node::Leaf(right))) => into.merge(&right),
            (Node::Inner(into), Some(Node::Inner(right))) => into.append(&key, right),
            _ => unreachable!("`can_merge` has seen two nodes of one level"),
        }
        into.len += right.len;
        into.bytes += right.bytes;
        into.touch(edit.stamp);
        edit.retire(right.cell);
    }

    /// Adds the children of the right neighbour, which `key` separates from this node.
    fn append(&mut self, key: &[u8], right: Inner) {
        let from = self.links.len();
        self.keys.append(&right.keys);
        self.keys.remove(from);
        self.keys.insert(from, key.len()).copy_from_slice(key);
        self.links.extend(right.links);
        self.set_heads();
    }

    pub(super) fn can_merge_with(&self, other: &Inner) -> bool {
        self.links.len() + other.links.len() <= INNER_CHILDREN_MAX / 2
            && self.keys.bytes().len() + other.keys.bytes().len() <= INNER_KEY_BYTES_MAX / 2
    }

    pub(super) fn is_small(&self) -> bool {
        self.links.len() <= INNER_CHILDREN_MAX / 4
    }
}
