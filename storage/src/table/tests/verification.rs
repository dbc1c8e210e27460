//! Verification: finds what is planted, in rows, index and sums.

use redb::WriteTransaction;

use super::*;
use crate::table::schema::{ENTRIES, EXPIRY, META};

/// A table of two entries whose file is then changed behind its back.
fn damaged(damage: impl FnOnce(&WriteTransaction)) -> VerifyReport {
    let place = Place::new();
    let table = place.open();
    fold(&table, 5, &vec![(key(1), Some(Version::expiring(4, 50))), (key(2), Some(Version::plain(5, b"1")))]);
    table.close().unwrap();
    let database = open::open(&OsDisk, &place.path, 1 << 20).unwrap();
    let transaction = database.begin_write().unwrap();
    damage(&transaction);
    transaction.commit().unwrap();
    database.close().unwrap();
    place.open().snapshot().verify(|_| ()).unwrap()
}

fn problem_of(damage: impl FnOnce(&WriteTransaction)) -> String {
    let report = damaged(damage);
    assert!(!report.is_sound());
    report.problems.join("\n")
}

#[test]
fn an_untouched_table_is_sound_and_counted() {
    let report = damaged(|_| ());
    assert_eq!(report.problems, [""; 0]);
    assert_eq!((report.entries, report.expiring, report.lsn_max), (2, 1, 5));
}

#[test]
fn a_row_that_does_not_decode_is_named() {
    let problem = problem_of(|transaction| {
        let mut entries = transaction.open_table(ENTRIES).unwrap();
        entries.insert(&key(2)[..], &b"\x01\x01\x00short"[..]).unwrap();
    });
    assert!(
        problem
            .contains("row of key ns\\x00key00000002\\x00: checksum of 8 bytes does not verify at offset 3"),
        "{problem}"
    );
}

#[test]
fn both_directions_of_the_expiry_index_are_compared() {
    let mut mark = Vec::new();
    schema::expiry_key(50, &key(1), &mut mark);
    let problem = problem_of(|transaction| {
        transaction.open_table(EXPIRY).unwrap().remove(mark.as_slice()).unwrap();
    });
    assert!(problem.contains("not in the expiry index"), "{problem}");
    schema::expiry_key(60, &key(2), &mut mark);
    let problem = problem_of(|transaction| {
        transaction.open_table(EXPIRY).unwrap().insert(mark.as_slice(), ()).unwrap();
    });
    assert!(problem.contains("index says 60, the entry says Some(0)"), "{problem}");
    let problem = problem_of(|transaction| {
        transaction.open_table(EXPIRY).unwrap().insert(&b"short"[..], ()).unwrap();
    });
    assert!(problem.contains("expected at least 8 bytes, found 5"), "{problem}");
}

#[test]
fn sums_and_positions_are_compared() {
    let problem = problem_of(|transaction| {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert(&b"counters"[..], &meta::Counters { stored_bytes: 1 }.encode()[..]).unwrap();
    });
    assert!(problem.contains("stored bytes: counter says 1"), "{problem}");
    let problem = problem_of(|transaction| {
        let mut meta = transaction.open_table(META).unwrap();
        meta.insert(&b"position"[..], &at(4).encode()[..]).unwrap();
    });
    assert!(problem.contains("lsn 5 is above the checkpoint 4"), "{problem}");
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let place = Place::new();
    place.open().close().unwrap();
    let database = open::open(&OsDisk, &place.path, 1 << 20).unwrap();
    let transaction = database.begin_write().unwrap();
    transaction.open_table(META).unwrap().insert(&b"format"[..], &[9][..]).unwrap();
    transaction.commit().unwrap();
    database.close().unwrap();
    let refused = Table::open(Arc::new(OsDisk), &place.path, Options::default()).unwrap_err();
    assert_eq!(refused.to_string(), "table: meta row format: format version 9, this build knows up to 1");
}

#[test]
fn a_flipped_byte_in_a_page_is_found_by_the_page_check() {
    let place = Place::new();
    let table = place.open();
    let batch: Batch = (0..2_000).map(|number| (key(number), Some(Version::plain(1, b"needle")))).collect();
    fold(&table, 1, &batch);
    table.close().unwrap();
    let file = OsDisk.open(&place.path, OpenMode::ReadWrite).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    // The last copy of a value in the file belongs to a live page or to none; flip one in every page.
    for page in 1..bytes.len() / 4096 {
        let within = &bytes[page * 4096..(page + 1) * 4096];
        if let Some(found) = within.windows(6).position(|window| window == b"needle") {
            file.write_at((page * 4096 + found) as u64, b"N").unwrap();
        }
    }
    let reader = ReadOnlyTable::open(Arc::new(OsDisk), &place.path).unwrap();
    let damage = reader.check_pages().unwrap_err();
    assert!(matches!(damage, Error::Corrupt { .. }), "{damage}");
}
