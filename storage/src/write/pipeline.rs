//! The write path with its locks: staging, hand-over, leader/follower sync.
//!
//! ```text
//! stage      core lock: position, record bytes into the batch, memory applied, dirty list
//! hand over  writer lock, then core lock briefly: the batch becomes one frame, one write() -> written
//! sync       one leader at a time, no lock held while the disk works               -> durable
//! ```
//!
//! Whoever waits for durability and finds no leader becomes the leader: it hands over what everybody
//! has staged, syncs once, wakes whom that sync covers and one more, who leads next. No thread is
//! woken just to sync. Only where a sync is slow does a thread of its own lead, so that a slow disk
//! never stalls the caller's worker (see [`Pipeline::is_slow`]).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::core::{Positions, Refusal, WriteCore};
use super::dirty::Dirty;
use super::error::Error;
use super::marks::Hidden;
use super::pace::Pace;
use super::retention::{Keep, Retention};
use super::view::StateView;
use super::waiters::{Sleeper, Waiters};
use super::whole::Whole;
use crate::disk::Clock;
use crate::log::Log;
use crate::memory::{EntryRef, Memory};
use crate::record::{EntryFields, Lsn, Op, op};
use crate::state::{self, View};
use crate::structure::Structures;
use crate::table::Table;

/// What the lock guards.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) core: WriteCore,
    pub(crate) dirty: Dirty,
    /// Waiting for durability.
    pub(crate) waiters: Waiters,
    /// Waiting for room.
    pub(crate) crowded: Waiters,
    /// Following the log: woken by every sync.
    pub(crate) watchers: Waiters,
    /// Someone hands over and syncs for everybody.
    pub(crate) leading: bool,
    /// The sync thread sleeps without a time-out and must be told of the first unsynced byte.
    pub(crate) sync_thread_idle: bool,
    pub(crate) poison_cause: String,
}

/// See the module.
#[derive(Debug)]
pub struct Pipeline {
    pub(crate) memory: Memory,
    pub(crate) structures: Structures,
    pub(crate) hidden: Hidden,
    pub(crate) table: Table,
    pub(crate) log: Log,
    pub(crate) clock: Arc<dyn Clock>,
    whole: Whole,
    pub(crate) inner: Mutex<Inner>,
    /// Serialises appends. Taken before `inner`, never after.
    writer: Mutex<()>,
    /// One checkpoint at a time.
    pub(crate) checkpointer: Mutex<()>,
    written: AtomicU64,
    durable: AtomicU64,
    checkpoint: AtomicU64,
    time_us: AtomicU64,
    pace: Pace,
    /// Room the housekeeper makes ahead of need; 0: nobody does, writers make it themselves. A disk that
    /// stalls then stalls the housekeeper, and writers are told busy instead of hanging with it.
    prepares_bytes: AtomicU64,
    pub(crate) sync_wanted: Condvar,
    retention: Retention,
}

/// The moment a write was admitted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Now {
    /// State time.
    pub(crate) time_us: u64,
    pub(crate) monotonic_us: u64,
}

/// Where state lives: what [`StateView`] writes through to.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) memory: Memory,
    pub(crate) structures: Structures,
    pub(crate) hidden: Hidden,
    pub(crate) table: Table,
}

impl Pipeline {
    pub(crate) fn new(
        parts: State,
        log: Log,
        clock: Arc<dyn Clock>,
        core: WriteCore,
        dirty: Dirty,
        keep: Keep,
    ) -> Pipeline {
        let Positions { written, durable, checkpoint, .. } = core.positions();
        let retention = Retention::new(keep, written, clock.wall_us());
        let inner = Inner {
            core,
            dirty,
            waiters: Waiters::default(),
            crowded: Waiters::default(),
            watchers: Waiters::default(),
            leading: false,
            sync_thread_idle: false,
            poison_cause: String::new(),
        };
        let State { memory, structures, hidden, table } = parts;
        Pipeline {
            memory,
            structures,
            hidden,
            table,
            log,
            clock,
            whole: Whole::new(),
            inner: Mutex::new(inner),
            writer: Mutex::new(()),
            checkpointer: Mutex::new(()),
            written: AtomicU64::new(written.0),
            durable: AtomicU64::new(durable.0),
            checkpoint: AtomicU64::new(checkpoint.0),
            time_us: AtomicU64::new(0),
            pace: Pace::default(),
            prepares_bytes: AtomicU64::new(0),
            sync_wanted: Condvar::new(),
            retention,
        }
    }

    /// Last position handed to the OS. Pairs with the release in `hand_over`.
    #[must_use]
    pub fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    /// Last position that survives power loss. Pairs with the release in `lead`.
    #[must_use]
    pub fn durable_lsn(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// Last position L2 holds. Pairs with the release in `set_checkpoint`.
    #[must_use]
    pub fn checkpoint_lsn(&self) -> Lsn {
        Lsn(self.checkpoint.load(Ordering::Acquire))
    }

    /// Retires segments of the log through `through`, as far as nobody may still want to read them. Returns how many.
    pub(crate) fn retire(&self, through: Lsn) -> Result<usize, crate::log::Error> {
        let old = self.retention.pass(self.written(), self.clock.wall_us());
        self.log.retire_beyond(through, old, self.retention.bytes_max())
    }

    pub(crate) fn set_checkpoint(&self, lsn: Lsn) {
        self.checkpoint.store(lsn.0, Ordering::Release);
    }

    /// Sets the state time recovery found.
    pub(crate) fn seed_time(&self, time_us: u64) {
        self.time_us.store(time_us, Ordering::Relaxed);
    }

    /// State time for readers: wall time, never before the last logged time.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        // Relaxed: a reader that misses the newest value sees at worst an expired entry a moment
        // longer, as if it had read earlier.
        self.clock.wall_us().max(self.time_us.load(Ordering::Relaxed))
    }

    /// [`Pipeline::now_us`] by the coarse clock, for a reader that asks for each single key.
    #[must_use]
    pub fn coarse_now_us(&self) -> u64 {
        // Relaxed: as in `now_us`.
        self.clock.coarse_wall_us().max(self.time_us.load(Ordering::Relaxed))
    }

    /// Whether a version found with this position belongs to a batch that is being applied: wait with
    /// [`Pipeline::wait_whole`] and look again, or a half-done batch is seen.
    #[inline]
    pub(crate) fn is_partial(&self, lsn: Lsn) -> bool {
        self.whole.is_partial(lsn)
    }

    /// Blocks until the batch that is being applied is whole. Never under the core lock.
    #[cold]
    pub(crate) fn wait_whole(&self) {
        drop(self.inner.lock());
    }

    /// The current version of a key, without counting the read: [`Memory::peek`] for readers outside of the core lock.
    pub(crate) fn peek_whole(&self, key: &[u8]) -> Option<EntryRef> {
        loop {
            let entry = self.memory.peek(key)?;
            if !self.is_partial(entry.lsn()) {
                return Some(entry);
            }
            self.wait_whole();
        }
    }

    /// The current version of a key: [`Memory::get`] for readers outside of the core lock.
    pub(crate) fn get_whole(&self, key: &[u8], now_us: u64) -> Option<EntryRef> {
        loop {
            let entry = self.memory.get(key, now_us)?;
            if !self.is_partial(entry.lsn()) {
                return Some(entry);
            }
            self.wait_whole();
        }
    }

    /// Takes the core lock with time moved on; `Err` when a write cannot be staged now. `bytes`: what
    /// the record will take at most.
    pub(crate) fn admit(&self, bytes: usize) -> Result<(MutexGuard<'_, Inner>, Now), Error> {
        loop {
            let mut inner = self.inner.lock();
            if inner.core.is_poisoned() {
                return Err(Error::Poisoned { cause: inner.poison_cause.clone() });
            }
            let needed = (inner.core.pending_bytes() + bytes) as u64;
            if !self.log.has_room(needed) {
                drop(inner);
                if needed <= self.prepares_bytes.load(Ordering::Relaxed) {
                    return Err(Error::Busy);
                }
                self.log.reserve(needed).map_err(no_space)?;
                continue;
            }
            let monotonic_us = self.clock.monotonic_us();
            match inner.core.admit(monotonic_us) {
                Ok(()) => {
                    let time_us = inner.core.advance_time(self.clock.wall_us());
                    self.time_us.store(time_us, Ordering::Relaxed);
                    return Ok((inner, Now { time_us, monotonic_us }));
                }
                Err(Refusal::BatchFull) => {
                    let staged = inner.core.staged();
                    drop(inner);
                    self.hand_over(staged)?;
                }
                Err(Refusal::Poisoned) => return Err(Error::Poisoned { cause: inner.poison_cause.clone() }),
                Err(Refusal::Unsynced | Refusal::Dirty) => {
                    // What is staged may be all that is unsynced, and nobody else has told the thread of it.
                    self.sync_wanted.notify_one();
                    return Err(Error::Busy);
                }
            }
        }
    }

    /// Gives `op` its position, logs it into the batch and applies it. Infallible: everything that
    /// can refuse it was asked in [`Pipeline::admit`].
    pub(crate) fn stage(&self, inner: &mut Inner, now: Now, op: &Op<'_>) -> Lsn {
        let (lsn, body) = inner.core.stage();
        op::encode_into(0, op, body);
        let several = matches!(op, Op::Batch(_));
        if several {
            self.whole.begin(lsn);
        }
        let mut view = self.view(inner);
        let applied = state::apply(lsn, op, &mut view);
        let dirty_bytes = view.dirty_bytes;
        if several {
            self.whole.end();
        }
        inner.core.add_dirty(dirty_bytes, now.monotonic_us);
        if let Err(error) = applied {
            // The record is in the batch and the state does not follow it: nothing may be promised any more.
            inner.core.poison();
            inner.poison_cause = error.to_string();
        }
        lsn
    }

    /// Writes a version to memory that no record stands for; a checkpoint takes the key's row away.
    pub(crate) fn write_unlogged(&self, inner: &mut Inner, now: Now, key: &[u8], fields: &EntryFields<'_>) {
        let mut view = self.view(inner);
        view.write(key, fields);
        let dirty_bytes = view.dirty_bytes;
        inner.core.add_dirty(dirty_bytes, now.monotonic_us);
    }

    fn view<'a>(&'a self, inner: &'a mut Inner) -> StateView<'a> {
        StateView {
            memory: &self.memory,
            structures: &self.structures,
            hidden: &self.hidden,
            table: &self.table,
            dirty: &mut inner.dirty,
            dirty_bytes: 0,
        }
    }

    /// Makes `lsn` and everything before it *written*: one write() for everything staged. Returns at
    /// once when it already is.
    pub fn hand_over(&self, lsn: Lsn) -> Result<(), Error> {
        if self.written() >= lsn {
            return Ok(());
        }
        let _turn = self.writer.lock();
        while self.written() < lsn {
            let mut write = {
                let mut inner = self.inner.lock();
                match inner.core.begin_write() {
                    Some(write) => write,
                    None => return Err(Error::UnknownOutcome { cause: inner.poison_cause.clone() }),
                }
            };
            let appended = self.log.append(&write.head, &mut write.frame);
            let last = write.last_lsn();
            let mut inner = self.inner.lock();
            inner.core.end_write(write, appended.is_ok(), self.clock.monotonic_us());
            if let Err(error) = appended {
                return Err(self.poisoned(inner, &error.to_string()));
            }
            self.written.store(last.0, Ordering::Release);
            if std::mem::take(&mut inner.sync_thread_idle) {
                self.sync_wanted.notify_one();
            }
        }
        Ok(())
    }

    /// Records the failure, wakes everyone, and says what the caller should see.
    pub(crate) fn poisoned(&self, mut inner: MutexGuard<'_, Inner>, cause: &str) -> Error {
        inner.core.poison();
        if inner.poison_cause.is_empty() {
            inner.poison_cause = cause.to_owned();
        }
        let mut sleepers = inner.waiters.take_all();
        sleepers.append(&mut inner.crowded.take_all());
        sleepers.append(&mut inner.watchers.take_all());
        drop(inner);
        sleepers.into_iter().for_each(Sleeper::wake);
        Error::UnknownOutcome { cause: cause.to_owned() }
    }

    /// Blocks until `lsn` is durable, syncing for everybody when nobody else does.
    pub fn wait_durable(&self, lsn: Lsn) -> Result<(), Error> {
        while self.durable_lsn() < lsn {
            let mut inner = self.inner.lock();
            if self.durable_lsn() >= lsn {
                break;
            }
            if inner.core.is_poisoned() {
                return Err(Error::UnknownOutcome { cause: inner.poison_cause.clone() });
            }
            if inner.leading {
                inner.waiters.add(lsn, Sleeper::current_thread());
                drop(inner);
                std::thread::park();
            } else {
                inner.leading = true;
                drop(inner);
                self.lead()?;
            }
        }
        Ok(())
    }

    /// The leader's turn; `leading` is set. Hands over what is staged, syncs, wakes.
    pub(crate) fn lead(&self) -> Result<(), Error> {
        let staged = self.inner.lock().core.staged();
        if let Err(error) = self.hand_over(staged) {
            self.inner.lock().leading = false;
            return Err(error);
        }
        let began_us = self.clock.monotonic_us();
        let sync = self.inner.lock().core.begin_sync(began_us);
        let synced = sync.map(|_| self.log.sync());
        let mut inner = self.inner.lock();
        inner.leading = false;
        match synced {
            None => {}
            Some(Ok(durable)) => {
                inner.core.end_sync(Some(durable));
                self.durable.store(durable.0, Ordering::Release);
                self.pace.count(self.clock.monotonic_us().saturating_sub(began_us));
            }
            Some(Err(error)) => {
                inner.core.end_sync(None);
                return Err(self.poisoned(inner, &error.to_string()));
            }
        }
        let durable = self.durable_lsn();
        let mut sleepers = inner.waiters.take_through(durable);
        sleepers.append(&mut inner.crowded.take_all());
        sleepers.append(&mut inner.watchers.take_all());
        drop(inner);
        sleepers.into_iter().for_each(Sleeper::wake);
        Ok(())
    }

    /// Whether syncs are slow here and a thread of its own leads.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.pace.is_slow()
    }

    /// Says that a thread exists that leads when asked through `sync_wanted`.
    pub(crate) fn has_sync_thread(&self) {
        self.pace.has_thread();
    }

    /// Says that somebody prepares segments with room for `bytes`, or, with 0, that nobody can.
    pub(crate) fn set_prepares(&self, bytes: u64) {
        // Relaxed: a writer that sees the old value waits or works once too often.
        self.prepares_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Wakes everyone who waits for room.
    pub(crate) fn wake_crowded(&self) {
        let sleepers = self.inner.lock().crowded.take_all();
        sleepers.into_iter().for_each(Sleeper::wake);
    }

    /// Whether an ordinary record would find room in the log.
    pub(crate) fn has_log_room(&self, inner: &Inner) -> bool {
        const ORDINARY_BYTES: u64 = 16 << 10;
        self.log.has_room(inner.core.pending_bytes() as u64 + ORDINARY_BYTES)
    }

    /// Moving mean of the sync time in microseconds, and how many syncs there were.
    #[must_use]
    pub fn sync_figures(&self) -> (u64, u64) {
        self.pace.figures()
    }

    /// Where everything stands.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.inner.lock().core.positions()
    }

    /// Blocks until something made room, or at once when there is room.
    pub fn wait_room(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        match inner.core.admit(self.clock.monotonic_us()) {
            Ok(()) if !self.has_log_room(&inner) => {}
            Ok(()) | Err(Refusal::BatchFull) => return Ok(()),
            Err(Refusal::Poisoned) => return Err(Error::Poisoned { cause: inner.poison_cause.clone() }),
            Err(Refusal::Unsynced | Refusal::Dirty) => {}
        }
        inner.crowded.add(Lsn::ZERO, Sleeper::current_thread());
        drop(inner);
        std::thread::park_timeout(std::time::Duration::from_millis(100));
        Ok(())
    }
}

pub(crate) fn no_space(error: crate::log::Error) -> Error {
    match error {
        crate::log::Error::NoSpace { .. } => Error::NoSpace { what: error.to_string() },
        other => Error::Log(other),
    }
}
