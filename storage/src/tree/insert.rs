//! Changes that add or replace an item.

use std::sync::Arc;

use super::inner::{Inner, Siblings};
use super::leaf::{Item, Leaf, separator};
use super::node::{Edge, Link, Node};
use super::walk::Path;
use super::{Cells, Edit, Error, Source, Tree};
use crate::limits::{ITEM_BYTES_MAX, TREE_LEVELS_MAX};

/// One change on its way down.
struct Put<'a> {
    item: Item<'a>,
    slot: usize,
    edge: Edge,
    /// Whether the item at `slot` is to be replaced, rather than one added before it.
    replace: bool,
    old: Option<Vec<u8>>,
    stamp: u64,
    cells: &'a mut Cells,
}

impl Tree {
    /// Puts `value` under `key`; the value it replaces, if there was one.
    ///
    /// Cost: two walks and a memmove in one leaf, and a copy of each node on the path that is shared with
    /// a clone. Errors: [`Error::TooLarge`], [`Error::NoCells`], what the source says. In each case
    /// nothing has changed.
    pub fn insert<S: Source + ?Sized>(
        &mut self,
        key: &[u8],
        value: &[u8],
        edit: &mut Edit<'_, S>,
    ) -> Result<Option<Vec<u8>>, S::Error> {
        let item = Item { key, value };
        check(item, edit.cells)?;
        let place = self.place_of(key, edit.source)?.map(|place| (place.to_change(), place.found));
        Ok(match place {
            None => self.plant(item, edit),
            Some((place, found)) => self.put(item, place, found, edit),
        })
    }

    /// Puts under `key` what `make` makes of the value that is there; whether there was one. Costs and errors as
    /// [`Tree::insert`], which it does with one walk less than a look before it.
    pub fn insert_with<S: Source + ?Sized, V: AsRef<[u8]>>(
        &mut self,
        key: &[u8],
        edit: &mut Edit<'_, S>,
        make: impl FnOnce(Option<&[u8]>) -> V,
    ) -> Result<bool, S::Error> {
        let place = self.place_of(key, edit.source)?;
        let old = place.as_ref().filter(|place| place.found).map(|place| place.leaf.item(place.slot).value);
        let value = make(old);
        let item = Item { key, value: value.as_ref() };
        check(item, edit.cells)?;
        let place = place.map(|place| (place.to_change(), place.found));
        Ok(match place {
            None => self.plant(item, edit).is_some(),
            Some((place, found)) => self.put(item, place, found, edit).is_some(),
        })
    }

    /// Puts `value` before the item at `index`, or at the end where `index` is [`Tree::len`]. Costs and
    /// errors as [`Tree::insert`], and [`Error::OutOfRange`].
    pub fn insert_at<S: Source + ?Sized>(
        &mut self,
        index: u64,
        value: &[u8],
        edit: &mut Edit<'_, S>,
    ) -> Result<(), S::Error> {
        let item = Item { key: b"", value };
        check(item, edit.cells)?;
        if index > self.len() {
            return Err(Error::OutOfRange { index, len: self.len() }.into());
        }
        let place = self.place_at(index, edit.source)?.map(|place| place.to_change());
        match place {
            None => self.plant(item, edit),
            Some(place) => self.put(item, place, false, edit),
        };
        Ok(())
    }

    /// Puts `value` in the place of the item at `index` and returns the old one; `None` when there is
    /// none. Costs and errors as [`Tree::insert`].
    pub fn replace_at<S: Source + ?Sized>(
        &mut self,
        index: u64,
        value: &[u8],
        edit: &mut Edit<'_, S>,
    ) -> Result<Option<Vec<u8>>, S::Error> {
        let item = Item { key: b"", value };
        check(item, edit.cells)?;
        if index >= self.len() {
            return Ok(None);
        }
        let place = self.place_at(index, edit.source)?.map(|place| place.to_change());
        Ok(place.and_then(|place| self.put(item, place, true, edit)))
    }

    /// The first item of an empty tree.
    fn plant<S: ?Sized>(&mut self, item: Item<'_>, edit: &mut Edit<'_, S>) -> Option<Vec<u8>> {
        let leaf = Node::Leaf(Leaf::of(item));
        self.root = Some(Arc::new(Link::loaded(edit.cells.take(), edit.stamp, leaf)));
        None
    }

    /// Changes the loaded path; cannot fail.
    fn put<S: ?Sized>(
        &mut self,
        item: Item<'_>,
        (path, slot, edge): (Path, usize, Edge),
        replace: bool,
        edit: &mut Edit<'_, S>,
    ) -> Option<Vec<u8>> {
        let root = Arc::make_mut(self.root.as_mut().expect("an empty tree has no place"));
        let edge = if replace { Edge::None } else { edge };
        let mut put = Put { item, slot, edge, replace, old: None, stamp: edit.stamp, cells: edit.cells };
        let siblings = put.below(root, path.steps());
        if !siblings.is_empty() {
            put.grow(root, siblings);
        }
        put.old
    }
}

/// What can be said before anything is loaded.
fn check(item: Item<'_>, cells: &Cells) -> Result<(), Error> {
    if item.bytes() > ITEM_BYTES_MAX {
        return Err(Error::TooLarge { bytes: item.bytes(), bytes_max: ITEM_BYTES_MAX });
    }
    cells.check()
}

impl Put<'_> {
    /// Puts the item below `link`; what then has to stand to the right of it.
    fn below(&mut self, link: &mut Link, steps: &[u16]) -> Siblings {
        link.touch(self.stamp);
        let siblings = match (link.own(), steps) {
            (Node::Leaf(leaf), _) => self.put_in_leaf(leaf),
            (Node::Inner(inner), [child, steps @ ..]) => self.put_in_inner(inner, usize::from(*child), steps),
            (Node::Inner(_), []) => unreachable!("a path ends at a leaf"),
        };
        if siblings.is_empty() {
            self.count(link);
        } else {
            (link.len, link.bytes) = link.own().count();
        }
        siblings
    }

    /// Counts the change where nothing was split.
    fn count(&self, link: &mut Link) {
        match &self.old {
            None => {
                link.len += 1;
                link.bytes += self.item.bytes() as u64;
            }
            Some(old) => link.bytes = link.bytes + self.item.value.len() as u64 - old.len() as u64,
        }
    }

    fn put_in_leaf(&mut self, leaf: &mut Leaf) -> Siblings {
        if self.replace {
            self.old = leaf.replace_alike(self.slot, self.item);
            if self.old.is_some() {
                return Siblings::new();
            }
            self.old = Some(leaf.remove(self.slot));
        }
        let leaves = leaf.insert_or_split(self.slot, self.item, self.edge);
        let mut siblings = Siblings::new();
        let mut last_key = if leaves.is_empty() { Vec::new() } else { leaf.last_key().to_vec() };
        for right in leaves {
            let key = separator(&last_key, right.key(0)).to_vec();
            last_key = right.last_key().to_vec();
            siblings.push((key, self.link(Node::Leaf(right))));
        }
        siblings
    }

    fn put_in_inner(&mut self, inner: &mut Inner, child: usize, steps: &[u16]) -> Siblings {
        let siblings = self.below(&mut inner.links[child], steps);
        if siblings.is_empty() {
            return Siblings::new();
        }
        let right = inner.take_in(child, siblings, self.edge);
        right.into_iter().map(|(key, right)| (key, self.link(Node::Inner(right)))).collect()
    }

    /// A new root above the old one.
    fn grow(&mut self, root: &mut Link, siblings: Siblings) {
        let level = root.own().level() + 1;
        assert!(level <= TREE_LEVELS_MAX, "no number of insertions makes a tree this high");
        let mut inner = Inner::new(level);
        let stub = Link::stub(root.reference());
        inner.insert(0, b"", std::mem::replace(root, stub));
        for (position, (key, link)) in siblings.into_iter().enumerate() {
            inner.insert(1 + position, &key, link);
        }
        *root = self.link(Node::Inner(inner));
    }

    fn link(&mut self, node: Node) -> Link {
        Link::loaded(self.cells.take(), self.stamp, node)
    }
}
