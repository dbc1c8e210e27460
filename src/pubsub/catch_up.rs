//! Bringing a subscription up to date: the backlog for one that begins, and for one that fell behind.
//!
//! A task reads the log as the connection drains, a piece at a time on a blocking thread. When it comes to the end
//! it takes the delivery lock, reads the few messages that came meanwhile and makes the subscription live: nothing is
//! delivered in between, so there is neither a gap nor a repeat, however fast others publish.

use std::collections::VecDeque;
use std::sync::Arc;

use mpreg_storage::record::{EventId, Lsn, Position};
use mpreg_storage::store::EventsFrom;

use super::backlog::From;
use super::clerk::events_name;
use super::hub::{Hub, Live};
use super::reading::{Begin, Next as Read, Reading};
use super::subscription::{State, Subscription};
use crate::limits::{BACKLOG_CHUNK_BYTES, BACKLOG_LAST_MESSAGES_MAX, OUTBOX_BYTES_LOW};
use crate::protocol::pubsub::{Gap, NotificationKind, Offset, message_id, write_notification};
use crate::session::{Push, Refused};

/// Starts reading again behind what a subscription has of both logs.
pub(super) fn resume(hub: &Arc<Hub>, subscription: &Arc<Subscription>, last: Position, event: EventId) {
    let begin_at = Begin { messages: From::After(last), events: EventsFrom::After(event), plain: false };
    begin(hub, subscription, begin_at);
}

/// Starts reading for a subscription, which is behind.
pub(super) fn begin(hub: &Arc<Hub>, subscription: &Arc<Subscription>, from: Begin) {
    let (hub, subscription) = (Arc::clone(hub), Arc::clone(subscription));
    let runtime = hub.runtime.clone();
    drop(runtime.spawn(async move {
        let reading = Reading::new(&hub.backlog, hub.events.as_ref(), &subscription, from);
        let unknown = |name: &str| hub.backlog.resume(name).is_none();
        let durable = subscription.durable.as_deref();
        let fresh = durable.is_some_and(unknown);
        let fresh_events = subscription.events && durable.is_some_and(|name| unknown(&events_name(name)));
        CatchUp { hub, subscription, reading, outgoing: VecDeque::new(), fresh, fresh_events }.run().await;
    }));
}

struct CatchUp {
    hub: Arc<Hub>,
    subscription: Arc<Subscription>,
    reading: Reading,
    /// Made already, to be pushed next.
    outgoing: VecDeque<Push>,
    /// Durable, and no position of it is noted yet.
    fresh: bool,
    /// The same of its position among events.
    fresh_events: bool,
}

/// Why reading stopped.
#[derive(Debug, PartialEq, Eq)]
enum Stopped {
    /// The connection must drain first, or others must have a turn.
    Full,
    /// Everything that may be told was read.
    End,
}

impl CatchUp {
    async fn run(mut self) {
        let readers = Arc::clone(&self.hub.readers);
        loop {
            self.subscription.outbox.room(OUTBOX_BYTES_LOW).await;
            if self.subscription.state() == State::Gone || self.subscription.outbox.closed() {
                return;
            }
            let permit = Arc::clone(&readers).acquire_owned().await.expect("the semaphore is never closed");
            let read = tokio::task::spawn_blocking(move || {
                let (live, permit) = (self.read_on(), permit);
                drop(permit);
                (self, live)
            });
            match read.await {
                Ok((again, false)) => self = again,
                // Live or gone; or the runtime ends.
                Ok((_, true)) | Err(_) => return,
            }
        }
    }

    /// Reads a piece; at the end makes the subscription live. Blocks. Whether that was all.
    fn read_on(&mut self) -> bool {
        match self.read(BACKLOG_CHUNK_BYTES, usize::MAX) {
            Stopped::Full => false,
            Stopped::End => {
                let hub = Arc::clone(&self.hub);
                hub.with_live(|live| self.go_live(live))
            }
        }
    }

    /// Reads what came since, and lets deliveries in if that was little. Under the delivery lock.
    fn go_live(&mut self, live: &mut Live) -> bool {
        if self.subscription.state() == State::Gone {
            return true;
        }
        if self.read(BACKLOG_CHUNK_BYTES, BACKLOG_LAST_MESSAGES_MAX) == Stopped::Full {
            return false;
        }
        let (read, events) = (self.reading.messages_through(), self.reading.events_through());
        debug_assert!(read.lsn >= live.delivered_lsn(), "the cursor reads all that is released");
        let CatchUp { subscription, outgoing, .. } = self;
        subscription.release_held(None, |push| outgoing.push_back(push));
        if let Some(gap) = subscription.take_dropped() {
            outgoing.push_back(subscription.gap_of(gap));
            self.hub.counters.gaps.add(1);
        }
        if !self.flush(&mut 0) {
            return false;
        }
        self.note_begin(read);
        self.subscription.set_read_through(read);
        if let Some(events) = events {
            self.note_events_begin(events);
            self.subscription.set_events_through(events);
        }
        self.subscription.set_state(State::Live);
        self.hub.counters.caught_up.add(1);
        true
    }

    /// Reads and pushes until the end, or until about `bytes` bytes or `messages` messages, or no room.
    fn read(&mut self, bytes: usize, messages: usize) -> Stopped {
        let (mut pushed_bytes, mut pushed, mut pauses) = (0, 0, 0);
        loop {
            let much = pushed_bytes >= bytes || pushed >= messages || pauses >= messages;
            if !self.flush(&mut pushed_bytes) || much {
                return Stopped::Full;
            }
            match self.next() {
                Next::Some => pushed += 1,
                Next::Pause => pauses += 1,
                Next::End => return Stopped::End,
            }
        }
    }

    /// Makes what the cursor comes to next.
    fn next(&mut self) -> Next {
        let CatchUp { hub, subscription, reading, outgoing, .. } = self;
        let offset = match reading.next() {
            Read::Message { offset, message } => {
                if let Offset::Message(position) = offset {
                    subscription.release_held(Some(position), |push| outgoing.push_back(push));
                }
                outgoing.push_back(subscription.push_of(body(subscription, offset, message).into()));
                hub.counters.delivered_backlog.add(1);
                offset
            }
            Read::Gap { from, to } => {
                outgoing.push_back(subscription.gap_of(Gap { span: Some((from, to)), count: None }));
                hub.counters.gaps.add(1);
                return Next::Some;
            }
            Read::Pause => return Next::Pause,
            Read::End => return Next::End,
        };
        match offset {
            Offset::Message(position) => {
                self.note_begin(Position { lsn: position.lsn.prev(), ..position });
            }
            Offset::Event(id) => self.note_events_begin(before(id)),
        }
        Next::Some
    }

    /// Pushes what is made; false when there is no room for all of it.
    fn flush(&mut self, bytes: &mut usize) -> bool {
        while let Some(push) = self.outgoing.pop_front() {
            match self.subscription.outbox.push(push.clone()) {
                Err(Refused::Full) => {
                    self.outgoing.push_front(push);
                    return false;
                }
                // A closed outbox ends the task when it looks next.
                _ => *bytes += push.bytes(),
            }
        }
        true
    }

    /// A durable subscription whose position is not known yet begins behind `position`: what comes from here on is
    /// kept for it, even if it goes before it acknowledges anything.
    fn note_begin(&mut self, position: Position) {
        if std::mem::take(&mut self.fresh)
            && position.lsn > Lsn::ZERO
            && let Some(name) = &self.subscription.durable
            && let Err(refused) = self.hub.backlog.stage_commit(name, position)
        {
            tracing::warn!(?refused, name, "the begin of a durable subscription is not noted");
        }
    }

    /// The same for its place among the events.
    fn note_events_begin(&mut self, id: EventId) {
        if std::mem::take(&mut self.fresh_events)
            && let Some(name) = &self.subscription.durable
            && let Err(refused) = self.hub.stage_events_commit(name, id)
        {
            tracing::warn!(?refused, name, "the begin of a durable subscription is not noted");
        }
    }
}

/// The last event that may have been before this one.
pub(super) fn before(id: EventId) -> EventId {
    match id.part.checked_sub(1) {
        Some(part) => EventId { part, ..id },
        None => EventId::last_of(Position { lsn: id.position.lsn.prev(), ..id.position }),
    }
}

enum Next {
    Some,
    Pause,
    End,
}

/// The shared beginning of the notification of a stored message.
fn body(subscription: &Subscription, offset: Offset, message: &[u8]) -> Vec<u8> {
    let old = match offset {
        Offset::Message(position) => position <= subscription.cut,
        Offset::Event(id) => id <= subscription.events_cut,
    };
    stored_body(if old { NotificationKind::Backlog } else { NotificationKind::Live }, offset, message)
}

/// The beginning of the notification of a stored message.
pub(super) fn stored_body(kind: NotificationKind, offset: Offset, message: &[u8]) -> Vec<u8> {
    let id = message_id(message).unwrap_or("\"\"");
    let mut body = Vec::with_capacity(message.len() + id.len() + 128);
    write_notification(&mut body, kind, message, id, Some(offset));
    body
}
