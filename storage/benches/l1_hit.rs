//! What does a memory hit cost, beside a bare concurrent map, two caches and a locked map of the same keys?
//!
//! 1 M keys of 24 bytes, values of 64, zipf 0.99; all peers hash with foldhash and keep key and value inline, ours keeps
//! bytes of any length and counts the access. Time per operation and thread, the first and last byte of the
//! value are read. Three doors of ours: the memory alone (`ours`), `Store::read` with a clock read once a batch
//! (`store_read`), and `Store::get`, which reads the clock and takes a reference (`store_get`); what was put there was
//! put eventually. Also: writes between the reads, eviction at a tenth of the keys, and bytes per entry.

mod support;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::RwLock;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpreg_storage::memory::{Memory, Options};
use mpreg_storage::record::{EntryFields, EntryKind, Lsn};
use mpreg_storage::store::{Level, Read};
use support::ratio::{tell, versus, wanted};
use support::stores::Scratch;
use support::{KEYS, Key, Value, json_value, key, timed, zipf};

type Hasher = foldhash::fast::RandomState;
const NOW_US: u64 = 1_700_000_000_000_000;
const SEQUENCE: usize = 4_000_000;
const THREADS: [usize; 2] = [1, 2];

fn fields(value: &[u8]) -> EntryFields<'_> {
    EntryFields {
        kind: EntryKind::Value,
        lsn: Lsn(1),
        created_us: NOW_US,
        expires_us: 0,
        access_count: 0,
        last_access_us: NOW_US,
        value,
        extras: b"",
    }
}

/// What is measured: a get that reads the value, and a put.
trait Peer: Sync {
    fn name(&self) -> &'static str;
    fn get(&self, key: &Key) -> bool;
    fn put(&self, key: &Key, value: &Value);
}

fn ends(value: &[u8]) -> bool {
    black_box(value[0] ^ value[63]);
    true
}

struct Ours(Memory);

impl Ours {
    fn new(bytes_max: u64) -> Ours {
        Ours(Memory::new(&Options { bytes_max, ..Options::default() }))
    }
}

impl Peer for Ours {
    fn name(&self) -> &'static str {
        "ours"
    }
    fn get(&self, key: &Key) -> bool {
        self.0.read(key, NOW_US, |entry| ends(entry.value())).unwrap_or(false)
    }
    fn put(&self, key: &Key, value: &Value) {
        // The store's write: applied dirty, cleaned by a checkpoint later. Here at once.
        let applied = self.0.apply(key, &fields(value));
        self.0.clean(&applied.entry);
    }
}

/// The store with the clock read once a batch.
struct StoreRead<'s>(&'s Scratch);

impl Peer for StoreRead<'_> {
    fn name(&self) -> &'static str {
        "store_read"
    }
    fn get(&self, key: &Key) -> bool {
        matches!(self.0.store.read(key, NOW_US, |entry| ends(entry.value())), Read::Hit(true))
    }
    fn put(&self, key: &Key, value: &Value) {
        self.0.store.put(key, value, Level::Eventual).expect("a put succeeds");
    }
}

/// The store as a caller with one key uses it.
struct StoreGet<'s>(&'s Scratch);

impl Peer for StoreGet<'_> {
    fn name(&self) -> &'static str {
        "store_get"
    }
    fn get(&self, key: &Key) -> bool {
        self.0.store.get(key).expect("a hit reads no file").is_some_and(|entry| ends(entry.value()))
    }
    fn put(&self, key: &Key, value: &Value) {
        StoreRead(self.0).put(key, value);
    }
}

struct Papaya(papaya::HashMap<Key, Value, Hasher>);

impl Peer for Papaya {
    fn name(&self) -> &'static str {
        "papaya"
    }
    fn get(&self, key: &Key) -> bool {
        self.0.pin().get(key).is_some_and(|value| ends(value))
    }
    fn put(&self, key: &Key, value: &Value) {
        self.0.pin().insert(*key, *value);
    }
}

struct QuickCache(quick_cache::sync::Cache<Key, Value, quick_cache::UnitWeighter, Hasher>);

impl QuickCache {
    fn new(entries: usize) -> QuickCache {
        let weight = entries as u64;
        QuickCache(quick_cache::sync::Cache::with(
            entries,
            weight,
            quick_cache::UnitWeighter,
            Hasher::default(),
            Default::default(),
        ))
    }
}

impl Peer for QuickCache {
    fn name(&self) -> &'static str {
        "quick_cache"
    }
    fn get(&self, key: &Key) -> bool {
        self.0.get(key).is_some_and(|value| ends(&value))
    }
    fn put(&self, key: &Key, value: &Value) {
        self.0.insert(*key, *value);
    }
}

struct Moka(moka::sync::Cache<Key, Value, Hasher>);

impl Moka {
    fn new(entries: usize) -> Moka {
        Moka(moka::sync::Cache::builder().max_capacity(entries as u64).build_with_hasher(Hasher::default()))
    }
}

impl Peer for Moka {
    fn name(&self) -> &'static str {
        "moka"
    }
    fn get(&self, key: &Key) -> bool {
        self.0.get(key).is_some_and(|value| ends(&value))
    }
    fn put(&self, key: &Key, value: &Value) {
        self.0.insert(*key, *value);
    }
}

struct Locked(RwLock<HashMap<Key, Value, Hasher>>);

impl Peer for Locked {
    fn name(&self) -> &'static str {
        "rwlock_hashmap"
    }
    fn get(&self, key: &Key) -> bool {
        self.0.read().expect("no bench panics").get(key).is_some_and(|value| ends(value))
    }
    fn put(&self, key: &Key, value: &Value) {
        self.0.write().expect("no bench panics").insert(*key, *value);
    }
}

/// The keys and a skewed sequence over them.
struct Workload {
    keys: Vec<Key>,
    sequence: Vec<u32>,
}

impl Workload {
    fn new() -> Workload {
        let keys = (0..KEYS).map(key).collect();
        Workload { keys, sequence: zipf(KEYS, 0.99, SEQUENCE, 1) }
    }

    fn fill(&self, peer: &dyn Peer) {
        self.keys.iter().enumerate().for_each(|(number, key)| peer.put(key, &json_value(number)));
    }

    /// `writes` of 100 operations are puts; with `on_miss` a get that misses puts too.
    fn run(&self, peer: &impl Peer, threads: usize, operations: u64, writes: u64, on_miss: bool) -> Duration {
        timed(threads, operations, |thread, operations| {
            let start = thread * SEQUENCE / 7;
            for at in 0..operations {
                let number = self.sequence[(start + at as usize) % SEQUENCE] as usize;
                let key = &self.keys[number];
                let writes_now = writes > 0 && at % 100 < writes;
                if writes_now || (!peer.get(key) && on_miss) {
                    peer.put(key, &json_value(number));
                }
            }
        })
    }
}

fn measure(
    bench: &mut Criterion,
    name: &str,
    workload: &Workload,
    peer: &impl Peer,
    writes: u64,
    on_miss: bool,
) {
    for threads in THREADS {
        let mut group = bench.benchmark_group(format!("{name}/threads={threads}"));
        group.throughput(Throughput::Elements(threads as u64));
        group
            .sample_size(20)
            .warm_up_time(Duration::from_millis(300))
            .measurement_time(Duration::from_secs(2));
        group.bench_function(peer.name(), |bencher| {
            bencher.iter_custom(|operations| workload.run(peer, threads, operations, writes, on_miss));
        });
    }
}

/// Builds a peer, fills it with all keys, tells what an entry takes, and runs the read mixes.
fn fitting<P: Peer>(bench: &mut Criterion, workload: &Workload, build: impl FnOnce() -> P) {
    let before_bytes = support::resident_bytes();
    let peer = build();
    workload.fill(&peer);
    let bytes = support::resident_bytes().saturating_sub(before_bytes);
    println!("{}: {} resident bytes an entry", peer.name(), bytes / KEYS as u64);
    measure(bench, "l1_hit", workload, &peer, 0, false);
    measure(bench, "l1_writes_5", workload, &peer, 5, false);
    measure(bench, "l1_writes_50", workload, &peer, 50, false);
}

/// Nanoseconds a hit, in turns with papaya and moka; the median of the rounds.
fn ratios(workload: &Workload) {
    let scratch = Scratch::for_bursts();
    let (read, get) = (StoreRead(&scratch), StoreGet(&scratch));
    let papaya = Papaya(papaya::HashMap::with_hasher(Hasher::default()));
    let moka = Moka::new(2 * KEYS);
    let peers: [&dyn Peer; 3] = [&read, &papaya, &moka];
    peers.into_iter().for_each(|peer| workload.fill(peer));
    scratch.store.checkpoint().expect("a checkpoint succeeds");
    for threads in THREADS {
        const READS: u64 = 3_000_000;
        let ns = |took: Duration| took.as_secs_f64() * 1e9 / READS as f64;
        let papaya = || ns(workload.run(&papaya, threads, READS, 0, false));
        let read = || ns(workload.run(&read, threads, READS, 0, false));
        let get = || ns(workload.run(&get, threads, READS, 0, false));
        let moka = || ns(workload.run(&moka, threads, READS, 0, false));
        tell(&format!("l1_hit/threads={threads}/store_read_ns_vs_papaya"), versus(read, papaya), "<=1.2");
        tell(&format!("l1_hit/threads={threads}/store_get_ns_vs_papaya"), versus(get, papaya), "<=1.2");
        tell(&format!("l1_hit/threads={threads}/store_read_ns_vs_moka"), versus(read, moka), "<=0.286");
    }
}

/// The same hits through the front door, after a checkpoint.
fn store(bench: &mut Criterion, workload: &Workload) {
    let scratch = Scratch::for_bursts();
    let read = StoreRead(&scratch);
    workload.fill(&read);
    scratch.store.checkpoint().expect("a checkpoint succeeds");
    measure(bench, "l1_hit", workload, &read, 0, false);
    measure(bench, "l1_hit", workload, &StoreGet(&scratch), 0, false);
}

fn l1(bench: &mut Criterion) {
    let workload = Workload::new();
    if wanted("l1_hit/ratio") {
        ratios(&workload);
    }
    if !wanted("l1_hit") && !wanted("l1_writes") && !wanted("l1_evicting") {
        return;
    }
    store(bench, &workload);
    fitting(bench, &workload, || Ours::new(1 << 30));
    fitting(bench, &workload, || Papaya(papaya::HashMap::with_hasher(Hasher::default())));
    fitting(bench, &workload, || QuickCache::new(2 * KEYS));
    fitting(bench, &workload, || Moka::new(2 * KEYS));
    fitting(bench, &workload, || Locked(RwLock::default()));
    let tenth = KEYS / 10;
    // 168 bytes is what an entry of these sizes counts for: a tenth of the keys fits.
    measure(bench, "l1_evicting", &workload, &Ours::new(168 * tenth as u64), 0, true);
    measure(bench, "l1_evicting", &workload, &QuickCache::new(tenth), 0, true);
    measure(bench, "l1_evicting", &workload, &Moka::new(tenth), 0, true);
}

criterion_group!(benches, l1);
criterion_main!(benches);
