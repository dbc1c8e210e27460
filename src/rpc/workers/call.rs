//! One call on a worker, from the line to its answer.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::Hub;
use super::state::{Acquired, Answer, PoolId, WorkerId};
use crate::protocol::worker::{Invoke, write_cancel};
use crate::rpc::function::{Failure, Function};
use crate::session::{Push, Refused};

/// What a worker is asked to do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Errand<'a> {
    pub(crate) function: &'a Function,
    pub(crate) pool: PoolId,
    pub(crate) args: &'a str,
    pub(crate) kwargs: &'a str,
    /// What the worker must have; sorted or not.
    pub(crate) resources: &'a [String],
    /// When nobody waits any more.
    pub(crate) deadline: Instant,
}

impl Hub {
    /// Runs a call on a worker. Dropping the future gives it up: the worker is told.
    pub(crate) async fn call(self: &Arc<Hub>, errand: &Errand<'_>) -> Result<String, Failure> {
        let mut refused = Vec::new();
        loop {
            let worker = self.place(errand, &refused).await?;
            match self.invoke(worker, errand).await {
                Reached::Answer(Answer::Outcome(outcome)) => return outcome,
                Reached::Answer(Answer::Lost) if errand.function.idempotent => {}
                Reached::Answer(Answer::Lost) => {
                    let name = &errand.function.name;
                    let lost = format!("the worker running {name} was lost; whether it ran is unknown");
                    return Err(Failure::new("WorkerLost", lost));
                }
                // It never saw the call, so another may.
                Reached::Nobody => refused.push(worker),
                Reached::TooLarge => return Err(Failure::value("the call is larger than a message may be")),
            }
        }
    }

    /// Takes a place at a worker, waiting in line for it.
    async fn place(self: &Arc<Hub>, errand: &Errand<'_>, refused: &[WorkerId]) -> Result<WorkerId, Failure> {
        let acquired = self.state().acquire(errand.pool, errand.resources, refused);
        let turn = match acquired {
            Acquired::Worker(worker) => Some(worker),
            Acquired::Wait(ticket, turn) => InLine { hub: self, ticket, turn }.wait().await,
            Acquired::Full => return Err(Failure::unavailable("all workers of this function are busy")),
            Acquired::Nobody => None,
        };
        turn.ok_or_else(|| Failure::not_found(&errand.function.name))
    }

    async fn invoke(self: &Arc<Hub>, worker: WorkerId, errand: &Errand<'_>) -> Reached {
        let invoked = self.state().invoke(worker);
        let Some((id, outbox, mut answer)) = invoked else { return Reached::Nobody };
        let mut invocation = Invocation { hub: self, id, open: true };
        let left = errand.deadline.saturating_duration_since(Instant::now());
        let mut message = Vec::new();
        Invoke {
            id,
            fun: &errand.function.name,
            function_id: &errand.function.function_id,
            version: &errand.function.version.to_string(),
            args: errand.args,
            kwargs: errand.kwargs,
            timeout_ms: u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
        }
        .write_into(&mut message);
        if let Err(refused) = outbox.push(Push::whole(message)) {
            invocation.open = false;
            self.state().take_back(id);
            return if refused == Refused::TooLarge { Reached::TooLarge } else { Reached::Nobody };
        }
        // The sender is dropped only together with the hub.
        let answered = (&mut answer).await.unwrap_or(Answer::Lost);
        invocation.open = false;
        Reached::Answer(answered)
    }
}

/// How far an invocation came.
enum Reached {
    Answer(Answer),
    /// The worker is gone, or does not read: it has not seen the call.
    Nobody,
    TooLarge,
}

/// A place in line; dropping it gives it up.
struct InLine<'h> {
    hub: &'h Hub,
    ticket: u64,
    turn: oneshot::Receiver<Option<WorkerId>>,
}

impl InLine<'_> {
    async fn wait(mut self) -> Option<WorkerId> {
        (&mut self.turn).await.ok().flatten()
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        self.hub.state().give_up(self.ticket, &mut self.turn);
    }
}

/// An invocation under way; dropping it while it is open tells the worker that nobody waits.
struct Invocation<'h> {
    hub: &'h Hub,
    id: u64,
    open: bool,
}

impl Drop for Invocation<'_> {
    fn drop(&mut self) {
        if !self.open {
            return;
        }
        let outbox = self.hub.state().abandon(self.id);
        if let Some(outbox) = outbox {
            let mut message = Vec::new();
            write_cancel(self.id, &mut message);
            // A worker that cannot be told runs for nothing, which harms nobody.
            let _ = outbox.push(Push::whole(message));
        }
    }
}
