//! Files of old format versions. Each must open, now and in every later version.
//!
//! A golden file is made once, by the version that introduced its format, and never again:
//! `cargo test -p mpreg-storage golden -- --ignored` writes the one of the current version.

use super::*;
use crate::disk::SimDisk;

const PATH: &str = "/data/l2/store.redb";

/// A plain row, one with expiry and extras, an escaped key with a version.
fn entries() -> Batch {
    let full = Version {
        lsn: 3,
        expires_us: 1_800_000_000_000_000,
        value: b"{\"a\":[1,2,3]}".to_vec(),
        extras: b"\x01extras".to_vec(),
    };
    let odd_key = Key::with_version("ns", "odd\0\u{1}key", "v2").unwrap();
    let mut entries = vec![
        (key(1), Some(Version::plain(1, b"\"one\""))),
        (key(2), Some(full)),
        (odd_key.as_bytes().to_vec(), Some(Version::plain(2, b"null"))),
    ];
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    entries
}

fn position() -> CheckpointPosition {
    use crate::record::Epoch;
    CheckpointPosition { lsn: Lsn(3), index: 2, term: 1, epoch: Epoch(4), time_us: 5, hlc: 6 }
}

fn golden_path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/table-v1.redb")
}

#[test]
fn a_file_of_version_1_opens() {
    let golden = OsDisk.open(&golden_path(), OpenMode::Read).unwrap();
    let mut bytes = vec![0; golden.len().unwrap() as usize];
    golden.read_at(0, &mut bytes).unwrap();
    let disk = SimDisk::new();
    disk.place_file(PATH.as_ref(), &bytes).unwrap();
    let disk: Arc<dyn Disk> = Arc::new(disk);

    let looked_at = ReadOnlyTable::open(disk.clone(), PATH.as_ref()).unwrap();
    assert_eq!(looked_at.snapshot().unwrap().position(), position());
    drop(looked_at);
    let table = Table::open(disk, PATH.as_ref(), Options::default()).unwrap();
    assert_eq!(table.snapshot().position(), position());
    assert_eq!(rows_of(&table), entries().into_iter().map(|(key, row)| (key, row.unwrap())).collect());
    assert_eq!(
        table.snapshot().expired(u64::MAX, None, 9).unwrap(),
        [(1_800_000_000_000_000, key(2).into())]
    );
    assert_eq!(table.snapshot().read_cell(7, b"sub", <[u8]>::to_vec).unwrap(), Some(b"cell".to_vec()));
    assert_sound(&table);
    fold(&table, 4, &vec![(key(3), Some(Version::plain(4, b"4")))]);
    assert_sound(&table);
}

#[test]
#[ignore = "writes the golden file of the current format version"]
fn write_the_golden_file() {
    let disk = SimDisk::new();
    let table = Table::open(Arc::new(disk.clone()), PATH.as_ref(), Options::default()).unwrap();
    let entries = entries();
    let cells = [CellChange { id: 7, subkey: b"sub", value: Some(b"cell") }];
    table
        .checkpoint(&Checkpoint {
            position: position(),
            entries: &entries,
            cells: &cells,
            drops: &[],
            tags: &[],
            hidden: None,
        })
        .unwrap();
    table.close().unwrap();
    let golden = OsDisk.open(&golden_path(), OpenMode::Create).unwrap();
    let bytes = disk.read_file(PATH.as_ref()).unwrap();
    golden.set_len(0).unwrap();
    golden.write_at(0, &bytes).unwrap();
}
