//! Options of a store, with their defaults and minima.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::disk::{OsClock, OsDisk, OsRng};
use crate::memory::PolicyKind;
pub use crate::record::Level;
use crate::write::Keep;
use crate::write::core::Bounds;
use crate::write::recovery::{Machine, Parts};
use crate::{log, memory, table, topics};

/// The part of memory that L2 gets for pages when nobody says otherwise: pages are cached by the system, too.
const TABLE_CACHE_PART: u64 = 32;

/// How a store is opened. Sizes are bytes, times microseconds.
#[derive(Debug, Clone)]
pub struct Options {
    /// The data directory.
    pub dir: PathBuf,
    /// Memory of the store: keys, values and their overhead, the page cache of L2, its filter, what waits for a
    /// checkpoint. Default 256 MiB, minimum 1 MiB. Structures may take a quarter of it on top.
    pub memory_bytes: u64,
    /// Entries in memory above which clean ones leave, whatever their size. Default 0: no such bound.
    pub entries_max: u64,
    /// Clean entries leave only when both bounds are passed; bytes are then not bounded while entries are few. Default false.
    pub both_bounds: bool,
    /// Who leaves memory first. Default [`PolicyKind::Adaptive`].
    pub policy: PolicyKind,
    /// Size of a log segment. Default 64 MiB, minimum 64 KiB.
    pub segment_bytes: u64,
    /// How long an `eventual` write stays unsynced when nothing else happens. Default 10 ms.
    pub sync_interval_us: u64,
    /// Dirty bytes that start a checkpoint. Default: an eighth of `memory_bytes`, at most 64 MiB.
    pub checkpoint_bytes: Option<u64>,
    /// Age of dirty entries that starts a checkpoint. Default 30 s.
    pub checkpoint_interval_us: u64,
    /// Acknowledged but unsynced bytes above which writes wait. Default 64 MiB.
    pub unsynced_bytes_max: u64,
    /// Age of unsynced bytes above which writes wait. Default 1 s.
    pub unsynced_age_us_max: u64,
    /// Page cache of L2, part of `memory_bytes`. Default: a 32nd of it, at least 1 MiB and at most 16 MiB.
    pub table_cache_bytes: Option<usize>,
    /// Largest L2 file of which every page is verified at the start. Default 64 MiB; 0 never.
    pub table_check_bytes_max: u64,
    /// Free bytes below which writes are refused. Default: 5 % of the disk, at least 256 MiB.
    pub free_bytes_min: Option<u64>,
    /// How long the log is kept for those who follow it, beyond what recovery needs. Default 0: not at all.
    pub feed_age_us: u64,
    /// Bytes of the log up to which it is kept for them. Default 1 GiB.
    pub feed_bytes_max: u64,
    /// Whether the log also keeps the value before each change, and the whole of a changed structure: up to 1 MiB of
    /// each. Default false.
    pub event_values: bool,
    /// How often expired entries are looked for. Default 1 s.
    pub sweep_interval_us: u64,
    /// How often everything stored is read to find damage. Default 24 h, the first time a minute after the start; 0 never.
    pub scrub_interval_us: u64,
    /// Whether the store runs its threads (sync, checkpoint, housekeeping, scrubbing). A simulation turns them off
    /// and calls `step` itself.
    pub threads: bool,
    /// The backlog of topics; `None`: this store has none. Its threads run only when the store's do.
    pub topics: Option<topics::Options>,
    /// Files, time and chance; a test brings its own.
    pub machine: Machine,
}

impl Options {
    /// Defaults on the real machine.
    #[must_use]
    pub fn new(dir: impl AsRef<Path>) -> Options {
        let machine =
            Machine { disk: Arc::new(OsDisk), clock: Arc::new(OsClock::new()), rng: Arc::new(OsRng::new()) };
        Options {
            dir: dir.as_ref().into(),
            memory_bytes: 256 << 20,
            entries_max: 0,
            both_bounds: false,
            policy: PolicyKind::default(),
            segment_bytes: 64 << 20,
            sync_interval_us: 10_000,
            checkpoint_bytes: None,
            checkpoint_interval_us: 30_000_000,
            unsynced_bytes_max: 64 << 20,
            unsynced_age_us_max: 1_000_000,
            table_cache_bytes: None,
            table_check_bytes_max: crate::limits::TABLE_CHECK_BYTES_DEFAULT,
            free_bytes_min: None,
            feed_age_us: 0,
            feed_bytes_max: 1 << 30,
            event_values: false,
            sweep_interval_us: 1_000_000,
            scrub_interval_us: 24 * 3600 * 1_000_000,
            threads: true,
            topics: Some(topics::Options::default()),
            machine,
        }
    }

    /// Bytes of L2's page cache.
    pub(super) fn table_cache(&self) -> usize {
        let part = usize::try_from(self.memory_bytes / TABLE_CACHE_PART).unwrap_or(usize::MAX);
        self.table_cache_bytes.unwrap_or(part.clamp(1 << 20, 16 << 20))
    }

    /// The options of the rooms below.
    pub(super) fn parts(&self) -> Parts {
        let memory_bytes = self.memory_bytes.max(1 << 20);
        let checkpoint_bytes =
            self.checkpoint_bytes.unwrap_or((memory_bytes / 8).min(64 << 20)).max(64 << 10);
        let bounds = Bounds {
            unsynced_bytes_max: self.unsynced_bytes_max,
            unsynced_age_us_max: self.unsynced_age_us_max,
            // One checkpoint under way, one gathering, and some slack before writers wait.
            dirty_bytes_max: (checkpoint_bytes * 3).min(memory_bytes / 2).max(checkpoint_bytes),
            checkpoint_bytes,
            checkpoint_interval_us: self.checkpoint_interval_us,
            batch_bytes_max: 1 << 20,
        };
        Parts {
            bounds,
            memory: memory::Options {
                bytes_max: memory_bytes,
                entries_max: self.entries_max,
                both_bounds: self.both_bounds,
                policy: self.policy,
                ..memory::Options::default()
            },
            structures_bytes: memory_bytes / 4,
            table: table::Options {
                cache_bytes: self.table_cache(),
                filter_seed: self.machine.rng.next_u64(),
                check_bytes_max: self.table_check_bytes_max,
                ..table::Options::default()
            },
            log: log::Options { segment_bytes: self.segment_bytes, ..log::Options::default() },
            keep: Keep { age_us: self.feed_age_us, bytes_max: self.feed_bytes_max },
        }
    }
}
