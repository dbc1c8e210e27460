//! Telling the events of the cache to those who listen, while there is anybody.
//!
//! A task follows the log of the cache. What it reads is durable, so it is told at once: through the hub, in the order
//! of the log. It begins when the first subscription comes whose patterns reach events, behind what is durable then:
//! what lies before is that subscription's backlog, or nothing it wants. Without a subscription nothing is read.
//!
//! What a writer of the cache wants published on a topic of its own is published by the same task. How far that has
//! come is noted in the log of messages beside them, so that a node that dies goes on there: nothing is left out, and
//! a message that comes twice has the same id.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard};

use mpreg_storage::record::{EventId, Level, Lsn, Position};
use mpreg_storage::store::EventsFrom;
use tokio::sync::Notify;

use super::backlog::{EventLog, Follow, Followed, Refused, Told};
use super::clerk::events_name;
use super::hub::{Draft, Hub, Live};
use super::index::Matcher;
use crate::limits::{BACKLOG_CHUNK_BYTES, FOLLOW_RETRY_MS};
use crate::protocol::pubsub::Level as Asked;

/// Under which the place of what writers want published is noted. No client may use it: it has no `durable` as short.
const ANNOUNCED: &str = "";

/// Who wants events told.
#[derive(Debug, Default)]
pub(crate) struct Following {
    state: Mutex<State>,
    bell: Notify,
    /// Writers have something published: set once.
    announces: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    listeners: usize,
    /// Where the task is to begin anew.
    begin: Option<EventId>,
}

impl Following {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("nothing panics while holding who listens")
    }

    fn begin_at(&self, id: EventId) {
        let mut state = self.state();
        state.listeners += 1;
        if state.listeners == 1 {
            state.begin = Some(id);
            self.bell.notify_one();
        }
    }
}

impl Hub {
    /// A subscription to events begins. Under the delivery lock.
    pub(super) fn listen(&self, live: &mut Live) {
        let Some(events) = &self.events else { return };
        let durable = events.durable();
        let idle = self.following.state().listeners == 0;
        if idle {
            live.told = live.told.max(durable);
        }
        self.following.begin_at(durable);
    }

    /// One has ended.
    pub(super) fn unlisten(&self) {
        let mut state = self.following.state();
        state.listeners = state.listeners.saturating_sub(1);
    }

    /// A writer of the cache wants something published: from now on that is looked for. Must come before the write.
    /// Cost: one load, but for the first time.
    pub(crate) fn announces(self: &Arc<Self>) {
        if self.following.announces.load(Ordering::Acquire) {
            return;
        }
        let Some(events) = &self.events else { return };
        let from = events.durable();
        self.with_live(|live| {
            // Another may have been first meanwhile.
            if !self.following.announces.swap(true, Ordering::AcqRel) {
                self.listen(live);
            }
        });
        if let Err(refused) = self.stage_events_commit(ANNOUNCED, from) {
            tracing::warn!(?refused, "where announcements begin is not noted");
        }
    }

    /// Notes how far a durable subscription has come among the events.
    pub(super) fn stage_events_commit(&self, name: &str, id: EventId) -> Result<Position, Refused> {
        self.backlog.stage_commit(&events_name(name), packed(id))
    }

    /// How far it has come.
    pub(super) fn resume_events(&self, name: &str) -> Option<EventId> {
        self.backlog.resume(&events_name(name)).map(unpacked)
    }

    /// The task.
    pub(crate) async fn run_follower(self: Arc<Self>) {
        let Some(events) = self.events.clone() else { return };
        if let Some(reached) = self.resume_events(ANNOUNCED) {
            self.following.announces.store(true, Ordering::Release);
            // Nobody listens yet, so what is told of that time reaches nobody.
            self.following.begin_at(reached);
        }
        loop {
            let begin = self.following.state().begin.take();
            let Some(begin) = begin else {
                self.following.bell.notified().await;
                continue;
            };
            match events.follow(EventsFrom::After(begin)) {
                Ok(follow) => Follower { hub: Arc::clone(&self), follow }.run(&*events).await,
                Err(error) => tracing::error!(%error, "events of the cache cannot be followed"),
            }
        }
    }
}

struct Follower {
    hub: Arc<Hub>,
    follow: Box<dyn Follow>,
}

/// What was read in one piece.
struct Piece {
    told: Vec<Told>,
    end: bool,
}

impl Follower {
    /// Tells events until nobody wants any, or they are to be told from another place.
    async fn run(mut self, events: &dyn EventLog) {
        loop {
            {
                let state = self.hub.following.state();
                if state.listeners == 0 || state.begin.is_some() {
                    return;
                }
            }
            let reading = tokio::task::spawn_blocking(move || {
                let piece = self.read();
                (self, piece)
            });
            let Ok((again, piece)) = reading.await else { return };
            self = again;
            let end = match piece {
                Ok(piece) => {
                    tell(&self.hub, piece.told).await;
                    piece.end
                }
                Err(error) => {
                    tracing::error!(%error, "an event of the cache cannot be read; what follows it is told");
                    match events.follow(EventsFrom::After(events.durable())) {
                        Ok(follow) => self.follow = follow,
                        Err(_) => return,
                    }
                    true
                }
            };
            if end && let Err(error) = events.grown(self.follow.position()).await {
                tracing::error!(%error, "events of the cache end");
                return;
            }
        }
    }

    fn read(&mut self) -> Result<Piece, String> {
        let Follower { hub, follow } = self;
        let announced = hub.following.announces.load(Ordering::Acquire);
        let mut matcher = Matcher::default();
        let mut wanted = |topic: &str| {
            let mut any = false;
            hub.index.matches(topic, &mut matcher, |_| any = true);
            any
        };
        let (mut told, mut bytes) = (Vec::new(), 0);
        while bytes < BACKLOG_CHUNK_BYTES {
            let before = told.len();
            match follow.step(&mut wanted, announced, &mut told)? {
                Followed::End => return Ok(Piece { told, end: true }),
                Followed::Gap { from, to } => {
                    tracing::error!(%from, %to, "events of the cache were gone before they were told");
                }
                Followed::Read => {}
            }
            bytes += told[before..].iter().map(|told| told.draft.message.len()).sum::<usize>() + 4096;
        }
        Ok(Piece { told, end: false })
    }
}

async fn tell(hub: &Arc<Hub>, told: Vec<Told>) {
    let (announced, events): (Vec<Told>, Vec<Told>) = told.into_iter().partition(|told| told.announced);
    if !events.is_empty() {
        hub.publish_events(events.into_iter().map(|told| (told.draft, told.id)));
    }
    if let Some(last) = announced.last().map(|told| told.id) {
        for told in announced {
            announce(hub, told.draft).await;
        }
        settle(hub, last).await;
    }
}

/// Publishes a message as its topic's rules say. What is not taken is lost: the cache does not wait for it.
async fn announce(hub: &Hub, draft: Draft) {
    let level = match hub.rules.level(&draft.topic, None) {
        Asked::Volatile => return hub.stage_volatile(draft),
        Asked::Eventual => Level::Eventual,
        Asked::Strong => Level::Strong,
    };
    loop {
        match hub.stage(draft.clone(), level) {
            Ok(_) => return,
            Err(Refused::Busy) => hub.backlog.room().await,
            Err(Refused::For(error)) => {
                tracing::warn!(%error, topic = draft.topic, "an announcement is not published");
                return;
            }
        }
    }
}

async fn settle(hub: &Arc<Hub>, last: EventId) {
    let noted = loop {
        match hub.stage_events_commit(ANNOUNCED, last) {
            Ok(noted) => break noted,
            Err(Refused::Busy) => {
                let pause = std::time::Duration::from_millis(FOLLOW_RETRY_MS);
                let _ = tokio::time::timeout(pause, hub.backlog.room()).await;
            }
            Err(Refused::For(error)) => {
                tracing::warn!(%error, "how far announcements have come is not noted");
                return hub.deliver();
            }
        }
    };
    if let Err(error) = hub.backlog.hand_over(noted) {
        tracing::error!(%error, "announcements are not stored");
    }
    hub.deliver();
}

/// An event's place as the log of messages notes it: one position.
fn packed(id: EventId) -> Position {
    Position { lsn: Lsn(id.position.lsn.0 << u16::BITS | u64::from(id.part)), ..id.position }
}

fn unpacked(position: Position) -> EventId {
    let (lsn, part) = (Lsn(position.lsn.0 >> u16::BITS), position.lsn.0 & u64::from(u16::MAX));
    EventId { position: Position { lsn, ..position }, part: u16::try_from(part).unwrap_or(u16::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_place_keeps_its_order_and_comes_back() {
        let id = |epoch, lsn, part| EventId {
            position: Position { epoch: mpreg_storage::record::Epoch(epoch), lsn: Lsn(lsn) },
            part,
        };
        let ids = [id(1, 5, 0), id(1, 5, 3), id(1, 5, u16::MAX), id(1, 6, 0), id(2, 1, 0)];
        assert!(ids.iter().all(|id| unpacked(packed(*id)) == *id));
        assert!(ids.windows(2).all(|pair| packed(pair[0]) < packed(pair[1])));
    }
}
