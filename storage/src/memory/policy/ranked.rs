//! A policy by rank: the entry that ranks lowest leaves. The building block of the policies that weigh entries.
//!
//! Readers change what a rank is made of without telling anybody, so ranks are noted in a heap and looked at again
//! when their turn comes: a node whose entry ranks higher by now goes back, and the first that still holds is
//! the lowest of all. That is exact for ranks that only rise. A [`Ranking`] whose ranks also fall has them noted anew
//! after every eighth part of its entries has left; in between it may err by what fell meanwhile.
//!
//! O(log n) an eviction, and eight looks more for ranks that fall. 8 to 12 bytes a node. Extras are decoded when an entry
//! is ranked, never when two are compared.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt::Debug;

use super::{Entry, Fragment, Index, Policy, Resident};

const QUEUED: u8 = 1;
/// A stamp is this many bits of microseconds coarse: 16.4 ms, so that 32 bits last for two years.
const STAMP_SHIFT: u32 = 14;
/// Entries loaded from the checkpoint may have been used this long before the first one that was admitted: a day.
const BASE_SLACK_US: u64 = 86_400_000_000;
/// Stale nodes beyond the number of entries before the heap is rebuilt.
const STALE_SLACK: usize = 64;
/// Entries one eviction looks at before it takes the next one as it is noted: bounds the time under the lock.
const LOOKS_MAX: usize = 1024;
/// Ranks that fall are noted anew when one part in this many of the entries has left since.
const REFRESH_PART: usize = 8;

/// What a policy by rank thinks of an entry.
pub(super) trait Ranking: Debug + Send {
    /// The lowest leaves first.
    type Rank: Ord + Copy + Debug + Send;
    /// Whether a rank can become lower while its entry stands there.
    const FALLS: bool;

    /// The rank at this moment.
    fn rank(&mut self, entry: &Entry) -> Self::Rank;

    /// A clean entry may be evicted from now on; before it is ranked for the first time.
    fn arrived(&mut self, _entry: &Entry) {}

    /// It no longer may: it left, or was overwritten.
    fn left(&mut self, _entry: &Entry) {}
}

/// The policy of a ranking.
#[derive(Debug)]
pub(super) struct Ranked<R: Ranking> {
    ranking: R,
    /// (rank when noted, fragment), the lowest first.
    nodes: BinaryHeap<Reverse<(R::Rank, u32)>>,
    entries: usize,
    /// Evictions since the ranks were noted.
    aged: usize,
}

impl<R: Ranking> Ranked<R> {
    pub(super) fn new(ranking: R) -> Ranked<R> {
        Ranked { ranking, nodes: BinaryHeap::new(), entries: 0, aged: 0 }
    }

    /// Rebuilds the heap from the table's entries as they are now, one node each.
    fn rebuild(&mut self, index: &Index) {
        let mut fragments: Vec<u32> = self.nodes.drain().map(|Reverse((_, fragment))| fragment).collect();
        fragments.sort_unstable();
        fragments.dedup();
        let mut kept = Vec::with_capacity(self.entries + STALE_SLACK);
        for fragment in fragments {
            let entries = index.queued(Fragment(fragment), QUEUED);
            kept.extend(entries.map(|resident| Reverse((self.ranking.rank(&resident.entry), fragment))));
        }
        self.nodes = kept.into();
        self.aged = 0;
    }

    fn leave(&mut self, entry: &Entry) {
        entry.set_queue(0);
        self.entries -= 1;
        self.ranking.left(entry);
    }
}

impl<R: Ranking> Policy for Ranked<R> {
    fn admit(&mut self, index: &Index, fragment: Fragment, entry: &Entry) {
        if self.nodes.len() > 2 * self.entries + STALE_SLACK {
            self.rebuild(index);
        }
        self.ranking.arrived(entry);
        entry.set_queue(QUEUED);
        self.nodes.push(Reverse((self.ranking.rank(entry), fragment.0)));
        self.entries += 1;
    }

    fn replace(&mut self, old: &Entry, new: &Entry) {
        // The new version may rank lower than the node says; it gets its own when it is clean.
        new.set_queue(0);
        self.leave(old);
    }

    fn forget(&mut self, entry: &Entry) {
        self.leave(entry);
    }

    fn evict<'a>(&mut self, index: &'a Index) -> Option<Resident<'a>> {
        if R::FALLS && self.aged > self.entries / REFRESH_PART {
            self.rebuild(index);
        }
        let mut looks = 0;
        while let Some(Reverse((noted, fragment))) = self.nodes.pop() {
            let Some(resident) = index.find_queued(Fragment(fragment), QUEUED) else { continue };
            if resident.entry.is_dirty() {
                self.leave(&resident.entry);
                continue;
            }
            let rank = self.ranking.rank(&resident.entry);
            looks += 1;
            if rank > noted && looks <= LOOKS_MAX {
                self.nodes.push(Reverse((rank, fragment)));
                continue;
            }
            self.leave(&resident.entry);
            self.aged += 1;
            return Some(resident);
        }
        None
    }

    #[cfg(all(test, not(loom)))]
    fn nodes(&self) -> usize {
        self.nodes.len()
    }
}

/// Times in 32 bits, counted from the first entry a policy sees.
#[derive(Debug, Default)]
pub(super) struct Stamps {
    base_us: Option<u64>,
}

impl Stamps {
    /// The last use of an entry: its last counted read, or when it was written.
    pub(super) fn used(&mut self, entry: &Entry) -> u32 {
        self.stamp(entry, entry.last_access_us().max(entry.created_us()))
    }

    /// Any time of an entry. `u32::MAX` for what is two years off or more.
    pub(super) fn stamp(&mut self, entry: &Entry, time_us: u64) -> u32 {
        let base_us = *self.base_us.get_or_insert(entry.created_us().saturating_sub(BASE_SLACK_US));
        u32::try_from(time_us.saturating_sub(base_us) >> STAMP_SHIFT).unwrap_or(u32::MAX)
    }
}
