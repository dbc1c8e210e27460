//! What every policy must do, and what each one is for.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod consistency;
mod orders;

use std::collections::HashMap;

use super::*;
use crate::memory::entry::EntryRef;
use crate::memory::hash::KeyHasher;
use crate::record::{EntryFields, EntryKind, Extras, Key, Lsn};

const TICK_US: u64 = 1 << 14;
const SEED: u64 = 7;

/// What is particular about an entry of a test.
#[derive(Clone, Copy, Default)]
struct Traits<'a> {
    dirty: bool,
    /// Ticks until it expires; 0 = never.
    life: u64,
    cost_ms: f64,
    /// As the extras keep them.
    dependencies: &'a str,
    value_bytes: usize,
}

const PLAIN: Traits<'static> =
    Traits { dirty: false, life: 0, cost_ms: 0.0, dependencies: "[]", value_bytes: 1 };
const DIRTY: Traits<'static> = Traits { dirty: true, ..PLAIN };

/// A shard's table and a policy, without the shard. Entries have numbers, which are their identifiers and their lsns.
struct Stage {
    index: Index,
    hasher: KeyHasher,
    policy: Box<dyn Policy>,
    entries: HashMap<u64, EntryRef>,
    now_us: u64,
    heat_max: u8,
}

fn key(number: u64) -> Key {
    Key::new("n", &number.to_string()).unwrap()
}

impl Stage {
    fn new(kind: PolicyKind) -> Stage {
        let policy = Common::new(kind, Scale::Entries, 1 << 20, SEED).build();
        let (index, hasher) = (Index::with_room_for(2000), KeyHasher::new(SEED));
        let heat_max = kind.heat_max();
        Stage { index, hasher, policy, entries: HashMap::new(), now_us: 1 << 50, heat_max }
    }

    fn allocate(&mut self, number: u64, traits: Traits<'_>) -> EntryRef {
        self.now_us += TICK_US;
        let mut extras = Vec::new();
        let (computation_cost_ms, dependencies) = (traits.cost_ms, traits.dependencies);
        Extras { computation_cost_ms, dependencies, ..Extras::default() }.encode_into(&mut extras).unwrap();
        let fields = EntryFields {
            kind: EntryKind::Value,
            lsn: Lsn(number),
            created_us: self.now_us,
            expires_us: if traits.life == 0 { 0 } else { self.now_us + traits.life * TICK_US },
            access_count: 0,
            last_access_us: self.now_us,
            value: &vec![b'1'; traits.value_bytes],
            extras: &extras,
        };
        EntryRef::allocate(key(number).as_bytes(), &fields, traits.dirty)
    }

    fn insert(&mut self, number: u64, traits: Traits<'_>) {
        let entry = self.allocate(number, traits);
        self.index.insert(self.hasher.hash(entry.key()), entry.clone());
        if !traits.dirty {
            self.admit(&entry);
        }
        self.entries.insert(number, entry);
    }

    fn admit(&mut self, entry: &Entry) {
        self.policy.admit(&self.index, self.hasher.hash(entry.key()).fragment(), entry);
        assert_ne!(entry.queue(), 0, "what is admitted stands somewhere");
    }

    /// As a shard overwrites: the new version is dirty and takes over queue and heat.
    fn overwrite(&mut self, number: u64, traits: Traits<'_>) {
        let new = self.allocate(number, Traits { dirty: true, ..traits });
        let old = self.entries.insert(number, new.clone()).expect("only residents are overwritten");
        new.set_queue(old.queue());
        new.set_heat((old.heat() + 1).min(self.heat_max));
        if old.queue() != 0 {
            self.policy.replace(&old, &new);
        }
        let hash = self.hasher.hash(old.key());
        let slot = self.index.find_version(hash, &old).expect("it is there");
        slot.publish(hash.tag(), new.into_ptr().as_ptr());
        release(&old);
    }

    /// As a shard cleans: admitted unless it still stands where its previous version stood.
    fn clean(&mut self, number: u64) {
        let entry = self.entries[&number].clone();
        entry.set_clean();
        if entry.queue() == 0 {
            self.admit(&entry);
        }
    }

    fn read(&mut self, number: u64) {
        self.now_us += TICK_US;
        self.entries[&number].touch(self.now_us, 0, self.heat_max);
    }

    fn evict(&mut self) -> Option<u64> {
        let victim = self.policy.evict(&self.index)?;
        let number = victim.entry.lsn().0;
        assert_eq!(victim.entry.queue(), 0, "a victim is forgotten");
        assert!(!victim.entry.is_dirty());
        self.take(number);
        Some(number)
    }

    /// Everything that can be evicted, in order.
    fn drain(&mut self) -> Vec<u64> {
        std::iter::from_fn(|| self.evict()).collect()
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
