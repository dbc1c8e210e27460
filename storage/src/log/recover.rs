//! Beginning a fresh segment at opening, with a copy of the tail nobody vouches for.
//!
//! After a crash the page cache can show frames that the disk does not hold, and syncing them again proves
//! nothing once a sync failed. So they are copied, and the copy is synced before it gets a segment's name.

use std::path::Path;
use std::sync::Arc;

use super::frame::{FrameBuffer, stored_bytes};
use super::header::{Header, LogName};
use super::scan::{SegmentScan, Step, Tip};
use super::segment::{Segment, file_bytes_for};
use super::spare::{Blank, Pool};
use super::survey::Survey;
use super::walk::{Walked, open_scan};
use super::writer::{Salts, Writer};
use super::{Error, LastSeen};
use crate::record::Epoch;

/// The frames to copy: those that end above the highest lsn known durable.
#[derive(Debug)]
pub(super) struct Tail {
    /// Place in [`Walked::parts`] of the segment with the first one; one past the end when there is none.
    pub part: usize,
    /// In front of the first one: where the fresh segment begins.
    pub from: Tip,
    /// Bytes of all of them.
    pub bytes: u64,
}

/// Finds the tail by walking the segments that hold it once more.
pub(super) fn find_tail(survey: &Survey, walked: &Walked) -> Result<Tail, Error> {
    let mut tail = Tail { part: walked.parts.len(), from: walked.next, bytes: 0 };
    let doubtful = |part: &&super::walk::Part| part.tip.lsn.prev() > walked.durable;
    let first = walked.parts.len() - walked.parts.iter().rev().take_while(doubtful).count();
    for (at, part) in walked.parts.iter().enumerate().skip(first) {
        let mut scan = open_scan(&survey.segments[part.at], &part.header)?;
        while scan.offset() < part.tip.offset {
            let before = scan.tip;
            let len = next_frame(&mut scan)?;
            if scan.next_lsn().prev() <= walked.durable {
                continue;
            }
            if tail.part > at {
                tail = Tail { part: at, from: before, bytes: 0 };
            }
            tail.bytes += len;
        }
    }
    Ok(tail)
}

/// Goes one frame on where the walk already found one; its stored length.
fn next_frame(scan: &mut SegmentScan) -> Result<u64, Error> {
    match scan.advance()? {
        Step::Frame => Ok(scan.frame().map_or(0, |frame| stored_bytes(frame.body.len()))),
        Step::Footer => Err(scan.corrupt(super::envelope::Fault::Zeros)),
        // It verified a moment ago: the disk answers differently from one read to the next.
        Step::Fault(fault) => Err(scan.corrupt(fault)),
    }
}

/// What a fresh segment says of itself.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fresh {
    pub name: LogName,
    pub epoch: Epoch,
    pub seen: LastSeen,
    pub salts: Salts,
}

/// Makes the fresh segment, copies the tail, and gives it its durable name. Nothing counts before that.
pub(super) fn begin(
    pool: &mut Pool,
    dir: &Path,
    survey: &Survey,
    walked: &Walked,
    tail: &Tail,
    mut fresh: Fresh,
) -> Result<(Writer, u64), Error> {
    let blank = pool.first_blank(file_bytes_for(tail.bytes))?;
    let header = Header {
        name: fresh.name,
        id: blank.id,
        epoch: fresh.epoch,
        salt: fresh.salts.draw(),
        base_lsn: tail.from.lsn,
        base_index: tail.from.index,
        // Everything in it is synced before it has a name.
        durable: walked.next.lsn.prev(),
        segment_bytes: blank.file_bytes,
        chain_start: tail.from.chain,
    };
    let segment = Arc::new(Segment::active(header, Arc::clone(&blank.file)));
    let mut writer = Writer::new(segment, fresh.seen, fresh.salts);
    writer.write_header()?;
    let copied = copy(survey, walked, tail, &mut writer)?;
    finish(pool, dir, &writer, blank)?;
    Ok((writer, copied))
}

fn finish(pool: &mut Pool, dir: &Path, writer: &Writer, blank: Blank) -> Result<(), Error> {
    writer.segment.take_unsynced();
    blank.file.sync_data().map_err(Error::io("syncing the fresh segment in", dir))?;
    writer.segment.set_begun();
    pool.name(blank)?;
    Ok(())
}

fn copy(survey: &Survey, walked: &Walked, tail: &Tail, writer: &mut Writer) -> Result<u64, Error> {
    let mut frame = FrameBuffer::new();
    let mut copied = 0;
    for part in walked.parts.iter().skip(tail.part) {
        let mut scan = open_scan(&survey.segments[part.at], &part.header)?;
        while scan.offset() < part.tip.offset {
            next_frame(&mut scan)?;
            let Some(found) = scan.frame().filter(|found| found.last_lsn() > walked.durable) else {
                continue;
            };
            frame.clear();
            frame.extend(found.body);
            let last = writer.check_order(&found.head)?;
            writer.write_frame(&found.head, last, &mut frame, walked.durable)?;
            copied += 1;
        }
    }
    Ok(copied)
}
