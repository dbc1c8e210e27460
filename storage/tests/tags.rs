//! Promise: a tag's count is exact, whatever became of the checkpoints in between.
//!
//! Entries with a tag are put, replaced and deleted around a checkpoint that fails at each of its calls of the disk, in
//! each way a call can fail; of some the commit landed all the same, and the next checkpoint folds what it left. The tag
//! is hidden at one of three moments and must count what carries it: right after the failure, after the next
//! checkpoint, and after a restart.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::collections::BTreeSet;

use mpreg_storage::disk::{CrashSpec, Failure, Fault, OpKind, SimDisk, SimRng};
use mpreg_storage::record::Extras;
use mpreg_storage::store::{Operation, Store};
use support::{Life, key};

const KEYS: u64 = 40;

fn tagged() -> Vec<u8> {
    let mut extras = Vec::new();
    Extras { tags: r#"["tag"]"#, ..Extras::default() }.encode_into(&mut extras).unwrap();
    extras
}

/// Puts with and without tags, and deletes; keeps book of what carries them.
fn change(store: &Store, rng: &SimRng, carriers: &mut BTreeSet<u64>, count: u64) {
    let extras = tagged();
    for _ in 0..count {
        let number = rng.below(KEYS);
        let name = key(number);
        let operation = match rng.below(4) {
            0 => Operation::Delete { key: name.as_bytes() },
            1 => Operation::Put { key: name.as_bytes(), value: b"1", ttl_us: None, extras: b"" },
            _ => Operation::Put { key: name.as_bytes(), value: b"2", ttl_us: None, extras: &extras },
        };
        let is_tagged = matches!(operation, Operation::Put { extras: [_, ..], .. });
        let lsn = store.stage_blocking(&operation).unwrap().outcome.lsn;
        store.hand_over(lsn).unwrap();
        if is_tagged {
            carriers.insert(number)
        } else {
            carriers.remove(&number)
        };
    }
}

/// When the tag is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    Failed,
    Checkpointed,
    Restarted,
}

const MOMENTS: [Moment; 3] = [Moment::Failed, Moment::Checkpointed, Moment::Restarted];

fn count(store: &Store) -> u64 {
    store.stage_hide_tag("tag", "{}").unwrap().1
}

/// What a run around one failure counted, and what it should have; and whether the failure struck the checkpoint.
fn run(seed: u64, fault: &Fault, moment: Moment) -> (u64, u64, bool) {
    let disk = SimDisk::new();
    let rng = SimRng::new(seed);
    let life = Life::begin(&disk, seed).unwrap();
    let store = &life.store;
    let mut carriers = BTreeSet::new();
    change(store, &rng, &mut carriers, 30);
    store.checkpoint().unwrap();
    change(store, &rng, &mut carriers, 20);
    if seed.is_multiple_of(3) {
        // What the checkpoint folds begins anew.
        store.stage_hide_tag("tag", "{}").unwrap();
        carriers.clear();
        change(store, &rng, &mut carriers, 10);
    }
    disk.inject(fault.clone());
    let failed = store.checkpoint().is_err();
    disk.heal();
    if seed.is_multiple_of(2) {
        change(store, &rng, &mut carriers, 10);
    }
    if moment == Moment::Failed {
        return (count(store), carriers.len() as u64, failed);
    }
    store.checkpoint().unwrap();
    change(store, &rng, &mut carriers, 10);
    if moment == Moment::Checkpointed {
        return (count(store), carriers.len() as u64, failed);
    }
    store.step().unwrap();
    let clock = life.clock.clone();
    drop(life);
    let life = Life::resume(&disk.crash_image(&CrashSpec::EVERYTHING), &clock, seed).unwrap();
    change(&life.store, &rng, &mut carriers, 10);
    (count(&life.store), carriers.len() as u64, failed)
}

#[test]
fn tags_count_exactly_around_failed_checkpoints() {
    let (mut cases, mut struck, mut wrong) = (0, 0, Vec::new());
    for seed in support::seeds("TAGS", 6) {
        for (kind, failure) in [
            (OpKind::Sync, Failure::Io),
            (OpKind::Sync, Failure::LossySync { seed }),
            (OpKind::Write, Failure::Io),
            (OpKind::Write, Failure::ShortWrite { kept_bytes: 100 }),
        ] {
            for (skip, moment) in (0..14).flat_map(|skip| MOMENTS.map(|moment| (skip, moment))) {
                let fault = Fault::new(failure).on(kind).in_path("store.redb").skip(skip);
                let (counted, wanted, failed) = run(seed, &fault, moment);
                cases += 1;
                struck += u64::from(failed);
                if counted != wanted {
                    wrong.push(format!("seed {seed} {fault:?} {moment:?}: {counted} instead of {wanted}"));
                }
            }
        }
    }
    println!("tags cases={cases} struck={struck} wrong={}", wrong.len());
    assert!(wrong.is_empty(), "counted and wanted differ:\n{}", wrong.join("\n"));
    assert!(struck > cases / 10, "too few checkpoints failed: {struck}");
}
