//! One connection at the hub: its subscriptions, and the answers to its pub/sub requests.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use mpreg_storage::record::{EventId, Level, Position};
use mpreg_storage::store::EventsFrom;

use super::backlog::{From, Refused};
use super::catch_up;
use super::group::{self, Group};
use super::hub::{Draft, Hub, Names, Receiver};
use super::pattern::Pattern;
use super::reading::Begin;
use super::subscription::{Beginning, State, Subscription};
use crate::limits::SUBSCRIPTIONS_MAX;
use crate::protocol::OperationIds;
use crate::protocol::pubsub::{
    Ack, Command, Commit, Gap, Level as Asked, Offset, Publish, Request, Start, Subscribe, message_id,
    write_ack, write_refusal,
};
use crate::session::{Reply, Step};

/// What the topics of events begin with.
const EVENT_TOPICS: &[&str] = &["cache", "events"];
/// What the names begin with under which places among the events are noted.
const EVENTS_PREFIX: char = '\u{1}';

/// One connection's state. Dropping it ends its subscriptions.
#[derive(Debug)]
pub(crate) struct Clerk {
    hub: Arc<Hub>,
    number: u64,
    mine: HashMap<Box<str>, Arc<Subscription>>,
    /// Something was published and may have to be delivered when it is settled.
    undelivered: bool,
}

impl Clerk {
    pub(crate) fn new(hub: &Arc<Hub>) -> Clerk {
        // Relaxed: only the numbers must differ.
        let number = hub.clerks.fetch_add(1, Ordering::Relaxed);
        Clerk { hub: Arc::clone(hub), number, mine: HashMap::new(), undelivered: false }
    }

    /// Answers one request. `now_us` is the time of its batch.
    pub(crate) fn answer(
        &mut self,
        request: &Request<'_>,
        now_us: u64,
        ids: &mut OperationIds,
        reply: &mut Reply<'_>,
    ) -> Step {
        let answered = match &request.command {
            Command::Publish(publish) => self.publish(publish, now_us, ids, reply),
            Command::Subscribe(subscribe) => self.subscribe(subscribe, reply),
            Command::Unsubscribe(id) => self.unsubscribe(id),
            Command::Commit(commit) => self.commit(commit, reply),
        };
        match answered {
            Ok(ack) => write_ack(reply.out, request.u, ack),
            Err(Refused::Busy) => return Step::Busy,
            Err(Refused::For(error)) => write_refusal(reply.out, request.u, &error),
        }
        Step::Done
    }

    /// The batch is settled, or it is known that it is not: what may be told of what was published in it is told.
    pub(crate) fn settled(&mut self) {
        if std::mem::take(&mut self.undelivered) {
            self.hub.deliver();
        }
    }

    fn publish(
        &mut self,
        publish: &Publish<'_>,
        now_us: u64,
        ids: &mut OperationIds,
        reply: &mut Reply<'_>,
    ) -> Result<Ack, Refused> {
        let message = &publish.message;
        let mut text = Vec::with_capacity(message.bytes_hint());
        message.write_into(now_us, ids, &mut text);
        let message_id = message_id(&text).unwrap_or("\"\"").into();
        let draft = Draft { topic: message.topic.as_ref().into(), message: Bytes::from(text), message_id };
        let level = self.hub.rules.level(&message.topic, publish.level);
        self.undelivered = true;
        let (offset, strong) = match level {
            Asked::Volatile => {
                self.hub.stage_volatile(draft);
                return Ok(Ack { durability: Some(level), ..Ack::default() });
            }
            Asked::Eventual => (self.hub.stage(draft, Level::Eventual)?, false),
            Asked::Strong => (self.hub.stage(draft, Level::Strong)?, true),
        };
        reply.seen.topics.saw(offset, strong);
        Ok(Ack { offset: Some(offset.into()), durability: Some(level), ..Ack::default() })
    }

    fn subscribe(&mut self, subscribe: &Subscribe<'_>, reply: &mut Reply<'_>) -> Result<Ack, Refused> {
        let patterns: Result<Vec<Pattern>, _> =
            subscribe.patterns.iter().map(|pattern| Pattern::new(&pattern.text, pattern.exact)).collect();
        let patterns = patterns.map_err(|error| Refused::For(error.to_string()))?;
        if self.mine.len() >= SUBSCRIPTIONS_MAX && !self.mine.contains_key(subscribe.id) {
            return Err(Refused::For(format!(
                "{SUBSCRIPTIONS_MAX} subscriptions, the limit of a connection"
            )));
        }
        let hub = Arc::clone(&self.hub);
        let mut names = hub.names();
        self.check_names(&names, subscribe, &patterns)?;
        if let Some(old) = self.mine.remove(subscribe.id) {
            end(&hub, &mut names, &old);
        }
        let (subscription, from) = hub.with_live(|live| {
            let (subscription, from) = self.make(subscribe, patterns, reply);
            if subscription.events {
                hub.listen(live);
            }
            if !subscribe.shared {
                for pattern in &subscription.patterns {
                    hub.index.insert(pattern, Receiver::One(Arc::clone(&subscription)));
                }
            }
            (subscription, from)
        });
        names.ids.insert(subscribe.id.into(), Arc::clone(&subscription));
        self.mine.insert(subscribe.id.into(), Arc::clone(&subscription));
        // Who asks in the plain way is answered in the plain way.
        let extended = subscribe.start.is_some() || subscribe.durable.is_some();
        let offset = extended.then_some(Offset::Message(subscription.cut));
        let event_offset = (extended && subscription.events).then_some(subscription.events_cut);
        let ack = Ack { offset, event_offset, durability: None };
        if let Some(name) = &subscription.durable {
            if subscribe.shared {
                join(&hub, &mut names, name, &subscription, from.map(|from| from.messages));
                return Ok(ack);
            }
            names.durables.insert(name.clone(), Arc::clone(&subscription));
        }
        match from {
            Some(from) => catch_up::begin(&hub, &subscription, from),
            None => note_begin(&hub, &subscription),
        }
        Ok(ack)
    }

    /// Ids and durable names belong to one subscription; a shared name to those who ask for it in the same way.
    fn check_names(
        &self,
        names: &Names,
        subscribe: &Subscribe<'_>,
        patterns: &[Pattern],
    ) -> Result<(), Refused> {
        let foreign = names.ids.get(subscribe.id).is_some_and(|known| known.owner != self.number);
        if foreign {
            return Err(Refused::For("subscription_id in use".to_owned()));
        }
        let Some(name) = subscribe.durable.as_deref() else { return Ok(()) };
        if name.starts_with(EVENTS_PREFIX) {
            return Err(Refused::For("a durable name may not begin with U+0001".to_owned()));
        }
        let same = |known: &Arc<Subscription>| *known.id == *subscribe.id && known.owner == self.number;
        let taken = names.durables.get(name).is_some_and(|known| !same(known));
        let shared = names.groups.get(name);
        let error = match shared {
            _ if taken => "durable name in use",
            Some(_) if !subscribe.shared => "durable name is shared",
            Some(group) if *group.patterns != *patterns => {
                "a shared durable name has the same patterns everywhere"
            }
            _ => return Ok(()),
        };
        Err(Refused::For(error.to_owned()))
    }

    /// Makes the subscription, and says where in the log it begins to read; `None`: it is live at once. Under the
    /// delivery lock.
    fn make(
        &self,
        subscribe: &Subscribe<'_>,
        patterns: Vec<Pattern>,
        reply: &Reply<'_>,
    ) -> (Arc<Subscription>, Option<Begin>) {
        let durable = subscribe.durable.as_deref();
        // Both cuts under the one lock: what comes later in either log is delivered behind both.
        let (since, cut) = self.hub.newest();
        let events_cut = self.hub.events.as_ref().map_or(EventId::default(), |events| events.newest());
        let new = Begin { messages: From::After(cut), events: EventsFrom::After(events_cut), plain: false };
        let reached = durable.and_then(|name| self.hub.backlog.resume(name));
        let reached_events = durable.and_then(|name| self.hub.resume_events(name));
        let ahead = reached.is_none() && reached_events.is_none() && starts_ahead(subscribe, cut, events_cut);
        let begin = self.begin_of(subscribe, new).map(|begin| if ahead { ALL } else { begin });
        let from = match (reached, reached_events) {
            (None, None) => begin,
            // Under a name that is known, what was never noted begins as it would without one.
            _ => Some(Begin {
                messages: reached.map_or(begin.unwrap_or(new).messages, From::After),
                events: reached_events.map_or(begin.unwrap_or(new).events, EventsFrom::After),
                plain: false,
            }),
        };
        let state = if from.is_some() { State::Behind } else { State::Live };
        // Those who share a name share published messages only.
        let events = !subscribe.shared && patterns.iter().any(|pattern| pattern.reaches_below(EVENT_TOPICS));
        let beginning = Beginning { since, cut, events_cut, events, state };
        let outbox = reply.outbox.clone();
        let made = Subscription::new(subscribe.id, patterns, outbox, self.number, durable, &beginning);
        if ahead {
            // The outbox takes it: it is small, and a closed one needs none.
            let _ = made.outbox.push(made.gap_of(Gap::default()));
            self.hub.counters.gaps.add(1);
        }
        (Arc::new(made), from)
    }

    /// Where a subscription begins by what it asks for; `None`: with what is new.
    fn begin_of(&self, subscribe: &Subscribe<'_>, new: Begin) -> Option<Begin> {
        let since = |time_us, plain| {
            let (messages, events) = (From::Since(time_us), EventsFrom::Since(time_us));
            Some(Begin { messages, events, plain })
        };
        match subscribe.start {
            Some(Start::Latest) => None,
            Some(Start::Earliest) => Some(ALL),
            Some(Start::After(Offset::Message(position))) => {
                Some(Begin { messages: From::After(position), ..new })
            }
            Some(Start::After(Offset::Event(id))) => Some(Begin { events: EventsFrom::After(id), ..new }),
            Some(Start::AfterBoth(position, id)) => {
                Some(Begin { messages: From::After(position), events: EventsFrom::After(id), ..new })
            }
            Some(Start::Since(time_us)) => since(time_us, false),
            None if subscribe.backlog_us == 0 => None,
            None => since(self.hub.backlog.now_us().saturating_sub(subscribe.backlog_us), true),
        }
    }

    fn unsubscribe(&mut self, id: &str) -> Result<Ack, Refused> {
        let mut names = self.hub.names();
        let Some(subscription) = self.mine.remove(id) else {
            let foreign = names.ids.contains_key(id);
            let error = if foreign { "subscription of another connection" } else { "unknown subscription" };
            return Err(Refused::For(error.to_owned()));
        };
        end(&self.hub, &mut names, &subscription);
        Ok(Ack::default())
    }

    fn commit(&mut self, commit: &Commit<'_>, reply: &mut Reply<'_>) -> Result<Ack, Refused> {
        let refuse = |error: &str| Err(Refused::For(error.to_owned()));
        let Some(subscription) = self.mine.get(commit.subscription_id) else {
            return refuse("unknown subscription");
        };
        let Some(name) = &subscription.durable else { return refuse("the subscription is not durable") };
        let position = match commit.offset {
            Offset::Message(position) => position,
            Offset::Event(id) => {
                let newest = self.hub.events.as_ref().map_or(EventId::default(), |events| events.newest());
                if id > newest {
                    return refuse("no event has this offset yet");
                }
                let noted = self.hub.stage_events_commit(name, id)?;
                reply.seen.topics.saw(noted, self.hub.rules.strong());
                self.hub.counters.commits.add(1);
                return Ok(Ack { offset: Some(commit.offset), ..Ack::default() });
            }
        };
        if position > self.hub.newest().1 {
            return refuse("no message has this offset yet");
        }
        let group = self.hub.names().groups.get(name).map(Arc::clone);
        let noted = match group {
            Some(group) => group.acknowledge(subscription, position, &*self.hub.backlog)?,
            None => Some(self.hub.backlog.stage_commit(name, position)?),
        };
        if let Some(noted) = noted {
            reply.seen.topics.saw(noted, self.hub.rules.strong());
        }
        self.hub.counters.commits.add(1);
        Ok(Ack { offset: Some(commit.offset), ..Ack::default() })
    }
}

impl Drop for Clerk {
    fn drop(&mut self) {
        // What it staged and never settled must not stand in the way of what others publish.
        self.settled();
        if self.mine.is_empty() {
            return;
        }
        let mut names = self.hub.names();
        for (_, subscription) in self.mine.drain() {
            end(&self.hub, &mut names, &subscription);
        }
    }
}

/// Everything that is kept.
const ALL: Begin = Begin { messages: From::Earliest, events: EventsFrom::Earliest, plain: false };

/// Whether a subscription wants to go on behind an offset that was never given here: it comes from another node, or from
/// data that are gone. All that is kept is news to it, and it is told that there is a gap.
fn starts_ahead(subscribe: &Subscribe<'_>, newest: Position, newest_event: EventId) -> bool {
    match subscribe.start {
        Some(Start::After(Offset::Message(position))) => position > newest,
        Some(Start::After(Offset::Event(id))) => id > newest_event,
        Some(Start::AfterBoth(position, id)) => position > newest || id > newest_event,
        _ => false,
    }
}

/// Ends a subscription: nothing is delivered to it any more. What waits in its outbox still leaves.
fn end(hub: &Arc<Hub>, names: &mut Names, subscription: &Arc<Subscription>) {
    hub.with_live(|_| subscription.set_state(State::Gone));
    if subscription.events {
        hub.unlisten();
    }
    names.ids.remove(&subscription.id);
    let receiver = Receiver::One(Arc::clone(subscription));
    let name = subscription.durable.as_deref().unwrap_or_default();
    if let Some(group) = names.groups.get(name).cloned() {
        if group.leave(subscription) {
            names.groups.remove(name);
            group::index(hub, &group, false);
        }
        return;
    }
    names.durables.remove(name);
    for pattern in &subscription.patterns {
        hub.index.remove(pattern, &receiver);
    }
}

/// Lets a subscription into the group of its durable name, which begins with its first member.
fn join(hub: &Arc<Hub>, names: &mut Names, name: &str, subscription: &Arc<Subscription>, from: Option<From>) {
    if let Some(group) = names.groups.get(name)
        && group.join(Arc::clone(subscription))
    {
        return;
    }
    let group = Group::new(name, subscription.patterns.clone());
    let from = from.unwrap_or(From::After(subscription.cut));
    match from {
        From::After(position) => {
            note(hub, name, position);
            group::set_begin(&group, position);
        }
        From::Earliest | From::Since(_) => {}
    }
    group::index(hub, &group, true);
    group.join(Arc::clone(subscription));
    group.start(hub, from);
    names.groups.insert(name.into(), group);
}

/// A durable subscription that begins with what is published from now on has come to here: what it does not get
/// because it goes away waits for it.
fn note_begin(hub: &Hub, subscription: &Subscription) {
    if let Some(name) = &subscription.durable {
        note(hub, name, subscription.cut);
        if subscription.events
            && hub.resume_events(name).is_none()
            && let Err(refused) = hub.stage_events_commit(name, subscription.events_cut)
        {
            tracing::warn!(?refused, name, "the begin of a durable subscription is not noted");
        }
    }
}

/// Under which the place of a durable subscription among the events is noted.
pub(super) fn events_name(name: &str) -> String {
    format!("{EVENTS_PREFIX}{name}")
}

fn note(hub: &Hub, name: &str, position: Position) {
    if hub.backlog.resume(name).is_none()
        && let Err(refused) = hub.backlog.stage_commit(name, position)
    {
        tracing::warn!(?refused, name, "the begin of a durable subscription is not noted");
    }
}
