//! A counted, copy-on-write B+-tree of byte items, whose nodes are cells: rows of the table file.
//!
//! It carries the large sets, lists, maps and sorted sets. A tree is navigated in one of two ways, never
//! both: **by key**, keys strictly ascending bytewise, or **by rank** ([`Tree::insert_at`] and its like),
//! where all keys are empty. Ranks of keys and items at a rank cost one walk from root to leaf, because
//! every inner node knows how many items stand below each of its children.
//!
//! ```text
//! Tree ── root ── Inner ─┬ cell stamp len bytes key ── Inner ─┬ .. ── Leaf (<= 128 items, <= 4 KiB)
//!                        └ ..                                 └ .. ── (stub: not in memory)
//! ```
//!
//! - **Snapshots.** [`Tree::clone`] is one reference. A clone never changes; what is shared with one is
//!   copied when it is written, what is not shared is changed in place. So between two snapshots a write
//!   costs a walk and a memmove, and after a snapshot each node it touches is copied once.
//! - **Cells.** Each node has a number of its own ([`Cells`]), kept for its life and never given again,
//!   and the `stamp` of its last change. A change stamps the whole path, so the stamp of a node is the
//!   highest of its subtree, and [`Tree::changed_since`] finds what a checkpoint has to write without
//!   looking at the rest.
//! - **Stubs.** A child may be absent from memory. Whatever meets one asks its [`Source`] for the cell, checks
//!   that it is the version the parent means, and keeps it in the parent, where clones that share the
//!   parent find it too: touching a path in a clone warms it for the tree it was cloned from.
//!   Changes load all they need *before* they change anything: one that fails has changed nothing.
//! - **Shape.** Leaves at the ends of the tree are left full when something is added beyond them, so filling in order
//!   gives full leaves. Empty nodes are removed; a small one joins a neighbour if that one is in memory.
//!   All leaves stand on the same level.
//!
//! The bytes of a cell are drawn in `codec.rs`. Checksums are the business of whoever stores them.

mod build;
mod cells;
mod codec;
mod error;
mod heads;
mod inner;
mod insert;
mod iter;
mod keep;
mod leaf;
mod node;
mod packed;
mod remove;
#[cfg(test)]
mod tests;
mod walk;

use std::sync::Arc;

pub use cells::{Cells, Edit, NoSource, Source};
pub use error::Error;
pub use iter::Iter;
pub use leaf::Item;
use node::Link;

/// The tree. `Default` is empty; [`Clone`] costs one reference and is a snapshot.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// Behind a reference of its own, so that clones share the root that one of them loads.
    root: Option<Arc<Link>>,
}

/// Where a stored tree begins, and what must be found there. To be kept in the header of the structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootRef {
    /// Cell of the root.
    pub cell: u32,
    /// Stamp of the last change.
    pub stamp: u64,
    /// Items in the tree.
    pub len: u64,
    /// Sum of the bytes of all keys and values.
    pub bytes: u64,
}

/// Where a key stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rank {
    /// Items whose key is lower.
    pub below: u64,
    /// Whether the key itself is there, at rank `below`.
    pub present: bool,
}

impl Tree {
    /// A tree without items. No allocation.
    #[must_use]
    pub const fn new() -> Tree {
        Tree { root: None }
    }

    /// A stored tree, its root a stub. What `root` claims is checked when it is loaded.
    #[must_use]
    pub fn from_root(root: RootRef) -> Tree {
        Tree { root: Some(Arc::new(Link::stub(root))) }
    }

    /// What to keep of this tree beside its cells. `None` when it is empty.
    #[must_use]
    pub fn root(&self) -> Option<RootRef> {
        self.root.as_ref().map(|root| root.reference())
    }

    /// Items. O(1), needs no source.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.root.as_ref().map_or(0, |root| root.len)
    }

    /// Whether there is no item.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Sum of the bytes of all keys and values. O(1), needs no source.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.root.as_ref().map_or(0, |root| root.bytes)
    }

    /// The value under `key`. One walk, no allocation unless a stub is met.
    pub fn get<S: Source + ?Sized>(&self, key: &[u8], source: &S) -> Result<Option<&[u8]>, S::Error> {
        let Some(place) = self.place_of(key, source)? else { return Ok(None) };
        Ok(place.found.then(|| place.leaf.item(place.slot).value))
    }

    /// How many items stand below `key`, and whether it is there. One walk.
    pub fn rank<S: Source + ?Sized>(&self, key: &[u8], source: &S) -> Result<Rank, S::Error> {
        let mut before = 0;
        let place = self.place_passing(key, source, |inner, child, len| {
            before += inner.len_before(child, len);
        })?;
        Ok(match place {
            None => Rank { below: 0, present: false },
            Some(place) => Rank { below: before + place.slot as u64, present: place.found },
        })
    }

    /// The item at `index`, counted from 0; `None` from [`Tree::len`] on. One walk.
    pub fn at<S: Source + ?Sized>(&self, index: u64, source: &S) -> Result<Option<Item<'_>>, S::Error> {
        if index >= self.len() {
            return Ok(None);
        }
        let place = self.place_at(index, source)?;
        Ok(place.map(|place| place.leaf.item(place.slot)))
    }

    /// The item with the lowest key, or at rank 0.
    pub fn first<S: Source + ?Sized>(&self, source: &S) -> Result<Option<Item<'_>>, S::Error> {
        self.at(0, source)
    }

    /// The item with the highest key, or at the highest rank.
    pub fn last<S: Source + ?Sized>(&self, source: &S) -> Result<Option<Item<'_>>, S::Error> {
        self.len().checked_sub(1).map_or(Ok(None), |index| self.at(index, source))
    }

    /// Loads what [`Tree::insert`] or [`Tree::remove`] of `key` will need.
    pub fn touch<S: Source + ?Sized>(&self, key: &[u8], source: &S) -> Result<(), S::Error> {
        self.place_of(key, source).map(|_| ())
    }

    /// Loads what a change at `index` will need; at [`Tree::len`] that is what an append needs.
    pub fn touch_at<S: Source + ?Sized>(&self, index: u64, source: &S) -> Result<(), S::Error> {
        self.place_at(index, source).map(|_| ())
    }

    /// Items from rank `from` upwards: `from`, `from + 1` .. . Nothing is loaded before the first `next`.
    pub fn ascend<'t, S: Source + ?Sized>(&'t self, from: u64, source: &'t S) -> Iter<'t, S> {
        Iter::ascending(self, from, source)
    }

    /// Items below rank `below` downwards: `below - 1`, `below - 2` .. 0. [`Tree::len`] begins at the end.
    pub fn descend<'t, S: Source + ?Sized>(&'t self, below: u64, source: &'t S) -> Iter<'t, S> {
        Iter::descending(self, below, source)
    }

    /// Items whose key is at least `key`, upwards.
    pub fn ascend_from<'t, S: Source + ?Sized>(
        &'t self,
        key: &[u8],
        source: &'t S,
    ) -> Result<Iter<'t, S>, S::Error> {
        let rank = self.rank(key, source)?;
        Ok(self.ascend(rank.below, source))
    }

    /// Items whose key is lower than `key`, downwards.
    pub fn descend_from<'t, S: Source + ?Sized>(
        &'t self,
        key: &[u8],
        source: &'t S,
    ) -> Result<Iter<'t, S>, S::Error> {
        let rank = self.rank(key, source)?;
        Ok(self.descend(rank.below, source))
    }
}
