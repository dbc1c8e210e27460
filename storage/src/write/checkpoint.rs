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
use super::dirty::{Cut, last_versions};
use super::error::Error;
use super::pipeline::Pipeline;
use super::waiters::Sleeper;
use std::sync::Arc;

use crate::memory::EntryRef;
use crate::mutants::{Bug, planted};
use crate::record::{EntryFields, Lsn};
use crate::structure::{Frozen, Hot};
use crate::table::{self, TagChange};

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
        let (action, cut, tags, hidden) = {
            let mut inner = self.inner.lock();
            if inner.core.is_poisoned() {
                return Err(Error::Poisoned { cause: inner.poison_cause.clone() });
            }
            let Some(action) = inner.core.begin_checkpoint() else { return Ok(None) };
            let cut = inner.dirty.freeze(action.through);
            (action, cut, inner.dirty.marks.frozen_counts(), inner.dirty.marks.hidden())
        };
        let folded = self.fold(&action, &cut, &tags, &hidden);
        let succeeded = folded.is_ok();
        let mut inner = self.inner.lock();
        inner.core.end_checkpoint(succeeded, self.clock.monotonic_us());
        let forgotten = succeeded.then(|| inner.dirty.thaw());
        let before = inner.core.positions().checkpoint_before;
        let sleepers = if succeeded { inner.crowded.take_all() } else { Vec::new() };
        drop(inner);
        sleepers.into_iter().for_each(Sleeper::wake);
        // The last references to replaced versions go here, outside of the lock.
        drop((forgotten, cut));
        let rows = folded?;
        let took_us = self.clock.monotonic_us().saturating_sub(began_us);
        let segments_retired = self.retire(before)?;
        Ok(Some(Folded { through: action.through, rows, took_us, segments_retired }))
    }

    fn fold(
        &self,
        action: &Checkpoint,
        cut: &Cut,
        tags: &[TagChange],
        hidden: &[(Box<[u8]>, Lsn)],
    ) -> Result<usize, Error> {
        self.wait_durable(action.through)?;
        if planted(Bug::DropLogBeforeCheckpoint) {
            self.log.retire(action.through)?;
        }
        let last = last_versions(&cut.entries);
        let structures = frozen_structures(cut, action.through);
        let position = table::CheckpointPosition {
            lsn: action.through,
            index: action.index,
            term: action.term,
            epoch: self.log.epoch(),
            time_us: action.time_us,
            hlc: action.hlc,
        };
        self.table.checkpoint(&table::Checkpoint {
            position,
            entries: &last,
            cells: &Cells(&structures),
            drops: &[],
            tags,
            hidden: Some(hidden),
        })?;
        self.set_checkpoint(action.through);
        self.memory.clean_all(last.iter());
        for (hot, frozen) in &structures {
            hot.stored(cut.epoch, frozen.structure.lsn());
        }
        Ok(last.len() + structures.len())
    }
}

/// The structures of a cut as they were at its end, by number, each once.
fn frozen_structures(cut: &Cut, through: Lsn) -> Vec<(Arc<Hot>, Frozen)> {
    let mut hots: Vec<&Arc<Hot>> = cut.structures.iter().collect();
    hots.sort_unstable_by_key(|hot| hot.id());
    hots.dedup_by_key(|hot| hot.id());
    let frozen = |hot: &Arc<Hot>| Some((Arc::clone(hot), hot.frozen(cut.epoch, through)?));
    hots.into_iter().filter_map(frozen).collect()
}

/// The cells of structures that differ from what is stored.
struct Cells<'a>(&'a [(Arc<Hot>, Frozen)]);

impl table::CellChanges for Cells<'_> {
    fn each(
        &self,
        put: &mut dyn FnMut(&table::CellChange<'_>) -> Result<(), table::Error>,
    ) -> Result<(), table::Error> {
        let mut buffer = Vec::new();
        for (hot, frozen) in self.0 {
            frozen.structure.changed_cells(frozen.saved, |cell, bytes| {
                table::put_sealed(hot.id(), cell, bytes, &mut buffer, put)
            })?;
        }
        Ok(())
    }
}

/// What a version does to its row.
impl table::Change for EntryRef {
    fn key(&self) -> &[u8] {
        crate::memory::Entry::key(self)
    }

    fn fields(&self) -> Option<EntryFields<'_>> {
        let entry: &crate::memory::Entry = self;
        entry.kind().is_stored().then(|| entry.fields())
    }
}
