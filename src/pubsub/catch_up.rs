//! Bringing a subscription up to date: the backlog for one that begins, and for one that fell behind.
//!
//! A task reads the log as the connection drains, a piece at a time on a blocking thread. When it comes to the end
//! it takes the delivery lock, reads the few messages that came meanwhile and makes the subscription live: nothing is
//! delivered in between, so there is neither a gap nor a repeat, however fast others publish.

use std::collections::VecDeque;
use std::sync::Arc;

use mpreg_storage::record::{Lsn, Position};

use super::backlog::{Cursor, From, Step};
use super::hub::{Hub, Live};
use super::subscription::{State, Subscription};
use crate::limits::{BACKLOG_CHUNK_BYTES, BACKLOG_LAST_MESSAGES_MAX, OUTBOX_BYTES_LOW};
use crate::protocol::pubsub::{Gap, NotificationKind, message_id, write_notification};
use crate::session::{Push, Refused};

/// Starts reading again behind `last`.
pub(super) fn resume(hub: &Arc<Hub>, subscription: &Arc<Subscription>, last: Position) {
    begin(hub, subscription, From::After(last));
}

/// Starts reading for a subscription, which is behind.
pub(super) fn begin(hub: &Arc<Hub>, subscription: &Arc<Subscription>, from: From) {
    let (hub, subscription) = (Arc::clone(hub), Arc::clone(subscription));
    let runtime = hub.runtime.clone();
    drop(runtime.spawn(async move {
        let wanted = Arc::clone(&subscription);
        let cursor = hub.backlog.read(from, Box::new(move |topic| wanted.wants(topic)));
        let fresh = subscription.durable.as_ref().is_some_and(|name| hub.backlog.resume(name).is_none());
        CatchUp { hub, subscription, cursor, outgoing: VecDeque::new(), fresh }.run().await;
    }));
}

struct CatchUp {
    hub: Arc<Hub>,
    subscription: Arc<Subscription>,
    cursor: Box<dyn Cursor>,
    /// Made already, to be pushed next.
    outgoing: VecDeque<Push>,
    /// Durable, and no position of it is noted yet.
    fresh: bool,
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
        let read = self.cursor.position();
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
        self.subscription.set_state(State::Live);
        self.hub.counters.caught_up.add(1);
        true
    }

    /// Reads and pushes until the end, or until about `bytes` bytes or `messages` messages, or no room.
    fn read(&mut self, bytes: usize, messages: usize) -> Stopped {
        let (mut pushed_bytes, mut pushed) = (0, 0);
        loop {
            if !self.flush(&mut pushed_bytes) || pushed_bytes >= bytes || pushed >= messages {
                return Stopped::Full;
            }
            match self.next() {
                Next::Some => pushed += 1,
                Next::Pause => {}
                Next::End => return Stopped::End,
            }
        }
    }

    /// Makes what the cursor comes to next.
    fn next(&mut self) -> Next {
        let CatchUp { hub, subscription, cursor, outgoing, .. } = self;
        match cursor.next() {
            Ok(Step::Message { position, message }) => {
                subscription.release_held(Some(position), |push| outgoing.push_back(push));
                outgoing.push_back(subscription.push_of(body(subscription, position, message).into()));
                hub.counters.delivered_backlog.add(1);
                self.note_begin(Position { lsn: position.lsn.prev(), ..position });
                Next::Some
            }
            Ok(Step::Gap { from, to }) => {
                outgoing.push_back(subscription.gap_of(Gap { span: Some((from, to)), count: None }));
                hub.counters.gaps.add(1);
                Next::Some
            }
            Ok(Step::Pause) => Next::Pause,
            Ok(Step::End) => Next::End,
            Err(error) => {
                tracing::error!(%error, "a stored message cannot be read");
                let before = cursor.position();
                cursor.skip();
                let from = Position { lsn: before.lsn.plus(1), ..before };
                let to = if cursor.position() > before {
                    cursor.position()
                } else {
                    // Nothing more can be read: what is published from now on is all there is.
                    let released = hub.backlog.released();
                    *cursor = hub.backlog.read(From::After(released), wants(subscription));
                    released
                };
                outgoing.push_back(subscription.gap_of(Gap { span: Some((from, to)), count: None }));
                hub.counters.gaps.add(1);
                Next::Some
            }
        }
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
}

enum Next {
    Some,
    Pause,
    End,
}

fn wants(subscription: &Arc<Subscription>) -> Box<dyn Fn(&str) -> bool + Send> {
    let subscription = Arc::clone(subscription);
    Box::new(move |topic| subscription.wants(topic))
}

/// The shared beginning of the notification of a stored message.
fn body(subscription: &Subscription, position: Position, message: &[u8]) -> Vec<u8> {
    let kind = if position <= subscription.cut { NotificationKind::Backlog } else { NotificationKind::Live };
    stored_body(kind, position, message)
}

/// The beginning of the notification of a stored message.
pub(super) fn stored_body(kind: NotificationKind, position: Position, message: &[u8]) -> Vec<u8> {
    let id = message_id(message).unwrap_or("\"\"");
    let mut body = Vec::with_capacity(message.len() + id.len() + 128);
    write_notification(&mut body, kind, message, id, Some(position));
    body
}
