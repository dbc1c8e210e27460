//! Group commit over one log and nothing else: the write path without memory, table and checkpoints.
//!
//! ```text
//! stage      core lock: position, record bytes into the batch
//! hand over  writers' turn: the batch becomes one frame, one write(); the follower is told   -> written
//! sync       one leader at a time, no lock held while the disk works                         -> durable
//! ```
//!
//! The order of things is [`WriteCore`]'s, as in [`Pipeline`](super::Pipeline), of which this is the part that
//! needs nothing but a log; nothing is ever dirty here. A [`Follower`] sees every frame in log order before anybody
//! may call it written: what it keeps about the log is never behind what a reader was promised.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::{Condvar, Mutex, MutexGuard};

use super::core::{Refusal, WriteCore};
use super::error::Error;
use super::pace::Pace;
use super::waiters::{Sleeper, Waiters};
use crate::disk::Clock;
use crate::log::{Appended, FrameHead, Log};
use crate::record::Lsn;

/// Whoever keeps something about every frame of the log.
pub trait Follower: Send + Sync + Debug + 'static {
    /// A frame was handed to the OS. In log order, one at a time, before its records count as written.
    fn appended(&self, log: &Log, head: &FrameHead, at: Appended, body: &[u8]);
}

/// A record that has its place but is not promised yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Staged {
    /// Its position in the log.
    pub lsn: Lsn,
    /// State time, microseconds since 1970 UTC: never less than that of the record before.
    pub time_us: u64,
}

#[derive(Debug)]
struct Inner {
    core: WriteCore,
    /// Waiting for durability.
    waiters: Waiters,
    /// Waiting for room.
    crowded: Waiters,
    /// Someone hands over and syncs for everybody.
    leading: bool,
    /// The sync thread sleeps without a time-out and must be told of the first unsynced byte.
    sync_thread_idle: bool,
    poison_cause: String,
}

/// See the module. Shared by reference; all methods may be called from several threads.
#[derive(Debug)]
pub struct Journal<F> {
    log: Log,
    clock: Arc<dyn Clock>,
    follower: F,
    inner: Mutex<Inner>,
    /// Serialises appends. Taken before `inner`, never after.
    writer: Mutex<()>,
    written: AtomicU64,
    durable: AtomicU64,
    time_us: AtomicU64,
    pace: Pace,
    /// Room somebody makes ahead of need; 0: nobody does, whoever writes makes it.
    prepares_bytes: AtomicU64,
    sync_wanted: Condvar,
}

impl<F: Follower> Journal<F> {
    /// Goes on after everything in `log`, all of which is durable.
    pub fn new(log: Log, clock: Arc<dyn Clock>, mut core: WriteCore, follower: F) -> Journal<F> {
        let last = core.staged().0;
        let time_us = core.advance_time(0);
        let inner = Inner {
            core,
            waiters: Waiters::default(),
            crowded: Waiters::default(),
            leading: false,
            sync_thread_idle: false,
            poison_cause: String::new(),
        };
        Journal {
            log,
            clock,
            follower,
            inner: Mutex::new(inner),
            writer: Mutex::new(()),
            written: AtomicU64::new(last),
            durable: AtomicU64::new(last),
            time_us: AtomicU64::new(time_us),
            pace: Pace::default(),
            prepares_bytes: AtomicU64::new(0),
            sync_wanted: Condvar::new(),
        }
    }

    /// The log below.
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// Who is told of every frame.
    pub fn follower(&self) -> &F {
        &self.follower
    }

    /// Last position given out.
    #[must_use]
    pub fn staged(&self) -> Lsn {
        self.inner.lock().core.staged()
    }

    /// Last position handed to the OS. Pairs with the release in `hand_over`.
    #[must_use]
    pub fn written(&self) -> Lsn {
        Lsn(self.written.load(Ordering::Acquire))
    }

    /// Last position that survives a power cut. Pairs with the release in `lead`.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        Lsn(self.durable.load(Ordering::Acquire))
    }

    /// State time for readers: wall time, never before that of the last record.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        // Relaxed: a reader that misses the newest value asked a moment earlier.
        self.clock.wall_us().max(self.time_us.load(Ordering::Relaxed))
    }

    /// No record from now on has an earlier time than this.
    pub fn advance_time(&self, floor_us: u64) {
        let time_us = self.inner.lock().core.advance_time(floor_us);
        self.time_us.store(time_us, Ordering::Relaxed);
    }

    /// Bytes a power cut would take now.
    #[must_use]
    pub fn unsynced_bytes(&self) -> u64 {
        self.inner.lock().core.unsynced_bytes()
    }

    /// Why nothing can be written any more, once that is so.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        let inner = self.inner.lock();
        inner.core.is_poisoned().then(|| inner.poison_cause.clone())
    }

    /// Moving mean of the sync time in microseconds, and how many syncs there were.
    #[must_use]
    pub fn sync_figures(&self) -> (u64, u64) {
        self.pace.figures()
    }

    /// Gives one record of at most `bytes` bytes its place; `encode` appends it to the frame under the core lock,
    /// where no other record can come in between.
    ///
    /// # Errors
    /// Nothing was staged: `Poisoned`, `Busy` (wait until there is room), `NoSpace`, `Log`.
    pub fn stage<R>(
        &self,
        bytes: usize,
        encode: impl FnOnce(Staged, &mut Vec<u8>) -> R,
    ) -> Result<(Staged, R), Error> {
        let (mut inner, time_us) = self.admit(bytes)?;
        let (lsn, body) = inner.core.stage();
        let staged = Staged { lsn, time_us };
        let encoded = encode(staged, body);
        Ok((staged, encoded))
    }

    /// Takes the core lock with time moved on.
    fn admit(&self, bytes: usize) -> Result<(MutexGuard<'_, Inner>, u64), Error> {
        loop {
            let mut inner = self.inner.lock();
            if inner.core.is_poisoned() {
                return Err(Error::Poisoned { cause: inner.poison_cause.clone() });
            }
            let needed = (inner.core.pending_bytes() + bytes) as u64;
            if !self.log.has_room(needed) {
                drop(inner);
                // Relaxed: a writer that sees the old value waits or works once too often.
                if needed <= self.prepares_bytes.load(Ordering::Relaxed) {
                    return Err(Error::Busy);
                }
                self.log.reserve(needed).map_err(no_space)?;
                continue;
            }
            match inner.core.admit(self.clock.monotonic_us()) {
                Ok(()) => {
                    let time_us = inner.core.advance_time(self.clock.wall_us());
                    self.time_us.store(time_us, Ordering::Relaxed);
                    return Ok((inner, time_us));
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

    /// Makes `lsn` and everything before it *written*: one write() for everything staged. Returns at once when it
    /// already is.
    ///
    /// # Errors
    /// `UnknownOutcome`: the log failed, and the journal with it.
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
            if let Ok(at) = appended {
                self.follower.appended(&self.log, &write.head, at, write.frame.body());
            }
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
    fn poisoned(&self, mut inner: MutexGuard<'_, Inner>, cause: &str) -> Error {
        inner.core.poison();
        if inner.poison_cause.is_empty() {
            inner.poison_cause = cause.to_owned();
        }
        let mut sleepers = inner.waiters.take_all();
        sleepers.append(&mut inner.crowded.take_all());
        drop(inner);
        sleepers.into_iter().for_each(Sleeper::wake);
        Error::UnknownOutcome { cause: cause.to_owned() }
    }

    /// Blocks until `lsn` is durable, syncing for everybody when nobody else does.
    ///
    /// # Errors
    /// `UnknownOutcome`: the log failed meanwhile.
    pub fn wait_durable(&self, lsn: Lsn) -> Result<(), Error> {
        while self.durable() < lsn {
            let mut inner = self.inner.lock();
            if self.durable() >= lsn {
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
                let company = !inner.waiters.is_empty();
                drop(inner);
                if company {
                    // Those the last sync woke are about to stage their next records: let them get in.
                    std::thread::yield_now();
                }
                self.lead()?;
            }
        }
        Ok(())
    }

    /// The leader's turn; `leading` is set. Hands over what is staged, syncs, wakes.
    fn lead(&self) -> Result<(), Error> {
        let staged = self.staged();
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
        let durable = self.durable();
        let mut sleepers = inner.waiters.take_through(durable);
        sleepers.append(&mut inner.crowded.take_all());
        drop(inner);
        sleepers.into_iter().for_each(Sleeper::wake);
        Ok(())
    }

    /// Whether syncs are slow here and a thread of its own leads.
    #[must_use]
    pub fn is_slow(&self) -> bool {
        self.pace.is_slow()
    }

    /// Says that a thread runs [`Journal::run_syncs`].
    pub fn has_sync_thread(&self) {
        self.pace.has_thread();
    }

    /// Says that somebody prepares segments with room for `bytes`, or, with 0, that nobody can.
    pub fn set_prepares(&self, bytes: u64) {
        // Relaxed: see `admit`.
        self.prepares_bytes.store(bytes, Ordering::Relaxed);
    }

    /// Wakes everyone who waits for room.
    pub fn wake_crowded(&self) {
        let sleepers = self.inner.lock().crowded.take_all();
        sleepers.into_iter().for_each(Sleeper::wake);
    }

    /// Whether an ordinary record would be staged now.
    fn has_room(&self, inner: &Inner) -> bool {
        const ORDINARY_BYTES: u64 = 16 << 10;
        let admitted =
            matches!(inner.core.admit(self.clock.monotonic_us()), Ok(()) | Err(Refusal::BatchFull));
        admitted && self.log.has_room(inner.core.pending_bytes() as u64 + ORDINARY_BYTES)
    }

    /// Blocks until something made room, at most 100 ms; at once when there is room.
    ///
    /// # Errors
    /// `Poisoned`.
    pub fn wait_room(&self) -> Result<(), Error> {
        let mut inner = self.inner.lock();
        if inner.core.is_poisoned() {
            return Err(Error::Poisoned { cause: inner.poison_cause.clone() });
        }
        if self.has_room(&inner) {
            return Ok(());
        }
        inner.crowded.add(Lsn::ZERO, Sleeper::current_thread());
        drop(inner);
        std::thread::park_timeout(Duration::from_millis(100));
        Ok(())
    }

    /// Syncs idle tails every `interval`, and leads every sync where syncs are slow. The body of the sync thread;
    /// returns soon after `stopping` was set and [`Journal::wake_sync_thread`] called.
    pub fn run_syncs(&self, stopping: &AtomicBool, interval: Duration) {
        while !stopping.load(Ordering::Acquire) {
            let mut inner = self.inner.lock();
            // Again, under the lock that the stop takes between setting the flag and notifying: a stop that came
            // in between would notify nobody, and the wait below has no time-out.
            if stopping.load(Ordering::Acquire) {
                return;
            }
            if inner.core.staged() <= self.durable() || inner.core.is_poisoned() {
                inner.sync_thread_idle = true;
                self.sync_wanted.wait(&mut inner);
                inner.sync_thread_idle = false;
            }
            // Where syncs are slow nobody else leads, so whoever waits is served at once.
            let asked = self.is_slow() && !inner.waiters.is_empty() && !inner.leading;
            if !asked {
                self.sync_wanted.wait_for(&mut inner, interval);
            }
            let lead = !inner.leading && !inner.core.is_poisoned() && inner.core.staged() > self.durable();
            if lead {
                inner.leading = true;
                drop(inner);
                // A failure has poisoned the journal and told everyone who waited.
                let _ = self.lead();
            }
        }
    }

    /// Makes the sync thread look at its stop flag, which was set before.
    pub fn wake_sync_thread(&self) {
        let _inner = self.inner.lock();
        self.sync_wanted.notify_all();
    }

    /// Clean stop: everything staged becomes durable and the log is sealed; whoever writes later is refused.
    ///
    /// # Errors
    /// `UnknownOutcome`, `Log`.
    pub fn close(&self) -> Result<(), Error> {
        self.wait_durable(self.staged())?;
        self.log.close()?;
        let inner = self.inner.lock();
        drop(self.poisoned(inner, "the store was closed"));
        Ok(())
    }

    /// Waits for one position without a runtime.
    fn poll_durable(
        &self,
        lsn: Lsn,
        gave_way: &mut bool,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), Error>> {
        loop {
            if self.durable() >= lsn {
                return Poll::Ready(Ok(()));
            }
            let mut inner = self.inner.lock();
            if self.durable() >= lsn {
                return Poll::Ready(Ok(()));
            }
            if inner.core.is_poisoned() {
                return Poll::Ready(Err(Error::UnknownOutcome { cause: inner.poison_cause.clone() }));
            }
            if inner.leading || self.is_slow() {
                inner.waiters.add(lsn, Sleeper::Task(context.waker().clone()));
                self.sync_wanted.notify_one();
                return Poll::Pending;
            }
            if !std::mem::replace(gave_way, true) {
                drop(inner);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            inner.leading = true;
            drop(inner);
            if let Err(error) = self.lead() {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Registers one task that waits for room; ready when there is some, or never will be.
    fn poll_room(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut inner = self.inner.lock();
        if inner.core.is_poisoned() || self.has_room(&inner) {
            return Poll::Ready(());
        }
        inner.crowded.add(Lsn::ZERO, Sleeper::Task(context.waker().clone()));
        Poll::Pending
    }
}

/// Somebody who owns a journal together with others.
pub trait Keeper: Debug + Unpin {
    /// What follows the journal.
    type Follower: Follower;
    /// The journal.
    fn journal(&self) -> &Journal<Self::Follower>;
}

/// Resolves when a position is durable; as [`Durable`](super::Durable) of the store.
#[derive(Debug)]
#[must_use = "nothing is waited for until it is polled"]
pub struct Durable<K> {
    keeper: K,
    lsn: Lsn,
    gave_way: bool,
}

impl<K: Keeper> Durable<K> {
    /// Waits for `lsn`.
    pub fn new(keeper: K, lsn: Lsn) -> Durable<K> {
        Durable { keeper, lsn, gave_way: false }
    }

    /// Blocks instead.
    ///
    /// # Errors
    /// `UnknownOutcome`.
    pub fn wait(self) -> Result<(), Error> {
        self.keeper.journal().wait_durable(self.lsn)
    }
}

impl<K: Keeper> Future for Durable<K> {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        this.keeper.journal().poll_durable(this.lsn, &mut this.gave_way, context)
    }
}

/// Resolves when a record that was refused as busy may be tried again.
#[derive(Debug)]
#[must_use = "nothing is waited for until it is polled"]
pub struct Room<K> {
    keeper: K,
    registered: bool,
}

impl<K: Keeper> Room<K> {
    /// Waits once.
    pub fn new(keeper: K) -> Room<K> {
        Room { keeper, registered: false }
    }
}

impl<K: Keeper> Future for Room<K> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.registered {
            return Poll::Ready(());
        }
        let polled = self.keeper.journal().poll_room(context);
        self.registered = polled.is_pending();
        polled
    }
}

fn no_space(error: crate::log::Error) -> Error {
    match error {
        crate::log::Error::NoSpace { .. } => Error::NoSpace { what: error.to_string() },
        other => Error::Log(other),
    }
}
