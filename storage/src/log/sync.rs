//! Making frames durable.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::{Error, Log, Segment, Shared};
use crate::mutants::{Bug, planted};
use crate::record::Lsn;

impl Log {
    /// Makes every frame appended before the call durable, and says up to which lsn (inclusive). Files with
    /// unsynced frames are synced oldest first, so what survives stays a prefix. Callers take turns.
    ///
    /// # Errors
    /// `Sync`: final, the log is poisoned and so is the outcome of everything not yet durable. `Poisoned`.
    ///
    /// # Cost
    /// One fdatasync; two while a segment was just sealed; none when nothing was written since the last one.
    pub fn sync(&self) -> Result<Lsn, Error> {
        let shared = &*self.shared;
        let mut first_unsynced = shared.syncing.lock();
        shared.check_poison()?;
        let target = shared.written();
        let due: Vec<Arc<Segment>> = {
            let segments = shared.segments.lock();
            let from = segments.partition_point(|segment| segment.header.id < *first_unsynced);
            segments.range(from..).cloned().collect()
        };
        for segment in &due {
            shared.sync_segment(segment)?;
        }
        if let Some(active) = due.last() {
            *first_unsynced = active.header.id;
        }
        // Pairs with the acquire in `durable`. Syncs take turns, so it only grows.
        shared.durable.fetch_max(target.0, Ordering::Release);
        Ok(shared.durable())
    }

    /// True when a sync would have something to do.
    #[must_use]
    pub fn wants_sync(&self) -> bool {
        self.shared.written() > self.shared.durable()
    }
}

impl Shared {
    fn sync_segment(&self, segment: &Segment) -> Result<(), Error> {
        if !segment.take_unsynced() || planted(Bug::SkipSync) {
            return Ok(());
        }
        segment.file.sync_data().map_err(|source| {
            // The kernel may have marked the pages clean: asking again would be believed, and wrong.
            self.poison(Error::Sync { segment: segment.header.id, source })
        })?;
        segment.set_begun();
        Ok(())
    }
}
