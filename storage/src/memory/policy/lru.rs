//! LRU: the entry whose last read is longest ago leaves.
//!
//! Readers note only the time in the entry; the order is repaired when an eviction asks for it. Nodes stand in a heap
//! by the time they were last looked at; one whose entry was read since goes back with its true time, so
//! the first that is still true is the oldest of all. O(log n) an eviction, 8 bytes a node.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Entry, Fragment, Index, Policy, Resident};

const QUEUED: u8 = 1;
/// A stamp is this many bits of microseconds coarse: 16.4 ms, so that 32 bits last for two years.
const STAMP_SHIFT: u32 = 14;
/// Stale nodes beyond the number of entries before the heap is rebuilt.
const STALE_SLACK: usize = 64;

#[derive(Debug)]
pub(super) struct Lru {
    /// (stamp, fragment), the oldest first.
    nodes: BinaryHeap<Reverse<(u32, u32)>>,
    entries: usize,
    /// Stamps count from the first entry ever admitted.
    base_us: Option<u64>,
}

impl Lru {
    pub(super) fn new() -> Lru {
        Lru { nodes: BinaryHeap::new(), entries: 0, base_us: None }
    }

    fn stamp(&self, entry: &Entry) -> u32 {
        let used_us = entry.last_access_us().max(entry.created_us());
        let since_us = used_us.saturating_sub(self.base_us.unwrap_or(0));
        u32::try_from(since_us >> STAMP_SHIFT).unwrap_or(u32::MAX)
    }

    /// Rebuilds the heap from the table's entries' own times, one node each.
    fn compact(&mut self, index: &Index) {
        let mut fragments: Vec<u32> = self.nodes.drain().map(|Reverse((_, fragment))| fragment).collect();
        fragments.sort_unstable();
        fragments.dedup();
        let mut kept = Vec::with_capacity(self.entries + STALE_SLACK);
        for fragment in fragments {
            let entries = index.queued(Fragment(fragment), QUEUED);
            kept.extend(entries.map(|resident| Reverse((self.stamp(&resident.entry), fragment))));
        }
        self.nodes = kept.into();
    }
}

impl Policy for Lru {
    fn admit(&mut self, index: &Index, fragment: Fragment, entry: &Entry) {
        // A day of slack: an entry loaded from the checkpoint may have been used before this one.
        self.base_us.get_or_insert(entry.created_us().saturating_sub(86_400_000_000));
        if self.nodes.len() > 2 * self.entries + STALE_SLACK {
            self.compact(index);
        }
        entry.set_queue(QUEUED);
        self.nodes.push(Reverse((self.stamp(entry), fragment.0)));
        self.entries += 1;
    }

    fn replace(&mut self, _old: &Entry, _new: &Entry) {}

    fn forget(&mut self, entry: &Entry) {
        entry.set_queue(0);
        self.entries -= 1;
    }

    fn evict<'a>(&mut self, index: &'a Index) -> Option<Resident<'a>> {
        while let Some(Reverse((stamp, fragment))) = self.nodes.pop() {
            let Some(resident) = index.find_queued(Fragment(fragment), QUEUED) else { continue };
            let used = self.stamp(&resident.entry);
            if used > stamp && !resident.entry.is_dirty() {
                self.nodes.push(Reverse((used, fragment)));
                continue;
            }
            self.forget(&resident.entry);
            if !resident.entry.is_dirty() {
                return Some(resident);
            }
        }
        None
    }

    #[cfg(all(test, not(loom)))]
    fn nodes(&self) -> usize {
        self.nodes.len()
    }
}
