//! The negative filter: "maybe" until built, never "no" for a key the table holds.

use super::*;

fn build(table: &Table, rows: usize) {
    while table.filter_step(rows).unwrap() != FilterProgress::Finished {}
}

fn puts(numbers: std::ops::Range<u64>, lsn: u64) -> Batch {
    numbers.map(|number| (key(number), Some(Version::plain(lsn, b"1")))).collect()
}

#[test]
fn says_maybe_until_it_is_built_and_knows_absence_then() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 1, &puts(0..1_000, 1));
    assert!(table.may_hold(&key(5_000_000)));
    build(&table, 64);
    assert!((0..1_000).all(|number| table.may_hold(&key(number))));
    let wrong = (10_000..20_000).filter(|&number| table.may_hold(&key(number))).count();
    assert!(wrong < 200, "{wrong} of 10000");
    assert_eq!(table.filter_step(64).unwrap(), FilterProgress::Fresh);
    assert!(table.stats().unwrap().filter_bytes > 0);
}

#[test]
fn learns_what_is_checkpointed_while_and_after_it_is_built() {
    let place = Place::new();
    let table = place.open();
    fold(&table, 1, &puts(1_000..2_000, 1));
    assert_eq!(table.filter_step(10).unwrap(), FilterProgress::Building { rows: 10 });
    // Before the walk's place, behind it, and after it is done.
    fold(&table, 2, &puts(0..100, 2));
    fold(&table, 3, &puts(5_000..5_100, 3));
    build(&table, 100);
    fold(&table, 4, &puts(7_000..7_100, 4));
    for number in (0..100).chain(1_000..2_000).chain(5_000..5_100).chain(7_000..7_100) {
        assert!(table.may_hold(&key(number)), "key {number}");
    }
}

#[test]
fn is_built_anew_when_overfull_or_stale() {
    let place = Place::new();
    let table = place.open();
    build(&table, 100);
    assert_eq!(table.filter_step(100).unwrap(), FilterProgress::Fresh);
    fold(&table, 1, &puts(0..70_000, 1));
    assert!(matches!(table.filter_step(1_000).unwrap(), FilterProgress::Building { .. }), "overfull");
    build(&table, 50_000);
    assert_eq!(table.filter_step(100).unwrap(), FilterProgress::Fresh);
    let gone: Batch = (0..60_000).map(|number| (key(number), None)).collect();
    fold(&table, 2, &gone);
    assert!(matches!(table.filter_step(1_000).unwrap(), FilterProgress::Building { .. }), "stale");
    build(&table, 50_000);
    assert!((60_000..70_000).all(|number| table.may_hold(&key(number))));
    assert!((0..60_000).filter(|&number| table.may_hold(&key(number))).count() < 1_200);
}

#[test]
fn a_key_is_never_denied_while_checkpoints_and_steps_race() {
    let place = Place::new();
    let table = place.open();
    std::thread::scope(|threads| {
        let writer = threads.spawn(|| {
            for round in 0..60 {
                fold(&table, round + 1, &puts(round * 50..round * 50 + 50, round + 1));
                let denied = (0..round * 50 + 50).find(|&number| !table.may_hold(&key(number)));
                assert_eq!(denied, None, "after round {round}");
                if round % 20 == 19 {
                    table.negative.count_removed(1_000_000);
                }
            }
        });
        while !writer.is_finished() {
            table.filter_step(7).unwrap();
        }
    });
}
