//! State as a batch will leave it, beside the state as it is.

use super::Shared;
use super::error::Error;
use super::plan::Overlay;
use crate::memory::EntryRef;
use crate::record::op::Change;
use crate::record::{EntryFields, Lsn};
use crate::state::{Place, View};
use crate::structure::{Structure, Verb};
use crate::tree::NoSource;

/// Applies records to an overlay.
pub(super) struct OverlayView<'a> {
    pub(super) shared: &'a Shared,
    pub(super) overlay: Overlay,
}

impl OverlayView<'_> {
    /// A structure to be changed: a clone of the live one shares all it does not change.
    fn structure(&mut self, id: u64) -> Result<&mut Structure, Error> {
        if !self.overlay.structures.contains_key(&id) {
            let hot = self.shared.pipeline.structures.get(id).ok_or(Error::Cold)?;
            self.overlay.structures.insert(id, hot.view());
        }
        self.overlay.structures.get_mut(&id).ok_or(Error::Cold)
    }
}

impl View for OverlayView<'_> {
    type Error = Error;

    fn write(&mut self, key: &[u8], fields: &EntryFields<'_>) {
        self.overlay.entries.insert(key.into(), EntryRef::detached(key, fields));
    }

    fn current(&mut self, key: &[u8]) -> Result<Option<EntryRef>, Error> {
        let pipeline = &self.shared.pipeline;
        if let Some(entry) = self.overlay.entries.get(key).cloned().or_else(|| pipeline.memory.peek(key)) {
            return Ok(Some(entry));
        }
        Ok(pipeline.table.read(key, |fields| EntryRef::detached(key, &fields))?)
    }

    fn create(&mut self, structure: Structure) {
        self.overlay.structures.insert(structure.id(), structure);
    }

    fn change(&mut self, place: Place, change: &Change<'_>) -> Result<(), Error> {
        let verb = Verb::from_u8(change.verb).ok_or_else(|| self.damaged(format!("verb {}", change.verb)))?;
        let applied = self.structure(change.id)?.apply(place.lsn, verb, change.payload, &NoSource);
        applied.map_err(Error::from)
    }

    fn hide_tag(&mut self, _: &[u8], _: Lsn) {}

    fn damaged(&self, what: String) -> Error {
        crate::write::Error::Inconsistent { what }.into()
    }
}
