//! What a checkpoint does with a tree: writes what changed, and lets memory go.

use std::sync::Arc;

use super::inner::Inner;
use super::node::{Link, Node, Slot};
use super::{Tree, codec};

/// What a node takes beside its items or children: the reference counts, the node, two or three allocations.
const NODE_BYTES: u64 = 160;
/// What an item takes beside key and value: two lengths and a mark.
const ITEM_BYTES: u64 = 2 + 8;

impl Tree {
    /// Calls `each` with cell and encoded bytes of every node that changed after `stamp`. Children come before
    /// their parents.
    ///
    /// Only nodes in memory are visited, and those that are not have not changed: [`Tree::prune`] lets go
    /// only of what was stored. Subtrees without change are skipped, so the cost is that of the changed
    /// nodes and one look at each of their children.
    pub fn changed_since(&self, stamp: u64, mut each: impl FnMut(u32, &[u8])) {
        if let Some(root) = &self.root {
            changed_below(root, stamp, &mut Vec::new(), &mut each);
        }
    }

    /// Turns nodes whose stamp is at most `through` back into stubs, except the root and what is shared with
    /// clones. They must be stored as they are. About how many bytes of memory that gave back.
    pub fn prune(&mut self, through: u64) -> u64 {
        let root = self.root.as_mut().and_then(Arc::get_mut).and_then(|root| root.slot.get_mut());
        match root.and_then(Arc::get_mut) {
            Some(Node::Inner(inner)) => inner.links.iter_mut().map(|link| prune_below(link, through)).sum(),
            _ => 0,
        }
    }

    /// About how many bytes of memory the loaded part takes, shared with clones or not.
    ///
    /// Computed for each call from what inner nodes say of their children, so leaves are not visited: one
    /// look at each child of each inner node, some 40 us for a million items.
    #[must_use]
    pub fn memory_bytes(&self) -> u64 {
        self.root.as_ref().map_or(0, |root| memory_below(root))
    }
}

fn changed_below(link: &Link, stamp: u64, buffer: &mut Vec<u8>, each: &mut impl FnMut(u32, &[u8])) {
    let Some(node) = link.slot.get().filter(|_| link.stamp > stamp) else { return };
    if let Node::Inner(inner) = &**node {
        inner.links.iter().for_each(|link| changed_below(link, stamp, buffer, each));
    }
    codec::encode(node, &link.reference(), buffer);
    each(link.cell, buffer);
}

fn prune_below(link: &mut Link, through: u64) -> u64 {
    let (is_stored, leaf_bytes) = (link.stamp <= through, leaf_memory(link));
    let freed = match link.slot.get_mut().and_then(Arc::get_mut) {
        None => return 0,
        Some(Node::Leaf(_)) => (leaf_bytes, 0),
        Some(Node::Inner(inner)) => {
            (inner_memory(inner), inner.links.iter_mut().map(|link| prune_below(link, through)).sum())
        }
    };
    if !is_stored {
        return freed.1;
    }
    link.slot = Slot::empty();
    freed.0 + freed.1
}

fn memory_below(link: &Link) -> u64 {
    match link.slot.get().map(|node| &**node) {
        None => 0,
        Some(Node::Leaf(_)) => leaf_memory(link),
        Some(Node::Inner(inner)) if inner.level == 1 => {
            // Enough is known of the leaves without looking at them.
            let loaded = inner.links.iter().filter(|link| link.slot.get().is_some());
            inner_memory(inner) + loaded.map(leaf_memory).sum::<u64>()
        }
        Some(Node::Inner(inner)) => inner_memory(inner) + inner.links.iter().map(memory_below).sum::<u64>(),
    }
}

fn leaf_memory(link: &Link) -> u64 {
    NODE_BYTES + link.bytes + link.len * ITEM_BYTES
}

fn inner_memory(inner: &Inner) -> u64 {
    let links = inner.links.capacity() * size_of::<Link>();
    let keys = inner.keys.bytes().len() + inner.keys.count() * size_of::<u64>();
    NODE_BYTES + (links + keys) as u64
}
