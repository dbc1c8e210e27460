//! Waiting for whatever comes next, without making it come: for those who follow the log.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::error::Error;
use super::pipeline::Pipeline;
use super::waiters::Sleeper;
use crate::record::Lsn;

/// Resolves when something behind a position is durable, with the last such position.
///
/// Unlike [`Durable`](super::Durable) it never leads a sync: whoever watches costs the writers nothing.
#[derive(Debug)]
#[must_use = "nothing is waited for until it is polled"]
pub struct Grown {
    pipeline: Arc<Pipeline>,
    lsn: Lsn,
}

impl Grown {
    pub(crate) fn new(pipeline: Arc<Pipeline>, lsn: Lsn) -> Grown {
        Grown { pipeline, lsn }
    }

    /// Blocks instead, for at most `timeout`; `None` when nothing came in that time.
    pub fn wait(self, timeout: std::time::Duration) -> Result<Option<Lsn>, Error> {
        match self.look(Sleeper::current_thread) {
            Poll::Ready(told) => told.map(Some),
            Poll::Pending => {
                std::thread::park_timeout(timeout);
                match self.look(Sleeper::current_thread) {
                    Poll::Ready(told) => told.map(Some),
                    Poll::Pending => Ok(None),
                }
            }
        }
    }

    fn look(&self, sleeper: impl FnOnce() -> Sleeper) -> Poll<Result<Lsn, Error>> {
        let mut inner = self.pipeline.inner.lock();
        // Under the lock: `lead` publishes what is durable before it takes the lock to wake.
        let durable = self.pipeline.durable_lsn();
        if durable > self.lsn {
            return Poll::Ready(Ok(durable));
        }
        if inner.core.is_poisoned() {
            return Poll::Ready(Err(Error::Poisoned { cause: inner.poison_cause.clone() }));
        }
        inner.watchers.add(self.lsn, sleeper());
        Poll::Pending
    }
}

impl Future for Grown {
    type Output = Result<Lsn, Error>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<Lsn, Error>> {
        self.look(|| Sleeper::Task(context.waker().clone()))
    }
}
