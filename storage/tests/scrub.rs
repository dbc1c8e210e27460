//! Promise: what is damaged on the disk is found although nobody reads it, told with its place, and told no longer
//! once it is mended.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mpreg_storage::disk::{Damage, SimClock, SimDisk};
use mpreg_storage::store::{Level, Options, Scrubbed, Store};
use support::{Life, key};

const TABLE: &str = "/data/l2/store.redb";
const HOUR_US: u64 = 3_600_000_000;

/// Values that are found again in the files, each its own.
fn value(number: u64) -> Vec<u8> {
    format!("\"scrubbed-{number:04}-{}\"", "v".repeat(300)).into_bytes()
}

/// 60 keys in L2, and their records in several sealed segments.
fn filled(disk: &SimDisk) -> Life {
    let life = Life::begin(disk, 3).unwrap();
    for number in 0..60 {
        life.store.put(key(number).as_bytes(), &value(number), Level::Strong).unwrap();
    }
    life.store.checkpoint().unwrap();
    life
}

/// Turns one bit of the value with this number, wherever the file holds it last. False when it does not.
fn damage(disk: &SimDisk, path: &Path, number: u64) -> bool {
    let (bytes, wanted) = (disk.read_file(path).unwrap(), value(number));
    let Some(at) = bytes.windows(wanted.len()).rposition(|window| window == wanted) else { return false };
    disk.damage(path, Damage::FlipBit { offset: at as u64 + 50, bit: 1 }).unwrap();
    true
}

fn segments(disk: &SimDisk) -> Vec<PathBuf> {
    disk.files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")).collect()
}

/// Lets the clock run until the pass that is due is over.
fn wait_for_pass(store: &Store, clock: &Arc<SimClock>) {
    clock.advance_us(25 * HOUR_US);
    (0..100).for_each(|_| store.step().unwrap());
}

#[test]
fn sound_data_is_read_and_found_sound() {
    let life = filled(&SimDisk::new());
    let Scrubbed { bytes, damaged, first } = life.store.scrub().unwrap();
    assert_eq!((damaged, first), (0, None));
    assert!(bytes > 2 * 60 * 300, "every value stands in L2 and in the log, {bytes} bytes were read");
    assert_eq!(life.store.trouble(), None);
}

#[test]
fn a_damaged_row_is_told_until_it_is_written_anew() {
    let disk = SimDisk::new();
    drop(filled(&disk));
    assert!(damage(&disk, Path::new(TABLE), 7));
    // Odd seeds open L2 without verifying it, as a large one is.
    let life = Life::begin(&disk, 5).unwrap();
    assert_eq!(life.store.trouble(), None, "nobody has read it yet");
    wait_for_pass(&life.store, &life.clock);
    let told = life.store.trouble().unwrap();
    assert!(told.contains("damaged in 1 places") && told.contains("key-007"), "{told}");

    life.store.put(key(7).as_bytes(), &value(7), Level::Strong).unwrap();
    life.store.checkpoint().unwrap();
    wait_for_pass(&life.store, &life.clock);
    assert_eq!(life.store.trouble(), None);
    assert_eq!(life.store.scrub().unwrap().damaged, 0);
}

#[test]
fn a_damaged_frame_of_a_sealed_segment_is_told_by_its_place() {
    let disk = SimDisk::new();
    let life = filled(&disk);
    let sealed = segments(&disk).into_iter().find(|path| damage(&disk, path, 3)).unwrap();
    let found = life.store.scrub().unwrap();
    assert_eq!(found.damaged, 1);
    let number = sealed.file_stem().unwrap().to_str().unwrap().trim_start_matches('0');
    let first = found.first.unwrap();
    assert!(first.contains(&format!("segment {number} offset")), "{first}");
    assert!(life.store.trouble().is_some());
}

#[test]
fn a_pass_begins_a_minute_after_the_start_and_takes_its_time() {
    let disk = SimDisk::new();
    drop(filled(&disk));
    assert!(damage(&disk, Path::new(TABLE), 7));
    for (scrub_interval_us, finds) in [(24 * HOUR_US, true), (0, false)] {
        let clock = Arc::new(SimClock::new(1_700_000_000_000_000));
        let options = Options { scrub_interval_us, ..support::options(&disk, &clock, 5) };
        let store = Store::open(options).unwrap();
        let steps_find = |count: u64| {
            (0..count).for_each(|_| store.step().unwrap());
            store.trouble().is_some()
        };
        clock.advance_us(59_000_000);
        assert!(!steps_find(100), "not within the first minute");
        clock.advance_us(2_000_000);
        assert_eq!(steps_find(100), finds);
    }
}
