//! Registers: whole values that are put and removed.

use super::View;
use crate::record::op::Put;
use crate::record::{EntryFields, EntryKind, Lsn};

pub(super) fn put(lsn: Lsn, put: &Put<'_>, view: &mut dyn View) {
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

pub(super) fn remove(lsn: Lsn, key: &[u8], removed_us: u64, view: &mut dyn View) {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::record::Op;
    use crate::record::op::Delete;
    use crate::state::apply;

    #[derive(Default, PartialEq, Debug)]
    struct Rows(BTreeMap<Vec<u8>, (Lsn, Vec<u8>)>);

    impl View for Rows {
        fn write(&mut self, key: &[u8], fields: &EntryFields<'_>) {
            match fields.kind {
                EntryKind::Tombstone => self.0.remove(key),
                EntryKind::Value => self.0.insert(key.into(), (fields.lsn, fields.value.into())),
            };
        }
    }

    #[test]
    fn equal_prefixes_give_equal_states() {
        let key = b"ns\0a\0";
        let ops = [
            Op::Put(Put { key, value: b"1", extras: b"", created_us: 1, expires_us: 0 }),
            Op::Delete(Delete { key, deleted_us: 2 }),
            Op::Put(Put { key, value: b"2", extras: b"", created_us: 3, expires_us: 0 }),
        ];
        let run = |count: usize| {
            let mut rows = Rows::default();
            for (at, op) in ops[..count].iter().enumerate() {
                apply(Lsn(at as u64 + 1), op, &mut rows);
            }
            rows
        };
        assert_eq!(run(3), run(3));
        assert!(run(2).0.is_empty());
        assert_eq!(run(3).0[&key[..]], (Lsn(3), b"2".to_vec()));
    }
}
