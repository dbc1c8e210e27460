//! Promise: whatever instant the power goes, what was acknowledged `strong` is there, and what is
//! there is a prefix of the log.
//!
//! One seeded run is traced operation by operation. At every boundary the machine dies in many ways
//! (nothing pending survives, everything, each page or name missing or alone, torn writes, random
//! subsets) and the store is opened on what is left, judged, written to, and killed again. For a
//! sample of images the recovery itself dies at each of its own operations.
//!
//! `CRASH_SEEDS` (default 2) and `CRASH_SPREAD` (default 2) make it longer; `CRASH_SEED` replays one.
#![allow(clippy::unwrap_used, reason = "a test may")]

mod support;

use mpreg_storage::disk::{CrashSpec, SimDisk, SimRng};
use mpreg_storage::record::{Epoch, Lsn};
use mpreg_storage::store::Level;
use support::{Ack, History, Life, judge, work};

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// Highest promise given when `op_count` operations had happened. Eventual promises hold when the
/// process died and the machine did not.
fn promised(acks: &[Ack], op_count: u64, spec: &CrashSpec) -> (Lsn, Epoch) {
    let mut promise = (Lsn::ZERO, Epoch(0));
    for ack in acks.iter().filter(|ack| ack.op_count <= op_count) {
        if ack.level == Level::Strong || *spec == CrashSpec::EVERYTHING {
            promise.0 = promise.0.max(ack.lsn);
        }
        promise.1 = promise.1.max(ack.epoch);
    }
    promise
}

#[derive(Debug, Default)]
struct Tally {
    images: u64,
    recoveries_killed: u64,
    violations: Vec<String>,
}

fn enumerate(seed: u64, steps: u64, each_max: usize) -> Tally {
    let disk = SimDisk::new();
    disk.start_trace();
    let rng = SimRng::new(seed);
    let (mut history, mut acks) = (History::default(), Vec::new());
    let life = Life::begin(&disk, seed).unwrap();
    work(&life, &rng, steps, &mut history, &mut acks).unwrap();
    drop(life);
    let trace = disk.trace().unwrap();
    let mut tally = Tally::default();
    let mut replay = trace.replay();
    while let Some(op) = replay.step() {
        let at = replay.op_count();
        for spec in replay.specs(seed, each_max) {
            let (lsn, epoch) = promised(&acks, at, &spec);
            let image = replay.image(&spec);
            tally.images += 1;
            if tally.images.is_multiple_of(61) {
                kill_recovery(&replay.image(&spec), &history, lsn, epoch, seed, &mut tally);
            }
            if let Err(wrong) = judge(&image, &history, lsn, epoch, seed ^ at) {
                tally.violations.push(format!("seed {seed} after op {at} {op:?} {spec:?}: {wrong}"));
                if tally.violations.len() > 5 {
                    return tally;
                }
            }
        }
    }
    tally
}

/// The recovery of `image` dies at each of its operations, and the next one must still be right.
fn kill_recovery(image: &SimDisk, history: &History, lsn: Lsn, epoch: Epoch, seed: u64, tally: &mut Tally) {
    image.start_trace();
    if Life::begin(image, seed).is_err() {
        return;
    }
    let trace = image.trace().unwrap();
    let mut replay = trace.replay();
    while let Some(op) = replay.step() {
        for spec in [CrashSpec::NOTHING, CrashSpec::EVERYTHING]
            .into_iter()
            .chain(replay.specs(seed, 1).into_iter().take(3))
        {
            tally.recoveries_killed += 1;
            if let Err(wrong) = judge(&replay.image(&spec), history, lsn, epoch, seed + 7) {
                tally.violations.push(format!("seed {seed} recovery killed after {op:?} {spec:?}: {wrong}"));
            }
        }
    }
}

#[test]
fn every_crash_point_keeps_the_promises() {
    let began = std::time::Instant::now();
    let first = number("CRASH_SEED", 1);
    let seeds = if std::env::var("CRASH_SEED").is_ok() { 1 } else { number("CRASH_SEEDS", 2) };
    let each_max = usize::try_from(number("CRASH_SPREAD", 2)).unwrap();
    let mut total = Tally::default();
    for seed in first..first + seeds {
        let tally = enumerate(seed, number("CRASH_STEPS", 60), each_max);
        total.images += tally.images;
        total.recoveries_killed += tally.recoveries_killed;
        total.violations.extend(tally.violations);
    }
    println!(
        "crash_points seeds={first}..{} images={} recoveries_killed={} violations={} secs={:.1}",
        first + seeds,
        total.images,
        total.recoveries_killed,
        total.violations.len(),
        began.elapsed().as_secs_f64()
    );
    assert!(total.images > 500 && total.recoveries_killed > 100, "too few crashes to prove anything");
    assert!(
        total.violations.is_empty(),
        "replay with CRASH_SEED=<seed> cargo test -p mpreg-storage --test crash_points\n{}",
        total.violations.join("\n")
    );
}
