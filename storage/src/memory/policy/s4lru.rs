//! S4LRU: segments of equal shares; what is read moves up by one, what overflows moves down by one.
//!
//! ```text
//! admit ──> head [ segment 0 ] tail ──> evicted
//!     read: up ▲       ▲ overflow: down
//!           head [ segment 1 ] tail
//!                     ...
//!           head [ top       ] tail       a read moves to the head of the same
//! ```
//!
//! Readers only raise the heat; an entry moves when it reaches the tail of its segment and an eviction looks at
//! it: up by as many segments as it was read, to the head, its heat spent, else down. So the order within a segment
//! is the order of arrival there, not of the last read. Four bytes a node.
//!
//! Source: Huang et al., "An analysis of Facebook photo caching", SOSP 2013.

use super::{Entry, Fragment, Index, Policy, Queue, Resident, Scale};

/// An entry names its queue in four bits, and 0 means none.
pub(super) const SEGMENTS_MAX: u8 = 15;
/// Tails one eviction looks at before it takes the next one whatever its heat: bounds the time under the lock.
const LOOKS_MAX: usize = 1024;

#[derive(Debug)]
pub(super) struct S4Lru {
    /// Segment 0 first; queue numbers are one more.
    segments: Vec<Queue>,
}

impl S4Lru {
    pub(super) fn new(scale: Scale, segments: u8) -> S4Lru {
        let numbers = 1..=segments.clamp(1, SEGMENTS_MAX);
        S4Lru { segments: numbers.map(|number| Queue::new(number, scale)).collect() }
    }

    fn segment_of(&mut self, entry: &Entry) -> &mut Queue {
        &mut self.segments[usize::from(entry.queue()) - 1]
    }

    /// The highest segment above 0 that holds more than its share; segment 0 when none does.
    fn overflowing(&self) -> usize {
        let weight: u64 = self.segments.iter().map(Queue::weight).sum();
        let share = weight / self.segments.len() as u64;
        // The top one has the remainder of the division on top of its share.
        let top = self.segments.len() - 1;
        let allowed = |at: usize| if at == top { weight - share * top as u64 } else { share };
        (1..=top).rev().find(|&at| self.segments[at].weight() > allowed(at)).unwrap_or(0)
    }

    /// The lowest segment with something in it, for when segment 0 has nothing left to give.
    fn lowest(&self) -> Option<usize> {
        self.segments.iter().position(|segment| segment.entries() > 0)
    }
}

impl Policy for S4Lru {
    fn admit(&mut self, index: &Index, fragment: Fragment, entry: &Entry) {
        self.segments[0].push(index, fragment, entry);
    }

    fn replace(&mut self, old: &Entry, new: &Entry) {
        self.segment_of(old).replace(old, new);
    }

    fn forget(&mut self, entry: &Entry) {
        self.segment_of(entry).forget(entry);
    }

    fn evict<'a>(&mut self, index: &'a Index) -> Option<Resident<'a>> {
        let top = self.segments.len() - 1;
        // Out of patience, a look takes the tail of the lowest segment, or empties it of what is dirty.
        for look in 0..LOOKS_MAX + self.segments.len() + 1 {
            let lowest = self.lowest()?;
            let patient = look < LOOKS_MAX;
            let at = if patient { self.overflowing().max(lowest) } else { lowest };
            let Some((fragment, resident)) = self.segments[at].pop(index) else { continue };
            let heat = usize::from(resident.entry.heat());
            if patient && heat > 0 {
                resident.entry.set_heat(0);
                self.segments[(at + heat).min(top)].push(index, fragment, &resident.entry);
            } else if patient && at > lowest {
                self.segments[at - 1].push(index, fragment, &resident.entry);
            } else {
                return Some(resident);
            }
        }
        None
    }

    #[cfg(all(test, not(loom)))]
    fn nodes(&self) -> usize {
        self.segments.iter().map(Queue::nodes).sum()
    }
}
