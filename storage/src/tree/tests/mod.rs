//! Tests of the room, and what they share: a shelf of cells, chance, and the check of all invariants.

mod by_key;
mod by_rank;
mod cells;
mod codec;
mod sizes;

use std::collections::{HashMap, HashSet};

use super::node::{Link, Node};
use super::*;
use crate::limits::{INNER_CHILDREN_MAX, LEAF_BYTES_MAX, LEAF_ITEMS_MAX};

/// Cells as the table file keeps them.
#[derive(Debug, Clone, Default)]
pub(super) struct Shelf {
    rows: HashMap<u32, Vec<u8>>,
}

impl Source for Shelf {
    type Error = Error;

    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Error> {
        self.rows.get(&cell).cloned().ok_or(Error::Cold { cell, stamp })
    }
}

/// A small generator, so that a seed is a run.
pub(super) struct Chance(u64);

impl Chance {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// Bytes of a length that is usually small, now and then a good part of a leaf or more than one.
    pub(super) fn value(&mut self) -> Vec<u8> {
        let len = match self.below(100) {
            0 => self.below(20_000),
            1..=30 => 500 + self.below(1500),
            _ => self.below(200),
        };
        vec![self.next() as u8; len]
    }
}

/// What stands around a tree in a store: its cell numbers, its rows, the position of the last change and
/// of the last checkpoint.
#[derive(Debug, Default)]
pub(super) struct World {
    pub(super) tree: Tree,
    pub(super) cells: Cells,
    pub(super) shelf: Shelf,
    pub(super) stamp: u64,
    pub(super) checkpoint: u64,
}

impl World {
    pub(super) fn around(tree: Tree, cells: Cells, stamp: u64) -> World {
        World { tree, cells, stamp, ..World::default() }
    }

    /// One change at the next position.
    pub(super) fn change<R>(
        &mut self,
        change: impl FnOnce(&mut Tree, &mut Edit<'_, Shelf>) -> Result<R, Error>,
    ) -> R {
        self.stamp += 1;
        let mut edit = Edit { cells: &mut self.cells, stamp: self.stamp, source: &self.shelf };
        change(&mut self.tree, &mut edit).unwrap()
    }

    /// Stores what changed since the last checkpoint; how many cells.
    pub(super) fn fold(&mut self) -> usize {
        let mut count = 0;
        self.tree.changed_since(self.checkpoint, |cell, bytes| {
            self.shelf.rows.insert(cell, bytes.to_vec());
            count += 1;
        });
        self.cells.removed.drain(..).for_each(|(_, cell)| _ = self.shelf.rows.remove(&cell));
        self.checkpoint = self.stamp;
        count
    }

    /// As after a restart: only the root's reference and the rows are left.
    pub(super) fn restart(&mut self) {
        self.tree = self.tree.root().map_or_else(Tree::new, Tree::from_root);
    }

    pub(super) fn items(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        items(&self.tree, &self.shelf)
    }

    pub(super) fn check(&self) -> Shape {
        let shape = check(&self.tree);
        assert!(shape.cells.iter().all(|&cell| cell < self.cells.next));
        assert!(self.cells.removed.iter().all(|(_, cell)| !shape.cells.contains(cell)));
        shape
    }
}

/// All items, forwards.
pub(super) fn items<S: Source<Error = Error>>(tree: &Tree, source: &S) -> Vec<(Vec<u8>, Vec<u8>)> {
    tree.ascend(0, source)
        .map(|item| item.unwrap())
        .map(|item| (item.key.to_vec(), item.value.to_vec()))
        .collect()
}

/// What a tree looks like.
#[derive(Debug, Default)]
pub(super) struct Shape {
    pub(super) leaves: u64,
    pub(super) inners: u64,
    pub(super) levels: u8,
    pub(super) cells: HashSet<u32>,
    /// Memory of leaves and keys, allocations and reference counts not counted.
    pub(super) capacity_bytes: u64,
}

/// Panics unless the loaded part of `tree` is as `mod.rs` says.
pub(super) fn check(tree: &Tree) -> Shape {
    let mut shape = Shape::default();
    if let Some(root) = &tree.root {
        if let Some(Node::Inner(inner)) = root.slot.get().map(|node| &**node) {
            assert!(inner.links.len() > 1, "a root with one child");
        }
        assert!(root.len > 0, "an empty root");
        check_link(root, None, b"", None, &mut shape);
        shape.levels = root.slot.get().map_or(0, |node| node.level());
    }
    shape
}

/// `from` and `to` are the bounds of the keys below, `to` exclusive.
fn check_link(link: &Link, level: Option<u8>, from: &[u8], to: Option<&[u8]>, shape: &mut Shape) {
    assert!(shape.cells.insert(link.cell), "cell {} is there twice", link.cell);
    let Some(node) = link.slot.get() else { return };
    assert_eq!((link.len, link.bytes), node.count());
    assert!(level.is_none_or(|level| level == node.level()));
    match &**node {
        Node::Leaf(leaf) => {
            shape.leaves += 1;
            shape.capacity_bytes += leaf.capacity_bytes() as u64;
            assert!((1..=LEAF_ITEMS_MAX).contains(&leaf.count()));
            assert!(leaf.count() == 1 || leaf.packed_bytes().len() <= LEAF_BYTES_MAX);
            let is_list = leaf.last_key().is_empty();
            let keys: Vec<_> = (0..leaf.count()).map(|slot| leaf.key(slot)).collect();
            assert!(is_list || keys.is_sorted_by(|left, right| left < right));
            assert!(keys[0] >= from && to.is_none_or(|to| is_list || leaf.last_key() < to));
        }
        Node::Inner(inner) => {
            shape.inners += 1;
            shape.capacity_bytes +=
                (inner.keys.capacity_bytes() + inner.links.capacity() * size_of::<Link>()) as u64;
            let count = inner.links.len();
            assert!((1..=INNER_CHILDREN_MAX).contains(&count));
            assert_eq!(inner.keys.count(), count);
            assert!(inner.keys.get(0).is_empty());
            for (child, below) in inner.links.iter().enumerate() {
                assert!(below.stamp <= link.stamp && below.len > 0);
                let from = if child == 0 { from } else { inner.keys.get(child) };
                let to = if child + 1 < count { Some(inner.keys.get(child + 1)) } else { to };
                check_link(below, Some(inner.level - 1), from, to, shape);
            }
        }
    }
}
