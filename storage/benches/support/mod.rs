//! What the benches of this package share: keys and values, a skewed choice of them, threads that start
//! together, stores and their yardsticks, and the RATIO lines.

#![allow(dead_code)]

pub mod group_commit;
pub mod plain_redb;
pub mod ratio;
pub mod stores;
pub mod traces;

use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Yardstick of all in-process cache figures: 1 M keys of 24 bytes, values of 64.
pub const KEYS: usize = 1_000_000;
pub type Key = [u8; 24];
pub type Value = [u8; 64];

/// A key as the store encodes one: namespace, identifier, default version.
pub fn key(number: usize) -> Key {
    let mut key = *b"bench\0key-0000000000000\0";
    let digits = format!("{number:013}");
    key[10..23].copy_from_slice(digits.as_bytes());
    key
}

/// A JSON string of 64 bytes, different for each number and not compressible to nothing.
pub fn json_value(number: usize) -> Value {
    let mut chance = Chance(number as u64);
    let mut value = [b'"'; 64];
    for letters in value[1..63].chunks_mut(8) {
        let noise = chance.next().to_le_bytes();
        letters.iter_mut().zip(noise).for_each(|(letter, noise)| *letter = b'a' + noise % 26);
    }
    value
}

/// Numbers below `count`, each once, in an order that looks like chance.
pub fn scattered(count: usize, seed: u64) -> Vec<u32> {
    let mut chance = Chance(seed);
    let mut numbers: Vec<u32> = (0..count as u32).collect();
    for at in (1..count).rev() {
        numbers.swap(at, (chance.next() % (at as u64 + 1)) as usize);
    }
    numbers
}

/// A size from the environment, so that the default run stays short and a long one is one word away.
pub fn setting(name: &str, default: usize) -> usize {
    match std::env::var(name) {
        Err(_) => default,
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")),
    }
}

/// A small generator; the benches need repeatable noise, not secrets.
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

/// `count` key numbers below `keys`, zipf-distributed; popular numbers are scattered over the key space.
pub fn zipf(keys: usize, exponent: f64, count: usize, seed: u64) -> Vec<u32> {
    let mut cumulated = Vec::with_capacity(keys);
    let mut sum = 0.0;
    for rank in 1..=keys {
        sum += (rank as f64).powf(-exponent);
        cumulated.push(sum);
    }
    let numbers = scattered(keys, seed);
    let mut chance = Chance(!seed);
    let mut rank = || {
        // Drawn once, not once a comparison: that would not be zipf.
        let point = chance.unit() * sum;
        cumulated.partition_point(|&bound| bound < point)
    };
    (0..count).map(|_| numbers[rank().min(keys - 1)]).collect()
}

/// Runs `work(thread, operations)` on each thread, all started together; the time of the slowest.
#[allow(clippy::disallowed_methods)] // a bench measures real time
pub fn timed(threads: usize, operations: u64, work: impl Fn(usize, u64) + Sync) -> Duration {
    if threads == 1 {
        let start = Stopwatch::start();
        work(0, operations);
        return start.elapsed();
    }
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |thread| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                let start = Stopwatch::start();
                work(thread, operations);
                start.elapsed()
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running
            .into_iter()
            .map(|thread| thread.join().expect("a bench thread ends"))
            .max()
            .expect("threads > 0")
    })
}

/// A stopwatch of real time, or with `CLOCK=cpu` of the calling thread's own processor time: on a busy
/// machine the only clock that tells what a computation costs. Useless for whatever waits.
pub struct Stopwatch {
    began: Instant,
    began_cpu: Option<Duration>,
}

impl Stopwatch {
    #[allow(clippy::disallowed_methods)] // a bench measures real time
    pub fn start() -> Stopwatch {
        let by_cpu = std::env::var("CLOCK").is_ok_and(|clock| clock == "cpu");
        Stopwatch { began: Instant::now(), began_cpu: by_cpu.then(thread_cpu) }
    }

    pub fn elapsed(&self) -> Duration {
        self.began_cpu.map_or_else(|| self.began.elapsed(), |began| thread_cpu().saturating_sub(began))
    }
}

/// Processor time of the whole process, in steps of 10 ms.
pub fn process_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/self/stat").expect("Linux counts processor time");
    // The name in parentheses may hold blanks; user and system time are fields 14 and 15.
    let fields = text.rsplit(')').next().unwrap_or_default().split(' ');
    let ticks: u64 = fields.skip(12).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}

/// Processor time of the calling thread.
fn thread_cpu() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").expect("Linux counts scheduling");
    let nanoseconds = text.split(' ').next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanoseconds.expect("schedstat begins with nanoseconds"))
}

/// Resident bytes of this process; 0 where that cannot be known.
pub fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident =
        pages.as_deref().and_then(|text| text.split(' ').nth(1)).and_then(|pages| pages.parse::<u64>().ok());
    resident.map_or(0, |pages| pages * 4096)
}
