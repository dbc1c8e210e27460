//! Walking along the items, one leaf after the other.

use super::leaf::{Item, Leaf};
use super::{Source, Tree};

/// Items in order, up or down. After an error it has ended.
///
/// Cost: a walk from the root for each leaf, which is spread over its items; no allocation.
#[derive(Debug)]
pub struct Iter<'t, S: ?Sized> {
    tree: &'t Tree,
    source: &'t S,
    upwards: bool,
    /// Items not yet given.
    left: u64,
    /// Rank of the next item.
    rank: u64,
    /// The leaf of the next item if it is that of the one before, and the item's slot.
    leaf: Option<(&'t Leaf, usize)>,
}

impl<'t, S: Source + ?Sized> Iter<'t, S> {
    pub(super) fn ascending(tree: &'t Tree, from: u64, source: &'t S) -> Self {
        Iter { tree, source, upwards: true, left: tree.len().saturating_sub(from), rank: from, leaf: None }
    }

    pub(super) fn descending(tree: &'t Tree, below: u64, source: &'t S) -> Self {
        let left = below.min(tree.len());
        Iter { tree, source, upwards: false, left, rank: left.saturating_sub(1), leaf: None }
    }

    /// Rank of the item that comes next; meaningless when none does.
    #[must_use]
    pub fn rank(&self) -> u64 {
        self.rank
    }

    fn look_up(&self) -> Result<(&'t Leaf, usize), S::Error> {
        let place = self.tree.place_at(self.rank, self.source)?;
        let place = place.expect("a tree with items left is not empty");
        Ok((place.leaf, place.slot))
    }

    fn advance(&mut self, leaf: &'t Leaf, slot: usize) {
        self.left -= 1;
        let next = if self.upwards { Some(slot + 1) } else { slot.checked_sub(1) };
        self.leaf = next.filter(|&slot| slot < leaf.count()).map(|slot| (leaf, slot));
        self.rank = if self.upwards { self.rank + 1 } else { self.rank.saturating_sub(1) };
    }
}

impl<'t, S: Source + ?Sized> Iterator for Iter<'t, S> {
    type Item = Result<Item<'t>, S::Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left == 0 {
            return None;
        }
        let (leaf, slot) = match self.leaf.map_or_else(|| self.look_up(), Ok) {
            Ok(found) => found,
            Err(error) => {
                self.left = 0;
                return Some(Err(error));
            }
        };
        self.advance(leaf, slot);
        Some(Ok(leaf.item(slot)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = usize::try_from(self.left).ok();
        // An error may end it early.
        (0, left)
    }
}
