//! Promise: whatever is done in whatever order, the store answers like a sorted map with a clock.
//!
//! Seeded puts with and without a time to live, deletes, reads, paged scans, checkpoints, sweeps, clean
//! and unclean stops, power cuts, and a wall clock that jumps both ways. Invariants 2 and 3 of
//! `ARCHITECTURE.md`: recovery applies what the live path applied, and dropping every clean entry
//! changes no answer.
//!
//! `MODEL_SEEDS` (default 60) and `MODEL_STEPS` (default 1200) lengthen it; `MODEL_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::sync::Arc;

use mpreg_storage::disk::{Clock, CrashSpec, Keep, Rng, SimClock, SimDisk, SimRng};
use mpreg_storage::record::{Key, Lsn};
use mpreg_storage::store::{Level, Operation, Read, Row};
use support::{Life, Replay, WALL_US, key, number, seeds};

const MODEL_KEYS: u64 = 40;

#[derive(Debug, Clone, PartialEq)]
struct Version {
    lsn: Lsn,
    value: Vec<u8>,
    expires_us: u64,
}

impl Version {
    fn is_visible(&self, now_us: u64) -> bool {
        self.expires_us == 0 || now_us <= self.expires_us
    }
}

/// One logged change; `None` removes.
struct Change {
    lsn: Lsn,
    time_us: u64,
    key: Key,
    version: Option<Version>,
}

#[derive(Debug, Default)]
struct Tally {
    writes: u64,
    reads: u64,
    expired_reads: u64,
    pages: u64,
    checkpoints: u64,
    stops: u64,
    power_cuts: u64,
    lost: usize,
    clock_jumps: u64,
}

struct Run {
    rng: SimRng,
    disk: SimDisk,
    clock: Arc<SimClock>,
    life: Option<Life>,
    changes: Vec<Change>,
    state: BTreeMap<Key, Version>,
    strong: Lsn,
    written: Lsn,
    wall_max_us: u64,
    lives: u64,
    tally: Tally,
}

impl Run {
    fn new(seed: u64) -> Run {
        let (disk, clock) = (SimDisk::new(), Arc::new(SimClock::new(WALL_US)));
        let life = Some(Life::resume(&disk, &clock, seed).unwrap());
        Run {
            rng: SimRng::new(seed),
            disk,
            clock,
            life,
            changes: Vec::new(),
            state: BTreeMap::new(),
            strong: Lsn::ZERO,
            written: Lsn::ZERO,
            wall_max_us: WALL_US,
            lives: seed,
            tally: Tally::default(),
        }
    }

    fn life(&self) -> &Life {
        self.life.as_ref().expect("a store is open between steps")
    }

    /// State time, checked: never before the wall, nor before anything logged, nor invented.
    fn now_us(&mut self) -> u64 {
        let now_us = self.life().store.now_us();
        let wall_us = self.clock.wall_us();
        self.wall_max_us = self.wall_max_us.max(wall_us);
        let logged_us = self.changes.last().map_or(0, |change| change.time_us);
        assert!(now_us >= wall_us.max(logged_us), "state time {now_us}, wall {wall_us}, logged {logged_us}");
        assert!(now_us <= self.wall_max_us, "state time {now_us} was never on the wall");
        now_us
    }

    fn step(&mut self) {
        self.clock.advance_us(1 + self.rng.below(3_000));
        self.wall_max_us = self.wall_max_us.max(self.clock.wall_us());
        match self.rng.below(100) {
            0..38 => self.put(),
            38..50 => self.delete(),
            50..72 => self.get(),
            72..80 => self.scan(),
            80..84 => {
                self.life().store.checkpoint().unwrap();
                self.tally.checkpoints += 1;
            }
            84..88 => self.life().store.step().unwrap(),
            88..91 => {
                self.life().store.drop_clean();
                self.compare();
            }
            91..95 => self.move_clock(),
            95..97 => self.stop_cleanly(),
            97..99 => self.die(&CrashSpec::EVERYTHING),
            _ => self.cut_power(),
        }
    }

    fn level(&self) -> Level {
        if self.rng.below(4) == 0 { Level::Strong } else { Level::Eventual }
    }

    fn put(&mut self) {
        let key = key(self.rng.below(MODEL_KEYS));
        let length = if self.rng.below(12) == 0 { self.rng.below(40_000) } else { self.rng.below(120) };
        let width = usize::try_from(length).unwrap();
        let value = format!("\"{:0width$}\"", self.rng.next_u64()).into_bytes();
        let ttl_us = match self.rng.below(6) {
            0 | 1 => Some(1 + self.rng.below(20_000)),
            2 => Some(1 + self.rng.below(5_000_000)),
            _ => None,
        };
        let level = self.level();
        let operation = Operation::Put { key: key.as_bytes(), value: &value, ttl_us, extras: b"" };
        let outcome = self.life().store.submit(&operation, level).unwrap().wait().unwrap();
        let expires_us = ttl_us.map_or(0, |ttl_us| outcome.time_us + ttl_us);
        assert!(outcome.changed);
        assert_eq!(outcome.expires_us, expires_us);
        let version = Version { lsn: outcome.lsn, value, expires_us };
        self.log(outcome.lsn, outcome.time_us, key, Some(version), level);
    }

    fn delete(&mut self) {
        let key = key(self.rng.below(MODEL_KEYS));
        let level = self.level();
        let outcome = self.life().store.delete(key.as_bytes(), level).unwrap();
        let there = self.state.get(&key).is_some_and(|version| version.is_visible(outcome.time_us));
        assert_eq!(outcome.changed, there, "delete of {key} at {}", outcome.time_us);
        if outcome.changed {
            self.log(outcome.lsn, outcome.time_us, key, None, level);
        }
    }

    fn log(&mut self, lsn: Lsn, time_us: u64, key: Key, version: Option<Version>, level: Level) {
        assert!(lsn > self.written, "positions only grow: {lsn} after {}", self.written);
        self.written = lsn;
        if level == Level::Strong {
            self.strong = lsn;
        }
        self.tally.writes += 1;
        let change = Change { lsn, time_us, key, version };
        apply(&mut self.state, &change);
        self.changes.push(change);
        self.now_us();
    }

    fn get(&mut self) {
        let now_us = self.now_us();
        let key = key(self.rng.below(MODEL_KEYS));
        let held = self.state.get(&key);
        let want = held.filter(|version| version.is_visible(now_us)).map(|version| &version.value[..]);
        let store = &self.life().store;
        match store.read(key.as_bytes(), now_us, |entry| entry.value().to_vec()) {
            Read::Hit(value) => assert_eq!(Some(&value[..]), want, "read of {key}"),
            Read::Miss { .. } => assert_eq!(None, want, "read of {key}"),
            Read::Cold => {}
        }
        let found = store.get(key.as_bytes()).unwrap();
        assert_eq!(found.as_ref().map(|entry| entry.value()), want, "get of {key}");
        let expired = held.is_some() && want.is_none();
        self.tally.expired_reads += u64::from(expired);
        self.tally.reads += 1;
    }

    /// The whole store, page by page.
    fn scan(&mut self) {
        let limit = 1 + usize::try_from(self.rng.below(9)).unwrap();
        let prefix: &[u8] = if self.rng.below(2) == 0 { b"" } else { b"sim" };
        let now_us = self.now_us();
        let (mut rows, mut after): (Vec<Row>, Option<Vec<u8>>) = (Vec::new(), None);
        loop {
            let page = self.life().store.scan(prefix, after.as_deref(), limit).unwrap();
            assert!(page.rows.len() <= limit);
            rows.extend(page.rows);
            self.tally.pages += 1;
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
        let found: Vec<_> =
            rows.iter().map(|row| (&row.key[..], row.lsn, row.expires_us, &row.value[..])).collect();
        let visible = self.state.iter().filter(|(_, version)| version.is_visible(now_us));
        let want: Vec<_> = visible
            .map(|(key, version)| (key.as_bytes(), version.lsn, version.expires_us, &version.value[..]))
            .collect();
        assert_eq!(found, want, "scan at {now_us}");
    }

    fn compare(&mut self) {
        self.scan();
        for _ in 0..8 {
            self.get();
        }
    }

    fn move_clock(&mut self) {
        self.tally.clock_jumps += 1;
        let wall_us = self.clock.wall_us();
        match self.rng.below(3) {
            0 => self.clock.advance_us(self.rng.below(10_000_000)),
            // Rarely by more than the run takes: behind the last logged time the clock stands still.
            1 if self.rng.below(16) == 0 => self.clock.set_wall_us(wall_us - 3_600_000_000),
            1 => self.clock.set_wall_us(wall_us - self.rng.below(20_000)),
            _ => self.clock.set_wall_us(wall_us + self.rng.below(60_000_000)),
        }
        self.now_us();
    }

    fn stop_cleanly(&mut self) {
        self.life.take().expect("a store is open").store.close().unwrap();
        self.strong = self.written;
        self.reopen();
        assert_eq!(self.life().store.recovered().records, 0, "a clean stop leaves nothing to replay");
        self.tally.stops += 1;
    }

    fn die(&mut self, spec: &CrashSpec) {
        drop(self.life.take());
        self.disk = self.disk.crash_image(spec);
        self.reopen();
        self.tally.stops += 1;
    }

    fn cut_power(&mut self) {
        let spec = match self.rng.below(3) {
            0 => CrashSpec::NOTHING,
            1 => CrashSpec::content(Keep::Sectors(self.rng.next_u64())),
            _ => CrashSpec::content(Keep::Subset(self.rng.next_u64())),
        };
        self.tally.power_cuts += 1;
        self.written = self.strong;
        self.die(&spec);
    }

    /// Opens what is there; what was promised must be, and the model follows what survived.
    fn reopen(&mut self) {
        self.lives += 1;
        let life = Life::resume(&self.disk, &self.clock, self.lives).unwrap();
        let last = life.store.recovered().last;
        assert!(last >= self.written, "recovered through {last}, promised {}", self.written);
        let before = self.changes.len();
        self.changes.retain(|change| change.lsn <= last);
        self.tally.lost += before - self.changes.len();
        self.state.clear();
        self.changes.iter().for_each(|change| apply(&mut self.state, change));
        // Everything recovered is durable.
        (self.written, self.strong) = (last, last);
        self.life = Some(life);
        self.compare();
    }
}

fn apply(state: &mut BTreeMap<Key, Version>, change: &Change) {
    match &change.version {
        Some(version) => state.insert(change.key.clone(), version.clone()),
        None => state.remove(&change.key),
    };
}

#[test]
fn the_store_answers_like_a_sorted_map_with_a_clock() {
    let began = std::time::Instant::now();
    let (mut expired_reads, mut lost) = (0, 0);
    for seed in seeds("MODEL", 60) {
        let _replay = Replay(format!("MODEL_SEED={seed} cargo test -p mpreg-storage --test model"));
        let mut run = Run::new(seed);
        for _ in 0..number("MODEL_STEPS", 1200) {
            run.step();
        }
        run.compare();
        println!("model seed={seed} violations=0 {:?}", run.tally);
        let tally = &run.tally;
        assert!(tally.power_cuts > 0 && tally.stops > 10, "{tally:?}");
        (expired_reads, lost) = (expired_reads + tally.expired_reads, lost + tally.lost);
    }
    assert!(expired_reads > 10 && lost > 0, "expired {expired_reads}, lost {lost}: proves too little");
    println!("model secs={:.1}", began.elapsed().as_secs_f64());
}
