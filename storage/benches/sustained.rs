//! How fast do eventual puts go on for a minute with checkpoints running, and what does a checkpoint do to strong puts?
//!
//! Sustained (durability: eventual, batches of 16): 2 M distinct keys in scattered order, over and over for `SECS`
//! seconds (default 10; the figure of the README is 60), the last checkpoint included in the time. Yardstick: redb
//! alone, 64 Ki rows to a transaction, each durable, for as long and in the same order; unsorted as they come, and
//! sorted batch by batch. Then the p99 of strong puts of 4 writers beside running checkpoints of 200 k rows, over
//! the p99 without any, while 1 M keys are in L2.

#![allow(clippy::disallowed_methods)] // a bench measures real time

mod support;

use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use mpreg_storage::store::{Level, Options};
use redb::Durability;
use support::plain_redb::PlainRedb;
use support::ratio::{Latencies, tell, wanted};
use support::stores::{Scratch, load, put, scratch_dir};
use support::{Chance, Key, Value, json_value, key, scattered, setting};

const KEYS: usize = 2_000_000;
const CHUNK: usize = 64 * 1024;

fn round() -> Duration {
    Duration::from_secs(setting("SECS", 10) as u64)
}

/// Gives `feed` the keys, a chunk at a time, round and round until the time is over. Returns keys a second.
fn sustain(order: &[u32], mut feed: impl FnMut(&[u32]), finish: impl FnOnce()) -> f64 {
    let start = Instant::now();
    let mut fed = 0;
    for chunk in order.chunks(CHUNK).cycle() {
        if start.elapsed() >= round() && fed >= order.len() {
            break;
        }
        feed(chunk);
        fed += chunk.len();
    }
    finish();
    fed as f64 / start.elapsed().as_secs_f64()
}

fn ours(order: &[u32]) -> f64 {
    let scratch = Scratch::new(|options: &mut Options| options.memory_bytes = 1 << 30);
    let feed = |chunk: &[u32]| load(&scratch.store, chunk, json_value);
    sustain(order, feed, || {
        scratch.store.checkpoint().expect("a checkpoint succeeds");
    })
}

fn redb(order: &[u32], sorted: bool) -> f64 {
    let dir = scratch_dir();
    let plain = PlainRedb::create(dir.path(), None);
    let feed = |chunk: &[u32]| {
        let row = |&number: &u32| (key(number as usize), json_value(number as usize));
        let mut rows: Vec<(Key, Value)> = chunk.iter().map(row).collect();
        if sorted {
            rows.sort_unstable();
        }
        plain.commit(&rows, Durability::Immediate);
    };
    sustain(order, feed, || ())
}

const QUIET: u8 = 0;
const CHECKPOINT: u8 = 1;
const OVER: u8 = 2;

/// Four writers put strongly until `phase` is over; latencies of puts that were under way while it was `wanted`.
fn strong_writers(scratch: &Scratch, phase: &AtomicU8, wanted: u8) -> Latencies {
    let writer = |seed: u64| {
        let mut chance = Chance(seed);
        let mut all_us = Vec::new();
        loop {
            let (before, began) = (phase.load(Ordering::Relaxed), Instant::now());
            put(&scratch.store, (chance.next() % 1_000_000) as usize, Level::Strong);
            let after = phase.load(Ordering::Relaxed);
            if before == wanted || after == wanted {
                all_us.push(began.elapsed().as_secs_f64() * 1e6);
            }
            if after == OVER {
                return all_us;
            }
        }
    };
    std::thread::scope(|scope| {
        let writer = &writer;
        let running: Vec<_> = (0..4).map(|seed| scope.spawn(move || writer(seed))).collect();
        Latencies::new(running.into_iter().flat_map(|writer| writer.join().expect("a writer ends")).collect())
    })
}

/// Latencies without and beside checkpoints.
fn strong_p99(order: &[u32]) -> (Latencies, Latencies) {
    let scratch = Scratch::for_bursts();
    load(&scratch.store, order.iter().filter(|&&number| number < 1_000_000), json_value);
    scratch.store.checkpoint().expect("a checkpoint succeeds");
    let phase = AtomicU8::new(QUIET);
    let quiet = std::thread::scope(|scope| {
        let writers = scope.spawn(|| strong_writers(&scratch, &phase, QUIET));
        std::thread::sleep(round() / 2);
        phase.store(OVER, Ordering::Relaxed);
        writers.join().expect("writers end")
    });
    phase.store(QUIET, Ordering::Relaxed);
    let beside = std::thread::scope(|scope| {
        let writers = scope.spawn(|| strong_writers(&scratch, &phase, CHECKPOINT));
        for dirty in order.chunks(200_000).cycle().take(setting("SECS", 10).div_ceil(2)) {
            load(&scratch.store, dirty, json_value);
            phase.store(CHECKPOINT, Ordering::Relaxed);
            let folded = scratch.store.checkpoint().expect("a checkpoint succeeds");
            phase.store(QUIET, Ordering::Relaxed);
            println!("checkpoint: {folded:?}");
        }
        phase.store(OVER, Ordering::Relaxed);
        writers.join().expect("writers end")
    });
    (quiet, beside)
}

fn main() {
    if !wanted("sustained/eventual") && !wanted("sustained/strong_p99") {
        return;
    }
    let order = scattered(KEYS, 3);
    if wanted("sustained/eventual") {
        let ours = ours(&order);
        tell("sustained/eventual/per_s_vs_redb_64k", (ours, redb(&order, false)), ">=0.7");
        tell("sustained/eventual/per_s_vs_redb_64k_sorted", (ours, redb(&order, true)), "-");
    }
    if wanted("sustained/strong_p99") {
        let (quiet, beside) = strong_p99(&order);
        quiet.tell("sustained/strong/no_checkpoint", round() / 2);
        beside.tell("sustained/strong/beside_checkpoints", round() / 2);
        let pair = (beside.quantile_us(990), quiet.quantile_us(990));
        tell("sustained/strong/p99_us_beside_checkpoints", pair, "<=5");
    }
}
