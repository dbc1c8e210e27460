//! Promise: a data directory of format 1 opens and reads for ever, and a newer format is refused by name.
//!
//! `golden/store-v1/` was written once by [`write_a_golden_directory`] and is never written again: a
//! change of the format makes a second directory beside it. It was stopped uncleanly, so that reading it
//! takes a checkpoint in L2, sealed segments, and a tail that only the log has.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::path::{Path, PathBuf};

use mpreg_storage::disk::{CrashSpec, SimDisk};
use mpreg_storage::record::Lsn;
use mpreg_storage::store::{Error, Level, Operation, Store};
use support::{Life, WALL_US, key};

/// What the golden directory is made of, relative to it.
fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/store-v1")
}

/// Every member of an entry is used: plain, expiring, with extras, overwritten, deleted, large.
fn work(store: &Store) {
    let put = |number: u64, value: &[u8], ttl_us: Option<u64>, extras: &[u8]| {
        let key = key(number);
        let put = Operation::Put { key: key.as_bytes(), value, ttl_us, extras };
        store.submit(&put, Level::Strong).unwrap().wait().unwrap();
    };
    put(1, b"{\"plain\":true}", None, b"");
    put(2, b"\"expires\"", Some(3_600_000_000), b"");
    put(3, b"[1,2.5,null]", None, b"extras");
    put(4, b"\"old\"", None, b"");
    put(5, b"\"deleted\"", None, b"");
    put(6, format!("\"{:06000}\"", 7).as_bytes(), None, b"");
    store.checkpoint().unwrap();
    put(4, b"\"new\"", None, b"");
    store.delete(key(5).as_bytes(), Level::Strong).unwrap();
    put(7, format!("\"{:06000}\"", 8).as_bytes(), None, b"");
    put(8, b"\"gone\"", Some(1_000), b"");
    put(9, "\"\u{e4}\u{1f600}\"".as_bytes(), None, b"");
}

/// Puts the golden files on a simulated disk.
fn placed() -> SimDisk {
    let disk = SimDisk::new();
    let mut dirs = vec![golden()];
    while let Some(dir) = dirs.pop() {
        for entry in std::fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
                continue;
            }
            let inside = Path::new("/data").join(path.strip_prefix(golden()).unwrap());
            disk.place_file(&inside, &std::fs::read(&path).unwrap()).unwrap();
        }
    }
    disk
}

#[test]
fn a_directory_of_format_1_opens_and_reads() {
    let disk = placed();
    for start in ["unclean", "clean"] {
        let life = Life::begin(&disk, 2).unwrap();
        life.clock.advance_us(2_000);
        let recovered = life.store.recovered();
        assert_eq!(recovered.last, Lsn(11), "{start}");
        assert_eq!(recovered.log.clean, start == "clean");
        assert_eq!(recovered.records, if start == "clean" { 0 } else { 5 });
        let page = life.store.scan(b"", None, 100).unwrap();
        let value_of = |number: u64| {
            let row = page.rows.iter().find(|row| row.key == key(number).as_bytes())?;
            let found = life.store.get(&row.key).unwrap().unwrap();
            assert_eq!(found.value(), row.value);
            Some(row.clone())
        };
        assert_eq!(page.rows.len(), 7);
        assert_eq!(value_of(1).unwrap().value, b"{\"plain\":true}");
        assert_eq!(value_of(2).unwrap().expires_us, WALL_US + 3_600_000_000);
        assert_eq!(value_of(3).unwrap().extras, b"extras");
        assert_eq!((value_of(4).unwrap().value, value_of(4).unwrap().lsn), (b"\"new\"".to_vec(), Lsn(7)));
        assert_eq!((value_of(5), value_of(8)), (None, None));
        assert_eq!((value_of(6).unwrap().value.len(), value_of(7).unwrap().value.len()), (6002, 6002));
        assert_eq!(value_of(9).unwrap().value, "\"\u{e4}\u{1f600}\"".as_bytes());
        assert_eq!(life.store.node_id().len(), 32);
        assert_eq!(disk.read_file("/data/FORMAT".as_ref()).unwrap(), b"mpreg-data 2\n", "upgraded in place");
        life.store.close().unwrap();
    }
}

#[test]
fn a_newer_format_is_refused_by_name() {
    let disk = placed();
    disk.place_file("/data/FORMAT".as_ref(), b"mpreg-data 3\n").unwrap();
    let before = disk.op_count();
    let refused = Life::begin(&disk, 2).unwrap_err();
    assert!(matches!(refused, Error::Format { .. }), "{refused:?}");
    let told = "data directory /data: format 3 is newer than this build's 2; use a build that knows it";
    assert_eq!(refused.to_string(), told);
    assert_eq!(disk.op_count(), before, "a refused directory was changed");
    for foreign in ["mpreg-data 0\n", "mpreg-data\n", "", "something else\n"] {
        disk.place_file("/data/FORMAT".as_ref(), foreign.as_bytes()).unwrap();
        assert!(matches!(Life::begin(&disk, 2), Err(Error::Format { .. })), "{foreign:?}");
    }
}

/// `GOLDEN_WRITE=1 cargo test -p mpreg-storage --test golden -- --ignored` writes it, when there is none.
#[test]
#[ignore = "writes the repository"]
fn write_a_golden_directory() {
    if std::env::var("GOLDEN_WRITE").is_err() || golden().exists() {
        return;
    }
    let disk = SimDisk::new();
    // Seed 3 has the smallest segments.
    let life = Life::begin(&disk, 3).unwrap();
    work(&life.store);
    let image = disk.crash_image(&CrashSpec::NOTHING);
    for path in image.files() {
        let outside = golden().join(path.strip_prefix("/data").unwrap());
        std::fs::create_dir_all(outside.parent().unwrap()).unwrap();
        std::fs::write(outside, image.read_file(&path).unwrap()).unwrap();
    }
}
