//! `batch`: several operations that happen together or not at all.

use mpreg_storage::json::Reader;
use mpreg_storage::limits::BATCH_OPS_MAX;

use super::Command;
use super::envelope::Envelope;
use crate::protocol::Error;

/// Operations in their order, which is also the order of their effects; at least one, at most [`BATCH_OPS_MAX`].
/// Each is a [`Command::Get`], `Put`, `Delete`, `Atomic` or `Structure`. They may name a key several times.
#[derive(Debug, PartialEq)]
pub struct Batch<'a> {
    /// What to do.
    pub operations: Vec<Command<'a>>,
}

/// Reads the array at which `reader` stands; errors say which element is at fault.
#[cold]
pub(super) fn read_operations<'a>(reader: &mut Reader<'a>) -> Result<Vec<Command<'a>>, Error> {
    let mut operations = Vec::new();
    let mut elements = reader.array("operations")?;
    while elements.next(reader)? {
        let index = operations.len();
        if index == BATCH_OPS_MAX {
            return Err(Error::TooLarge { what: "operations", size: index + 1, size_max: BATCH_OPS_MAX });
        }
        let operation = Envelope::read_nested(reader);
        operations.push(operation.map_err(|error| Error::InBatch { index, error: Box::new(error) })?);
    }
    Ok(operations)
}
