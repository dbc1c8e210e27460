//! Building a tree from items that are in order already.

use std::sync::Arc;

use super::inner::{Inner, Siblings};
use super::leaf::{Item, Leaf, separator};
use super::node::{Link, Node};
use super::{Cells, Error, Tree};
use crate::limits::{INNER_CHILDREN_MAX, INNER_CHILDREN_SPLIT_MIN, INNER_KEY_BYTES_MAX, ITEM_BYTES_MAX};

impl Tree {
    /// A tree of `items`, keys and values, with full nodes. Keys strictly ascend; empty ones may follow each
    /// other, as all do in a tree navigated by rank.
    ///
    /// Cost: one copy of the items and one allocation of each node. Errors: [`Error::Unsorted`], [`Error::TooLarge`],
    /// [`Error::NoCells`]; numbers that were taken from `cells` until then are lost.
    pub fn build<K: AsRef<[u8]>, V: AsRef<[u8]>>(
        items: impl IntoIterator<Item = (K, V)>,
        cells: &mut Cells,
        stamp: u64,
    ) -> Result<Tree, Error> {
        let mut builder =
            Builder { nodes: Siblings::new(), leaf: Leaf::default(), key: Vec::new(), cells, stamp };
        for (index, (key, value)) in items.into_iter().enumerate() {
            builder.push(index as u64, Item { key: key.as_ref(), value: value.as_ref() })?;
        }
        builder.finish()
    }
}

struct Builder<'a> {
    /// Nodes of one level, each with the key that separates it from the one before.
    nodes: Siblings,
    /// The leaf being filled, and its separator.
    leaf: Leaf,
    key: Vec<u8>,
    cells: &'a mut Cells,
    stamp: u64,
}

impl Builder<'_> {
    fn push(&mut self, index: u64, item: Item<'_>) -> Result<(), Error> {
        if item.bytes() > ITEM_BYTES_MAX {
            return Err(Error::TooLarge { bytes: item.bytes(), bytes_max: ITEM_BYTES_MAX });
        }
        let count = self.leaf.count();
        if count > 0 {
            let last_key = self.leaf.last_key();
            if last_key >= item.key && !(last_key.is_empty() && item.key.is_empty()) {
                return Err(Error::Unsorted { index });
            }
            if !self.leaf.has_room(item) {
                let key = separator(last_key, item.key).to_vec();
                self.end_leaf(key)?;
            }
        }
        self.leaf.insert(self.leaf.count(), item);
        Ok(())
    }

    /// `key` separates the next leaf from the one that ends.
    fn end_leaf(&mut self, key: Vec<u8>) -> Result<(), Error> {
        self.cells.check()?;
        let mut leaf = std::mem::take(&mut self.leaf);
        leaf.shrink();
        let link = Link::loaded(self.cells.take(), self.stamp, Node::Leaf(leaf));
        self.nodes.push((std::mem::replace(&mut self.key, key), link));
        Ok(())
    }

    fn finish(mut self) -> Result<Tree, Error> {
        if self.leaf.count() > 0 {
            self.end_leaf(Vec::new())?;
        }
        let mut level = 0;
        while self.nodes.len() > 1 {
            level += 1;
            self.end_level(level)?;
        }
        Ok(Tree { root: self.nodes.pop().map(|(_, root)| Arc::new(root)) })
    }

    /// Puts the nodes of one level under parents, which take their place.
    fn end_level(&mut self, level: u8) -> Result<(), Error> {
        let mut parents = Siblings::new();
        let mut parent = Inner::new(level);
        let mut parent_key = Vec::new();
        for (key, link) in std::mem::take(&mut self.nodes) {
            let (count, key_bytes) = (parent.links.len(), parent.keys.bytes().len() + key.len());
            let is_full = count >= INNER_CHILDREN_MAX
                || (count >= INNER_CHILDREN_SPLIT_MIN && key_bytes > INNER_KEY_BYTES_MAX);
            if is_full {
                let full = std::mem::replace(&mut parent, Inner::new(level));
                parents.push((std::mem::take(&mut parent_key), self.link(full)?));
            }
            if parent.links.is_empty() {
                parent_key = key;
                parent.insert(0, b"", link);
            } else {
                parent.insert(parent.links.len(), &key, link);
            }
        }
        parents.push((parent_key, self.link(parent)?));
        self.nodes = parents;
        Ok(())
    }

    fn link(&mut self, inner: Inner) -> Result<Link, Error> {
        self.cells.check()?;
        Ok(Link::loaded(self.cells.take(), self.stamp, Node::Inner(inner)))
    }
}
