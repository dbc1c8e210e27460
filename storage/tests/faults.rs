//! Promise: whichever single call of the disk fails, and however, nobody is told a falsehood.
//!
//! A seeded run counts its calls of the disk: opening, log, L2, directories, reads included. Then it
//! runs again once for every call and every way that call can fail. Each answer must be right or an
//! error of the right sort; after a failed write or sync of the log the store takes nothing more; and
//! three machines are opened on what is left: the one whose process restarts and still has its page
//! cache, the one that lost its power, and the one whose pages all made it to the disk.
//!
//! `FAULTS_STRIDE` (default 1: each) tries every so many calls; `FAULTS_SEEDS` (default 1),
//! `FAULTS_STEPS` (default 36). `FAULTS_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use mpreg_storage::disk::{Failure, Fault, OpKind, SimDisk, SimRng};
use mpreg_storage::store::{Error, Level, Operation};
use mpreg_storage::{log, table, write};
use support::survivors::{Promised, judge_survivors};
use support::{Ack, History, KEYS, Life, Replay, key, number, seeds};

/// What the caller can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// Stop and reopen.
    Fatal,
    /// Wait for space.
    Space,
    /// The disk failed where nothing was lost: try again.
    Disk,
    /// An answer that none of these faults excuses.
    Wrong,
}

fn sort_of(error: &Error) -> Sort {
    match error {
        Error::Write(write::Error::Poisoned { .. } | write::Error::UnknownOutcome { .. }) => Sort::Fatal,
        Error::Write(write::Error::NoSpace { .. } | write::Error::Log(log::Error::NoSpace { .. })) => {
            Sort::Space
        }
        Error::Write(write::Error::Table(error)) if error.is_no_space() => Sort::Space,
        Error::Write(write::Error::Table(table::Error::Io { .. } | table::Error::Lost { .. })) => Sort::Disk,
        Error::Write(write::Error::Log(
            log::Error::Io { .. } | log::Error::Write { .. } | log::Error::Sync { .. },
        ))
        | Error::Io { .. } => Sort::Disk,
        _ => Sort::Wrong,
    }
}

#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    struck: u64,
    poisoned: u64,
    refused: u64,
    open_failed: u64,
    violations: Vec<String>,
}

/// A run that goes on when an answer is an error.
struct Run {
    life: Life,
    rng: SimRng,
    history: History,
    acks: Vec<Ack>,
    is_poisoned: bool,
    refused: u64,
    wrong: Vec<String>,
}

impl Run {
    fn new(life: Life, seed: u64) -> Run {
        let (history, acks) = (History::default(), Vec::new());
        Run { life, rng: SimRng::new(seed), history, acks, is_poisoned: false, refused: 0, wrong: Vec::new() }
    }

    /// Sorts an error; a poisoned store may only say that it is.
    fn refused(&mut self, doing: &str, error: &Error, writes: bool) {
        self.refused += 1;
        let sort = sort_of(error);
        if sort == Sort::Wrong || (self.is_poisoned && writes && sort != Sort::Fatal) {
            self.wrong.push(format!("{doing} answered {error:?}, poisoned: {}", self.is_poisoned));
        }
        self.is_poisoned |= sort == Sort::Fatal;
    }

    fn step(&mut self) {
        self.life.clock.advance_us(1 + self.rng.below(3_000));
        match self.rng.below(20) {
            0 | 1 => {
                if let Err(error) = self.life.store.checkpoint() {
                    self.refused("checkpoint", &error, false);
                }
            }
            2 => {
                if let Err(error) = self.life.store.step() {
                    self.refused("step", &error, false);
                }
            }
            3 => self.life.store.drop_clean(),
            4..7 => self.get(),
            choice => self.write(choice < 10),
        }
    }

    fn write(&mut self, deletes: bool) {
        let key = key(self.rng.below(KEYS));
        let length = if self.rng.below(6) == 0 { self.rng.below(6_000) } else { self.rng.below(90) };
        let width = usize::try_from(length).unwrap();
        let value = format!("\"{:0width$}\"", self.acks.len()).into_bytes();
        let level = if self.rng.below(3) == 0 { Level::Strong } else { Level::Eventual };
        let operation = if deletes {
            Operation::Delete { key: key.as_bytes() }
        } else {
            Operation::Put { key: key.as_bytes(), value: &value, ttl_us: None, extras: b"" }
        };
        let store = self.life.store.clone();
        let outcome = match store.stage_blocking(&operation).map(|done| done.outcome) {
            Ok(outcome) => outcome,
            Err(error) => return self.refused("staging", &error, !deletes),
        };
        if outcome.changed {
            if self.is_poisoned {
                self.wrong.push(format!("a poisoned store took lsn {}", outcome.lsn));
            }
            self.history.changes.push((outcome.lsn, key, (!deletes).then_some(value)));
        }
        let promised = match level {
            Level::Eventual => store.hand_over(outcome.lsn),
            Level::Strong => store.durable(outcome.lsn).wait().map_err(Error::from),
        };
        match promised {
            Ok(()) => {
                let op_count = self.life.disk.op_count();
                self.acks.push(Ack { op_count, lsn: outcome.lsn, level, epoch: store.epoch() });
            }
            Err(error) => {
                self.refused("waiting", &error, true);
                if !error.is_fatal() {
                    self.wrong.push(format!("an applied write was answered {error:?}"));
                }
            }
        }
    }

    fn get(&mut self) {
        let key = key(self.rng.below(KEYS));
        let state = self.history.state_at(mpreg_storage::record::Lsn(u64::MAX));
        match self.life.store.get(key.as_bytes()) {
            Ok(found) => {
                if found.as_ref().map(|entry| entry.value()) != state.get(&key).map(|value| &value[..]) {
                    self.wrong.push(format!("get of {key} is not what was put last"));
                }
            }
            Err(error) if sort_of(&error) == Sort::Disk => self.refused += 1,
            Err(error) => self.wrong.push(format!("get answered {error:?}")),
        }
    }

    /// The disk is well again: a sound store goes on, a poisoned one stays so.
    fn afterwards(&mut self) {
        for _ in 0..4 {
            self.get();
        }
        let before = self.refused;
        self.write(false);
        if (self.refused > before) != self.is_poisoned {
            self.wrong
                .push(format!("after healing, poisoned: {}, refused: {}", self.is_poisoned, self.refused));
        }
        if let Err(error) = self.life.store.step()
            && !self.is_poisoned
        {
            self.wrong.push(format!("step on a healthy disk answered {error:?}"));
        }
    }
}

/// One run with one fault; false when the fault found nothing to strike.
fn one(seed: u64, steps: u64, fault: Fault, tally: &mut Tally) -> bool {
    let what = format!("seed {seed} {fault:?}");
    let disk = SimDisk::new();
    disk.inject(fault);
    let life = match Life::begin(&disk, seed) {
        Ok(life) => life,
        Err(error) => {
            tally.open_failed += 1;
            disk.heal();
            if matches!(sort_of(&error), Sort::Wrong | Sort::Fatal) {
                tally.violations.push(format!("{what}: open answered {error:?}"));
            }
            let promised = Promised::default();
            let judged = judge_survivors(&disk, &History::default(), &promised, seed);
            tally
                .violations
                .extend(judged.err().map(|wrong| format!("{what}: after a failed open: {wrong}")));
            return true;
        }
    };
    let mut run = Run::new(life, seed);
    (0..steps).for_each(|_| run.step());
    let struck = disk.counters().faults() > 0;
    disk.heal();
    run.afterwards();
    let Run { life, history, acks, is_poisoned, refused, wrong, .. } = run;
    tally.poisoned += u64::from(is_poisoned);
    tally.refused += refused;
    tally.violations.extend(wrong.into_iter().map(|wrong| format!("{what}: {wrong}")));
    let epoch = life.store.epoch();
    drop(life);
    let promised = Promised::of(&acks, epoch, disk.counters().failed_syncs > 0);
    let judged = judge_survivors(&disk, &history, &promised, seed);
    tally.violations.extend(judged.err().map(|wrong| format!("{what}: {wrong}")));
    struck
}

/// Every way a call can fail, from the `skip`-th call on that it can strike.
fn faults(skip: u64) -> [Fault; 6] {
    [
        Fault::new(Failure::Io).skip(skip),
        Fault::new(Failure::NoSpace).on(OpKind::Write).skip(skip),
        // A disk that stays full for a while.
        Fault::new(Failure::NoSpace).on(OpKind::Write).in_path("l2").skip(skip).times(9),
        Fault::new(Failure::NoSpace).on(OpKind::SetLen).skip(skip),
        Fault::new(Failure::ShortWrite { kept_bytes: 100 }).skip(skip),
        Fault::new(Failure::LossySync { seed: skip }).skip(skip),
    ]
}

#[test]
fn a_fault_at_any_call_is_told_and_costs_nothing_promised() {
    let began = std::time::Instant::now();
    let (stride, steps) = (number("FAULTS_STRIDE", 1).max(1), number("FAULTS_STEPS", 36));
    let mut tally = Tally::default();
    for seed in seeds("FAULTS", 1) {
        let _replay = Replay(format!("FAULTS_SEED={seed} cargo test -p mpreg-storage --test faults"));
        for sort in 0..faults(0).len() {
            // A stride that does not divide the period of the calls would not matter; the offset varies it.
            let mut skip = number("FAULTS_SKIP", (seed + sort as u64) % stride);
            while one(seed, steps, faults(skip)[sort].clone(), &mut tally) {
                (tally.cases, tally.struck) = (tally.cases + 1, tally.struck + 1);
                skip += stride;
            }
            tally.cases += 1;
        }
    }
    let violations = tally.violations.len();
    println!(
        "faults cases={} faults={} poisoned={} refused={} open_failed={} violations={violations} secs={:.1}",
        tally.cases,
        tally.struck,
        tally.poisoned,
        tally.refused,
        tally.open_failed,
        began.elapsed().as_secs_f64()
    );
    assert!(
        tally.struck > 30 && tally.poisoned > 5 && tally.open_failed > 5,
        "too few faults struck: {tally:?}"
    );
    let shown = tally.violations.iter().take(8).cloned().collect::<Vec<_>>();
    assert!(violations == 0, "{}", shown.join("\n"));
}

/// A disk without a free byte refuses cleanly, and everything goes on when there is room again.
#[test]
fn a_full_disk_refuses_and_goes_on_when_there_is_room() {
    let disk = SimDisk::new();
    let mut run = Run::new(Life::begin(&disk, 5).unwrap(), 5);
    (0..20).for_each(|_| run.step());
    disk.set_capacity_bytes(0);
    let mut refused = 0;
    for _ in 0..400 {
        let before = (run.refused, run.history.changes.len());
        run.write(false);
        if run.refused > before.0 {
            refused += 1;
            assert_eq!(run.history.changes.len(), before.1, "a refused put changes nothing");
        }
        run.get();
    }
    assert!(refused > 10 && !run.is_poisoned, "{refused} refused, {:?}", run.wrong);
    assert!(run.life.store.checkpoint().is_err(), "L2 cannot grow on a full disk");
    run.write(true);
    run.get();
    disk.set_capacity_bytes(1 << 40);
    run.life.store.checkpoint().unwrap().expect("everything is still dirty");
    run.afterwards();
    assert!(run.wrong.is_empty(), "{:#?}", run.wrong);
    let promised = Promised::of(&run.acks, run.life.store.epoch(), false);
    let Run { life, history, .. } = run;
    drop(life);
    judge_survivors(&disk, &history, &promised, 5).unwrap();
}

/// Below the minimum of free space puts stop while there is still room for deletes and checkpoints.
#[test]
fn deletes_and_reads_go_on_below_the_minimum_of_free_space() {
    let disk = SimDisk::new();
    let clock = std::sync::Arc::new(mpreg_storage::disk::SimClock::new(support::WALL_US));
    let mut options = support::options(&disk, &clock, 1);
    options.free_bytes_min = Some(1 << 20);
    let store = mpreg_storage::store::Store::open(options).unwrap();
    for number in 0..50 {
        store.put(key(number).as_bytes(), b"1", Level::Eventual).unwrap();
    }
    disk.set_capacity_bytes(disk.used_bytes() + (1 << 20) - 4096);
    store.step().unwrap();
    assert!(store.stats().unwrap().full);
    for number in 0..50 {
        let refused = store.put(key(number).as_bytes(), b"2", Level::Eventual).unwrap_err();
        assert_eq!(sort_of(&refused), Sort::Space, "{refused:?}");
        assert_eq!(store.get(key(number).as_bytes()).unwrap().unwrap().value(), b"1");
        assert!(store.delete(key(number).as_bytes(), Level::Strong).unwrap().changed);
        store.step().unwrap();
    }
    store.checkpoint().unwrap();
    disk.set_capacity_bytes(1 << 30);
    store.step().unwrap();
    store.put(key(1).as_bytes(), b"3", Level::Strong).unwrap();
}
