//! Bounds: what is clean gives way, what is dirty stays, and nothing grows with churn.

use super::*;

fn key(number: u64) -> [u8; 16] {
    let mut key = [b'k'; 16];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key
}

fn fill(memory: &Memory, number: u64, value: &[u8]) -> bool {
    memory.fill(memory.fill_token(&key(number)), &key(number), &fields(1, value))
}

#[test]
fn clean_bytes_stay_within_the_bound() {
    for policy in PolicyKind::ALL {
        let memory = Memory::new(&Options { bytes_max: 100_000, shards: 4, policy, ..Options::default() });
        let mut chance = Chance(1);
        for number in 0..20_000 {
            let value = vec![b'x'; chance.below(300) as usize];
            assert!(fill(&memory, number, &value));
            assert!(memory.stats().bytes <= 100_000, "after {number}");
        }
        let stats = memory.stats();
        assert!(stats.bytes > 90_000, "full, not emptied: {stats:?}");
        assert_eq!(stats.entries + stats.evictions, 20_000);
    }
}

#[test]
fn what_others_hold_counts_against_the_bound() {
    let memory = Memory::new(&Options { bytes_max: 100_000, shards: 4, ..Options::default() });
    let fill_up = || (0..2_000).for_each(|number| _ = fill(&memory, number, b"value"));
    fill_up();
    assert!(memory.stats().bytes > 90_000);
    memory.reserve(30_000);
    assert!(memory.stats().bytes <= 70_000, "clean entries give way at once");
    fill_up();
    assert!((60_000..=70_000).contains(&memory.stats().bytes));
    memory.reserve(u64::MAX);
    assert!((40_000..=50_000).contains(&memory.stats().bytes), "never more than half");
    memory.reserve(0);
    fill_up();
    assert!(memory.stats().bytes > 90_000);
}

#[test]
fn dirty_entries_are_never_evicted() {
    for policy in PolicyKind::ALL {
        let memory = Memory::new(&Options { bytes_max: 20_000, shards: 4, policy, ..Options::default() });
        let written: Vec<EntryRef> =
            (0..500).map(|number| memory.apply(&key(number), &fields(number, b"1")).entry).collect();
        for number in 500..600 {
            fill(&memory, number, b"2");
        }
        memory.evict_to(0);
        memory.drop_clean();
        let stats = memory.stats();
        assert_eq!((stats.entries, stats.dirty_entries), (500, 500), "above the bound, but all are dirty");
        assert!((0..500).all(|number| memory.peek(&key(number)).is_some()));
        memory.clean_all(&written);
        assert!(memory.stats().bytes <= 20_000 && memory.stats().entries > 0);
    }
}

#[test]
fn an_overwritten_queued_entry_is_pinned_until_clean() {
    for policy in PolicyKind::ALL {
        let memory = Memory::new(&Options { bytes_max: 1 << 20, shards: 1, policy, ..Options::default() });
        fill(&memory, 1, b"old");
        let written = memory.apply(&key(1), &fields(5, b"new")).entry;
        memory.evict_to(0);
        assert_eq!(memory.peek(&key(1)).unwrap().lsn(), Lsn(5));
        memory.clean(&written);
        memory.evict_to(0);
        assert!(memory.peek(&key(1)).is_none(), "admitted again when it became clean");
        assert_eq!(memory.stats().bytes, 0);
    }
}

#[test]
fn an_entry_bound_counts_entries() {
    for policy in PolicyKind::ALL {
        let memory = Memory::new(&Options { entries_max: 100, shards: 1, policy, ..Options::default() });
        for number in 0..1000 {
            fill(&memory, number, b"1");
        }
        assert_eq!(memory.stats().entries, 100);
    }
}

#[test]
fn a_giant_is_not_filled_in() {
    let memory = Memory::new(&Options { bytes_max: 8_000, ..Options::default() });
    assert!(!fill(&memory, 1, &[b'x'; 1001]));
    assert!(fill(&memory, 1, &[b'x'; 900]));
}

#[test]
fn one_shard_gives_for_another() {
    // All clean entries stand in other shards than the one written to.
    let memory = Memory::new(&Options { bytes_max: 30_000, shards: 16, ..Options::default() });
    for number in 0..250 {
        fill(&memory, number, b"1");
    }
    let target = memory.hash(&key(0)).shard(memory.shard_bits);
    for number in
        (1000..).filter(|&number| memory.hash(&key(number)).shard(memory.shard_bits) == target).take(200)
    {
        memory.apply(&key(number), &fields(1, b"1"));
    }
    let stats = memory.stats();
    assert!(stats.bytes <= 30_000 && stats.dirty_entries == 200, "{stats:?}");
}

#[test]
fn tables_grow_and_shrink() {
    let memory = Memory::new(&Options { shards: 1, ..Options::default() });
    for number in 0..50_000 {
        fill(&memory, number, b"1");
        if number % 5000 == 0 {
            assert!((0..=number).step_by(97).all(|number| memory.peek(&key(number)).is_some()));
        }
    }
    memory.drop_clean();
    assert_eq!(memory.stats().entries, 0);
    let guard = epoch::pin();
    assert!(memory.shards[0].index(&guard).entries_max() < 100, "an empty shard keeps no large table");
}
