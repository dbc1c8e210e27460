//! The middle of pub/sub: messages get their place in one order, and are delivered in that order.
//!
//! ```text
//! publish ── stage: place in the log, and in `waiting`, in one step
//!         ── settle: handed over, durable if strong       (the session does it once for its batch)
//!         ── deliver: whoever comes first delivers for everybody, in order, what is released
//! ```
//!
//! The *delivery lock* guards who is live and how far delivery is. It is only ever tried: a publisher that finds it
//! taken leaves a note, and the holder looks again before it is done. What nobody delivers, because its publisher is
//! gone or its sync late, the courier task does.
//!
//! A volatile message stands in the same queue, so that what one publisher says arrives in the order it was said.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use bytes::Bytes;
use mpreg_storage::record::{EventId, Level, Lsn, Position};
use tokio::runtime::Handle as Runtime;
use tokio::sync::{Notify, Semaphore};

use super::backlog::{Backlog, EventLog, Published, Refused};
use super::catch_up;
use super::counters::Counters;
use super::follow::Following;
use super::group::Group;
use super::index::{Index, Matcher};
use super::rules::Rules;
use super::subscription::{State, Subscription};
use crate::limits::{BACKLOG_HOPS_MAX, DELIVERY_MESSAGES_MAX, DELIVERY_STALL_MS};
use crate::protocol::pubsub::{Level as Asked, NotificationKind, write_notification};
use crate::session::{Outbox, Refused as Unpushed};

/// Everything of pub/sub that connections share.
#[derive(Debug)]
pub(crate) struct Hub {
    pub(super) backlog: Arc<dyn Backlog>,
    /// What happens to the cache, if there is one.
    pub(super) events: Option<Arc<dyn EventLog>>,
    pub(super) following: Following,
    pub(super) rules: Rules,
    pub(super) index: Index<Receiver>,
    waiting: Mutex<Waiting>,
    live: Mutex<Live>,
    /// Somebody wanted to deliver and found the lock taken.
    again: AtomicBool,
    stuck: Notify,
    pub(super) names: Mutex<Names>,
    /// Hops to blocking threads that read the backlog.
    pub(super) readers: Arc<Semaphore>,
    pub(super) runtime: Runtime,
    pub(super) counters: Counters,
    pub(super) clerks: AtomicU64,
}

/// Who receives what matches a pattern. Equal are those that are the same.
#[derive(Debug, Clone)]
pub(super) enum Receiver {
    One(Arc<Subscription>),
    Group(Arc<Group>),
}

impl PartialEq for Receiver {
    fn eq(&self, other: &Receiver) -> bool {
        match (self, other) {
            (Receiver::One(one), Receiver::One(other)) => Arc::ptr_eq(one, other),
            (Receiver::Group(one), Receiver::Group(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// Names that may be used once.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Subscriptions by their ids, quotes included.
    pub(super) ids: HashMap<Box<str>, Arc<Subscription>>,
    /// Durable names that one subscription has to itself.
    pub(super) durables: HashMap<Box<str>, Arc<Subscription>>,
    pub(super) groups: HashMap<Box<str>, Arc<Group>>,
}

/// Messages that have their place and are not delivered yet.
#[derive(Debug)]
struct Waiting {
    queue: VecDeque<Message>,
    /// Number of the next message, stored or not.
    next: u64,
    /// Last position given.
    last: Position,
}

/// A message on its way.
#[derive(Debug)]
struct Message {
    number: u64,
    draft: Draft,
    place: Place,
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the log of messages: it waits until its position is released.
    Stored(Position),
    /// In the log of the cache, where it is settled. It leaves with what stands before it.
    Event(EventId),
    /// Nowhere.
    None,
}

/// A message without a place.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    pub(crate) topic: Box<str>,
    /// The message object.
    pub(crate) message: Bytes,
    /// Its id as a JSON string with its quotes.
    pub(crate) message_id: Box<str>,
}

/// What the delivery lock guards.
#[derive(Debug, Default)]
pub(super) struct Live {
    matcher: Matcher,
    /// Stored messages through here have been delivered.
    pub(super) delivered: Position,
    /// Events through here have been delivered, or need not be.
    pub(super) told: EventId,
    wake: Vec<Outbox>,
}

impl Hub {
    /// A hub over a backlog. Must be called inside a tokio runtime, which will run what is slow to receive.
    pub(crate) fn new(
        backlog: Arc<dyn Backlog>,
        events: Option<Arc<dyn EventLog>>,
        rules: Rules,
    ) -> Arc<Hub> {
        let released = backlog.released();
        Arc::new(Hub {
            backlog,
            events,
            following: Following::default(),
            rules,
            index: Index::new(),
            waiting: Mutex::new(Waiting { queue: VecDeque::new(), next: 1, last: released }),
            live: Mutex::new(Live { delivered: released, ..Live::default() }),
            again: AtomicBool::new(false),
            stuck: Notify::new(),
            names: Mutex::default(),
            readers: Arc::new(Semaphore::new(BACKLOG_HOPS_MAX)),
            runtime: Runtime::current(),
            counters: Counters::default(),
            clerks: AtomicU64::new(1),
        })
    }

    /// The log of published messages.
    pub(crate) fn backlog(&self) -> &dyn Backlog {
        &*self.backlog
    }

    /// Gives a message to be stored its place. [`Hub::deliver`] must follow once it is settled.
    pub(crate) fn stage(&self, draft: Draft, level: Level) -> Result<Position, Refused> {
        let mut position = Position::default();
        let (topic, message) = (draft.topic.clone(), draft.message.clone());
        let mut draft = Some(draft);
        self.backlog.stage(&topic, &message, level, &mut |published: Published| {
            position = published.position;
            if let Some(draft) = draft.take() {
                self.waiting().push(draft, Place::Stored(position));
            }
        })?;
        self.counters.published.add(1);
        self.counters.published_bytes.add(message.len() as u64);
        Ok(position)
    }

    /// Takes a message that is not stored. [`Hub::deliver`] must follow.
    pub(crate) fn stage_volatile(&self, draft: Draft) {
        self.counters.published.add(1);
        self.counters.published_bytes.add(draft.message.len() as u64);
        self.waiting().push(draft, Place::None);
    }

    /// Publishes a message of the server itself, at the level its topic has when nothing is asked for. Does not wait:
    /// a strong one is told when it is durable, and where the disk does not keep up it is told to those who listen
    /// now and not stored.
    pub(crate) fn say(self: &Arc<Self>, draft: Draft) {
        let level = match self.rules.level(&draft.topic, None) {
            Asked::Volatile => None,
            Asked::Eventual => Some(Level::Eventual),
            Asked::Strong => Some(Level::Strong),
        };
        let staged = level.map(|level| self.stage(draft.clone(), level));
        match staged {
            Some(Ok(position)) => {
                if let Err(error) = self.backlog.hand_over(position) {
                    tracing::error!(%error, "a message of the server is not stored");
                }
            }
            Some(Err(refused)) => {
                tracing::warn!(?refused, topic = draft.topic, "a message of the server is not stored");
                self.stage_volatile(draft);
            }
            None => self.stage_volatile(draft),
        }
        self.deliver();
    }

    /// Ids and patterns of the subscriptions there are, at most `limit`; only those that want `topic` if one is given.
    pub(crate) fn subscribed(&self, topic: Option<&str>, limit: usize) -> Vec<(String, Vec<String>)> {
        let names = self.names();
        let wanting = names.ids.values().filter(|known| topic.is_none_or(|topic| known.wants(topic)));
        let shown = wanting.take(limit).map(|known| {
            let patterns = known.patterns.iter().map(|pattern| pattern.as_str().to_owned()).collect();
            (known.name(), patterns)
        });
        shown.collect()
    }

    /// Delivers events, which are in the log of the cache and settled there: those who listen now get them. Each once
    /// and in their order, whoever calls this.
    pub(super) fn publish_events(self: &Arc<Self>, events: impl Iterator<Item = (Draft, EventId)>) {
        let mut waiting = self.waiting();
        let mut count = 0;
        for (event, id) in events {
            waiting.push(event, Place::Event(id));
            count += 1;
        }
        drop(waiting);
        self.counters.published.add(count);
        self.deliver();
    }

    /// Number and position of the last message that was given a place: what comes later is *new*.
    pub(super) fn newest(&self) -> (u64, Position) {
        let waiting = self.waiting();
        (waiting.next, waiting.last)
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("nothing panics while holding the messages that wait")
    }

    pub(super) fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().expect("nothing panics while holding the names")
    }

    /// Subscriptions there are now.
    pub(crate) fn subscriptions(&self) -> usize {
        self.names().ids.len()
    }

    /// What has happened so far.
    pub(crate) fn stats(&self) -> super::Stats {
        self.counters.stats(self.subscriptions())
    }

    /// Delivers everything that is released, in order. If somebody is at it already, that one does it.
    pub(crate) fn deliver(self: &Arc<Self>) {
        // Before the attempt: a holder that clears the note after this sees the message too.
        self.again.store(true, Ordering::SeqCst);
        while self.again.load(Ordering::SeqCst) {
            let mut live = match self.live.try_lock() {
                Ok(live) => live,
                Err(TryLockError::WouldBlock) => return,
                Err(TryLockError::Poisoned(_)) => unreachable!("nothing panics while delivering"),
            };
            self.again.store(false, Ordering::SeqCst);
            self.deliver_released(&mut live);
        }
    }

    /// Runs `work` under the delivery lock, then delivers what came meanwhile.
    pub(super) fn with_live<R>(self: &Arc<Self>, work: impl FnOnce(&mut Live) -> R) -> R {
        let done = work(&mut self.live.lock().expect("nothing panics while delivering"));
        if self.again.load(Ordering::SeqCst) {
            self.deliver();
        }
        done
    }

    fn deliver_released(self: &Arc<Self>, live: &mut Live) {
        let mut batch = Vec::new();
        loop {
            let released = self.backlog.released();
            let left = self.waiting().take_released(released, &mut batch);
            if batch.is_empty() {
                if left {
                    self.stuck.notify_one();
                }
                return;
            }
            batch.drain(..).for_each(|message| self.deliver_one(live, &message));
            live.wake.drain(..).for_each(|outbox| outbox.wake());
        }
    }

    fn deliver_one(self: &Arc<Self>, live: &mut Live, message: &Message) {
        let Live { matcher, delivered, told, wake } = live;
        let mut body = None;
        let mut count = 0;
        if let Place::Event(id) = message.place
            && id <= std::mem::replace(told, id.max(*told))
        {
            return;
        }
        self.index.matches(&message.draft.topic, matcher, |receiver| match receiver {
            Receiver::Group(group) if matches!(message.place, Place::Stored(_)) => group.rings(),
            Receiver::Group(_) => {}
            Receiver::One(subscription) => {
                if !subscription.looks_at(message.number, message.place != Place::None) {
                    return;
                }
                let body = body.get_or_insert_with(|| message.body());
                match self.deliver_to(subscription, message, body, (*delivered, *told)) {
                    Sent::First => wake.push(subscription.outbox.clone()),
                    Sent::Behind => {}
                    Sent::Not => return,
                }
                count += 1;
            }
        });
        self.counters.delivered_live.add(count);
        if let Place::Stored(position) = message.place {
            *delivered = position;
        }
    }

    /// Gives one message to one subscription, as its state allows.
    fn deliver_to(
        self: &Arc<Self>,
        subscription: &Arc<Subscription>,
        message: &Message,
        body: &Bytes,
        (delivered, told): (Position, EventId),
    ) -> Sent {
        let known = match message.place {
            Place::Stored(position) => position <= subscription.read_through(),
            Place::Event(id) => id <= subscription.events_through(),
            Place::None => false,
        };
        if known {
            return Sent::Not;
        }
        match (subscription.state(), message.place) {
            (State::Gone, _) | (State::Behind, Place::Stored(_) | Place::Event(_)) => return Sent::Not,
            (State::Behind, Place::None) => {
                self.hold(subscription, body, delivered);
                return Sent::Not;
            }
            (State::Live, _) => {}
        }
        match subscription.outbox.push_quietly(subscription.push_of(body.clone())) {
            Ok(true) => Sent::First,
            Ok(false) => Sent::Behind,
            Err(Unpushed::Full) => {
                // Everything delivered before was pushed, as far as it was for this subscription, and what it has
                // read may reach further than delivery has come.
                let last = delivered.max(subscription.read_through());
                let event = match message.place {
                    Place::Event(id) => catch_up::before(id),
                    _ => told,
                };
                let event = event.max(subscription.events_through());
                subscription.set_state(State::Behind);
                self.counters.fell_behind.add(1);
                catch_up::resume(self, subscription, last, event);
                if message.place == Place::None {
                    self.hold(subscription, body, delivered);
                }
                Sent::Not
            }
            Err(Unpushed::Closed | Unpushed::TooLarge) => Sent::Not,
        }
    }

    /// Keeps a message that no log keeps until the subscription has read what came before. Where there is no room it
    /// is lost, and the subscription will be told how many there were.
    fn hold(&self, subscription: &Subscription, body: &Bytes, delivered: Position) {
        if !subscription.hold(delivered.lsn, body) {
            subscription.drop_one();
            self.counters.dropped.add(1);
        }
    }

    /// Looks after deliveries that stand still: publishers that went away before they settled, syncs that came late.
    pub(crate) async fn run_courier(self: Arc<Self>) {
        loop {
            self.stuck.notified().await;
            tokio::time::sleep(Duration::from_millis(DELIVERY_STALL_MS)).await;
            self.deliver();
            let Some(position) = self.first_waiting() else { continue };
            if position <= self.backlog.released() {
                continue;
            }
            if let Err(error) = self.backlog.durable(position).await {
                tracing::error!(%error, "messages that are published cannot be delivered");
                return;
            }
            self.deliver();
        }
    }

    fn first_waiting(&self) -> Option<Position> {
        self.waiting().queue.iter().find_map(|message| match message.place {
            Place::Stored(position) => Some(position),
            Place::Event(_) | Place::None => None,
        })
    }
}

/// How a message was given to a subscription.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sent {
    /// It is the first that waits: the session must be woken.
    First,
    /// Others wait before it.
    Behind,
    /// It was not.
    Not,
}

impl Waiting {
    fn push(&mut self, draft: Draft, place: Place) {
        let number = self.next;
        self.next += 1;
        if let Place::Stored(position) = place {
            self.last = position;
        }
        self.queue.push_back(Message { number, draft, place });
    }

    /// Moves what may be told from the front to `batch`. Whether anything is left that waits to be released.
    fn take_released(&mut self, released: Position, batch: &mut Vec<Message>) -> bool {
        while batch.len() < DELIVERY_MESSAGES_MAX
            && let Some(first) = self.queue.front()
            && !matches!(first.place, Place::Stored(position) if position > released)
        {
            batch.extend(self.queue.pop_front());
        }
        !self.queue.is_empty()
    }
}

impl Message {
    fn body(&self) -> Bytes {
        let Draft { message, message_id, .. } = &self.draft;
        let mut body = Vec::with_capacity(message.len() + message_id.len() + 128);
        let offset = match self.place {
            Place::Stored(position) => Some(position.into()),
            Place::Event(id) => Some(id.into()),
            Place::None => None,
        };
        write_notification(&mut body, NotificationKind::Live, message, message_id, offset);
        body.into()
    }
}

impl Live {
    /// The last lsn delivered.
    pub(super) fn delivered_lsn(&self) -> Lsn {
        self.delivered.lsn
    }
}
