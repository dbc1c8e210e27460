//! What does a library get cost when the data is ten times the memory tier, beside a bare redb read of the same rows?
//!
//! Keys of 24 bytes and values of 64 (durability: checkpointed), the page cache of the system warm. `uniform` reads
//! every key alike, so nine of ten come from L2; `zipf` is skewed, so most come from memory. Yardstick: redb alone
//! with the same page cache (16 MiB) and with its own default (1 GiB, everything in it), one read transaction kept
//! open. Every value is compared. `KEYS` sets the number of keys, `CLOCK=cpu` counts processor time.

mod support;

use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpreg_storage::store::{Options, Store};
use redb::{Durability, ReadOnlyTable};
use support::plain_redb::PlainRedb;
use support::ratio::{tell, versus, wanted};
use support::stores::{load, open, scratch_dir};
use support::{Chance, Stopwatch, Value, json_value, key, resident_bytes, scattered, setting, zipf};

/// What an entry of these sizes counts for in memory.
const ENTRY_BYTES: u64 = 168;
const READS: usize = 200_000;
const CACHE_BYTES: usize = 16 << 20;

type Table = ReadOnlyTable<&'static [u8], &'static [u8]>;

/// A row of the yardstick is as long as ours: 19 bytes of members in front of the value.
fn row(value: &Value) -> Vec<u8> {
    [&[0; 19][..], value].concat()
}

fn fill_redb(plain: &PlainRedb, order: &[u32]) {
    for chunk in order.chunks(64 * 1024) {
        let rows: Vec<_> =
            chunk.iter().map(|&number| (key(number as usize), row(&json_value(number as usize)))).collect();
        plain.commit(&rows, Durability::Immediate);
    }
}

/// Nanoseconds a get.
fn ours(store: &Store, numbers: &[u32]) -> f64 {
    let values: Vec<_> = numbers.iter().map(|&number| json_value(number as usize)).collect();
    let start = Stopwatch::start();
    for (&number, value) in numbers.iter().zip(&values) {
        let entry = store.get(&key(number as usize)).expect("a read succeeds").expect("the key is there");
        assert_eq!(entry.value(), value);
    }
    start.elapsed().as_secs_f64() * 1e9 / numbers.len() as f64
}

fn bare(table: &Table, numbers: &[u32]) -> f64 {
    let values: Vec<_> = numbers.iter().map(|&number| json_value(number as usize)).collect();
    let start = Stopwatch::start();
    for (&number, value) in numbers.iter().zip(&values) {
        let row = table.get(&key(number as usize)[..]).expect("redb reads").expect("the key is there");
        assert_eq!(&row.value()[19..], value);
    }
    start.elapsed().as_secs_f64() * 1e9 / numbers.len() as f64
}

fn uniform(keys: usize, seed: u64) -> Vec<u32> {
    let mut chance = Chance(seed);
    (0..READS).map(|_| (chance.next() % keys as u64) as u32).collect()
}

fn l2_get(bench: &mut Criterion) {
    if !wanted("l2_get") {
        return;
    }
    let keys = setting("KEYS", 1_000_000);
    let memory_bytes = (keys as u64 * ENTRY_BYTES / 10).max(1 << 20);
    let order = scattered(keys, 3);
    let dir = scratch_dir();
    let loader = open(dir.path(), |options: &mut Options| options.memory_bytes = 1 << 30);
    load(&loader, &order, json_value);
    loader.close().expect("a store closes");
    let (small, large) = (scratch_dir(), scratch_dir());
    let plain_small = PlainRedb::create(small.path(), Some(CACHE_BYTES));
    fill_redb(&plain_small, &order);
    let plain_large = PlainRedb::create(large.path(), None);
    fill_redb(&plain_large, &order);
    let (plain_small, plain_large) = (plain_small.reader(), plain_large.reader());

    let before = resident_bytes();
    let store = open(dir.path(), |options| options.memory_bytes = memory_bytes);
    let (even, skewed) = (uniform(keys, 7), zipf(keys, 0.99, READS, 9));
    // Warm: the page cache of the system, redb's own, and the filter, which housekeeping builds.
    ours(&store, &even);
    bare(&plain_small, &even);
    bare(&plain_large, &even);
    let pair = versus(|| ours(&store, &even), || bare(&plain_small, &even));
    tell("l2_get/uniform/ns_vs_redb_same_cache", pair, "<=3");
    let pair = versus(|| ours(&store, &even), || bare(&plain_large, &even));
    tell("l2_get/uniform/ns_vs_redb_all_cached", pair, "-");
    let pair = versus(|| ours(&store, &skewed), || bare(&plain_small, &skewed));
    tell("l2_get/zipf/ns_vs_redb_same_cache", pair, "-");
    let held = resident_bytes().saturating_sub(before) as f64;
    let limit = (memory_bytes + CACHE_BYTES as u64) as f64;
    tell("l2_get/resident_bytes_vs_l1_and_page_cache", (held, limit), "<=1.2");

    let mut group = bench.benchmark_group("l2_get/uniform");
    group.throughput(Throughput::Elements(READS as u64)).sample_size(10);
    group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(3));
    group.bench_function("checkpointed/ours", |bencher| bencher.iter(|| ours(&store, &even)));
    group.bench_function("checkpointed/redb_16MiB", |bencher| bencher.iter(|| bare(&plain_small, &even)));
    group.bench_function("checkpointed/redb_1GiB", |bencher| bencher.iter(|| bare(&plain_large, &even)));
    group.finish();
}

criterion_group!(benches, l2_get);
criterion_main!(benches);
