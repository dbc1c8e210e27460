//! Whether the batch at a position is whole: readers take no lock, so they may meet the first effects of a record of
//! several operations while the last are still to come.
//!
//! ```text
//! writer, under the core lock   begin(lsn) ── effects, each published with its lsn ── end()
//! reader, without a lock        loads a version with lsn ── is_partial(lsn)? ── wait for the core lock, look again
//! ```
//!
//! The begin happens before every effect is published, and a reader that sees an effect acquires what went before it: it
//! finds the batch's position here, or a later value, never an earlier one. A later value means that the batch ended, and
//! the acquire here makes all its effects visible to the reader's next look. What a reader saw *before* the batch is
//! unaffected: it read earlier. So of a batch every reader sees nothing or, from its first sight on, everything.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering};

use crate::mutants::{Bug, planted};
use crate::record::Lsn;

/// No batch is being applied. Volatile values have position 0, so that cannot say it.
const NONE: u64 = u64::MAX;

/// See the module. On a cache line of its own: every read looks at it, and what stands beside it changes with every write.
#[derive(Debug)]
#[repr(align(64))]
pub(crate) struct Whole(AtomicU64);

impl Whole {
    pub(crate) fn new() -> Whole {
        Whole(AtomicU64::new(NONE))
    }

    /// A record of several operations is about to be applied. Only under the core lock.
    pub(crate) fn begin(&self, lsn: Lsn) {
        // Relaxed: the release that publishes an effect carries this store with it.
        self.0.store(lsn.0, Ordering::Relaxed);
    }

    /// All of it is there.
    pub(crate) fn end(&self) {
        // Release: pairs with the acquire in `is_partial`, so that who sees this sees all effects.
        self.0.store(NONE, Ordering::Release);
    }

    /// Whether what was found with this position is part of a batch whose rest is still to come.
    #[inline]
    pub(crate) fn is_partial(&self, lsn: Lsn) -> bool {
        self.0.load(Ordering::Acquire) == lsn.0 && !planted(Bug::ShowHalfBatches)
    }
}

/// `RUSTFLAGS="--cfg loom" cargo test -p mpreg-storage --release whole::loom_model`
#[cfg(all(test, loom))]
mod loom_model {
    use loom::sync::{Arc, Mutex};
    use loom::thread;

    use super::*;

    /// A writer of one batch with two effects, each a position that is published; a reader that meets the first.
    #[test]
    fn who_has_seen_one_effect_finds_the_other() {
        loom::model(|| {
            let core = Arc::new((Mutex::new(()), Whole::new(), AtomicU64::new(0), AtomicU64::new(0)));
            let writer = {
                let core = Arc::clone(&core);
                thread::spawn(move || {
                    let (lock, whole, first, last) = &*core;
                    let _inner = lock.lock().unwrap();
                    whole.begin(Lsn(1));
                    first.store(1, Ordering::Release);
                    last.store(1, Ordering::Release);
                    whole.end();
                })
            };
            let (lock, whole, first, last) = &*core;
            let seen = first.load(Ordering::Acquire);
            if seen == 1 {
                if whole.is_partial(Lsn(1)) {
                    drop(lock.lock().unwrap());
                }
                assert_eq!(last.load(Ordering::Acquire), 1);
            }
            writer.join().unwrap();
        });
    }
}
