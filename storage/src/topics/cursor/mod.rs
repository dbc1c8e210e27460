//! Reading the backlog: from a start on, oldest first, only the topics a filter wants, a bounded piece at a time.
//!
//! A cursor goes through the segments by their indexes. Entering one it asks its filter about each topic of the segment
//! once; then it passes over the entries, and reads and verifies only the records it shows. Sealed segments are mapped
//! and their messages borrowed; of the one being written, pieces are copied.

mod ahead;
mod jump;
mod page;
mod rows;
mod source;
mod tuning;

use std::sync::Arc;

use super::cut::Cut;
use super::error::Error;
use super::shelf::Place;
use super::{Shared, Topics};
use crate::record::{Epoch, Lsn, Position};
use page::{Advance, Page};
pub(in crate::topics) use tuning::Tuning;

/// Entries one call of [`Cursor::next`] looks at, at most, in search of the next message.
const WORK_PER_STEP: usize = 8192;

/// Where a cursor begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With the oldest message kept, each topic within its limits.
    Earliest,
    /// With what is published after the cut.
    Latest,
    /// Behind this position, with everything that is still there; topic limits do not apply.
    After(Position),
    /// With the first message received at or after this state time, each topic within its limits.
    Since {
        /// Microseconds since 1970 UTC.
        time_us: u64,
    },
}

/// What a cursor came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// The next message.
    Message(Message<'a>),
    /// Messages from `from` through `to`, both inclusive, may have been here and are no longer kept.
    Gap {
        /// The first position the cursor would have read.
        from: Position,
        /// The last one before those that are kept.
        to: Position,
    },
    /// The work of one call is used up: call again, now or later.
    Pause,
    /// Everything through the end of the cursor was read, or everything that may be told yet. Ask again later.
    End,
}

/// A stored message, borrowed from the cursor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// Its position; later messages have greater ones.
    pub position: Position,
    /// When the node received it, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Its topic.
    pub topic: &'a str,
    /// The message object as it was published, JSON text.
    pub payload: &'a [u8],
}

/// Says which topics are wanted. Asked once for each topic of each segment.
type Filter = Box<dyn Fn(&str) -> bool + Send>;

/// See the module.
pub struct Cursor {
    shared: Arc<Shared>,
    filter: Filter,
    /// The next record to look at, and the epoch to call it by when it is gone.
    next: Lsn,
    epoch: Epoch,
    /// The last record to look at.
    end: Option<Lsn>,
    /// As far as it may read without asking again.
    bound: Lsn,
    /// Topic limits hold up to this cut.
    limits: Option<Cut>,
    /// The search of a start by time, until it is found.
    since_us: Option<u64>,
    gap: Option<(Position, Position)>,
    page: Option<Page>,
    tuning: Tuning,
}

impl Topics {
    /// A cursor without an end: it follows what is published.
    pub fn cursor(&self, start: Start, filter: impl Fn(&str) -> bool + Send + 'static) -> Cursor {
        let mut cursor = self.cursor_through(&self.cut(), start, filter);
        cursor.end = None;
        cursor
    }

    /// A cursor that ends at `cut`, which it reads inclusively: the backlog of a subscriber registered there.
    pub fn cursor_through(
        &self,
        cut: &Cut,
        start: Start,
        filter: impl Fn(&str) -> bool + Send + 'static,
    ) -> Cursor {
        let mut cursor = Cursor {
            shared: Arc::clone(&self.shared),
            filter: Box::new(filter),
            next: cut.first_lsn,
            epoch: cut.position.epoch,
            end: Some(cut.position.lsn),
            bound: Lsn::ZERO,
            limits: None,
            since_us: None,
            gap: None,
            page: None,
            tuning: Tuning::default(),
        };
        match start {
            Start::Earliest => cursor.limits = Some(cut.clone()),
            Start::Latest => cursor.next = cut.position.lsn.plus(1),
            Start::After(position) => cursor.start_after(position),
            Start::Since { time_us } => {
                cursor.limits = Some(cut.clone());
                cursor.start_since(time_us);
            }
        }
        cursor
    }
}

impl Cursor {
    /// The next step. Messages come oldest first, each once.
    ///
    /// # Errors
    /// `Corrupt`: the next message it would show does not verify. The cursor stays in front of it and says so again;
    /// [`Cursor::skip_corrupt`] goes on behind it. `Write`: the disk could not be read.
    ///
    /// # Cost
    /// No allocation for a message of a sealed segment. At most 8,192 records are passed over; topics of a segment just
    /// entered count as some.
    // Not an `Iterator`: what it yields borrows from it.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Result<Step<'_>, Error> {
        let mut work = WORK_PER_STEP;
        let found = loop {
            if let Some((from, to)) = self.gap.take() {
                return Ok(Step::Gap { from, to });
            }
            if self.next > self.bound && !self.may_read_on() {
                return Ok(Step::End);
            }
            if self.page.is_none() && !self.enter() {
                continue;
            }
            let Some(page) = &mut self.page else { continue };
            let reader = page::Reading {
                shared: &self.shared,
                filter: &self.filter,
                limits: self.limits.as_ref(),
                bound: self.bound,
                tuning: &self.tuning,
            };
            match page.advance(&reader, &mut work)? {
                Advance::Found(found) => {
                    self.move_behind(found.lsn);
                    break found;
                }
                Advance::Pause => return Ok(Step::Pause),
                Advance::Gone => self.page = None,
                Advance::Bound => self.move_behind(self.bound),
                Advance::Turn => {
                    let last = page.next_lsn().prev();
                    self.move_behind(last);
                    self.page = None;
                }
            }
        };
        let page = self.page.as_ref().expect("the page the message was found in is not left");
        Ok(Step::Message(page.message(&found)?))
    }

    /// Reads another way than measured.
    #[cfg(all(test, not(loom)))]
    pub(in crate::topics) fn tuned(mut self, tuning: Tuning) -> Cursor {
        self.tuning = tuning;
        self
    }

    /// Moves the end to a later cut: how a subscriber that fell behind comes back to live delivery.
    pub fn extend(&mut self, cut: &Cut) {
        self.end = Some(cut.position.lsn);
    }

    /// Goes on behind the record that does not verify; nothing happens in front of a sound one. The caller tells its
    /// reader of the loss.
    pub fn skip_corrupt(&mut self) {
        if let Some(page) = &mut self.page
            && page.skip_corrupt()
        {
            let last = page.next_lsn().prev();
            self.move_behind(last.max(self.next.prev()));
        }
    }

    /// Everything through `last`, a record of the page, was looked at. A segment may begin with records of the life
    /// before its own, so the epoch changes inside it.
    fn move_behind(&mut self, last: Lsn) {
        self.next = last.plus(1);
        if let Some(page) = &self.page {
            self.epoch = page.epoch_of(last).unwrap_or(self.epoch);
        }
    }

    /// The position behind everything read so far: where another cursor would go on, as the position to be
    /// [`After`](Start::After).
    #[must_use]
    pub fn position(&self) -> Position {
        Position { epoch: self.epoch, lsn: self.next.prev() }
    }

    fn start_after(&mut self, position: Position) {
        let (next, first, oldest) = self.shared.gate().with(|shelf| {
            let first = shelf.first_lsn();
            (shelf.first_after(position), first, shelf.position(first))
        });
        self.next = next;
        // Whether something was between the position and the oldest record kept is only certain within an epoch;
        // a gap that may be one is told.
        let joins = first == Lsn(1) || position.epoch == oldest.epoch && position.lsn.plus(1) >= first;
        if next == first && position < oldest && !joins {
            let to = Position { lsn: first.prev(), ..oldest };
            self.gap = Some((Position { lsn: position.lsn.plus(1), ..position }, to));
        }
        self.epoch = if next == first { oldest.epoch } else { position.epoch.max(oldest.epoch) };
    }

    fn start_since(&mut self, time_us: u64) {
        self.since_us = Some(time_us);
        self.next = self.shared.gate().with(|shelf| {
            let newer = shelf.sealed.iter().find(|chapter| chapter.index().last_time_us() >= time_us);
            newer.map_or(shelf.open.held.base_lsn(), |chapter| chapter.held.base_lsn())
        });
    }

    /// Looks how far it may read now. False when that is no further.
    fn may_read_on(&mut self) -> bool {
        let released = self.shared.released();
        self.bound = self.end.map_or(released, |end| released.min(end));
        self.next <= self.bound
    }

    /// Enters the segment that holds `next`. False when it is gone, and the gap is noted.
    fn enter(&mut self) -> bool {
        let (place, position) =
            self.shared.gate().with(|shelf| (shelf.find(self.next), shelf.position(self.next)));
        match place {
            Place::Sealed(chapter) => {
                self.page = Some(Page::sealed(chapter, self.next, self.since_us.take()))
            }
            Place::Open(held) => self.page = Some(Page::open(held, self.next, self.since_us.take())),
            Place::Gone(first) => {
                self.lose_up_to(first);
                return false;
            }
        }
        self.epoch = position.epoch;
        true
    }

    /// Everything from `next` up to `first` is retired.
    fn lose_up_to(&mut self, first: Lsn) {
        let oldest = self.shared.gate().with(|shelf| shelf.position(first));
        // What lies behind the end is not this cursor's to miss.
        let last = self.end.map_or(first.prev(), |end| end.min(first.prev()));
        let from = Position { epoch: self.epoch.min(oldest.epoch), lsn: self.next };
        self.gap = Some((from, Position { lsn: last, ..oldest }));
        self.next = first;
        self.epoch = oldest.epoch;
    }
}

impl std::fmt::Debug for Cursor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor").field("next", &self.next).field("end", &self.end).finish_non_exhaustive()
    }
}
