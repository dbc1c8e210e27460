//! Reading on for one subscription: messages and, where its patterns reach them, events of the cache, merged by the
//! time they came.
//!
//! Both logs keep their own order. Of two that came at the same time the message is first.

use std::collections::VecDeque;
use std::sync::Arc;

use mpreg_storage::record::{EventId, Lsn, Position};
use mpreg_storage::store::EventsFrom;

use super::backlog::{Backlog, Cursor, EventLog, Follow, Followed, From, Step, Told};
use super::subscription::Subscription;
use crate::protocol::pubsub::Offset;

/// Where reading begins, in both logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) messages: From,
    pub(super) events: EventsFrom,
    /// Whether it is to be told that events from there are kept no longer: who asks for a time in the protocol's own
    /// words knows no gaps.
    pub(super) plain: bool,
}

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next<'a> {
    Message { offset: Offset, message: &'a [u8] },
    Gap { from: Offset, to: Offset },
    Pause,
    End,
}

/// See the module.
pub(super) struct Reading {
    backlog: Arc<dyn Backlog>,
    subscription: Arc<Subscription>,
    messages: Box<dyn Cursor>,
    events: Option<Merged>,
    current: Vec<u8>,
}

/// The events, and the message that waits for them.
struct Merged {
    log: Arc<dyn EventLog>,
    events: Events,
    message: Option<(Offset, u64, Vec<u8>)>,
}

/// A cursor over events, one message at a time.
struct Events {
    follow: Box<dyn Follow>,
    /// The gap at the beginning is not told.
    plain: bool,
    read: VecDeque<Told>,
}

/// What looking for the next one of a log came to.
enum Found {
    Some,
    Gap { from: Offset, to: Offset },
    Pause,
    End,
}

impl Reading {
    pub(super) fn new(
        backlog: &Arc<dyn Backlog>,
        log: Option<&Arc<dyn EventLog>>,
        subscription: &Arc<Subscription>,
        begin: Begin,
    ) -> Reading {
        let messages = backlog.read(begin.messages, wanted(subscription));
        let events = log.filter(|_| subscription.events).and_then(|log| {
            match Events::new(&**log, begin.events, begin.plain) {
                Ok(events) => Some(Merged { log: Arc::clone(log), events, message: None }),
                Err(error) => {
                    tracing::error!(%error, "events of the cache cannot be read");
                    None
                }
            }
        });
        let (backlog, subscription) = (Arc::clone(backlog), Arc::clone(subscription));
        Reading { backlog, subscription, messages, events, current: Vec::new() }
    }

    /// Messages through here have been read. Exact at the end.
    pub(super) fn messages_through(&self) -> Position {
        match self.messages.position() {
            Offset::Message(position) => position,
            Offset::Event(_) => Position::default(),
        }
    }

    /// Events through here have been read. Exact at the end; `None` when they are of no interest.
    pub(super) fn events_through(&self) -> Option<EventId> {
        self.events.as_ref().map(|merged| merged.events.follow.position())
    }

    /// The next message of either log. What cannot be read is a gap.
    pub(super) fn next(&mut self) -> Next<'_> {
        if self.events.is_none() {
            return self.next_message();
        }
        let (message, event) = (self.find_message(), self.find_event());
        for found in [&message, &event] {
            match *found {
                Found::Gap { from, to } => return Next::Gap { from, to },
                Found::Pause => return Next::Pause,
                Found::Some | Found::End => {}
            }
        }
        let Some(Merged { events, message, .. }) = &mut self.events else { return Next::End };
        let event_us = events.read.front().map(|told| told.time_us);
        match (message.take(), event_us) {
            (None, None) => Next::End,
            (Some((offset, time_us, text)), event_us)
                if event_us.is_none_or(|event_us| time_us <= event_us) =>
            {
                self.current = text;
                Next::Message { offset, message: &self.current }
            }
            (waiting, _) => {
                *message = waiting;
                let Some(Told { id, draft, .. }) = events.read.pop_front() else { return Next::Pause };
                self.current.clear();
                self.current.extend_from_slice(&draft.message);
                Next::Message { offset: id.into(), message: &self.current }
            }
        }
    }

    fn next_message(&mut self) -> Next<'_> {
        let failed = match self.messages.next() {
            // Told apart first: what is borrowed may not be given back from beside another use.
            Ok(Step::Message { offset, message, .. }) => {
                self.current.clear();
                self.current.extend_from_slice(message);
                return Next::Message { offset, message: &self.current };
            }
            Ok(Step::Gap { from, to }) => return Next::Gap { from, to },
            Ok(Step::Pause) => return Next::Pause,
            Ok(Step::End) => return Next::End,
            Err(error) => error,
        };
        let (from, to) = self.skip_message(&failed);
        Next::Gap { from, to }
    }

    /// Brings the next message to where it can be compared with the next event.
    fn find_message(&mut self) -> Found {
        let Some(Merged { message: waiting, .. }) = &mut self.events else { return Found::End };
        if waiting.is_some() {
            return Found::Some;
        }
        let failed = match self.messages.next() {
            Ok(Step::Message { offset, time_us, message }) => {
                *waiting = Some((offset, time_us, message.to_vec()));
                return Found::Some;
            }
            Ok(Step::Gap { from, to }) => return Found::Gap { from, to },
            Ok(Step::Pause) => return Found::Pause,
            Ok(Step::End) => return Found::End,
            Err(error) => error,
        };
        let (from, to) = self.skip_message(&failed);
        Found::Gap { from, to }
    }

    fn find_event(&mut self) -> Found {
        let Some(Merged { events, log, .. }) = &mut self.events else { return Found::End };
        let subscription = &self.subscription;
        match events.find(&mut |topic| subscription.wants(topic)) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(%error, "events of the cache cannot be read");
                let (from, to) = (events.follow.position(), log.durable());
                match Events::new(&**log, EventsFrom::After(to), false) {
                    Ok(anew) => *events = anew,
                    Err(_) => self.events = None,
                }
                Found::Gap { from: from.into(), to: to.into() }
            }
        }
    }

    /// Goes on behind a message that cannot be read; says what is missing because of it.
    fn skip_message(&mut self, error: &str) -> (Offset, Offset) {
        tracing::error!(%error, "a stored message cannot be read");
        let before = self.messages_through();
        self.messages.skip();
        let from = Position { lsn: Lsn(before.lsn.0 + 1), ..before };
        if self.messages_through() <= before {
            // Nothing more can be read: what is published from now on is all there is.
            let released = self.backlog.released();
            self.messages = self.backlog.read(From::After(released), wanted(&self.subscription));
            return (from.into(), released.into());
        }
        (from.into(), self.messages.position())
    }
}

impl Events {
    fn new(log: &dyn EventLog, from: EventsFrom, plain: bool) -> Result<Events, String> {
        Ok(Events { follow: log.follow(from)?, plain, read: VecDeque::new() })
    }

    fn find(&mut self, wanted: &mut dyn FnMut(&str) -> bool) -> Result<Found, String> {
        if !self.read.is_empty() {
            return Ok(Found::Some);
        }
        let mut told = Vec::new();
        let followed = self.follow.step(wanted, false, &mut told)?;
        self.read.extend(told);
        let plain = std::mem::take(&mut self.plain);
        Ok(match followed {
            Followed::Gap { .. } if plain => Found::Pause,
            Followed::Gap { from, to } => Found::Gap { from: from.into(), to: to.into() },
            _ if !self.read.is_empty() => Found::Some,
            Followed::Read => Found::Pause,
            Followed::End => Found::End,
        })
    }
}

fn wanted(subscription: &Arc<Subscription>) -> super::backlog::Wanted {
    let subscription = Arc::clone(subscription);
    Box::new(move |topic| subscription.wants(topic))
}
