//! Eviction policies: which clean entry leaves when memory is full.
//!
//! One instance per shard, always called under the shard lock. A policy owns the *order* of entries and nothing
//! else: entries live in the table, and a policy remembers them by [`Fragment`]s of their hash, four bytes
//! each, looked up again when their turn comes. What it notes about an entry stands in the entry:
//!
//! - `queue` (0 to 15): which of the policy's queues holds a node for it; 0 = none. Written by the policy.
//! - `heat` (0 to `heat_max`): raised by every read, without a lock. Lowered by the policy.
//! - times, counts, lengths and extras of the entry, for policies that weigh them.
//!
//! The life of an entry, as a policy sees it:
//!
//! ```text
//! admit ──> queued ──> evict picks it                       (gone, the table removes it)
//!             │  └──> replace: overwritten; dirty, so evict drops it from the queue, if not the policy at once,
//!             │                and admit follows when it is clean again
//!             └─────> forget: removed for another reason
//! ```
//!
//! To add a policy: one file, one [`PolicyKind`] with its name, one arm in [`Common::build`]; the shared tests below
//! run it with the others. A policy that weighs entries is a [`ranked::Ranking`], some twenty lines.

pub(super) mod adaptive;
mod cost;
mod dependency;
mod dependents;
mod ghost;
mod kind;
mod lfu;
mod lru;
mod queue;
mod ranked;
mod s3fifo;
mod s4lru;
#[cfg(all(test, not(loom)))]
mod tests;
mod ttl;
mod tuning;

use std::fmt::Debug;

use super::entry::Entry;
use super::hash::Fragment;
use super::index::{Index, Resident};
use queue::Queue;

pub(super) use kind::Common;
pub use kind::PolicyKind;

/// What an entry weighs in the bound that evicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scale {
    /// Bytes as allocated, with the entry's share of the table and the queues.
    Bytes,
    /// One each: an entry limit, and hit-ratio simulation.
    Entries,
}

/// An entry's share of buckets (10 to 16 bytes), its queue node (4 to 5) and, where evicted from, two ghosts (10).
const OVERHEAD_BYTES: u64 = 28;

impl Scale {
    pub(super) fn weigh(self, entry: &Entry) -> u64 {
        match self {
            Scale::Bytes => entry.allocated_bytes() + OVERHEAD_BYTES,
            Scale::Entries => 1,
        }
    }
}

/// The order in which one shard's clean entries leave.
pub(super) trait Policy: Send + Debug {
    /// A clean entry that stands in no queue may be evicted from now on. Must put it into a queue.
    fn admit(&mut self, index: &Index, fragment: Fragment, entry: &Entry);

    /// A queued entry was overwritten; `new`, dirty, has taken over its queue and heat already. Mind the weights.
    fn replace(&mut self, old: &Entry, new: &Entry);

    /// A queued entry left the table for another reason. Its node may stay, but must not count.
    fn forget(&mut self, entry: &Entry);

    /// Chooses the entry to leave, a clean one, and forgets it; `None` when no queue holds a clean one.
    fn evict<'a>(&mut self, index: &'a Index) -> Option<Resident<'a>>;

    /// Nodes held, stale ones included.
    #[cfg(all(test, not(loom)))]
    fn nodes(&self) -> usize;
}
