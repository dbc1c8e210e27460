//! A cut: the line between the backlog and what is delivered live, and what the backlog shows at that moment.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::Topics;
use super::catalogue::Hidden;
use crate::record::{Lsn, Position};

/// The moment a subscriber was registered. Everything at or below [`position`](Cut::position) is the backlog's,
/// everything above it comes live. Clones share it.
#[derive(Debug, Clone)]
pub struct Cut {
    pub(super) position: Position,
    pub(super) first_lsn: Lsn,
    pub(super) time_us: u64,
    pub(super) hidden: Arc<HashMap<Arc<str>, Hidden, RandomState>>,
}

impl Cut {
    /// The last position of the backlog, inclusive.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// State time of the cut, microseconds since 1970 UTC.
    #[must_use]
    pub fn time_us(&self) -> u64 {
        self.time_us
    }
}

impl Topics {
    /// Takes a cut, and runs `register` in it: while it runs, no further message becomes visible.
    ///
    /// A subscriber registered there gets every message exactly once when the backlog is read through the cut and live
    /// delivery follows two rules: it delivers a message only once [`released`](Topics::released) has reached it, in
    /// the order of positions; and it looks for subscribers then, leaving out those whose cut is at or above it.
    ///
    /// Cost: one lock, and a look at every topic that is over its limits. `register` should be short: publishes that
    /// are handed over wait for it.
    pub fn subscribe_point<R>(&self, register: impl FnOnce(&Cut) -> R) -> (Cut, R) {
        let time_us = self.now_us();
        self.shared.gate().cut(|shelf, last| {
            let cut = Cut {
                position: shelf.position(last),
                first_lsn: shelf.first_lsn(),
                time_us,
                hidden: Arc::new(shelf.catalogue.hidden(&shelf.open.index)),
            };
            let registered = register(&cut);
            (cut, registered)
        })
    }

    /// A cut of now, for readers that register nowhere.
    #[must_use]
    pub fn cut(&self) -> Cut {
        self.subscribe_point(|_| ()).0
    }
}
