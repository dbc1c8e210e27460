//! Several subscriptions that share the messages of one durable name: each message goes to one of them.
//!
//! A task reads the log for all of them and gives each message to the member with the fewest unacknowledged ones. A
//! member acknowledges with `pubsub-commit`: everything it was given up to the message at that offset. What a member had not
//! acknowledged when it left goes to the others. The position noted for the group is the last one before which
//! nothing is unacknowledged, so after a restart everything behind it comes again: at least once.

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use mpreg_storage::record::{Lsn, Position};
use tokio::sync::Notify;

use super::backlog::{Backlog, Cursor, From, Refused, Step};
use super::catch_up::stored_body;
use super::hub::{Hub, Receiver};
use super::pattern::Pattern;
use super::subscription::Subscription;
use crate::limits::{BACKLOG_CHUNK_BYTES, GROUP_RETRY_MS, GROUP_UNACKNOWLEDGED_MAX};
use crate::protocol::pubsub::{Gap, NotificationKind, Offset};
use crate::session::Refused as Unpushed;

/// See the module.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) name: Box<str>,
    pub(super) patterns: Box<[Pattern]>,
    /// Rung when there may be something to do: a message, a member, an acknowledgement.
    bell: Notify,
    members: Mutex<Members>,
}

#[derive(Debug, Default)]
struct Members {
    all: Vec<Member>,
    /// Given to a member that left, to be given to another.
    again: BTreeSet<Position>,
    /// Everything through here was given to somebody.
    read_through: Position,
    /// What is noted in the log.
    noted: Position,
    /// The last member has left: nobody may join any more.
    over: bool,
}

#[derive(Debug)]
struct Member {
    subscription: Arc<Subscription>,
    /// In the order they were given to it: what another one left may come behind what is newer.
    unacknowledged: VecDeque<Position>,
}

impl Group {
    pub(super) fn new(name: &str, patterns: Box<[Pattern]>) -> Arc<Group> {
        Arc::new(Group { name: name.into(), patterns, bell: Notify::new(), members: Mutex::default() })
    }

    /// Starts giving out messages from `from` on.
    pub(super) fn start(self: &Arc<Group>, hub: &Arc<Hub>, from: From) {
        let (group, hub) = (Arc::clone(self), Arc::clone(hub));
        let runtime = hub.runtime.clone();
        drop(runtime.spawn(async move {
            let wanted = Arc::clone(&group);
            let cursor = hub.backlog.read(from, Box::new(move |topic| wanted.wants(topic)));
            Dealer { hub, group, cursor }.run().await;
        }));
    }

    fn members(&self) -> MutexGuard<'_, Members> {
        self.members.lock().expect("nothing panics while holding the members of a group")
    }

    fn wants(&self, topic: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(topic))
    }

    /// A message for the group was delivered, or something else has changed.
    pub(super) fn rings(&self) {
        self.bell.notify_one();
    }

    /// Lets a subscription in; false when the group is over.
    pub(super) fn join(&self, subscription: Arc<Subscription>) -> bool {
        let mut members = self.members();
        if members.over {
            return false;
        }
        members.all.push(Member { subscription, unacknowledged: VecDeque::new() });
        drop(members);
        self.rings();
        true
    }

    /// Takes a member out. Whether it was the last one: the group is over then.
    pub(super) fn leave(&self, subscription: &Arc<Subscription>) -> bool {
        let mut members = self.members();
        if let Some(at) =
            members.all.iter().position(|member| Arc::ptr_eq(&member.subscription, subscription))
        {
            let left = members.all.swap_remove(at).unacknowledged;
            members.again.extend(left);
        }
        members.over = members.all.is_empty();
        let over = members.over;
        drop(members);
        self.rings();
        over
    }

    /// A member has dealt with everything it was given up to the message at `position`. Notes how far the group has come; returns
    /// what makes that safe, if anything was noted.
    pub(super) fn acknowledge(
        &self,
        subscription: &Arc<Subscription>,
        position: Position,
        backlog: &dyn Backlog,
    ) -> Result<Option<Position>, Refused> {
        let mut members = self.members();
        let mut all = members.all.iter_mut();
        if let Some(member) = all.find(|member| Arc::ptr_eq(&member.subscription, subscription)) {
            member.acknowledge(position);
        }
        let reached = members.reached();
        let noted = if reached > members.noted {
            let noted = backlog.stage_commit(&self.name, reached)?;
            members.noted = reached;
            Some(noted)
        } else {
            None
        };
        drop(members);
        self.rings();
        Ok(noted)
    }
}

impl Members {
    /// The last position before which nothing is unacknowledged.
    fn reached(&self) -> Position {
        let open = self.all.iter().flat_map(|member| member.unacknowledged.iter());
        let first = open.chain(self.again.first()).min();
        first.map_or(self.read_through, |first| Position { lsn: first.lsn.prev(), ..*first })
    }

    /// The member that has least to do and may be given more.
    fn least(&mut self) -> Option<&mut Member> {
        let free = self.all.iter_mut().filter(|member| {
            member.unacknowledged.len() < GROUP_UNACKNOWLEDGED_MAX && !member.subscription.outbox.closed()
        });
        free.min_by_key(|member| (member.unacknowledged.len(), member.subscription.outbox.queued_bytes()))
    }
}

impl Member {
    /// It was given this message, and has dealt with it and with what it was given before. A message that is not among
    /// those it holds was acknowledged already, or is not its own.
    fn acknowledge(&mut self, position: Position) {
        if let Some(at) = self.unacknowledged.iter().position(|given| *given == position) {
            self.unacknowledged.drain(..=at);
        }
    }
}

/// The task of a group.
struct Dealer {
    hub: Arc<Hub>,
    group: Arc<Group>,
    cursor: Box<dyn Cursor>,
}

/// Why dealing stopped.
enum Stopped {
    /// Nothing is left, or every member has as much as it may have: somebody will ring.
    Wait,
    /// A member's connection must drain, which nobody rings for.
    Retry,
    /// Others must have a turn.
    Turn,
    Over,
}

impl Dealer {
    async fn run(mut self) {
        let readers = Arc::clone(&self.hub.readers);
        let group = Arc::clone(&self.group);
        loop {
            let permit = Arc::clone(&readers).acquire_owned().await.expect("the semaphore is never closed");
            let dealt = tokio::task::spawn_blocking(move || {
                let stopped = self.deal();
                drop(permit);
                (self, stopped)
            });
            let Ok((again, stopped)) = dealt.await else { return };
            self = again;
            match stopped {
                Stopped::Over => return,
                Stopped::Turn => {}
                Stopped::Wait => group.bell.notified().await,
                Stopped::Retry => {
                    let pause = Duration::from_millis(GROUP_RETRY_MS);
                    let _ = tokio::time::timeout(pause, group.bell.notified()).await;
                }
            }
        }
    }

    /// Gives out messages, each to one member. Blocks.
    fn deal(&mut self) -> Stopped {
        let mut bytes = 0;
        let group = Arc::clone(&self.group);
        while bytes < BACKLOG_CHUNK_BYTES {
            let mut members = group.members();
            if members.over {
                return Stopped::Over;
            }
            let Some(again) = members.again.first().copied() else {
                match self.deal_next(&mut members, &mut bytes) {
                    None => continue,
                    Some(stopped) => return stopped,
                }
            };
            let before = Position { lsn: again.lsn.prev(), ..again };
            let wanted = Arc::clone(&self.group);
            let from = From::After(before);
            let mut cursor = self.hub.backlog.read(from, Box::new(move |topic| wanted.wants(topic)));
            let dealt = deal_one(&self.hub, &mut members, &mut *cursor, &mut bytes, Some(again));
            if let Some(stopped) = dealt {
                return stopped;
            }
            members.again.remove(&again);
        }
        Stopped::Turn
    }

    fn deal_next(&mut self, members: &mut Members, bytes: &mut usize) -> Option<Stopped> {
        let stopped = deal_one(&self.hub, members, &mut *self.cursor, bytes, None);
        if matches!(stopped, Some(Stopped::Retry)) {
            // The message was read and not given: read it again.
            let wanted = Arc::clone(&self.group);
            let from = From::After(members.read_through);
            self.cursor = self.hub.backlog.read(from, Box::new(move |topic| wanted.wants(topic)));
        }
        stopped
    }
}

/// Gives out the next message of a cursor; only the one at `only`, if that is told. `None`: go on.
fn deal_one(
    hub: &Hub,
    members: &mut Members,
    cursor: &mut dyn Cursor,
    bytes: &mut usize,
    only: Option<Position>,
) -> Option<Stopped> {
    let Some(member) = members.least() else { return Some(Stopped::Wait) };
    let at = |offset| match offset {
        Offset::Message(position) => position,
        Offset::Event(_) => Position::default(),
    };
    let (push, given) = match cursor.next() {
        Ok(Step::Pause) => return None,
        Ok(Step::End) => return Some(Stopped::Wait).filter(|_| only.is_none()),
        Ok(Step::Message { offset, .. }) if only.is_some_and(|only| only != at(offset)) => {
            // It is kept no longer.
            let span = only.map(|only| (only.into(), only.into()));
            (member.subscription.gap_of(Gap { span, count: Some(1) }), None)
        }
        Ok(Step::Message { offset, message, .. }) => {
            let position = at(offset);
            let kind = if position <= member.subscription.cut {
                NotificationKind::Backlog
            } else {
                NotificationKind::Live
            };
            let body = stored_body(kind, offset, message);
            (member.subscription.push_of(body.into()), Some(position))
        }
        Ok(Step::Gap { from, to }) => {
            hub.counters.gaps.add(1);
            (member.subscription.gap_of(Gap { span: Some((from, to)), count: None }), None)
        }
        Err(error) => {
            tracing::error!(%error, "a stored message cannot be read");
            cursor.skip();
            let at = cursor.position();
            hub.counters.gaps.add(1);
            (member.subscription.gap_of(Gap { span: Some((at, at)), count: None }), None)
        }
    };
    *bytes += push.bytes();
    match member.subscription.outbox.push(push) {
        // A member that has ended leaves soon; what it is given now goes to the others then.
        Ok(()) | Err(Unpushed::Closed | Unpushed::TooLarge) => {}
        Err(Unpushed::Full) => return Some(Stopped::Retry),
    }
    if let Some(position) = given {
        member.unacknowledged.push_back(position);
        members.read_through = members.read_through.max(position);
        hub.counters.delivered_backlog.add(1);
    }
    None
}

/// Adds the group to the index, or takes it out.
pub(super) fn index(hub: &Hub, group: &Arc<Group>, present: bool) {
    for pattern in &group.patterns {
        let receiver = Receiver::Group(Arc::clone(group));
        if present {
            hub.index.insert(pattern, receiver);
        } else {
            hub.index.remove(pattern, &receiver);
        }
    }
}

/// Nothing was read yet: the group begins behind `position`.
pub(super) fn set_begin(group: &Group, position: Position) {
    let mut members = group.members();
    members.read_through = position;
    if position.lsn > Lsn::ZERO {
        members.noted = position;
    }
}
