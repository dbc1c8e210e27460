//! The checkpoint: everything dirty through one position, folded into L2 in one transaction.
//!
//! ```text
//! 1  core lock   freeze the dirty list at C
//! 2  no lock     sync the log through C          (L2 never runs ahead of the log)
//! 3  no lock     last version of each key, sorted
//! 4  no lock     one L2 transaction, checkpoint_lsn = C in it; publish the new snapshot
//! 5  no lock     those versions become clean, tombstones leave memory
//! 6  core lock   forget the frozen part, move `checkpoint`
//! 7  no lock     retire log segments below the checkpoint before this one
//! ```
//!
//! A failure before 4 ends leaves everything as it was, only the frozen part stays frozen and goes
//! first next time.

use super::core::Checkpoint;
use super::dirty::last_versions;
use super::error::Error;
use super::pipeline::Pipeline;
use super::waiters::Sleeper;
use crate::memory::EntryRef;
use crate::mutants::{Bug, planted};
use crate::record::{EntryFields, EntryKind, Lsn};
use crate::table;

/// What one checkpoint did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Folded {
    /// Everything through here is in L2.
    pub through: Lsn,
    /// Rows written or removed.
    pub rows: usize,
    /// Microseconds from freeze to publication.
    pub took_us: u64,
    /// Log segments retired.
    pub segments_retired: usize,
}

impl Pipeline {
    /// Runs one checkpoint now; `None` when nothing is dirty. After an error everything is still
    /// there and still dirty: call again later. L2 is reopened by the next call.
    pub fn run_checkpoint(&self) -> Result<Option<Folded>, Error> {
        let _turn = self.checkpointer.lock();
        let began_us = self.clock.monotonic_us();
        let (action, cut) = {
            let mut inner = self.inner.lock();
            if inner.core.is_poisoned() {
                return Err(Error::Poisoned { cause: inner.poison_cause.clone() });
            }
            let Some(action) = inner.core.begin_checkpoint() else { return Ok(None) };
            (action, inner.dirty.freeze())
        };
        let folded = self.fold(&action, || last_versions(&cut));
        let succeeded = folded.is_ok();
        let mut inner = self.inner.lock();
        inner.core.end_checkpoint(succeeded, self.clock.monotonic_us());
        let forgotten = if succeeded { inner.dirty.thaw() } else { Vec::new() };
        let before = inner.core.positions().checkpoint_before;
        let sleepers = if succeeded { inner.crowded.take_all() } else { Vec::new() };
        drop(inner);
        sleepers.into_iter().for_each(Sleeper::wake);
        // The last references to replaced versions go here, outside of the lock.
        drop((forgotten, cut));
        let rows = folded?;
        let took_us = self.clock.monotonic_us().saturating_sub(began_us);
        let segments_retired = self.log.retire(before)?;
        Ok(Some(Folded { through: action.through, rows, took_us, segments_retired }))
    }

    fn fold(&self, action: &Checkpoint, last_versions: impl Fn() -> Vec<EntryRef>) -> Result<usize, Error> {
        self.wait_durable(action.through)?;
        if planted(Bug::DropLogBeforeCheckpoint) {
            self.log.retire(action.through)?;
        }
        let last = last_versions();
        let position = table::CheckpointPosition {
            lsn: action.through,
            index: action.index,
            term: action.term,
            epoch: self.log.epoch(),
            time_us: action.time_us,
            hlc: action.hlc,
        };
        self.table.checkpoint(&table::Checkpoint { position, entries: &last, cells: &[], drops: &[] })?;
        self.set_checkpoint(action.through);
        self.memory.clean_all(last.iter());
        Ok(last.len())
    }
}

/// What a version does to its row.
impl table::Change for EntryRef {
    fn key(&self) -> &[u8] {
        crate::memory::Entry::key(self)
    }

    fn fields(&self) -> Option<EntryFields<'_>> {
        let entry: &crate::memory::Entry = self;
        (entry.kind() != EntryKind::Tombstone).then(|| entry.fields())
    }
}
