//! What the plan, the capacity and damage do to calls and to content.

use super::*;

fn write_fault(failure: Failure) -> Fault {
    Fault::new(failure).on(OpKind::Write)
}

#[test]
fn a_failed_sync_loses_its_pages_for_good() {
    let (disk, file) = disk_with_log(b"old");
    file.write_at(0, b"new").unwrap();
    disk.inject(Fault::new(Failure::Io).on(OpKind::Sync));
    assert_eq!(file.sync_data().unwrap_err().raw_os_error(), Some(5));
    // The trap of the real kernel: reads show the bytes, the next sync succeeds and writes nothing.
    assert_eq!(log_of(&disk).unwrap(), b"new");
    assert_eq!(disk.pending().content_units, 0);
    file.sync_data().unwrap();
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING).unwrap(), b"old");
    // Only writing again helps.
    file.write_at(0, b"new").unwrap();
    file.sync_data().unwrap();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"new");
    assert_eq!((disk.counters().failed_syncs, disk.counters().faults()), (1, 1));
}

#[test]
fn a_lossy_sync_keeps_some_pages() {
    let (disk, file) = disk_with_log(&[0; 16 * 4096]);
    file.write_at(0, &[5; 16 * 4096]).unwrap();
    disk.inject(Fault::new(Failure::LossySync { seed: 11 }));
    assert!(file.sync_data().is_err());
    let found = log_after(&disk, CrashSpec::EVERYTHING).unwrap();
    let kept = found.chunks(4096).filter(|page| page[0] == 5).count();
    assert!((1..16).contains(&kept), "{kept} of 16 pages");
}

#[test]
fn a_failed_sync_of_a_directory_loses_its_names() {
    let disk = disk_with_dir();
    create(&disk, "log");
    disk.inject(Fault::new(Failure::Io).on(OpKind::SyncDir));
    assert!(disk.sync_dir(DIR.as_ref()).is_err());
    sync_wal(&disk);
    assert_eq!(disk.list(DIR.as_ref()).unwrap(), ["log"]);
    assert!(names_after(&disk, Keep::All).is_empty());
}

#[test]
fn a_lying_sync_shows_what_a_test_would_miss() {
    let (disk, file) = disk_with_log(b"");
    disk.inject(Fault::new(Failure::LyingSync).times(u64::MAX));
    file.write_at(0, b"acknowledged").unwrap();
    file.sync_data().unwrap();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"");
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING).unwrap(), b"acknowledged");
    disk.heal();
    file.sync_data().unwrap();
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"acknowledged");
    assert_eq!(disk.counters().lying_syncs, 1);
}

#[test]
fn a_full_disk_takes_what_fits_and_goes_on_when_there_is_room() {
    let (disk, file) = disk_with_log(&[1; 4096]);
    disk.set_capacity_bytes(3 * 4096);
    assert_eq!(disk.free_space(LOG.as_ref()).unwrap(), 2 * 4096);
    let full = file.write_at(4096, &[2; 4 * 4096]).unwrap_err();
    assert_eq!(full.kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 3 * 4096, "a write stops where the room ends");
    file.write_at(0, &[3; 4096]).unwrap();
    file.set_len(1 << 20).unwrap();
    assert_eq!(disk.free_space(LOG.as_ref()).unwrap(), 0);
    assert!(file.write_at(1 << 19, b"x").is_err());
    disk.set_capacity_bytes(1 << 20);
    file.write_at(1 << 19, b"x").unwrap();
    assert_eq!(disk.counters().no_space, 2);
    assert_eq!(disk.total_space(LOG.as_ref()).unwrap(), 1 << 20);
}

#[test]
fn removing_makes_room() {
    let (disk, file) = disk_with_log(&[1; 8192]);
    disk.place_file(&wal("other"), &[1; 4096]).unwrap();
    disk.set_capacity_bytes(0);
    assert!(file.write_at(8192, b"x").is_err());
    disk.set_capacity_bytes(3 * 4096);
    disk.remove(&wal("other")).unwrap();
    assert_eq!(disk.used_bytes(), 8192);
    file.write_at(8192, b"x").unwrap();
}

#[test]
fn a_short_write_leaves_its_beginning() {
    let (disk, file) = disk_with_log(b"........");
    disk.inject(Fault::new(Failure::ShortWrite { kept_bytes: 3 }));
    assert_eq!(file.write_at(2, b"abcdef").unwrap_err().raw_os_error(), Some(5));
    assert_eq!(log_of(&disk).unwrap(), b"..abc...");
    assert_eq!(disk.counters().short_writes, 1);
}

#[test]
fn every_kind_of_call_can_fail_and_then_does_nothing() {
    let (disk, file) = disk_with_log(b"content");
    let calls: [(OpKind, &dyn Fn() -> io::Result<()>); 9] = [
        (OpKind::Open, &|| disk.open(LOG.as_ref(), OpenMode::Read).map(drop)),
        (OpKind::List, &|| disk.list(DIR.as_ref()).map(drop)),
        (OpKind::Read, &|| file.read_at(0, &mut [0; 1])),
        (OpKind::Create, &|| disk.open(&wal("new"), OpenMode::Create).map(drop)),
        (OpKind::CreateDir, &|| disk.create_dir(&wal("dir"))),
        (OpKind::Write, &|| file.write_at(0, b"C")),
        (OpKind::SetLen, &|| file.set_len(1)),
        (OpKind::Rename, &|| disk.rename(LOG.as_ref(), &wal("moved"))),
        (OpKind::Remove, &|| disk.remove(LOG.as_ref())),
    ];
    let ops_before = disk.op_count();
    for (kind, call) in calls {
        for (failure, errno) in [(Failure::Io, 5), (Failure::NoSpace, 28)] {
            disk.inject(Fault::new(failure).on(kind));
            assert_eq!(call().unwrap_err().raw_os_error(), Some(errno), "{kind:?}");
        }
    }
    assert_eq!(disk.op_count(), ops_before);
    assert_eq!(disk.files(), [PathBuf::from(LOG)]);
    assert_eq!((disk.counters().io_errors, disk.counters().no_space), (9, 9));
    assert_eq!(disk.counters().calls(OpKind::Rename), 2);
}

/// Lets each call of a small run fail in turn, as the tests of other rooms do.
#[test]
fn the_kth_call_fails_for_every_k() {
    let run = |disk: &SimDisk| -> io::Result<()> {
        disk.create_dir(DIR.as_ref())?;
        let file = disk.open(LOG.as_ref(), OpenMode::Create)?;
        file.write_at(0, b"record")?;
        file.sync_data()?;
        disk.sync_dir(DIR.as_ref())?;
        file.read_at(0, &mut [0; 6])
    };
    let mut failed = 0;
    loop {
        let disk = SimDisk::new();
        disk.inject(Fault::new(Failure::Io).skip(failed));
        if run(&disk).is_ok() {
            assert_eq!(disk.counters().faults(), 0);
            break;
        }
        assert_eq!((disk.counters().faults(), disk.counters().all_calls()), (1, failed + 1));
        failed += 1;
    }
    assert_eq!(failed, 6);
}

#[test]
fn a_stopped_machine_does_nothing_more() {
    let (disk, file) = disk_with_log(b"");
    disk.stop_after_ops(2);
    file.write_at(0, b"a").unwrap();
    file.sync_data().unwrap();
    assert!(file.write_at(1, b"b").is_err());
    assert!(file.len().is_err() && file.map().is_err() && disk.list(DIR.as_ref()).is_err());
    assert!(disk.open(LOG.as_ref(), OpenMode::Read).is_err() && disk.lock(&wal("LOCK")).is_err());
    assert!(disk.free_space(LOG.as_ref()).is_err());
    assert_eq!(disk.counters().refused, 7);
    let image = disk.crash_image(&CrashSpec::EVERYTHING);
    assert_eq!(log_of(&image).unwrap(), b"a");
    image.open(LOG.as_ref(), OpenMode::ReadWrite).unwrap().write_at(1, b"b").unwrap();
}

#[test]
fn a_slow_sync_moves_the_clock_and_covers_only_what_was_there_before() {
    let (disk, file) = disk_with_log(b"....");
    let clock = SimClock::new(0);
    let (slow, late_writer) = (clock.clone(), file.clone());
    disk.on_sync(move |_| {
        slow.advance_us(20_000);
        late_writer.write_at(2, b"ZZ").unwrap();
    });
    file.write_at(0, b"AA").unwrap();
    file.sync_data().unwrap();
    assert_eq!(clock.monotonic_us(), 20_000);
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"AA..");
    assert_eq!(log_after(&disk, CrashSpec::EVERYTHING).unwrap(), b"AAZZ");
    assert_eq!(disk.counters().slow_syncs, 1);
}

#[test]
fn a_machine_that_stops_within_a_sync_has_not_synced() {
    let (disk, file) = disk_with_log(b"....");
    let stopper = disk.clone();
    disk.on_sync(move |_| stopper.stop_after_ops(0));
    file.write_at(0, b"AA").unwrap();
    assert!(file.sync_data().is_err());
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), b"....");
}

#[test]
fn damage_is_read_and_durable() {
    let page_wise: Vec<u8> = [[1; 4096], [2; 4096]].concat();
    let (disk, file) = disk_with_log(&page_wise);
    let harm = |damage| disk.damage(LOG.as_ref(), damage);
    harm(Damage::FlipBit { offset: 5, bit: 7 }).unwrap();
    harm(Damage::Misdirect { from: 4096, to: 100 }).unwrap();
    harm(Damage::ZeroPage { offset: 8190 }).unwrap();
    harm(Damage::Overwrite { offset: 0, bytes: vec![9; 2] }).unwrap();
    let expected = [vec![9, 9, 1, 1, 1, 0x81], vec![1; 94], vec![2; 8090], vec![0; 2]].concat();
    assert_eq!(log_of(&disk).unwrap(), expected);
    assert_eq!(log_after(&disk, CrashSpec::NOTHING).unwrap(), expected);
    for beyond in [Damage::ZeroPage { offset: 8192 }, Damage::Misdirect { from: 0, to: 1 << 40 }] {
        assert_eq!(harm(beyond).unwrap_err().kind(), ErrorKind::InvalidInput);
    }
    assert_eq!((disk.counters().damaged, file.len().unwrap()), (4, 8192));
}

#[test]
fn a_write_fault_spares_other_files() {
    let (disk, file) = disk_with_log(b"");
    let other = create(&disk, "other");
    disk.inject(write_fault(Failure::NoSpace).in_path("/wal/log").times(u64::MAX));
    other.write_at(0, b"x").unwrap();
    assert!(file.write_at(0, b"x").is_err());
    assert!(file.write_at(0, b"x").is_err());
    disk.heal();
    file.write_at(0, b"x").unwrap();
}
