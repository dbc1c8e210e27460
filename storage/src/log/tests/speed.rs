//! What the log costs beside the disk, on the real one. Run in release, alone:
//! `cargo test --release -p mpreg-storage log::tests::speed -- --ignored --nocapture --test-threads 1`.

use super::*;
use crate::disk::{Clock, Disk, OpenMode, OsClock, OsDisk, OsRng};

const MIB: u64 = 1 << 20;

fn open_real(dir: &Path, known: u64) -> (Log, Opened) {
    let options = Options { spare_segments_max: 8, ..Options::default() };
    Log::open(Arc::new(OsDisk), &OsRng::new(), dir, &options, Lsn(known), Epoch(0)).unwrap()
}

/// Microseconds for `count` calls.
fn timed(clock: &OsClock, count: u64, mut call: impl FnMut(u64)) -> f64 {
    let start = clock.monotonic_us();
    (0..count).for_each(&mut call);
    (clock.monotonic_us() - start) as f64
}

/// What does an append cost beyond the write it must do?
#[test]
#[ignore = "measurement"]
fn append_beside_bare_writes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = OsClock::new();
    for body_len in [64usize, 256, 1024, 16 * 1024] {
        let (log, _) = open_real(&dir.path().join(format!("log{body_len}")), 0);
        let count = 20_000.min(40 * MIB / frame::stored_bytes(body_len));
        let bare = OsDisk.open(&dir.path().join("bare"), OpenMode::Create).unwrap();
        bare.write_at(0, &vec![0; 64 * MIB as usize]).unwrap();
        bare.sync_data().unwrap();
        let stored = frame::stored_bytes(body_len);
        let bytes = vec![7u8; stored as usize];
        let mut frame = FrameBuffer::new();
        frame.extend(&bytes[..body_len]);
        let bare_us = timed(&clock, count, |nth| bare.write_at(96 + nth * stored, &bytes).unwrap());
        let log_us = timed(&clock, count, |nth| {
            let head = FrameHead {
                term: 0,
                index: nth + 1,
                first_lsn: Lsn(nth + 1),
                count: 1,
                time_us: nth,
                hlc: nth,
            };
            log.append(&head, &mut frame).unwrap();
        });
        let each = |us: f64| us / count as f64;
        println!(
            "append {body_len} B: {:.3} us, bare write {:.3} us, beyond it {:.3} us",
            each(log_us),
            each(bare_us),
            each(log_us) - each(bare_us)
        );
    }
}

/// How fast are frames verified at opening and read back?
#[test]
#[ignore = "measurement"]
fn scanning() {
    let dir = tempfile::tempdir().unwrap();
    let clock = OsClock::new();
    for body_len in [256usize, 4096] {
        let dir = dir.path().join(format!("scan{body_len}"));
        let (log, _) = open_real(&dir, 0);
        let count = 300 * MIB / frame::stored_bytes(body_len);
        let mut frame = FrameBuffer::new();
        frame.extend(&vec![b'x'; body_len]);
        for nth in 0..count {
            let head = FrameHead {
                term: 0,
                index: nth + 1,
                first_lsn: Lsn(nth + 1),
                count: 1,
                time_us: nth,
                hlc: nth,
            };
            log.append(&head, &mut frame).unwrap();
            if nth % 4096 == 0 {
                log.sync().unwrap();
            }
        }
        log.sync().unwrap();
        let read_us = timed(&clock, 1, |_| {
            let mut reader = log.reader(Lsn(1));
            while reader.next_frame().unwrap().is_some() {}
        });
        drop(log);
        let full_us = timed(&clock, 1, |_| drop(open_real(&dir, 0)));
        let tail_us = timed(&clock, 1, |_| drop(open_real(&dir, count)));
        println!(
            "frames of {body_len} B, 300 MiB: read {:.0} MB/s, open verifying all {:.1} ms ({:.0} MB/s), open behind a checkpoint {:.1} ms",
            300.0 * 1.048_576e6 / read_us,
            full_us / 1000.0,
            300.0 * 1.048_576e6 / full_us,
            tail_us / 1000.0
        );
    }
}
