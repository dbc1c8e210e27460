//! Models of the memory's protocols, every interleaving explored by loom.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p mpreg-storage --release memory::loom`
//!
//! What stands here is what our own orderings decide: the fill protocol, publication of a slot and of a bucket, and the
//! last release of an entry. When the table's reference may be released is crossbeam-epoch's own proof.

use std::ptr::NonNull;

use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicU32, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

use super::bucket::{Bucket, Slot};
use super::fill::Gate;
use super::hash::KeyHash;
use super::refs::Refs;

const KEY: KeyHash = KeyHash(5);
/// Versions are addresses in here: the model needs something to point at.
static VERSIONS: [u8; 3] = [0, 1, 2];

/// One key: its slot in memory, its row in the checkpoint, its shard's lock.
struct Tier {
    slot: Slot,
    gate: Gate,
    lock: Mutex<()>,
    checkpoint: AtomicU32,
}

impl Tier {
    fn new() -> Arc<Tier> {
        let (slot, gate, lock) = (Slot::empty(), Gate::new(), Mutex::new(()));
        Arc::new(Tier { slot, gate, lock, checkpoint: AtomicU32::new(1) })
    }

    fn publish(&self, version: usize) {
        self.slot.publish(KEY.tag(), (&raw const VERSIONS[version]).cast_mut());
    }

    fn version(&self) -> Option<usize> {
        let pointer = self.slot.load().tagged(KEY.tag())?;
        Some(pointer.as_ptr().addr() - VERSIONS.as_ptr().addr())
    }

    /// `Shard::apply`, then the checkpoint, then `Shard::clean` and eviction at once.
    fn write_and_forget(&self, count_first: bool) {
        {
            let _writer = self.lock.lock().expect("no model panics with it");
            if count_first {
                self.gate.count_write(KEY);
            }
            self.publish(2);
            if !count_first {
                self.gate.count_write(KEY);
            }
        }
        self.checkpoint.store(2, Ordering::Release);
        let _writer = self.lock.lock().expect("no model panics with it");
        self.slot.clear();
    }

    /// A reader's miss, as the store does it.
    fn read(&self) -> usize {
        let token = self.gate.token(KEY);
        if let Some(version) = self.version() {
            return version;
        }
        let version = self.checkpoint.load(Ordering::Acquire) as usize;
        let _writer = self.lock.lock().expect("no model panics with it");
        if self.gate.unchanged(KEY, token) && self.version().is_none() {
            self.publish(version);
        }
        version
    }

    /// What memory holds now must be what the checkpoint holds.
    fn assert_settled(&self) {
        let version = self.version().unwrap_or(2);
        assert_eq!(version, 2, "memory holds an older value than the checkpoint");
    }
}

fn explore_fill(count_first: bool) {
    loom::model(move || {
        let tier = Tier::new();
        let reader = {
            let tier = Arc::clone(&tier);
            thread::spawn(move || tier.read())
        };
        tier.write_and_forget(count_first);
        let seen_after = tier.version();
        assert_ne!(seen_after, Some(1), "an old value came in after the write was done");
        reader.join().unwrap();
        tier.assert_settled();
    });
}

#[test]
fn a_fill_never_brings_an_old_value_back() {
    explore_fill(false);
}

#[test]
#[should_panic(expected = "old")]
fn counting_before_publishing_would() {
    explore_fill(true);
}

#[test]
fn a_reader_never_goes_back() {
    loom::model(|| {
        let tier = Tier::new();
        let writer = {
            let tier = Arc::clone(&tier);
            thread::spawn(move || tier.write_and_forget(false))
        };
        let first = tier.read();
        let second = tier.read();
        assert!(first <= second, "read {first}, then {second}");
        writer.join().unwrap();
        tier.assert_settled();
    });
}

#[test]
fn what_a_slot_shows_is_complete() {
    loom::model(|| {
        let (bucket, cell) = (Arc::new(Bucket::empty()), Arc::new(UnsafeCell::new(0_u32)));
        let writer = {
            let (bucket, cell) = (Arc::clone(&bucket), Arc::clone(&cell));
            thread::spawn(move || {
                // SAFETY: nobody reads the cell before the slot is published; loom checks that.
                cell.with_mut(|value| unsafe { *value = 7 });
                let pointer = (&raw const VERSIONS[1]).cast_mut();
                bucket.vacancy().publish(9, pointer);
            })
        };
        if bucket.chain().any(|slot| slot.load().tagged(9).is_some()) {
            // SAFETY: published, so written before.
            cell.with(|value| assert_eq!(unsafe { *value }, 7));
        }
        writer.join().unwrap();
        assert!(bucket.chain().any(|slot| slot.load().tagged(9).is_some()));
    });
}

#[test]
fn a_growing_chain_is_always_whole() {
    loom::model(|| {
        let bucket = Arc::new(Bucket::empty());
        let pointer = (&raw const VERSIONS[1]).cast_mut();
        (0..7).for_each(|tag| bucket.vacancy().publish(tag, pointer));
        let writer = {
            let bucket = Arc::clone(&bucket);
            thread::spawn(move || {
                let pointer = (&raw const VERSIONS[2]).cast_mut();
                bucket.vacancy().publish(7, pointer);
            })
        };
        let tags: Vec<u16> =
            bucket.chain().map(Slot::load).filter_map(|word| word.pointer().map(|_| word.tag())).collect();
        assert!(tags.starts_with(&[0, 1, 2, 3, 4, 5, 6]), "{tags:?}");
        writer.join().unwrap();
        let added = bucket.chain().find_map(|slot| slot.load().tagged(7));
        assert_eq!(added, NonNull::new((&raw const VERSIONS[2]).cast_mut()));
    });
}

#[test]
fn the_last_holder_frees_alone() {
    loom::model(|| {
        let refs = Arc::new((Refs::one(), UnsafeCell::new(3_u32)));
        refs.0.retain();
        let let_go = |refs: &(Refs, UnsafeCell<u32>)| {
            // SAFETY: a holder may read; loom checks it against the write of the last one.
            refs.1.with(|value| assert_eq!(unsafe { *value }, 3));
            if refs.0.release() {
                // SAFETY: stands for the free: nobody else may be reading any more.
                refs.1.with_mut(|value| unsafe { *value = 0 });
            }
        };
        let other = {
            let refs = Arc::clone(&refs);
            thread::spawn(move || let_go(&refs))
        };
        let_go(&refs);
        other.join().unwrap();
    });
}
