//! Behaviour of the whole room: against a model, under threads, and at its bounds.

mod adaptive;
mod bounds;
mod model;
mod stress;

use super::*;
use crate::record::Lsn;

/// Time of the tests; nothing here waits for a clock.
const NOW_US: u64 = 1_700_000_000_000_000;

fn fields(lsn: u64, value: &[u8]) -> EntryFields<'_> {
    EntryFields {
        kind: EntryKind::Value,
        lsn: Lsn(lsn),
        created_us: NOW_US,
        expires_us: 0,
        access_count: 0,
        last_access_us: NOW_US,
        value,
        extras: b"",
    }
}

fn tombstone(lsn: u64) -> EntryFields<'static> {
    EntryFields { kind: EntryKind::Tombstone, ..fields(lsn, b"") }
}

/// A small generator with a seed that is printed: failures can be run again.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

#[test]
fn a_write_is_read_back_with_its_fields() {
    let memory = Memory::new(&Options::default());
    let wanted = EntryFields { expires_us: NOW_US + 5, extras: b"cost", ..fields(3, b"[1,2]") };
    let applied = memory.apply(b"k", &wanted);
    assert!(applied.previous.is_none() && applied.entry.is_dirty());
    let read = memory.get(b"k", NOW_US).unwrap();
    assert_eq!(read.fields(), EntryFields { access_count: 1, ..wanted });
    assert!(memory.get(b"other", NOW_US).is_none());
    let stats = memory.stats();
    assert_eq!((stats.entries, stats.dirty_entries, stats.hits, stats.misses), (1, 1, 1, 1));
}

#[test]
fn a_second_write_replaces_and_starts_its_own_count() {
    let memory = Memory::new(&Options::default());
    let first = memory.apply(b"k", &fields(1, b"1")).entry;
    memory.read(b"k", NOW_US, |_| ());
    let second = memory.apply(b"k", &fields(2, b"2"));
    assert_eq!(second.previous.as_ref().unwrap().lsn(), Lsn(1));
    assert_eq!(first.value(), b"1", "holders keep what they hold");
    assert_eq!((first.access_count(), second.entry.access_count()), (1, 0));
    memory.clean(&first);
    assert!(memory.peek(b"k").unwrap().is_dirty(), "cleaning an old version says nothing of the new one");
}

#[test]
fn only_visible_reads_are_counted_but_all_are_shown() {
    let memory = Memory::new(&Options::default());
    memory.apply(b"gone", &tombstone(1));
    memory.apply(b"late", &EntryFields { expires_us: NOW_US, ..fields(2, b"1") });
    assert_eq!(memory.read(b"gone", NOW_US, Entry::kind), Some(EntryKind::Tombstone));
    assert_eq!(memory.read(b"late", NOW_US + 1, Entry::access_count), Some(0));
    assert_eq!(memory.read(b"late", NOW_US, Entry::access_count), Some(1));
    assert_eq!((memory.stats().hits, memory.stats().misses), (1, 0));
}

#[test]
fn a_checkpointed_tombstone_goes_away() {
    let memory = Memory::new(&Options::default());
    let value = memory.apply(b"k", &fields(1, b"1")).entry;
    let deleted = memory.apply(b"k", &tombstone(2)).entry;
    memory.clean_all(&[value, deleted]);
    assert!(memory.peek(b"k").is_none());
    assert_eq!(memory.stats(), Stats { ..Stats::default() });
}

#[test]
fn a_fill_yields_to_everything_newer() {
    let memory = Memory::new(&Options::default());
    let token = memory.fill_token(b"k");
    assert!(memory.unchanged(token, b"k"));
    assert!(!memory.fill(token, b"k", &tombstone(1)), "absence is not filled in");
    assert!(memory.fill(token, b"k", &fields(1, b"1")));
    assert!(!memory.fill(token, b"k", &fields(1, b"1")), "it is here already");
    let written = memory.apply(b"k", &fields(2, b"2")).entry;
    memory.clean(&written);
    memory.drop_clean();
    assert!(!memory.unchanged(token, b"k"));
    assert!(!memory.fill(token, b"k", &fields(1, b"1")), "the key was written since the token");
    assert!(memory.fill(memory.fill_token(b"k"), b"k", &fields(2, b"2")));
}

#[test]
fn prefetching_changes_nothing() {
    let memory = Memory::new(&Options { shards: 4, ..Options::default() });
    let keys: Vec<Vec<u8>> = (0..100_u32).map(|number| number.to_be_bytes().to_vec()).collect();
    for key in &keys[..50] {
        memory.apply(key, &fields(1, b"1"));
    }
    let before = memory.stats();
    memory.prefetch(keys.iter().map(Vec::as_slice));
    memory.prefetch(std::iter::empty());
    assert_eq!(memory.stats(), before);
}

#[test]
fn shard_counts_follow_the_size() {
    let bits = |bytes_max, shards| Options { bytes_max, shards, ..Options::default() }.shard_bits();
    assert_eq!((bits(256 << 20, 0), bits(1000, 0), bits(u64::MAX, 0)), (8, 0, 16));
    assert_eq!((bits(0, 5), bits(0, 1), bits(0, usize::MAX)), (3, 0, 16));
}
