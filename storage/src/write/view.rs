//! The state that records are applied to: memory, structures, and the list of what no checkpoint holds yet. One for
//! the live path and recovery alike.

use super::dirty::Dirty;
use super::error::Error;
use super::marks::Hidden;
use crate::memory::{EntryRef, Memory};
use crate::record::op::Change;
use crate::record::{EntryFields, Lsn};
use crate::state::{Place, View};
use crate::structure::{Hot, Structure, Structures, Verb};
use crate::table::{CellSource, Table};

/// Bytes of bookkeeping a structure takes in the dirty list and in the nodes its first change copies.
const STRUCTURE_DIRTY_BYTES: u64 = 512;

/// See the module.
pub(crate) struct StateView<'a> {
    pub(crate) memory: &'a Memory,
    pub(crate) structures: &'a Structures,
    pub(crate) hidden: &'a Hidden,
    pub(crate) table: &'a Table,
    pub(crate) dirty: &'a mut Dirty,
    /// What became dirty through this view.
    pub(crate) dirty_bytes: u64,
}

impl StateView<'_> {
    fn mark(&mut self, hot: std::sync::Arc<Hot>, first: bool, bytes: u64) {
        self.structures.grew(&hot, bytes);
        self.dirty_bytes += bytes;
        if first {
            self.dirty_bytes += STRUCTURE_DIRTY_BYTES;
            self.dirty.push_structure(hot);
        }
    }

    /// What L2 holds of a key that memory did not know, where its marks must be taken back: in recovery, and for entries
    /// too large for memory.
    fn stored(&self, key: &[u8]) -> Option<EntryRef> {
        if !self.dirty.marks.any() || !self.table.may_hold(key) {
            return None;
        }
        // A row that cannot be read now costs the exactness of a count, not the write.
        self.table.read(key, |fields| EntryRef::detached(key, &fields)).ok().flatten()
    }

    /// A structure that is there: in memory, or in its cells when recovery asks.
    fn structure(&self, id: u64) -> Result<std::sync::Arc<Hot>, Error> {
        match self.structures.get(id) {
            Some(hot) => Ok(hot),
            None => Ok(super::structures::load(self.structures, self.table, id)?.ok_or_else(|| {
                Error::Inconsistent { what: format!("a record changes structure {id}, which is nowhere") }
            })?),
        }
    }
}

impl View for StateView<'_> {
    type Error = Error;

    fn write(&mut self, key: &[u8], fields: &EntryFields<'_>) {
        let applied = self.memory.apply(key, fields);
        let replaced = applied.previous.as_ref().and_then(|previous| previous.fields().structure());
        let kept = fields.structure();
        if let Some(replaced) = replaced.filter(|replaced| Some(replaced.id) != kept.map(|kept| kept.id)) {
            self.structures.kill(replaced.id, fields.lsn);
        }
        let previous = applied.previous.or_else(|| self.stored(key));
        self.dirty.marks.write(key, fields, previous.as_ref());
        self.dirty_bytes += applied.entry.allocated_bytes();
        self.dirty.entries.push(applied.entry);
    }

    fn current(&mut self, key: &[u8]) -> Result<Option<EntryRef>, Error> {
        match self.memory.peek(key) {
            Some(entry) => Ok(Some(entry)),
            None => Ok(self.table.read(key, |fields| EntryRef::detached(key, &fields))?),
        }
    }

    fn create(&mut self, structure: Structure) {
        let bytes = structure.bytes();
        let hot = self.structures.keep(structure, Lsn::ZERO);
        let ((), first) = hot.change(self.dirty.epoch(), |_| ());
        self.mark(hot, first, bytes);
    }

    fn change(&mut self, place: Place, change: &Change<'_>) -> Result<(), Error> {
        let verb = Verb::from_u8(change.verb).ok_or_else(|| self.damaged(format!("verb {}", change.verb)))?;
        let hot = self.structure(change.id)?;
        let source = CellSource::new(self.table, change.id);
        let (applied, first) = hot.change(self.dirty.epoch(), |structure| {
            structure.apply(place.lsn, verb, change.payload, &source)
        });
        applied.map_err(|error| self.damaged(error.to_string()))?;
        self.mark(hot, first, change.payload.len() as u64 + 64);
        Ok(())
    }

    fn hide_tag(&mut self, tag: &[u8], lsn: Lsn) {
        self.hidden.insert(tag, lsn);
        self.dirty.marks.hide(tag, lsn);
    }

    fn damaged(&self, what: String) -> Error {
        Error::Inconsistent { what }
    }
}
