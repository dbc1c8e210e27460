//! What part of the requests of a trace does each eviction policy answer, beside two caches and the published S3-FIFO?
//!
//! The memory itself is run, one shard, bounded by entries: a read, and on a miss a fill. Sizes are 1, 5 and 10 % of a
//! trace's distinct keys. Traces come from the folder `MPREG_TRACES`, by default `../shared/traces` of the
//! workspace, and zipf 0.9 over 1 M keys. Requests are 16.4 ms apart, the resolution of the LRU; nothing expires, costs or
//! depends, so `ttl` and `dependency_aware` fall back to the last use, and `cost_based` is left out.
//!
//! moka buffers its work; it is told to do it every 32 requests, and meanwhile holds up to 32 entries more than
//! it may, which helps it where 32 are many. `moka=1` tells it at every request.
//!
//! `HIT_RATIO=adaptive,moka` runs only those columns, `HIT_RATIO_TRACES=lirs` only traces with that in their name.

mod support;

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use mpreg_storage::memory::{Memory, Options, PolicyKind};
use mpreg_storage::record::{EntryFields, EntryKind, Lsn};
use support::traces::{Trace, real, zipf};

const PARTS_PERCENT: [usize; 3] = [1, 5, 10];
/// Caches below this many entries say nothing.
const ENTRIES_MIN: usize = 10;
const TICK_US: u64 = 1 << 14;
const OURS: [&str; 5] = ["adaptive", "s3fifo", "lru", "lfu", "s4lru"];
const PEERS: [&str; 4] = ["s3-paper", "quick_cache", "moka", "moka=1"];
/// What must not be undercut by more than this in any row.
const GOAL_ROW_POINTS: f64 = 4.0;

/// A cache that is asked for one key after the other, and keeps what it did not have.
trait Cache {
    /// True for a hit.
    fn request(&mut self, key: u32) -> bool;
}

struct Ours {
    memory: Memory,
    now_us: u64,
}

impl Ours {
    fn new(policy: PolicyKind, entries: usize) -> Ours {
        let options = Options { entries_max: entries as u64, shards: 1, policy, ..Options::default() };
        Ours { memory: Memory::new(&Options { bytes_max: u64::MAX / 2, ..options }), now_us: 1 << 50 }
    }
}

impl Cache for Ours {
    fn request(&mut self, key: u32) -> bool {
        self.now_us += TICK_US;
        let key = key.to_be_bytes();
        let hit = self.memory.read(&key, self.now_us, |_| ()).is_some();
        if !hit {
            let fields = EntryFields {
                kind: EntryKind::Value,
                lsn: Lsn(1),
                created_us: self.now_us,
                expires_us: 0,
                access_count: 0,
                last_access_us: self.now_us,
                value: b"",
                extras: b"",
            };
            self.memory.fill(self.memory.fill_token(&key), &key, &fields);
        }
        hit
    }
}

struct QuickCache(quick_cache::unsync::Cache<u32, ()>);

impl Cache for QuickCache {
    fn request(&mut self, key: u32) -> bool {
        let hit = self.0.get(&key).is_some();
        if !hit {
            self.0.insert(key, ());
        }
        hit
    }
}

struct Moka {
    cache: moka::sync::Cache<u32, ()>,
    every: usize,
    requests: usize,
}

impl Cache for Moka {
    fn request(&mut self, key: u32) -> bool {
        let hit = self.cache.get(&key).is_some();
        if !hit {
            self.cache.insert(key, ());
        }
        self.requests += 1;
        if self.requests.is_multiple_of(self.every) {
            self.cache.run_pending_tasks();
        }
        hit
    }
}

/// S3-FIFO as published: a tenth is small, ghosts for the other nine, two reads prove, three count.
#[derive(Default)]
struct Paper {
    capacity: usize,
    small: VecDeque<u32>,
    main: VecDeque<u32>,
    keys: Vec<PaperKey>,
    evicted_small: u32,
}

#[derive(Clone, Copy, Default)]
struct PaperKey {
    resident: bool,
    reads: u8,
    /// How many had left the small queue when this one did; 0 = it did not.
    left: u32,
}

impl Paper {
    fn new(capacity: usize, keys: usize) -> Paper {
        Paper { capacity, keys: vec![PaperKey::default(); keys], ..Paper::default() }
    }

    fn small_max(&self) -> usize {
        (self.capacity / 10).max(1)
    }

    /// One step towards a free place.
    fn evict(&mut self) {
        if self.small.len() >= self.small_max() || self.main.is_empty() {
            let key = self.small.pop_front().expect("all are here when none is in the main queue");
            let state = &mut self.keys[key as usize];
            if state.reads > 1 {
                state.reads = 0;
                self.main.push_back(key);
            } else {
                self.evicted_small += 1;
                *state = PaperKey { left: self.evicted_small, ..PaperKey::default() };
            }
        } else if let Some(key) = self.main.pop_front() {
            let state = &mut self.keys[key as usize];
            if state.reads > 0 {
                state.reads -= 1;
                self.main.push_back(key);
            } else {
                *state = PaperKey::default();
            }
        }
    }
}

impl Cache for Paper {
    fn request(&mut self, key: u32) -> bool {
        let state = &mut self.keys[key as usize];
        if state.resident {
            state.reads = (state.reads + 1).min(3);
            return true;
        }
        let ghosts = (self.capacity - (self.capacity / 10).max(1)) as u32;
        let ghost = state.left > 0 && self.evicted_small - state.left < ghosts;
        *state = PaperKey { resident: true, ..PaperKey::default() };
        while self.small.len() + self.main.len() >= self.capacity {
            self.evict();
        }
        if ghost {
            self.main.push_back(key)
        } else {
            self.small.push_back(key)
        }
        false
    }
}

fn build(name: &str, entries: usize, keys: usize) -> Box<dyn Cache> {
    let moka = |every| Moka { cache: moka::sync::Cache::new(entries as u64), every, requests: 0 };
    match name {
        "s3-paper" => Box::new(Paper::new(entries, keys)),
        "quick_cache" => Box::new(QuickCache(quick_cache::unsync::Cache::new(entries))),
        "moka" => Box::new(moka(32)),
        "moka=1" => Box::new(moka(1)),
        ours => Box::new(Ours::new(PolicyKind::parse(ours).expect("a policy's name"), entries)),
    }
}

/// Hits of each column in percent of the requests. Columns are independent, so two run at a time.
fn row(trace: &Trace, entries: usize, columns: &[&str]) -> Vec<f64> {
    let next = AtomicUsize::new(0);
    let ratios = Mutex::new(vec![0.0; columns.len()]);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(name) = columns.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut cache = build(name, entries, trace.keys);
                    let hits = trace.requests.iter().filter(|&&key| cache.request(key)).count();
                    let at = columns.iter().position(|column| column == name).expect("it is one");
                    ratios.lock().expect("no panic")[at] = 100.0 * hits as f64 / trace.requests.len() as f64;
                }
            });
        }
    });
    ratios.into_inner().expect("no panic")
}

/// How far ours is below the best of the others, at worst, and where.
struct Worst {
    points: f64,
    place: String,
}

impl Worst {
    fn new() -> Worst {
        Worst { points: f64::NEG_INFINITY, place: String::new() }
    }

    fn see(&mut self, place: &str, ours: f64, others: impl Iterator<Item = f64>) {
        let points = others.fold(f64::NEG_INFINITY, f64::max) - ours;
        if points > self.points {
            *self = Worst { points, place: place.to_owned() };
        }
    }
}

/// Rows gathered so far.
struct Table<'c> {
    columns: &'c [&'c str],
    sums: Vec<f64>,
    best_sum: f64,
    rows: usize,
    goal: Worst,
    stretch: Worst,
}

impl<'c> Table<'c> {
    fn new(columns: &'c [&'c str]) -> Table<'c> {
        print!("{:31} {:>8}", "trace, size in % of its keys", "entries");
        columns.iter().for_each(|column| print!(" {column:>11}"));
        println!("  best");
        let sums = vec![0.0; columns.len()];
        Table { columns, sums, best_sum: 0.0, rows: 0, goal: Worst::new(), stretch: Worst::new() }
    }

    fn add(&mut self, place: &str, entries: usize, ratios: &[f64]) {
        print!("{place:31} {entries:8}");
        ratios.iter().for_each(|ratio| print!(" {ratio:11.2}"));
        let best = (0..ratios.len()).max_by(|&one, &two| ratios[one].total_cmp(&ratios[two])).unwrap_or(0);
        println!("  {}", self.columns[best]);
        self.sums.iter_mut().zip(ratios).for_each(|(sum, ratio)| *sum += ratio);
        self.best_sum += ratios[best];
        self.rows += 1;
        let of = |name: &str| self.columns.iter().position(|column| *column == name).map(|at| ratios[at]);
        if let (Some(ours), Some(paper), Some(moka)) = (of("adaptive"), of("s3-paper"), of("moka")) {
            self.goal.see(place, ours, [paper, moka].into_iter());
            self.stretch.see(place, ours, ratios.iter().copied());
        }
    }

    fn finish(&self) {
        let mean = |sum: f64| sum / self.rows as f64;
        print!("{:31} {:8}", "mean", "");
        self.sums.iter().for_each(|&sum| print!(" {:11.2}", mean(sum)));
        println!("  {:.2} by the best of each row", mean(self.best_sum));
        let of =
            |name: &str| self.columns.iter().position(|column| *column == name).map(|at| mean(self.sums[at]));
        let (Some(ours), Some(paper)) = (of("adaptive"), of("s3-paper")) else { return };
        let peers = PEERS.iter().filter_map(|peer| of(peer)).fold(f64::NEG_INFINITY, f64::max);
        let says = |met: bool| if met { "met" } else { "MISSED" };
        println!("GOAL adaptive mean {ours:.2} >= best peer {peers:.2}: {}", says(ours >= peers));
        let Worst { points, place } = &self.goal;
        println!(
            "GOAL at most {GOAL_ROW_POINTS} points below the better of s3-paper and moka; worst {points:.2} at {place}: {}",
            says(*points <= GOAL_ROW_POINTS)
        );
        println!(
            "STRETCH adaptive mean {ours:.2} >= s3-paper + 1.0 = {:.2}: {}",
            paper + 1.0,
            says(ours >= paper + 1.0)
        );
        let Worst { points, place } = &self.stretch;
        println!(
            "STRETCH never > 2 points below the best of a row; worst {points:.2} at {place}: {}",
            says(*points <= 2.0)
        );
    }
}

fn main() {
    let wanted = std::env::var("HIT_RATIO").unwrap_or_default();
    let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
    let all = OURS.iter().chain(&PEERS).copied();
    let columns: Vec<&str> = if wanted.is_empty() { all.collect() } else { wanted };
    let part = std::env::var("HIT_RATIO_TRACES").unwrap_or_default();
    let mut table = Table::new(&columns);
    let traces = real().into_iter().chain([zipf(0.9, 1_000_000, 5_000_000)]);
    for trace in traces.filter(|trace| trace.name.contains(&part)) {
        for percent in PARTS_PERCENT {
            let entries = (trace.keys * percent / 100).max(ENTRIES_MIN);
            let place = format!("{} {percent} %", trace.name);
            table.add(&place, entries, &row(&trace, entries, &columns));
        }
    }
    table.finish();
}
