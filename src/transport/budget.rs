//! The memory budget all connections share.
//!
//! Every connection holds a [`Lease`] for what its buffers have grown beyond their idle size. A lease that
//! cannot grow means *overloaded*: the message is refused, the connection stays.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes in use against a limit.
#[derive(Debug)]
pub(crate) struct Budget {
    used_bytes: AtomicUsize,
    limit_bytes: usize,
}

impl Budget {
    pub(crate) fn new(limit_bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { used_bytes: AtomicUsize::new(0), limit_bytes })
    }

    /// An empty lease on this budget.
    pub(crate) fn lease(self: &Arc<Budget>) -> Lease {
        Lease { budget: Arc::clone(self), bytes: 0 }
    }

    /// Bytes leased now.
    pub(crate) fn used_bytes(&self) -> usize {
        // Relaxed here and below: the counter guards no other memory.
        self.used_bytes.load(Ordering::Relaxed)
    }

    /// Whether the limit is reached: no reply that may be large should be begun.
    pub(crate) fn exhausted(&self) -> bool {
        self.used_bytes() >= self.limit_bytes
    }
}

/// A part of the budget, given back on drop.
#[derive(Debug)]
pub(crate) struct Lease {
    budget: Arc<Budget>,
    bytes: usize,
}

impl Lease {
    /// Makes the lease `bytes` large. `false`, and nothing changed, when the budget has no room for that;
    /// shrinking always succeeds.
    pub(crate) fn resize(&mut self, bytes: usize) -> bool {
        let counter = &self.budget.used_bytes;
        if bytes <= self.bytes {
            counter.fetch_sub(self.bytes - bytes, Ordering::Relaxed);
            self.bytes = bytes;
            return true;
        }
        let more = bytes - self.bytes;
        let limit = self.budget.limit_bytes;
        let taken = counter.try_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
            used.checked_add(more).filter(|&sum| sum <= limit)
        });
        if taken.is_ok() {
            self.bytes = bytes;
        }
        taken.is_ok()
    }

    /// Records memory that is in use already, beyond the limit if need be.
    pub(crate) fn force(&mut self, bytes: usize) {
        if !self.resize(bytes) {
            self.budget.used_bytes.fetch_add(bytes - self.bytes, Ordering::Relaxed);
            self.bytes = bytes;
        }
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.budget.used_bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leases_share_the_limit_and_come_back() {
        let budget = Budget::new(100);
        let (mut a, mut b) = (budget.lease(), budget.lease());
        assert!(a.resize(60) && b.resize(40));
        assert!(!b.resize(41), "one byte over");
        assert!(budget.exhausted());
        assert_eq!(budget.used_bytes(), 100);
        assert!(a.resize(59) && b.resize(41));
        b.force(50);
        assert_eq!(budget.used_bytes(), 109);
        drop((a, b));
        assert_eq!(budget.used_bytes(), 0);
    }

    #[test]
    fn absurd_sizes_are_refused() {
        let mut lease = Budget::new(usize::MAX).lease();
        assert!(lease.resize(1));
        let mut other = lease.budget.lease();
        assert!(!other.resize(usize::MAX));
    }
}
