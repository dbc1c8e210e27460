//! `apply(op, view)`: the only place where state changes.
//!
//! The live path, recovery and, later, a follower all call [`apply`] with the same operations and get
//! the same state. It knows no clock, no chance, no file and no table: only the [`View`] it is given.
//! One file per family of operations; registers are the first.

mod register;

use crate::record::{EntryFields, Lsn, Op};

/// The state an operation is applied to.
pub trait View {
    /// Writes the new version of `key`. A tombstone removes it.
    fn write(&mut self, key: &[u8], fields: &EntryFields<'_>);
}

/// Applies one operation at its position. Deterministic: equal views and operations give equal views.
pub fn apply(lsn: Lsn, op: &Op<'_>, view: &mut dyn View) {
    match op {
        Op::Put(put) => register::put(lsn, put, view),
        Op::Delete(delete) => register::remove(lsn, delete.key, delete.deleted_us, view),
        Op::Expire(expire) => register::remove(lsn, expire.key, expire.removed_us, view),
    }
}
