//! Writing: operations, what became of them, and tickets that say when they are safe.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::Store;
use super::error::Error;
use super::options::Level;
use super::read::visible;
use crate::limits::{EXTRAS_BYTES_MAX, ROOM_WAIT_US_MAX, VALUE_BYTES_MAX};
use crate::memory::FillToken;
use crate::record::op::{Delete, Put, encoded_bytes_max};
use crate::record::{Lsn, Op};
use crate::write::{Durable, Room};
use crate::{json, write};

/// What a caller wants done.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Store a value, replacing value, expiry and metadata.
    Put {
        /// Encoded key.
        key: &'a [u8],
        /// JSON text; kept byte for byte.
        value: &'a [u8],
        /// Time to live in microseconds; `None` = for ever.
        ttl_us: Option<u64>,
        /// Encoded metadata; empty when all default.
        extras: &'a [u8],
    },
    /// Remove a key.
    Delete {
        /// Encoded key.
        key: &'a [u8],
    },
}

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Position of its record; for an operation that changed nothing, of the version that said so.
    pub lsn: Lsn,
    /// Whether something was stored or removed.
    pub changed: bool,
    /// State time of the operation, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Expiry of what was stored; 0 = never.
    pub expires_us: u64,
}

impl Store {
    /// Applies an operation: from now on readers of this process see it. It is **not** acknowledged:
    /// call [`Store::hand_over`] (and [`Store::durable`]) before telling anyone. Made for callers that
    /// handle many operations and answer once; everybody else calls [`Store::submit`].
    ///
    /// # Errors
    /// Nothing was applied: `TooLarge`, `Value`, `Cold` (fetch the key and try again), busy (wait for
    /// [`Store::room`]), no space, poisoned.
    pub fn stage(&self, operation: &Operation<'_>) -> Result<Outcome, Error> {
        match *operation {
            Operation::Put { key, value, ttl_us, extras } => {
                json::validate(value)?;
                self.stage_put(key, value, ttl_us, extras)
            }
            Operation::Delete { key } => self.stage_delete(key, None),
        }
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
        let pipeline = &self.shared.pipeline;
        let mut op = Put { key, value, extras, created_us: 0, expires_us: 0 };
        self.shared.refuse_when_full(encoded_bytes_max(&Op::Put(op)) as u64)?;
        let (mut inner, now) = pipeline.admit(encoded_bytes_max(&Op::Put(op)))?;
        let time_us = now.time_us;
        op.created_us = time_us;
        op.expires_us = ttl_us.map_or(0, |ttl_us| time_us.saturating_add(ttl_us.max(1)));
        let lsn = pipeline.stage(&mut inner, now, &Op::Put(op));
        Ok(Outcome { lsn, changed: true, time_us, expires_us: op.expires_us })
    }

    /// `absent_or_row`: what L2 said about the key, with the token taken before it was asked.
    fn stage_delete(&self, key: &[u8], from_table: Option<(FillToken, bool)>) -> Result<Outcome, Error> {
        let pipeline = &self.shared.pipeline;
        let (mut inner, now) = pipeline.admit(crate::record::op::RECORD_HEAD_BYTES + 40 + key.len())?;
        let time_us = now.time_us;
        let unchanged = |observed: Lsn| Outcome { lsn: observed, changed: false, time_us, expires_us: 0 };
        match pipeline.memory.peek(key) {
            Some(entry) if !visible(&entry.fields(), time_us) => return Ok(unchanged(entry.lsn())),
            Some(_) => {}
            None if !pipeline.table.may_hold(key) => return Ok(unchanged(Lsn::ZERO)),
            None => match from_table {
                Some((token, held)) if pipeline.memory.unchanged(token, key) => {
                    if !held {
                        return Ok(unchanged(Lsn::ZERO));
                    }
                }
                _ => return Err(Error::Cold),
            },
        }
        let lsn = pipeline.stage(&mut inner, now, &Op::Delete(Delete { key, deleted_us: time_us }));
        Ok(Outcome { lsn, changed: true, time_us, expires_us: 0 })
    }

    /// [`Store::stage`] that reads L2 where it must and waits for room where there is none. Blocks.
    ///
    /// Waits for room for at most [`ROOM_WAIT_US_MAX`], then answers busy.
    pub fn stage_blocking(&self, operation: &Operation<'_>) -> Result<Outcome, Error> {
        let clock = &self.shared.pipeline.clock;
        let deadline_us = clock.monotonic_us().saturating_add(ROOM_WAIT_US_MAX);
        loop {
            let staged = match (self.stage(operation), operation) {
                (Err(Error::Cold), Operation::Delete { key }) => {
                    let token = self.shared.pipeline.memory.fill_token(key);
                    let held = self.fetch(key)?.is_some();
                    self.stage_delete(key, Some((token, held)))
                }
                (staged, _) => staged,
            };
            match staged {
                Err(error) if error.is_busy() && clock.monotonic_us() < deadline_us => {
                    self.shared.wait_room()?
                }
                Err(Error::Cold) => {}
                staged => return staged,
            }
        }
    }

    /// Applies an operation and hands it to the OS. The ticket says when the asked level holds: wait
    /// for it, or `await` it.
    ///
    /// Blocks when L2 must be read (a delete of a key that is not in memory) or writes outrun the
    /// disk. See [`Store::stage`] for the errors.
    pub fn submit(&self, operation: &Operation<'_>, level: Level) -> Result<Ticket, Error> {
        let outcome = self.stage_blocking(operation)?;
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

fn bounded(what: &'static str, bytes: &[u8], bytes_max: usize) -> Result<(), Error> {
    let bytes = bytes.len();
    if bytes > bytes_max { Err(Error::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
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
