//! A disk that fails or fills up at each single call of a checkpoint.
//!
//! The promises: the error is told; what is published afterwards is the old state or the new one,
//! never a mix, and durable; a reader that kept an old snapshot gets right answers or an error; and
//! once the disk is well the same checkpoint succeeds.

use super::*;
use crate::disk::{CrashSpec, Failure, Fault, OpKind, SimDisk};

const PATH: &str = "/data/l2/store.redb";

fn open(disk: &SimDisk) -> Table {
    Table::open(Arc::new(disk.clone()), PATH.as_ref(), Options::default()).unwrap()
}

fn batch(lsn: u64) -> Batch {
    let value = vec![b'0' + lsn as u8; 700];
    (0..300).map(|number| (key(number), Some(Version::plain(lsn, &value)))).collect()
}

/// A disk with a table at checkpoint 2, closed.
fn prepared() -> SimDisk {
    let disk = SimDisk::new();
    let table = open(&disk);
    fold(&table, 1, &batch(1));
    fold(&table, 2, &batch(2));
    table.close().unwrap();
    disk
}

/// The published state is whole: every row belongs to the published position.
fn published(table: &Table) -> u64 {
    let lsn = table.snapshot().position().lsn.0;
    assert_eq!(rows_of(table).len(), 300);
    assert!(rows_of(table).values().all(|version| version.lsn == lsn), "a mix at {lsn}");
    lsn
}

/// Runs checkpoint 3 with one fault. False when the fault never struck.
fn one_fault(origin: &SimDisk, fault: Fault, what: &str) -> bool {
    let disk = origin.crash_image(&CrashSpec::EVERYTHING);
    let table = open(&disk);
    let kept = table.snapshot();
    disk.inject(fault);
    let outcome = table.checkpoint(&checkpoint_of(3, &batch(3)));
    if disk.counters().faults() == 0 {
        outcome.unwrap();
        return false;
    }
    // What is published now may be trusted by whoever retires the log: a power cut must keep it.
    let told = table.snapshot().position().lsn.0;
    let cut = open(&disk.crash_image(&CrashSpec::NOTHING));
    assert!(published(&cut) >= told, "{what}: published {told}, after a cut {}", published(&cut));
    match kept.read(&key(7), Version::of) {
        Ok(found) => assert_eq!(found.unwrap().lsn, 2, "{what}: the old snapshot moved"),
        Err(error) => assert!(error.wants_reopen(), "{what}: {error}"),
    }
    disk.heal();
    if let Err(error) = outcome {
        assert!(error.wants_reopen(), "{what}: {error}");
    }
    let found = read(&table, &key(7)).unwrap().lsn;
    assert_eq!(found, published(&table), "{what}");
    fold(&table, 3, &batch(3));
    assert_eq!(published(&table), 3, "{what}");
    assert_sound(&table);
    let cut = open(&disk.crash_image(&CrashSpec::NOTHING));
    assert_eq!(published(&cut), 3, "{what}: the retried checkpoint is durable");
    true
}

#[test]
fn a_fault_at_any_call_of_a_checkpoint_is_survived_and_the_retry_succeeds() {
    let origin = prepared();
    let failures = [
        Failure::Io,
        Failure::NoSpace,
        Failure::ShortWrite { kept_bytes: 100 },
        Failure::LossySync { seed: 5 },
    ];
    let mut struck = 0;
    for failure in failures {
        for times in [1, u64::MAX] {
            let before = struck;
            for call in 0.. {
                let fault = Fault::new(failure).in_path("store.redb").skip(call).times(times);
                if !one_fault(&origin, fault, &format!("{failure:?} x {times} at call {call}")) {
                    break;
                }
                struck += 1;
            }
            assert!(struck > before, "{failure:?} never struck");
        }
    }
    println!("faults seed=none cases={struck} faults={struck} violations=0");
    assert!(struck > 100, "{struck}");
}

#[test]
fn a_fault_while_pages_are_reclaimed_costs_nothing() {
    let disk = SimDisk::new();
    let table = open(&disk);
    let rows = TABLE_RECLAIM_ROWS_MIN;
    let large =
        |lsn| -> Batch { (0..rows).map(|number| (key(number), Some(Version::plain(lsn, b"1")))).collect() };
    let syncs = || disk.counters().calls(OpKind::Sync);
    let before = syncs();
    fold(&table, 1, &large(1));
    let syncs_of_one = syncs() - before;
    let mut told = 0;
    for (sync, lsn) in (0..syncs_of_one).zip((2..).step_by(2)) {
        disk.inject(Fault::new(Failure::Io).on(OpKind::Sync).skip(sync));
        told += u64::from(table.checkpoint(&checkpoint_of(lsn, &large(lsn))).is_err());
        disk.heal();
        fold(&table, lsn + 1, &large(lsn + 1));
        assert_eq!(rows_of(&table).len() as u64, rows);
        assert_sound(&table);
        let cut = open(&disk.crash_image(&CrashSpec::NOTHING));
        assert_eq!(cut.snapshot().position().lsn.0, lsn + 1);
    }
    let struck = disk.counters().failed_syncs;
    assert!(told > 0 && told < struck, "{told} of {struck}: a checkpoint that is in does not fail");
}

#[test]
fn a_full_disk_is_named_and_reads_go_on_until_there_is_room() {
    let disk = prepared();
    let table = open(&disk);
    let value = vec![b'9'; 20_000];
    let big: Batch = (0..400).map(|number| (key(number), Some(Version::plain(3, &value)))).collect();
    disk.set_capacity_bytes(disk.used_bytes() + 100_000);
    for _ in 0..3 {
        let refused = table.checkpoint(&checkpoint_of(3, &big)).unwrap_err();
        assert!(refused.is_no_space(), "{refused}");
        assert_eq!(published(&table), 2, "the checkpoint reopened the table by itself");
        assert_eq!(read(&table, &key(1)).unwrap().lsn, 2);
    }
    disk.set_capacity_bytes(1 << 30);
    fold(&table, 3, &big);
    assert_eq!(rows_of(&table).len(), 400);
    assert_sound(&table);
    assert!(disk.counters().no_space >= 3);
}

#[test]
fn a_reader_revives_the_table_after_a_failed_read() {
    let disk = prepared();
    // No page stays in memory, so that every read asks the disk.
    let options = Options { cache_bytes: 0, ..Options::default() };
    let table = Table::open(Arc::new(disk.clone()), PATH.as_ref(), options).unwrap();
    let kept = table.snapshot();
    disk.inject(Fault::new(Failure::Io).on(OpKind::Read).in_path("store.redb"));
    assert_eq!(read(&table, &key(3)).unwrap().lsn, 2, "the first attempt failed, the second is told");
    assert_eq!(disk.counters().io_errors, 1);
    let lost = kept.read(&key(250), Version::of).unwrap_err();
    assert!(matches!(lost, Error::Lost { .. }), "{lost}");
    fold(&table, 3, &batch(3));
}

#[test]
fn a_disk_that_stays_broken_is_an_error_each_time_and_heals_at_the_first_use_after() {
    let disk = prepared();
    let table = open(&disk);
    disk.inject(Fault::new(Failure::Io).in_path("store.redb").times(u64::MAX));
    for _ in 0..3 {
        assert!(table.checkpoint(&checkpoint_of(3, &batch(3))).unwrap_err().wants_reopen());
        assert!(table.read(&key(3), Version::of).unwrap_err().wants_reopen());
        assert!(table.reopen().is_err());
        assert!(table.filter_step(10).is_err());
    }
    disk.heal();
    assert_eq!(read(&table, &key(3)).unwrap().lsn, 2);
    fold(&table, 3, &batch(3));
    while table.filter_step(100).unwrap() != FilterProgress::Finished {}
    assert!((0..300).all(|number| table.may_hold(&key(number))));
}

#[test]
fn a_commit_of_unknown_outcome_is_known_to_the_filter() {
    let origin = prepared();
    for call in 0.. {
        let disk = origin.crash_image(&CrashSpec::EVERYTHING);
        let table = open(&disk);
        while table.filter_step(1_000).unwrap() != FilterProgress::Finished {}
        disk.inject(Fault::new(Failure::Io).in_path("store.redb").skip(call));
        let new: Batch = (9_000..9_040).map(|number| (key(number), Some(Version::plain(3, b"3")))).collect();
        let outcome = table.checkpoint(&checkpoint_of(3, &new));
        if table.snapshot().position().lsn.0 == 3 {
            assert!((9_000..9_040).all(|number| table.may_hold(&key(number))), "call {call}");
        }
        if outcome.is_ok() && disk.counters().faults() == 0 {
            assert!(call > 10);
            break;
        }
    }
}
