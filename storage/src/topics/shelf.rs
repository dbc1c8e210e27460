//! The shelf: every segment of the backlog with its index, oldest first.
//!
//! What stands on the shelf is what a reader can get; a chapter leaves it before its segment is retired. All of it is
//! guarded by the gate's lock. A [`Chapter`] itself is shared: a cursor that is inside one reads on, retired or not.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use parking_lot::RwLock;

use super::catalogue::Catalogue;
use super::error::Error;
use super::index::{File, Index, Memory};
use crate::disk::MappedBytes;
use crate::log::{Appended, FrameHead, Held, Log};
use crate::record::{Lsn, Position};

/// See the module.
#[derive(Debug)]
pub(super) struct Shelf {
    /// Segments no longer written, oldest first.
    pub sealed: VecDeque<Arc<Chapter>>,
    /// The segment being written.
    pub open: Open,
    pub catalogue: Catalogue,
}

/// The segment being written, and its growing index.
#[derive(Debug)]
pub(super) struct Open {
    pub held: Held,
    pub index: Memory,
    /// What stood in it when a reader far behind last mapped it, for the next one.
    pub map: Option<Arc<dyn MappedBytes>>,
}

impl Open {
    pub fn new(held: Held, index: Memory) -> Open {
        Open { held, index, map: None }
    }
}

/// A segment that is no longer written.
#[derive(Debug)]
pub(super) struct Chapter {
    pub held: Held,
    index: RwLock<Arc<Index>>,
    map: OnceLock<Box<dyn MappedBytes>>,
}

/// Where a reader goes on.
#[derive(Debug)]
pub(super) enum Place {
    /// In this chapter.
    Sealed(Arc<Chapter>),
    /// In the segment being written.
    Open(Held),
    /// Nowhere: it is retired. The first lsn kept.
    Gone(Lsn),
}

impl Shelf {
    /// Takes in a frame the log has just been given.
    pub fn add_frame(&mut self, log: &Log, head: &FrameHead, at: Appended, body: &[u8]) {
        if self.open.held.id() != at.segment {
            let held = log.held_segment(at.segment).expect("a segment is listed before its first frame is");
            self.turn(held);
        }
        let added = self.open.index.add_frame(head, at.offset, body, &mut self.catalogue);
        added.expect("the frame holds what this room has encoded");
    }

    /// The log has rolled: the open segment becomes a chapter.
    fn turn(&mut self, held: Held) {
        let full = std::mem::replace(&mut self.open, Open::new(held, Memory::default()));
        self.catalogue.seal(&full.index);
        self.sealed.push_back(Arc::new(Chapter::new(full.held, Index::Memory(full.index))));
    }

    /// Lsn of the oldest record kept; of the next one when there is none.
    pub fn first_lsn(&self) -> Lsn {
        self.sealed.front().map_or(self.open.held.base_lsn(), |oldest| oldest.held.base_lsn())
    }

    /// Where the record `lsn` is. One above everything so far is in the open segment.
    pub fn find(&self, lsn: Lsn) -> Place {
        if lsn >= self.open.held.base_lsn() {
            return Place::Open(self.open.held.clone());
        }
        let after = self.sealed.partition_point(|chapter| chapter.held.base_lsn() <= lsn);
        match after.checked_sub(1) {
            Some(at) => Place::Sealed(Arc::clone(&self.sealed[at])),
            None => Place::Gone(self.first_lsn()),
        }
    }

    /// Every segment, oldest first.
    pub fn all(&self) -> impl Iterator<Item = &Held> {
        self.sealed.iter().map(|chapter| &chapter.held).chain([&self.open.held])
    }

    /// The first lsn whose position is above `position`, which may lie in an epoch whose tail was lost.
    pub fn first_after(&self, position: Position) -> Lsn {
        for held in self.all() {
            let (base, own, next) = (held.base_lsn(), held.own_lsn(), held.last_lsn().plus(1));
            // Copied records, then those of the segment's own epoch.
            for (from, to) in [(base, own.min(next)), (own, next)] {
                if from >= to {
                    continue;
                }
                let epoch = held.position(from).epoch;
                if epoch > position.epoch {
                    return from;
                }
                if epoch == position.epoch && position.lsn.plus(1) < to {
                    return from.max(position.lsn.plus(1));
                }
            }
        }
        self.open.held.last_lsn().plus(1)
    }

    /// The position of a record kept, or of the next one.
    pub fn position(&self, lsn: Lsn) -> Position {
        let holder = self.all().filter(|held| held.base_lsn() <= lsn).last();
        holder.unwrap_or(&self.open.held).position(lsn)
    }
}

impl Chapter {
    pub fn new(held: Held, index: Index) -> Chapter {
        Chapter { held, index: RwLock::new(Arc::new(index)), map: OnceLock::new() }
    }

    /// The index in its present form.
    pub fn index(&self) -> Arc<Index> {
        Arc::clone(&self.index.read())
    }

    /// From now on the index is read from its file. Rows and entries keep their numbers.
    pub fn store(&self, file: File) {
        *self.index.write() = Arc::new(Index::File(file));
    }

    /// Whether the index has a file.
    pub fn is_stored(&self) -> bool {
        matches!(&**self.index.read(), Index::File(_))
    }

    /// The segment's bytes. Mapped once, by the first who asks.
    pub fn bytes(&self) -> Result<&[u8], Error> {
        if self.map.get().is_none() {
            let map = self.held.map()?;
            // Two at once map twice; one of them is forgotten again.
            let _ = self.map.set(map);
        }
        Ok(self.map.get().map(|map| &map[..]).unwrap_or_default())
    }
}
