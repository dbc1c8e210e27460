//! Promise: with everything running at once, nobody reads backwards and nothing acknowledged is gone.
//!
//! A real directory, the store's own threads, and memory too small for the data, so that entries are
//! evicted and filled in again all the time. Writers own their keys and must read what they wrote;
//! readers and a scanner keep the newest version they saw of every key and never meet an older one,
//! by whichever way they look. Afterwards the store is opened again, twice, and must hold it all.
//!
//! `THREADS_ROUNDS` (default 4,000 writes a writer) lengthens it. Schedules are the machine's, so a seed
//! replays only what each thread wanted to do: `THREADS_SEED`.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mpreg_storage::disk::SimRng;
use mpreg_storage::record::Key;
use mpreg_storage::store::{Level, Options, Store};
use support::{Replay, number};

const WRITERS: u64 = 3;
const KEYS_EACH: u64 = 240;

fn key(number: u64) -> Key {
    Key::new("threads", &format!("key-{number:04}")).unwrap()
}

/// A version is its number; some kilobytes around it keep memory short.
fn value(version: u64, rng: &SimRng) -> Vec<u8> {
    let width = 1_000 + usize::try_from(rng.below(4_000)).unwrap();
    format!("\"{version:012}-{:0width$}\"", 0).into_bytes()
}

fn version_of(value: &[u8]) -> u64 {
    std::str::from_utf8(&value[1..13]).unwrap().parse().unwrap()
}

fn options(dir: &std::path::Path) -> Options {
    let mut options = Options::new(dir);
    options.memory_bytes = 1 << 20;
    options.checkpoint_bytes = Some(128 << 10);
    options.segment_bytes = 1 << 20;
    options.table_cache_bytes = Some(1 << 20);
    options.free_bytes_min = Some(0);
    options
}

/// What somebody knows of a key: the newest version met, and whether it was found gone after that.
#[derive(Debug, Clone, Copy, Default)]
struct Seen {
    version: u64,
    gone: bool,
}

impl Seen {
    /// A version that was deleted never comes back; versions only grow.
    fn meet(&mut self, key: u64, found: Option<u64>) {
        match found {
            Some(version) => {
                let least = self.version + u64::from(self.gone);
                assert!(version >= least, "key {key}: version {version} after {self:?}");
                *self = Seen { version, gone: false };
            }
            None => self.gone = self.version > 0,
        }
    }
}

fn write(store: &Store, writer: u64, seed: u64, rounds: u64) -> HashMap<u64, Option<u64>> {
    let rng = SimRng::new(seed ^ (writer << 32));
    let mut own: HashMap<u64, Option<u64>> = HashMap::new();
    for round in 1..=rounds {
        let number = writer * KEYS_EACH + rng.below(KEYS_EACH);
        let key = key(number);
        let found = store.get(key.as_bytes()).unwrap().map(|entry| version_of(entry.value()));
        assert_eq!(found, own.get(&number).copied().flatten(), "writer {writer} reads its key {number}");
        let level = if rng.below(64) == 0 { Level::Strong } else { Level::Eventual };
        if rng.below(6) == 0 {
            let deleted = store.delete(key.as_bytes(), level).unwrap();
            assert_eq!(deleted.changed, found.is_some(), "delete of key {number}");
            own.insert(number, None);
        } else {
            store.put(key.as_bytes(), &value(round, &rng), level).unwrap();
            own.insert(number, Some(round));
        }
    }
    own
}

fn read(store: &Store, seed: u64, stop: &AtomicBool) -> u64 {
    let rng = SimRng::new(seed);
    let mut seen = vec![Seen::default(); usize::try_from(WRITERS * KEYS_EACH).unwrap()];
    let mut reads = 0;
    while !stop.load(Ordering::Relaxed) {
        let number = rng.below(WRITERS * KEYS_EACH);
        let entry = store.get(key(number).as_bytes()).unwrap();
        seen[usize::try_from(number).unwrap()].meet(number, entry.map(|entry| version_of(entry.value())));
        reads += 1;
    }
    reads
}

/// Scans in chunks and reads single keys in between, with one memory of both.
fn scan(store: &Store, seed: u64, stop: &AtomicBool) -> u64 {
    let rng = SimRng::new(seed);
    let mut seen = vec![Seen::default(); usize::try_from(WRITERS * KEYS_EACH).unwrap()];
    let mut scans = 0;
    while !stop.load(Ordering::Relaxed) {
        let snapshot = store.snapshot();
        let first = rng.below(WRITERS * KEYS_EACH);
        let page = snapshot.scan(b"", Some(key(first).as_bytes()), 50).unwrap();
        let found: HashMap<&[u8], u64> =
            page.rows.iter().map(|row| (&row.key[..], version_of(&row.value))).collect();
        let last = page.rows.last().map_or(&[][..], |row| &row.key);
        for number in first + 1..WRITERS * KEYS_EACH {
            let key = key(number);
            if key.as_bytes() <= last {
                seen[usize::try_from(number).unwrap()].meet(number, found.get(key.as_bytes()).copied());
            }
        }
        for number in (0..8).map(|_| rng.below(WRITERS * KEYS_EACH)) {
            let entry = store.get(key(number).as_bytes()).unwrap();
            seen[usize::try_from(number).unwrap()].meet(number, entry.map(|entry| version_of(entry.value())));
        }
        scans += 1;
    }
    scans
}

fn holds(store: &Store, all: &HashMap<u64, Option<u64>>) {
    for (number, version) in all {
        let found = store.get(key(*number).as_bytes()).unwrap().map(|entry| version_of(entry.value()));
        assert_eq!(found, *version, "key {number} after a restart");
    }
    let rows = store.scan(b"", None, usize::MAX).unwrap().rows.len();
    assert_eq!(rows, all.values().flatten().count());
}

#[test]
fn nobody_reads_backwards_and_nothing_acknowledged_is_gone() {
    let began = std::time::Instant::now();
    let (seed, rounds) = (number("THREADS_SEED", 1), number("THREADS_ROUNDS", 4_000));
    let _replay = Replay(format!("THREADS_SEED={seed} cargo test -p mpreg-storage --test threads"));
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(options(dir.path())).unwrap();
    let (stop, reads, scans) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let all: HashMap<u64, Option<u64>> = std::thread::scope(|scope| {
        for reader in 0..2 {
            let (store, stop, reads) = (&store, &stop, &reads);
            scope.spawn(move || reads.fetch_add(read(store, seed ^ (77 + reader), stop), Ordering::Relaxed));
        }
        scope.spawn(|| scans.fetch_add(scan(&store, seed ^ 99, &stop), Ordering::Relaxed));
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let store = &store;
                scope.spawn(move || write(store, writer, seed, rounds))
            })
            .collect();
        let own: Vec<_> = writers.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        // The others stop also when a writer has failed.
        stop.store(true, Ordering::Relaxed);
        own.into_iter().flat_map(|own| own.expect("a writer's story is told above")).collect()
    });
    let stats = store.stats().unwrap();
    drop(store);
    let store = Store::open(options(dir.path())).unwrap();
    holds(&store, &all);
    store.close().unwrap();
    let store = Store::open(options(dir.path())).unwrap();
    holds(&store, &all);
    println!(
        "threads seed={seed} writes={} reads={} scans={} evictions={} checkpoint={} misses={} violations=0 secs={:.1}",
        WRITERS * rounds,
        reads.load(Ordering::Relaxed),
        scans.load(Ordering::Relaxed),
        stats.memory.evictions,
        stats.positions.checkpoint,
        stats.memory.misses,
        began.elapsed().as_secs_f64()
    );
    assert!(stats.memory.evictions > 100 && stats.memory.misses > 100, "memory was never short: {stats:?}");
    assert!(stats.positions.checkpoint_before.0 > 0, "no two checkpoints ran: {stats:?}");
    assert!(reads.load(Ordering::Relaxed) > 0 && scans.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_batch_is_seen_whole_or_not_at_all() {
    let rounds = number("THREADS_ROUNDS", 4_000) / 2;
    let (halves, reads) = support::halves::look_for_halves(rounds);
    println!("threads batches={rounds} looks={reads} halves={halves}");
    assert!(halves == 0 && reads > rounds / 10, "{halves} halves in {reads} looks");
}
