//! How many bytes a second go into frames, and out of them again, beside one crc32c pass over the same bytes?
//!
//! Puts of 24 byte keys and of values of 64 B and 4 KiB, 64 records to a frame (durability: none, this is memory).
//! `encode` builds the records and the checksummed head; `decode` walks and checks the records of a body; `scan` reads
//! a written log from the first frame to the last through the page cache, verifying each. Yardsticks: a copy of the
//! payload, and one crc32c pass, which any of them has to do.

mod support;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpreg_storage::disk::{OsDisk, OsRng};
use mpreg_storage::log::{FrameBuffer, FrameHead, Log, Options};
use mpreg_storage::record::op::{Put, encode_into};
use mpreg_storage::record::{Epoch, Lsn, Op, Records};
use support::ratio::{tell, versus, wanted};
use support::stores::scratch_dir;
use support::{Stopwatch, json_value, key};

const RECORDS: usize = 64;

fn values(bytes: usize) -> Vec<Vec<u8>> {
    (0..RECORDS).map(|number| json_value(number).iter().copied().cycle().take(bytes).collect()).collect()
}

fn head(first_lsn: Lsn, index: u64) -> FrameHead {
    FrameHead { term: 1, index, first_lsn, count: RECORDS as u32, time_us: 7, hlc: 7 }
}

fn build(frame: &mut FrameBuffer, values: &[Vec<u8>]) {
    frame.clear();
    for (number, value) in values.iter().enumerate() {
        let key = key(number);
        let put = Put { key: &key, value, extras: b"", created_us: 7, expires_us: 0 };
        encode_into(0, &Op::Put(put), frame.tail());
    }
}

fn encode(frame: &mut FrameBuffer, values: &[Vec<u8>]) {
    build(frame, values);
    black_box(head(Lsn(1), 1).encode(frame.body()));
}

fn decode(body: &[u8]) {
    for record in Records::new(body) {
        black_box(record.expect("a record decodes").op.key());
    }
}

/// MB/s of `turn`, which handles `bytes`.
fn speed(bytes: usize, mut turn: impl FnMut()) -> f64 {
    let turns = (200 << 20) / bytes.max(1) + 1;
    let start = Stopwatch::start();
    (0..turns).for_each(|_| turn());
    (turns * bytes) as f64 / 1e6 / start.elapsed().as_secs_f64()
}

fn ratios(value_bytes: usize) {
    let values = values(value_bytes);
    let mut frame = FrameBuffer::new();
    build(&mut frame, &values);
    let body = frame.body().to_vec();
    let checksum = || speed(body.len(), || _ = black_box(crc32c::crc32c(black_box(&body))));
    let pair = versus(|| speed(body.len(), || encode(&mut frame, &values)), checksum);
    tell(&format!("frame/encode/value={value_bytes}/MB_s_vs_crc32c"), pair, "-");
    let pair = versus(|| speed(body.len(), || decode(black_box(&body))), checksum);
    tell(&format!("frame/decode/value={value_bytes}/MB_s_vs_crc32c"), pair, "-");
    let dir = scratch_dir();
    let log = written_log(dir.path(), &values);
    let pair = versus(|| scan(&log), checksum);
    tell(&format!("frame/scan/value={value_bytes}/MB_s_vs_crc32c"), pair, "-");
}

/// A log of some 100 MB, in sealed segments and an open one.
fn written_log(dir: &std::path::Path, values: &[Vec<u8>]) -> Log {
    let rng = OsRng::new();
    let opened = Log::open(Arc::new(OsDisk), &rng, dir, &Options::default(), Lsn(0), Epoch(0));
    let (log, _) = opened.expect("a log opens");
    let mut frame = FrameBuffer::new();
    build(&mut frame, values);
    for index in 1..=(100_000_000 / frame.len()) as u64 {
        let first_lsn = Lsn(1 + (index - 1) * RECORDS as u64);
        log.append(&head(first_lsn, index), &mut frame).expect("a frame is appended");
    }
    log
}

fn scan(log: &Log) -> f64 {
    let mut reader = log.reader(Lsn(1));
    let mut bytes = 0;
    let start = Stopwatch::start();
    while let Some(frame) = reader.next_frame().expect("a frame verifies") {
        bytes += black_box(frame).body.len();
    }
    bytes as f64 / 1e6 / start.elapsed().as_secs_f64()
}

fn frame(bench: &mut Criterion) {
    for value_bytes in [64, 4096] {
        if wanted(&format!("frame/ratio/value={value_bytes}")) {
            ratios(value_bytes);
        }
        let values = values(value_bytes);
        let mut frame = FrameBuffer::new();
        build(&mut frame, &values);
        let body = frame.body().to_vec();
        let mut group = bench.benchmark_group(format!("frame/value={value_bytes}"));
        group.throughput(Throughput::Bytes(body.len() as u64)).sample_size(20);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        group.bench_function("encode", |bencher| bencher.iter(|| encode(&mut frame, &values)));
        group.bench_function("decode", |bencher| bencher.iter(|| decode(black_box(&body))));
        group.bench_function("crc32c", |bencher| bencher.iter(|| crc32c::crc32c(black_box(&body))));
        group.bench_function("copy", |bencher| bencher.iter(|| black_box(&body).clone()));
        group.finish();
    }
}

criterion_group!(benches, frame);
criterion_main!(benches);
