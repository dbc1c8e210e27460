//! Waiting for a position without blocking: a plain `core::future::Future`, no runtime needed.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::error::Error;
use super::pipeline::Pipeline;
use super::waiters::Sleeper;
use crate::record::Lsn;

/// Resolves when a position is durable.
///
/// The first poll that finds nobody leading gives way once, so that every other task that is ready
/// stages its records first; the next one becomes the leader and **blocks its worker for one sync**,
/// the one blocking call of the engine on a caller's thread. Where syncs are slow a thread of the
/// store leads instead and this only waits.
#[derive(Debug)]
#[must_use = "nothing is waited for until it is polled"]
pub struct Durable {
    pipeline: Arc<Pipeline>,
    lsn: Lsn,
    gave_way: bool,
}

impl Durable {
    pub(crate) fn new(pipeline: Arc<Pipeline>, lsn: Lsn) -> Durable {
        Durable { pipeline, lsn, gave_way: false }
    }

    /// Blocks instead.
    pub fn wait(self) -> Result<(), Error> {
        self.pipeline.wait_durable(self.lsn)
    }
}

impl Future for Durable {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let pipeline = Arc::clone(&self.pipeline);
        loop {
            if pipeline.durable_lsn() >= self.lsn {
                return Poll::Ready(Ok(()));
            }
            let mut inner = pipeline.inner.lock();
            if pipeline.durable_lsn() >= self.lsn {
                return Poll::Ready(Ok(()));
            }
            if inner.core.is_poisoned() {
                return Poll::Ready(Err(Error::UnknownOutcome { cause: inner.poison_cause.clone() }));
            }
            if inner.leading || pipeline.is_slow() {
                inner.waiters.add(self.lsn, Sleeper::Task(context.waker().clone()));
                pipeline.sync_wanted.notify_one();
                return Poll::Pending;
            }
            if !self.gave_way {
                self.gave_way = true;
                drop(inner);
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            inner.leading = true;
            drop(inner);
            if let Err(error) = pipeline.lead() {
                return Poll::Ready(Err(error));
            }
        }
    }
}

/// Resolves when a write that was refused as busy may be tried again.
#[derive(Debug)]
#[must_use = "nothing is waited for until it is polled"]
pub struct Room {
    pipeline: Arc<Pipeline>,
    registered: bool,
}

impl Room {
    pub(crate) fn new(pipeline: Arc<Pipeline>) -> Room {
        Room { pipeline, registered: false }
    }
}

impl Future for Room {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.registered {
            return Poll::Ready(());
        }
        let pipeline = Arc::clone(&self.pipeline);
        let mut inner = pipeline.inner.lock();
        let admitted =
            inner.core.admit(pipeline.clock.monotonic_us()).is_ok() && pipeline.has_log_room(&inner);
        if admitted || inner.core.is_poisoned() {
            return Poll::Ready(());
        }
        self.registered = true;
        inner.crowded.add(Lsn::ZERO, Sleeper::Task(context.waker().clone()));
        Poll::Pending
    }
}
