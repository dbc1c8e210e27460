//! One subscription: what it wants, where its messages go, and how far it is.
//!
//! ```text
//!            End of the log, under the delivery lock
//!  Behind ───────────────────────────────────────────> Live
//!    ^  reads the log as its connection drains           │  gets what is delivered
//!    └───────────────────────────────────────────────────┘
//!            its outbox is full: resume behind the last one that was delivered
//!  either ── unsubscribed, replaced, connection over ──> Gone
//! ```
//!
//! All moves are made under the delivery lock, so the numbers here are atomics only to be shared.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use mpreg_storage::json::{Reader, Text};
use mpreg_storage::record::{Epoch, EventId, Lsn, Position};

use super::pattern::Pattern;
use crate::limits::{HELD_BYTES_MAX, HELD_MESSAGES_MAX};
use crate::protocol::pubsub::{Gap, write_gap, write_tail};
use crate::session::{Outbox, Push};

/// See the module.
#[derive(Debug)]
pub(super) struct Subscription {
    /// As a JSON string with its quotes.
    pub(super) id: Box<str>,
    pub(super) patterns: Box<[Pattern]>,
    pub(super) outbox: Outbox,
    /// Number of the connection's clerk: only that may change the subscription.
    pub(super) owner: u64,
    /// Name under which its position is kept.
    pub(super) durable: Option<Box<str>>,
    /// Messages without a place in the log and with a lower number were published before it was there.
    pub(super) since: u64,
    /// Stored messages through here come from the backlog, by name.
    pub(super) cut: Position,
    /// Its patterns reach events of the cache.
    pub(super) events: bool,
    /// Events through here come from the backlog, by name.
    pub(super) events_cut: EventId,
    /// End of all its notifications.
    tail: Arc<[u8]>,
    state: AtomicU8,
    /// Number of the last message looked at: one that matches two of its patterns comes once.
    looked_at: AtomicU64,
    /// Stored messages through here were read from the log: epoch and lsn of a position.
    read_through: (AtomicU64, AtomicU64),
    /// Events through here were read from the log or are not wanted: epoch, lsn and part.
    events_through: (AtomicU64, AtomicU64, AtomicU16),
    /// Volatile messages that found no room.
    dropped: AtomicU64,
    held: Mutex<Held>,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum State {
    /// It reads the log.
    Behind = 0,
    /// It gets what is delivered.
    Live = 1,
    /// It gets nothing any more.
    Gone = 2,
}

/// Volatile messages that came while it was behind, each with the position it came after.
#[derive(Debug, Default)]
struct Held {
    messages: VecDeque<(Lsn, Bytes)>,
    bytes: usize,
}

/// What a subscription begins with.
#[derive(Debug)]
pub(super) struct Beginning {
    pub(super) since: u64,
    pub(super) cut: Position,
    pub(super) events_cut: EventId,
    /// Its patterns reach events of the cache.
    pub(super) events: bool,
    pub(super) state: State,
}

impl Subscription {
    pub(super) fn new(
        id: &str,
        patterns: Vec<Pattern>,
        outbox: Outbox,
        owner: u64,
        durable: Option<&str>,
        beginning: &Beginning,
    ) -> Subscription {
        let mut tail = Vec::new();
        write_tail(&mut tail, id);
        let events = beginning.events;
        let events_cut = beginning.events_cut;
        let at = events_cut.position;
        Subscription {
            id: id.into(),
            patterns: patterns.into(),
            outbox,
            owner,
            durable: durable.map(Into::into),
            since: beginning.since,
            cut: beginning.cut,
            events,
            events_cut,
            tail: tail.into(),
            state: AtomicU8::new(beginning.state as u8),
            looked_at: AtomicU64::new(0),
            read_through: (AtomicU64::new(beginning.cut.epoch.0), AtomicU64::new(beginning.cut.lsn.0)),
            events_through: (
                AtomicU64::new(at.epoch.0),
                AtomicU64::new(at.lsn.0),
                AtomicU16::new(events_cut.part),
            ),
            dropped: AtomicU64::new(0),
            held: Mutex::default(),
        }
    }

    /// Its id as the text it means.
    pub(super) fn name(&self) -> String {
        let quoted = Reader::new(&self.id).string("").map(Text::decode);
        quoted.map_or_else(|_| self.id.to_string(), Cow::into_owned)
    }

    pub(super) fn state(&self) -> State {
        // Pairs with the release in `set_state`, for those who look without the delivery lock.
        match self.state.load(Ordering::Acquire) {
            0 => State::Behind,
            1 => State::Live,
            _ => State::Gone,
        }
    }

    /// Under the delivery lock. What is gone stays gone.
    pub(super) fn set_state(&self, state: State) {
        if self.state() != State::Gone {
            // Pairs with the acquire in `state`.
            self.state.store(state as u8, Ordering::Release);
        }
    }

    /// Whether message number `number` is new to it. What is stored is told by its position and not by its number: it
    /// may have been waiting for its sync when the subscription came, so that the backlog did not show it yet. Under
    /// the delivery lock, like all below.
    pub(super) fn looks_at(&self, number: u64, stored: bool) -> bool {
        // Relaxed here and below: the delivery lock orders.
        (stored || number >= self.since) && self.looked_at.swap(number, Ordering::Relaxed) != number
    }

    /// Stored messages through here it has from the log, or does not want.
    pub(super) fn read_through(&self) -> Position {
        let (epoch, lsn) = &self.read_through;
        Position { epoch: Epoch(epoch.load(Ordering::Relaxed)), lsn: Lsn(lsn.load(Ordering::Relaxed)) }
    }

    pub(super) fn set_read_through(&self, position: Position) {
        let (epoch, lsn) = &self.read_through;
        epoch.store(position.epoch.0, Ordering::Relaxed);
        lsn.store(position.lsn.0, Ordering::Relaxed);
    }

    /// Events through here it has from the log, or does not want.
    pub(super) fn events_through(&self) -> EventId {
        let (epoch, lsn, part) = &self.events_through;
        let position =
            Position { epoch: Epoch(epoch.load(Ordering::Relaxed)), lsn: Lsn(lsn.load(Ordering::Relaxed)) };
        EventId { position, part: part.load(Ordering::Relaxed) }
    }

    pub(super) fn set_events_through(&self, id: EventId) {
        let (epoch, lsn, part) = &self.events_through;
        epoch.store(id.position.epoch.0, Ordering::Relaxed);
        lsn.store(id.position.lsn.0, Ordering::Relaxed);
        part.store(id.part, Ordering::Relaxed);
    }

    /// A notification for it, whose shared beginning is `body`.
    pub(super) fn push_of(&self, body: Bytes) -> Push {
        Push::shared(body, Arc::clone(&self.tail))
    }

    /// The notification of a gap.
    pub(super) fn gap_of(&self, gap: Gap) -> Push {
        let mut body = Vec::new();
        write_gap(&mut body, gap);
        self.push_of(body.into())
    }

    /// Counts a volatile message it does not get.
    pub(super) fn drop_one(&self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
    }

    /// What it was not told of yet.
    pub(super) fn take_dropped(&self) -> Option<Gap> {
        let count = self.dropped.swap(0, Ordering::Relaxed);
        (count > 0).then_some(Gap { span: None, count: Some(count) })
    }

    /// Keeps a volatile message that came after `after` until the subscription has read that far; false when there is
    /// no room.
    pub(super) fn hold(&self, after: Lsn, body: &Bytes) -> bool {
        let mut held = self.held();
        if held.messages.len() >= HELD_MESSAGES_MAX || held.bytes + body.len() > HELD_BYTES_MAX {
            return false;
        }
        held.bytes += body.len();
        held.messages.push_back((after, body.clone()));
        true
    }

    /// Takes the held messages that came before the stored message at `position`; all of them when there is none.
    pub(super) fn release_held(&self, before: Option<Position>, mut take: impl FnMut(Push)) {
        let mut held = self.held();
        while let Some((after, _)) = held.messages.front()
            && before.is_none_or(|before| *after < before.lsn)
            && let Some((_, body)) = held.messages.pop_front()
        {
            held.bytes -= body.len();
            take(self.push_of(body));
        }
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().expect("nothing panics while holding the held messages")
    }

    pub(super) fn wants(&self, topic: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(topic))
    }
}
