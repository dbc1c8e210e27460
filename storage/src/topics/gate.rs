//! The hand-over between the backlog and live delivery: nobody misses a message, nobody gets one twice.
//!
//! ```text
//! publisher   stage m (its place in the order)      show(m): on the shelf, then `visible` = m
//! live        deliver m only when m <= released     to subscribers registered by then whose cut < m
//! subscriber  cut(): under the shelf's lock, cut = visible, register
//!             read the shelf through the cut
//! ```
//!
//! *Not missed:* a message above the cut was shown after the cut was taken, so it was released, and delivered, after
//! the registration. *Not twice:* one at or below the cut is on the shelf, and the live side leaves it out.
//!
//! *Released* is what may be told to anybody: handed to the OS, and no `strong` message at or before it that is not
//! durable yet. So the order of delivery is the order of positions, whatever the levels.

use std::collections::VecDeque;

use super::sync::{AtomicU64, Mutex, Ordering};
use crate::record::Lsn;

/// See the module. `S` is the shelf.
#[derive(Debug)]
pub(super) struct Gate<S> {
    shelf: Mutex<S>,
    visible: AtomicU64,
    /// Strong messages that may not be durable yet, ascending.
    strong: Mutex<VecDeque<Lsn>>,
}

impl<S> Gate<S> {
    /// Everything through `last` is on the shelf and durable.
    pub fn new(shelf: S, last: Lsn) -> Gate<S> {
        Gate {
            shelf: Mutex::new(shelf),
            visible: AtomicU64::new(last.0),
            strong: Mutex::new(VecDeque::new()),
        }
    }

    /// `lsn` is not to be told before it is durable. Called in the order of positions, before it is shown.
    pub fn expect_durable(&self, lsn: Lsn) {
        self.strong.lock().push_back(lsn);
    }

    /// Puts everything through `last` on the shelf. In the order of positions.
    pub fn show<R>(&self, last: Lsn, add: impl FnOnce(&mut S) -> R) -> R {
        let mut shelf = self.shelf.lock();
        let added = add(&mut shelf);
        // Within the lock, so that a cut never lies below what the shelf holds or above it. Pairs with the
        // acquire in `visible`.
        self.visible.store(last.0, Ordering::Release);
        added
    }

    /// Last message on the shelf. Pairs with the release in `show`.
    pub fn visible(&self) -> Lsn {
        Lsn(self.visible.load(Ordering::Acquire))
    }

    /// Takes a cut: while `register` runs, nothing becomes visible.
    pub fn cut<R>(&self, register: impl FnOnce(&mut S, Lsn) -> R) -> R {
        let mut shelf = self.shelf.lock();
        let cut = self.visible();
        register(&mut shelf, cut)
    }

    /// Works on the shelf.
    pub fn with<R>(&self, work: impl FnOnce(&mut S) -> R) -> R {
        work(&mut self.shelf.lock())
    }

    /// Last message that may be told, when everything through `durable` is durable. Cost: one short lock.
    pub fn released(&self, durable: Lsn) -> Lsn {
        // Before the look at the strong ones: a message shown later is not promised by this answer, and one shown
        // earlier has its expectation in the queue.
        let visible = self.visible();
        let mut strong = self.strong.lock();
        while strong.front().is_some_and(|first| *first <= durable) {
            strong.pop_front();
        }
        strong.front().map_or(visible, |first| visible.min(first.prev()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_strong_message_holds_back_itself_and_what_follows() {
        let gate = Gate::new(0, Lsn(4));
        assert_eq!(gate.released(Lsn(4)), Lsn(4));
        gate.show(Lsn(5), |shelf| *shelf += 1);
        gate.expect_durable(Lsn(6));
        gate.expect_durable(Lsn(8));
        assert_eq!(gate.released(Lsn(4)), Lsn(5), "not shown yet");
        gate.show(Lsn(9), |shelf| *shelf += 1);
        assert_eq!((gate.visible(), gate.released(Lsn(5))), (Lsn(9), Lsn(5)));
        assert_eq!(gate.released(Lsn(6)), Lsn(7));
        assert_eq!(gate.released(Lsn(9)), Lsn(9));
        assert_eq!(gate.cut(|shelf, last| (*shelf, last)), (2, Lsn(9)));
    }
}
