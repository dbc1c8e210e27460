//! From the survey to the end of the log: which segments count, how far, and which row of the table it is.
//!
//! A segment's header supersedes every record at or above its `base_lsn` in older segments: recovery copies
//! a doubtful tail into a fresh segment, and what stays behind in the old one no longer counts. So each
//! segment counts up to the lowest base above it, and the walk must pass through all of them without a gap.

use std::sync::Arc;

use super::Error;
use super::behind::{self, Behind};
use super::ending::{Evidence, Row, Stop, Verdict, row_for};
use super::envelope::Fault;
use super::footer::SealKind;
use super::frame::FRAME_VERSION;
use super::header::{Header, HeaderFound};
use super::scan::{SegmentScan, Step, Tip};
use super::source::Source;
use super::survey::{SegmentFile, Survey};
use crate::limits::SEGMENT_BYTES_MIN;
use crate::mutants::{Bug, planted};
use crate::record::{Lsn, SegmentId};

/// A segment that counts, and how far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Part {
    /// Place in [`Survey::segments`].
    pub at: usize,
    pub header: Header,
    /// State behind its last frame that counts.
    pub tip: Tip,
}

/// Where the log ends, and why.
#[derive(Debug)]
pub(super) struct Walked {
    pub parts: Vec<Part>,
    pub row: &'static Row,
    /// Highest lsn known to be durable.
    pub durable: Lsn,
    /// Where the stop is.
    pub segment: SegmentId,
    pub offset: u64,
    pub behind: Behind,
    /// The first lsn not in the log.
    pub next: Tip,
}

/// The walk on its way.
struct Walk<'a> {
    survey: &'a Survey,
    known_durable: Lsn,
    durable: Lsn,
    parts: Vec<Part>,
    /// Segments that were rolled but have no valid footer, with their last lsn: damage if synced since.
    unsealed: Vec<(SegmentId, u64, Lsn)>,
}

/// Why a segment's walk ended.
enum Reached {
    /// All that counts of it, and another segment goes on.
    Limit,
    /// Its footer.
    Footer(SealKind),
    /// No frame, but something else.
    Fault(Fault),
}

/// Finds the end of the log. `known_durable` is what the checkpoint vouches for.
///
/// # Errors
/// The refusing rows of the table, as `Corrupt`, `Newer` and `Missing`; `Io`.
pub(super) fn walk(survey: &Survey, known_durable: Lsn) -> Result<Walked, Error> {
    let durable = survey.durable().max(known_durable);
    let mut walk = Walk { survey, known_durable, durable, parts: Vec::new(), unsealed: Vec::new() };
    let counting = walk.counting()?;
    let Some(first) = counting.first() else { return walk.no_segments() };
    let mut tip = Tip::start_of(&first.1, super::footer::LastSeen::default());
    for (nth, (at, header)) in counting.iter().enumerate() {
        let next = counting.get(nth + 1).map(|(_, next)| next);
        if nth > 0 {
            walk.check_continues(header, &tip)?;
            tip = Tip::start_of(header, tip.seen);
        }
        let reached = walk.segment(*at, header, next.map(|next| next.base_lsn), &mut tip)?;
        walk.parts.push(Part { at: *at, header: *header, tip });
        match reached {
            Reached::Limit => walk.note_seal(*at, header, next, &tip),
            Reached::Footer(kind) => return walk.stop_at_footer(*at, next, kind, tip),
            Reached::Fault(fault) => return walk.stop_at_fault(*at, fault, tip),
        }
    }
    unreachable_without_limit(&tip)
}

/// The last segment has no limit, so its walk cannot end in `Limit`; an error all the same, not a panic.
fn unreachable_without_limit(tip: &Tip) -> Result<Walked, Error> {
    Err(Error::Missing { expected: tip.lsn, found: None })
}

impl Walk<'_> {
    /// The segments with records that count, oldest first, and checks where they begin.
    fn counting(&self) -> Result<Vec<(usize, Header)>, Error> {
        let mut lowest = None;
        let mut counting = Vec::new();
        for (at, segment) in self.survey.segments.iter().enumerate().rev() {
            let Some(header) = segment.valid() else { continue };
            if lowest.is_none_or(|lowest| header.base_lsn < lowest) {
                lowest = Some(header.base_lsn);
                counting.push((at, *header));
            }
        }
        counting.reverse();
        // Files get their full length before their name; a crash never shortens them.
        let cut = self.survey.segments.iter().find(|segment| segment.file_bytes < SEGMENT_BYTES_MIN);
        if let Some(cut) = cut {
            let (segment, lsn) = (cut.id, self.known_durable.plus(1));
            let what = row_for(Stop::Cut, Evidence::Nothing, false).text;
            return Err(Error::Corrupt { segment, offset: 0, lsn, what });
        }
        let Some((_, first)) = counting.first() else { return Ok(counting) };
        // The oldest file always has a header: retiring renames before it wipes, and opening puts away the
        // newest leftover first.
        if let Some(odd) = self.survey.segments.first().filter(|segment| segment.valid().is_none()) {
            return Err(self.corrupt_header(odd, self.known_durable.plus(1)));
        }
        if first.base_lsn > self.known_durable.plus(1) {
            return Err(Error::Missing { expected: self.known_durable.plus(1), found: Some(first.base_lsn) });
        }
        Ok(counting)
    }

    fn corrupt_header(&self, segment: &SegmentFile, lsn: Lsn) -> Error {
        Error::Corrupt { segment: segment.id, offset: 0, lsn, what: "segment header does not verify" }
    }

    fn no_segments(self) -> Result<Walked, Error> {
        // A prepared segment only ever lies beside an active one, so files without any header are damage.
        if let Some(segment) = self.survey.segments.first() {
            return Err(self.corrupt_header(segment, self.known_durable.plus(1)));
        }
        let row = row_for(Stop::NoSegments, Evidence::Nothing, self.known_durable > Lsn::ZERO);
        if row.verdict == Verdict::Missing {
            return Err(Error::Missing { expected: Lsn(1), found: None });
        }
        let next = Tip { offset: 0, chain: 0, lsn: Lsn(1), index: 1, count: 0, seen: Default::default() };
        let (segment, behind) = (SegmentId(0), Behind::default());
        Ok(Walked { parts: Vec::new(), row, durable: Lsn::ZERO, segment, offset: 0, behind, next })
    }

    fn check_continues(&self, header: &Header, tip: &Tip) -> Result<(), Error> {
        if header.chain_start == tip.chain && header.base_index == tip.index {
            return Ok(());
        }
        let what = "segment does not continue the chain of the one before";
        Err(Error::Corrupt { segment: header.id, offset: 0, lsn: header.base_lsn, what })
    }

    /// Passes one segment up to `limit` (exclusive) or its end, verifying what the checkpoint does not cover.
    fn segment(
        &mut self,
        at: usize,
        header: &Header,
        limit: Option<Lsn>,
        tip: &mut Tip,
    ) -> Result<Reached, Error> {
        let segment = &self.survey.segments[at];
        if let Some(footer) = segment.footer {
            let whole = limit.is_none_or(|limit| footer.last_lsn.plus(1) == limit);
            if whole && footer.last_lsn <= self.known_durable {
                *tip = Tip {
                    offset: footer.frames_end,
                    chain: footer.final_chain,
                    lsn: footer.last_lsn.plus(1),
                    index: header.base_index.saturating_add(footer.count),
                    count: footer.count,
                    seen: footer.last_seen,
                };
                return Ok(if limit.is_some() { Reached::Limit } else { Reached::Footer(footer.kind) });
            }
        }
        let mut scan = open_scan(segment, header)?;
        scan.tip.seen = tip.seen;
        let reached = self.pass_frames(&mut scan, limit)?;
        *tip = scan.tip;
        Ok(reached)
    }

    fn pass_frames(&mut self, scan: &mut SegmentScan, limit: Option<Lsn>) -> Result<Reached, Error> {
        loop {
            let at_limit = limit.is_some_and(|limit| scan.next_lsn() >= limit);
            // A footer that names this very end is still checked against the frames.
            let sealed_here = scan.footer().is_some_and(|footer| footer.last_lsn == scan.next_lsn().prev());
            if at_limit && !sealed_here {
                return Ok(Reached::Limit);
            }
            match scan.advance()? {
                Step::Frame => {
                    let claim = scan.frame().map(|frame| frame.durable).unwrap_or_default();
                    self.durable = self.durable.max(claim);
                }
                Step::Footer if at_limit => return Ok(Reached::Limit),
                Step::Footer => {
                    let kind = scan.footer().map_or(SealKind::Rolled, |footer| footer.kind);
                    return Ok(Reached::Footer(kind));
                }
                Step::Fault(fault) => return Ok(Reached::Fault(fault)),
            }
        }
    }

    /// Rolling writes the footer before the next segment's frames, so once one of those is durable the
    /// footer is too. Remember segments without one; `check_seals` judges when every claim is known.
    fn note_seal(&mut self, at: usize, header: &Header, next: Option<&Header>, tip: &Tip) {
        let same_life = next.is_some_and(|next| next.epoch == header.epoch);
        if same_life && self.survey.segments[at].footer.is_none() {
            self.unsealed.push((header.id, header.segment_bytes, tip.lsn.prev()));
        }
    }

    fn check_seals(&self) -> Result<(), Error> {
        match self.unsealed.iter().find(|(_, _, last)| self.durable > *last) {
            Some((segment, segment_bytes, last)) => Err(Error::Corrupt {
                segment: *segment,
                offset: segment_bytes.saturating_sub(super::footer::FOOTER_BYTES as u64),
                lsn: *last,
                what: "segment footer does not verify",
            }),
            None => Ok(()),
        }
    }

    fn stop_at_footer(
        self,
        at: usize,
        next: Option<&Header>,
        kind: SealKind,
        tip: Tip,
    ) -> Result<Walked, Error> {
        let before_next = |segment: &&SegmentFile| next.is_none_or(|next| segment.id < next.id);
        let begun = self.survey.segments[at + 1..].iter().take_while(before_next);
        let mut unread = begun.filter(|segment| segment.valid().is_none()).peekable();
        let neat = match kind {
            SealKind::Rolled => Stop::Rolled,
            SealKind::Closed => Stop::Closed,
        };
        if unread.peek().is_none() && next.is_some() {
            return Err(Error::Missing { expected: tip.lsn, found: next.map(|next| next.base_lsn) });
        }
        match unread.find(|segment| segment.header == HeaderFound::Broken) {
            Some(broken) => {
                // After a clean stop the next segment gets its name with a synced header in it.
                let closed = (kind == SealKind::Closed).then_some(Evidence::Impossible);
                let id = broken.id;
                self.finish(at, Stop::HeaderBroken, closed, tip, (id, 0))
            }
            None => {
                let place = (self.survey.segments[at].id, tip.offset);
                self.finish(at, neat, None, tip, place)
            }
        }
    }

    fn stop_at_fault(self, at: usize, fault: Fault, tip: Tip) -> Result<Walked, Error> {
        let place = (self.survey.segments[at].id, tip.offset);
        let stop = match fault {
            Fault::Zeros => Stop::Zeros,
            Fault::Stale => Stop::Stale,
            Fault::Broken(_) => Stop::Broken,
            Fault::Cut => Stop::Cut,
            Fault::Newer(version) => {
                let (segment, offset) = place;
                return Err(Error::Newer { segment, offset, version, supported: FRAME_VERSION });
            }
        };
        self.finish(at, stop, None, tip, place)
    }

    /// Gathers the evidence behind the stop and looks up the row.
    fn finish(
        mut self,
        at: usize,
        stop: Stop,
        evidence: Option<Evidence>,
        tip: Tip,
        (segment, offset): (SegmentId, u64),
    ) -> Result<Walked, Error> {
        let stop = if self.has_vanished() { Stop::Vanished } else { stop };
        let (behind, found) = self.look_behind(at, stop, tip.offset)?;
        self.durable = self.durable.max(behind.durable);
        let claimed = self.durable >= tip.lsn && !planted(Bug::CutAtAnyBadRecord);
        let row = row_for(stop, evidence.unwrap_or(found), claimed);
        match row.verdict {
            Verdict::New | Verdict::Clean | Verdict::End | Verdict::Torn => self.check_seals()?,
            Verdict::Missing => return Err(Error::Missing { expected: tip.lsn, found: None }),
            Verdict::Corrupt | Verdict::Newer => {
                return Err(Error::Corrupt { segment, offset, lsn: tip.lsn, what: row.text });
            }
        }
        let (parts, durable) = (self.parts, self.durable);
        Ok(Walked { parts, row, durable, segment, offset, behind, next: tip })
    }

    /// Whether the newest file was prepared beside a segment that is not there. Only the newest prepared files
    /// tell: what an older one names may have been retired since.
    fn has_vanished(&self) -> bool {
        let segments = &self.survey.segments;
        let mut prepared = segments.iter().rev().take_while(|segment| segment.header.is_prepared());
        prepared.any(|segment| match segment.header {
            HeaderFound::Note(active) => segments.iter().all(|other| other.id != active),
            _ => false,
        })
    }

    /// Whole frames behind the stop: in the same segment, and in every file after it.
    fn look_behind(&self, at: usize, stop: Stop, offset: u64) -> Result<(Behind, Evidence), Error> {
        let mut all = Behind::default();
        let mut evidence = Evidence::Nothing;
        if !matches!(stop, Stop::Closed | Stop::Rolled | Stop::HeaderBroken | Stop::Cut | Stop::Vanished) {
            all = search_file(&self.survey.segments[at], offset)?;
        }
        if all.frames > 0 {
            evidence = Evidence::Frames;
        }
        for segment in &self.survey.segments[at + 1..] {
            // Behind a clean stop a prepared file is as it was made: nothing to search, a start stays quick.
            if stop == Stop::Closed && segment.header.is_prepared() {
                continue;
            }
            let found = search_file(segment, super::header::HEADER_BYTES as u64)?;
            if found.frames > 0 && segment.header == HeaderFound::Broken {
                evidence = Evidence::Impossible;
            } else if found.frames > 0 && evidence == Evidence::Nothing {
                evidence = Evidence::Frames;
            }
            all = all.and(found);
        }
        Ok((all, evidence))
    }
}

fn search_file(segment: &SegmentFile, from: u64) -> Result<Behind, Error> {
    let salt = segment.valid().map(|header| header.salt);
    let reading =
        |source| Error::Io { doing: "searching", path: format!("segment {}", segment.id).into(), source };
    let mut source = Source::mapped(&segment.file).map_err(reading)?;
    behind::search(&mut source, segment.id, salt, from, segment.file_bytes).map_err(reading)
}

/// A mapped scan: nobody writes an old segment while a log is being opened, or ever after.
pub(super) fn open_scan(segment: &SegmentFile, header: &Header) -> Result<SegmentScan, Error> {
    let reading =
        |source| Error::Io { doing: "mapping", path: format!("segment {}", segment.id).into(), source };
    let source = Source::mapped(&segment.file).map_err(reading)?;
    SegmentScan::over(source, *header, &Arc::clone(&segment.file)).map_err(reading)
}
