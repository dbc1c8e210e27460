//! Publishing: a message gets its place, is handed over with its batch, and is then acknowledged at its level.

use super::error::Error;
use super::{Durable, Room, Topics};
use crate::limits::{MESSAGE_BYTES_MAX, ROOM_WAIT_US_MAX, TOPIC_BYTES_MAX};
use crate::record::message::{self, Message};
use crate::record::{Level, Lsn, Position};
use crate::write;

/// A message that has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// Never used for another message, whatever happens.
    pub position: Position,
    /// Receive time: state time, microseconds since 1970 UTC, never less than that of the message before.
    pub time_us: u64,
}

impl Topics {
    /// Gives a message its place. It is **not** acknowledged: call [`Topics::hand_over`], and [`Topics::durable`] for
    /// a strong one, before telling anyone. Made for callers that handle many messages and answer once.
    ///
    /// `message` is the whole message object as JSON text, kept byte for byte; the caller has validated it. A `Strong`
    /// message is released to live delivery, with everything after it, only when it is durable.
    ///
    /// `then` runs in the order of positions, before any later message gets its place: the way into an ordered queue
    /// for live delivery. It runs under the log's lock, so it should only push.
    ///
    /// # Errors
    /// Nothing was staged: `TooLarge`, busy (wait for [`Topics::room`]), no space, poisoned.
    ///
    /// # Cost
    /// One lock, two clock readings, one copy of topic and message.
    pub fn stage<R>(
        &self,
        topic: &str,
        message: &[u8],
        level: Level,
        then: impl FnOnce(Published) -> R,
    ) -> Result<(Published, R), Error> {
        bounded("topic", topic.len(), TOPIC_BYTES_MAX)?;
        bounded("message", message.len(), MESSAGE_BYTES_MAX)?;
        let bytes = message::message_bytes(topic, message);
        self.shared.refuse_when_full(bytes)?;
        let epoch = self.shared.epoch;
        let (_, staged) = self.shared.journal.stage(bytes, |staged, body| {
            message::encode_message(&Message { time_us: staged.time_us, topic, message }, body);
            if level == Level::Strong {
                self.shared.gate().expect_durable(staged.lsn);
            }
            let position = Position { epoch, lsn: staged.lsn };
            let published = Published { position, time_us: staged.time_us };
            (published, then(published))
        })?;
        Ok(staged)
    }

    /// [`Topics::stage`] that waits for room where there is none. Blocks, for at most [`ROOM_WAIT_US_MAX`].
    ///
    /// # Errors
    /// As [`Topics::stage`].
    pub fn stage_blocking(&self, topic: &str, message: &[u8], level: Level) -> Result<Published, Error> {
        self.with_room(|| self.stage(topic, message, level, |_| ())).map(|(published, ())| published)
    }

    /// Tries again while there is no room, for at most [`ROOM_WAIT_US_MAX`].
    pub(super) fn with_room<R>(&self, mut work: impl FnMut() -> Result<R, Error>) -> Result<R, Error> {
        let clock = &self.shared.machine.clock;
        let deadline_us = clock.monotonic_us().saturating_add(ROOM_WAIT_US_MAX);
        loop {
            match work() {
                Err(error) if error.is_busy() && clock.monotonic_us() < deadline_us => {
                    self.shared.wait_room()?
                }
                worked => return worked,
            }
        }
    }

    /// Stores a message and waits until `level` holds. Blocks.
    ///
    /// # Errors
    /// As [`Topics::stage`]; `UnknownOutcome` when the log failed meanwhile.
    pub fn publish(&self, topic: &str, message: &[u8], level: Level) -> Result<Published, Error> {
        let published = self.stage_blocking(topic, message, level)?;
        match level {
            Level::Eventual => self.hand_over(published.position)?,
            Level::Strong => self.durable(published.position).wait()?,
        }
        Ok(published)
    }

    /// Makes everything through `position` *written*: nothing acknowledged is lost when the process dies. One write()
    /// for everything staged; returns at once when it already is.
    ///
    /// # Errors
    /// `UnknownOutcome`: the log failed.
    pub fn hand_over(&self, position: Position) -> Result<(), Error> {
        Ok(self.shared.journal.hand_over(position.lsn)?)
    }

    /// Resolves when everything through `position` survives a power cut. `.wait()` blocks instead. It hands over what
    /// is staged, so a strong publish needs no [`Topics::hand_over`].
    pub fn durable(&self, position: Position) -> Durable {
        write::journal::Durable::new(std::sync::Arc::clone(&self.shared), position.lsn)
    }

    /// Resolves when a publish that was refused as busy may be tried again.
    pub fn room(&self) -> Room {
        write::journal::Room::new(std::sync::Arc::clone(&self.shared))
    }

    /// The last position that may be told to anybody: handed to the OS, and no strong message at or before it is
    /// still unsynced. Live delivery goes through here and no further. Cost: one short lock.
    #[must_use]
    pub fn released(&self) -> Position {
        self.position(self.shared.released())
    }

    /// The last position handed to the OS.
    #[must_use]
    pub fn written(&self) -> Position {
        self.position(self.shared.journal.written())
    }

    /// The last position that survives a power cut.
    #[must_use]
    pub fn durable_position(&self) -> Position {
        self.position(self.shared.journal.durable())
    }

    /// The position of an lsn at or behind the end of what this life found: its own records, and the last one before.
    fn position(&self, lsn: Lsn) -> Position {
        self.shared.position(lsn)
    }
}

pub(super) fn bounded(what: &'static str, bytes: usize, bytes_max: usize) -> Result<(), Error> {
    if bytes > bytes_max { Err(Error::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}
