//! Counters of pub/sub, for the operator.

use std::sync::atomic::{AtomicU64, Ordering};

/// One number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, count: u64) {
        // Relaxed: it guards no other memory.
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What has happened since the start.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) published: Counter,
    pub(crate) published_bytes: Counter,
    pub(crate) delivered_live: Counter,
    pub(crate) delivered_backlog: Counter,
    pub(crate) dropped: Counter,
    pub(crate) gaps: Counter,
    pub(crate) fell_behind: Counter,
    pub(crate) caught_up: Counter,
    pub(crate) commits: Counter,
}

/// Pub/sub in numbers, since the start of the node.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages published, stored or not.
    pub published: u64,
    /// Bytes of their message objects.
    pub published_bytes: u64,
    /// Notifications queued for subscriptions that were up to date.
    pub delivered_live: u64,
    /// Notifications queued out of the backlog.
    pub delivered_backlog: u64,
    /// Volatile messages a slow subscription did not get.
    pub dropped: u64,
    /// Gaps told to subscriptions.
    pub gaps: u64,
    /// How often a subscription was too slow and went back to the backlog.
    pub fell_behind: u64,
    /// How often one came up to date again, or for the first time.
    pub caught_up: u64,
    /// Positions noted for durable subscriptions.
    pub commits: u64,
    /// Subscriptions there are now.
    pub subscriptions: u64,
}

impl Counters {
    pub(crate) fn stats(&self, subscriptions: usize) -> Stats {
        Stats {
            published: self.published.get(),
            published_bytes: self.published_bytes.get(),
            delivered_live: self.delivered_live.get(),
            delivered_backlog: self.delivered_backlog.get(),
            dropped: self.dropped.get(),
            gaps: self.gaps.get(),
            fell_behind: self.fell_behind.get(),
            caught_up: self.caught_up.get(),
            commits: self.commits.get(),
            subscriptions: subscriptions as u64,
        }
    }
}
