//! A first-in-first-out queue of fragments: the building block of the queue policies.
//!
//! Nodes are four bytes and are never searched. An entry that leaves keeps its node, which finds nothing
//! when its turn comes; when such stale nodes outnumber the entries, the queue is rebuilt without them, so
//! churn cannot grow it.

use std::collections::{HashMap, VecDeque};

use super::{Entry, Fragment, Index, Resident, Scale};

/// Stale nodes a queue may have beyond its number of entries before it is rebuilt.
const STALE_SLACK: usize = 64;

#[derive(Debug)]
pub(super) struct Queue {
    /// What entries of this queue carry in `Entry::queue`; never 0.
    number: u8,
    scale: Scale,
    nodes: VecDeque<Fragment>,
    entries: usize,
    weight: u64,
}

impl Queue {
    pub(super) fn new(number: u8, scale: Scale) -> Queue {
        assert!(number > 0, "0 means: in no queue");
        Queue { number, scale, nodes: VecDeque::new(), entries: 0, weight: 0 }
    }

    /// Entries in the queue.
    pub(super) fn entries(&self) -> usize {
        self.entries
    }

    /// Sum of their weights.
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }

    /// True when the entry stands here.
    pub(super) fn holds(&self, entry: &Entry) -> bool {
        entry.queue() == self.number
    }

    /// Appends an entry that stands in no queue.
    pub(super) fn push(&mut self, index: &Index, fragment: Fragment, entry: &Entry) {
        debug_assert_eq!(entry.queue(), 0, "an entry stands in one queue at most");
        if self.nodes.len() > 2 * self.entries + STALE_SLACK {
            self.compact(index);
        }
        if self.nodes.len() == self.nodes.capacity() {
            // By a quarter instead of doubling: half-empty queues would cost as much as the nodes.
            self.nodes.reserve_exact(self.nodes.len() / 4 + 16);
        }
        entry.set_queue(self.number);
        self.nodes.push_back(fragment);
        self.entries += 1;
        self.weight += self.scale.weigh(entry);
    }

    /// Takes the oldest clean entry out. Stale nodes are dropped on the way, dirty entries leave the queue.
    pub(super) fn pop<'a>(&mut self, index: &'a Index) -> Option<(Fragment, Resident<'a>)> {
        while let Some(fragment) = self.nodes.pop_front() {
            let Some(resident) = index.find_queued(fragment, self.number) else { continue };
            self.forget(&resident.entry);
            if !resident.entry.is_dirty() {
                return Some((fragment, resident));
            }
        }
        None
    }

    /// Stops counting an entry of this queue. Its node stays behind, stale.
    pub(super) fn forget(&mut self, entry: &Entry) {
        debug_assert!(self.holds(entry));
        entry.set_queue(0);
        self.entries -= 1;
        self.weight -= self.scale.weigh(entry);
    }

    /// The entry `old` of this queue is now `new`.
    pub(super) fn replace(&mut self, old: &Entry, new: &Entry) {
        debug_assert!(self.holds(old) && self.holds(new));
        self.weight = self.weight - self.scale.weigh(old) + self.scale.weigh(new);
    }

    /// Drops nodes that stand for nothing; of several nodes for one entry the youngest stays.
    fn compact(&mut self, index: &Index) {
        let mut kept = VecDeque::with_capacity(self.entries + self.entries / 4 + STALE_SLACK);
        let mut counts: HashMap<Fragment, usize> = HashMap::with_capacity(self.entries);
        for fragment in self.nodes.drain(..).rev() {
            let count = counts.entry(fragment).or_default();
            if *count < index.queued(fragment, self.number).count() {
                *count += 1;
                kept.push_front(fragment);
            }
        }
        self.nodes = kept;
    }

    #[cfg(all(test, not(loom)))]
    pub(super) fn nodes(&self) -> usize {
        self.nodes.len()
    }
}
