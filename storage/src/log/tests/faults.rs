//! A disk that refuses: what is final, and what is only "not now".

use super::*;
use crate::disk::{CrashSpec, Failure, Fault, OpKind};

#[test]
fn a_failed_sync_is_final() {
    for failure in [Failure::Io, Failure::NoSpace, Failure::LossySync { seed: 5 }] {
        let disk = SimDisk::new();
        let (log, _) = open(&disk, 0);
        append_many(&log, 3, 100);
        assert_eq!(log.sync().unwrap(), Lsn(3));
        append_many(&log, 2, 100);
        disk.inject(Fault::new(failure).on(OpKind::Sync));
        assert!(matches!(log.sync(), Err(Error::Sync { segment: SegmentId(1), .. })));
        let syncs = disk.counters().calls(OpKind::Sync);
        assert!(log.is_poisoned());
        assert!(matches!(log.sync(), Err(Error::Poisoned)));
        assert!(matches!(write(&log, &next_frame(&log, 1, 1)), Err(Error::Poisoned)));
        assert!(matches!(log.reserve(1), Err(Error::Poisoned)));
        assert!(matches!(log.prepare(), Err(Error::Poisoned)));
        assert!(matches!(log.close(), Err(Error::Poisoned)));
        assert_eq!(log.durable(), Lsn(3), "nothing more was ever called durable");
        assert_eq!(disk.counters().calls(OpKind::Sync), syncs, "and nobody asked again");
        assert_eq!(disk.counters().failed_syncs, 1);
    }
}

/// The story: a sync fails, the kernel marks the pages clean, the process restarts and still reads them. It
/// serves them, the power goes, and they are gone. Only the copy saves them.
#[test]
fn what_the_page_cache_shows_after_a_failed_sync_is_copied_before_it_is_served() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 3, 100);
    log.sync().unwrap();
    let mut written = read_all(&log);
    written.extend(append_many(&log, 4, 100));
    disk.inject(Fault::new(Failure::Io).on(OpKind::Sync));
    assert!(log.sync().is_err());
    drop(log);
    let (log, opened) = open(&disk, 0);
    assert_eq!((opened.next_lsn, log.durable(), opened.copied_frames), (Lsn(8), Lsn(7), 4));
    let after_cut = disk.crash_image(&CrashSpec::NOTHING);
    let (log, _) = open(&after_cut, 7);
    assert_eq!(read_all(&log), written);
}

#[test]
fn a_failed_write_is_final() {
    for failure in [Failure::Io, Failure::ShortWrite { kept_bytes: 40 }] {
        let disk = SimDisk::new();
        let (log, _) = open(&disk, 0);
        let written = append_many(&log, 3, 100);
        disk.inject(Fault::new(failure).on(OpKind::Write));
        let next = next_frame(&log, 1, 100);
        assert!(matches!(write(&log, &next), Err(Error::Write { .. })));
        assert!(matches!(write(&log, &next), Err(Error::Poisoned)));
        assert_eq!(log.written(), Lsn(3));
        assert_eq!(read_all(&log), written, "reading goes on");
        drop(log);
        let (log, opened) = open(&disk, 0);
        assert_eq!(opened.next_lsn, Lsn(4));
        assert_eq!(read_all(&log), written);
    }
}

#[test]
fn a_full_disk_refuses_cleanly_and_service_goes_on_when_there_is_space() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = append_many(&log, 3, 100);
    log.sync().unwrap();
    disk.set_capacity_bytes(0);
    let mut refused = 0;
    for _ in 0..100 {
        // What a store does: room first, then apply, then append, which now cannot fail.
        match log.reserve(100) {
            Ok(()) => written.push(append(&log, 1, 100)),
            Err(error) => {
                assert!(
                    matches!(error, Error::NoSpace { needed_bytes, .. } if needed_bytes >= 4096),
                    "{error}"
                );
                refused += 1;
            }
        }
    }
    assert!(refused > 0 && disk.counters().no_space > 0);
    assert!(written.len() > 15, "the room at hand is used up first: {}", written.len());
    assert!(matches!(write(&log, &next_frame(&log, 1, 1000)), Err(Error::NoSpace { .. })));
    assert_eq!(log.sync().unwrap(), Lsn(written.len() as u64));
    assert!(!log.is_poisoned());

    disk.set_capacity_bytes(1 << 30);
    log.reserve(100).unwrap();
    written.extend(append_many(&log, 100, 100));
    log.sync().unwrap();
    assert_eq!(read_all(&log), written);
    assert_eq!(
        disk.files().iter().filter(|path| path.extension().is_some_and(|kind| kind == "tmp")).count(),
        0
    );
}

#[test]
fn reserved_room_is_really_there() {
    for total in [1u64, 100, 3000, 3500, 3900, 4000, 9000] {
        let disk = SimDisk::new();
        let (log, _) = open(&disk, 0);
        append(&log, 1, 2000);
        log.reserve(total).unwrap();
        disk.set_capacity_bytes(0);
        // All at once, or as two frames: one on its way and one being filled.
        let first = total / 3;
        append(&log, 1, first as usize);
        append(&log, 1, (total - first) as usize);
    }
}

#[test]
fn a_full_disk_does_not_keep_the_log_shut() {
    let disk = SimDisk::new();
    let big = Options { segment_bytes: 1 << 20, ..options() };
    let (log, _) = open_with(&disk, 0, &big).unwrap();
    let mut written = append_many(&log, 4, 100);
    log.sync().unwrap();
    // This one says that the others are durable, so they stay where they are.
    written.push(append(&log, 1, 100));
    drop(log);
    disk.set_capacity_bytes(disk.used_bytes() + 8192);
    let (log, opened) = open_with(&disk, 0, &big).unwrap();
    assert_eq!(opened.next_lsn, Lsn(6));
    assert_eq!(read_all(&log), written);
    assert!(matches!(log.reserve(100_000), Err(Error::NoSpace { .. })));
    assert!(disk.counters().no_space > 0);
}

/// Every call of a whole life fails once; whatever happens, what was called durable is there afterwards.
#[test]
fn every_call_may_fail_once() {
    let mut struck = 0;
    for failure in [Failure::Io, Failure::NoSpace, Failure::ShortWrite { kept_bytes: 7 }] {
        for skip in 0.. {
            let disk = SimDisk::new();
            disk.inject(Fault::new(failure).skip(skip));
            let durable = life_until_error(&disk);
            if disk.counters().faults() == 0 {
                break;
            }
            struck += disk.counters().faults();
            disk.heal();
            for image in
                [disk.crash_image(&CrashSpec::NOTHING), disk.crash_image(&CrashSpec::EVERYTHING), disk]
            {
                let (log, opened) =
                    try_open(&image, 0).unwrap_or_else(|error| panic!("{failure:?} {skip}: {error}"));
                assert!(opened.next_lsn > durable, "{failure:?} {skip}: {opened:?} lost {durable}");
                assert_eq!(read_all(&log).len() as u64, opened.next_lsn.0 - 1);
            }
        }
    }
    println!("every_call_may_fail_once cases={struck} faults={struck} violations=0");
    assert!(struck > 100, "{struck}");
}

/// Opens, appends and syncs through several segments; what was durable when the first error came.
fn life_until_error(disk: &SimDisk) -> Lsn {
    let mut durable = Lsn(0);
    for _ in 0..2 {
        let Ok((log, _)) = try_open(disk, 0) else { return durable };
        durable = log.durable().max(durable);
        for nth in 0..40 {
            let frame = next_frame(&log, 1, 150);
            if write(&log, &frame).is_err() {
                return log.durable().max(durable);
            }
            if nth % 3 == 0 && log.sync().is_err() {
                return log.durable().max(durable);
            }
            if nth % 10 == 5 {
                let _ = log.prepare();
            }
        }
        durable = log.durable().max(durable);
        if log.close().is_err() {
            return log.durable().max(durable);
        }
        durable = log.durable();
    }
    durable
}

#[test]
fn a_retirement_that_fails_is_taken_up_again_without_a_hole() {
    for (kind, skip) in [(OpKind::Rename, 0), (OpKind::Rename, 1), (OpKind::SyncDir, 0), (OpKind::Remove, 0)]
    {
        let disk = SimDisk::new();
        let (log, _) = open(&disk, 0);
        let written = append_many(&log, 150, 100);
        log.sync().unwrap();
        disk.inject(Fault::new(Failure::Io).on(kind).skip(skip));
        assert!(log.retire(Lsn(120)).is_err(), "{kind:?}");
        let kept = log.usage().first_lsn;
        assert_eq!(read_from(&log, kept.0).unwrap().last(), written.last());
        for spec in [CrashSpec::NOTHING, CrashSpec::EVERYTHING] {
            let (log, _) = open(&disk.crash_image(&spec), 120);
            assert_eq!(read_from(&log, 121).unwrap(), written[120..]);
        }
        log.retire(Lsn(120)).unwrap();
        assert!(log.usage().first_lsn > Lsn(90));
        drop(log);
        let (log, _) = open(&disk, 120);
        assert_eq!(read_from(&log, 121).unwrap(), written[120..]);
    }
}
