//! Start: L2's checkpoint, then every log record above it, applied by the same `apply` as live.

use std::path::Path;
use std::sync::Arc;

use super::core::{Bounds, Start, WriteCore};
use super::dirty::Dirty;
use super::error::Error;
use super::marks::Hidden;
use super::pipeline::{Pipeline, State};
use super::retention::Keep;
use super::view::StateView;
use crate::disk::{Clock, Disk, Rng};
use crate::log::{self, Log};
use crate::memory::{self, Memory};
use crate::record::{Lsn, Records};
use crate::state;
use crate::structure::Structures;
use crate::table::{self, Table};

/// The machine a store runs on.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub rng: Arc<dyn Rng>,
}

/// Options of the rooms below.
#[derive(Debug, Clone)]
pub struct Parts {
    /// Of the write core.
    pub bounds: Bounds,
    /// Of L1.
    pub memory: memory::Options,
    /// Bytes of structures in memory above which clean ones leave.
    pub structures_bytes: u64,
    /// Of L2.
    pub table: table::Options,
    /// Of the log.
    pub log: log::Options,
    /// How long the log is kept beyond the checkpoint.
    pub keep: Keep,
}

/// What a start found.
#[derive(Debug, Clone)]
pub struct Recovered {
    /// Position of L2's checkpoint.
    pub checkpoint: Lsn,
    /// Last position in the log.
    pub last: Lsn,
    /// Records replayed on top of the checkpoint.
    pub records: u64,
    /// How the log ended.
    pub log: log::Opened,
    /// Microseconds it took.
    pub took_us: u64,
}

/// Opens the store under `dir`, creating what is missing. The caller holds the directory's lock.
pub fn recover(machine: &Machine, dir: &Path, parts: &Parts) -> Result<(Pipeline, Recovered), Error> {
    let began_us = machine.clock.monotonic_us();
    let table = Table::open(Arc::clone(&machine.disk), &dir.join("l2/store.redb"), parts.table)?;
    let position = table.snapshot().position();
    let main = dir.join("wal/main");
    let (log, opened) = Log::open(
        Arc::clone(&machine.disk),
        machine.rng.as_ref(),
        &main,
        &parts.log,
        position.lsn,
        position.epoch,
    )?;
    let state = State {
        memory: Memory::new(&parts.memory),
        structures: Structures::new(parts.structures_bytes),
        hidden: Hidden::default(),
        table,
    };
    let mut dirty = recall(&state)?;
    let mut view = StateView {
        memory: &state.memory,
        structures: &state.structures,
        hidden: &state.hidden,
        table: &state.table,
        dirty: &mut dirty,
        dirty_bytes: 0,
    };
    let mut start = Start {
        last: position.lsn,
        index: position.index,
        term: position.term,
        checkpoint: position.lsn,
        time_us: position.time_us,
        hlc: position.hlc,
    };
    let records = replay(&log, &mut start, &mut view)?;
    let dirty_bytes = view.dirty_bytes;
    let mut core = WriteCore::new(parts.bounds.clone(), start);
    core.add_replayed(dirty_bytes, machine.clock.monotonic_us());
    let recovered = Recovered {
        checkpoint: position.lsn,
        last: start.last,
        records,
        log: opened,
        took_us: machine.clock.monotonic_us().saturating_sub(began_us),
    };
    let pipeline = Pipeline::new(state, log, Arc::clone(&machine.clock), core, dirty, parts.keep);
    pipeline.seed_time(start.time_us);
    Ok((pipeline, recovered))
}

/// The dirty state of a store without replayed records: what L2 knows of marks and hidden tags.
fn recall(state: &State) -> Result<Dirty, Error> {
    let mut dirty = Dirty::default();
    let snapshot = state.table.snapshot();
    if snapshot.has_marks()? {
        dirty.marks.set_any();
    }
    for (tag, lsn) in snapshot.hidden_tags()? {
        dirty.marks.recall_hidden(&tag, lsn);
        state.hidden.insert(&tag, lsn);
    }
    Ok(dirty)
}

/// Applies every record above the checkpoint; moves `start` to the end of the log.
fn replay(log: &Log, start: &mut Start, view: &mut StateView<'_>) -> Result<u64, Error> {
    let mut records = 0;
    let mut reader = log.reader(start.checkpoint.plus(1));
    while let Some(frame) = reader.next_frame()? {
        let head = frame.head;
        let mut lsn = head.first_lsn;
        for record in Records::new(frame.body) {
            let record = record.map_err(|source| Error::Record { after: lsn.prev(), source })?;
            if lsn > start.checkpoint {
                state::apply(lsn, &record.op, view)?;
                records += 1;
            }
            lsn = lsn.plus(1);
        }
        start.last = start.last.max(frame.last_lsn());
        start.index = start.index.max(head.index);
        start.term = start.term.max(head.term);
        start.time_us = start.time_us.max(head.time_us);
        start.hlc = start.hlc.max(head.hlc);
    }
    Ok(records)
}
