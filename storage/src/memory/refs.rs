//! Reference counting of an entry, apart from the entry so that loom can explore it.

use std::process;

use super::sync::{AtomicU32, Ordering, fence};

/// More holders than any process has handles for: the count is broken, going on would free memory in use.
const HOLDERS_MAX: u32 = 1 << 31;

/// Number of holders of an allocation. Starts at one.
#[derive(Debug)]
pub(super) struct Refs(AtomicU32);

impl Refs {
    pub(super) fn one() -> Refs {
        Refs(AtomicU32::new(1))
    }

    /// One holder more. The caller is a holder itself, or pinned since before the last one let go.
    pub(super) fn retain(&self) {
        // Relaxed: a new holder learns nothing it did not know; only letting go must be ordered.
        let before = self.0.fetch_add(1, Ordering::Relaxed);
        if before >= HOLDERS_MAX {
            process::abort();
        }
    }

    /// One holder less. True for the last one, who must free the allocation.
    #[must_use]
    pub(super) fn release(&self) -> bool {
        // Release: everything this holder did happens before the free. Pairs with the fence below.
        if self.0.fetch_sub(1, Ordering::Release) != 1 {
            return false;
        }
        fence(Ordering::Acquire);
        true
    }
}
