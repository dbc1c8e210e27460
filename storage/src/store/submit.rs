//! Writing: operations, what became of them, and tickets that say when they are safe.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Store;
use super::batch::check;
use super::error::Error;
use super::known::FromTable;
use super::operation::{Done, Operation, Outcome};
use super::options::Level;
use super::plan::{Overlay, Planner, bounded, log_bytes};
use super::witness::Nobody;
use crate::limits::{EXTRAS_BYTES_MAX, VALUE_BYTES_MAX};
use crate::record::op::{Put, encoded_bytes_max};
use crate::record::{Lsn, Op};
use crate::write::{Durable, Room};
use crate::{json, write};

impl Store {
    /// Applies an operation: from now on readers of this process see it. It is **not** acknowledged:
    /// call [`Store::hand_over`] (and [`Store::durable`]) before telling anyone. Made for callers that
    /// handle many operations and answer once; everybody else calls [`Store::submit`].
    ///
    /// # Errors
    /// Nothing was applied: `TooLarge`, `Value`, `Refused`, `Cold` ([`Store::stage_blocking`] loads what it takes),
    /// busy (wait for [`Store::room`]), no space, poisoned.
    pub fn stage(&self, operation: &Operation<'_>) -> Result<Done, Error> {
        self.stage_one(operation, &[]).map_err(Error::without_waiting)
    }

    pub(super) fn stage_one(&self, operation: &Operation<'_>, told: &[FromTable]) -> Result<Done, Error> {
        let grows = match *operation {
            Operation::Put { value, extras, .. } => {
                json::validate(value)?;
                bounded("value", value, VALUE_BYTES_MAX)?;
                bounded("extras", extras, EXTRAS_BYTES_MAX)?;
                true
            }
            Operation::Delete { .. } | Operation::Remove { .. } | Operation::Look { .. } => false,
            Operation::Update { .. } | Operation::Structure { .. } => true,
            Operation::Witnessed { .. } => return self.stage_witnessed(operation, told),
        };
        if self.shared.options.event_values {
            return self.stage_witnessed(operation, told);
        }
        let bytes = log_bytes(&self.shared, operation);
        if grows {
            self.shared.refuse_when_full(bytes as u64)?;
        }
        let (mut inner, now) = self.shared.pipeline.admit(bytes)?;
        let mut planner =
            Planner { shared: &self.shared, inner: &mut inner, now, from_table: told, overlay: None };
        planner.plan_plain(operation)
    }

    /// Stages an operation as a batch of itself and a notice of it.
    #[cold]
    fn stage_witnessed(&self, operation: &Operation<'_>, told: &[FromTable]) -> Result<Done, Error> {
        let (plain, witness) = operation.unwrapped();
        check(plain)?;
        let there = Operation::Witnessed { operation: plain, witness: witness.unwrap_or(&Nobody) };
        let bytes = log_bytes(&self.shared, &there);
        if !matches!(plain, Operation::Delete { .. } | Operation::Remove { .. }) {
            self.shared.refuse_when_full(bytes as u64)?;
        }
        let (mut inner, now) = self.shared.pipeline.admit(bytes)?;
        let overlay = Some(Overlay::default());
        let mut planner = Planner { shared: &self.shared, inner: &mut inner, now, from_table: told, overlay };
        let done = planner.plan(operation)?;
        if done.outcome.changed {
            planner.commit()?;
        }
        Ok(done)
    }

    /// [`Store::stage`] of a put whose value is known to be JSON text within the limits, because the
    /// caller just parsed it out of a validated message.
    pub fn stage_put(
        &self,
        key: &[u8],
        value: &[u8],
        ttl_us: Option<u64>,
        extras: &[u8],
    ) -> Result<Outcome, Error> {
        bounded("value", value, VALUE_BYTES_MAX)?;
        bounded("extras", extras, EXTRAS_BYTES_MAX)?;
        if self.shared.options.event_values {
            return Ok(self.stage(&Operation::Put { key, value, ttl_us, extras })?.outcome);
        }
        let pipeline = &self.shared.pipeline;
        let mut op = Put { key, value, extras, created_us: 0, expires_us: 0 };
        self.shared.refuse_when_full(encoded_bytes_max(&Op::Put(op)) as u64)?;
        let (mut inner, now) = pipeline.admit(encoded_bytes_max(&Op::Put(op)))?;
        if inner.dirty.marks.any() {
            // What is there must be known, so that its tags and dependencies can be taken back.
            self.shared.known(key, now.time_us, &[])?;
        }
        let time_us = now.time_us;
        op.created_us = time_us;
        op.expires_us = ttl_us.map_or(0, |ttl_us| time_us.saturating_add(ttl_us.max(1)));
        let lsn = pipeline.stage(&mut inner, now, &Op::Put(op));
        Ok(Outcome { lsn, changed: true, time_us, expires_us: op.expires_us })
    }

    /// [`Store::stage`] that reads L2 where it must and waits for room where there is none. Blocks.
    ///
    /// Waits for room for at most [`ROOM_WAIT_US_MAX`](crate::limits::ROOM_WAIT_US_MAX), then answers busy.
    pub fn stage_blocking(&self, operation: &Operation<'_>) -> Result<Done, Error> {
        let warm = |store: &Store| store.warm(operation);
        let keys: Vec<&[u8]> = operation.keys().collect();
        self.persist(&keys, warm, |told| self.stage_one(operation, told))
    }

    /// Applies an operation and hands it to the OS. The ticket says when the asked level holds: wait
    /// for it, or `await` it.
    ///
    /// Blocks when L2 must be read (a delete of a key that is not in memory) or writes outrun the
    /// disk. See [`Store::stage`] for the errors.
    pub fn submit(&self, operation: &Operation<'_>, level: Level) -> Result<Ticket, Error> {
        let outcome = self.stage_blocking(operation)?.outcome;
        let durable = match level {
            Level::Eventual => {
                self.hand_over(outcome.lsn)?;
                None
            }
            // Whoever leads the next sync hands everybody's records over in one write.
            Level::Strong => Some(self.durable(outcome.lsn)),
        };
        Ok(Ticket { outcome, durable })
    }

    /// Stores a value and waits until `level` holds.
    pub fn put(&self, key: &[u8], value: &[u8], level: Level) -> Result<Outcome, Error> {
        self.submit(&Operation::Put { key, value, ttl_us: None, extras: b"" }, level)?.wait()
    }

    /// Removes a key and waits until `level` holds; `changed` says whether it was there.
    pub fn delete(&self, key: &[u8], level: Level) -> Result<Outcome, Error> {
        self.submit(&Operation::Delete { key }, level)?.wait()
    }

    /// Makes everything through `lsn` *written*: nothing acknowledged is lost when the process dies.
    pub fn hand_over(&self, lsn: Lsn) -> Result<(), Error> {
        Ok(self.shared.pipeline.hand_over(lsn)?)
    }

    /// Resolves when everything through `lsn` survives a power cut. `.wait()` blocks instead.
    pub fn durable(&self, lsn: Lsn) -> Durable {
        Durable::new(std::sync::Arc::clone(&self.shared.pipeline), lsn)
    }

    /// Resolves when a write that was refused as busy may be tried again.
    pub fn room(&self) -> Room {
        Room::new(std::sync::Arc::clone(&self.shared.pipeline))
    }
}

/// The promise of one submitted operation. Dropping it takes nothing back.
#[derive(Debug)]
#[must_use = "the level asked for holds only after the ticket was waited for"]
pub struct Ticket {
    outcome: Outcome,
    durable: Option<Durable>,
}

impl Ticket {
    /// What the operation did, already visible to readers of this process, not yet promised.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        self.outcome
    }

    /// Blocks until the level holds. An error means the outcome is unknown.
    pub fn wait(self) -> Result<Outcome, Error> {
        if let Some(durable) = self.durable {
            durable.wait()?;
        }
        Ok(self.outcome)
    }
}

impl Future for Ticket {
    type Output = Result<Outcome, write::Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = self.outcome;
        match &mut self.durable {
            None => Poll::Ready(Ok(outcome)),
            Some(durable) => Pin::new(durable).poll(context).map(|held| held.map(|()| outcome)),
        }
    }
}
