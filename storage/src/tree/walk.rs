//! Walks from the root to a leaf, loading what is missing. They change nothing but what is in memory.

use super::inner::Inner;
use super::leaf::Leaf;
use super::node::{Edge, Node};
use super::{Source, Tree};
use crate::limits::TREE_LEVELS_MAX;

/// The children taken from the root down.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path {
    steps: [u16; TREE_LEVELS_MAX as usize],
    depth: usize,
    /// Whether only first, only last children were taken.
    leftmost: bool,
    rightmost: bool,
}

impl Path {
    fn new() -> Path {
        Path { steps: [0; TREE_LEVELS_MAX as usize], depth: 0, leftmost: true, rightmost: true }
    }

    fn push(&mut self, child: usize, children: usize) {
        self.steps[self.depth] = u16::try_from(child).expect("a node has at most CELL_COUNT_MAX children");
        self.depth += 1;
        self.leftmost &= child == 0;
        self.rightmost &= child + 1 == children;
    }

    pub(super) fn steps(&self) -> &[u16] {
        &self.steps[..self.depth]
    }
}

/// A leaf and a slot in it.
#[derive(Debug)]
pub(super) struct Place<'t> {
    pub(super) path: Path,
    pub(super) leaf: &'t Leaf,
    pub(super) slot: usize,
    /// Whether the key is at the slot, rather than belongs there.
    pub(super) found: bool,
}

impl Place<'_> {
    /// The place without the leaf, as a change needs it, and whether an insertion here is one at an end of the tree.
    pub(super) fn to_change(&self) -> (Path, usize, Edge) {
        let edge = if self.path.rightmost && self.slot == self.leaf.count() {
            Edge::Right
        } else if self.path.leftmost && self.slot == 0 {
            Edge::Left
        } else {
            Edge::None
        };
        (self.path, self.slot, edge)
    }
}

impl Tree {
    /// Where `key` is or belongs. `None` in an empty tree.
    pub(super) fn place_of<S: Source + ?Sized>(
        &self,
        key: &[u8],
        source: &S,
    ) -> Result<Option<Place<'_>>, S::Error> {
        self.place_passing(key, source, |_, _, _| {})
    }

    /// As [`Tree::place_of`]; tells `passed` each inner node, the child taken there and the items below the node.
    pub(super) fn place_passing<S: Source + ?Sized>(
        &self,
        key: &[u8],
        source: &S,
        mut passed: impl FnMut(&Inner, usize, u64),
    ) -> Result<Option<Place<'_>>, S::Error> {
        let walked = self.walk(source, |inner, len| {
            let child = inner.child_of(key);
            passed(inner, child, len);
            child
        })?;
        Ok(walked.map(|(path, leaf)| {
            let (slot, found) = leaf.find(key).map_or_else(|slot| (slot, false), |slot| (slot, true));
            Place { path, leaf, slot, found }
        }))
    }

    /// Where item `index` is; from the number of items on, the end of the last leaf. `None` in an empty
    /// tree.
    pub(super) fn place_at<S: Source + ?Sized>(
        &self,
        index: u64,
        source: &S,
    ) -> Result<Option<Place<'_>>, S::Error> {
        let Some(last) = self.len().checked_sub(1) else { return Ok(None) };
        let wanted = index.min(last);
        let mut before = 0;
        let walked = self.walk(source, |inner, len| {
            let (child, passed) = inner.child_at(wanted - before, len);
            before += passed;
            child
        })?;
        Ok(walked.map(|(path, leaf)| {
            let slot =
                usize::try_from(wanted - before).expect("a slot of a leaf") + usize::from(index > last);
            Place { path, leaf, slot, found: index <= last }
        }))
    }

    /// Walks down, at each inner node to the child that `choose` names; it is told the items below the node.
    fn walk<S: Source + ?Sized>(
        &self,
        source: &S,
        mut choose: impl FnMut(&Inner, u64) -> usize,
    ) -> Result<Option<(Path, &Leaf)>, S::Error> {
        let Some(root) = &self.root else { return Ok(None) };
        let mut path = Path::new();
        let mut link = &**root;
        let mut level = None;
        loop {
            let inner = match link.load(level, source)? {
                Node::Leaf(leaf) => return Ok(Some((path, leaf))),
                Node::Inner(inner) => inner,
            };
            let child = choose(inner, link.len);
            path.push(child, inner.links.len());
            link = &inner.links[child];
            level = Some(inner.level - 1);
        }
    }
}
