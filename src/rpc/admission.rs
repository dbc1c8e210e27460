//! How many requests may run apart from their connections, and with how much memory.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::function::Failure;
use crate::limits::{RPC_REQUESTS_BYTES_MAX, RPC_REQUESTS_MAX};

/// What runs now.
#[derive(Debug, Default)]
pub(super) struct Admission {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

/// The place of one request; dropping it makes room.
#[derive(Debug)]
pub(super) struct Admitted {
    admission: Arc<Admission>,
    bytes: usize,
}

impl Admission {
    /// Takes a place for a request that keeps `bytes`. The limits are those of an overload, not of accounting: two
    /// requests that come at once may both find the last place.
    pub(super) fn enter(self: &Arc<Admission>, bytes: usize) -> Result<Admitted, Failure> {
        // Relaxed here and below: the counters guard no other memory.
        let requests = self.requests.load(Ordering::Relaxed);
        let held = self.bytes.load(Ordering::Relaxed);
        if requests >= RPC_REQUESTS_MAX || held.saturating_add(bytes) > RPC_REQUESTS_BYTES_MAX {
            return Err(Failure::unavailable("the server runs as many requests as it can"));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(Admitted { admission: Arc::clone(self), bytes })
    }

    /// Requests running now.
    #[cfg(test)]
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.admission.requests.fetch_sub(1, Ordering::Relaxed);
        self.admission.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_limited_and_come_back() {
        let admission = Arc::new(Admission::default());
        let all: Vec<Admitted> = (0..RPC_REQUESTS_MAX).map(|_| admission.enter(1).unwrap()).collect();
        assert_eq!(admission.enter(1).unwrap_err().code(), 503);
        drop(all);
        assert_eq!(admission.requests(), 0);
        let large = admission.enter(RPC_REQUESTS_BYTES_MAX).unwrap();
        assert!(admission.enter(1).is_err());
        drop(large);
        assert!(admission.enter(1).is_ok());
    }
}
