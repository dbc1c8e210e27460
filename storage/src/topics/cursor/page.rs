//! A cursor inside one segment: sealed and mapped, or the one being written.

use std::sync::Arc;

use super::ahead::Way;
use super::rows::{Rows, Want};
use super::source::{Copied, Source, Turned, with_open};
use super::tuning::Tuning;
use super::{Filter, Message};
use crate::log::Held;
use crate::record::{Epoch, Lsn, message};
use crate::topics::Shared;
use crate::topics::cut::Cut;
use crate::topics::error::Error;
use crate::topics::index::{ENTRY_BYTES, Entry, Lists};
use crate::topics::shelf::Chapter;

/// What a question to the filter costs, in entries passed over.
pub(super) const WORK_PER_ROW: usize = 8;
/// What it costs to go to the next wanted entry and not show it.
const WORK_PER_JUMP: usize = 16;
/// Where the receive time stands in every record.
const TIME_AT: usize = 12;
const LEAVES: &str = "record leaves the segment";

/// What a page needs of its cursor.
pub(super) struct Reading<'a> {
    pub shared: &'a Shared,
    pub filter: &'a Filter,
    pub limits: Option<&'a Cut>,
    /// Nothing above this may be read.
    pub bound: Lsn,
    pub tuning: &'a Tuning,
}

/// What an advance came to.
pub(super) enum Advance {
    Found(Found),
    /// The work is used up.
    Pause,
    /// Everything through the bound was read.
    Bound,
    /// The page is read; the next segment goes on.
    Turn,
    /// The segment was sealed and retired before the page was read.
    Gone,
}

/// A verified record to be shown.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub lsn: Lsn,
    entry: Entry,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) held: Held,
    pub(super) source: Source,
    pub(super) rows: Rows,
    /// Number of the next entry to look at.
    pub(super) at: usize,
    start: Start,
    /// The first entry that may be shown, once the start is found; those before it only count.
    pub(super) from: usize,
    corrupt: bool,
    /// How it goes on, up to entry `known`.
    pub(super) way: Way,
    pub(super) known: usize,
    /// No jump is planned in front of this entry: it was found not to be worth it.
    pub(super) scan_to: usize,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    At(Lsn),
    Since(u64),
    Found,
}

impl Page {
    pub fn sealed(chapter: Arc<Chapter>, next: Lsn, since_us: Option<u64>) -> Page {
        Page::new(chapter.held.clone(), Source::sealed(chapter), next, since_us)
    }

    pub fn open(held: Held, next: Lsn, since_us: Option<u64>) -> Page {
        Page::new(held, Source::Open(Copied::default()), next, since_us)
    }

    fn new(held: Held, source: Source, next: Lsn, since_us: Option<u64>) -> Page {
        let start = since_us.map_or(Start::At(next), Start::Since);
        let (rows, way) = (Rows::default(), Way::Scan);
        Page { held, source, rows, at: 0, start, from: 0, corrupt: false, way, known: 0, scan_to: 0 }
    }

    /// The lsn behind the last entry looked at.
    pub fn next_lsn(&self) -> Lsn {
        self.held.base_lsn().plus(self.at as u64)
    }

    /// The epoch of a record of this segment; `None` for one before it.
    pub fn epoch_of(&self, lsn: Lsn) -> Option<Epoch> {
        (lsn >= self.held.base_lsn()).then(|| self.held.position(lsn).epoch)
    }

    /// Goes to the next message to be shown.
    pub fn advance(&mut self, reading: &Reading<'_>, work: &mut usize) -> Result<Advance, Error> {
        loop {
            if self.looks_ahead()
                && let Some(ended) = self.get_ready(reading, work)?
            {
                return Ok(ended);
            }
            let bound = reading.bound.0.saturating_add(1).saturating_sub(self.held.base_lsn().0);
            let to = self.known.min(usize::try_from(bound).unwrap_or(usize::MAX));
            let found = match &self.way {
                Way::Jump(_) => self.jump(to, reading, work)?,
                Way::Scan | Way::Plan(..) => self.scan(to, reading, work)?,
            };
            if let Some(found) = found {
                return Ok(Advance::Found(found));
            }
            if *work == 0 {
                return Ok(Advance::Pause);
            }
            if self.next_lsn() > reading.bound {
                return Ok(Advance::Bound);
            }
        }
    }

    /// Judges rows, finds the start, looks ahead: what is due where nothing further is known. Tells how the advance ends
    /// if it ends with that.
    // Apart, so that the way of each message stays short.
    #[cold]
    #[inline(never)]
    fn get_ready(&mut self, reading: &Reading<'_>, work: &mut usize) -> Result<Option<Advance>, Error> {
        self.judge_sealed(reading, work);
        if *work == 0 {
            return Ok(Some(Advance::Pause));
        }
        if !self.find_start(reading)? {
            return Ok(Some(Advance::Gone));
        }
        if let Some(entries) = self.sealed_entries()
            && (self.at >= entries || !self.rows.wants_any())
        {
            self.at = entries;
            return Ok(Some(Advance::Turn));
        }
        let there = self.look_ahead(reading, work);
        Ok((!there).then_some(Advance::Gone))
    }

    /// How many entries a sealed segment has; `None` for the one being written.
    fn sealed_entries(&self) -> Option<usize> {
        match &self.source {
            Source::Sealed { index, .. } => Some(index.entries().len()),
            Source::Open(_) => None,
        }
    }

    /// Judges the rows of a sealed segment that are not judged yet. Those of the open one are judged as they appear.
    fn judge_sealed(&mut self, reading: &Reading<'_>, work: &mut usize) {
        let Source::Sealed { index, .. } = &self.source else { return };
        while self.rows.len() < index.rows() && *work > 0 {
            self.rows.judge(&index.row(self.rows.len()), reading);
            *work = work.saturating_sub(WORK_PER_ROW);
        }
    }

    /// Finds the first entry to be shown. Where messages are left out by counting, the entries before it are looked at,
    /// too. False: the segment was sealed and retired meanwhile.
    fn find_start(&mut self, reading: &Reading<'_>) -> Result<bool, Error> {
        let base = self.held.base_lsn().0;
        let from = match self.start {
            Start::Found => return Ok(true),
            Start::At(lsn) => usize::try_from(lsn.0.saturating_sub(base)).unwrap_or(usize::MAX),
            Start::Since(time_us) => match self.first_since(time_us, reading)? {
                Some(from) => from,
                None => return Ok(false),
            },
        };
        // What counts is known once all rows are judged; in the open segment it may be any row to come.
        let counts = match &self.source {
            Source::Sealed { index, .. } if self.rows.len() >= index.rows() => self.rows.counts(),
            _ => reading.limits.is_some(),
        };
        self.at = if counts { 0 } else { from };
        self.known = self.at;
        (self.from, self.start) = (from, Start::Found);
        Ok(true)
    }

    /// Number of the first record received at or after a time. Receive times never fall, so halving finds it. `None`:
    /// the segment was sealed and retired meanwhile.
    fn first_since(&mut self, time_us: u64, reading: &Reading<'_>) -> Result<Option<usize>, Error> {
        let (mut low, mut high) = (0, usize::MAX);
        while low < high {
            let middle = if high == usize::MAX { low } else { low + (high - low) / 2 };
            let Some((entries, entry)) = self.entry_at(reading, middle) else { return Ok(None) };
            high = high.min(entries);
            let Some(entry) = entry else { continue };
            if self.time_of(entry, reading)? < time_us { low = middle + 1 } else { high = middle }
        }
        Ok(Some(low))
    }

    /// How many entries there are, and one of them. `None`: the segment was sealed and retired meanwhile.
    fn entry_at(&mut self, reading: &Reading<'_>, at: usize) -> Option<(usize, Option<Entry>)> {
        let among = |entries: &[[u8; ENTRY_BYTES]]| (entries.len(), entries.get(at).map(Entry::decode));
        loop {
            match &self.source {
                Source::Sealed { index, .. } => return Some(among(index.entries())),
                Source::Open(_) => match with_open(&self.held, reading, |open| among(open.index.entries())) {
                    Ok(found) => return Some(found),
                    Err(turned) => self.turn(turned)?,
                },
            }
        }
    }

    /// The segment is no longer written: goes on with its chapter. `None` when that is gone, too.
    pub(super) fn turn(&mut self, turned: Turned) -> Option<()> {
        self.source = Source::sealed(turned?);
        Some(())
    }

    /// Looks at entries one by one up to number `to`, exclusive. What it finds is verified; what does not verify stays
    /// the next.
    fn scan(&mut self, to: usize, reading: &Reading<'_>, work: &mut usize) -> Result<Option<Found>, Error> {
        while self.at < to && *work > 0 {
            let Some(raw) = self.raw_entry() else { return Ok(None) };
            let want = self.rows.want(Entry::row_of(raw));
            if want == Want::Nothing || want == Want::All && self.at < self.from {
                self.at += 1;
                *work -= 1;
                continue;
            }
            let entry = Entry::decode(raw);
            if let Some(found) = self.look_at(entry, want, reading)? {
                return Ok(Some(found));
            }
            *work -= 1;
        }
        Ok(None)
    }

    #[inline]
    fn raw_entry(&self) -> Option<&[u8; ENTRY_BYTES]> {
        match &self.source {
            Source::Sealed { index, .. } => index.entries().get(self.at),
            Source::Open(copied) => copied.entry(self.at),
        }
    }

    /// The same from one wanted entry to the next, as far as they are fetched.
    #[inline(never)]
    fn jump(&mut self, to: usize, reading: &Reading<'_>, work: &mut usize) -> Result<Option<Found>, Error> {
        while self.at < to && *work > 0 {
            let Way::Jump(jump) = &mut self.way else { return Ok(None) };
            match jump.first(self.at) {
                Some((number, entry)) if number < to => {
                    self.at = number;
                    let want = self.rows.want(entry.row);
                    if let Some(found) = self.look_at(entry, want, reading)? {
                        return Ok(Some(found));
                    }
                    *work = work.saturating_sub(WORK_PER_JUMP);
                }
                None if !jump.is_dry() => return Ok(None),
                _ => self.at = to,
            }
        }
        Ok(None)
    }

    /// Looks at a wanted entry and steps over it.
    #[inline(always)]
    fn look_at(&mut self, entry: Entry, want: Want, reading: &Reading<'_>) -> Result<Option<Found>, Error> {
        let lsn = self.next_lsn();
        let mut shown = self.at >= self.from;
        if want == Want::Limited && !self.corrupt {
            match self.rows.count(entry, lsn, reading.limits) {
                None => shown = false,
                Some(0) => {}
                Some(oldest_us) => shown = shown && self.time_of(entry, reading)? >= oldest_us,
            }
        }
        if shown {
            self.verify(entry, reading)?;
        }
        self.at += 1;
        Ok(shown.then_some(Found { lsn, entry }))
    }

    /// Receive time of a record, unverified.
    fn time_of(&mut self, entry: Entry, reading: &Reading<'_>) -> Result<u64, Error> {
        let record = self.fetch(entry, reading)?;
        let time = record.get(TIME_AT..).and_then(|rest| rest.first_chunk()).copied();
        Ok(time.map_or(0, u64::from_le_bytes))
    }

    #[inline]
    fn verify(&mut self, entry: Entry, reading: &Reading<'_>) -> Result<(), Error> {
        let sound = crc32c::crc32c(self.fetch(entry, reading)?) == entry.crc;
        self.corrupt = !sound;
        if sound {
            return Ok(());
        }
        Err(self.corrupt_at(entry, "record does not verify"))
    }

    fn corrupt_at(&self, entry: Entry, what: &'static str) -> Error {
        let (segment, lsn) = (self.held.id(), self.next_lsn());
        Error::Corrupt { segment, offset: u64::from(entry.offset), lsn, what }
    }

    /// Steps over the record that did not verify; false when there is none.
    pub fn skip_corrupt(&mut self) -> bool {
        let skipped = std::mem::take(&mut self.corrupt);
        self.at += usize::from(skipped);
        skipped
    }

    /// The bytes of a record.
    #[inline]
    fn fetch(&mut self, entry: Entry, reading: &Reading<'_>) -> Result<&[u8], Error> {
        let sparse = !matches!(self.way, Way::Scan) || !matches!(self.start, Start::Found);
        self.source.fetch(&self.held, entry, reading, sparse)?;
        self.bytes_of(entry)
    }

    /// The bytes of a record that was fetched.
    #[inline]
    fn bytes_of(&self, entry: Entry) -> Result<&[u8], Error> {
        self.source.bytes_of(entry)?.ok_or_else(|| self.corrupt_at(entry, LEAVES))
    }

    /// The message that was found last.
    #[inline]
    pub fn message(&self, found: &Found) -> Result<Message<'_>, Error> {
        let topic = self.rows.topic(found.entry.row);
        let record = self.bytes_of(found.entry)?;
        let Some((time_us, payload)) = message::message_of(record, topic.len()) else {
            return Err(self.corrupt_at(found.entry, "record is not the message its index names"));
        };
        Ok(Message { position: self.held.position(found.lsn), time_us, topic, payload })
    }
}
