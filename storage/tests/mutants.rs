//! Promise of the tests themselves: each planted bug is found, and without one nothing is.
//!
//! One process, one bug at a time, planted while the harness that should find it runs:
//!
//! | bug | harness |
//! |---|---|
//! | `SkipSync`, `SkipDirectorySync`, `DropLogBeforeCheckpoint` | the crash enumeration of `crash_points` |
//! | `CutAtAnyBadRecord` | bits turned over in records that were durable |
//! | `FillWithoutToken` | a write, its checkpoint and its eviction in the middle of a cold read |
//! | `ShowHalfBatches` | readers beside a writer of batches that change many keys |
//!
//! `ReplyBeforeHandOver` lives in the server and is planted there.
//! Needs `--features mutants`, which no release has.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mpreg_storage::disk::{CrashSpec, Damage, SimClock, SimDisk, SimRng};
use mpreg_storage::mutants::{Bug, plant};
use mpreg_storage::store::{Level, Store};
use support::crash::{Spread, enumerate};
use support::{History, Life, WALL_US, judge, key, number, options, work};

/// Runs until it has found something, or all it has to try; the number of violations.
type Harness = fn() -> usize;

/// The bugs that live in this crate, with what must find them.
const CASES: [(Bug, Harness); 6] = [
    (Bug::SkipSync, power_cuts),
    (Bug::SkipDirectorySync, power_cuts),
    (Bug::DropLogBeforeCheckpoint, power_cuts),
    (Bug::CutAtAnyBadRecord, damaged_records),
    (Bug::FillWithoutToken, writes_during_cold_reads),
    (Bug::ShowHalfBatches, half_batches),
];

#[test]
fn each_planted_bug_is_found_and_a_sound_store_is_left_alone() {
    let began = std::time::Instant::now();
    plant(None);
    for harness in [power_cuts as Harness, damaged_records, writes_during_cold_reads, half_batches] {
        assert_eq!(harness(), 0, "violations without a planted bug");
    }
    let mut missed = Vec::new();
    for (bug, harness) in CASES {
        plant(Some(bug));
        let violations = harness();
        plant(None);
        println!("{bug:?}: {violations} violations");
        if violations == 0 {
            missed.push(bug);
        }
    }
    let caught = CASES.len() - missed.len();
    let secs = began.elapsed().as_secs_f64();
    println!("mutants cases={} caught={caught} secs={secs:.1}", CASES.len());
    assert!(missed.is_empty(), "planted and not found: {missed:?}");
}

fn power_cuts() -> usize {
    let spread = Spread { steps: number("MUTANTS_STEPS", 60), each_max: 1, recoveries_every: u64::MAX };
    // Multiples of three have the smallest segments, so that some are retired.
    for seed in [9, 3] {
        let tally = enumerate(seed, spread);
        tally.violations.first().iter().for_each(|first| println!("  {first}"));
        if !tally.violations.is_empty() {
            return tally.violations.len();
        }
    }
    0
}

/// Records that were acknowledged `strong` are damaged: whoever opens the store must be told.
fn damaged_records() -> usize {
    let disk = SimDisk::new();
    let life = Life::begin(&disk, 1).unwrap();
    let (mut history, mut acks) = (History::default(), Vec::new());
    work(&life, &SimRng::new(1), 30, &mut history, &mut acks).unwrap();
    // The second one says of the first that it is durable; nobody says so of the second.
    let [put, _] = [b"\"first\"", b"\"after\""].map(|value| {
        let put = life.store.put(key(1).as_bytes(), value, Level::Strong).unwrap();
        history.changes.push((put.lsn, key(1), Some(value.to_vec())));
        put
    });
    let epoch = life.store.epoch();
    drop(life);
    let mut violations = 0;
    for path in disk.files().iter().filter(|path| path.extension().is_some_and(|end| end == "seg")) {
        let frames = disk.read_file(path).unwrap().iter().rposition(|byte| *byte != 0).unwrap_or(0);
        for offset in (96..frames as u64).step_by(97) {
            let image = disk.crash_image(&CrashSpec::NOTHING);
            image.damage(path, Damage::FlipBit { offset, bit: 3 }).unwrap();
            let opens = Life::begin(&image, 2).map(drop).is_ok();
            let lost = opens && judge(&image, &history, put.lsn, epoch, 2).is_err();
            violations += usize::from(lost);
        }
    }
    violations
}

/// Readers that look at the first and the last effect of batches while they are written.
fn half_batches() -> usize {
    // Threads meet when the machine lets them: tried again before it counts as missed.
    let mut tries = (0..10).map(|_| support::halves::look_for_halves(number("MUTANTS_BATCHES", 500)).0);
    tries.find(|halves| *halves > 0).map_or(0, |halves| usize::try_from(halves).unwrap())
}

/// In the middle of a cold read the key is written, the write checkpointed and evicted again. What
/// the read found is old by then and must not stay.
fn writes_during_cold_reads() -> usize {
    let disk = SimDisk::new();
    let life = Life::begin(&disk, 1).unwrap();
    let cold = key(7);
    // More rows than the root page holds, which an opening reads already.
    for number in 0..200 {
        let value = format!("\"{:0300}\"", 0).into_bytes();
        life.store.put(key(number).as_bytes(), &value, Level::Eventual).unwrap();
    }
    life.store.put(cold.as_bytes(), b"\"old\"", Level::Strong).unwrap();
    let checkpoint = life.store.durable_lsn();
    life.store.close().unwrap();
    let mut options = options(&disk, &Arc::new(SimClock::new(WALL_US)), 2);
    options.table_cache_bytes = Some(0);
    let store = Store::open(options).unwrap();
    let (armed, writer, written) = (AtomicBool::new(true), store.clone(), cold.clone());
    disk.on_read(move |path| {
        if path.ends_with("store.redb") && armed.swap(false, Ordering::SeqCst) {
            writer.put(written.as_bytes(), b"\"new\"", Level::Strong).unwrap();
            writer.checkpoint().unwrap().expect("something is dirty");
            writer.drop_clean();
        }
    });
    let during = store.get(cold.as_bytes()).unwrap();
    assert!(during.is_some(), "the old or the new one");
    assert!(store.checkpoint_lsn() > checkpoint, "the hook did not run");
    let after = store.get(cold.as_bytes()).unwrap().expect("a key that was put twice");
    disk.on_read(|_| {});
    usize::from(after.value() != b"\"new\"")
}
