//! What the benches of this package share: keys, a skewed choice of them, and threads that start together.

#![allow(dead_code)]

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

pub fn value(number: usize) -> Value {
    std::array::from_fn(|at| (number >> (at % 8)) as u8 | 1)
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
    let mut chance = Chance(seed);
    let mut numbers: Vec<u32> = (0..keys as u32).collect();
    for at in (1..keys).rev() {
        numbers.swap(at, (chance.next() % (at as u64 + 1)) as usize);
    }
    let mut rank = || cumulated.partition_point(|&bound| bound < chance.unit() * sum);
    (0..count).map(|_| numbers[rank().min(keys - 1)]).collect()
}

/// Runs `work(thread, operations)` on each thread, all started together; the time of the slowest.
#[allow(clippy::disallowed_methods)] // a bench measures real time
pub fn timed(threads: usize, operations: u64, work: impl Fn(usize, u64) + Sync) -> Duration {
    if threads == 1 {
        let start = Instant::now();
        work(0, operations);
        return start.elapsed();
    }
    let barrier = Barrier::new(threads);
    std::thread::scope(|scope| {
        let run = |thread| {
            let (barrier, work) = (&barrier, &work);
            scope.spawn(move || {
                barrier.wait();
                let start = Instant::now();
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

/// Resident bytes of this process; 0 where that cannot be known.
pub fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").ok();
    let resident =
        pages.as_deref().and_then(|text| text.split(' ').nth(1)).and_then(|pages| pages.parse::<u64>().ok());
    resident.map_or(0, |pages| pages * 4096)
}
