//! Killing a seeded run at every disk operation, and its recovery too.

use mpreg_storage::disk::{CrashSpec, SimDisk, SimRng};
use mpreg_storage::record::{Epoch, Lsn};
use mpreg_storage::store::Level;

use super::{Ack, History, Life, judge, work};

/// Highest promise given when `op_count` operations had happened. Eventual promises hold when the
/// process died and the machine did not.
pub fn promised(acks: &[Ack], op_count: u64, spec: &CrashSpec) -> (Lsn, Epoch) {
    let mut promise = (Lsn::ZERO, Epoch(0));
    for ack in acks.iter().filter(|ack| ack.op_count <= op_count) {
        if ack.level == Level::Strong || *spec == CrashSpec::EVERYTHING {
            promise.0 = promise.0.max(ack.lsn);
        }
        promise.1 = promise.1.max(ack.epoch);
    }
    promise
}

/// What an enumeration did and found.
#[derive(Debug, Default)]
pub struct Tally {
    pub images: u64,
    pub recoveries_killed: u64,
    pub violations: Vec<String>,
}

/// How much of what could happen is tried.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    /// Steps of the run.
    pub steps: u64,
    /// Outcomes of each sort at each operation.
    pub each_max: usize,
    /// The recovery of every so many-th image dies, too, at each of its operations.
    pub recoveries_every: u64,
}

/// One seeded run, killed at every disk operation.
pub fn enumerate(seed: u64, spread: Spread) -> Tally {
    let disk = SimDisk::new();
    disk.start_trace();
    let rng = SimRng::new(seed);
    let (mut history, mut acks) = (History::default(), Vec::new());
    let life = Life::begin(&disk, seed).unwrap();
    work(&life, &rng, spread.steps, &mut history, &mut acks).unwrap();
    drop(life);
    let trace = disk.trace().unwrap();
    let mut tally = Tally::default();
    let mut replay = trace.replay();
    while let Some(op) = replay.step() {
        let at = replay.op_count();
        for spec in replay.specs(seed, spread.each_max) {
            let (lsn, epoch) = promised(&acks, at, &spec);
            let image = replay.image(&spec);
            tally.images += 1;
            if tally.images.is_multiple_of(spread.recoveries_every) {
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
