//! Registers: whole values that are put, computed anew, touched and removed.

use super::View;
use crate::record::op::{Put, Touch, Update};
use crate::record::{EntryFields, EntryKind, Lsn};

pub(super) fn put<V: View>(lsn: Lsn, put: &Put<'_>, view: &mut V) {
    let fields = EntryFields {
        kind: EntryKind::Value,
        lsn,
        created_us: put.created_us,
        expires_us: put.expires_us,
        access_count: 0,
        last_access_us: put.created_us,
        value: put.value,
        extras: put.extras,
    };
    view.write(put.key, &fields);
}

pub(super) fn update<V: View>(lsn: Lsn, update: &Update<'_>, view: &mut V) {
    let fields = EntryFields {
        kind: EntryKind::Value,
        lsn,
        created_us: update.created_us,
        expires_us: update.expires_us,
        access_count: 0,
        last_access_us: update.updated_us,
        value: update.value,
        extras: update.extras,
    };
    view.write(update.key, &fields);
}

/// Gives the entry another expiry; a key without an entry stays without one.
pub(super) fn touch<V: View>(lsn: Lsn, touch: &Touch<'_>, view: &mut V) -> Result<(), V::Error> {
    let current = view.current(touch.key)?;
    if let Some(entry) = current.filter(|entry| entry.kind() != EntryKind::Tombstone) {
        let fields = EntryFields { lsn, expires_us: touch.expires_us, ..entry.fields() };
        view.write(touch.key, &fields);
    }
    Ok(())
}

pub(super) fn remove<V: View>(lsn: Lsn, key: &[u8], removed_us: u64, view: &mut V) {
    let fields = EntryFields {
        kind: EntryKind::Tombstone,
        lsn,
        created_us: removed_us,
        expires_us: 0,
        access_count: 0,
        last_access_us: removed_us,
        value: b"",
        extras: b"",
    };
    view.write(key, &fields);
}
