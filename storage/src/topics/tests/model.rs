//! Random lives of a backlog beside a plain list of what was published: kills, power cuts, clean stops, retention, and
//! every kind of replay compared message by message.
//!
//! `TOPICS_SEEDS` (default 40) makes it longer, `TOPICS_SEED` runs one again.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::disk::CrashSpec;
use crate::record::message::message_bytes;

/// A message as the model remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Kept {
    pub position: Position,
    pub time_us: u64,
    pub topic: String,
    pub text: String,
}

impl Kept {
    pub fn seen(&self) -> Seen {
        Seen::Message(self.position, self.topic.clone(), self.text.clone())
    }

    fn bytes(&self) -> u64 {
        message_bytes(&self.topic, self.text.as_bytes()) as u64
    }
}

/// What a replay shows of `kept`, the messages that are still there, at a cut taken at `now_us`.
pub(super) fn shown<'a>(kept: &'a [Kept], options: &Options, now_us: u64) -> Vec<&'a Kept> {
    let mut left: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
    let mut shown = Vec::new();
    for message in kept.iter().rev() {
        let limits = options.limits_of(&message.topic);
        let (count, bytes) = left.entry(&message.topic).or_insert((limits.count, limits.bytes));
        let fits = *count >= 1 && *bytes >= message.bytes();
        (*count, *bytes) = if fits { (*count - 1, bytes.saturating_sub(message.bytes())) } else { (0, 0) };
        if fits && message.time_us >= now_us.saturating_sub(limits.age_us) {
            shown.push(message);
        }
    }
    shown.reverse();
    shown
}

pub(super) fn seeds(count: u64) -> Vec<u64> {
    let given = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match given("TOPICS_SEED") {
        Some(seed) => vec![seed],
        None => (1..=given("TOPICS_SEEDS").unwrap_or(count)).collect(),
    }
}

fn options(seed: u64) -> Options {
    let limits = |count, bytes, seconds| Limits { count, bytes, age_us: seconds * SECOND_US };
    let policy = |pattern: &str, limits| Policy { limits, ..Policy::new(Pattern::new(pattern).unwrap()) };
    Options {
        bytes_max: [40 << 10, 80 << 10, 1 << 20][seed as usize % 3],
        topics_max: if seed.is_multiple_of(5) { 60 } else { 1 << 20 },
        limits: limits([7, 40, u64::MAX][seed as usize / 3 % 3], u64::MAX, 60),
        policies: vec![policy("a.1", limits(u64::MAX, 900, 60)), policy("b.#", limits(3, u64::MAX, 5))],
        ..super::options()
    }
}

struct Run {
    life: Life,
    options: Options,
    rng: SimRng,
    /// Everything published and not lost, retired or not.
    kept: Vec<Kept>,
    /// Every position ever given out.
    given: BTreeSet<Position>,
    /// What the strong ones among them promised, and how far the OS has it.
    strong: Position,
    written: Position,
    reached: BTreeMap<String, Position>,
    tally: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    restarts: u64,
    lost: u64,
    replays: u64,
    gaps: u64,
    hidden: u64,
}

impl Run {
    fn step(&mut self) {
        match self.rng.below(30) {
            0..14 => self.publish(),
            14..17 => self.life.topics.step().unwrap(),
            17..19 => self.life.clock.advance_us(self.rng.below(20 * SECOND_US)),
            19..21 => self.commit(),
            21..25 => self.replay(),
            25 => self.restart(),
            _ => self.compare_follower(),
        }
    }

    /// A batch with one hand-over, as a connection does.
    fn publish(&mut self) {
        let mut last = None;
        for _ in 0..1 + self.rng.below(12) {
            self.life.clock.advance_us(self.rng.below(1000));
            let topic = format!("{}.{}", ["a", "b", "c"][self.rng.below(3) as usize], self.rng.below(4));
            let length = if self.rng.below(40) == 0 { 3000 } else { self.rng.below(120) as usize };
            let text = format!("{:0length$}", self.given.len());
            let staged = self.life.topics.stage_blocking(&topic, text.as_bytes(), Level::Eventual).unwrap();
            let Published { position, time_us } = staged;
            assert!(self.given.last().is_none_or(|last| *last < position), "{position} is not new");
            self.given.insert(position);
            self.kept.push(Kept { position, time_us, topic, text });
            last = Some(position);
        }
        let last = last.unwrap();
        match self.rng.below(4) {
            0 => {
                self.life.topics.durable(last).wait().unwrap();
                self.strong = last;
            }
            1 => return,
            _ => self.life.topics.hand_over(last).unwrap(),
        }
        self.written = last;
    }

    fn commit(&mut self) {
        let name = format!("subscription {}", self.rng.below(3));
        let Some(message) = self.any_message() else { return };
        self.life.topics.commit(&name, message.position, Level::Strong).unwrap();
        let recorded = self.life.topics.durable_position();
        self.given.insert(recorded);
        let reached = self.reached.entry(name).or_insert(message.position);
        *reached = message.position.max(*reached);
        (self.strong, self.written) = (recorded.max(self.strong), recorded.max(self.written));
    }

    fn any_message(&self) -> Option<Kept> {
        let count = self.kept.len() as u64;
        (count > 0).then(|| self.kept[self.rng.below(count) as usize].clone())
    }

    /// Messages that are still on the shelf and handed over.
    fn there(&self) -> Vec<Kept> {
        let first = self.life.topics.stats().first;
        let there = self.kept.iter().filter(|kept| kept.position.lsn >= first.lsn);
        there.filter(|kept| kept.position <= self.life.topics.released()).cloned().collect()
    }

    /// A random start, a random filter, and the limits.
    fn replay(&mut self) {
        let wanted = self.rng.below(1 << 12);
        let wants = move |topic: &str| {
            let number = topic.bytes().fold(0u64, |sum, byte| sum * 7 + u64::from(byte)) % 12;
            wanted >> number & 1 == 1
        };
        let start_us = self.any_message().map_or(0, |message| message.time_us + self.rng.below(2));
        let since = self.rng.below(2) == 0;
        let start = if since { Start::Since { time_us: start_us } } else { Start::Earliest };
        let cut = self.life.topics.cut();
        let mut cursor = self.life.topics.cursor_through(&cut, start, wants);
        let there = self.there();
        let shown = shown(&there, &self.options, cut.time_us());
        self.tally.hidden += (there.len() - shown.len()) as u64;
        let expected = shown.into_iter().filter(|message| wants(&message.topic));
        let expected: Vec<Seen> =
            expected.filter(|message| !since || message.time_us >= start_us).map(Kept::seen).collect();
        assert_eq!(read(&mut cursor).unwrap(), expected, "{start:?}");
        self.tally.replays += 1;
    }

    /// From a random position everything that is still there, and a gap where something is not.
    fn compare_follower(&mut self) {
        let Some(message) = self.any_message() else { return };
        let seen = read_from(&self.life.topics, Start::After(message.position));
        let after: Vec<Kept> =
            self.kept.iter().filter(|kept| kept.position > message.position).cloned().collect();
        let there = self.there();
        let expected: Vec<Seen> = after.iter().filter(|kept| there.contains(kept)).map(Kept::seen).collect();
        let lost = after.iter().find(|kept| kept.position.lsn < self.life.topics.stats().first.lsn);
        let told = match &seen[..] {
            [Seen::Gap(from, to), rest @ ..] => {
                assert!(*from > message.position && from <= to && rest == &expected[..]);
                self.tally.gaps += 1;
                Some((*from, *to))
            }
            all => {
                assert_eq!(all, &expected[..], "after {}", message.position);
                None
            }
        };
        if let Some(lost) = lost {
            let (from, to) = told.expect("a hole is told");
            assert!((from..=to).contains(&lost.position), "{lost:?} is not in {from}..={to}");
        }
    }

    fn restart(&mut self) {
        let (disk, promised) = match self.rng.below(3) {
            0 => {
                self.life.topics.close().unwrap();
                (
                    self.life.disk.clone(),
                    self.kept.last().map_or(self.written, |last| last.position.max(self.written)),
                )
            }
            1 => (self.life.disk.clone(), self.written),
            _ => {
                let specs = CrashSpec::spread(self.life.disk.pending(), self.rng.below(1 << 40), 3);
                let spec = specs[self.rng.below(specs.len() as u64) as usize];
                (self.life.disk.crash_image(&spec), self.strong)
            }
        };
        let clock = Arc::clone(&self.life.clock);
        // The machine is as new: nothing of the old life runs on.
        self.life =
            Life::on(&disk.crash_image(&CrashSpec::EVERYTHING), &clock, self.options.clone()).unwrap();
        let last = self.life.topics.written();
        assert!(last.lsn >= promised.lsn, "lost {last} .. {promised}");
        let before = self.kept.len();
        self.kept.retain(|kept| kept.position <= last);
        self.tally.lost += (before - self.kept.len()) as u64;
        (self.written, self.strong) = (last, last);
        let resumed: BTreeMap<String, Position> =
            self.life.topics.subscriptions().into_iter().map(|known| (known.name, known.reached)).collect();
        assert_eq!(resumed, self.reached);
        self.tally.restarts += 1;
        self.compare_all();
    }

    /// After a restart everything on the shelf is the model's, byte by byte and position by position.
    fn compare_all(&mut self) {
        let there: Vec<Seen> = self.there().iter().map(Kept::seen).collect();
        let mut cursor = self.life.topics.cursor(Start::After(Position::default()), all);
        let mut seen = read(&mut cursor).unwrap();
        if matches!(seen.first(), Some(Seen::Gap(..))) {
            seen.remove(0);
        }
        assert_eq!(seen, there);
        let stats = self.life.topics.stats();
        assert_eq!(stats.messages as usize, there.len());
        let counted: u64 = self.life.topics.top_topics(usize::MAX).iter().map(|topic| topic.messages).sum();
        assert_eq!(counted as usize, there.len());
    }
}

#[test]
fn random_lives_agree_with_a_list() {
    let mut sum = Tally::default();
    let all_seeds = seeds(40);
    for seed in &all_seeds {
        let options = options(*seed);
        let mut run = Run {
            life: Life::begin(options.clone()),
            options,
            rng: SimRng::new(*seed),
            kept: Vec::new(),
            given: BTreeSet::new(),
            strong: Position::default(),
            written: Position::default(),
            reached: BTreeMap::new(),
            tally: Tally::default(),
        };
        println!("seed {seed}, again with TOPICS_SEED={seed}");
        (0..400).for_each(|_| run.step());
        run.restart();
        sum.restarts += run.tally.restarts;
        sum.lost += run.tally.lost;
        sum.replays += run.tally.replays;
        sum.gaps += run.tally.gaps;
        sum.hidden += run.tally.hidden;
    }
    println!("random_lives seeds={} {sum:?} violations=0", all_seeds.len());
    if all_seeds.len() >= 40 {
        assert!(sum.restarts > 200 && sum.lost > 100 && sum.replays > 1000 && sum.gaps > 100, "{sum:?}");
        assert!(sum.hidden > 10_000, "{sum:?}");
    }
}
