//! Who may open the file beside whom. Byte range locks belong to an open file, so two opens in one
//! process conflict like two processes do.

use super::*;

fn read_only(place: &Place) -> Result<ReadOnlyTable, Error> {
    ReadOnlyTable::open(Arc::new(OsDisk), &place.path)
}

fn bytes_of(place: &Place) -> Vec<u8> {
    let file = OsDisk.open(&place.path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_at(0, &mut bytes).unwrap();
    bytes
}

/// Copies the file as a killed process would have left it: open, not marked clean.
fn killed_copy(place: &Place) -> Place {
    let copy = Place::new();
    OsDisk.create_dir(copy.path.parent().unwrap()).unwrap();
    let file = OsDisk.open(&copy.path, OpenMode::Create).unwrap();
    file.write_at(0, &bytes_of(place)).unwrap();
    copy
}

#[test]
fn a_second_writer_is_refused() {
    let place = Place::new();
    let table = place.open();
    let second = Table::open(Arc::new(OsDisk), &place.path, Options::default()).unwrap_err();
    assert!(matches!(second, Error::InUse), "{second}");
    table.close().unwrap();
    place.open();
}

#[test]
fn a_reader_beside_the_writer_follows_its_commits() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 1, &vec![(key(1), Some(Version::plain(1, b"1")))]);
    let reader = read_only(&place).unwrap();
    let before = reader.snapshot().unwrap();
    for lsn in 2..40 {
        fold(&table, lsn, &vec![(key(1), Some(Version::plain(lsn, lsn.to_string().as_bytes())))]);
        assert_eq!(reader.snapshot().unwrap().position(), at(lsn));
    }
    let now = reader.snapshot().unwrap();
    assert_eq!(now.read(&key(1), Version::of).unwrap().unwrap().value, b"39");
    assert_eq!(before.read(&key(1), Version::of).unwrap().unwrap().value, b"1", "pinned over 38 commits");
    assert!(reader.verify(|_| ()).unwrap().is_sound());
}

#[test]
fn the_writer_may_go_and_come_back_while_a_reader_looks() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 1, &vec![(key(1), Some(Version::plain(1, b"1")))]);
    let reader = read_only(&place).unwrap();
    table.close().unwrap();
    let table = place.open();
    fold(&table, 2, &vec![(key(1), Some(Version::plain(2, b"2")))]);
    assert_eq!(reader.snapshot().unwrap().position(), at(2));
}

#[test]
fn a_file_closed_cleanly_is_read_as_it_is() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 3, &vec![(key(1), Some(Version::plain(1, b"1")))]);
    table.close().unwrap();
    let before = bytes_of(&place);
    let reader = read_only(&place).unwrap();
    assert_eq!(reader.snapshot().unwrap().position(), at(3));
    reader.check_pages().unwrap();
    drop(reader);
    assert!(bytes_of(&place) == before);
}

#[test]
fn a_file_left_by_a_killed_writer_is_read_without_being_touched() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 3, &vec![(key(1), Some(Version::plain(1, b"1")))]);
    let copy = killed_copy(&place);
    let before = bytes_of(&copy);
    let reader = read_only(&copy).unwrap();
    assert_eq!(reader.snapshot().unwrap().position(), at(3));
    assert!(reader.verify(|_| ()).unwrap().is_sound());
    reader.check_pages().unwrap();
    drop(reader);
    assert!(bytes_of(&copy) == before, "a look changes no byte");
    assert_eq!(copy.open().snapshot().position(), at(3), "and the server opens it afterwards");
}
