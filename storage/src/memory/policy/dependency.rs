//! Dependency aware: the entry that the fewest others depend on leaves; of those equal in that, the one whose last use
//! is longest ago.
//!
//! A dependent is an entry whose metadata names the key in `dependencies`, clean and in memory, in whatever shard.
//! They are counted by `dependents.rs` as they come and go. A count falls when a dependent leaves: see `ranked.rs`.

use std::sync::Arc;

use super::Entry;
use super::dependents::Dependents;
use super::ranked::{Ranked, Ranking, Stamps};

/// 12 bytes a node, and the counts.
pub(super) fn policy(dependents: Arc<Dependents>) -> Ranked<Need> {
    Ranked::new(Need { dependents, stamps: Stamps::default() })
}

#[derive(Debug)]
pub(super) struct Need {
    dependents: Arc<Dependents>,
    stamps: Stamps,
}

impl Ranking for Need {
    /// (dependents, last use)
    type Rank = (u32, u32);
    const FALLS: bool = true;

    fn rank(&mut self, entry: &Entry) -> (u32, u32) {
        (u32::from(self.dependents.count(entry)), self.stamps.used(entry))
    }

    fn arrived(&mut self, entry: &Entry) {
        self.dependents.add(entry);
    }

    fn left(&mut self, entry: &Entry) {
        self.dependents.remove(entry);
    }
}
