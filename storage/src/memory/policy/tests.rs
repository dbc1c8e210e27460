//! What every policy must do, and what each one is for.

use std::collections::HashMap;

use super::*;
use crate::memory::entry::EntryRef;
use crate::memory::hash::KeyHasher;
use crate::record::{EntryFields, EntryKind, Lsn};

const POLICIES: [PolicyKind; 2] = [PolicyKind::S3Fifo, PolicyKind::Lru];
const TICK_US: u64 = 1 << 14;

/// A shard's table and a policy, without the shard.
struct Stage {
    index: Index,
    hasher: KeyHasher,
    policy: Box<dyn Policy>,
    entries: HashMap<u64, EntryRef>,
    now_us: u64,
}

impl Stage {
    fn new(kind: PolicyKind) -> Stage {
        let policy = Common::new(kind, Scale::Entries, 1 << 20, 7).build();
        let (index, hasher) = (Index::with_room_for(2000), KeyHasher::new(7));
        Stage { index, hasher, policy, entries: HashMap::new(), now_us: 1 << 50 }
    }

    fn insert(&mut self, number: u64, dirty: bool) {
        self.now_us += TICK_US;
        let key = number.to_be_bytes();
        let fields = EntryFields {
            kind: EntryKind::Value,
            lsn: Lsn(number),
            created_us: self.now_us,
            expires_us: 0,
            access_count: 0,
            last_access_us: self.now_us,
            value: b"1",
            extras: b"",
        };
        let entry = EntryRef::allocate(&key, &fields, dirty);
        let hash = self.hasher.hash(&key);
        self.index.insert(hash, entry.clone());
        if !dirty {
            self.policy.admit(&self.index, hash.fragment(), &entry);
        }
        self.entries.insert(number, entry);
    }

    fn read(&mut self, number: u64) {
        self.now_us += TICK_US;
        self.entries[&number].touch(self.now_us, 0, 3);
    }

    fn evict(&mut self) -> Option<u64> {
        let victim = self.policy.evict(&self.index)?;
        let number = victim.entry.lsn().0;
        assert_eq!(victim.entry.queue(), 0, "a victim is forgotten");
        assert!(!victim.entry.is_dirty());
        self.take(number);
        Some(number)
    }

    fn remove(&mut self, number: u64) {
        let entry = self.entries[&number].clone();
        if entry.queue() != 0 {
            self.policy.forget(&entry);
        }
        self.take(number);
    }

    fn take(&mut self, number: u64) {
        let entry = self.entries.remove(&number).expect("only residents are taken");
        let slot = self.index.find_version(self.hasher.hash(entry.key()), &entry).expect("it is there");
        slot.clear();
        release(&entry);
    }
}

/// Takes back the reference that `insert` gave to the slot.
fn release(entry: &EntryRef) {
    // SAFETY: `insert` gave one reference away for each entry, and it is taken back once.
    drop(unsafe { EntryRef::from_ptr(entry.as_ptr()) });
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.entries.values().for_each(release);
    }
}

#[test]
fn everything_admitted_leaves_once() {
    for kind in POLICIES {
        let mut stage = Stage::new(kind);
        (0..1000).for_each(|number| stage.insert(number, false));
        (0..1000).step_by(3).for_each(|number| stage.read(number));
        let mut gone: Vec<u64> = std::iter::from_fn(|| stage.evict()).collect();
        gone.sort_unstable();
        assert_eq!(gone, (0..1000).collect::<Vec<_>>(), "{kind:?}");
        assert_eq!(stage.evict(), None);
    }
}

#[test]
fn the_dirty_are_passed_over_and_the_forgotten_do_not_count() {
    for kind in POLICIES {
        let mut stage = Stage::new(kind);
        (0..100).for_each(|number| stage.insert(number, number % 2 == 0));
        (0..100).step_by(5).for_each(|number| stage.remove(number));
        let mut gone: Vec<u64> = std::iter::from_fn(|| stage.evict()).collect();
        gone.sort_unstable();
        let clean: Vec<u64> = (0..100).filter(|number| number % 2 == 1 && number % 5 != 0).collect();
        assert_eq!(gone, clean, "{kind:?}");
    }
}

#[test]
fn churn_does_not_grow_the_queues() {
    for kind in POLICIES {
        let mut stage = Stage::new(kind);
        (0..100).for_each(|number| stage.insert(number, false));
        for round in 0..50_000 {
            stage.remove(round);
            stage.insert(round + 100, false);
        }
        assert!(stage.policy.nodes() < 400, "{kind:?} keeps {} nodes for 100 entries", stage.policy.nodes());
        assert_eq!(std::iter::from_fn(|| stage.evict()).count(), 100);
    }
}

#[test]
fn lru_evicts_in_the_order_of_last_use() {
    let mut stage = Stage::new(PolicyKind::Lru);
    (0..5).for_each(|number| stage.insert(number, false));
    [0, 3, 1, 0].into_iter().for_each(|number| stage.read(number));
    let gone: Vec<u64> = std::iter::from_fn(|| stage.evict()).collect();
    assert_eq!(gone, [2, 4, 3, 1, 0]);
}

#[test]
fn s3fifo_lets_a_scan_pass_through() {
    let mut stage = Stage::new(PolicyKind::S3Fifo);
    (0..100).for_each(|number| stage.insert(number, false));
    (0..3).for_each(|_| (0..100).for_each(|number| stage.read(number)));
    for number in 1000..3000 {
        stage.insert(number, false);
        stage.evict().unwrap();
    }
    let kept = (0..100).filter(|number| stage.entries.contains_key(number)).count();
    assert!(kept >= 90, "{kept} of 100 warm entries survived 2,000 passers-by");
}

#[test]
fn s3fifo_remembers_who_left_too_early() {
    let mut stage = Stage::new(PolicyKind::S3Fifo);
    (0..101).for_each(|number| stage.insert(number, false));
    assert_eq!(stage.evict(), Some(0));
    stage.insert(0, false);
    let proven = &stage.entries[&0];
    assert_ne!(proven.queue(), stage.entries[&50].queue(), "back at once: no probation");
}
