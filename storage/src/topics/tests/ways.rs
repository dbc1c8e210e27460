//! Both ways of going through a segment, entry by entry and from one wanted entry to the next, come to the same steps and
//! the same positions: random topics, filters, starts and limits, through segments that roll, are stored and retired
//! while the cursors are in them, and through restarts.
//!
//! `TOPICS_WAYS_SEEDS` (default 60) makes it longer, `TOPICS_SEED` runs one again.

use super::*;
use crate::disk::{CrashSpec, Damage};
use crate::topics::cursor::Tuning;

/// Two cursors that should not differ.
struct Pair {
    scans: Cursor,
    jumps: Cursor,
}

impl Pair {
    /// Both read until they have shown `count` messages, or to their end.
    fn compare(&mut self, count: usize) -> usize {
        let (scanned, jumped) = (some(&mut self.scans, count), some(&mut self.jumps, count));
        assert_eq!(scanned, jumped);
        assert_eq!(self.scans.position(), self.jumps.position());
        scanned.len()
    }
}

/// What a cursor shows until it has shown `count` messages; damage is told and skipped.
fn some(cursor: &mut Cursor, count: usize) -> Vec<Result<Seen, String>> {
    let mut seen = Vec::new();
    while seen.len() < count {
        match cursor.next() {
            Ok(Step::Message(message)) => {
                let text = String::from_utf8_lossy(message.payload).into_owned();
                seen.push(Ok(Seen::Message(message.position, message.topic.to_owned(), text)));
            }
            Ok(Step::Gap { from, to }) => seen.push(Ok(Seen::Gap(from, to))),
            Ok(Step::Pause) => {}
            Ok(Step::End) => break,
            Err(error) => {
                seen.push(Err(error.to_string()));
                cursor.skip_corrupt();
            }
        }
    }
    seen
}

struct Run {
    life: Life,
    options: Options,
    rng: SimRng,
    pairs: Vec<Pair>,
    published: Vec<Published>,
    compared: usize,
}

impl Run {
    fn publish(&mut self) {
        let mut last = None;
        for _ in 0..1 + self.rng.below(30) {
            self.life.clock.advance_us(self.rng.below(500));
            // Few topics that are everywhere, many that are rare.
            let topic = if self.rng.below(2) == 0 { self.rng.below(3) } else { self.rng.below(60) };
            let text = format!("{:06}", self.published.len());
            let staged =
                self.life.topics.stage_blocking(&format!("t{topic}"), text.as_bytes(), Level::Eventual);
            self.published.push(staged.unwrap());
            last = self.published.last().copied();
        }
        let last = last.unwrap().position;
        match self.rng.below(3) {
            // Staged and shown to nobody yet.
            0 => {}
            1 => self.life.topics.hand_over(last).unwrap(),
            _ => self.life.topics.durable(last).wait().unwrap(),
        }
    }

    fn begin_pair(&mut self) {
        let (wanted, share) = (self.rng.below(u64::MAX), 1 + self.rng.below(8));
        let wants = move |topic: &str| {
            let number = topic[1..].parse::<u64>().unwrap();
            (wanted ^ number.wrapping_mul(0x9E37_79B9_7F4A_7C15)).rotate_left(17) % 8 < share
        };
        let count = self.published.len() as u64;
        let start = match (self.rng.below(4), count) {
            (0, 1..) => Start::After(self.published[self.rng.below(count) as usize].position),
            (1, 1..) => {
                let at = self.published[self.rng.below(count) as usize];
                Start::Since { time_us: at.time_us + self.rng.below(2) }
            }
            _ => Start::Earliest,
        };
        let (topics, cut) = (&self.life.topics, self.life.topics.cut());
        let follows = self.rng.below(2) == 0;
        let cursor = |tuning| {
            let cursor = topics.cursor_through(&cut, start, wants);
            (if follows { topics.cursor(start, wants) } else { cursor }).tuned(tuning)
        };
        self.pairs.push(Pair { scans: cursor(Tuning::SCANS), jumps: cursor(Tuning::JUMPS) });
    }

    fn restart(&mut self) {
        self.pairs.clear();
        let image = self.life.disk.crash_image(&CrashSpec::EVERYTHING);
        if self.rng.below(2) == 0 {
            self.life.topics.close().unwrap();
        }
        self.life = Life::on(&image, &self.life.clock, self.options.clone()).unwrap();
        let written = self.life.topics.written();
        self.published.retain(|published| published.position <= written);
    }

    fn step(&mut self) {
        match self.rng.below(20) {
            0..9 => self.publish(),
            9..12 => self.begin_pair(),
            12..14 => self.life.topics.step().unwrap(),
            14 => self.restart(),
            _ => {
                let count = 1 + self.rng.below(200) as usize;
                self.compared += self.pairs.iter_mut().map(|pair| pair.compare(count)).sum::<usize>();
            }
        }
    }
}

#[test]
fn both_ways_of_reading_come_to_the_same() {
    let given = |name| std::env::var(name).ok().and_then(|text: String| text.parse().ok());
    let seeds = given("TOPICS_WAYS_SEEDS").unwrap_or(60);
    let seeds = given("TOPICS_SEED").map_or(1..=seeds, |seed| seed..=seed);
    let mut compared = 0;
    for seed in seeds.clone() {
        println!("seed {seed}, again with TOPICS_SEED={seed}");
        let limits = Limits {
            count: [3, 20, u64::MAX][seed as usize % 3],
            bytes: [500, u64::MAX][seed as usize % 2],
            age_us: [100_000, 1 << 60][seed as usize / 2 % 2],
        };
        let options = Options {
            segment_bytes: [4 << 10, 32 << 10][seed as usize / 3 % 2],
            bytes_max: 256 << 10,
            limits,
            ..options()
        };
        let life = Life::begin(options.clone());
        let rng = SimRng::new(seed);
        let mut run = Run { life, options, rng, pairs: Vec::new(), published: Vec::new(), compared: 0 };
        (0..200).for_each(|_| run.step());
        compared += run.compared;
    }
    println!("topics_ways cases={compared} violations=0");
    assert!(compared as u64 >= 300 * seeds.count() as u64, "{compared}");
}

#[test]
fn damage_is_told_and_skipped_in_the_same_places() {
    let life = Life::begin(unlimited());
    life.publish_many(300, 20);
    life.topics.step().unwrap();
    let bytes = life.disk.read_file(&segment_path(2)).unwrap();
    let at = (0..bytes.len()).find(|at| bytes[*at..].starts_with(b"message 00")).unwrap();
    life.disk.damage(&segment_path(2), Damage::FlipBit { offset: at as u64 + 9, bit: 0 }).unwrap();
    let life = life.kill(unlimited());
    for wanted in 0..20 {
        let cursor = |tuning| {
            let wants = move |topic: &str| topic == format!("t{wanted}") || topic == "t7";
            life.topics.cursor(Start::Earliest, wants).tuned(tuning)
        };
        Pair { scans: cursor(Tuning::SCANS), jumps: cursor(Tuning::JUMPS) }.compare(usize::MAX);
    }
}

#[test]
fn work_is_bounded_where_entries_are_jumped_over_too() {
    let limits = Limits { count: 1, ..unlimited().limits };
    let life = Life::begin(Options { segment_bytes: 1 << 20, limits, ..unlimited() });
    let mut last = None;
    for _ in 0..9_000 {
        last = Some(life.topics.stage_blocking("t", b"x", Level::Eventual).unwrap());
    }
    life.topics.hand_over(last.unwrap().position).unwrap();
    // All but the newest are left out: each is gone to and not shown.
    let mut cursor = life.topics.cursor(Start::Earliest, all).tuned(Tuning::JUMPS);
    let mut pauses = 0;
    while cursor.next().unwrap() == Step::Pause {
        pauses += 1;
    }
    assert!((10..40).contains(&pauses), "{pauses}");
}
