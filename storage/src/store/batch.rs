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

/// Decides, after all operations of a batch have been planned, whether it shall be; an error names the operation that
/// gave it up.
pub type Judge<'a> = &'a dyn Fn(&[Done]) -> Result<(), BatchError>;

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
        self.stage_all(operations, judge, &[])
    }

    /// [`Store::stage_batch`] that reads L2 where it must and waits for room. Blocks.
    pub fn stage_batch_blocking(
        &self,
        operations: &[Operation<'_>],
        judge: Judge<'_>,
    ) -> Result<BatchDone, BatchError> {
        let keys: Vec<&[u8]> = operations.iter().map(Operation::key).collect();
        let warm = |store: &Store| operations.iter().try_for_each(|operation| store.warm(operation));
        // The loop below knows our errors, so the index travels beside them.
        let failed_at = std::cell::Cell::new(0);
        let done = self.persist(&keys, warm, |told| {
            self.stage_all(operations, judge, told).map_err(|failed| {
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
        told: &[FromTable],
    ) -> Result<BatchDone, BatchError> {
        let first = |error| BatchError { index: 0, error };
        let (bytes, bytes_max) = (operations.len(), BATCH_OPS_MAX);
        if bytes > bytes_max {
            return Err(first(Error::TooLarge { what: "batch", bytes, bytes_max }));
        }
        for (index, operation) in operations.iter().enumerate() {
            check(operation).map_err(|error| BatchError { index, error })?;
        }
        let bytes = operations.iter().map(|operation| log_bytes(&self.shared, operation)).sum::<usize>();
        let bytes = bytes + RECORD_OVERHEAD_BYTES;
        if bytes > BATCH_BYTES_MAX {
            return Err(first(Error::TooLarge { what: "batch", bytes, bytes_max: BATCH_BYTES_MAX }));
        }
        self.shared.refuse_when_full(bytes as u64).map_err(first)?;
        let (mut inner, now) = self.shared.pipeline.admit(bytes).map_err(|error| first(error.into()))?;
        let overlay = Some(Overlay::default());
        let mut planner = Planner { shared: &self.shared, inner: &mut inner, now, from_table: told, overlay };
        let mut done = Vec::with_capacity(operations.len());
        for (index, operation) in operations.iter().enumerate() {
            done.push(planner.plan(operation).map_err(|error| BatchError { index, error })?);
        }
        judge(&done)?;
        let observed = done.iter().map(|done| done.outcome.lsn).max().unwrap_or_default();
        let lsn = if done.iter().any(|done| done.outcome.changed) {
            planner.commit().map_err(first)?
        } else {
            observed
        };
        Ok(BatchDone { lsn, done })
    }
}

/// What can be said of an operation without looking at the state.
fn check(operation: &Operation<'_>) -> Result<(), Error> {
    if let Operation::Put { value, extras, .. } = *operation {
        json::validate(value)?;
        bounded("value", value, VALUE_BYTES_MAX)?;
        bounded("extras", extras, EXTRAS_BYTES_MAX)?;
    }
    Ok(())
}
