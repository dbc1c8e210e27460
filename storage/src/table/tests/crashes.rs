//! Power cuts at every write, sync and rename of creating a table and of its checkpoints.
//!
//! The promise: after a cut the file opens and is exactly what one checkpoint left, the last one
//! that returned or the one that was running. And a cut while that file is being opened again
//! changes nothing about it.
//!
//! `MPREG_SOAK=n` tries all outcomes worth trying, n of each random kind, at each step.

use super::*;
use crate::disk::{CrashSpec, SimDisk};

const PATH: &str = "/data/l2/store.redb";

fn open(disk: &SimDisk) -> Result<Table, Error> {
    Table::open(Arc::new(disk.clone()), PATH.as_ref(), Options::default())
}

/// Four checkpoints that insert, replace, remove, let expire, and make the file grow.
fn batches() -> Vec<Batch> {
    let big = vec![b'x'; 3_000];
    let version = |lsn, value: &[u8]| Some(Version::plain(lsn, value));
    vec![
        (0..200).map(|number| (key(number), version(1, b"first"))).collect(),
        (0..300).step_by(3).map(|number| (key(number), Some(Version::expiring(2, number + 1)))).collect(),
        (0..250).map(|number| (key(number * 2), version(3, &big))).collect(),
        (0..400).map(|number| (key(number), (number % 4 == 0).then(|| Version::plain(4, b"4")))).collect(),
    ]
}

/// The rows after 0, 1, 2 ... checkpoints.
fn models(batches: &[Batch]) -> Vec<Model> {
    let mut models = vec![Model::new()];
    for batch in batches {
        let mut next = models.last().unwrap().clone();
        fold_model(&mut next, batch);
        models.push(next);
    }
    models
}

/// Opens an image and finds out which checkpoint it holds: `floor` or the one after.
fn check(disk: &SimDisk, models: &[Model], floor: u64, what: &str) -> u64 {
    let table = open(disk).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = table.snapshot().position();
    assert_eq!(found, at(found.lsn.0), "{what}: the whole position comes from one checkpoint");
    assert!(found.lsn.0 == floor || found.lsn.0 == floor + 1, "{what}: at {}, promised {floor}", found.lsn);
    assert!(rows_of(&table) == models[found.lsn.0 as usize], "{what}: rows are not those of {}", found.lsn);
    assert_sound(&table);
    found.lsn.0
}

#[test]
fn a_power_cut_leaves_one_checkpoint_or_the_next() {
    const SEED: u64 = 20_261_123;
    let soak = std::env::var("MPREG_SOAK").map_or(0, |times| times.parse().unwrap());
    let batches = batches();
    let models = models(&batches);
    let disk = SimDisk::new();
    disk.start_trace();
    let table = open(&disk).unwrap();
    // What had been promised, and after how many operations.
    let mut promised = vec![disk.op_count()];
    for (batch, lsn) in batches.iter().zip(1..) {
        fold(&table, lsn, batch);
        promised.push(disk.op_count());
    }
    table.close().unwrap();

    let trace = disk.trace().unwrap();
    let mut replay = trace.replay();
    let (mut images, mut second_cuts, mut newer) = (0, 0, 0);
    while replay.step().is_some() {
        let step = replay.op_count();
        let floor = promised.iter().filter(|&&done| done <= step).count().saturating_sub(1) as u64;
        for (number, spec) in replay.specs(SEED, soak.max(1)).into_iter().enumerate() {
            // The short form takes every other outcome, others at each step.
            if soak == 0 && !(step + number as u64).is_multiple_of(2) {
                continue;
            }
            let image = replay.image(&spec);
            let what = format!("seed {SEED} step {step} {spec:?}");
            image.start_trace();
            let found = check(&image, &models, floor, &what);
            images += 1;
            newer += u64::from(found > floor);
            if (step + number as u64).is_multiple_of(98) {
                second_cuts += cut_again(&image, &models, found, &what);
            }
        }
    }
    println!(
        "crashes seed={SEED} steps={} cases={images} second={second_cuts} newer={newer}",
        trace.ops().len()
    );
    assert!(images > 1_500 && second_cuts > 200 && newer > 0, "{images} {second_cuts} {newer}");
}

/// Cuts the power at every step of the opening that `image` has seen.
fn cut_again(image: &SimDisk, models: &[Model], found: u64, what: &str) -> u64 {
    let trace = image.trace().unwrap();
    let mut replay = trace.replay();
    let mut cuts = 0;
    while replay.step().is_some() {
        for spec in [CrashSpec::NOTHING, CrashSpec::EVERYTHING] {
            let again = check(&replay.image(&spec), models, found, &format!("{what}, again {spec:?}"));
            assert_eq!(again, found, "{what}: opening alone changes nothing");
            cuts += 1;
        }
    }
    cuts
}

#[test]
fn the_test_above_would_notice_a_sync_that_does_nothing() {
    use crate::disk::{Failure, Fault, OpKind};
    let disk = SimDisk::new();
    let table = open(&disk).unwrap();
    disk.inject(Fault::new(Failure::LyingSync).on(OpKind::Sync).times(u64::MAX));
    fold(&table, 1, &batches()[0]);
    let found = open(&disk.crash_image(&CrashSpec::NOTHING)).unwrap().snapshot().position();
    assert_eq!(found, at(0), "the checkpoint that returned is lost, as it must be without syncs");
}
