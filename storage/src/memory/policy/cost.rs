//! Cost based: the entry whose bytes save the least computing leaves.
//!
//! ```text
//! score = (computation_cost_ms * access_count / age) / size
//! ```
//!
//! What cost nothing or was never read scores 0 and goes first, by last use. Age counts from the version's creation to the
//! newest use the shard has seen, for a policy has no clock; size is what the entry takes in memory. Scores fall
//! as entries age, at different speeds: see `ranked.rs`.

use super::Entry;
use super::ranked::{Ranked, Ranking, Stamps};
use crate::record::Extras;

/// Nothing is younger than this: one read at once must not outweigh everything else.
const AGE_MIN_US: u64 = 1000;

/// 12 bytes a node.
pub(super) fn policy() -> Ranked<Worth> {
    Ranked::new(Worth::default())
}

#[derive(Debug, Default)]
pub(super) struct Worth {
    stamps: Stamps,
    newest_us: u64,
}

impl Ranking for Worth {
    /// (bits of the score as f32, last use): positive floats are in the order of their bits.
    type Rank = (u32, u32);
    const FALLS: bool = true;

    fn rank(&mut self, entry: &Entry) -> (u32, u32) {
        self.newest_us = self.newest_us.max(entry.last_access_us()).max(entry.created_us());
        let reads = entry.access_count();
        // What cannot be decoded cost nothing: it is reported where it is read, not here.
        let extras = if reads == 0 { Ok(Extras::default()) } else { Extras::decode(entry.extras()) };
        let cost_ms = extras.map_or(0.0, |extras| extras.computation_cost_ms.max(0.0));
        let age_us = (self.newest_us - entry.created_us()).max(AGE_MIN_US);
        let score = cost_ms * f64::from(reads) / age_us as f64 / entry.allocated_bytes() as f64;
        // `+ 0.0`: the bits of minus zero are not those of zero.
        ((score as f32 + 0.0).to_bits(), self.stamps.used(entry))
    }
}
