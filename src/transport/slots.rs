//! Places for connections, and the table of those that are open.
//!
//! The table is how a stop reaches every connection. Messages pushed to a connection by others (notifications,
//! replies of functions) wake its session through the same signal.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Waker;

use futures_util::task::AtomicWaker;
use std::sync::Mutex;

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Full {
    #[error("{0} connections are open, the limit")]
    All(usize),
    #[error("{0} connections of this address are open, the limit")]
    Address(usize),
}

/// Wakes one session from outside.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    waker: AtomicWaker,
    stopping: AtomicBool,
    pushed: AtomicBool,
}

impl Signal {
    /// Registers the task to wake. Check [`Signal::stopping`] and [`Signal::take_pushed`] after, not before.
    pub(crate) fn register(&self, waker: &Waker) {
        self.waker.register(waker);
    }

    /// Whether the connection shall finish.
    pub(crate) fn stopping(&self) -> bool {
        // Pairs with the release in `stop`.
        self.stopping.load(Ordering::Acquire)
    }

    /// Asks the connection to finish what it has read and to close.
    pub(crate) fn stop(&self) {
        // Pairs with the acquire in `stopping`; the wake comes after, so a session that misses the flag is woken.
        self.stopping.store(true, Ordering::Release);
        self.waker.wake();
    }

    /// Tells the session that something waits for it. Once is enough until it has looked.
    pub(crate) fn tell_pushed(&self) {
        // Pairs with the swap in `take_pushed`: what was put where the session looks comes before.
        if !self.pushed.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// Whether something may wait; to be asked before looking for it.
    pub(crate) fn take_pushed(&self) -> bool {
        // The load spares the usual case, nothing, a write to a line that others share.
        self.pushed.load(Ordering::Acquire) && self.pushed.swap(false, Ordering::AcqRel)
    }
}

/// All open connections, bounded in all and by address.
#[derive(Debug)]
pub(crate) struct Slots {
    limit: usize,
    limit_per_address: usize,
    table: Mutex<Table>,
    empty: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct Table {
    next_id: u64,
    stopping: bool,
    signals: HashMap<u64, Arc<Signal>>,
    by_address: HashMap<IpAddr, usize>,
}

impl Slots {
    pub(crate) fn new(limit: usize, limit_per_address: usize) -> Arc<Slots> {
        let (table, empty) = (Mutex::default(), tokio::sync::Notify::new());
        Arc::new(Slots { limit, limit_per_address, table, empty })
    }

    fn table(&self) -> std::sync::MutexGuard<'_, Table> {
        self.table.lock().expect("nothing panics while holding the connection table")
    }

    /// Takes a place for a connection from `address`; loopback counts only in all.
    pub(crate) fn take(self: &Arc<Slots>, address: IpAddr) -> Result<Slot, Full> {
        let mut table = self.table();
        if table.signals.len() >= self.limit {
            return Err(Full::All(self.limit));
        }
        let counted = !address.is_loopback();
        if counted {
            let count = table.by_address.entry(address).or_default();
            if *count >= self.limit_per_address {
                return Err(Full::Address(self.limit_per_address));
            }
            *count += 1;
        }
        let id = table.next_id;
        table.next_id += 1;
        let signal = Arc::new(Signal::default());
        if table.stopping {
            signal.stop();
        }
        table.signals.insert(id, Arc::clone(&signal));
        Ok(Slot { slots: Arc::clone(self), id, address: counted.then_some(address), signal })
    }

    /// Connections open now.
    pub(crate) fn open(&self) -> usize {
        self.table().signals.len()
    }

    /// Asks every connection, and every one still to come, to finish.
    pub(crate) fn stop_all(&self) {
        let mut table = self.table();
        table.stopping = true;
        table.signals.values().for_each(|signal| signal.stop());
    }

    /// Waits until no connection is open.
    pub(crate) async fn drained(&self) {
        loop {
            let notified = self.empty.notified();
            if self.open() == 0 {
                return;
            }
            notified.await;
        }
    }
}

/// The place of one connection; dropping it makes room.
#[derive(Debug)]
pub(crate) struct Slot {
    slots: Arc<Slots>,
    id: u64,
    address: Option<IpAddr>,
    signal: Arc<Signal>,
}

impl Slot {
    /// Number of the connection, for the log.
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn signal(&self) -> &Arc<Signal> {
        &self.signal
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut table = self.slots.table();
        table.signals.remove(&self.id);
        if let Some(address) = self.address
            && let Some(count) = table.by_address.get_mut(&address)
        {
            *count -= 1;
            if *count == 0 {
                table.by_address.remove(&address);
            }
        }
        if table.signals.is_empty() {
            self.slots.empty.notify_waiters();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const NEAR: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn limits_hold_and_places_come_back() {
        let slots = Slots::new(3, 2);
        let first = slots.take(FAR).unwrap();
        let _second = slots.take(FAR).unwrap();
        assert_eq!(slots.take(FAR).unwrap_err(), Full::Address(2));
        let _third = slots.take(NEAR).unwrap();
        assert_eq!(slots.take(NEAR).unwrap_err(), Full::All(3));
        drop(first);
        let _fourth = slots.take(FAR).unwrap();
        assert_eq!(slots.open(), 3);
        assert_eq!(slots.table().by_address[&FAR], 2);
    }

    #[tokio::test]
    async fn a_stop_reaches_all_and_the_drain_ends_with_the_last() {
        let slots = Slots::new(9, 9);
        let slot = slots.take(NEAR).unwrap();
        assert!(!slot.signal().stopping());
        slots.stop_all();
        assert!(slot.signal().stopping());
        let late = slots.take(NEAR).unwrap();
        assert!(late.signal().stopping());
        drop(late);
        let drained = tokio::spawn({
            let slots = Arc::clone(&slots);
            async move { slots.drained().await }
        });
        tokio::task::yield_now().await;
        assert!(!drained.is_finished());
        drop(slot);
        drained.await.unwrap();
    }
}
