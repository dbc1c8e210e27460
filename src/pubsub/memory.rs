//! A backlog in memory for tests: it is written when told, and durable when the test says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use mpreg_storage::record::{Epoch, EventId, Level, Lsn, Position};
use mpreg_storage::store::EventsFrom;
use tokio::sync::watch;

use super::backlog::{
    Backlog, Cursor, EventLog, Follow, Followed, From, Published, Refused, Step, Told, Waiting, Wanted,
};
use super::hub::Draft;
use crate::protocol::pubsub::Offset;

/// See the module.
#[derive(Debug)]
pub(super) struct Memory {
    state: Arc<Mutex<State>>,
    /// Durable through here.
    pub(super) durable: watch::Sender<u64>,
    pub(super) room: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    /// All of one life, `None` where a commit or a message no longer kept stands.
    messages: Vec<Option<Stored>>,
    /// Messages through here are handed over.
    written: u64,
    durable: u64,
    now_us: u64,
    names: HashMap<String, Position>,
    /// Everything through here is kept no longer.
    retired: u64,
    /// Reading this one fails.
    damaged: Option<u64>,
}

#[derive(Debug)]
struct Stored {
    topic: String,
    message: Vec<u8>,
    strong: bool,
    time_us: u64,
}

fn position(lsn: u64) -> Position {
    Position { epoch: Epoch(1), lsn: Lsn(lsn) }
}

impl State {
    fn released(&self) -> u64 {
        let held_back = |lsn: &u64| {
            let stored = &self.messages[*lsn as usize - 1];
            *lsn > self.durable && stored.as_ref().is_some_and(|stored| stored.strong)
        };
        (self.durable + 1..=self.written).find(held_back).map_or(self.written, |lsn| lsn - 1)
    }
}

impl Memory {
    pub(super) fn new() -> Arc<Memory> {
        let (durable, room) = (watch::channel(0).0, watch::channel(true).0);
        Arc::new(Memory { state: Arc::default(), durable, room })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap();
        state.durable = *self.durable.borrow();
        state
    }

    /// Syncs everything that is handed over.
    pub(super) fn sync(&self) {
        let written = self.state().written;
        self.durable.send_replace(written);
    }

    pub(super) fn set_now_us(&self, now_us: u64) {
        self.state().now_us = now_us;
    }

    /// Forgets everything through `lsn`.
    pub(super) fn retire(&self, lsn: u64) {
        let mut state = self.state();
        state.retired = lsn;
        (0..lsn as usize).for_each(|at| state.messages[at] = None);
    }

    /// The message at `lsn` cannot be read any more.
    pub(super) fn damage(&self, lsn: u64) {
        self.state().damaged = Some(lsn);
    }
}

impl Backlog for Memory {
    fn now_us(&self) -> u64 {
        self.state().now_us
    }

    fn stage(
        &self,
        topic: &str,
        message: &[u8],
        level: Level,
        then: &mut dyn FnMut(Published),
    ) -> Result<(), Refused> {
        if !*self.room.borrow() {
            return Err(Refused::Busy);
        }
        let mut state = self.state();
        let (topic, message, time_us) = (topic.to_owned(), message.to_vec(), state.now_us);
        state.messages.push(Some(Stored { topic, message, strong: level == Level::Strong, time_us }));
        then(Published { position: position(state.messages.len() as u64) });
        Ok(())
    }

    fn hand_over(&self, position: Position) -> Result<(), String> {
        let mut state = self.state();
        state.written = state.written.max(position.lsn.0);
        Ok(())
    }

    fn durable_position(&self) -> Position {
        position(*self.durable.borrow())
    }

    fn durable(&self, position: Position) -> Waiting<Result<(), String>> {
        let mut durable = self.durable.subscribe();
        let state = Arc::clone(&self.state);
        Box::pin(async move {
            durable
                .wait_for(|durable| *durable >= position.lsn.0)
                .await
                .map_err(|error| error.to_string())?;
            let mut state = state.lock().unwrap();
            state.written = state.written.max(position.lsn.0);
            Ok(())
        })
    }

    fn released(&self) -> Position {
        position(self.state().released())
    }

    fn room(&self) -> Waiting<()> {
        let mut room = self.room.subscribe();
        Box::pin(async move { drop(room.wait_for(|room| *room).await) })
    }

    fn read(&self, from: From, wanted: Wanted) -> Box<dyn Cursor> {
        let state = self.state();
        let last = match from {
            From::Earliest => state.retired,
            From::After(position) => position.lsn.0,
            From::Since(time_us) => {
                let older =
                    |stored: &&Option<Stored>| stored.as_ref().is_none_or(|stored| stored.time_us < time_us);
                state.messages.iter().take_while(older).count() as u64
            }
        };
        drop(state);
        Box::new(Reading { state: Arc::clone(&self.state), wanted, last, message: Vec::new() })
    }

    fn stage_commit(&self, name: &str, reached: Position) -> Result<Position, Refused> {
        let mut state = self.state();
        let known = state.names.entry(name.to_owned()).or_insert(reached);
        *known = reached.max(*known);
        // A commit takes a place in the log, like everything.
        state.messages.push(None);
        Ok(position(state.messages.len() as u64))
    }

    fn resume(&self, name: &str) -> Option<Position> {
        self.state().names.get(name).copied()
    }
}

struct Reading {
    state: Arc<Mutex<State>>,
    wanted: Wanted,
    last: u64,
    message: Vec<u8>,
}

impl Cursor for Reading {
    fn next(&mut self) -> Result<Step<'_>, String> {
        let state = self.state.lock().unwrap();
        if self.last < state.retired {
            let from = position(self.last + 1);
            self.last = state.retired;
            return Ok(Step::Gap { from: from.into(), to: position(self.last).into() });
        }
        while self.last < state.released() {
            let next = self.last + 1;
            let Some(stored) = &state.messages[self.last as usize] else {
                self.last = next;
                continue;
            };
            if state.damaged == Some(next) {
                return Err("does not verify".to_owned());
            }
            self.last = next;
            if (self.wanted)(&stored.topic) {
                self.message.clone_from(&stored.message);
                let (offset, time_us) = (position(next).into(), stored.time_us);
                return Ok(Step::Message { offset, time_us, message: &self.message });
            }
        }
        Ok(Step::End)
    }

    fn position(&self) -> Offset {
        position(self.last).into()
    }

    fn skip(&mut self) {
        let state = self.state.lock().unwrap();
        if state.damaged == Some(self.last + 1) {
            self.last += 1;
        }
    }
}

/// A log of events in memory: each is durable when the test says so.
#[derive(Debug)]
pub(super) struct MemoryEvents {
    happened: Arc<Mutex<Vec<Happened>>>,
    durable: watch::Sender<u64>,
    /// Everything through here is kept no longer.
    pub(super) retired: watch::Sender<u64>,
}

#[derive(Debug, Clone)]
struct Happened {
    topic: String,
    payload: u64,
    time_us: u64,
    announce: Option<&'static str>,
}

fn id(lsn: u64) -> EventId {
    EventId { position: position(lsn), part: 0 }
}

impl MemoryEvents {
    pub(super) fn new() -> Arc<MemoryEvents> {
        let (durable, retired) = (watch::channel(0).0, watch::channel(0).0);
        Arc::new(MemoryEvents { happened: Arc::default(), durable, retired })
    }

    /// Something happens; it is not durable yet.
    pub(super) fn stage(
        &self,
        topic: &str,
        payload: u64,
        time_us: u64,
        announce: Option<&'static str>,
    ) -> u64 {
        let mut happened = self.happened.lock().unwrap();
        happened.push(Happened { topic: topic.to_owned(), payload, time_us, announce });
        happened.len() as u64
    }

    pub(super) fn sync(&self) {
        let last = self.happened.lock().unwrap().len() as u64;
        self.durable.send_replace(last);
    }

    pub(super) fn happens(&self, topic: &str, payload: u64) {
        self.stage(topic, payload, payload, None);
        self.sync();
    }
}

impl EventLog for MemoryEvents {
    fn newest(&self) -> EventId {
        id(self.happened.lock().unwrap().len() as u64)
    }

    fn durable(&self) -> EventId {
        id(*self.durable.borrow())
    }

    fn follow(&self, from: EventsFrom) -> Result<Box<dyn Follow>, String> {
        let happened = self.happened.lock().unwrap();
        let reached = match from {
            EventsFrom::After(id) => id.position.lsn.0,
            EventsFrom::Since(time_us) => {
                happened.iter().take_while(|happened| happened.time_us < time_us).count() as u64
            }
            _ => *self.retired.borrow(),
        };
        let (durable, retired) = (self.durable.subscribe(), self.retired.subscribe());
        Ok(Box::new(Following { happened: Arc::clone(&self.happened), durable, retired, reached }))
    }

    fn grown(&self, id: EventId) -> Waiting<Result<(), String>> {
        let mut durable = self.durable.subscribe();
        Box::pin(async move {
            let grown = durable.wait_for(|durable| *durable > id.position.lsn.0).await;
            grown.map(drop).map_err(|error| error.to_string())
        })
    }
}

struct Following {
    happened: Arc<Mutex<Vec<Happened>>>,
    durable: watch::Receiver<u64>,
    retired: watch::Receiver<u64>,
    reached: u64,
}

impl Follow for Following {
    fn step(
        &mut self,
        wanted: &mut dyn FnMut(&str) -> bool,
        announced: bool,
        told: &mut Vec<Told>,
    ) -> Result<Followed, String> {
        let retired = *self.retired.borrow();
        if self.reached < retired {
            let from = id(self.reached + 1);
            self.reached = retired;
            return Ok(Followed::Gap { from, to: id(retired) });
        }
        if self.reached >= *self.durable.borrow() {
            return Ok(Followed::End);
        }
        let happened = self.happened.lock().unwrap()[self.reached as usize].clone();
        self.reached += 1;
        let Happened { topic, payload, time_us, announce } = happened;
        let id = id(self.reached);
        let draft = |topic: &str| Draft {
            topic: topic.into(),
            message: format!(r#"{{"topic":"{topic}","payload":{payload},"message_id":"e{payload}"}}"#).into(),
            message_id: format!("\"e{payload}\"").into(),
        };
        if wanted(&topic) {
            told.push(Told { id, time_us, draft: draft(&topic), announced: false });
        }
        if let Some(topic) = announce.filter(|_| announced) {
            told.push(Told { id, time_us, draft: draft(topic), announced: true });
        }
        Ok(Followed::Read)
    }

    fn position(&self) -> EventId {
        id(self.reached)
    }
}
