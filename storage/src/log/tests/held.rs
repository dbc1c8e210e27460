//! Segments held for reading out of order: positions across epochs, and files that stay under one's hands.

use super::*;
use crate::disk::CrashSpec;
use crate::record::Position;

fn position(epoch: u64, lsn: u64) -> Position {
    Position { epoch: Epoch(epoch), lsn: Lsn(lsn) }
}

#[test]
fn a_frame_is_where_append_says() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    for _ in 0..30 {
        let written = next_frame(&log, 1, 300);
        let mut frame = FrameBuffer::new();
        frame.extend(&written.body);
        let appended = log.append(&written.head, &mut frame).unwrap();
        let held = log.held_segment(appended.segment).unwrap();
        let mut body = vec![0; 300];
        held.read_at(appended.offset + frame::FRAME_HEADROOM_BYTES as u64, &mut body).unwrap();
        assert_eq!(body, written.body);
        assert_eq!(held.last_lsn(), written.head.first_lsn);
    }
    assert!(log.held().len() > 2);
}

#[test]
fn records_keep_the_position_they_were_given() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 3, 100);
    log.sync().unwrap();
    append_many(&log, 3, 100);
    drop(log);
    // The process died: 4 to 6 are in no sync, and are copied into the next life.
    let image = disk.crash_image(&CrashSpec::EVERYTHING);
    let (log, opened) = open(&image, 0);
    assert_eq!((opened.epoch, opened.copied_frames > 0), (Epoch(2), true));
    append(&log, 1, 100);
    let held = log.held();
    let last = held.last().unwrap();
    assert!(last.base_lsn() <= Lsn(6) && last.own_lsn() == Lsn(7));
    for (lsn, epoch) in [(6, 1), (7, 2)] {
        assert_eq!(last.position(Lsn(lsn)), position(epoch, lsn));
    }
    assert_eq!(held[0].position(Lsn(1)), position(1, 1));
    log.close().unwrap();
    // A clean stop goes on in the same life.
    let (log, _) = open(&image, 0);
    append(&log, 1, 100);
    assert_eq!(log.held().last().unwrap().position(Lsn(8)), position(2, 8));
}

#[test]
fn a_held_segment_outlives_its_retirement_and_only_sealed_ones_are_mapped() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 60, 200);
    log.sync().unwrap();
    let held = log.held();
    let oldest = &held[0];
    let before = oldest.map().unwrap().to_vec();
    assert!(log.retire(Lsn(30)).unwrap() > 0);
    assert!(log.held_segment(oldest.id()).is_none());
    append_many(&log, 60, 200);
    assert_eq!(&oldest.map().unwrap()[..], &before[..], "not used again under one's hands");
    let active = log.held().pop().unwrap();
    assert!(matches!(active.map(), Err(Error::Options { .. })));
    let settled = active.map_settled().unwrap();
    assert_eq!(settled.len() as u64, active.end());
    append_many(&log, 1, 200);
    assert!(active.map_settled().unwrap().starts_with(&settled), "what stands there stays");
    let mut scan = oldest.scan().unwrap();
    let mut frames = 0;
    while scan.offset() < oldest.end() {
        assert_eq!(scan.advance().unwrap(), Step::Frame);
        frames += 1;
    }
    assert_eq!(scan.next_lsn(), oldest.last_lsn().plus(1));
    assert!(frames > 5);
}
