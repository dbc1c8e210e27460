//! A backlog in memory for tests: it is written when told, and durable when the test says so.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use mpreg_storage::record::{Epoch, Level, Lsn, Position};
use tokio::sync::watch;

use super::backlog::{Backlog, Cursor, From, Published, Refused, Step, Waiting};

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

    fn read(&self, from: From, wanted: Box<dyn Fn(&str) -> bool + Send>) -> Box<dyn Cursor> {
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
    wanted: Box<dyn Fn(&str) -> bool + Send>,
    last: u64,
    message: Vec<u8>,
}

impl Cursor for Reading {
    fn next(&mut self) -> Result<Step<'_>, String> {
        let state = self.state.lock().unwrap();
        if self.last < state.retired {
            let from = position(self.last + 1);
            self.last = state.retired;
            return Ok(Step::Gap { from, to: position(self.last) });
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
                return Ok(Step::Message { position: position(next), message: &self.message });
            }
        }
        Ok(Step::End)
    }

    fn position(&self) -> Position {
        position(self.last)
    }

    fn skip(&mut self) {
        let state = self.state.lock().unwrap();
        if state.damaged == Some(self.last + 1) {
            self.last += 1;
        }
    }
}
