//! Nodes, and the links by which parents know them.

use std::sync::{Arc, OnceLock};

use super::codec;
use super::inner::Inner;
use super::leaf::Leaf;
use super::{RootRef, Source};

/// A node in memory.
#[derive(Debug, Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Inner(Inner),
}

impl Node {
    /// 0 for a leaf.
    pub(super) fn level(&self) -> u8 {
        match self {
            Node::Leaf(_) => 0,
            Node::Inner(inner) => inner.level,
        }
    }

    /// Items below, and the bytes of their keys and values. Walks the items or the children.
    pub(super) fn count(&self) -> (u64, u64) {
        match self {
            Node::Leaf(leaf) => (leaf.count() as u64, leaf.bytes()),
            Node::Inner(inner) => {
                inner.links.iter().fold((0, 0), |(len, bytes), link| (len + link.len, bytes + link.bytes))
            }
        }
    }

    /// Whether both fit into one node with as much room again.
    pub(super) fn can_merge(&self, other: &Node) -> bool {
        match (self, other) {
            (Node::Leaf(left), Node::Leaf(right)) => left.can_merge(right),
            (Node::Inner(left), Node::Inner(right)) => left.can_merge_with(right),
            _ => false,
        }
    }

    /// Whether it is worth looking for a neighbour to merge with.
    pub(super) fn is_small(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.is_small(),
            Node::Inner(inner) => inner.is_small(),
        }
    }
}

/// Whether a change happens at an end of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Edge {
    None,
    Left,
    Right,
}

/// What a parent knows of a child: all that is needed to walk past it, and the child itself if it is in
/// memory. This is the only place where cell, stamp and counts are kept.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) cell: u32,
    pub(super) stamp: u64,
    pub(super) len: u64,
    pub(super) bytes: u64,
    pub(super) slot: Slot,
}

/// Where a link keeps its node.
#[derive(Debug)]
pub(super) enum Slot {
    /// Put there by a change. Most slots are of this kind, and one is cheaper to copy than the other.
    Loaded(Arc<Node>),
    /// Not in memory, or loaded by somebody who only reads.
    Stub(OnceLock<Arc<Node>>),
}

impl Slot {
    pub(super) const fn empty() -> Slot {
        Slot::Stub(OnceLock::new())
    }

    pub(super) fn get(&self) -> Option<&Arc<Node>> {
        match self {
            Slot::Loaded(node) => Some(node),
            Slot::Stub(node) => node.get(),
        }
    }

    pub(super) fn get_mut(&mut self) -> Option<&mut Arc<Node>> {
        match self {
            Slot::Loaded(node) => Some(node),
            Slot::Stub(node) => node.get_mut(),
        }
    }

    pub(super) fn take(self) -> Option<Arc<Node>> {
        match self {
            Slot::Loaded(node) => Some(node),
            Slot::Stub(node) => node.into_inner(),
        }
    }
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        self.get().map_or_else(Slot::empty, |node| Slot::Loaded(node.clone()))
    }
}

impl Link {
    pub(super) fn stub(to: RootRef) -> Link {
        Link { cell: to.cell, stamp: to.stamp, len: to.len, bytes: to.bytes, slot: Slot::empty() }
    }

    pub(super) fn loaded(cell: u32, stamp: u64, node: Node) -> Link {
        let (len, bytes) = node.count();
        Link { cell, stamp, len, bytes, slot: Slot::Loaded(Arc::new(node)) }
    }

    pub(super) fn reference(&self) -> RootRef {
        RootRef { cell: self.cell, stamp: self.stamp, len: self.len, bytes: self.bytes }
    }

    /// The node, loaded from `source` if it is not here. `level` is the one it must have; a root may
    /// have any.
    pub(super) fn load<S: Source + ?Sized>(&self, level: Option<u8>, source: &S) -> Result<&Node, S::Error> {
        match self.slot.get() {
            Some(node) => Ok(node),
            None => self.load_cold(level, source),
        }
    }

    #[cold]
    fn load_cold<S: Source + ?Sized>(&self, level: Option<u8>, source: &S) -> Result<&Node, S::Error> {
        let bytes = source.cell(self.cell, self.stamp)?;
        let node = codec::decode(bytes, &self.reference(), level)?;
        match &self.slot {
            Slot::Loaded(node) => Ok(node),
            // Of two readers that load the same cell one comes late; both have read the same.
            Slot::Stub(slot) => Ok(slot.get_or_init(|| Arc::new(node))),
        }
    }

    /// The node, to be changed: in place if it is not shared, otherwise in a copy.
    pub(super) fn own(&mut self) -> &mut Node {
        Arc::make_mut(self.slot.get_mut().expect("the walk that found the path has loaded it"))
    }

    /// Stamps a change.
    pub(super) fn touch(&mut self, stamp: u64) {
        self.stamp = self.stamp.max(stamp);
    }
}

/// The node itself if nobody shares it, otherwise a copy.
pub(super) fn into_owned(node: Arc<Node>) -> Node {
    Arc::unwrap_or_clone(node)
}
