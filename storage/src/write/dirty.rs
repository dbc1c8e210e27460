//! The dirty list: every entry version written since the last checkpoint, in log order.
//!
//! Handles, not keys: a checkpoint at position C must store the versions as they were at C, even when
//! a later write has replaced them in memory meanwhile. Full chunks never change and are shared, so
//! a consistent cut for a scan costs one reference per chunk.

use std::sync::Arc;

use super::marks::Marks;
use crate::memory::EntryRef;
use crate::record::Lsn;
use crate::structure::Hot;

const CHUNK_LEN: usize = 1024;

/// Everything no checkpoint holds yet: versions of entries, structures, marks.
///
/// Structures are changed in place, so they are listed once an *epoch*, the time between two freezes; what a
/// checkpoint stores of one is its state at the freeze, which [`Hot`] keeps aside.
#[derive(Debug)]
pub struct Dirty {
    /// Versions of entries, in log order.
    pub entries: DirtyList,
    /// Tags and dependencies of those entries.
    pub marks: Marks,
    epoch: u64,
    frozen: Vec<Arc<Hot>>,
    open: Vec<Arc<Hot>>,
}

impl Default for Dirty {
    fn default() -> Dirty {
        Dirty {
            entries: DirtyList::default(),
            marks: Marks::default(),
            // 0 means clean.
            epoch: 1,
            frozen: Vec::new(),
            open: Vec::new(),
        }
    }
}

/// What one checkpoint folds.
#[derive(Debug)]
pub struct Cut {
    /// Versions of entries.
    pub entries: Vec<Arc<Vec<EntryRef>>>,
    /// Structures that changed.
    pub structures: Vec<Arc<Hot>>,
    /// The epoch that ended.
    pub epoch: u64,
}

impl Dirty {
    /// The epoch changes belong to now.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Lists a structure that changed for the first time in this epoch.
    pub fn push_structure(&mut self, hot: Arc<Hot>) {
        self.open.push(hot);
    }

    /// Ends the epoch at this position. What an earlier failed checkpoint left is part of the cut.
    pub fn freeze(&mut self, through: Lsn) -> Cut {
        let epoch = self.epoch;
        self.epoch += 1;
        self.frozen.append(&mut self.open);
        self.marks.freeze(through);
        Cut { entries: self.entries.freeze(), structures: self.frozen.clone(), epoch }
    }

    /// L2 holds the cut. What is returned is to be dropped outside of the lock.
    pub fn thaw(&mut self) -> (Vec<Arc<Vec<EntryRef>>>, Vec<Arc<Hot>>) {
        self.marks.thaw();
        (self.entries.thaw(), std::mem::take(&mut self.frozen))
    }

    /// Every structure with changes that L2 does not hold; some twice.
    pub fn structures(&self) -> impl Iterator<Item = &Arc<Hot>> {
        self.frozen.iter().chain(&self.open)
    }
}

/// See the module.
#[derive(Debug, Default)]
pub struct DirtyList {
    frozen: Vec<Arc<Vec<EntryRef>>>,
    chunks: Vec<Arc<Vec<EntryRef>>>,
    open: Vec<EntryRef>,
}

impl DirtyList {
    /// Appends the newest version.
    pub fn push(&mut self, entry: EntryRef) {
        self.open.push(entry);
        if self.open.len() == CHUNK_LEN {
            self.chunks.push(Arc::new(std::mem::replace(&mut self.open, Vec::with_capacity(CHUNK_LEN))));
        }
    }

    /// Moves everything to the frozen part and returns it. What an earlier failed checkpoint left
    /// there comes first.
    pub fn freeze(&mut self) -> Vec<Arc<Vec<EntryRef>>> {
        if !self.open.is_empty() {
            self.chunks.push(Arc::new(std::mem::take(&mut self.open)));
        }
        self.frozen.append(&mut self.chunks);
        self.frozen.clone()
    }

    /// The frozen part is in L2.
    pub fn thaw(&mut self) -> Vec<Arc<Vec<EntryRef>>> {
        std::mem::take(&mut self.frozen)
    }

    /// Everything dirty now, oldest first.
    #[must_use]
    pub fn cut(&self) -> Vec<Arc<Vec<EntryRef>>> {
        let mut cut = Vec::with_capacity(self.frozen.len() + self.chunks.len() + 1);
        cut.extend(self.frozen.iter().cloned());
        cut.extend(self.chunks.iter().cloned());
        if !self.open.is_empty() {
            cut.push(Arc::new(self.open.clone()));
        }
        cut
    }
}

/// Sorts a cut by key and keeps the last version of each key.
///
/// Cost: one pass for the common prefix, one sort of `(16 bytes of key, place, handle)`. Most comparisons
/// end in those sixteen bytes and never touch the entries.
#[must_use]
pub fn last_versions(cut: &[Arc<Vec<EntryRef>>]) -> Vec<EntryRef> {
    let mut shared: Option<&[u8]> = None;
    for entry in cut.iter().flat_map(|chunk| chunk.iter()) {
        let key = entry.key();
        shared = Some(match shared {
            None => key,
            Some(prefix) => &prefix[..prefix.iter().zip(key).take_while(|(a, b)| a == b).count()],
        });
    }
    let skip = shared.map_or(0, <[u8]>::len);
    let entries = cut.iter().flat_map(|chunk| chunk.iter());
    let mut order: Vec<(u128, u32, &EntryRef)> =
        (0u32..).zip(entries).map(|(place, entry)| (digit(&entry.key()[skip..]), place, entry)).collect();
    // Unstable is fine: the place in the list breaks ties between versions of a key. Positions cannot, since the
    // operations of a batch share one.
    order.sort_unstable_by(|(a, before, left), (b, after, right)| {
        a.cmp(b).then_with(|| left.key().cmp(right.key())).then_with(|| before.cmp(after))
    });
    let mut last: Vec<EntryRef> = Vec::with_capacity(order.len());
    let mut newest: Option<(u128, &EntryRef)> = None;
    for (number, _, entry) in order {
        if let Some((before, replaced)) = newest
            && (before != number || replaced.key() != entry.key())
        {
            last.push(replaced.clone());
        }
        newest = Some((number, entry));
    }
    last.extend(newest.map(|(_, entry)| entry.clone()));
    last
}

/// The first sixteen bytes as a number whose order is theirs; shorter keys are padded with zeros.
fn digit(key: &[u8]) -> u128 {
    let mut bytes = [0u8; 16];
    let len = key.len().min(16);
    bytes[..len].copy_from_slice(&key[..len]);
    u128::from_be_bytes(bytes)
}
