//! Figures of a running store.

use super::Store;
use super::error::Error;
use crate::memory;
use crate::write::core::Positions;

/// See the members. Counters are since the store was opened.
#[derive(Debug, Clone)]
pub struct Stats {
    /// Where the log stands.
    pub positions: Positions,
    /// Bytes in memory that L2 does not hold yet.
    pub dirty_bytes: u64,
    /// Log bytes a power cut would lose now.
    pub unsynced_bytes: u64,
    /// Moving mean of a sync, microseconds.
    pub sync_mean_us: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// L1.
    pub memory: memory::Stats,
    /// Rows in L2 at the last checkpoint.
    pub table_entries: u64,
    /// Whether puts are refused because the disk is nearly full.
    pub full: bool,
}

impl Store {
    /// Figures of now. Cost: one lock, no I/O.
    pub fn stats(&self) -> Result<Stats, Error> {
        let pipeline = &self.shared.pipeline;
        let (sync_mean_us, syncs) = pipeline.sync_figures();
        let (positions, dirty_bytes, unsynced_bytes) = {
            let inner = pipeline.inner.lock();
            (inner.core.positions(), inner.core.dirty_bytes(), inner.core.unsynced_bytes())
        };
        Ok(Stats {
            positions,
            dirty_bytes,
            unsynced_bytes,
            sync_mean_us,
            syncs,
            memory: pipeline.memory.stats(),
            table_entries: pipeline.table.snapshot().entries()?,
            full: self.shared.full.load(std::sync::atomic::Ordering::Relaxed),
        })
    }
}
