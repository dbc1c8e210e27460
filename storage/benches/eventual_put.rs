//! What does a put cost that is acknowledged once the OS has it, beside a redb commit that is not durable?
//!
//! One thread, keys in scattered order, a burst below the dirty cap (durability: eventual). One by one every put
//! is its own `write()` before its acknowledgement; in batches sixteen share one. The yardstick is a redb
//! transaction for each put with `Durability::None`, which hands nothing to the OS at all. `PUTS` sets the burst,
//! `CLOCK=cpu` counts processor time instead, for busy machines.

#![allow(clippy::disallowed_methods)] // a bench measures real time

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpreg_storage::store::{Level, Operation, Store};
use redb::Durability;
use support::plain_redb::PlainRedb;
use support::ratio::{Latencies, tell, versus, wanted};
use support::stores::{Scratch, put, scratch_dir};
use support::{Key, Stopwatch, Value, json_value, key, scattered};

const BATCH: usize = 16;

/// Keys and values, made before the clock starts.
fn rows(count: usize) -> Vec<(Key, Value)> {
    let row = |number: u32| (key(number as usize), json_value(number as usize));
    scattered(count, 5).into_iter().map(row).collect()
}

fn one_by_one(store: &Store, rows: &[(Key, Value)]) {
    for (key, value) in rows {
        store.put(key, value, Level::Eventual).expect("a put succeeds");
    }
}

fn batches(store: &Store, rows: &[(Key, Value)]) {
    for batch in rows.chunks(BATCH) {
        let mut last = None;
        for (key, value) in batch {
            let operation = Operation::Put { key, value, ttl_us: None, extras: b"" };
            last = Some(store.stage_blocking(&operation).expect("a burst has room").outcome.lsn);
        }
        store.hand_over(last.expect("chunks are not empty")).expect("a batch is handed over");
    }
}

/// Puts a second of a burst into a new store.
fn burst(rows: &[(Key, Value)], run: fn(&Store, &[(Key, Value)])) -> f64 {
    let scratch = Scratch::for_bursts();
    let start = Stopwatch::start();
    run(&scratch.store, rows);
    rows.len() as f64 / start.elapsed().as_secs_f64()
}

/// Puts a second, one redb transaction each.
fn redb_burst(rows: &[(Key, Value)]) -> f64 {
    let dir = scratch_dir();
    let plain = PlainRedb::create(dir.path(), None);
    let start = Stopwatch::start();
    rows.iter().for_each(|&(key, value)| plain.put(key, value, Durability::None));
    rows.len() as f64 / start.elapsed().as_secs_f64()
}

/// Where the time of one put goes beyond the mean.
fn tell_latencies(rows: &[(Key, Value)]) {
    let scratch = Scratch::for_bursts();
    let start = Instant::now();
    let put = |row: &(Key, Value)| {
        let began = Instant::now();
        one_by_one(&scratch.store, std::slice::from_ref(row));
        began.elapsed().as_secs_f64() * 1e6
    };
    let latencies = Latencies::new(rows.iter().map(put).collect());
    latencies.tell("eventual_put/one_by_one", start.elapsed());
}

fn ratios() {
    if !wanted("eventual_put/ratio/one_by_one") && !wanted("eventual_put/ratio/batch=16") {
        return;
    }
    let rows = rows(support::setting("PUTS", 500_000));
    tell_latencies(&rows);
    // The yardstick is slow and steady: a tenth of the burst tells.
    let redb = || redb_burst(&rows[..rows.len() / 10]);
    if wanted("eventual_put/ratio/one_by_one") {
        let pair = versus(|| burst(&rows, one_by_one), redb);
        tell("eventual_put/one_by_one/per_s", pair, ">=5");
    }
    if wanted("eventual_put/ratio/batch=16") {
        let pair = versus(|| burst(&rows, batches), redb);
        tell("eventual_put/batch=16/per_s", pair, "ours>=1000000");
    }
}

fn eventual_put(bench: &mut Criterion) {
    ratios();
    let mut group = bench.benchmark_group("eventual_put");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    let scratch = Scratch::new(|options| options.memory_bytes = 1 << 30);
    let mut number = 0;
    group.bench_function("eventual/ours_one_by_one", |bencher| {
        bencher.iter(|| {
            number = (number + 7919) % 1_000_000;
            put(&scratch.store, number, Level::Eventual);
        });
    });
    let dir = scratch_dir();
    let plain = PlainRedb::create(dir.path(), None);
    group.bench_function("not_durable/redb_commit_per_put", |bencher| {
        bencher.iter(|| {
            number = (number + 7919) % 1_000_000;
            plain.put(key(number), json_value(number), Durability::None);
        });
    });
    group.finish();
}

criterion_group!(benches, eventual_put);
criterion_main!(benches);
