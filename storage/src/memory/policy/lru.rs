//! LRU: the entry whose last use is longest ago leaves. Readers note only the time in the entry.

use super::Entry;
use super::ranked::{Ranked, Ranking, Stamps};

/// 8 bytes a node.
pub(super) fn policy() -> Ranked<LastUse> {
    Ranked::new(LastUse::default())
}

#[derive(Debug, Default)]
pub(super) struct LastUse(Stamps);

impl Ranking for LastUse {
    type Rank = u32;
    const FALLS: bool = false;

    fn rank(&mut self, entry: &Entry) -> u32 {
        self.0.used(entry)
    }
}
