//! The dirty list: every entry version written since the last checkpoint, in log order.
//!
//! Handles, not keys: a checkpoint at position C must store the versions as they were at C, even when
//! a later write has replaced them in memory meanwhile. Full chunks never change and are shared, so
//! a consistent cut for a scan costs one reference per chunk.

use std::sync::Arc;

use crate::memory::EntryRef;

const CHUNK_LEN: usize = 1024;

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
/// Cost: one pass for the common prefix, one sort of `(16 bytes of key, handle)`. Most comparisons
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
    let mut order: Vec<(u128, &EntryRef)> =
        cut.iter().flat_map(|chunk| chunk.iter()).map(|entry| (digit(&entry.key()[skip..]), entry)).collect();
    // Unstable is fine: the position breaks ties between versions of a key.
    order.sort_unstable_by(|(a, left), (b, right)| {
        a.cmp(b).then_with(|| left.key().cmp(right.key())).then_with(|| left.lsn().cmp(&right.lsn()))
    });
    let mut last: Vec<EntryRef> = Vec::with_capacity(order.len());
    let mut newest: Option<(u128, &EntryRef)> = None;
    for (number, entry) in order {
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
