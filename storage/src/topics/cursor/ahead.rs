//! How a page goes on: entry by entry, or from one wanted entry to the next, whichever is less work.
//!
//! A sealed segment is one stretch, looked at as a whole. The one being written is taken as it is now, under its lock: a
//! batch of entries where few are left, otherwise a stretch up to its present end. What needs the lock is done in pieces.

use std::sync::Arc;

use super::jump::Jump;
use super::page::{Page, Reading, WORK_PER_ROW};
use super::source::{Source, Turned, with_open};
use crate::topics::index::{Entry, Lists, Memory, NO_ROW, Numbers};

/// Entries copied from the open index at a time, and topics.
const BATCH_ENTRIES: usize = 1024;
/// Entries of the open index listed at a time.
const LISTED: usize = 1024;
/// Wanted rows planned at a time.
const HEADS: usize = 256;
/// Wanted entries fetched at a time.
const FETCHED: usize = 64;
/// What planning one row costs, in entries passed over.
const WORK_PER_HEAD: usize = 16;

/// See the module.
#[derive(Debug)]
pub(super) enum Way {
    Scan,
    /// A jump being planned, once so many rows are judged.
    Plan(Jump, usize),
    Jump(Jump),
}

/// Rows of the open index, taken out of its lock.
type Taken = Vec<(Arc<str>, Numbers)>;

/// What the open index has for a page.
enum Ahead {
    /// The next entries were copied, as far as these rows are judged.
    Batch(Taken),
    /// So many entries and rows that a jump may be worth it.
    Far(usize, usize),
}

impl Page {
    /// Whether what is known is used up.
    #[inline]
    pub fn looks_ahead(&mut self) -> bool {
        match &mut self.way {
            Way::Jump(jump) => self.at >= self.known || jump.wants_fetch(self.at),
            Way::Scan | Way::Plan(..) => self.at >= self.known,
        }
    }

    /// One piece of finding out how to go on. False when the segment was sealed and retired meanwhile.
    pub fn look_ahead(&mut self, reading: &Reading<'_>, work: &mut usize) -> bool {
        let looked = match &self.way {
            Way::Jump(_) if self.at < self.known => self.fetch_ahead(reading),
            Way::Plan(..) => self.plan(reading, work),
            Way::Jump(_) | Way::Scan => self.begin(reading, work),
        };
        looked.or_else(|turned| self.turn(turned).ok_or(())).is_ok()
    }

    /// Begins the next stretch.
    fn begin(&mut self, reading: &Reading<'_>, work: &mut usize) -> Result<(), Turned> {
        self.way = Way::Scan;
        *work = work.saturating_sub(1);
        let Source::Sealed { index, .. } = &self.source else { return self.begin_open(reading, work) };
        let to = index.entries().len();
        let far = to.saturating_sub(self.at) >= reading.tuning.jump_entries_min;
        if far && self.at >= self.scan_to && index.listed() >= to {
            self.way = Way::Plan(Jump::over(self.at, to), self.rows.len());
        } else {
            self.known = to;
        }
        Ok(())
    }

    fn begin_open(&mut self, reading: &Reading<'_>, work: &mut usize) -> Result<(), Turned> {
        let Source::Open(copied) = &mut self.source else { return Ok(()) };
        let (at, judged) = (self.at, self.rows.len());
        let (tuning, may_jump) = (reading.tuning, at >= self.scan_to);
        copied.batch.clear();
        copied.batch_at = at;
        let batch = &mut copied.batch;
        let ahead = with_open(&self.held, reading, |open| {
            let index = &open.index;
            let rest = index.entries().get(at..).unwrap_or_default();
            let (to, rows) = (index.entries().len(), index.rows());
            let listable = rows.saturating_mul(tuning.entries_per_list) <= to;
            if may_jump && listable && rest.len() >= tuning.jump_entries_min {
                return Ahead::Far(to, rows);
            }
            let next = &rest[..rest.len().min(BATCH_ENTRIES)];
            // Rows are numbered as their topics first appear.
            let last = next.iter().map(Entry::row_of).filter(|row| *row != NO_ROW).max();
            let needed = last.map_or(judged, |row| row as usize + 1);
            if needed <= judged + BATCH_ENTRIES {
                batch.extend_from_slice(next);
            }
            Ahead::Batch(take_rows(index, judged, needed))
        })?;
        self.known = at + batch.len();
        match ahead {
            Ahead::Batch(taken) => self.judge(&taken, reading, work),
            Ahead::Far(to, rows) => self.way = Way::Plan(Jump::over(at, to), rows),
        }
        Ok(())
    }

    /// Judges rows of the open index.
    fn judge(&mut self, taken: &Taken, reading: &Reading<'_>, work: &mut usize) {
        taken.iter().for_each(|(topic, numbers)| self.rows.judge(&numbers.of(topic), reading));
        *work = work.saturating_sub(taken.len() * WORK_PER_ROW);
    }

    /// One piece of planning a jump; with the last one it is begun, or the stretch is scanned.
    fn plan(&mut self, reading: &Reading<'_>, work: &mut usize) -> Result<(), Turned> {
        let Way::Plan(jump, rows) = &mut self.way else { return Ok(()) };
        if self.rows.len() < *rows {
            let (judged, rows) = (self.rows.len(), *rows);
            let taken = with_open(&self.held, reading, |open| take_rows(&open.index, judged, rows))?;
            self.judge(&taken, reading, work);
            return Ok(());
        }
        let (rows, from) = (&self.rows, self.from);
        let cost = match &self.source {
            _ if !jump.is_worth_planning(rows, reading.tuning) => None,
            // Sealed before it was listed: its file, which lists everything, is about to be written.
            Source::Sealed { index, .. } if index.listed() < jump.to() => None,
            Source::Sealed { index, .. } => Some(jump.plan(&**index, rows, from, HEADS) * WORK_PER_HEAD),
            Source::Open(_) => Some(with_open(&self.held, reading, |open| {
                let listed = open.index.list(jump.to(), LISTED);
                if listed > 0 { listed } else { jump.plan(&open.index, rows, from, HEADS) * WORK_PER_HEAD }
            })?),
        };
        *work = work.saturating_sub(cost.unwrap_or_default() + 1);
        if cost.is_none() || !jump.is_worth_making(reading.tuning) {
            self.scan_to = jump.to();
            self.way = Way::Scan;
        } else if jump.is_planned(&self.rows) {
            self.known = jump.to();
            self.way = Way::Jump(std::mem::take(jump));
        }
        Ok(())
    }

    /// Fetches the next wanted entries, and asks for their records.
    fn fetch_ahead(&mut self, reading: &Reading<'_>) -> Result<(), Turned> {
        let Way::Jump(jump) = &mut self.way else { return Ok(()) };
        match &self.source {
            Source::Sealed { index, .. } => jump.fetch(&**index, FETCHED),
            Source::Open(_) => with_open(&self.held, reading, |open| jump.fetch(&open.index, FETCHED))?,
        }
        self.source.touch(jump.ahead());
        Ok(())
    }
}

/// Rows from `from` up to `to`, at most a batch.
fn take_rows(index: &Memory, from: usize, to: usize) -> Taken {
    let rows = from..to.min(from + BATCH_ENTRIES);
    rows.map(|row| (index.topic(row), index.row(row).numbers())).collect()
}
