//! A log directory whose newest segment holds any bytes behind a real start: opening answers, never
//! panics, never invents a frame, and what it serves reads to its end.
#![no_main]

use std::path::Path;
use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use mpreg_storage::disk::{CrashSpec, Damage, Disk, SimDisk, SimRng};
use mpreg_storage::log::{FrameBuffer, FrameHead, Log, Options};
use mpreg_storage::record::{Epoch, Lsn};

const FRAMES: u64 = 6;

fn options() -> Options {
    Options { segment_bytes: 4096, ..Options::default() }
}

fn open(disk: &SimDisk) -> Result<Log, mpreg_storage::log::Error> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Log::open(disk, &SimRng::new(1), Path::new("/wal"), &options(), Lsn::ZERO, Epoch(0)).map(|(log, _)| log)
}

fuzz_target!(|input: (u16, &[u8])| {
    let (at, bytes) = input;
    let disk = SimDisk::new();
    let log = open(&disk).expect("an empty directory opens");
    for number in 1..=FRAMES {
        let mut frame = FrameBuffer::new();
        frame.extend(&[number as u8; 20]);
        let head =
            FrameHead { term: 1, index: number, first_lsn: Lsn(number), count: 1, time_us: 1, hlc: number };
        log.append(&head, &mut frame).expect("room for it");
    }
    log.sync().expect("a healthy disk");
    drop(log);
    let disk = disk.crash_image(&CrashSpec::EVERYTHING);
    let segment = disk.files().into_iter().find(|path| path.extension().is_some_and(|ext| ext == "seg"));
    let segment = segment.expect("a segment was written");
    let _ = disk.damage(&segment, Damage::Overwrite { offset: u64::from(at) % 4096, bytes: bytes.to_vec() });
    let Ok(log) = open(&disk) else { return };
    let mut reader = log.reader(Lsn(1));
    while let Ok(Some(frame)) = reader.next_frame() {
        let number = frame.head.first_lsn.0;
        assert!(number <= FRAMES, "a frame nobody wrote");
        assert_eq!(frame.body, [number as u8; 20], "another body than was written");
    }
});
