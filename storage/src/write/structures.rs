//! Structures from their cells into memory.

use super::error::Error;
use crate::record::Lsn;
use crate::structure::{Hot, ROOT_CELL, Structure, Structures};
use crate::table::Table;
use std::sync::Arc;

/// Loads the root of a structure; `None` when it has no cells. The caller makes sure that nobody else loads the same
/// one meanwhile. Its members stay in their cells until they are asked for.
pub(crate) fn load(structures: &Structures, table: &Table, id: u64) -> Result<Option<Arc<Hot>>, Error> {
    if let Some(hot) = structures.get(id) {
        return Ok(Some(hot));
    }
    let Some(root) = table.cell(id, ROOT_CELL)? else { return Ok(None) };
    let structure =
        Structure::from_root(id, &root).map_err(|error| Error::Inconsistent { what: error.to_string() })?;
    let saved: Lsn = structure.lsn();
    Ok(Some(structures.keep(structure, saved)))
}
