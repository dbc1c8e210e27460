//! The store's threads: the sync timer, the checkpointer, the housekeeper, the scrubber.
//!
//! They only drive the state machine; everything they do, a simulation does through `Store::step`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;
use crate::limits::SCRUB_STEP_US;

/// How often the checkpointer looks while something is dirty.
const CHECKPOINT_POLL: Duration = Duration::from_millis(20);
/// How often the housekeeper looks.
const HOUSEKEEPING_POLL: Duration = Duration::from_millis(20);
/// How often the scrubber looks whether a pass is due.
const SCRUB_POLL: Duration = Duration::from_secs(1);
/// Longest pause after a failed checkpoint.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// The running threads; stops them when dropped.
#[derive(Debug)]
pub(super) struct Threads {
    stopping: Arc<AtomicBool>,
    shared: std::sync::Weak<Shared>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub(super) fn start(shared: &Arc<Shared>) -> Threads {
        shared.pipeline.has_sync_thread();
        shared.pipeline.set_prepares(shared.options.segment_bytes / 2);
        let stopping = Arc::new(AtomicBool::new(false));
        let spawn = |name: &str, run: fn(&Shared, &AtomicBool)| {
            let (shared, stopping) = (Arc::clone(shared), Arc::clone(&stopping));
            let body = move || run(&shared, &stopping);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(body)
                .expect("the process can start threads")
        };
        let handles = vec![
            spawn("mpreg-sync", sync_loop),
            spawn("mpreg-checkpoint", checkpoint_loop),
            spawn("mpreg-house", housekeeping_loop),
            spawn("mpreg-scrub", scrub_loop),
        ];
        Threads { stopping, shared: Arc::downgrade(shared), handles: Mutex::new(handles) }
    }

    /// Stops and joins. Idempotent.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(shared) = self.shared.upgrade() {
            let _inner = shared.pipeline.inner.lock();
            shared.pipeline.sync_wanted.notify_all();
        }
        for handle in self.handles.lock().drain(..) {
            handle.thread().unpark();
            // A thread that panicked has aborted the process or told its story already.
            let _ = handle.join();
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Syncs idle tails, and leads every sync where syncs are slow.
fn sync_loop(shared: &Shared, stopping: &AtomicBool) {
    let pipeline = &shared.pipeline;
    let interval = Duration::from_micros(shared.options.sync_interval_us.max(100));
    while !stopping.load(Ordering::Acquire) {
        let mut inner = pipeline.inner.lock();
        // Again, under the lock that `stop` takes between setting the flag and notifying: a stop that came
        // between the look above and this one would notify nobody, and the wait below has no time-out.
        if stopping.load(Ordering::Acquire) {
            return;
        }
        let unsynced = inner.core.staged() > pipeline.durable_lsn() && !inner.core.is_poisoned();
        if !unsynced {
            inner.sync_thread_idle = true;
            pipeline.sync_wanted.wait(&mut inner);
            inner.sync_thread_idle = false;
        }
        // Where syncs are slow nobody else leads, so whoever waits is served at once.
        let asked = pipeline.is_slow() && !inner.waiters.is_empty() && !inner.leading;
        if !asked {
            pipeline.sync_wanted.wait_for(&mut inner, interval);
        }
        let lead =
            !inner.leading && !inner.core.is_poisoned() && inner.core.staged() > pipeline.durable_lsn();
        if lead {
            inner.leading = true;
            drop(inner);
            // A failure has poisoned the store and told everyone who waited.
            let _ = pipeline.lead();
        }
    }
}

fn checkpoint_loop(shared: &Shared, stopping: &AtomicBool) {
    let mut back_off = Duration::from_millis(50);
    while !stopping.load(Ordering::Acquire) {
        match shared.step_checkpoint() {
            Ok(()) => {
                *shared.trouble.lock() = None;
                back_off = Duration::from_millis(50);
                std::thread::park_timeout(CHECKPOINT_POLL);
            }
            Err(error) => {
                *shared.trouble.lock() = Some(format!("checkpoint failed, trying again: {error}"));
                std::thread::park_timeout(back_off);
                back_off = (back_off * 2).min(BACK_OFF_MAX);
            }
        }
    }
}

fn housekeeping_loop(shared: &Shared, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Acquire) {
        // What fails here is tried again: space may come back.
        let _ = shared.step_housekeeping();
        std::thread::park_timeout(HOUSEKEEPING_POLL);
    }
}

fn scrub_loop(shared: &Shared, stopping: &AtomicBool) {
    while !stopping.load(Ordering::Acquire) {
        // What fails here is tried again, and told by whoever needs the same bytes.
        let under_way = shared.step_scrub().unwrap_or(false);
        std::thread::park_timeout(if under_way { Duration::from_micros(SCRUB_STEP_US) } else { SCRUB_POLL });
    }
}
