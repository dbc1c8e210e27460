//! Reading events: frame by frame, in the order of the log, through what is durable.

use std::sync::Arc;

use super::Event;
use crate::log;
use crate::record::{EventId, Lsn, Op, Position, Record, Records};
use crate::store::error::Error;
use crate::store::{Shared, Store};
use crate::write::{self, Grown};

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventsFrom {
    /// The oldest event kept.
    Earliest,
    /// The first one behind this one.
    After(EventId),
    /// The first one of then or later, microseconds since 1970 UTC.
    Since(u64),
    /// The first one that is not durable yet.
    Latest,
}

/// What a step of reading came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventStep {
    /// Events were read, perhaps none of them: go on.
    Read,
    /// These, both included, may have been and are kept no longer. Told once; go on.
    Gap {
        /// The first one.
        from: EventId,
        /// The last one.
        to: EventId,
    },
    /// Everything durable has been read. Ask again later: [`Events::grown`].
    End,
}

/// A cursor over the events of a store.
#[derive(Debug)]
pub struct Events {
    shared: Arc<Shared>,
    reader: log::Reader,
    /// Everything through here has been read or passed over.
    reached: EventId,
    since_us: u64,
    /// The first frame may show that what was asked for is kept no longer.
    first: bool,
}

impl Store {
    /// Reads events from a place on. Cost: one frame of each log segment for [`EventsFrom::Since`], otherwise nothing
    /// before the first step.
    pub fn events(&self, from: EventsFrom) -> Result<Events, Error> {
        let log = &self.shared.pipeline.log;
        let oldest = log.usage().first_lsn;
        let (begin, since_us) = match from {
            EventsFrom::Earliest => (oldest, 0),
            EventsFrom::After(id) if id.part == u16::MAX => (id.position.lsn.plus(1), 0),
            EventsFrom::After(id) => (id.position.lsn, 0),
            EventsFrom::Since(time_us) => (log.since(time_us)?, time_us),
            EventsFrom::Latest => (self.durable_lsn().plus(1), 0),
        };
        let reached = match from {
            EventsFrom::After(id) => id,
            _ => EventId::last_of(Position { epoch: self.epoch(), lsn: begin.prev() }),
        };
        let (shared, reader) = (Arc::clone(&self.shared), log.reader(begin));
        Ok(Events { shared, reader, reached, since_us, first: true })
    }

    /// Resolves when something behind `lsn` is durable, without making it so.
    pub fn grown(&self, lsn: Lsn) -> Grown {
        Grown::new(Arc::clone(&self.shared.pipeline), lsn)
    }
}

impl Events {
    /// Reads one group commit and shows its events, oldest first. Blocks for reads of the log.
    ///
    /// # Errors
    /// The log cannot be read: I/O, damage. The next call tries the same again.
    pub fn next(&mut self, each: &mut dyn FnMut(&Event<'_>)) -> Result<EventStep, Error> {
        let durable = self.shared.pipeline.durable_lsn();
        let oldest = self.shared.pipeline.log.usage().first_lsn;
        let next = self.reader.position();
        if next < oldest {
            return Ok(self.skip_to(next, oldest));
        }
        // A sync covers whole frames, so what begins at or below `durable` ends there, too.
        if next > durable {
            return Ok(EventStep::End);
        }
        match self.reader.next_frame() {
            // Retired between the look above and the read.
            Err(log::Error::Retired { first }) => return Ok(self.skip_to(next, first)),
            Err(error) => return Err(error.into()),
            Ok(None) => return Ok(EventStep::End),
            Ok(Some(_)) => {}
        }
        self.show(oldest, each)
    }

    /// Everything through here has been read, or passed over: where another cursor goes on.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.reached
    }

    /// Resolves when there is more to read.
    pub fn grown(&self) -> Grown {
        Grown::new(Arc::clone(&self.shared.pipeline), self.reader.position().prev())
    }

    /// Shows the events of the frame the reader stands on.
    fn show(&mut self, oldest: Lsn, each: &mut dyn FnMut(&Event<'_>)) -> Result<EventStep, Error> {
        let Some(frame) = self.reader.frame() else { return Ok(EventStep::End) };
        let head = frame.head;
        let missed = std::mem::take(&mut self.first)
            && head.first_lsn == oldest
            && oldest > Lsn(1)
            && self.since_us != 0
            && head.time_us > self.since_us;
        let last = EventId::last_of(self.reader.position_of(frame.last_lsn()));
        if head.time_us >= self.since_us {
            let mut lsn = head.first_lsn;
            for record in Records::new(frame.body) {
                let record = record.map_err(|source| write::Error::Record { after: lsn.prev(), source })?;
                self.show_record(self.reader.position_of(lsn), &record, each);
                lsn = lsn.plus(1);
            }
        }
        self.reached = self.reached.max(last);
        if !missed {
            return Ok(EventStep::Read);
        }
        let at = |lsn| EventId { position: Position { epoch: last.position.epoch, lsn }, part: 0 };
        Ok(EventStep::Gap { from: at(Lsn(1)), to: at(oldest.prev()) })
    }

    fn show_record(&self, position: Position, record: &Record<'_>, each: &mut dyn FnMut(&Event<'_>)) {
        let mut parts = (0u16..).zip(record.op.parts()).peekable();
        while let Some((part, op)) = parts.next() {
            let notice = match parts.peek() {
                Some((_, Op::Notice(notice))) => Some(*notice),
                _ => None,
            };
            let id = EventId { position, part };
            // What lies behind a position of an earlier epoch is greater only by its lsn.
            let passed = (id.position.lsn, id.part) <= (self.reached.position.lsn, self.reached.part);
            if !passed && !matches!(op, Op::Notice(_)) {
                each(&Event { id, time_us: op.time_us(), origin: record.origin, op, notice });
            }
        }
    }

    /// Goes on at `first`: what lies before it is gone.
    fn skip_to(&mut self, next: Lsn, first: Lsn) -> EventStep {
        let gone = self.reached;
        self.reader = self.shared.pipeline.log.reader(first);
        let at = |lsn| EventId { position: Position { epoch: gone.position.epoch, lsn }, part: 0 };
        let to = EventId::last_of(at(first.prev()).position);
        self.reached = to;
        self.first = false;
        EventStep::Gap { from: at(next), to }
    }
}
