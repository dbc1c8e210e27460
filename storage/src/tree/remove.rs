//! Changes that remove an item.

use std::sync::Arc;

use super::node::{Edge, Link, Node};
use super::walk::Path;
use super::{Edit, Source, Tree};

/// An item that was removed.
struct Taken {
    bytes: u64,
    value: Vec<u8>,
}

impl Tree {
    /// Removes `key` and returns its value; `None`, and no change, when it is not there.
    ///
    /// Cost: two walks and a memmove in one leaf, and a copy of each node on the path that is shared with
    /// a clone. A node that got small joins a neighbour under the same parent if that one is in memory.
    /// Fails only with what the source says, and then nothing has changed.
    pub fn remove<S: Source + ?Sized>(
        &mut self,
        key: &[u8],
        edit: &mut Edit<'_, S>,
    ) -> Result<Option<Vec<u8>>, S::Error> {
        let place = self.place_of(key, edit.source)?;
        let place = place.filter(|place| place.found).map(|place| place.to_change());
        Ok(place.map(|place| self.take(place, edit)))
    }

    /// Removes the item at `index` and returns its value; `None` when there is none. Costs and errors as
    /// [`Tree::remove`].
    pub fn remove_at<S: Source + ?Sized>(
        &mut self,
        index: u64,
        edit: &mut Edit<'_, S>,
    ) -> Result<Option<Vec<u8>>, S::Error> {
        if index >= self.len() {
            return Ok(None);
        }
        let place = self.place_at(index, edit.source)?.map(|place| place.to_change());
        Ok(place.map(|place| self.take(place, edit)))
    }

    /// Changes the loaded path; cannot fail.
    fn take<S: ?Sized>(&mut self, (path, slot, _): (Path, usize, Edge), edit: &mut Edit<'_, S>) -> Vec<u8> {
        let root = Arc::make_mut(self.root.as_mut().expect("an empty tree has no place"));
        let taken = take_below(root, path.steps(), slot, edit);
        if root.len == 0 {
            edit.retire(root.cell);
            self.root = None;
        } else {
            lower(root, edit);
        }
        taken.value
    }
}

fn take_below<S: ?Sized>(link: &mut Link, steps: &[u16], slot: usize, edit: &mut Edit<'_, S>) -> Taken {
    link.touch(edit.stamp);
    let taken = match (link.own(), steps) {
        (Node::Leaf(leaf), _) => {
            let bytes = leaf.item(slot).bytes() as u64;
            Taken { bytes, value: leaf.remove(slot) }
        }
        (Node::Inner(inner), [child, steps @ ..]) => {
            let child = usize::from(*child);
            let taken = take_below(&mut inner.links[child], steps, slot, edit);
            inner.settle(child, edit);
            taken
        }
        (Node::Inner(_), []) => unreachable!("a path ends at a leaf"),
    };
    link.len -= 1;
    link.bytes -= taken.bytes;
    taken
}

/// A root with one child gives its place to the child, in memory or not.
fn lower<S: ?Sized>(root: &mut Link, edit: &mut Edit<'_, S>) {
    while let Node::Inner(inner) = root.own()
        && inner.links.len() == 1
    {
        let child = inner.links.pop().expect("there is one");
        edit.retire(root.cell);
        *root = child;
        if root.slot.get().is_none() {
            return;
        }
    }
}
