//! LFU: the entry read least often leaves; of those read equally often the one whose last use is longest ago.
//!
//! The count is the entry's own: it starts with each version, and there is no ageing, as the protocol has it.

use super::Entry;
use super::ranked::{Ranked, Ranking, Stamps};

/// 12 bytes a node.
pub(super) fn policy() -> Ranked<Frequency> {
    Ranked::new(Frequency::default())
}

#[derive(Debug, Default)]
pub(super) struct Frequency(Stamps);

impl Ranking for Frequency {
    /// (reads, last use)
    type Rank = (u32, u32);
    const FALLS: bool = false;

    fn rank(&mut self, entry: &Entry) -> (u32, u32) {
        (entry.access_count(), self.0.used(entry))
    }
}
