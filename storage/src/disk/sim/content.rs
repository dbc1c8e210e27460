//! One simulated file: what readers see, what is durable, and the changes in between.

use std::sync::Arc;

use super::crash::{Chooser, Keep};
use super::op::SyncEnd;
use super::pages::{PAGE_BYTES, Pages, split};

/// Content of one file.
#[derive(Debug, Clone, Default)]
pub(super) struct Content {
    /// What reads see.
    pub(super) current: Pages,
    durable: Pages,
    pending: Vec<Change>,
}

/// A change that no sync has covered yet.
#[derive(Debug, Clone)]
pub(super) struct Change {
    /// Number of the operation that made it.
    pub(super) op: u64,
    pub(super) unit: Unit,
}

/// What reaches the disk as one piece, or does not.
#[derive(Debug, Clone)]
pub(super) enum Unit {
    /// `bytes[start..end]` at `offset`; never crosses a page.
    Page { offset: u64, bytes: Arc<[u8]>, start: usize, end: usize },
    /// A new length.
    Len(u64),
}

impl Content {
    /// A file whose content is wholly durable.
    pub(super) fn settled(pages: Pages) -> Self {
        Self { current: pages.clone(), durable: pages, pending: Vec::new() }
    }

    pub(super) fn durable(&self) -> &Pages {
        &self.durable
    }

    pub(super) fn pending(&self) -> &[Change] {
        &self.pending
    }

    pub(super) fn write(&mut self, op: u64, offset: u64, bytes: &Arc<[u8]>) {
        self.current.write(offset, bytes);
        self.pending.extend(split(offset, bytes.len(), PAGE_BYTES).map(|piece| {
            let (start, end) = (piece.start, piece.end);
            Change { op, unit: Unit::Page { offset: piece.offset, bytes: bytes.clone(), start, end } }
        }));
    }

    pub(super) fn set_len(&mut self, op: u64, len: u64) {
        self.current.set_len(len);
        self.pending.push(Change { op, unit: Unit::Len(len) });
    }

    /// Ends a sync that covers the operations below `before`: what it covers is pending no more, but
    /// after a failure only the part that reached the disk is durable.
    pub(super) fn sync(&mut self, before: u64, end: SyncEnd) {
        let covered = self.pending.partition_point(|change| change.op < before);
        let keep = match end {
            SyncEnd::Done => Keep::All,
            SyncEnd::Failed(None) => Keep::None,
            SyncEnd::Failed(Some(seed)) => Keep::Subset(seed),
        };
        let chooser = keep.chooser();
        for (index, change) in self.pending.drain(..covered).enumerate() {
            if chooser.keeps(index) {
                change.unit.apply(&mut self.durable, u64::MAX);
            }
        }
    }

    /// The medium changes by itself. Never makes the durable file longer than it is.
    pub(super) fn damage(&mut self, offset: u64, bytes: &[u8]) {
        for pages in [&mut self.current, &mut self.durable] {
            let room = pages.len().saturating_sub(offset).min(bytes.len() as u64) as usize;
            pages.write(offset, &bytes[..room]);
        }
    }
}

impl Unit {
    /// Puts the change on the disk; of a write only the bytes below `torn_at` of the whole write.
    pub(super) fn apply(&self, durable: &mut Pages, torn_at: u64) {
        match self {
            Unit::Len(len) => durable.set_len(*len),
            Unit::Page { offset, bytes, start, end } => {
                let end = torn_at.min(*end as u64) as usize;
                if *start < end {
                    durable.write(*offset, &bytes[*start..end]);
                }
            }
        }
    }

    /// Puts on the disk what `chooser` keeps of the change, in pieces of the chooser's size.
    pub(super) fn apply_chosen(&self, durable: &mut Pages, torn_at: u64, chooser: &Chooser, index: usize) {
        match self {
            Unit::Page { offset, bytes, start, end } if chooser.unit_bytes() < PAGE_BYTES => {
                for piece in split(*offset, end - start, chooser.unit_bytes()) {
                    let (from, to) = (start + piece.start, start + piece.end);
                    let sector =
                        Unit::Page { offset: piece.offset, bytes: bytes.clone(), start: from, end: to };
                    if chooser.keeps(index) {
                        sector.apply(durable, torn_at);
                    }
                }
            }
            _ if chooser.keeps(index) => self.apply(durable, torn_at),
            _ => {}
        }
    }
}
