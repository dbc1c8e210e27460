//! What a log does when nothing goes wrong.

use super::*;

#[test]
fn a_new_log_is_empty_and_begins_at_one() {
    let disk = SimDisk::new();
    let (log, opened) = open(&disk, 0);
    assert_eq!((opened.epoch, opened.next_lsn, opened.next_index), (Epoch(1), Lsn(1), 1));
    assert_eq!((opened.ending.letter, opened.clean, opened.segments), ('A', false, 1));
    assert_eq!((log.written(), log.durable()), (Lsn(0), Lsn(0)));
    assert!(read_all(&log).is_empty());
}

#[test]
fn frames_come_back_as_they_went_in_over_many_segments() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut reader = log.reader(Lsn(1));
    let written = append_many(&log, 200, 120);
    assert!(log.usage().segments > 5, "{:?}", log.usage());
    assert_eq!((log.written(), log.durable()), (Lsn(200), Lsn(0)));
    assert_eq!(read_all(&log), written);
    for frame in &written {
        let found = reader.next_frame().unwrap().unwrap();
        assert_eq!((found.head, found.body), (frame.head, &frame.body[..]));
    }
    assert_eq!(reader.next_frame().unwrap(), None);
    let more = append(&log, 3, 10);
    assert_eq!(reader.next_frame().unwrap().unwrap().body, more.body);
    assert_eq!(reader.position(), Lsn(204));
}

#[test]
fn a_reader_starts_with_the_frame_that_holds_the_position() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let written: Vec<Written> = (0..40).map(|_| append(&log, 5, 200)).collect();
    for from in 1..=200u64 {
        let found = read_from(&log, from).unwrap();
        assert_eq!(found, written[(from as usize - 1) / 5..], "from {from}");
    }
    let mut ahead = log.reader(Lsn(201));
    assert_eq!(ahead.next_frame().unwrap(), None);
    let next = append(&log, 1, 5);
    assert_eq!(ahead.next_frame().unwrap().unwrap().body, next.body);
}

#[test]
fn one_append_is_one_write() {
    use crate::disk::OpKind;
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let before = disk.counters().calls(OpKind::Write);
    append_many(&log, 10, 50);
    assert_eq!(disk.counters().calls(OpKind::Write) - before, 10);
    let syncs = disk.counters().calls(OpKind::Sync);
    assert_eq!(log.sync().unwrap(), Lsn(10));
    assert_eq!(log.sync().unwrap(), Lsn(10));
    assert_eq!(disk.counters().calls(OpKind::Sync) - syncs, 1, "an idle sync costs nothing");
}

#[test]
fn a_clean_stop_goes_on_in_the_same_epoch() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = append_many(&log, 60, 100);
    log.close().unwrap();
    log.close().unwrap();
    assert!(matches!(write(&log, &next_frame(&log, 1, 1)), Err(Error::Closed)));
    drop(log);
    for known_durable in [0, 13, 60] {
        let copy = disk.crash_image(&crate::disk::CrashSpec::EVERYTHING);
        let (log, opened) = open(&copy, known_durable);
        assert!(opened.clean, "{opened:?}");
        assert_eq!((opened.ending.letter, opened.epoch, opened.next_lsn), ('B', Epoch(1), Lsn(61)));
        assert_eq!((opened.next_index, opened.copied_frames), (61, 0));
        assert_eq!(opened.last_seen, LastSeen { term: 3, time_us: 1_060, hlc: 2_060 });
        assert_eq!(read_all(&log), written);
    }
    let (log, _) = open(&disk, 60);
    written.extend(append_many(&log, 60, 100));
    assert_eq!(read_all(&log), written);
    drop(log);
    let (log, opened) = open(&disk, 60);
    assert_eq!((opened.clean, opened.epoch, opened.next_lsn), (false, Epoch(2), Lsn(121)));
    assert_eq!(read_all(&log), written);
}

#[test]
fn an_unclean_stop_opens_a_new_epoch_and_copies_what_nobody_vouches_for() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = append_many(&log, 20, 100);
    log.sync().unwrap();
    written.extend(append_many(&log, 30, 100));
    drop(log);
    let (log, opened) = open(&disk, 0);
    // Frame 21 says that 20 are durable; 21 to 50 may stand in the page cache alone.
    assert_eq!((opened.epoch, opened.next_lsn, opened.copied_frames), (Epoch(2), Lsn(51), 30));
    assert_eq!(log.durable(), Lsn(50));
    assert_eq!(read_all(&log), written);
    drop(log);
    let (log, opened) = open(&disk, 0);
    assert_eq!((opened.epoch, opened.next_lsn, opened.copied_frames), (Epoch(3), Lsn(51), 0));
    assert_eq!(read_all(&log), written);
    let (_, opened) = open(&disk, 50);
    assert_eq!((opened.epoch, opened.next_lsn), (Epoch(4), Lsn(51)));
}

#[test]
fn the_epoch_is_above_the_floor() {
    let disk = SimDisk::new();
    let rng = SimRng::new(1);
    let open =
        |floor| Log::open(Arc::new(disk.clone()), &rng, Path::new(DIR), &options(), Lsn(0), Epoch(floor));
    let (log, opened) = open(7).unwrap();
    assert_eq!(opened.epoch, Epoch(8));
    log.close().unwrap();
    assert_eq!(open(8).unwrap().1.epoch, Epoch(8), "clean, and nobody saw more");
    assert_eq!(open(20).unwrap().1.epoch, Epoch(21));
}

#[test]
fn a_frame_larger_than_a_segment_gets_a_longer_file() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = append_many(&log, 3, 100);
    log.prepare().unwrap();
    written.push(append(&log, 1, 1_000_000));
    written.extend(append_many(&log, 50, 100));
    assert_eq!(read_all(&log), written);
    drop(log);
    let (log, opened) = open(&disk, 0);
    assert_eq!(opened.copied_frames, 54);
    assert_eq!(read_all(&log), written);
}

#[test]
fn the_largest_frame_fits_and_the_next_is_refused() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let limit = crate::limits::FRAME_BODY_BYTES_MAX;
    let largest = append(&log, 1, limit);
    let refused = write(&log, &next_frame(&log, 1, limit + 1));
    assert!(matches!(refused, Err(Error::FrameTooLarge { .. })), "{refused:?}");
    let after = append(&log, 1, 1);
    assert_eq!(read_all(&log), [largest, after]);
}

#[test]
fn frames_out_of_order_are_refused_and_nothing_is_written() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append(&log, 2, 10);
    let good = next_frame(&log, 1, 10);
    let ops = disk.op_count();
    for head in [
        FrameHead { first_lsn: Lsn(2), ..good.head },
        FrameHead { first_lsn: Lsn(4), ..good.head },
        FrameHead { index: 1, ..good.head },
        FrameHead { index: 3, ..good.head },
        FrameHead { count: 0, ..good.head },
    ] {
        let refused = write(&log, &Written { head, ..good.clone() });
        assert!(matches!(refused, Err(Error::OutOfOrder { .. })), "{head:?}");
    }
    assert_eq!(disk.op_count(), ops);
    write(&log, &good).unwrap();
}

#[test]
fn retired_segments_are_used_again() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 100, 100);
    let before = log.usage();
    assert_eq!(log.retire(Lsn(100)).unwrap(), 0, "nothing is durable yet");
    log.sync().unwrap();
    let retired = log.retire(Lsn(50)).unwrap();
    let usage = log.usage();
    assert!(retired > 0 && usage.segments + retired == before.segments);
    assert!(usage.first_lsn <= Lsn(51), "{usage:?}");
    assert!(matches!(read_from(&log, 1), Err(Error::Retired { first }) if first == usage.first_lsn));
    assert_eq!(read_all(&log).last().unwrap().head.first_lsn, Lsn(100));

    let files = disk.files().len();
    let bytes = disk.used_bytes();
    let more = append_many(&log, 60, 100);
    assert_eq!(disk.files().len(), files + log.usage().segments - usage.segments - 2, "two spares were used");
    assert!(disk.used_bytes() > bytes);
    assert_eq!(read_from(&log, 101).unwrap(), more);
    log.sync().unwrap();
    drop(log);
    let (log, _) = open(&disk, 60);
    assert_eq!(read_from(&log, 101).unwrap(), more);
}

#[test]
fn the_active_segment_is_never_retired() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 3, 10);
    log.sync().unwrap();
    assert_eq!(log.retire(Lsn(u64::MAX)).unwrap(), 0);
    assert_eq!(read_all(&log).len(), 3);
}

#[test]
fn a_reader_keeps_its_segment_through_retirement() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let written = append_many(&log, 100, 100);
    log.sync().unwrap();
    let mut reader = log.reader(Lsn(1));
    let first = reader.next_frame().unwrap().unwrap().body.to_vec();
    assert_eq!(first, written[0].body);
    log.retire(Lsn(100)).unwrap();
    append_many(&log, 200, 100);
    let mut seen = 1;
    let end = loop {
        match reader.next_frame() {
            Ok(Some(frame)) => assert_eq!(frame.body, written[seen].body),
            other => break other.map(|_| ()),
        }
        seen += 1;
    };
    assert!(seen > 10, "it read its segment to the end");
    assert!(matches!(end, Err(Error::Retired { .. })), "{end:?}");
}

#[test]
fn prepared_segments_make_rolling_cheap() {
    use crate::disk::OpKind;
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    assert!(log.wants_prepare());
    assert!(log.prepare().unwrap());
    assert!(!log.prepare().unwrap());
    assert!(!log.wants_prepare());
    let syncs = disk.counters().calls(OpKind::Sync) + disk.counters().calls(OpKind::SyncDir);
    append_many(&log, 40, 100);
    assert_eq!(log.usage().segments, 2);
    assert_eq!(disk.counters().calls(OpKind::Sync) + disk.counters().calls(OpKind::SyncDir), syncs);
    assert!(log.wants_prepare());
}

#[test]
fn a_log_opens_only_under_its_own_name() {
    let disk = SimDisk::new();
    drop(open(&disk, 0));
    let topics = Options { name: "topics".to_owned(), ..options() };
    assert!(matches!(open_with(&disk, 0, &topics), Err(Error::OtherLog { .. })));
    for bad in [
        Options { name: String::new(), ..options() },
        Options { segment_bytes: 4095, ..options() },
        Options { segment_bytes: u64::MAX, ..options() },
    ] {
        assert!(matches!(open_with(&disk, 0, &bad), Err(Error::Options { .. })), "{bad:?}");
    }
    assert!(matches!(try_open(&disk, u64::MAX), Err(Error::Options { .. })));
}

#[test]
fn another_segment_length_changes_only_new_files() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = append_many(&log, 100, 100);
    log.sync().unwrap();
    log.retire(Lsn(70)).unwrap();
    written.drain(..log.usage().first_lsn.0 as usize - 1);
    log.prepare().unwrap();
    drop(log);
    let larger = Options { segment_bytes: 16_000, ..options() };
    let (log, _) = open_with(&disk, 70, &larger).unwrap();
    written.extend(append_many(&log, 200, 100));
    assert_eq!(read_all(&log), written);
    assert!(disk.files().iter().all(|path| path.extension().is_some_and(|kind| kind == "seg")));
}

#[test]
fn the_scan_for_tools_walks_beside_the_log() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let written = append_many(&log, 40, 100);
    let mut found = Vec::new();
    for id in 1..=2 {
        let mut scan = SegmentScan::open(&disk, &segment_path(id)).unwrap();
        let end = loop {
            match scan.advance().unwrap() {
                Step::Frame => found.push(scan.frame().unwrap().body.to_vec()),
                end => break end,
            }
        };
        assert_eq!(end == Step::Footer, id == 1, "{end:?}");
        assert_eq!(scan.footer().is_some(), id == 1);
        assert_eq!(scan.header().id, SegmentId(id));
        assert_eq!(scan.advance().unwrap(), end, "it stays where it is");
    }
    assert_eq!(found, written.iter().map(|frame| frame.body.clone()).collect::<Vec<_>>());
    log.prepare().unwrap();
    assert!(matches!(SegmentScan::open(&disk, &segment_path(3)), Err(Error::Corrupt { .. })));
    assert!(matches!(SegmentScan::open(&disk, Path::new("/wal/main/LOCK")), Err(Error::Options { .. })));
}

#[test]
fn a_start_without_a_spare_begins_with_a_short_file() {
    let disk = SimDisk::new();
    let big = Options { segment_bytes: 4 << 20, spare_segments_max: 1, ..options() };
    let (log, _) = open_with(&disk, 0, &big).unwrap();
    assert_eq!(log.usage().bytes, 256 << 10);
    let mut written = vec![append(&log, 1, 200 << 10), append(&log, 1, 200 << 10)];
    assert_eq!(log.usage().bytes, (256 << 10) + (4 << 20));
    written.push(append(&log, 1, 4 << 20));
    log.sync().unwrap();
    log.retire(Lsn(2)).unwrap();
    drop(log);
    // The second segment is of ordinary length and was kept.
    let (log, opened) = open_with(&disk, 2, &big).unwrap();
    assert_eq!(read_from(&log, 3).unwrap(), written[2..]);
    assert_eq!((opened.copied_frames, opened.next_lsn), (1, Lsn(4)));
}
