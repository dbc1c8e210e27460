//! What the log costs beside the disk, on the real one. Run in release, alone:
//! `cargo test --release -p mpreg-storage log::tests::speed -- --ignored --nocapture --test-threads 1`.

use super::*;
use crate::disk::{Clock, Disk, OpenMode, OsClock, OsDisk, OsRng};

const MIB: u64 = 1 << 20;

fn open_real(dir: &Path, known: u64) -> (Log, Opened) {
    let options = Options { spare_segments_max: 8, ..Options::default() };
    Log::open(Arc::new(OsDisk), &OsRng::new(), dir, &options, Lsn(known), Epoch(0)).unwrap()
}

/// Microseconds of the call.
fn timed(clock: &OsClock, call: impl FnOnce()) -> f64 {
    let start = clock.monotonic_us();
    call();
    (clock.monotonic_us() - start) as f64
}

fn head(nth: u64) -> FrameHead {
    FrameHead { term: 0, index: nth + 1, first_lsn: Lsn(nth + 1), count: 1, time_us: nth, hlc: nth }
}

const ROUNDS: u64 = 40;
const ROUND_FRAMES: u64 = 80;

/// What does an append cost beyond the write it must do? Rounds of both in turn, the best of each, since the
/// machine is shared.
#[test]
#[ignore = "measurement"]
fn append_beside_bare_writes() {
    let dir = tempfile::tempdir().unwrap();
    let clock = OsClock::new();
    let bare = OsDisk.open(&dir.path().join("bare"), OpenMode::Create).unwrap();
    bare.write_at(0, &vec![0; 64 * MIB as usize]).unwrap();
    bare.sync_data().unwrap();
    for body_len in [64usize, 256, 1024, 4096, 16 * 1024] {
        let (log, _) = open_real(&dir.path().join(format!("log{body_len}")), 0);
        let stored = frame::stored_bytes(body_len);
        let bytes = vec![7u8; stored as usize];
        let mut frame = FrameBuffer::new();
        frame.extend(&bytes[..body_len]);
        let (mut bare_us, mut log_us) = (f64::MAX, f64::MAX);
        for round in 0..ROUNDS {
            let frames = round * ROUND_FRAMES..(round + 1) * ROUND_FRAMES;
            let write = |nth| bare.write_at(96 + nth * stored, &bytes).unwrap();
            bare_us = bare_us.min(timed(&clock, || frames.clone().for_each(write)));
            let append = |nth| _ = log.append(&head(nth), &mut frame).unwrap();
            log_us = log_us.min(timed(&clock, || frames.for_each(append)));
        }
        let (bare_us, log_us) = (bare_us / ROUND_FRAMES as f64, log_us / ROUND_FRAMES as f64);
        let beyond_us = log_us - bare_us;
        println!(
            "append {body_len} B: {log_us:.2} us, bare write {bare_us:.2} us, beyond it {beyond_us:.2} us"
        );
    }
}

/// How fast are frames verified at opening and read back? Best of five.
#[test]
#[ignore = "measurement"]
fn scanning() {
    let dir = tempfile::tempdir().unwrap();
    let clock = OsClock::new();
    let megabytes = 300.0 * 1.048_576;
    for body_len in [256usize, 4096] {
        let dir = dir.path().join(format!("scan{body_len}"));
        let (log, _) = open_real(&dir, 0);
        let count = 300 * MIB / frame::stored_bytes(body_len);
        let mut frame = FrameBuffer::new();
        frame.extend(&vec![b'x'; body_len]);
        for nth in 0..count {
            log.append(&head(nth), &mut frame).unwrap();
            if nth % 256 == 0 {
                log.sync().unwrap();
            }
        }
        log.sync().unwrap();
        let best = |call: &dyn Fn()| (0..5).map(|_| timed(&clock, call)).fold(f64::MAX, f64::min) / 1e6;
        let read_s = best(&|| {
            let mut reader = log.reader(Lsn(1));
            while reader.next_frame().unwrap().is_some() {}
        });
        drop(log);
        let full_s = best(&|| drop(open_real(&dir, 0)));
        let tail_s = best(&|| drop(open_real(&dir, count)));
        println!(
            "frames of {body_len} B, 300 MiB: read {:.0} MB/s, open verifying all {:.1} ms ({:.0} MB/s), open behind a checkpoint {:.1} ms",
            megabytes / read_s,
            full_s * 1e3,
            megabytes / full_s,
            tail_s * 1e3
        );
    }
}
