//! Crash-point enumeration: the power goes after every single change of a few lives of a backlog, the disk keeps what it
//! likes of the unsynced rest, and the backlog is opened again: what was promised is there, in order, under its
//! positions, and nothing else is. For a sample of images the power goes again at each step of the recovery.
//!
//! `TOPICS_CRASH_SEEDS` (default 4) makes it longer, `TOPICS_SEED` runs one again.

use std::collections::BTreeMap;

use super::model::{Kept, seeds};
use super::*;
use crate::disk::{CrashSpec, Failure, Fault, OpKind, Trace};

/// What had been promised when so many changes were done.
#[derive(Debug, Clone, Default)]
struct Promise {
    at: u64,
    /// Last position a sync had returned.
    durable: Position,
    /// Last position handed to the OS.
    written: Position,
    /// Retention may have taken what lies below.
    retired: Lsn,
    reached: BTreeMap<String, Position>,
}

/// Some lives, and everything that was promised in them.
struct Story {
    trace: Trace,
    promises: Vec<Promise>,
    kept: Vec<Kept>,
    /// Changes done when each of them was staged; its write is the next one.
    staged_at: Vec<u64>,
    clock: Arc<SimClock>,
}

fn options() -> Options {
    Options { bytes_max: 24 << 10, ..unlimited() }
}

struct Teller {
    disk: SimDisk,
    clock: Arc<SimClock>,
    rng: SimRng,
    promise: Promise,
    promises: Vec<Promise>,
    kept: Vec<Kept>,
    staged_at: Vec<u64>,
}

impl Teller {
    fn note(&mut self) {
        self.promise.at = self.disk.op_count();
        self.promises.push(self.promise.clone());
    }

    fn life(&mut self, steps: usize) {
        let life = Life::on(&self.disk, &self.clock, options()).unwrap();
        let topics = &life.topics;
        self.promise.durable = topics.durable_position();
        self.promise.written = topics.written();
        self.note();
        for _ in 0..steps {
            self.clock.advance_us(1);
            match self.rng.below(20) {
                0..11 => self.publish(topics),
                11..14 => topics.durable(topics.written()).wait().unwrap(),
                14..16 => self.commit(topics),
                _ => {
                    // From here on the oldest segments may go.
                    self.promise.retired = Lsn(u64::MAX);
                    self.note();
                    topics.step().unwrap();
                    self.promise.retired = topics.stats().first.lsn;
                }
            }
            self.promise.durable = topics.durable_position();
            self.promise.written = topics.written();
            self.note();
        }
        if self.rng.below(2) == 0 {
            topics.close().unwrap();
            self.promise.durable = topics.written();
            self.note();
        }
    }

    fn publish(&mut self, topics: &Topics) {
        let mut last = None;
        for _ in 0..1 + self.rng.below(4) {
            let (topic, length) = (format!("t{}", self.rng.below(3)), self.rng.below(400) as usize);
            let text = format!("{:0length$}", self.kept.len());
            let Published { position, time_us } =
                topics.stage_blocking(&topic, text.as_bytes(), Level::Eventual).unwrap();
            self.staged_at.push(self.disk.op_count());
            self.kept.push(Kept { position, time_us, topic, text });
            last = Some(position);
        }
        topics.hand_over(last.unwrap()).unwrap();
    }

    fn commit(&mut self, topics: &Topics) {
        let name = format!("s{}", self.rng.below(2));
        let Some(message) = self.kept.last() else { return };
        topics.commit(&name, message.position, Level::Strong).unwrap();
        self.promise.reached.insert(name, message.position);
    }
}

fn tell(seed: u64, disk: &SimDisk) -> Story {
    disk.start_trace();
    let clock = Arc::new(SimClock::new(WALL_US));
    let mut teller = Teller {
        disk: disk.clone(),
        clock: Arc::clone(&clock),
        rng: SimRng::new(seed),
        promise: Promise::default(),
        promises: Vec::new(),
        kept: Vec::new(),
        staged_at: Vec::new(),
    };
    (0..3).for_each(|_| teller.life(16));
    let Teller { promises, kept, staged_at, .. } = teller;
    Story { trace: disk.trace().unwrap(), promises, kept, staged_at, clock }
}

impl Story {
    /// What was promised when so many changes were done. Where housekeeping was under way, what it may do is done.
    fn promise_at(&self, ops: u64) -> Promise {
        let kept = self.promises.iter().take_while(|promise| promise.at <= ops);
        kept.last().cloned().unwrap_or_default()
    }

    /// Opens an image and says what is wrong with it.
    fn check(
        &self,
        image: &SimDisk,
        promise: &Promise,
        ops: u64,
        process_died: bool,
    ) -> Result<Life, String> {
        let life = Life::on(image, &self.clock, options()).map_err(|error| format!("refused: {error}"))?;
        let topics = &life.topics;
        let promised = if process_died { promise.written } else { promise.durable };
        let (first, last) = (topics.stats().first.lsn, topics.written());
        if last.lsn < promised.lsn {
            return Err(format!("lost {last} .. {promised}"));
        }
        if first > promise.retired.max(Lsn(1)) {
            return Err(format!("begins at {first}, promised was {}", promise.retired));
        }
        let kept = self.kept.iter().filter(|kept| kept.position.lsn >= first && kept.position <= last);
        let expected: Vec<Seen> = kept.map(Kept::seen).collect();
        let mut seen =
            read(&mut topics.cursor(Start::After(Position::default()), all)).map_err(|e| e.to_string())?;
        seen.retain(|seen| matches!(seen, Seen::Message(..)));
        if seen != expected {
            return Err(format!(
                "messages from {first} to {last} are not those published: {} {}",
                seen.len(),
                expected.len()
            ));
        }
        for (name, reached) in &promise.reached {
            // A later commit may be there although nobody was told.
            if topics.resume(name).is_none_or(|found| found < *reached) {
                return Err(format!("{name} was at {reached}, is at {:?}", topics.resume(name)));
            }
        }
        let next = topics.publish("t0", b"next", Level::Strong).map_err(|error| error.to_string())?.position;
        let mut begun = self.kept.iter().zip(&self.staged_at).filter(|(_, at)| **at < ops);
        if begun.any(|(kept, _)| kept.position == next) {
            return Err(format!("position {next} was used before"));
        }
        topics.step().map_err(|error| error.to_string())?;
        Ok(life)
    }
}

#[derive(Debug, Default)]
struct Tally {
    images: u64,
    second_images: u64,
    violations: Vec<String>,
}

/// Every `nth` image dies a second time, at each change its recovery made.
fn enumerate(story: &Story, seed: u64, each_max: usize, nth: u64, tally: &mut Tally) {
    let mut replay = story.trace.replay();
    loop {
        let ops = replay.op_count();
        let promise = story.promise_at(ops);
        for spec in replay.specs(seed ^ ops, each_max) {
            let image = replay.image(&spec);
            tally.images += 1;
            let twice = tally.images.is_multiple_of(nth);
            if twice {
                image.start_trace();
            }
            match story.check(&image, &promise, ops, spec == CrashSpec::EVERYTHING) {
                Err(what) => tally.violations.push(format!("seed {seed} after op {ops} {spec:?}: {what}")),
                Ok(_) if twice => second_crash(story, &image, &promise, tally),
                Ok(_) => {}
            }
        }
        if replay.step().is_none() {
            return;
        }
    }
}

fn second_crash(story: &Story, image: &SimDisk, before: &Promise, tally: &mut Tally) {
    let trace = image.trace().unwrap();
    let mut replay = trace.replay();
    // The check published and kept house: what it published is not in the story, so it is looked away from.
    let promise = Promise { retired: Lsn(u64::MAX), ..before.clone() };
    while replay.step().is_some() {
        for spec in replay.specs(replay.op_count(), 1) {
            tally.second_images += 1;
            let image = replay.image(&spec);
            let life = match Life::on(&image, &story.clock, options()) {
                Ok(life) => life,
                Err(error) => {
                    tally.violations.push(format!("second crash {spec:?}: refused: {error}"));
                    continue;
                }
            };
            let last = life.topics.written();
            if last.lsn < promise.durable.lsn {
                tally.violations.push(format!("second crash {spec:?}: lost {last} .. {}", promise.durable));
            }
            for (name, reached) in &promise.reached {
                if life.topics.resume(name).is_none_or(|found| found < *reached) {
                    tally.violations.push(format!("second crash {spec:?}: {name} fell back"));
                }
            }
        }
    }
}

#[test]
fn no_crash_loses_what_was_promised() {
    let mut tally = Tally::default();
    let count = std::env::var("TOPICS_CRASH_SEEDS").ok().and_then(|count| count.parse().ok()).unwrap_or(4);
    for seed in seeds(count) {
        enumerate(&tell(seed, &SimDisk::new()), seed, 2, 60, &mut tally);
    }
    let Tally { images, second_images, violations } = &tally;
    println!("topics_crash cases={images} second={second_images} violations={}", violations.len());
    assert!(violations.is_empty(), "{} violations, first: {}", violations.len(), violations[0]);
    assert!(*images > 4_000 && *second_images > 2_000, "{tally:?}");
}

/// The enumeration can fail: with syncs that do nothing it does.
#[test]
fn a_skipped_sync_is_noticed() {
    for kind in [OpKind::Sync, OpKind::SyncDir] {
        let disk = SimDisk::new();
        disk.inject(Fault::new(Failure::LyingSync).on(kind).times(u64::MAX));
        let mut tally = Tally::default();
        enumerate(&tell(1, &disk), 1, 1, u64::MAX, &mut tally);
        assert!(tally.violations.len() > 50, "{kind:?}: {} of {}", tally.violations.len(), tally.images);
    }
}
