//! Bytes on disk are frozen: files written by version 1 open, and version 1 still writes the same bytes.
//!
//! `LOG_BLESS=1 cargo test -p mpreg-storage golden` writes the files anew; only a new format version may.

use super::*;
use crate::disk::{Disk, OpenMode, OsDisk};

/// Segment 1 was rolled, segment 2 closed.
const FILES: [(u64, &[u8]); 2] = [
    (1, include_bytes!("../../../tests/golden/log-v1/00000000000000000001.seg")),
    (2, include_bytes!("../../../tests/golden/log-v1/00000000000000000002.seg")),
];

#[derive(Debug)]
struct Fixed;

impl Rng for Fixed {
    fn next_u64(&self) -> u64 {
        0x0102_0304_0506_0708
    }
}

fn open_fixed(disk: &SimDisk) -> (Log, Opened) {
    Log::open(Arc::new(disk.clone()), &Fixed, Path::new(DIR), &options(), Lsn(0), Epoch(40)).unwrap()
}

/// Seven frames with bodies of 0 to 1500 bytes.
fn frames() -> Vec<Written> {
    let mut first_lsn = Lsn(1);
    let mut frames = Vec::new();
    for nth in 0..7u64 {
        let count = 1 + nth as u32 % 3;
        let body = (0..nth * 250).map(|byte| (byte * 7 + nth) as u8).collect();
        let head = FrameHead {
            term: 5,
            index: nth + 1,
            first_lsn,
            count,
            time_us: 1_700_000_000_000_000 + nth,
            hlc: nth << 16,
        };
        frames.push(Written { head, body });
        first_lsn = first_lsn.plus(u64::from(count));
    }
    frames
}

fn written_now() -> SimDisk {
    let disk = SimDisk::new();
    let (log, _) = open_fixed(&disk);
    for (nth, frame) in frames().iter().enumerate() {
        write(&log, frame).unwrap();
        if nth % 2 == 1 {
            log.sync().unwrap();
        }
    }
    log.close().unwrap();
    disk
}

#[test]
fn version_1_files_open() {
    let disk = SimDisk::new();
    for (id, bytes) in FILES {
        disk.place_file(&segment_path(id), bytes).unwrap();
    }
    let (log, opened) = open_fixed(&disk);
    assert_eq!((opened.epoch, opened.next_lsn, opened.next_index), (Epoch(41), Lsn(14), 8));
    assert_eq!((opened.ending.letter, opened.copied_frames), ('B', 0));
    assert_eq!(opened.last_seen, LastSeen { term: 5, time_us: 1_700_000_000_000_006, hlc: 6 << 16 });
    assert_eq!(read_all(&log), frames());
    for id in log.sealed() {
        log.verify_sealed(id).unwrap();
    }
}

#[test]
fn version_1_still_writes_the_same_bytes() {
    let disk = written_now();
    if std::env::var_os("LOG_BLESS").is_some() {
        return bless(&disk);
    }
    for (id, golden) in FILES {
        let now = disk.read_file(&segment_path(id)).unwrap();
        let differs = now.iter().zip(golden).position(|(now, golden)| now != golden);
        assert_eq!((differs, now.len()), (None, golden.len()), "segment {id}");
    }
}

fn bless(disk: &SimDisk) {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/log-v1");
    OsDisk.create_dir(&dir).unwrap();
    for (id, _) in FILES {
        let path = names::path(&dir, SegmentId(id), FileKind::Segment);
        let file = OsDisk.open(&path, OpenMode::Create).unwrap();
        let bytes = disk.read_file(&segment_path(id)).unwrap();
        file.set_len(bytes.len() as u64).unwrap();
        file.write_at(0, &bytes).unwrap();
    }
}
