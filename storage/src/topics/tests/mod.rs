//! Tests of the room as a whole, on the faulty disk.

#![allow(clippy::unwrap_used, reason = "a test may")]

mod basics;
mod crash;
mod damage;
mod faults;
mod golden;
mod limits;
mod model;
mod retention;
mod threads;
mod ways;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::*;
use crate::disk::{SimClock, SimDisk, SimRng};
use crate::record::{Level, SegmentId};

pub(super) const DIR: &str = "/data/wal/topics";
pub(super) const WALL_US: u64 = 1_700_000_000_000_000;
pub(super) const SECOND_US: u64 = 1_000_000;

/// Small segments, no threads, room for everything.
pub(super) fn options() -> Options {
    Options {
        segment_bytes: 4096,
        bytes_max: 1 << 30,
        free_bytes_min: Some(0),
        threads: false,
        ..Options::default()
    }
}

/// A backlog on a simulated disk.
pub(super) struct Life {
    pub disk: SimDisk,
    pub clock: Arc<SimClock>,
    pub topics: Topics,
}

impl Life {
    pub fn begin(options: Options) -> Life {
        Life::on(&SimDisk::new(), &Arc::new(SimClock::new(WALL_US)), options).unwrap()
    }

    pub fn on(disk: &SimDisk, clock: &Arc<SimClock>, options: Options) -> Result<Life, Error> {
        let rng = Arc::new(SimRng::new(disk.op_count().wrapping_add(77)));
        let machine = Machine { disk: Arc::new(disk.clone()), clock: clock.clone(), rng };
        let topics = Topics::open(&machine, Path::new(DIR), options, None)?;
        Ok(Life { disk: disk.clone(), clock: Arc::clone(clock), topics })
    }

    /// Stops without a clean stop, keeps everything that was written, and opens again.
    pub fn kill(self, options: Options) -> Life {
        let Life { disk, clock, topics } = self;
        drop(topics);
        Life::on(&disk, &clock, options).unwrap()
    }

    pub fn publish(&self, topic: &str, text: &str) -> Published {
        self.topics.publish(topic, text.as_bytes(), Level::Eventual).unwrap()
    }

    /// `count` messages of topics `t0`, `t1`, ... in turn, named by their number.
    pub fn publish_many(&self, count: usize, topics: usize) -> Vec<Published> {
        let publish = |nth: usize| self.publish(&format!("t{}", nth % topics), &format!("message {nth:06}"));
        (0..count).map(publish).collect()
    }
}

/// A step, owned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    Message(Position, String, String),
    Gap(Position, Position),
}

impl Seen {
    pub fn text(&self) -> &str {
        match self {
            Seen::Message(_, _, text) => text,
            Seen::Gap(..) => "gap",
        }
    }
}

/// Everything until the end.
pub(super) fn read(cursor: &mut Cursor) -> Result<Vec<Seen>, Error> {
    let mut seen = Vec::new();
    loop {
        match cursor.next()? {
            Step::Message(message) => {
                let text = String::from_utf8(message.payload.to_vec()).unwrap();
                seen.push(Seen::Message(message.position, message.topic.to_owned(), text));
            }
            Step::Gap { from, to } => seen.push(Seen::Gap(from, to)),
            Step::Pause => {}
            Step::End => return Ok(seen),
        }
    }
}

pub(super) fn texts(seen: &[Seen]) -> Vec<&str> {
    seen.iter().map(Seen::text).collect()
}

pub(super) fn all(_: &str) -> bool {
    true
}

/// Everything from a start on.
pub(super) fn read_from(topics: &Topics, start: Start) -> Vec<Seen> {
    read(&mut topics.cursor(start, all)).unwrap()
}

pub(super) fn position(epoch: u64, lsn: u64) -> Position {
    Position { epoch: Epoch(epoch), lsn: Lsn(lsn) }
}

pub(super) fn segment_path(id: u64) -> PathBuf {
    Path::new(DIR).join(format!("{id:020}.seg"))
}

pub(super) fn index_path(id: u64) -> PathBuf {
    Path::new(DIR).join(index::index_name(SegmentId(id)))
}

/// No topic limits.
pub(super) fn unlimited() -> Options {
    let limits = Limits { age_us: 1 << 60, count: u64::MAX, bytes: u64::MAX };
    Options { limits, ..options() }
}
