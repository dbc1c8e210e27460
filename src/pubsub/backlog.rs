//! What pub/sub needs of the log of published messages: a place in its order for each message, the two levels of
//! safety, and reading from any place on. Implemented by the store, and in memory by the tests.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

use mpreg_storage::record::{EventId, Level, Position};
use mpreg_storage::store::EventsFrom;

use super::hub::Draft;
use crate::protocol::pubsub::Offset;

/// Says which topics are wanted.
pub(crate) type Wanted = Box<dyn Fn(&str) -> bool + Send>;

/// What is waited for.
pub(crate) type Waiting<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Why a message was not stored. Nothing has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// The disk does not keep up: the same may succeed after [`Backlog::room`].
    Busy,
    /// For the client to read.
    For(String),
}

/// A message that has its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Published {
    pub(crate) position: Position,
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    /// The oldest message kept.
    Earliest,
    /// The first message behind this position.
    After(Position),
    /// The first message received then or later, microseconds since 1970.
    Since(u64),
}

/// Stored messages in one order, and the positions that durable subscriptions have reached.
pub(crate) trait Backlog: Debug + Send + Sync + 'static {
    /// Microseconds since 1970, never before the newest message.
    fn now_us(&self) -> u64;

    /// Gives a message its place. `then` runs once, in the order of positions, before the next message gets its
    /// place. Nobody may be told of the message before [`Backlog::released`] has reached it.
    fn stage(
        &self,
        topic: &str,
        message: &[u8],
        level: Level,
        then: &mut dyn FnMut(Published),
    ) -> Result<(), Refused>;

    /// Everything through `position` is handed to the operating system. An error is final.
    fn hand_over(&self, position: Position) -> Result<(), String>;

    /// Last position that survives a power cut.
    fn durable_position(&self) -> Position;

    /// Resolves when everything through `position` survives a power cut. An error is final.
    fn durable(&self, position: Position) -> Waiting<Result<(), String>>;

    /// Last position that may be told to anybody: handed over, and behind no strong message that is not durable.
    fn released(&self) -> Position;

    /// Resolves when what was refused as busy may be tried again.
    fn room(&self) -> Waiting<()>;

    /// Reads on from a place; only topics `wanted` says yes to, and never further than [`Backlog::released`].
    fn read(&self, from: From, wanted: Wanted) -> Box<dyn Cursor>;

    /// Notes how far a durable subscription has come; the returned position is what makes that safe.
    fn stage_commit(&self, name: &str, reached: Position) -> Result<Position, Refused>;

    /// How far it has come.
    fn resume(&self, name: &str) -> Option<Position>;
}

/// What a cursor came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step<'a> {
    Message {
        offset: Offset,
        /// When it came, microseconds since 1970.
        time_us: u64,
        /// The message object.
        message: &'a [u8],
    },
    /// These, both included, may have been here and are kept no longer.
    Gap { from: Offset, to: Offset },
    /// Much was passed over: call again, now or later.
    Pause,
    /// Everything that may be told was read. Ask again later.
    End,
}

/// A reader of the backlog. It blocks on the disk now and then.
pub(crate) trait Cursor: Send {
    /// The next step. After an error that `skip` does not help, every call fails.
    fn next(&mut self) -> Result<Step<'_>, String>;

    /// Everything through here has been read or passed over.
    fn position(&self) -> Offset;

    /// Goes on behind a message that cannot be read.
    fn skip(&mut self);
}

/// A second log, told in messages: what happens to the cache. Its messages are made when they are read.
pub(crate) trait EventLog: Debug + Send + Sync + 'static {
    /// Everything through here has its place, whether it may be told yet or not.
    fn newest(&self) -> EventId;

    /// Everything through here may be told.
    fn durable(&self) -> EventId;

    /// Reads on from a place.
    fn follow(&self, from: EventsFrom) -> Result<Box<dyn Follow>, String>;

    /// Resolves when something behind `id` may be told. An error is final.
    fn grown(&self, id: EventId) -> Waiting<Result<(), String>>;
}

/// A reader of events. It blocks on the disk now and then.
pub(crate) trait Follow: Send {
    /// Reads a piece. Messages on topics `wanted` says yes to are appended to `told`, and, if `announced` is asked for,
    /// what writers of the cache want published.
    fn step(
        &mut self,
        wanted: &mut dyn FnMut(&str) -> bool,
        announced: bool,
        told: &mut Vec<Told>,
    ) -> Result<Followed, String>;

    /// Everything through here has been read.
    fn position(&self) -> EventId;
}

/// What a piece of events came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Followed {
    Read,
    Gap { from: EventId, to: EventId },
    End,
}

/// An event as a message.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) id: EventId,
    pub(crate) time_us: u64,
    pub(crate) draft: Draft,
    /// It is to be published on a topic of somebody's own, and stored there.
    pub(crate) announced: bool,
}
