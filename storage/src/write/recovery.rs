//! Start: L2's checkpoint, then every log record above it, applied by the same `apply` as live.

use std::path::Path;
use std::sync::Arc;

use super::core::{Bounds, Start, WriteCore};
use super::dirty::DirtyList;
use super::error::Error;
use super::pipeline::Pipeline;
use crate::disk::{Clock, Disk, Rng};
use crate::log::{self, Log};
use crate::memory::{self, Memory};
use crate::record::{EntryFields, Lsn, Records};
use crate::state::{self, View};
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
    /// Of L2.
    pub table: table::Options,
    /// Of the log.
    pub log: log::Options,
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

/// Replays into memory; everything replayed is dirty.
struct ReplayView<'a> {
    memory: &'a Memory,
    dirty: &'a mut DirtyList,
    dirty_bytes: u64,
}

impl View for ReplayView<'_> {
    fn write(&mut self, key: &[u8], fields: &EntryFields<'_>) {
        let applied = self.memory.apply(key, fields);
        self.dirty_bytes += applied.entry.allocated_bytes();
        self.dirty.push(applied.entry);
    }
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
    let memory = Memory::new(&parts.memory);
    let mut dirty = DirtyList::default();
    let mut view = ReplayView { memory: &memory, dirty: &mut dirty, dirty_bytes: 0 };
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
    let pipeline = Pipeline::new(memory, table, log, Arc::clone(&machine.clock), core, dirty);
    pipeline.seed_time(start.time_us);
    Ok((pipeline, recovered))
}

/// Applies every record above the checkpoint; moves `start` to the end of the log.
fn replay(log: &Log, start: &mut Start, view: &mut ReplayView<'_>) -> Result<u64, Error> {
    let mut records = 0;
    let mut reader = log.reader(start.checkpoint.plus(1));
    while let Some(frame) = reader.next_frame()? {
        let head = frame.head;
        let mut lsn = head.first_lsn;
        for record in Records::new(frame.body) {
            let record = record.map_err(|source| Error::Record { after: lsn.prev(), source })?;
            if lsn > start.checkpoint {
                state::apply(lsn, &record.op, view);
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
