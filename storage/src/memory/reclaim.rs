//! Making room: clean entries leave until the bounds hold, or until none is left.
//!
//! The bounds are global, the policies are per shard. The shard that was just written gives first, for its
//! lines are warm and it is the one that grew; but beside it one other shard is looked at in turn, and gives
//! instead when it holds clearly more, so that shares stay even however unevenly keys come and go.
//!
//! When writers are so far ahead of the checkpoint that nothing clean is left, looking for it again at every write would
//! be a walk over all shards for nothing: the memory is then noted as barren until something becomes clean.

use std::sync::atomic::Ordering;

use crossbeam_epoch as epoch;

use super::Memory;
use super::hash::KeyHash;

/// One part in this many above the bound is left to the next writers.
const RESERVE_SLACK_PART: u64 = 64;

impl Memory {
    /// Removes clean entries until at most `bytes` are held, dirty ones included; may end above when the dirty
    /// ones alone take more.
    pub fn evict_to(&self, bytes: u64) {
        let mut guard = epoch::pin();
        for shard in 0..self.shards.len() {
            // Each shard gives its share first, so that not the first ones are emptied for all.
            let share = bytes / self.shards.len() as u64;
            while self.shared.limit.is_over(bytes)
                && self.shards[shard].counts.bytes.load(Ordering::Relaxed) > share
            {
                guard.repin();
                if self.shards[shard].evict(&self.shared, &guard) == 0 {
                    break;
                }
            }
        }
        self.sweep(bytes, &guard);
    }

    /// Counts `bytes` that others hold against the bound, in place of what was counted before; at most half of it.
    /// Clean entries give way at once. Call it from time to time as those bytes change.
    pub fn reserve(&self, bytes: u64) {
        self.shared.limit.reserve(bytes);
        let bytes_max = self.shared.limit.bytes_max();
        // What writers are about to make room for by themselves is not worth a walk over all shards.
        if self.shared.limit.is_over(bytes_max + bytes_max / RESERVE_SLACK_PART) {
            self.evict_to(bytes_max);
        }
    }

    /// Removes every clean entry. Reads then come from the checkpoint; no answer changes.
    pub fn drop_clean(&self) {
        for shard in &self.shards {
            shard.drop_clean(&self.shared, &epoch::pin());
        }
    }

    /// Evicts after an insertion into the shard of `hash`, until the bounds hold.
    pub(super) fn reclaim(&self, hash: KeyHash, guard: &epoch::Guard) {
        let limit = &self.shared.limit;
        if limit.is_over(limit.bytes_max()) && self.shared.sampling.is_off() {
            self.begin_sampling();
        }
        while limit.is_over(limit.bytes_max()) {
            let home = hash.shard(self.shard_bits);
            let other = self.cursor.fetch_add(1, Ordering::Relaxed) % self.shards.len();
            let (home_bytes, other_bytes) = (self.clean_bytes(home), self.clean_bytes(other));
            let giver = if other_bytes > home_bytes + home_bytes / 4 { other } else { home };
            if self.shards[giver].evict(&self.shared, guard) == 0 {
                if !limit.is_barren() {
                    self.sweep(limit.bytes_max(), guard);
                    limit.set_barren(limit.is_over(limit.bytes_max()));
                }
                return;
            }
        }
    }

    /// The memory is full for the first time: which tuning is best begins to matter.
    fn begin_sampling(&self) {
        if let Some(advisor) = &self.shared.advisor {
            advisor.begin(&self.shared.sampling, self.entries());
        }
    }

    /// Visits every shard that has something clean, once. Ends also when everything is dirty.
    fn sweep(&self, bytes_max: u64, guard: &epoch::Guard) {
        let start = self.cursor.load(Ordering::Relaxed);
        for step in 0..self.shards.len() {
            if !self.shared.limit.is_over(bytes_max) {
                return;
            }
            let shard = start.wrapping_add(step) % self.shards.len();
            while self.shared.limit.is_over(bytes_max) && self.clean_bytes(shard) > 0 {
                if self.shards[shard].evict(&self.shared, guard) == 0 {
                    break;
                }
            }
        }
    }

    fn clean_bytes(&self, shard: usize) -> u64 {
        self.shards[shard].counts.clean_bytes()
    }
}
