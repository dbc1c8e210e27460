//! The front door: open, get, submit, scan, feed, snapshot, close.
//!
//! ```
//! use mpreg_storage::record::Key;
//! use mpreg_storage::store::{Level, Options, Store};
//!
//! let dir = tempfile::tempdir()?;
//! let key = Key::new("user_sessions", "session_123")?;
//! {
//!     let store = Store::open(Options::new(dir.path()))?;
//!     let stored = store.put(key.as_bytes(), br#"{"user":7}"#, Level::Strong)?;
//!     assert!(store.durable_lsn() >= stored.lsn);
//!     store.close()?;
//! }
//! let store = Store::open(Options::new(dir.path()))?;
//! let entry = store.get(key.as_bytes())?.expect("a strong put survives");
//! assert_eq!(entry.value(), br#"{"user":7}"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod background;
mod batch;
mod directory;
mod error;
mod events;
mod feed;
mod flight;
mod known;
mod look;
mod operation;
mod options;
mod overlay;
mod plan;
mod read;
mod removal;
mod scan;
mod scrub;
mod stats;
mod structures;
mod submit;
mod sweep;
mod tags;
mod topics;
mod volatile;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

pub use batch::{BatchDone, BatchError, Batched, Judge, Once};
pub use directory::{FORMAT_VERSION, FORMAT_VERSION_MIN};
pub use error::Error;
pub use events::{Event, EventKind, EventStep, EventValue, Events, EventsFrom};
pub use feed::{Feed, FeedFrame};
pub use look::{Look, MemberSource, Members, Seen};
pub use operation::{Creation, Done, NewVersion, Operation, Outcome, Update, Verdict};
pub use options::{Level, Options};
pub use read::Read;
pub use removal::Removed;
pub use scan::{Page, Row, Snapshot};
pub use scrub::Scrubbed;
pub use stats::Stats;
pub use structures::Found;
pub use submit::Ticket;
pub use witness::{Witness, Witnessed};

use crate::record::Lsn;
use crate::topics::Topics;
use crate::write::Pipeline;
use crate::write::checkpoint::Folded;
use crate::write::recovery::{Recovered, recover};
use background::Threads;
use directory::Directory;
use flight::Flights;
use scrub::Scrubber;
use sweep::Sweeper;
use tags::Reclaimer;

/// Rows the negative filter looks at per step of housekeeping.
const FILTER_ROWS_PER_STEP: usize = 100_000;

/// What a dirty entry costs beside its own bytes: its handle on the dirty list, and in a checkpoint its place in
/// the order of keys and among the last versions.
const CHECKPOINT_BYTES_PER_ENTRY: u64 = 56;
/// Bytes of the smallest entry, to tell a number of entries from their bytes.
const ENTRY_BYTES_MIN: u64 = 64;

/// A handle on an open store; clones share it. The last one dropped stops the threads without a
/// checkpoint: call [`Store::close`] for a clean stop.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
    /// Only in the handles a user holds, so that the threads do not keep themselves alive.
    threads: Option<Arc<Threads>>,
}

/// What all handles and threads share.
#[derive(Debug)]
struct Shared {
    pipeline: Arc<Pipeline>,
    topics: Option<Topics>,
    options: Options,
    directory: Arc<Directory>,
    recovered: Recovered,
    flights: Flights,
    sweeper: Mutex<Sweeper>,
    reclaimer: Mutex<Reclaimer>,
    scrubber: Mutex<Scrubber>,
    /// Free space is below its minimum: puts are refused.
    full: AtomicBool,
    /// What went wrong in the background and is tried again.
    trouble: Mutex<Option<String>>,
    /// What the scrubber found.
    damage: Mutex<Option<String>>,
}

impl Store {
    /// Opens the store in `options.dir`, creating it when absent, and recovers what the log holds
    /// above the last checkpoint.
    ///
    /// # Errors
    /// `InUse`, `Format`; damage in log or L2 is reported with its place and nothing is opened:
    /// acknowledged data is never cut off.
    pub fn open(options: Options) -> Result<Store, Error> {
        let machine = &options.machine;
        let directory = Directory::open(machine.disk.as_ref(), machine.rng.as_ref(), &options.dir)?;
        let directory = Arc::new(directory);
        let recover = || recover(machine, &options.dir, &options.parts());
        let (recovered, topics) = topics::open_beside(&options, &directory, recover);
        let ((pipeline, recovered), topics) = (recovered?, topics?);
        if let Some(topics) = &topics {
            topics.advance_time(pipeline.now_us());
        }
        let shared = Arc::new(Shared {
            pipeline: Arc::new(pipeline),
            topics,
            directory,
            recovered,
            flights: Flights::new(),
            sweeper: Mutex::new(Sweeper::default()),
            reclaimer: Mutex::new(Reclaimer::default()),
            scrubber: Mutex::new(Scrubber::new(machine.clock.monotonic_us(), options.scrub_interval_us)),
            full: AtomicBool::new(false),
            trouble: Mutex::new(None),
            damage: Mutex::new(None),
            options,
        });
        shared.check_space();
        let threads = shared.options.threads.then(|| Arc::new(Threads::start(&shared)));
        Ok(Store { shared, threads })
    }

    /// What the start found and how long it took.
    #[must_use]
    pub fn recovered(&self) -> &Recovered {
        &self.shared.recovered
    }

    /// Identity of this data directory, 32 hexadecimal digits.
    #[must_use]
    pub fn node_id(&self) -> &str {
        &self.shared.directory.node_id
    }

    /// State time, microseconds since 1970 UTC: never before the last logged time.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.shared.pipeline.now_us()
    }

    /// Last position given to a record, handed to the OS or not. Cost: one lock.
    #[must_use]
    pub fn staged(&self) -> Lsn {
        self.shared.pipeline.inner.lock().core.staged()
    }

    /// Last position handed to the OS.
    #[must_use]
    pub fn written(&self) -> Lsn {
        self.shared.pipeline.written()
    }

    /// Last position that survives a power cut.
    #[must_use]
    pub fn durable_lsn(&self) -> Lsn {
        self.shared.pipeline.durable_lsn()
    }

    /// Last position that is in L2.
    #[must_use]
    pub fn checkpoint_lsn(&self) -> Lsn {
        self.shared.pipeline.checkpoint_lsn()
    }

    /// Why nothing can be written any more, once that is so: reopen the store, which for a server means to end
    /// the process. Cost: one lock.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let failure = {
            let inner = self.shared.pipeline.inner.lock();
            inner.core.is_poisoned().then(|| inner.poison_cause.clone())
        };
        failure.or_else(|| self.topics()?.failure())
    }

    /// Folds everything dirty into L2 now; `None` when nothing is. Blocks.
    pub fn checkpoint(&self) -> Result<Option<Folded>, Error> {
        Ok(self.shared.pipeline.run_checkpoint()?)
    }

    /// What an operator should know although the store goes on: stored data was found damaged, a checkpoint failed
    /// and is tried again, or the disk is nearly full. `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        if let Some(damage) = self.shared.damage.lock().clone() {
            return Some(damage);
        }
        if let Some(trouble) = self.shared.trouble.lock().clone() {
            return Some(trouble);
        }
        if let Some(trouble) = self.topics().and_then(Topics::trouble) {
            return Some(trouble);
        }
        let full = self.shared.full.load(Ordering::Relaxed);
        full.then(|| "the disk is nearly full: puts are refused, reads and deletes go on".to_owned())
    }

    /// Drops every clean entry from memory. No answer changes; the next reads come from L2.
    pub fn drop_clean(&self) {
        self.shared.pipeline.memory.drop_clean();
    }

    /// Clean stop: stops the threads, checkpoints, seals the log. Later calls on other handles answer
    /// with errors. Blocks.
    pub fn close(mut self) -> Result<(), Error> {
        if let Some(threads) = self.threads.take() {
            threads.stop();
        }
        let pipeline = &self.shared.pipeline;
        let staged = pipeline.inner.lock().core.staged();
        pipeline.wait_durable(staged)?;
        pipeline.run_checkpoint()?;
        pipeline.log.close()?;
        if let Some(topics) = self.topics() {
            topics.close()?;
        }
        let inner = pipeline.inner.lock();
        drop(pipeline.poisoned(inner, "the store was closed"));
        Ok(())
    }

    /// What the threads do, once: sync what is unsynced, checkpoint when due, sweep, prepare the next
    /// segment, scrub when due. For simulations and for embedders that run no threads.
    pub fn step(&self) -> Result<(), Error> {
        self.shared.step_sync()?;
        self.shared.step_checkpoint()?;
        if let Some(topics) = self.topics() {
            topics.step()?;
        }
        self.shared.step_housekeeping()?;
        self.shared.step_scrub().map(drop)
    }
}

impl Shared {
    /// Refuses a put of `bytes` when the disk is nearly full. The flag is looked at again before a put
    /// that would take a new segment.
    fn refuse_when_full(&self, bytes: u64) -> Result<(), Error> {
        const STAGED_BYTES_MAX: u64 = 2 << 20;
        if !self.pipeline.log.has_room(bytes + STAGED_BYTES_MAX) {
            self.check_space();
        }
        // Relaxed: a write that slips past the flag finds the reserve of the log.
        if self.full.load(Ordering::Relaxed) {
            let what = "free disk space is below its minimum; reads and deletes go on".into();
            return Err(crate::write::Error::NoSpace { what }.into());
        }
        Ok(())
    }

    /// Full means: what is free beyond the minimum would not take the checkpoint of what is dirty (new
    /// pages beside the old ones) and one more segment. Puts stop there, so that the checkpoint and the
    /// deletes that bring space back still find room.
    fn check_space(&self) {
        let Options { machine, dir, free_bytes_min, segment_bytes, .. } = &self.options;
        let min = free_bytes_min.unwrap_or_else(|| {
            let total = machine.disk.total_space(dir).unwrap_or(0);
            (total / 20).max(256 << 20)
        });
        let dirty_bytes = self.pipeline.inner.lock().core.dirty_bytes();
        let segment_bytes = if self.pipeline.log.wants_prepare() { *segment_bytes } else { 0 };
        let needed = min.saturating_add(dirty_bytes.saturating_mul(2)).saturating_add(segment_bytes);
        if let Ok(free) = machine.disk.free_space(dir) {
            self.full.store(free < needed && min > 0, Ordering::Relaxed);
        }
    }

    /// Blocks until there may be room; does the work itself when there are no threads for it.
    fn wait_room(&self) -> Result<(), Error> {
        if !self.options.threads {
            self.step_sync()?;
            self.pipeline.run_checkpoint()?;
            return Ok(());
        }
        Ok(self.pipeline.wait_room()?)
    }

    fn step_sync(&self) -> Result<(), Error> {
        let staged = self.pipeline.inner.lock().core.staged();
        Ok(self.pipeline.wait_durable(staged)?)
    }

    fn step_checkpoint(&self) -> Result<(), Error> {
        let due = self.pipeline.inner.lock().core.checkpoint_due(self.pipeline.clock.monotonic_us());
        if due {
            self.pipeline.run_checkpoint()?;
        }
        Ok(())
    }

    /// Makes the next segment ahead of need. Where that fails, writers try for themselves and are told why.
    fn prepare(&self) -> Result<(), Error> {
        let prepared = self.pipeline.log.prepare();
        let ahead_bytes = if self.options.threads { self.options.segment_bytes / 2 } else { 0 };
        self.pipeline.set_prepares(if prepared.is_ok() { ahead_bytes } else { 0 });
        if prepared? {
            self.pipeline.wake_crowded();
        }
        Ok(())
    }

    /// Counts what the store holds beside its entries against their bound, so that the limit is one for all.
    fn count_memory(&self) {
        let pipeline = &self.pipeline;
        // While one runs its entries become clean one by one, and the rest would look replaced.
        let Some(_no_checkpoint) = pipeline.checkpointer.try_lock() else { return };
        let dirty_bytes = pipeline.inner.lock().core.dirty_bytes();
        let held = pipeline.memory.stats();
        // Versions that were replaced before a checkpoint took them are in no table, only on the dirty list.
        let replaced_bytes = dirty_bytes.saturating_sub(held.dirty_bytes);
        let handles_bytes =
            (held.dirty_entries + replaced_bytes / ENTRY_BYTES_MIN) * CHECKPOINT_BYTES_PER_ENTRY;
        let table_bytes = self.options.table_cache() as u64 + pipeline.table.filter_bytes();
        pipeline.memory.reserve(replaced_bytes + handles_bytes + table_bytes);
    }

    fn step_housekeeping(&self) -> Result<(), Error> {
        self.check_space();
        self.count_memory();
        // Relaxed: as in `refuse_when_full`.
        if self.full.load(Ordering::Relaxed) {
            self.pipeline.set_prepares(0);
            // Whoever follows the log must do with less when writers have none.
            let before = self.pipeline.positions().checkpoint_before;
            self.pipeline.log.retire(before)?;
            self.pipeline.log.release_spares()?;
        } else {
            self.prepare()?;
        }
        self.pipeline.table.filter_step(FILTER_ROWS_PER_STEP)?;
        self.shrink_structures();
        self.reclaim_tags(&self.reclaimer)?;
        self.sweep()
    }
}
