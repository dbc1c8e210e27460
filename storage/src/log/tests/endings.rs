//! One test for each row of the table in `ending.rs`, with the bytes that lead to it.

use super::*;
use crate::disk::{CrashSpec, Damage, Disk, Keep, OpenMode};

/// A log with `synced` frames that were synced one by one and `more` that were not, stopped without a close.
/// All frames have bodies of 100 bytes, 184 bytes on the disk, so 20 fill a segment.
fn stopped(synced: usize, more: usize) -> (SimDisk, Vec<Written>) {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let mut written = Vec::new();
    for _ in 0..synced {
        written.push(append(&log, 1, 100));
        log.sync().unwrap();
    }
    written.extend((0..more).map(|_| append(&log, 1, 100)));
    (disk, written)
}

const FRAME: u64 = 184;
const PER_SEGMENT: u64 = 21;

fn frame_at(nth: u64) -> u64 {
    96 + nth * FRAME
}

fn flip(disk: &SimDisk, segment: u64, offset: u64) {
    disk.damage(&segment_path(segment), Damage::FlipBit { offset, bit: 2 }).unwrap();
}

fn zero(disk: &SimDisk, segment: u64, offset: u64, len: usize) {
    let bytes = vec![0; len];
    disk.damage(&segment_path(segment), Damage::Overwrite { offset, bytes }).unwrap();
}

/// Opens and expects the row and how many frames are left; a second opening finds the same.
fn serves(disk: &SimDisk, letter: char, left: &[Written]) -> Opened {
    let (log, opened) = open(disk, 0);
    assert_eq!(opened.ending.letter, letter, "{}", opened.ending);
    assert_eq!(read_all(&log), left);
    assert_eq!(opened.next_lsn.0, left.len() as u64 + 1);
    drop(log);
    let (log, again) = open(disk, 0);
    assert_eq!(read_all(&log), left);
    assert!(again.epoch > opened.epoch);
    opened
}

fn corrupt(disk: &SimDisk, at_segment: u64, at_offset: u64, at_lsn: u64) {
    let ops = disk.op_count();
    match try_open(disk, 0) {
        Err(Error::Corrupt { segment, offset, lsn, what }) => {
            assert_eq!((segment.0, offset, lsn.0), (at_segment, at_offset, at_lsn), "{what}");
        }
        other => panic!("expected corruption, got {other:?}"),
    }
    assert_eq!(disk.op_count(), ops, "a refused log is left as it is");
}

#[test]
fn a_new_log() {
    let disk = SimDisk::new();
    let (_, opened) = open(&disk, 0);
    assert_eq!(opened.ending.to_string(), "new log (A) at segment 0 offset 0");
}

#[test]
fn b_clean_stop() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let written = append_many(&log, 5, 100);
    log.close().unwrap();
    log.prepare().unwrap();
    drop(log);
    let (log, opened) = open(&disk, 0);
    assert_eq!((opened.ending.letter, opened.clean), ('B', true));
    assert_eq!(read_all(&log), written);
}

#[test]
fn c_ends_with_a_full_segment() {
    let (disk, written) = stopped(0, PER_SEGMENT as usize + 1);
    // The next segment was begun, and nothing of it reached the disk.
    zero(&disk, 2, 0, 4096);
    serves(&disk, 'C', &written[..PER_SEGMENT as usize]);
}

#[test]
fn d_ends_in_zeros() {
    let (disk, written) = stopped(3, 3);
    serves(&disk, 'D', &written);
}

#[test]
fn e_ends_in_bytes_of_an_earlier_life() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    let old = (0..60).map(|_| append(&log, 1, 100)).collect::<Vec<_>>();
    log.sync().unwrap();
    log.retire(Lsn(60)).unwrap();
    let first = log.usage().first_lsn.0;
    let more: Vec<Written> = (0..10).map(|_| append(&log, 1, 100)).collect();
    drop(log);
    let (log, opened) = open(&disk, 50);
    assert_eq!(opened.ending.letter, 'E', "{}", opened.ending);
    let kept = read_from(&log, first).unwrap();
    assert_eq!(kept, old[first as usize - 1..].iter().chain(&more).cloned().collect::<Vec<_>>());
}

#[test]
fn f_last_frame_half_written() {
    let (disk, written) = stopped(3, 3);
    zero(&disk, 1, frame_at(5) + 90, 94);
    let opened = serves(&disk, 'F', &written[..5]);
    assert_eq!((opened.ending.segment, opened.ending.offset), (SegmentId(1), frame_at(5)));
}

#[test]
fn g_next_segment_half_begun() {
    let (disk, written) = stopped(0, PER_SEGMENT as usize + 1);
    zero(&disk, 2, 50, 4000);
    serves(&disk, 'G', &written[..PER_SEGMENT as usize]);
}

/// Page k+1 reached the disk, page k did not. Nothing behind the hole was ever durable, so it goes, although
/// whole frames stand there.
#[test]
fn h_a_later_page_without_an_earlier_one() {
    let disk = SimDisk::new();
    let large = Options { segment_bytes: 32_768, ..options() };
    let (log, _) = open_with(&disk, 0, &large).unwrap();
    let mut written: Vec<Written> = (0..3).map(|_| append(&log, 1, 100)).collect();
    log.sync().unwrap();
    written.extend((0..90).map(|_| append(&log, 1, 100)));
    let image = disk.crash_image(&CrashSpec::content(Keep::None));
    let file = image.open(&segment_path(1), OpenMode::ReadWrite).unwrap();
    let whole = disk.read_file(&segment_path(1)).unwrap();
    for page in [0, 2, 3] {
        file.write_at(page * 4096, &whole[page as usize * 4096..(page as usize + 1) * 4096]).unwrap();
    }
    let (log, opened) = open_with(&image, 0, &large).unwrap();
    assert_eq!(opened.ending.letter, 'H', "{}", opened.ending);
    let left = opened.next_lsn.0 as usize - 1;
    assert!((3..23).contains(&left), "only what the first page holds: {left}");
    assert!(opened.ending.discarded_frames > 40, "{}", opened.ending);
    assert_eq!(read_all(&log), written[..left]);
    // What is written now never mixes with what lies behind the hole.
    append(&log, 1, 100);
    drop(log);
    let (log, opened) = open_with(&image, 0, &large).unwrap();
    assert_eq!(opened.next_lsn.0 as usize, left + 2);
    assert_eq!(read_all(&log)[..left], written[..left]);
}

#[test]
fn h_a_segment_without_its_header() {
    let (disk, written) = stopped(0, PER_SEGMENT as usize + 5);
    zero(&disk, 2, 0, 96);
    let opened = serves(&disk, 'H', &written[..PER_SEGMENT as usize]);
    assert_eq!(opened.ending.discarded_frames, 5);
}

/// The header of the last segment is half there, and of the one before only the frames: a failed write, and
/// then the power.
#[test]
fn h_a_header_half_written_behind_one_that_is_missing() {
    let (disk, written) = stopped(0, 2 * PER_SEGMENT as usize + 1);
    zero(&disk, 2, 0, 96);
    zero(&disk, 3, 50, 4000);
    serves(&disk, 'H', &written[..PER_SEGMENT as usize]);
}

#[test]
fn i_what_was_durable_does_not_verify() {
    // In the middle of a segment: the frame behind says it was durable.
    let (disk, _) = stopped(6, 0);
    flip(&disk, 1, frame_at(2) + 85);
    corrupt(&disk, 1, frame_at(2), 3);
    // The second to last one, by the last one.
    let (disk, _) = stopped(6, 0);
    zero(&disk, 1, frame_at(4), FRAME as usize);
    corrupt(&disk, 1, frame_at(4), 5);
    // In an earlier segment, by the next one.
    let (disk, _) = stopped(PER_SEGMENT as usize + 3, 0);
    flip(&disk, 1, frame_at(PER_SEGMENT - 1) + 3);
    corrupt(&disk, 1, frame_at(PER_SEGMENT - 1), PER_SEGMENT);
    // The header of a whole segment, by a frame in it.
    let (disk, _) = stopped(PER_SEGMENT as usize + 3, 0);
    zero(&disk, 2, 0, 96);
    corrupt(&disk, 1, frame_at(PER_SEGMENT), PER_SEGMENT + 1);
    // After a clean stop, by the footer.
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    for _ in 0..5 {
        append(&log, 1, 100);
    }
    log.close().unwrap();
    flip(&disk, 1, frame_at(4) + 85);
    corrupt(&disk, 1, frame_at(4), 5);
}

#[test]
fn i_the_checkpoint_knows_better() {
    let (disk, written) = stopped(5, 1);
    flip(&disk, 1, frame_at(5));
    for known_durable in [6, 7, 100] {
        assert!(matches!(try_open(&disk, known_durable), Err(Error::Corrupt { lsn: Lsn(6), .. })));
    }
    let (log, opened) = open(&disk, 5);
    assert_eq!(opened.ending.letter, 'E', "a broken salt looks like an earlier life");
    assert_eq!(read_all(&log), written[..5]);
}

#[test]
fn j_frames_under_a_damaged_header() {
    let (disk, _) = stopped(PER_SEGMENT as usize, 4);
    flip(&disk, 2, 40);
    corrupt(&disk, 2, 0, PER_SEGMENT + 1);
}

#[test]
fn j_a_damaged_header_behind_a_clean_stop() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    append_many(&log, 5, 100);
    log.close().unwrap();
    drop(log);
    drop(open(&disk, 0));
    flip(&disk, 2, 40);
    corrupt(&disk, 2, 0, 6);
}

#[test]
fn k_a_file_that_was_cut() {
    let (disk, _) = stopped(3, 3);
    let file = disk.open(&segment_path(1), OpenMode::ReadWrite).unwrap();
    for len in [4095, 2000, 1000, 97, 96] {
        file.set_len(len).unwrap();
        assert!(matches!(try_open(&disk, 0), Err(Error::Corrupt { .. })), "{len}");
    }
    file.set_len(10).unwrap();
    corrupt(&disk, 1, 0, 1);
    file.set_len(0).unwrap();
    corrupt(&disk, 1, 0, 1);
}

#[test]
fn l_a_newer_version_is_refused_by_name() {
    let (disk, _) = stopped(3, 0);
    let mut bytes = disk.read_file(&segment_path(1)).unwrap()[..96].to_vec();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..92]);
    bytes[92..].copy_from_slice(&crc.to_le_bytes());
    disk.damage(&segment_path(1), Damage::Overwrite { offset: 0, bytes }).unwrap();
    let refused = try_open(&disk, 0).unwrap_err();
    assert!(matches!(refused, Error::Newer { version: 2, supported: 1, .. }));
    assert_eq!(
        refused.to_string(),
        "log: segment 1 offset 0 has format version 2, this program reads up to 1"
    );
}

/// Writes a frame by hand behind the first one, every checksum right.
fn forge(disk: &SimDisk, version: u8, chain_flip: u32, index: u64) {
    use super::super::envelope::{Place, seal};
    use super::super::frame::frame_crc;
    let mut scan = SegmentScan::open(disk, &segment_path(1)).unwrap();
    scan.advance().unwrap();
    let head = FrameHead { term: 0, index, first_lsn: Lsn(2), count: 1, time_us: 0, hlc: 0 };
    let mut head = head.encode(b"");
    head[0] = version;
    let crc = frame_crc(&head, b"");
    head[52..].copy_from_slice(&crc.to_le_bytes());
    let place = Place { segment: SegmentId(1), offset: scan.offset() };
    let mut bytes = seal(place, scan.header().salt, scan.tip.chain ^ chain_flip, Lsn(1), crc).to_vec();
    bytes.extend_from_slice(&head);
    disk.damage(&segment_path(1), Damage::Overwrite { offset: place.offset, bytes }).unwrap();
}

#[test]
fn f_a_frame_that_does_not_follow() {
    // As it should be, so that the forgery itself is right; then with a foreign chain; then out of order.
    for (chain_flip, index, left) in [(0, 2, 2), (1, 2, 1), (0, 3, 1)] {
        let (disk, _) = stopped(1, 0);
        forge(&disk, 1, chain_flip, index);
        let (log, opened) = open(&disk, 0);
        assert_eq!(read_all(&log).len(), left);
        assert_eq!(opened.ending.letter, if left == 2 { 'D' } else { 'H' });
    }
}

#[test]
fn l_a_newer_frame_is_refused_by_name() {
    let (disk, _) = stopped(1, 0);
    forge(&disk, 7, 0, 2);
    assert!(matches!(try_open(&disk, 0), Err(Error::Newer { version: 7, .. })));
}

#[test]
fn m_a_missing_segment() {
    let whole = |frames| {
        let (disk, _) = stopped(frames, 0);
        disk
    };
    let missing = |disk: &SimDisk, known, expected| match try_open(disk, known) {
        Err(Error::Missing { expected: found, .. }) => assert_eq!(found, Lsn(expected)),
        other => panic!("{other:?}"),
    };
    let frames = 3 * PER_SEGMENT as usize + 1;
    // In the middle, also below the checkpoint: somebody may still have to read it.
    for known in [0, frames as u64] {
        let disk = whole(frames);
        disk.remove(&segment_path(2)).unwrap();
        missing(&disk, known, PER_SEGMENT + 1);
    }
    // At the start: only what the checkpoint covers may be gone.
    let disk = whole(frames);
    disk.remove(&segment_path(1)).unwrap();
    missing(&disk, 0, 1);
    missing(&disk, PER_SEGMENT - 1, PER_SEGMENT);
    assert!(try_open(&disk, PER_SEGMENT).is_ok());
    // All of it.
    let disk = whole(3);
    disk.remove(&segment_path(1)).unwrap();
    missing(&disk, 3, 1);
}

#[test]
fn m_the_last_segment_is_missing_and_a_footer_or_checkpoint_told() {
    let (disk, written) = stopped(2 * PER_SEGMENT as usize + 1, 0);
    disk.remove(&segment_path(3)).unwrap();
    assert!(try_open(&disk, 2 * PER_SEGMENT + 1).is_err());
    // Without a checkpoint nothing is left that knew of it: the rest is a legal log.
    serves(&disk, 'C', &written[..2 * PER_SEGMENT as usize]);
}

#[test]
fn n_the_last_segment_is_missing_and_a_prepared_file_told() {
    let (disk, written) = stopped(2 * PER_SEGMENT as usize + 1, 0);
    let (log, _) = open(&disk, 0);
    // What opening began, and the file made beside it.
    let begun = log.shared.segments.lock().back().unwrap().header.id.0;
    log.prepare().unwrap();
    drop(log);
    assert_eq!(read_all(&open(&disk.crash_image(&CrashSpec::EVERYTHING), 0).0), written);
    disk.remove(&segment_path(begun)).unwrap();
    let ops = disk.op_count();
    match try_open(&disk, 0) {
        Err(Error::Missing { expected, found: None }) => assert_eq!(expected, Lsn(2 * PER_SEGMENT + 1)),
        other => panic!("{other:?}"),
    }
    assert_eq!(disk.op_count(), ops, "a refused log is left as it is");
}

/// Rolling, retiring and a crash at any point of it never leave a note about a file that is rightly gone.
#[test]
fn n_a_note_never_outlives_what_it_names() {
    let disk = SimDisk::new();
    let (log, _) = open(&disk, 0);
    for _ in 0..4 {
        log.prepare().unwrap();
        (0..PER_SEGMENT).for_each(|_| _ = append(&log, 1, 100));
        log.sync().unwrap();
        log.retire(log.written()).unwrap();
        for spec in [CrashSpec::NOTHING, CrashSpec::EVERYTHING] {
            let first = log.usage().first_lsn.0;
            try_open(&disk.crash_image(&spec), first - 1).unwrap();
        }
    }
}
