//! Checkpoint, read, reopen.

use std::ops::Bound;

use super::*;
use crate::limits::CELLS_DROPPED_PER_CHECKPOINT_MAX;

#[test]
fn a_new_table_is_empty_at_position_zero() {
    let place = Place::new();
    let table = place.open();
    assert_eq!(table.snapshot().position(), CheckpointPosition::default());
    assert_eq!(read(&table, b"ns\0id\0"), None);
    let stats = table.stats().unwrap();
    assert_eq!((stats.entries, stats.stored_bytes, stats.expiring, stats.cells), (0, 0, 0, 0));
    assert_sound(&table);
}

#[test]
fn rows_and_position_survive_closing() {
    let place = Place::new();
    let table = place.open();
    let version = Version { extras: b"tags".to_vec(), ..Version::expiring(7, 99) };
    let batch = vec![(key(1), Some(version.clone())), (key(2), Some(Version::plain(8, b"\"two\"")))];
    let summary = fold(&table, 9, &batch);
    assert_eq!((summary.puts, summary.removes), (2, 0));
    table.close().unwrap();

    let table = place.open();
    assert_eq!(table.snapshot().position(), at(9));
    assert_eq!(read(&table, &key(1)), Some(version));
    assert_eq!(read(&table, &key(2)).unwrap().value, b"\"two\"");
    assert_eq!(table.stats().unwrap().stored_bytes, summary.put_bytes);
    assert_sound(&table);
}

#[test]
fn removing_takes_the_expiry_row_along_and_a_missing_key_is_fine() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 1, &vec![(key(1), Some(Version::expiring(1, 50)))]);
    assert_eq!(table.stats().unwrap().expiring, 1);
    let summary = fold(&table, 2, &vec![(key(1), None), (key(2), None)]);
    assert_eq!((summary.puts, summary.removes), (0, 1));
    let stats = table.stats().unwrap();
    assert_eq!((stats.entries, stats.expiring, stats.stored_bytes), (0, 0, 0));
    assert_sound(&table);
}

#[test]
fn the_expiry_index_follows_every_change_of_expiry() {
    let place = Place::new();
    let table = place.open();
    for (lsn, expires_us) in [(1, 50), (2, 70), (3, 70), (4, 0), (5, 60), (6, 30)] {
        fold(&table, lsn, &vec![(key(1), Some(Version::expiring(lsn, expires_us)))]);
        let expected: Vec<(u64, Box<[u8]>)> =
            (expires_us != 0).then(|| (expires_us, key(1).into())).into_iter().collect();
        assert_eq!(table.snapshot().expired(u64::MAX, None, 10).unwrap(), expected);
        assert_sound(&table);
    }
}

#[test]
fn expired_entries_come_soonest_first_up_to_the_limit() {
    let place = Place::new();
    let table = place.open();
    let batch =
        (0..20).map(|number| (key(number), Some(Version::expiring(1, 100 - number)))).collect::<Vec<_>>();
    fold(&table, 1, &batch);
    let found = table.snapshot().expired(90, None, 3).unwrap();
    assert_eq!(found, [(81, key(19).into()), (82, key(18).into()), (83, key(17).into())]);
    assert_eq!(table.snapshot().expired(90, None, 100).unwrap().len(), 10, "81 to 90, the bound included");
    assert_eq!(table.snapshot().expired(80, None, 100).unwrap().len(), 0);
}

#[test]
fn a_snapshot_does_not_move() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 1, &vec![(key(1), Some(Version::plain(1, b"1")))]);
    let before = table.snapshot();
    fold(&table, 2, &vec![(key(1), Some(Version::plain(2, b"2"))), (key(2), Some(Version::plain(2, b"2")))]);
    assert_eq!(before.read(&key(1), Version::of).unwrap().unwrap().value, b"1");
    assert_eq!(before.entries().unwrap(), 1);
    assert_eq!(before.position(), at(1));
    assert_eq!(read(&table, &key(1)).unwrap().value, b"2");
}

#[test]
fn ranges_go_both_ways_and_keep_their_bounds() {
    let place = Place::new();
    let table = place.open();
    let batch: Batch = (0..10).map(|number| (key(number), Some(Version::plain(1, b"1")))).collect();
    fold(&table, 1, &batch);
    let snapshot = table.snapshot();
    let keys = |from: Bound<&[u8]>, to: Bound<&[u8]>| -> Vec<Vec<u8>> {
        snapshot.range(from, to).unwrap().map(|row| row.unwrap().key().to_vec()).collect()
    };
    let (three, six) = (key(3), key(6));
    assert_eq!(keys(Bound::Included(&three), Bound::Excluded(&six)), [key(3), key(4), key(5)]);
    assert_eq!(keys(Bound::Excluded(&three), Bound::Included(&six)), [key(4), key(5), key(6)]);
    assert_eq!(keys(Bound::Unbounded, Bound::Unbounded).len(), 10);
    let last = snapshot.range(Bound::Unbounded, Bound::Unbounded).unwrap().next_back().unwrap().unwrap();
    assert_eq!(last.key(), key(9));
    assert_eq!(last.fields().unwrap().value, b"1");
}

#[test]
fn refuses_a_batch_out_of_order_and_stays_as_it_was() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 5, &vec![(key(1), Some(Version::plain(5, b"1")))]);
    let refused = |lsn, keys: [u64; 3]| {
        let batch = keys.map(|number| (key(number), Some(Version::plain(lsn, b"2")))).to_vec();
        table.checkpoint(&checkpoint_of(lsn, &batch)).unwrap_err()
    };
    assert_eq!(refused(6, [1, 3, 3]).to_string(), "table: checkpoint refused: entry 2 of 3 does not ascend");
    assert!(matches!(refused(6, [1, 3, 2]), Error::BadCheckpoint { .. }));
    assert!(matches!(refused(4, [1, 2, 3]), Error::BadCheckpoint { .. }), "the position may not go back");
    assert_eq!(read(&table, &key(1)).unwrap().value, b"1");
    assert_eq!(table.snapshot().position(), at(5));
    // The same position again is how a caller retries.
    fold(&table, 5, &vec![(key(1), Some(Version::plain(5, b"1")))]);
    assert_sound(&table);
}

#[test]
fn large_values_and_keys_are_stored() {
    let place = Place::new();
    let table = place.open();
    let value = vec![b'7'; 16 * 1024 * 1024];
    let long = vec![b'k'; 4096];
    fold(&table, 1, &vec![(long.clone(), Some(Version::plain(1, &value)))]);
    assert_eq!(read(&table, &long).unwrap().value.len(), value.len());
}

#[test]
fn cells_are_kept_by_structure_and_dropped_in_chunks() {
    let place = Place::new();
    let table = place.open();
    let many = CELLS_DROPPED_PER_CHECKPOINT_MAX as u32 + 10;
    let subkeys: Vec<[u8; 4]> = (0..many).map(u32::to_be_bytes).collect();
    let mut cells: Vec<CellChange<'_>> =
        subkeys.iter().map(|subkey| CellChange { id: 7, subkey, value: Some(b"v") }).collect();
    cells.push(CellChange { id: 8, subkey: b"a", value: Some(b"kept") });
    let step = |lsn, cells: &[CellChange<'_>], drops: &[u64]| {
        let batch: Checkpoint<'_, EntryChange<'_>> =
            Checkpoint { position: at(lsn), entries: &[], cells: &cells, drops, tags: &[], hidden: None };
        table.checkpoint(&batch).unwrap();
        let stats = table.stats().unwrap();
        (stats.cells, stats.drops)
    };
    assert_eq!(step(1, &cells, &[]), (u64::from(many) + 1, 0));
    assert_eq!(step(2, &[], &[7, u64::MAX]), (11, 2), "one checkpoint removes a bounded number");
    assert_eq!(step(3, &[], &[]), (1, 0), "the next one goes on");
    assert_eq!(table.snapshot().read_cell(8, b"a", <[u8]>::to_vec).unwrap(), Some(b"kept".to_vec()));
    assert_eq!(step(4, &[CellChange { id: 8, subkey: b"a", value: None }], &[]), (0, 0));
    assert_eq!(table.snapshot().read_cell(8, b"a", <[u8]>::to_vec).unwrap(), None);
}

#[test]
fn never_takes_an_empty_or_foreign_file_for_a_new_one() {
    for content in [&b""[..], b"not a table", &[0; 10_000]] {
        let place = Place::new();
        OsDisk.create_dir(place.path.parent().unwrap()).unwrap();
        let file = OsDisk.open(&place.path, OpenMode::Create).unwrap();
        file.write_at(0, content).unwrap();
        let refused = Table::open(Arc::new(OsDisk), &place.path, Options::default()).unwrap_err();
        assert!(matches!(refused, Error::Corrupt { .. }), "{refused}");
        let mut now = vec![1; content.len()];
        file.read_at(0, &mut now).unwrap();
        assert_eq!(now, content, "the file keeps its bytes");
    }
}

#[test]
fn rewriting_everything_again_and_again_does_not_grow_the_file() {
    let place = Place::new();
    let table = place.open();
    let value = vec![b'x'; 200];
    let rewrite = |lsn| {
        let batch: Batch =
            (0..20_000).map(|number| (key(number), Some(Version::plain(lsn, &value)))).collect();
        fold(&table, lsn, &batch);
        table.stats().unwrap().file_bytes
    };
    (1..4).for_each(|lsn| _ = rewrite(lsn));
    let settled = rewrite(4);
    assert!((5..15).all(|lsn| rewrite(lsn) <= settled));
    assert_sound(&table);
}

#[test]
fn compacting_shrinks_a_file_and_keeps_its_rows() {
    let place = Place::new();
    let table = place.open();
    let value = vec![b'x'; 500];
    let batch: Batch = (0..20_000).map(|number| (key(number), Some(Version::plain(1, &value)))).collect();
    fold(&table, 1, &batch);
    let gone: Batch = (0..20_000).filter(|n| n % 10 != 0).map(|number| (key(number), None)).collect();
    fold(&table, 2, &gone);
    table.close().unwrap();
    let bytes = || OsDisk.open(&place.path, OpenMode::Read).unwrap().len().unwrap();
    let before = bytes();
    assert!(Table::compact(&OsDisk, &place.path, Options::default()).unwrap());
    assert!(bytes() < before / 2, "{} of {before}", bytes());
    let table = place.open();
    assert_eq!(table.stats().unwrap().entries, 2_000);
    assert_sound(&table);
}
