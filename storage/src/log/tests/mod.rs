//! Tests of the room as a whole, on the faulty disk.

mod crash;
mod damage;
mod endings;
mod faults;
mod golden;
mod held;
mod life;
mod random;
mod speed;
mod threads;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::names::{self, FileKind};
use super::*;
use crate::disk::{Rng, SimDisk, SimRng};

pub(super) const DIR: &str = "/wal/main";

/// A frame as the test remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub head: FrameHead,
    pub body: Vec<u8>,
}

pub(super) fn options() -> Options {
    Options { segment_bytes: 4096, spare_segments_max: 2, ..Options::default() }
}

pub(super) fn try_open(disk: &SimDisk, known_durable: u64) -> Result<(Log, Opened), Error> {
    open_with(disk, known_durable, &options())
}

pub(super) fn open_with(disk: &SimDisk, known: u64, options: &Options) -> Result<(Log, Opened), Error> {
    let rng = SimRng::new(disk.op_count().wrapping_add(77));
    Log::open(Arc::new(disk.clone()), &rng, Path::new(DIR), options, Lsn(known), Epoch(0))
}

pub(super) fn open(disk: &SimDisk, known_durable: u64) -> (Log, Opened) {
    try_open(disk, known_durable).unwrap()
}

pub(super) fn segment_path(id: u64) -> PathBuf {
    names::path(Path::new(DIR), SegmentId(id), FileKind::Segment)
}

/// The frame that comes next in `log`, with a body that tells where it was written.
pub(super) fn next_frame(log: &Log, count: u32, body_len: usize) -> Written {
    let tip = log.shared.writer.lock().tip;
    let text = format!("{}:{}:{}|", log.epoch(), tip.lsn, tip.index);
    let body = text.bytes().cycle().take(body_len).collect();
    let head = FrameHead {
        term: 3,
        index: tip.index,
        first_lsn: tip.lsn,
        count,
        time_us: 1_000 + tip.lsn.0,
        hlc: 2_000 + tip.lsn.0,
    };
    Written { head, body }
}

pub(super) fn write(log: &Log, written: &Written) -> Result<(), Error> {
    let mut frame = FrameBuffer::new();
    frame.extend(&written.body);
    log.append(&written.head, &mut frame)?;
    assert_eq!(frame.body(), written.body, "the caller keeps its body");
    Ok(())
}

pub(super) fn append(log: &Log, count: u32, body_len: usize) -> Written {
    let written = next_frame(log, count, body_len);
    write(log, &written).unwrap();
    written
}

/// `frames` frames of one record with bodies around `body_len`.
pub(super) fn append_many(log: &Log, frames: usize, body_len: usize) -> Vec<Written> {
    (0..frames).map(|nth| append(log, 1, body_len + nth % 9)).collect()
}

pub(super) fn read_from(log: &Log, from: u64) -> Result<Vec<Written>, Error> {
    let mut reader = log.reader(Lsn(from));
    let mut frames = Vec::new();
    while let Some(frame) = reader.next_frame()? {
        frames.push(Written { head: frame.head, body: frame.body.to_vec() });
    }
    Ok(frames)
}

pub(super) fn read_all(log: &Log) -> Vec<Written> {
    read_from(log, log.usage().first_lsn.0).unwrap()
}

/// As many seeds as told, or as `LOG_SEEDS` says; `LOG_SEED` runs one again that a failure printed.
pub(super) fn seeds(count: u64) -> Vec<u64> {
    let given = |name| std::env::var(name).ok().and_then(|number| number.parse().ok());
    match given("LOG_SEED") {
        Some(seed) => vec![seed],
        None => (1..=given("LOG_SEEDS").unwrap_or(count)).collect(),
    }
}

pub(super) fn draw(rng: &SimRng, below: u64) -> u64 {
    rng.next_u64() % below.max(1)
}
