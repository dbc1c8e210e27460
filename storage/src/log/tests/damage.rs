//! Damage to stored bytes: reported, never skipped.

use super::*;
use crate::disk::{CrashSpec, Damage, Disk, OpenMode};

/// Two sealed segments and an active one whose first frame was durable, with frames of several sizes.
fn three_segments() -> (SimDisk, Vec<Written>) {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = Vec::new();
    for nth in 0.. {
        written.push(append(&log, 1 + nth % 3, 60 + (nth as usize * 53) % 200));
        log.sync().unwrap();
        if log.usage().segments == 3 {
            break;
        }
    }
    written.push(append(&log, 1, 100));
    log.sync().unwrap();
    written.push(append(&log, 1, 100));
    (disk, written)
}

/// Bytes of a sealed segment that mean something: header, frames, footer.
fn used_bytes(disk: &SimDisk, id: u64) -> Vec<usize> {
    let scan = SegmentScan::open(disk, &segment_path(id)).unwrap();
    let footer = scan.footer().unwrap();
    (0..footer.frames_end as usize).chain(4096 - 96..4096).collect()
}

#[test]
fn every_flipped_byte_of_a_sealed_segment_is_reported_at_opening() {
    let (disk, _) = three_segments();
    let mut cases = 0;
    for id in 1..=2 {
        for at in used_bytes(&disk, id) {
            let image = disk.crash_image(&CrashSpec::EVERYTHING);
            image
                .damage(&segment_path(id), Damage::FlipBit { offset: at as u64, bit: (at % 8) as u8 })
                .unwrap();
            match try_open(&image, 0) {
                Err(Error::Corrupt { segment, offset, .. }) => {
                    assert_eq!(segment, SegmentId(id), "byte {at}");
                    assert!(
                        offset <= at as u64 && at as u64 - offset < 400,
                        "byte {at} reported at {offset}"
                    );
                }
                // A damaged first header leaves nothing that says what the segment began with.
                Err(Error::Missing { .. }) if at < 96 => {}
                other => panic!("segment {id} byte {at}: {other:?}"),
            }
            cases += 1;
        }
    }
    println!("every_flipped_byte cases={cases} faults={cases} violations=0");
    assert!(cases > 6000);
}

#[test]
fn the_scrub_reports_every_flipped_byte_below_the_checkpoint() {
    let (disk, written) = three_segments();
    let known: u64 = written.iter().map(|frame| u64::from(frame.head.count)).sum::<u64>() - 1;
    let at = used_bytes(&disk, 2);
    let mut unseen_at_opening = 0;
    for at in at.into_iter().step_by(3) {
        let image = disk.crash_image(&CrashSpec::EVERYTHING);
        let (log, _) = open(&image, known);
        let found = log.verify_sealed(SegmentId(2)).unwrap();
        assert!(found.frames > 10 && found.bytes > 3000, "{found:?}");
        image.damage(&segment_path(2), Damage::FlipBit { offset: at as u64, bit: 0 }).unwrap();
        let scrubbed = log.verify_sealed(SegmentId(2));
        assert!(
            matches!(scrubbed, Err(Error::Corrupt { segment: SegmentId(2), .. })),
            "byte {at}: {scrubbed:?}"
        );
        assert_eq!(log.verify_sealed(SegmentId(1)).unwrap().segments, 1);
        // A reader that needs the bytes says so too, and never goes on behind them.
        let in_frames = (96..4000).contains(&at) && at < scan_end(&disk);
        assert!(!in_frames || matches!(read_from(&log, 1), Err(Error::Corrupt { .. })), "byte {at}");
        drop(log);
        unseen_at_opening += u64::from(try_open(&image, known).is_ok());
    }
    assert!(unseen_at_opening > 100, "frames below the checkpoint are left to the scrub");
}

fn scan_end(disk: &SimDisk) -> usize {
    SegmentScan::open(disk, &segment_path(2)).unwrap().footer().unwrap().frames_end as usize
}

#[test]
fn every_truncation_is_reported() {
    let (disk, _) = three_segments();
    for id in 1..=3 {
        for len in (0..4096).step_by(5) {
            let image = disk.crash_image(&CrashSpec::EVERYTHING);
            image.open(&segment_path(id), OpenMode::ReadWrite).unwrap().set_len(len).unwrap();
            let refused = try_open(&image, 0);
            assert!(
                matches!(refused, Err(Error::Corrupt { .. } | Error::Missing { .. })),
                "segment {id} cut to {len}: {refused:?}"
            );
        }
    }
}

#[test]
fn a_misdirected_or_zeroed_page_is_reported() {
    let disk = SimDisk::new();
    let large = Options { segment_bytes: 32_768, ..options() };
    let (log, _) = open_with(&disk, 0, &large).unwrap();
    for _ in 0..250 {
        append(&log, 1, 100);
        log.sync().unwrap();
    }
    drop(log);
    for page in 0..7 {
        for to in (0..8).filter(|to| *to != page) {
            let image = disk.crash_image(&CrashSpec::EVERYTHING);
            image.damage(&segment_path(1), Damage::Misdirect { from: page * 4096, to: to * 4096 }).unwrap();
            assert!(open_with(&image, 0, &large).is_err(), "page {page} also at {to}");
        }
        let image = disk.crash_image(&CrashSpec::EVERYTHING);
        image.damage(&segment_path(1), Damage::ZeroPage { offset: page * 4096 }).unwrap();
        assert!(open_with(&image, 0, &large).is_err(), "page {page} zeroed");
    }
}

/// Two segments swapped, or one under another's name: the id in header and envelopes tells.
#[test]
fn a_segment_under_another_name_is_reported() {
    let (disk, _) = three_segments();
    disk.rename(&segment_path(2), &segment_path(9)).unwrap();
    assert!(matches!(try_open(&disk, 0), Err(Error::Corrupt { .. } | Error::Missing { .. })));
}

/// Bytes nobody ever wrote, over the whole tail: whatever they are, opening answers and never panics.
#[test]
fn noise_never_panics() {
    let (disk, written) = three_segments();
    let rng = SimRng::new(9);
    for case in 0..3000u64 {
        let image = disk.crash_image(&CrashSpec::EVERYTHING);
        let id = 1 + draw(&rng, 3);
        let (offset, len) = (draw(&rng, 4000), 1 + draw(&rng, 90) as usize);
        let noise: Vec<u8> = (0..len).map(|_| rng.next_u64() as u8 >> (case % 8)).collect();
        image.damage(&segment_path(id), Damage::Overwrite { offset, bytes: noise }).unwrap();
        if let Ok((log, _)) = try_open(&image, 0) {
            let left = read_all(&log);
            assert_eq!(left, written[..left.len()], "case {case}");
        }
    }
}
