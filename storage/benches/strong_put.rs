//! What does a synced put cost with 1 and 50 writers, beside a bare group commit of the same bytes and redb?
//!
//! Every put waits until it survives a power cut (durability: strong). No checkpoint runs here; `sustained`
//! asks what one costs. Yardsticks: `pwrite` and `fdatasync` into a preallocated file, alone and shared by
//! fifty writers; a redb transaction for each put. `SECS` sets the length of a round, `ROUNDS` their number.

#![allow(clippy::disallowed_methods)] // a bench measures real time

mod support;

use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpreg_storage::store::Level;
use redb::Durability;
use support::group_commit::{GROUP_BYTES, GroupCommit, RECORD_BYTES};
use support::plain_redb::PlainRedb;
use support::ratio::{Latencies, tell, versus, wanted};
use support::stores::{Scratch, put, scratch_dir};
use support::{Chance, json_value, key, process_cpu};

const KEYS: u64 = 1_000_000;

/// `writers` threads put for a round; each put is one latency.
fn hammer(writers: u64, one: impl Fn(u64) + Sync) -> (Latencies, Duration) {
    let round = Duration::from_secs(support::setting("SECS", 2) as u64);
    let start = Instant::now();
    let writer = |seed: u64| {
        let mut chance = Chance(seed);
        let mut all_us = Vec::new();
        while start.elapsed() < round {
            let began = Instant::now();
            one(chance.next());
            all_us.push(began.elapsed().as_secs_f64() * 1e6);
        }
        all_us
    };
    let all_us = std::thread::scope(|scope| {
        let running: Vec<_> = (0..writers).map(|seed| scope.spawn(move || writer(seed))).collect();
        running.into_iter().flat_map(|writer| writer.join().expect("a writer ends")).collect()
    });
    (Latencies::new(all_us), start.elapsed())
}

fn per_second((latencies, elapsed): &(Latencies, Duration)) -> f64 {
    latencies.len() as f64 / elapsed.as_secs_f64()
}

fn ours(scratch: &Scratch, writers: u64) -> (Latencies, Duration) {
    let (cpu, syncs) = (process_cpu(), syncs(scratch));
    let run = hammer(writers, |number| put(&scratch.store, (number % KEYS) as usize, Level::Strong));
    run.0.tell(&format!("strong_put/ours/writers={writers}"), run.1);
    tell_cost(&run.0, cpu, self::syncs(scratch) - syncs);
    run
}

fn syncs(scratch: &Scratch) -> u64 {
    scratch.store.stats().expect("stats are there").syncs
}

/// What holds on a busy machine too: processor time a put, and how many share a sync.
fn tell_cost(latencies: &Latencies, cpu_before: Duration, syncs: u64) {
    let puts = latencies.len() as f64;
    let cpu_us = process_cpu().saturating_sub(cpu_before).as_secs_f64() * 1e6 / puts;
    println!("    {cpu_us:.1} us of processor a put, {:.1} puts a sync", puts / syncs as f64);
}

fn shared(bare: &GroupCommit, writers: u64) -> (Latencies, Duration) {
    let (cpu, syncs) = (process_cpu(), bare.syncs());
    let run = bare.serving(|| hammer(writers, |number| bare.put(&[number as u8; RECORD_BYTES])));
    run.0.tell(&format!("strong_put/bare_group_commit/writers={writers}"), run.1);
    tell_cost(&run.0, cpu, bare.syncs() - syncs);
    run
}

/// One sync after one write, no second thread.
fn one_sync(bare: &GroupCommit) -> (Latencies, Duration) {
    let offset = std::sync::Mutex::new(0);
    let run = hammer(1, |number| {
        let group = [number as u8; RECORD_BYTES + GROUP_BYTES];
        bare.write_synced(&group, &mut offset.lock().expect("one thread"));
    });
    run.0.tell("strong_put/one_sync", run.1);
    run
}

fn redb_put(plain: &PlainRedb) -> (Latencies, Duration) {
    let run = hammer(1, |number| {
        let number = (number % KEYS) as usize;
        plain.put(key(number), json_value(number), Durability::Immediate);
    });
    run.0.tell("strong_put/redb_commit_per_put", run.1);
    run
}

/// Files are made once, before the rounds: filling them costs the disk more than a round.
fn ratios() {
    if !wanted("strong_put/writers=50") && !wanted("strong_put/writers=1") {
        return;
    }
    let (scratch, dir) = (Scratch::for_bursts(), scratch_dir());
    let (bare, plain) = (GroupCommit::create(dir.path()), PlainRedb::create(dir.path(), None));
    if wanted("strong_put/writers=50") {
        let pair = versus(|| per_second(&ours(&scratch, 50)), || per_second(&shared(&bare, 50)));
        tell("strong_put/writers=50/per_s", pair, ">=0.8");
    }
    if wanted("strong_put/writers=1") {
        let p50 = |(latencies, _): (Latencies, Duration)| latencies.quantile_us(500);
        let pair = versus(|| p50(ours(&scratch, 1)), || p50(one_sync(&bare)));
        tell("strong_put/writers=1/p50_us", pair, "<=1.3");
        let pair = versus(|| per_second(&ours(&scratch, 1)), || per_second(&redb_put(&plain)));
        tell("strong_put/writers=1/per_s_vs_redb", pair, ">=1.8");
    }
}

fn strong_put(bench: &mut Criterion) {
    ratios();
    let mut group = bench.benchmark_group("strong_put/writers=1");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(2));
    let mut chance = Chance(1);
    let scratch = Scratch::for_bursts();
    group.bench_function("strong/ours", |bencher| {
        bencher.iter(|| put(&scratch.store, (chance.next() % KEYS) as usize, Level::Strong));
    });
    let dir = scratch_dir();
    let bare = GroupCommit::create(dir.path());
    let mut offset = 0;
    group.bench_function("strong/pwrite_fdatasync", |bencher| {
        bencher.iter(|| bare.write_synced(&[7; RECORD_BYTES + GROUP_BYTES], &mut offset));
    });
    let plain = PlainRedb::create(dir.path(), None);
    group.bench_function("strong/redb_commit_per_put", |bencher| {
        bencher.iter(|| {
            let number = (chance.next() % KEYS) as usize;
            plain.put(key(number), json_value(number), Durability::Immediate);
        });
    });
    group.finish();
}

criterion_group!(benches, strong_put);
criterion_main!(benches);
