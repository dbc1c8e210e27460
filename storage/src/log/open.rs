//! Opening a log: survey, walk, copy, begin, tidy.

use std::collections::VecDeque;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64};

use parking_lot::Mutex;

use super::ending::Verdict;
use super::header::LogName;
use super::recover::{self, Fresh, Tail};
use super::segment::Segment;
use super::spare::Pool;
use super::survey::Survey;
use super::walk::{self, Walked};
use super::writer::{Salts, Writer};
use super::{Error, LastSeen, Log, Shared};
use crate::disk::{Disk, Rng};
use crate::limits::{SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::record::{Epoch, Lsn, SegmentId};

/// How a log is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Name in every header: 1 to 16 printable ASCII bytes. A log opens only under its own name. Default "main".
    pub name: String,
    /// Length of a segment file in bytes, rounded up to 4 KiB. Default 64 MiB, at least 4 KiB, at most 4 GiB.
    /// A frame that does not fit gets a longer file of its own.
    pub segment_bytes: u64,
    /// Retired segments kept to be used again. Default 4.
    pub spare_segments_max: usize,
}

impl Default for Options {
    fn default() -> Self {
        Options { name: "main".to_owned(), segment_bytes: SEGMENT_BYTES_DEFAULT, spare_segments_max: 4 }
    }
}

/// How the last life of a log ended: a row of the table in [`ending`](super::ending).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ending {
    /// Letter of the row.
    pub letter: char,
    /// What it means.
    pub verdict: Verdict,
    /// The row in words.
    pub text: &'static str,
    /// The segment the log ended in; 0 for a new log.
    pub segment: SegmentId,
    /// Byte offset in it.
    pub offset: u64,
    /// Whole frames found behind the end and discarded. None of them was durable.
    pub discarded_frames: u64,
    /// Their bytes.
    pub discarded_bytes: u64,
}

impl Ending {
    pub(super) fn of(walked: &Walked) -> Ending {
        Ending {
            letter: walked.row.letter,
            verdict: walked.row.verdict,
            text: walked.row.text,
            segment: walked.segment,
            offset: walked.offset,
            discarded_frames: walked.behind.frames,
            discarded_bytes: walked.behind.bytes,
        }
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}) at segment {} offset {}", self.text, self.letter, self.segment, self.offset)?;
        if self.discarded_frames > 0 {
            let (frames, bytes) = (self.discarded_frames, self.discarded_bytes);
            write!(f, ", discarded {frames} unsynced frames of {bytes} bytes")?;
        }
        Ok(())
    }
}

/// What opening found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// The life that begins.
    pub epoch: Epoch,
    /// Lsn the next frame must start with.
    pub next_lsn: Lsn,
    /// Index the next frame must have.
    pub next_index: u64,
    /// Lsn of the oldest record kept; `next_lsn` when there is none.
    pub first_lsn: Lsn,
    /// Clocks of the newest frames the opening saw, none below the checkpoint unless a footer told.
    pub last_seen: LastSeen,
    /// How the life before ended.
    pub ending: Ending,
    /// True after a clean stop: the epoch goes on.
    pub clean: bool,
    /// Frames copied because nothing vouched for their durability.
    pub copied_frames: u64,
    /// Segments that count, the fresh one included.
    pub segments: usize,
}

impl Log {
    /// Opens the log in `dir`, creating both when absent. Everything in it is durable when this returns.
    ///
    /// `known_durable` is the last lsn the checkpoint holds: the log must reach it, and is verified frame by frame
    /// above it. `epoch_floor` is the highest epoch seen elsewhere.
    ///
    /// # Errors
    /// `Corrupt`, `Missing`, `Newer`, `OtherLog`: refused, and nothing was changed. `NoSpace`, `Io`, `Write`: try
    /// again, the log on the disk is still legal. `Options`.
    ///
    /// # Cost
    /// Reads every header and footer, and all frames above `known_durable`; begins one segment file, which is a
    /// short one unless a spare is at hand. Call [`prepare`](Log::prepare) soon after.
    pub fn open(
        disk: Arc<dyn Disk>,
        rng: &dyn Rng,
        dir: &Path,
        options: &Options,
        known_durable: Lsn,
        epoch_floor: Epoch,
    ) -> Result<(Log, Opened), Error> {
        let name = check(options, known_durable)?;
        disk.create_dir(dir).map_err(Error::io("making", dir))?;
        let mut survey = Survey::take(&*disk, dir, name)?;
        let walked = walk::walk(&survey, known_durable)?;
        let segment_bytes = options.segment_bytes.next_multiple_of(SEGMENT_BYTES_MIN);
        let mut pool = Pool::new(disk, dir, segment_bytes, options.spare_segments_max, survey.next_id);
        if walked.row.verdict == Verdict::New {
            sync_parent(&pool, dir)?;
        }
        tidy_before(&mut pool, &mut survey)?;

        let clean = walked.row.verdict == Verdict::Clean && epoch_floor <= survey.epoch();
        let epoch = next_epoch(&survey, epoch_floor, clean)?;
        let tail = recover::find_tail(&survey, &walked)?;
        let fresh = Fresh { name, epoch, seen: walked.next.seen, salts: Salts(rng.next_u64()) };
        let (writer, copied) = recover::begin(&mut pool, dir, &survey, &walked, &tail, fresh)?;
        let segments = segments(&survey, &walked, &tail, &writer);
        tidy_after(&mut pool, survey, &segments)?;

        let opened = opened(&walked, &writer, &segments, clean, copied);
        Ok((Log { shared: Arc::new(shared(writer, pool, segments)) }, opened))
    }
}

fn check(options: &Options, known_durable: Lsn) -> Result<LogName, Error> {
    if !(SEGMENT_BYTES_MIN..=SEGMENT_BYTES_MAX).contains(&options.segment_bytes) {
        return Err(Error::Options { what: "segment_bytes must be between 4 KiB and 4 GiB" });
    }
    // Positions are counted up by one in many places; half of u64 is out of every log's reach.
    if known_durable.0 > u64::MAX / 2 {
        return Err(Error::Options { what: "known_durable is no position" });
    }
    LogName::new(&options.name)
        .ok_or(Error::Options { what: "a log's name has 1 to 16 printable ASCII bytes" })
}

/// A new directory lasts only when its own name does.
fn sync_parent(pool: &Pool, dir: &Path) -> Result<(), Error> {
    match dir.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => pool.sync(parent),
        None => Ok(()),
    }
}

fn next_epoch(survey: &Survey, floor: Epoch, clean: bool) -> Result<Epoch, Error> {
    if clean {
        return Ok(survey.epoch());
    }
    let next = survey.epoch().max(floor).0.checked_add(1);
    next.map(Epoch).ok_or(Error::Options { what: "epochs are used up" })
}

/// Removes what a crash left unfinished, and collects the files that never held a record.
fn tidy_before(pool: &mut Pool, survey: &mut Survey) -> Result<(), Error> {
    for id in &survey.unfinished {
        pool.remove(*id, super::names::FileKind::Unfinished)?;
    }
    for id in &survey.spares {
        pool.adopt_spare(*id)?;
    }
    // Only the newest ones: a prepared file in between is still evidence of what happened.
    while let Some(prepared) = survey.segments.pop_if(|newest| newest.header.is_prepared()) {
        pool.put_away(prepared.id, prepared.file_bytes, true)?;
    }
    Ok(())
}

/// The segments that count from now on, oldest first, the fresh one last.
fn segments(survey: &Survey, walked: &Walked, tail: &Tail, writer: &Writer) -> VecDeque<Arc<Segment>> {
    let base = writer.segment.header.base_lsn;
    let mut segments = VecDeque::new();
    for (at, part) in walked.parts.iter().enumerate() {
        if part.header.base_lsn >= base {
            break;
        }
        let tip = if at == tail.part { tail.from } else { part.tip };
        let file = &survey.segments[part.at];
        let footer_due = file.footer.is_some();
        let segment =
            Segment::sealed(part.header, Arc::clone(&file.file), tip.offset, tip.lsn.prev(), footer_due);
        segments.push_back(Arc::new(segment));
    }
    segments.push_back(Arc::clone(&writer.segment));
    segments
}

/// Puts away every segment file that does not count any more, newest first, so that the oldest file there is
/// always has a header. The fresh segment supersedes them, so a crash
/// in between only leaves work for the next opening.
fn tidy_after(pool: &mut Pool, survey: Survey, segments: &VecDeque<Arc<Segment>>) -> Result<(), Error> {
    for segment in survey.segments.into_iter().rev() {
        let counts = segments.iter().any(|counting| counting.header.id == segment.id);
        if !counts {
            pool.put_away(segment.id, segment.file_bytes, true)?;
        }
    }
    Ok(())
}

fn opened(
    walked: &Walked,
    writer: &Writer,
    segments: &VecDeque<Arc<Segment>>,
    clean: bool,
    copied_frames: u64,
) -> Opened {
    Opened {
        epoch: writer.segment.header.epoch,
        next_lsn: writer.tip.lsn,
        next_index: writer.tip.index,
        first_lsn: segments.front().map_or(writer.tip.lsn, |first| first.header.base_lsn),
        last_seen: writer.tip.seen,
        ending: Ending::of(walked),
        clean,
        copied_frames,
        segments: segments.len(),
    }
}

fn shared(writer: Writer, pool: Pool, segments: VecDeque<Arc<Segment>>) -> Shared {
    let last = writer.tip.lsn.prev().0;
    Shared {
        epoch: writer.segment.header.epoch,
        syncing: Mutex::new(writer.segment.header.id),
        pool: Mutex::new(pool),
        segments: Mutex::new(segments),
        written: AtomicU64::new(last),
        durable: AtomicU64::new(last),
        room_bytes: AtomicU64::new(writer.room()),
        prepared_bytes: AtomicU64::new(0),
        poisoned: AtomicBool::new(false),
        writer: Mutex::new(writer),
    }
}
