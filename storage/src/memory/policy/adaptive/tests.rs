//! The advisor alone: that it follows the workload, and what it takes.

use super::super::tuning::CANDIDATES;
use super::*;
use crate::memory::hash::KeyHasher;

/// Feeds key numbers as reads until the end or until something else is chosen.
fn feed(advisor: &Advisor, sampling: &Sampling, keys: impl Iterator<Item = u64>) {
    let hasher = KeyHasher::new(3);
    for key in keys {
        let hash = hasher.hash(&key.to_be_bytes());
        if sampling.takes(hash) {
            advisor.note(hash, Access::Read);
            advisor.settle(sampling, || 1000);
        }
    }
}

#[test]
fn a_new_workload_changes_the_choice_and_back() {
    let advisor = Advisor::new(Arc::default(), 1 << 30, 1000).unwrap();
    let sampling = Sampling::new();
    advisor.begin(&sampling, 1000);
    // Each key is read three times, the second time after 100 others and the third after 200.
    let soon = |from: u64| (from..from + 40_000).flat_map(|key| [key, key - 100, key - 300]);
    feed(&advisor, &sampling, soon(1000));
    let roomy = CANDIDATES[advisor.chosen()];
    feed(&advisor, &sampling, (0..100_000).map(|round| round % 1100));
    let narrow = CANDIDATES[advisor.chosen()];
    assert!(roomy.small_permille > narrow.small_permille, "{roomy:?} for recency, {narrow:?} for a loop");
    feed(&advisor, &sampling, soon(100_000));
    assert!(CANDIDATES[advisor.chosen()].small_permille > narrow.small_permille);
}

#[test]
fn the_rate_follows_the_number_of_entries() {
    let advisor = Advisor::new(Arc::default(), 1 << 30, 0).unwrap();
    let sampling = Sampling::new();
    assert!(sampling.is_off() && !sampling.takes(KeyHash(0)));
    advisor.begin(&sampling, 100_000);
    assert_eq!(sampling.rate(), 128, "98 and up to a power of two");
    advisor.begin(&sampling, 1);
    assert_eq!(sampling.rate(), 128, "only the first time");
    let taken = |sampling: &Sampling| (0..1 << 16).filter(|&tag| sampling.takes(KeyHash(tag))).count();
    assert_eq!(taken(&sampling), 512);
    let mut panel = advisor.panel.lock();
    for (entries, rate) in [(50_000, 128), (32_768, 32), (40_000, 64), (1 << 40, 1 << 15), (10, 1)] {
        advisor.fit(&mut panel, &sampling, entries);
        assert_eq!(sampling.rate(), rate, "{entries} entries");
    }
}

#[test]
fn small_memories_have_none_and_its_bytes_are_a_small_part() {
    assert!(Advisor::new(Arc::default(), (1 << 20) - 1, 0).is_none());
    let part =
        |bytes_max: u64| Advisor::new(Arc::default(), bytes_max, 0).unwrap().bytes() * 1000 / bytes_max;
    assert!(part(1 << 20) < 50, "{} permille", part(1 << 20));
    assert!(part(256 << 20) < 2, "{} permille", part(256 << 20));
}
