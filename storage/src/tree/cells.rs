//! Who a tree asks for cells: numbers for new ones, bytes of stored ones.

use super::Error;

/// Cell numbers kept back, so that a change in progress never runs out: it takes at most two for
/// leaves and one for each level.
const RESERVE: u32 = 64;

/// The cell numbers of one structure, shared by its trees. Stored with the structure's header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cells {
    /// The first number not yet given. Numbers are never given twice.
    pub next: u32,
    /// Cells that are no part of a tree any more, with the stamp of the change that removed them, oldest
    /// first. A checkpoint of a snapshot deletes the rows of those whose stamp is at most the snapshot's, and
    /// takes them off this list; the others are still part of what it stores.
    pub removed: Vec<(u64, u32)>,
}

impl Cells {
    /// A number for a new node. Changes call [`Cells::check`] before they begin.
    pub(super) fn take(&mut self) -> u32 {
        let cell = self.next;
        self.next += 1;
        cell
    }

    /// [`Error::NoCells`] when a change could run out of numbers.
    pub(super) fn check(&self) -> Result<(), Error> {
        if self.next > u32::MAX - RESERVE { Err(Error::NoCells) } else { Ok(()) }
    }
}

/// Where the bytes of stored cells come from.
pub trait Source {
    /// What may go wrong; the tree's own errors are told through it.
    type Error: From<Error>;

    /// The bytes of `cell` as [`Tree::changed_since`](super::Tree::changed_since) gave them. `stamp` is
    /// the version wanted; the tree checks what it gets, so a source need not.
    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Self::Error>;
}

/// A source without cells: whatever is not in memory is [`Error::Cold`]. For work under a lock.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoSource;

impl Source for NoSource {
    type Error = Error;

    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Error> {
        Err(Error::Cold { cell, stamp })
    }
}

/// What a change needs beside the tree.
#[derive(Debug)]
pub struct Edit<'a, S: ?Sized> {
    /// Gives numbers to new nodes and takes note of removed ones.
    pub cells: &'a mut Cells,
    /// The change's position. Never lower than that of an earlier change of the same tree.
    pub stamp: u64,
    /// Where stubs on the way are loaded from.
    pub source: &'a S,
}

impl<S: ?Sized> Edit<'_, S> {
    /// Notes that a cell is no part of the tree any more.
    pub(super) fn retire(&mut self, cell: u32) {
        self.cells.removed.push((self.stamp, cell));
    }
}
