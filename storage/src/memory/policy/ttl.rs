//! TTL first: the entry with the least life left leaves, exact to 16 ms; what never expires goes last, by last use.

use super::Entry;
use super::ranked::{Ranked, Ranking, Stamps};

/// 12 bytes a node.
pub(super) fn policy() -> Ranked<Life> {
    Ranked::new(Life::default())
}

#[derive(Debug, Default)]
pub(super) struct Life(Stamps);

impl Ranking for Life {
    /// (end of life, last use)
    type Rank = (u32, u32);
    const FALLS: bool = false;

    fn rank(&mut self, entry: &Entry) -> (u32, u32) {
        let ends = match entry.expires_us() {
            0 => u32::MAX,
            // Two years off is the same as far off, but not the same as never.
            expires_us => self.0.stamp(entry, expires_us).min(u32::MAX - 1),
        };
        (ends, self.0.used(entry))
    }
}
