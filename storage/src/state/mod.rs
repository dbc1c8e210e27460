//! `apply(place, op, view)`: the only place where state changes.
//!
//! The live path, recovery and, later, a follower all call [`apply`] with the same operations and get
//! the same state. It knows no clock, no chance, no file and no table: only the [`View`] it is given.
//! One file per family of operations.

mod register;
mod structure;
#[cfg(test)]
mod tests;

use crate::memory::EntryRef;
use crate::record::{EntryFields, Lsn, Op};
use crate::structure::Structure;

/// Where an operation stands in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its record.
    pub lsn: Lsn,
    /// Which operation of the record it is, counted from 0; above 0 only in a batch.
    pub part: u16,
}

impl Place {
    /// Bits of a structure's id that tell the operations of one record apart.
    const PART_BITS: u32 = 12;

    /// The only operation of a record.
    #[must_use]
    pub fn whole(lsn: Lsn) -> Place {
        Place { lsn, part: 0 }
    }

    /// The number of a structure made by the operation that stands here.
    #[must_use]
    pub fn structure_id(self) -> u64 {
        self.lsn.0 << Place::PART_BITS | u64::from(self.part)
    }
}

/// The state an operation is applied to.
pub trait View {
    /// What may go wrong. On the live path nothing can: everything was asked before the record was written.
    type Error;

    /// Writes the new version of `key`. A tombstone removes it. A structure that was there goes.
    fn write(&mut self, key: &[u8], fields: &EntryFields<'_>);

    /// The newest version of `key`, tombstones and expired ones included; `None` when there never was one.
    fn current(&mut self, key: &[u8]) -> Result<Option<EntryRef>, Self::Error>;

    /// Keeps a structure that was just made.
    fn create(&mut self, structure: Structure);

    /// Applies a resolved change to a structure that is there.
    fn change(&mut self, place: Place, change: &crate::record::op::Change<'_>) -> Result<(), Self::Error>;

    /// Hides every version before `lsn` that carries the tag.
    fn hide_tag(&mut self, tag: &[u8], lsn: Lsn);

    /// The record does not hold together.
    fn damaged(&self, what: String) -> Self::Error;
}

/// Applies one record at its position. Deterministic: equal views and operations give equal views.
pub fn apply<V: View>(lsn: Lsn, op: &Op<'_>, view: &mut V) -> Result<(), V::Error> {
    for (part, op) in (0u16..).zip(op.parts()) {
        apply_at(Place { lsn, part }, &op, view)?;
    }
    Ok(())
}

/// Applies one operation of a record; a batch is no single operation.
pub fn apply_at<V: View>(place: Place, op: &Op<'_>, view: &mut V) -> Result<(), V::Error> {
    match op {
        Op::Put(put) => register::put(place.lsn, put, view),
        Op::Update(update) => register::update(place.lsn, update, view),
        Op::Touch(touch) => register::touch(place.lsn, touch, view)?,
        Op::Delete(delete) => register::remove(place.lsn, delete.key, delete.deleted_us, view),
        Op::Expire(expire) => register::remove(place.lsn, expire.key, expire.removed_us, view),
        Op::Remove(remove) => register::remove(place.lsn, remove.key, remove.removed_us, view),
        Op::Change(change) => structure::change(place, change, view)?,
        Op::HideTag(hide) => view.hide_tag(hide.tag, place.lsn),
        Op::Note(_) | Op::Notice(_) | Op::Batch(_) => {}
    }
    Ok(())
}
