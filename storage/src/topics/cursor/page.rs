//! A cursor inside one segment: sealed and mapped, or the one being written.

use std::sync::Arc;

use super::rows::{Rows, Want};
use super::{Filter, Message};
use crate::log::Held;
use crate::record::{Epoch, Lsn, message};
use crate::topics::Shared;
use crate::topics::cut::Cut;
use crate::topics::error::Error;
use crate::topics::index::{ENTRY_BYTES, Entry, Index, NO_ROW};
use crate::topics::shelf::Chapter;

/// Entries copied from the open index at a time.
const BATCH_ENTRIES: usize = 1024;
/// Bytes read ahead in the segment being written.
const WINDOW_BYTES: u64 = 128 * 1024;
/// What a question to the filter costs, in entries passed over.
const WORK_PER_ROW: usize = 8;
/// Where the receive time stands in every record.
const TIME_AT: usize = 12;

/// What a page needs of its cursor.
pub(super) struct Reading<'a> {
    pub shared: &'a Shared,
    pub filter: &'a Filter,
    pub limits: Option<&'a Cut>,
    /// Nothing above this may be read.
    pub bound: Lsn,
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
    held: Held,
    source: Source,
    rows: Rows,
    /// Number of the next entry to look at.
    at: usize,
    /// The first entry that may be shown; those before it only count. Unknown until the start is found.
    from: Start,
    corrupt: bool,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    At(Lsn),
    Since(u64),
    Found(usize),
}

#[derive(Debug)]
enum Source {
    Sealed {
        chapter: Arc<Chapter>,
        index: Arc<Index>,
    },
    /// Entries `batch_at..` and bytes `window_at..` as they were when copied.
    Open {
        batch: Vec<[u8; ENTRY_BYTES]>,
        batch_at: usize,
        window: Vec<u8>,
        window_at: u64,
    },
}

impl Page {
    pub fn sealed(chapter: Arc<Chapter>, next: Lsn, since_us: Option<u64>) -> Page {
        let index = chapter.index();
        Page::new(chapter.held.clone(), Source::Sealed { chapter, index }, next, since_us)
    }

    pub fn open(held: Held, next: Lsn, since_us: Option<u64>) -> Page {
        let source = Source::Open { batch: Vec::new(), batch_at: 0, window: Vec::new(), window_at: 0 };
        Page::new(held, source, next, since_us)
    }

    fn new(held: Held, source: Source, next: Lsn, since_us: Option<u64>) -> Page {
        let from = since_us.map_or(Start::At(next), Start::Since);
        Page { held, source, rows: Rows::default(), at: 0, from, corrupt: false }
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
            let Some(known) = self.judge_rows(reading, work) else { return Ok(Advance::Gone) };
            if *work == 0 {
                return Ok(Advance::Pause);
            }
            let Some(from) = self.find_start(reading)? else { continue };
            if !self.rows.wants_any() && self.is_sealed() {
                self.at = known;
                return Ok(Advance::Turn);
            }
            let bound = reading.bound.0.saturating_add(1).saturating_sub(self.held.base_lsn().0);
            let to = known.min(usize::try_from(bound).unwrap_or(usize::MAX));
            if let Some(found) = self.scan(from, to, reading, work)? {
                return Ok(Advance::Found(found));
            }
            if *work == 0 {
                return Ok(Advance::Pause);
            }
            if self.next_lsn() > reading.bound {
                return Ok(Advance::Bound);
            }
            if self.is_sealed() {
                return Ok(Advance::Turn);
            }
        }
    }

    fn is_sealed(&self) -> bool {
        matches!(self.source, Source::Sealed { .. })
    }

    /// Judges rows not judged yet, and says up to which entry one can look: all of a sealed segment; of the open one,
    /// those of a batch that begins at the next entry. `None`: the segment was sealed and retired meanwhile.
    fn judge_rows(&mut self, reading: &Reading<'_>, work: &mut usize) -> Option<usize> {
        if let Source::Open { batch, batch_at, .. } = &self.source
            && self.at >= batch_at + batch.len()
            && !self.refill(reading, work)
        {
            return None;
        }
        match &self.source {
            Source::Open { batch, batch_at, .. } => Some(batch_at + batch.len()),
            Source::Sealed { index, .. } => {
                while self.rows.len() < index.rows() && *work > 0 {
                    self.rows.judge(&index.row(self.rows.len()), reading);
                    *work = work.saturating_sub(WORK_PER_ROW);
                }
                Some(index.entries().len())
            }
        }
    }

    /// Copies the next batch of entries from the open index, once their topics are judged. Where the segment has been
    /// sealed meanwhile it goes on with its chapter; false when that is gone, too.
    fn refill(&mut self, reading: &Reading<'_>, work: &mut usize) -> bool {
        let Source::Open { batch, batch_at, .. } = &mut self.source else { return true };
        let (id, at, judged) = (self.held.id(), self.at, self.rows.len());
        batch.clear();
        *batch_at = at;
        let copied = reading.shared.gate().with(|shelf| {
            if shelf.open.held.id() != id {
                return Err(shelf.sealed.iter().find(|chapter| chapter.held.id() == id).map(Arc::clone));
            }
            let index = &shelf.open.index;
            let rest = index.entries().get(at..).unwrap_or_default();
            let next = &rest[..rest.len().min(BATCH_ENTRIES)];
            // Rows are numbered as their topics first appear.
            let rows = next.iter().map(Entry::row_of).filter(|row| *row != NO_ROW).max();
            let needed = rows.map_or(judged, |row| row as usize + 1);
            if needed <= judged + BATCH_ENTRIES {
                batch.extend_from_slice(next);
            }
            let rows = judged..needed.min(judged + BATCH_ENTRIES);
            Ok(rows.map(|row| (index.topic(row), index.row(row).numbers())).collect::<Vec<_>>())
        });
        match copied {
            Ok(rows) => {
                rows.iter().for_each(|(topic, numbers)| self.rows.judge(&numbers.of(topic), reading));
                *work = work.saturating_sub(rows.len() * WORK_PER_ROW + 1);
                true
            }
            Err(Some(chapter)) => {
                let index = chapter.index();
                self.source = Source::Sealed { chapter, index };
                true
            }
            Err(None) => false,
        }
    }

    /// The first entry to be shown. Where messages are left out by counting, the entries before it are looked at, too.
    /// `None`: the segment has just been sealed, look again.
    fn find_start(&mut self, reading: &Reading<'_>) -> Result<Option<usize>, Error> {
        let base = self.held.base_lsn().0;
        let from = match self.from {
            Start::Found(from) => return Ok(Some(from)),
            Start::At(lsn) => usize::try_from(lsn.0.saturating_sub(base)).unwrap_or(usize::MAX),
            Start::Since(time_us) => match self.first_since(time_us, reading)? {
                Some(from) => from,
                None => return Ok(None),
            },
        };
        let counts = if self.is_sealed() { self.rows.counts() } else { reading.limits.is_some() };
        self.at = if counts { 0 } else { from };
        self.from = Start::Found(from);
        Ok(Some(from))
    }

    /// Number of the first record received at or after a time. Receive times never fall, so halving finds it.
    fn first_since(&mut self, time_us: u64, reading: &Reading<'_>) -> Result<Option<usize>, Error> {
        let Some((entries, _)) = self.entry_at(reading, 0) else { return Ok(self.look_again()) };
        let (mut low, mut high) = (0, entries);
        while low < high {
            let middle = low + (high - low) / 2;
            let Some((_, Some(entry))) = self.entry_at(reading, middle) else { return Ok(self.look_again()) };
            if self.time_of(entry)? < time_us { low = middle + 1 } else { high = middle }
        }
        Ok(Some(low))
    }

    /// Makes the next step ask for the segment again.
    fn look_again(&mut self) -> Option<usize> {
        if let Source::Open { batch, .. } = &mut self.source {
            batch.clear();
        }
        None
    }

    /// How many entries there are, and one of them. The open index is looked into under its lock; `None` when it is
    /// another segment's by now.
    fn entry_at(&self, reading: &Reading<'_>, at: usize) -> Option<(usize, Option<Entry>)> {
        let among = |entries: &[[u8; ENTRY_BYTES]]| (entries.len(), entries.get(at).map(Entry::decode));
        match &self.source {
            Source::Sealed { index, .. } => Some(among(index.entries())),
            Source::Open { .. } => reading.shared.gate().with(|shelf| {
                let same = shelf.open.held.id() == self.held.id();
                same.then(|| among(shelf.open.index.entries()))
            }),
        }
    }

    /// Looks at entries up to number `to`, exclusive. What it finds is verified; what does not verify stays the next.
    fn scan(
        &mut self,
        from: usize,
        to: usize,
        reading: &Reading<'_>,
        work: &mut usize,
    ) -> Result<Option<Found>, Error> {
        while self.at < to && *work > 0 {
            let Some(raw) = self.raw_entry() else { return Ok(None) };
            let want = self.rows.want(Entry::row_of(raw));
            if want == Want::Nothing || want == Want::All && self.at < from {
                self.at += 1;
                *work -= 1;
                continue;
            }
            let entry = Entry::decode(raw);
            if let Some(found) = self.look_at(entry, want, from, reading)? {
                return Ok(Some(found));
            }
            *work -= 1;
        }
        Ok(None)
    }

    /// Looks at a wanted entry and steps over it.
    fn look_at(
        &mut self,
        entry: Entry,
        want: Want,
        from: usize,
        reading: &Reading<'_>,
    ) -> Result<Option<Found>, Error> {
        let lsn = self.next_lsn();
        let mut shown = self.at >= from;
        if want == Want::Limited && !self.corrupt {
            match self.rows.count(entry, lsn, reading.limits) {
                None => shown = false,
                Some(0) => {}
                Some(oldest_us) => shown = shown && self.time_of(entry)? >= oldest_us,
            }
        }
        if shown {
            self.verify(entry)?;
        }
        self.at += 1;
        Ok(shown.then_some(Found { lsn, entry }))
    }

    #[inline]
    fn raw_entry(&self) -> Option<&[u8; ENTRY_BYTES]> {
        match &self.source {
            Source::Sealed { index, .. } => index.entries().get(self.at),
            Source::Open { batch, batch_at, .. } => batch.get(self.at.checked_sub(*batch_at)?),
        }
    }

    /// Receive time of a record, unverified.
    fn time_of(&mut self, entry: Entry) -> Result<u64, Error> {
        let record = self.fetch(entry)?;
        let time = record.get(TIME_AT..).and_then(|rest| rest.first_chunk()).copied();
        Ok(time.map_or(0, u64::from_le_bytes))
    }

    fn verify(&mut self, entry: Entry) -> Result<(), Error> {
        let sound = crc32c::crc32c(self.fetch(entry)?) == entry.crc;
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
    fn fetch(&mut self, entry: Entry) -> Result<&[u8], Error> {
        if let Source::Open { window, window_at, .. } = &mut self.source
            && held(window, *window_at, entry).is_none()
        {
            let from = u64::from(entry.offset);
            let ahead = WINDOW_BYTES.min(self.held.end().saturating_sub(from)).max(u64::from(entry.bytes));
            window.resize(usize::try_from(ahead).unwrap_or(usize::MAX), 0);
            *window_at = from;
            self.held.read_at(from, window).inspect_err(|_| window.clear())?;
        }
        self.bytes_of(entry)
    }

    /// The bytes of a record that was fetched.
    #[inline]
    fn bytes_of(&self, entry: Entry) -> Result<&[u8], Error> {
        let bytes = match &self.source {
            Source::Sealed { chapter, .. } => held(chapter.bytes()?, 0, entry),
            Source::Open { window, window_at, .. } => held(window, *window_at, entry),
        };
        bytes.ok_or_else(|| self.corrupt_at(entry, "record leaves the segment"))
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

/// The record in bytes that begin at byte `start` of the segment.
#[inline]
fn held(bytes: &[u8], start: u64, entry: Entry) -> Option<&[u8]> {
    let from = usize::try_from(u64::from(entry.offset).checked_sub(start)?).ok()?;
    bytes.get(from..from.checked_add(entry.bytes as usize)?)
}
