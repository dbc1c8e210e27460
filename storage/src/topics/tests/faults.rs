//! Calls that fail: a failed sync is final, everything else is tried again and costs nothing that was promised.

use super::*;
use crate::disk::{CrashSpec, Failure, Fault, OpKind};

#[test]
fn a_failed_sync_ends_publishing_and_is_told() {
    let life = Life::begin(unlimited());
    let before = life.topics.publish("t", b"before", Level::Strong).unwrap();
    life.disk.inject(Fault::new(Failure::Io).on(OpKind::Sync));
    let error = life.topics.publish("t", b"lost", Level::Strong).unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert!(life.topics.failure().is_some());
    assert!(life.topics.publish("t", b"later", Level::Eventual).unwrap_err().is_fatal());
    // What was promised can still be read, the unknown one is told to nobody.
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), ["before"]);
    let image = life.disk.crash_image(&CrashSpec::NOTHING);
    let life = Life::on(&image, &life.clock, unlimited()).unwrap();
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), ["before"]);
    assert!(life.publish("t", "next").position > before.position);
}

/// One run with one fault; false when it found nothing to strike.
fn one(skip: u64, fault: Fault) -> bool {
    let disk = SimDisk::new();
    let clock = Arc::new(SimClock::new(WALL_US));
    let options = Options { bytes_max: 24 << 10, ..unlimited() };
    disk.inject(fault.skip(skip));
    let mut promised = Position::default();
    let mut reached = None;
    if let Ok(life) = Life::on(&disk, &clock, options.clone()) {
        for nth in 0..60u64 {
            let level = if nth % 3 == 0 { Level::Strong } else { Level::Eventual };
            match life.topics.publish("t", &[b'x'; 300], level) {
                Ok(published) if level == Level::Strong => promised = published.position,
                Ok(_) => {}
                // A refusal is certain, a poisoned log is final.
                Err(error) => assert!(!error.is_busy(), "{error}"),
            }
            if nth % 10 == 5 && life.topics.commit("s", promised, Level::Strong).is_ok() {
                reached = Some(promised);
            }
            // Tried again by the next round.
            let _ = life.topics.step();
        }
    }
    let struck = disk.counters().faults() > 0;
    disk.heal();
    let image = disk.crash_image(&CrashSpec::NOTHING);
    let life = Life::on(&image, &clock, options).unwrap_or_else(|error| panic!("skip {skip}: {error}"));
    assert!(life.topics.written().lsn >= promised.lsn, "skip {skip}: lost {promised}");
    if let Some(reached) = reached {
        assert!(life.topics.resume("s").is_some_and(|found| found >= reached), "skip {skip}");
    }
    read(&mut life.topics.cursor(Start::Earliest, all)).unwrap();
    life.publish("t", "serves");
    struck
}

#[test]
fn a_fault_at_any_call_costs_nothing_promised() {
    let mut cases = 0;
    let faults = [
        Fault::new(Failure::Io),
        Fault::new(Failure::NoSpace).on(OpKind::Write),
        Fault::new(Failure::NoSpace).on(OpKind::Write).in_path("index").times(5),
        Fault::new(Failure::ShortWrite { kept_bytes: 100 }),
    ];
    for fault in faults {
        let mut skip = 0;
        while one(skip, fault.clone()) {
            (skip, cases) = (skip + 3, cases + 1);
        }
    }
    println!("topics_faults cases={cases} violations=0");
    assert!(cases > 100, "{cases}");
}

#[test]
fn a_full_disk_refuses_publishes_and_lets_readers_and_commits_go_on() {
    let life = Life::begin(Options { free_bytes_min: Some(1 << 20), ..unlimited() });
    let published = life.publish("t", "before");
    life.disk.set_capacity_bytes(life.disk.used_bytes() + (1 << 20));
    life.topics.step().unwrap();
    let refused = life.topics.publish("t", b"x", Level::Eventual).unwrap_err();
    assert!(!refused.is_fatal() && refused.to_string().contains("no space"), "{refused}");
    assert!(life.topics.trouble().is_some());
    life.topics.commit("s", published.position, Level::Strong).unwrap();
    assert_eq!(texts(&read_from(&life.topics, Start::Earliest)), ["before"]);
    life.disk.set_capacity_bytes(1 << 40);
    life.topics.step().unwrap();
    life.publish("t", "after");
    assert_eq!(life.topics.trouble(), None);
}
