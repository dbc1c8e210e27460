//! The adaptive policy in the whole room: it follows the workload, with one shard or many, one thread or several.

use super::*;

/// Reads a key, and fills it in when it is missing. True for a hit.
fn request(memory: &Memory, key: u64) -> bool {
    let key = key.to_be_bytes();
    let hit = memory.read(&key, NOW_US, |_| ()).is_some();
    if !hit {
        memory.fill(memory.fill_token(&key), &key, &fields(1, b"1"));
    }
    hit
}

fn hits(memory: &Memory, keys: impl Iterator<Item = u64>) -> usize {
    keys.filter(|&key| request(memory, key)).count()
}

/// Each key is read again after about 300 and 900 other requests, and then never more.
fn soon_again(from: u64) -> impl Iterator<Item = u64> {
    (from..from + 30_000).flat_map(|key| [key, key - 100, key - 300])
}

/// A loop over so many keys.
fn around(keys: u64, rounds: u64) -> impl Iterator<Item = u64> {
    (0..keys * rounds).map(move |request| request % keys)
}

fn chosen(memory: &Memory) -> usize {
    memory.shared.advisor.as_ref().expect("the memory is large enough for one").chosen()
}

#[test]
fn a_new_workload_makes_it_switch() {
    let memory = Memory::new(&Options { entries_max: 1000, shards: 1, ..Options::default() });
    let recent = hits(&memory, soon_again(1000));
    assert!(recent > 50_000, "{recent} of 60,000 second and third reads");
    let roomy = chosen(&memory);
    hits(&memory, around(1100, 60));
    assert_ne!(chosen(&memory), roomy);
    let in_loop = hits(&memory, around(1100, 10));
    assert!(in_loop > 8_500, "{in_loop} of 11,000 requests for a loop a tenth too long");
    assert_eq!(memory.stats().entries, 1000);
}

#[test]
fn many_shards_are_steered_together_and_only_when_full() {
    let bytes_max = 4 << 20;
    let memory = Memory::new(&Options { bytes_max, shards: 4, ..Options::default() });
    hits(&memory, around(10_000, 3));
    assert!(memory.shared.sampling.is_off(), "everything fits: nothing to decide");
    let before = chosen(&memory);
    hits(&memory, around(60_000, 40));
    assert!(!memory.shared.sampling.is_off());
    assert_ne!(chosen(&memory), before, "a long loop is lost on the first choice");
    let (stats, advisor) = (memory.stats(), memory.shared.advisor.as_ref().unwrap());
    assert!(
        stats.bytes + advisor.bytes() <= bytes_max,
        "{} and the advisor's {}",
        stats.bytes,
        advisor.bytes()
    );
    assert!(stats.bytes > bytes_max * 9 / 10);
}

#[test]
fn threads_share_one_advisor() {
    let memory = Memory::new(&Options { entries_max: 1000, ..Options::default() });
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let memory = &memory;
            scope.spawn(move || {
                let mut chance = Chance(thread);
                for _ in 0..50_000 {
                    let key = chance.below(3000).min(chance.below(3000));
                    request(memory, key);
                    if chance.below(10) == 0 {
                        let applied = memory.apply(&key.to_be_bytes(), &fields(2, b"2"));
                        memory.clean(&applied.entry);
                    }
                }
            });
        }
    });
    assert!(!memory.shared.sampling.is_off());
    assert!(memory.stats().entries <= 1000 && memory.stats().dirty_entries == 0);
}

#[test]
fn other_policies_and_small_memories_have_no_advisor() {
    for options in [
        Options { policy: PolicyKind::S3Fifo, ..Options::default() },
        Options { bytes_max: 1 << 19, ..Options::default() },
    ] {
        let memory = Memory::new(&options);
        hits(&memory, around(20_000, 2));
        assert!(memory.shared.advisor.is_none() && memory.shared.sampling.is_off());
    }
}
