//! Several operations as one record: all of them or none.

use super::Store;
use super::error::Error;
use super::known::FromTable;
use super::operation::{Done, Operation};
use super::plan::{Overlay, Planner, bounded, log_bytes};
use crate::json;
use crate::limits::{BATCH_BYTES_MAX, BATCH_OPS_MAX, EXTRAS_BYTES_MAX, VALUE_BYTES_MAX};
use crate::record::Lsn;
use crate::record::op::RECORD_OVERHEAD_BYTES;

/// Room foreseen for an answer that is kept, beside what the operations take; a longer one makes its own.
const ONCE_BYTES: usize = 256 * 1024;

/// What a batch did.
#[derive(Debug)]
pub struct BatchDone {
    /// Position of its record, and of what it saw where it changed nothing.
    pub lsn: Lsn,
    /// One for each operation, in their order.
    pub done: Vec<Done>,
}

/// Why nothing of a batch was done.
#[derive(Debug, thiserror::Error)]
#[error("operation {index}: {error}")]
pub struct BatchError {
    /// The operation that could not be, counted from 0.
    pub index: usize,
    /// Why.
    #[source]
    pub error: Error,
}

impl BatchError {
    fn without_waiting(self) -> BatchError {
        BatchError { error: self.error.without_waiting(), ..self }
    }
}

/// Decides, after all operations of a batch have been planned, whether it shall be; an error names the operation that
/// gave it up.
pub type Judge<'a> = &'a dyn Fn(&[Done]) -> Result<(), BatchError>;

/// Makes a batch happen once: its answer is kept, in the same record, under a key that is looked at first.
#[derive(Clone, Copy)]
pub struct Once<'a> {
    /// Encoded key of the kept answer.
    pub key: &'a [u8],
    /// How long it is kept.
    pub ttl_us: u64,
    /// The answer as JSON text, from what became of the operations. One longer than a value may be gives the batch up:
    /// [`Error::TooLarge`].
    pub answer: &'a dyn Fn(&[Done]) -> Vec<u8>,
}

/// How a batch went.
#[derive(Debug)]
pub enum Batched {
    /// It was done now.
    Done(BatchDone),
    /// It was done before: the answer kept then.
    Before(crate::memory::EntryRef),
}

impl Store {
    /// Applies several operations in order as one record. Each sees what those before it did; `judge` sees what
    /// became of all of them and may still give the whole up. Like [`Store::stage`] otherwise.
    ///
    /// # Errors
    /// As [`Store::stage`], of the operation that failed; nothing of the batch was applied.
    pub fn stage_batch(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
    ) -> Result<BatchDone, BatchError> {
        self.stage_all(operations, judge, None, &[]).map(only_done).map_err(BatchError::without_waiting)
    }

    /// [`Store::stage_batch`], unless it was done before under the same key.
    pub fn stage_once(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
        once: &Once<'_>,
    ) -> Result<Batched, BatchError> {
        self.stage_all(operations, judge, Some(once), &[]).map_err(BatchError::without_waiting)
    }

    /// [`Store::stage_once`] that reads L2 where it must and waits for room. Blocks.
    pub fn stage_once_blocking(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
        once: &Once<'_>,
    ) -> Result<Batched, BatchError> {
        self.stage_all_blocking(operations, judge, Some(once))
    }

    /// [`Store::stage_batch`] that reads L2 where it must and waits for room. Blocks.
    pub fn stage_batch_blocking(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
    ) -> Result<BatchDone, BatchError> {
        self.stage_all_blocking(operations, judge, None).map(only_done)
    }

    fn stage_all_blocking(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
        once: Option<&Once<'_>>,
    ) -> Result<Batched, BatchError> {
        let keys: Vec<&[u8]> =
            operations.iter().flat_map(Operation::keys).chain(once.map(|once| once.key)).collect();
        let tries = std::cell::Cell::new(0);
        let warm = |store: &Store| {
            tries.set(tries.get() + 1);
            operations.iter().try_for_each(|operation| match tries.get() {
                1 => store.warm(operation),
                // What one operation of the batch leaves is what the next one meets: any part may be needed.
                _ => operation.keys().try_for_each(|key| store.warm_whole(key)),
            })
        };
        // The loop below knows our errors, so the index travels beside them.
        let failed_at = std::cell::Cell::new(0);
        let done = self.persist(&keys, warm, |told| {
            self.stage_all(operations, judge, once, told).map_err(|failed| {
                failed_at.set(failed.index);
                failed.error
            })
        });
        done.map_err(|error| BatchError { index: failed_at.get(), error })
    }

    fn stage_all(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
        once: Option<&Once<'_>>,
        told: &[FromTable],
    ) -> Result<Batched, BatchError> {
        let first = |error| BatchError { index: 0, error };
        let (bytes, bytes_max) = (operations.len(), BATCH_OPS_MAX);
        if bytes > bytes_max {
            return Err(first(Error::TooLarge { what: "batch", bytes, bytes_max }));
        }
        for (index, operation) in operations.iter().enumerate() {
            check(operation).map_err(|error| BatchError { index, error })?;
        }
        let bytes = operations.iter().map(|operation| log_bytes(&self.shared, operation)).sum::<usize>();
        let bytes = bytes + RECORD_OVERHEAD_BYTES + if once.is_some() { ONCE_BYTES } else { 0 };
        if bytes > BATCH_BYTES_MAX {
            return Err(first(Error::TooLarge { what: "batch", bytes, bytes_max: BATCH_BYTES_MAX }));
        }
        self.shared.refuse_when_full(bytes as u64).map_err(first)?;
        let (mut inner, now) = self.shared.pipeline.admit(bytes).map_err(|error| first(error.into()))?;
        let overlay = Some(Overlay::default());
        let mut planner = Planner { shared: &self.shared, inner: &mut inner, now, from_table: told, overlay };
        if let Some(once) = once {
            let known = planner.known(once.key).map_err(first)?;
            if let Some(before) = known.entry() {
                return Ok(Batched::Before(before.clone()));
            }
        }
        let mut done = Vec::with_capacity(operations.len());
        for (index, operation) in operations.iter().enumerate() {
            done.push(planner.plan(operation).map_err(|error| BatchError { index, error })?);
        }
        judge(&done)?;
        if let Some(once) = once {
            let value = (once.answer)(&done);
            let expires_us = now.time_us.saturating_add(once.ttl_us);
            planner.keep(once.key, &value, expires_us).map_err(first)?;
        }
        let observed = done.iter().map(|done| done.outcome.lsn).max().unwrap_or_default();
        let lsn = if once.is_some() || done.iter().any(|done| done.outcome.changed) {
            planner.commit().map_err(first)?
        } else {
            observed
        };
        Ok(Batched::Done(BatchDone { lsn, done }))
    }
}

fn only_done(batched: Batched) -> BatchDone {
    match batched {
        Batched::Done(done) => done,
        Batched::Before(entry) => BatchDone { lsn: entry.lsn(), done: Vec::new() },
    }
}

/// What can be said of an operation without looking at the state.
pub(super) fn check(operation: &Operation<'_>) -> Result<(), Error> {
    if let Operation::Put { value, extras, .. } = *operation.unwrapped().0 {
        json::validate(value)?;
        bounded("value", value, VALUE_BYTES_MAX)?;
        bounded("extras", extras, EXTRAS_BYTES_MAX)?;
    }
    Ok(())
}
