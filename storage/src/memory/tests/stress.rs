//! Threads against each other: writers, a checkpointer, readers that fill, and eviction all the time.
//!
//! Each value says its key and version in every word, so torn or freed bytes show. Each reader checks that a key's
//! versions never go back, through memory and checkpoint together: the fill protocol at work.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use parking_lot::{Mutex, RwLock};

use super::*;

const KEYS: u64 = 400;
/// Each writer goes on until it has written this often and enough fills have met its writes.
const WRITES: u64 = 20_000;
const FILLS: u64 = 5_000;
/// Where a writer stops all the same.
const WRITES_MAX: u64 = 3_000_000;
const DIRTY_MAX: usize = 30;

type Checkpoint = Arc<HashMap<u64, u64>>;

struct World {
    memory: Memory,
    checkpoint: RwLock<Checkpoint>,
    /// Stands for the store's core lock: versions are numbered and applied in one order.
    core: Mutex<(u64, Vec<EntryRef>)>,
    done: AtomicBool,
    fills: AtomicU64,
}

fn value(key: u64, version: u64) -> Vec<u8> {
    (0..1 + version % 30).flat_map(|_| (key << 48 | version).to_be_bytes()).collect()
}

fn version_of(key: u64, entry: &Entry) -> u64 {
    assert_eq!(entry.key(), key.to_be_bytes());
    assert_eq!(entry.value(), value(key, entry.lsn().0), "torn or freed bytes");
    entry.lsn().0
}

impl World {
    fn write(&self, chance: &mut Chance) {
        for count in 0..WRITES_MAX {
            if count >= WRITES && self.fills.load(Ordering::Relaxed) >= FILLS {
                return;
            }
            let key = chance.below(KEYS);
            let mut core = self.core.lock();
            if core.1.len() > DIRTY_MAX {
                // As the store does: writers wait for the checkpoint, or there would be nothing to evict.
                drop(core);
                std::thread::yield_now();
                continue;
            }
            core.0 += 1;
            let version = core.0;
            let applied = self.memory.apply(&key.to_be_bytes(), &fields(version, &value(key, version)));
            core.1.push(applied.entry);
            drop(core);
            if let Some(previous) = applied.previous {
                assert!(version_of(key, &previous) < version);
            }
        }
    }

    fn checkpoint(&self) {
        loop {
            let last_round = self.done.load(Ordering::Acquire);
            let frozen = std::mem::take(&mut self.core.lock().1);
            let mut rows = HashMap::clone(&self.checkpoint.read());
            for entry in &frozen {
                let key =
                    u64::from_be_bytes(entry.key().try_into().expect("keys of this test have eight bytes"));
                rows.insert(key, entry.lsn().0);
            }
            *self.checkpoint.write() = Arc::new(rows);
            self.memory.clean_all(&frozen);
            if last_round {
                return;
            }
        }
    }

    fn read(&self, chance: &mut Chance) {
        let mut seen = HashMap::new();
        while !self.done.load(Ordering::Relaxed) {
            let key = chance.below(KEYS);
            let bytes = key.to_be_bytes();
            let token = self.memory.fill_token(&bytes);
            let version = self.memory.read(&bytes, NOW_US, |entry| version_of(key, entry));
            let version = version.or_else(|| self.read_below(key, token));
            let before = seen.insert(key, version);
            assert!(
                before.is_none_or(|before| before <= version),
                "key {key} went from {before:?} to {version:?}"
            );
        }
    }

    fn read_below(&self, key: u64, token: FillToken) -> Option<u64> {
        let snapshot = self.checkpoint.read().clone();
        let version = snapshot.get(&key).copied()?;
        std::thread::yield_now();
        if self.memory.fill(token, &key.to_be_bytes(), &fields(version, &value(key, version))) {
            self.fills.fetch_add(1, Ordering::Relaxed);
        }
        Some(version)
    }
}

#[test]
fn readers_never_see_a_key_go_back() {
    for (seed, policy) in [(1, PolicyKind::Adaptive), (2, PolicyKind::Lru), (3, PolicyKind::CostBased)] {
        println!("seed={seed} policy={policy:?}");
        let options = Options { bytes_max: 20_000, shards: 8, policy, ..Options::default() };
        let world = World {
            memory: Memory::new(&options),
            checkpoint: RwLock::default(),
            core: Mutex::new((0, Vec::new())),
            done: AtomicBool::new(false),
            fills: AtomicU64::new(0),
        };
        std::thread::scope(|scope| {
            for reader in 0..3 {
                let world = &world;
                scope.spawn(move || world.read(&mut Chance(seed + 100 + reader)));
            }
            let checkpointer = scope.spawn(|| world.checkpoint());
            let writers: Vec<_> = (0..2)
                .map(|writer| {
                    let world = &world;
                    scope.spawn(move || world.write(&mut Chance(seed + writer)))
                })
                .collect();
            for writer in writers {
                writer.join().unwrap();
            }
            world.done.store(true, Ordering::Release);
            checkpointer.join().unwrap();
        });
        let stats = world.memory.stats();
        let fills = world.fills.load(Ordering::Relaxed);
        println!("fills={fills} {stats:?}");
        assert!(fills > 1000 && stats.evictions > 1000, "too tame: {fills} fills, {stats:?}");
        assert_eq!(stats.dirty_entries, 0);
        assert!(stats.bytes <= 20_000);
    }
}
