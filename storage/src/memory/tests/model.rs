//! Random operations on the memory and on plain maps, compared at every step.
//!
//! `latest` is what was written, `checkpoint` what a checkpoint holds. Whatever is in memory must be the latest
//! version, and what is not must be in the checkpoint in its latest version: that is invariant 3, dropping clean
//! entries changes no answer.

use std::collections::{HashMap, VecDeque};

use super::*;

struct Pending {
    token: FillToken,
    key: Vec<u8>,
    version: Option<u64>,
}

struct Model {
    memory: Memory,
    chance: Chance,
    next_lsn: u64,
    /// Version and whether it is a value.
    latest: HashMap<Vec<u8>, (u64, bool)>,
    checkpoint: HashMap<Vec<u8>, u64>,
    dirty: VecDeque<EntryRef>,
    fills: Vec<Pending>,
    filled: u64,
}

fn value_of(version: u64) -> Vec<u8> {
    version.to_string().repeat(1 + version as usize % 40).into_bytes()
}

impl Model {
    fn new(seed: u64, options: &Options) -> Model {
        Model {
            memory: Memory::new(options),
            chance: Chance(seed),
            next_lsn: 1,
            latest: HashMap::new(),
            checkpoint: HashMap::new(),
            dirty: VecDeque::new(),
            fills: Vec::new(),
            filled: 0,
        }
    }

    fn key(&mut self) -> Vec<u8> {
        let number = self.chance.below(300);
        format!("key-{number}").into_bytes()
    }

    fn step(&mut self) {
        let key = self.key();
        match self.chance.below(100) {
            0..30 => self.write(key, true),
            30..38 => self.write(key, false),
            38..55 => self.begin_fill(key),
            55..70 => self.end_fill(),
            70..74 => self.checkpoint_some(),
            74 => self.memory.drop_clean(),
            75 => self.memory.evict_to(self.memory.stats().bytes / 2),
            _ => self.check(&key),
        }
    }

    fn write(&mut self, key: Vec<u8>, is_value: bool) {
        let lsn = self.next_lsn;
        self.next_lsn += 1;
        let value = value_of(lsn);
        let fields = if is_value { fields(lsn, &value) } else { tombstone(lsn) };
        let applied = self.memory.apply(&key, &fields);
        self.dirty.push_back(applied.entry);
        let before = self.latest.insert(key, (lsn, is_value));
        if let Some(previous) = applied.previous {
            assert_eq!(Some((previous.lsn().0, previous.kind() == EntryKind::Value)), before);
        }
    }

    fn begin_fill(&mut self, key: Vec<u8>) {
        let token = self.memory.fill_token(&key);
        if self.memory.peek(&key).is_none() {
            let version = self.checkpoint.get(&key).copied();
            self.fills.push(Pending { token, key, version });
        }
    }

    fn end_fill(&mut self) {
        if self.fills.is_empty() {
            return;
        }
        let chosen = self.chance.below(self.fills.len() as u64) as usize;
        let Pending { token, key, version } = self.fills.swap_remove(chosen);
        if let Some(version) = version {
            let filled = self.memory.fill(token, &key, &fields(version, &value_of(version)));
            self.filled += u64::from(filled);
            self.check(&key);
        }
    }

    /// The oldest dirty versions become part of the checkpoint, all published before the first is cleaned.
    fn checkpoint_some(&mut self) {
        let count = self.chance.below(self.dirty.len() as u64 + 1) as usize;
        let folded: Vec<EntryRef> = self.dirty.drain(..count).collect();
        for entry in &folded {
            match entry.kind() {
                EntryKind::Value | EntryKind::Structure => {
                    self.checkpoint.insert(entry.key().to_vec(), entry.lsn().0)
                }
                EntryKind::Tombstone | EntryKind::Volatile => self.checkpoint.remove(entry.key()),
            };
        }
        self.memory.clean_all(&folded);
    }

    fn check(&self, key: &[u8]) {
        let latest = self.latest.get(key).copied();
        match self.memory.peek(key) {
            Some(entry) => {
                assert_eq!(latest, Some((entry.lsn().0, entry.kind() == EntryKind::Value)));
                let wanted =
                    if entry.kind() == EntryKind::Value { value_of(entry.lsn().0) } else { Vec::new() };
                assert_eq!(entry.value(), wanted);
            }
            None => {
                let version = latest.and_then(|(version, is_value)| is_value.then_some(version));
                assert_eq!(self.checkpoint.get(key).copied(), version, "{}", key.escape_ascii());
            }
        }
    }

    fn check_all(&self) {
        for number in 0..300 {
            self.check(format!("key-{number}").as_bytes());
        }
        let stats = self.memory.stats();
        let current = |entry: &&EntryRef| self.latest[entry.key()].0 == entry.lsn().0;
        assert_eq!(stats.dirty_entries, self.dirty.iter().filter(current).count() as u64);
        assert_eq!(stats.bytes, self.memory.shared.limit.bytes());
    }
}

#[test]
fn memory_agrees_with_the_model() {
    for policy in PolicyKind::ALL {
        for (seed, bytes_max, shards) in [(11, 1 << 20, 4), (12, 12_000, 1), (13, 12_000, 8), (14, 2_000, 2)]
        {
            println!("policy={policy:?} seed={seed} bytes_max={bytes_max} shards={shards}");
            let mut model = Model::new(seed, &Options { bytes_max, shards, policy, ..Options::default() });
            for step in 0..20_000 {
                model.step();
                if step % 500 == 0 {
                    model.check_all();
                }
            }
            model.check_all();
            assert!(model.filled > 100, "the run filled {} times: too tame to prove anything", model.filled);
        }
    }
}
