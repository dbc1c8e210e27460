//! The backlog's threads: the sync timer and the housekeeper. They only drive what [`Topics::step`](super::Topics::step)
//! drives in a simulation.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use parking_lot::Mutex;

use super::Shared;

/// How often the housekeeper looks.
const HOUSEKEEPING_POLL: Duration = Duration::from_millis(20);
/// Longest pause after a failed round.
const BACK_OFF_MAX: Duration = Duration::from_secs(5);

/// The running threads; stops them when dropped.
#[derive(Debug)]
pub(super) struct Threads {
    stopping: Arc<AtomicBool>,
    shared: std::sync::Weak<Shared>,
    handles: Mutex<Vec<JoinHandle<()>>>,
}

impl Threads {
    pub fn start(shared: &Arc<Shared>) -> Threads {
        shared.journal.has_sync_thread();
        let stopping = Arc::new(AtomicBool::new(false));
        let spawn = |name: &str, run: fn(&Shared, &AtomicBool)| {
            let (shared, stopping) = (Arc::clone(shared), Arc::clone(&stopping));
            let body = move || run(&shared, &stopping);
            std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(body)
                .expect("the process can start threads")
        };
        let handles = vec![spawn("mpreg-tsync", sync_loop), spawn("mpreg-thouse", housekeeping_loop)];
        Threads { stopping, shared: Arc::downgrade(shared), handles: Mutex::new(handles) }
    }

    /// Stops and joins. Idempotent.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        if let Some(shared) = self.shared.upgrade() {
            shared.journal.wake_sync_thread();
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

fn sync_loop(shared: &Shared, stopping: &AtomicBool) {
    let interval = Duration::from_micros(shared.options.sync_interval_us.max(100));
    shared.journal.run_syncs(stopping, interval);
}

fn housekeeping_loop(shared: &Shared, stopping: &AtomicBool) {
    let mut pause = HOUSEKEEPING_POLL;
    while !stopping.load(Ordering::Acquire) {
        match shared.keep() {
            Ok(()) => {
                *shared.trouble.lock() = None;
                pause = HOUSEKEEPING_POLL;
            }
            Err(error) => {
                *shared.trouble.lock() = Some(format!("backlog housekeeping failed, trying again: {error}"));
                pause = (pause * 2).min(BACK_OFF_MAX);
            }
        }
        std::thread::park_timeout(pause);
    }
}
