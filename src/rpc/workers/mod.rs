//! Functions that run on connected workers.
//!
//! ```text
//! call ─ acquire a worker ─ invoke ─────────> worker's outbox
//!             │ all busy: wait in line             │
//!             │ none left: 1001 at once            │ rpc-result, or the worker is lost
//!             └────────────── answer <─────────────┘
//!                               └ lost and idempotent: acquire another
//! ```
//!
//! A worker is a connection. It takes so many calls at once and the least busy one that has the resources is asked;
//! beyond that calls wait in line, up to their own time limit. It holds a *lease*: a worker that says nothing for that
//! long is taken out as if it had hung up. Losing a worker ends its calls at once, with an error or on another
//! worker; nothing waits for it.
//!
//! | file | job |
//! |---|---|
//! | `state` | who serves what, who is busy, who waits; no waiting, no I/O |
//! | `register` | coming and going |
//! | `call` | one call from the line to its answer |

mod call;
mod register;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard};

use tokio::time::Instant;

pub(crate) use call::Errand;
pub(crate) use state::WorkerId;

use super::catalog::Catalog;
use super::function::Failure;
use state::{Lost, State};

/// The workers of a node.
#[derive(Debug)]
pub(crate) struct Hub {
    catalog: Arc<Catalog>,
    state: Mutex<State>,
}

impl Hub {
    pub(super) fn new(catalog: Arc<Catalog>) -> Arc<Hub> {
        Arc::new(Hub { catalog, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding the workers")
    }

    /// The result of an invocation has come from `worker`. One nobody knows (any more) is ignored.
    pub(crate) fn finish(&self, worker: WorkerId, invocation: u64, outcome: Result<String, Failure>) {
        self.state().finish(worker, invocation, outcome, Instant::now());
    }

    /// The worker has said something: its lease begins anew. `None` when it is none any more.
    pub(crate) fn renew(&self, worker: WorkerId) -> Option<std::time::Duration> {
        self.state().renew(worker, Instant::now())
    }

    /// The worker's connection has ended.
    pub(crate) fn disconnect(&self, worker: WorkerId, now_us: u64) {
        self.take_out(now_us, |state| state.remove(worker));
    }

    /// Takes out workers whose lease has ended. Called every now and then.
    pub(crate) fn expire(&self, now_us: u64) {
        // A loop over the call itself would hold the lock to its end.
        let late = self.state().expired(Instant::now());
        for worker in late {
            tracing::warn!(worker = worker.0, "a worker has been silent for too long and is taken out");
            self.disconnect(worker, now_us);
        }
    }

    /// Takes functions out of the catalog that nobody serves any more.
    fn take_out(&self, now_us: u64, remove: impl FnOnce(&mut State) -> Vec<Lost>) {
        self.catalog.change(now_us, |registry, delta| {
            // Under the lock, so that a worker that registers the same now is not taken out with the others.
            let mut state = self.state();
            for lost in remove(&mut state) {
                delta.removed.extend(registry.remove(&lost.name, lost.version));
            }
        });
    }

    /// Calls under way, those included nobody waits for any more.
    #[cfg(test)]
    pub(crate) fn in_flight(&self) -> usize {
        self.state().in_flight()
    }

    /// Workers there are.
    pub(crate) fn workers(&self) -> usize {
        self.state().workers()
    }
}
