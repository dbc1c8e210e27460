use std::collections::BTreeMap;
use std::convert::Infallible;

use super::{Place, View, apply};
use crate::memory::EntryRef;
use crate::record::op::{Change, Delete, Put, Touch, Update};
use crate::record::{EntryFields, EntryKind, Lsn, Op};
use crate::structure::Structure;

/// A view that keeps everything in a map.
#[derive(Default)]
struct Rows {
    rows: BTreeMap<Vec<u8>, EntryRef>,
    structures: BTreeMap<u64, Structure>,
}

impl View for Rows {
    type Error = Infallible;

    fn write(&mut self, key: &[u8], fields: &EntryFields<'_>) {
        self.rows.insert(key.into(), EntryRef::detached(key, fields));
    }

    fn current(&mut self, key: &[u8]) -> Result<Option<EntryRef>, Infallible> {
        Ok(self.rows.get(key).cloned())
    }

    fn create(&mut self, structure: Structure) {
        self.structures.insert(structure.id(), structure);
    }

    fn change(&mut self, _: Place, _: &Change<'_>) -> Result<(), Infallible> {
        unreachable!("no test changes a structure here")
    }

    fn hide_tag(&mut self, _: &[u8], _: Lsn) {}

    fn damaged(&self, what: String) -> Infallible {
        unreachable!("{what}")
    }
}

/// Key, kind, position, expiry, value.
type Shown = (Vec<u8>, EntryKind, u64, u64, Vec<u8>);

fn run(ops: &[Op<'_>]) -> Vec<Shown> {
    let mut rows = Rows::default();
    for (lsn, op) in (1..).zip(ops) {
        let Ok(()) = apply(Lsn(lsn), op, &mut rows);
    }
    let shown = rows.rows.iter().map(|(key, entry)| {
        (key.clone(), entry.kind(), entry.lsn().0, entry.expires_us(), entry.value().to_vec())
    });
    shown.collect()
}

#[test]
fn equal_prefixes_give_equal_states() {
    let key = b"ns\0a\0";
    let ops = [
        Op::Put(Put { key, value: b"1", extras: b"", created_us: 1, expires_us: 0 }),
        Op::Delete(Delete { key, deleted_us: 2 }),
        Op::Touch(Touch { key, expires_us: 5, touched_us: 2, cause: 7 }),
        Op::Put(Put { key, value: b"2", extras: b"", created_us: 3, expires_us: 0 }),
        Op::Touch(Touch { key, expires_us: 9, touched_us: 4, cause: 7 }),
    ];
    assert_eq!(run(&ops), run(&ops));
    assert_eq!(run(&ops[..3])[0].1, EntryKind::Tombstone, "touching nothing makes nothing");
    assert_eq!(run(&ops), [(key.to_vec(), EntryKind::Value, 5, 9, b"2".to_vec())]);
}

#[test]
fn an_update_keeps_the_age_it_is_given() {
    let key = b"ns\0a\0";
    let update =
        Update { key, value: b"2", extras: b"", created_us: 1, expires_us: 0, updated_us: 9, cause: 3 };
    let mut rows = Rows::default();
    let Ok(()) = apply(Lsn(1), &Op::Update(update), &mut rows);
    let entry = &rows.rows[&key[..]];
    assert_eq!((entry.created_us(), entry.last_access_us()), (1, 9));
}

#[test]
fn a_replacement_makes_a_structure_of_its_own_number() {
    let mut payload = Vec::new();
    crate::structure::payload::put_text(&mut payload, "1");
    let change = Change {
        key: b"ns\0s\0",
        payload: &payload,
        extras: b"",
        id: 0,
        created_us: 1,
        expires_us: 0,
        changed_us: 1,
        family: 2,
        verb: 1,
    };
    let mut rows = Rows::default();
    let Ok(()) = apply(Lsn(3), &Op::Change(change), &mut rows);
    let head = rows.rows[&b"ns\0s\0"[..]].fields().structure().unwrap();
    assert_eq!((head.family, head.id), (2, Place::whole(Lsn(3)).structure_id()));
    assert_eq!(rows.structures[&head.id].len(), 1);
}
