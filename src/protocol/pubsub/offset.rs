//! Offsets: where what a notification tells of stands, in one of the two logs.

use std::fmt;
use std::str::FromStr;

use mpreg_storage::record::position::NotAPosition;
use mpreg_storage::record::{EventId, Position};

/// See the module. Offsets of one log grow; those of different logs say nothing about each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Offset {
    /// A published message: `epoch:offset`.
    Message(Position),
    /// An event of the cache: `epoch:offset:part`.
    Event(EventId),
}

impl From<Position> for Offset {
    fn from(position: Position) -> Offset {
        Offset::Message(position)
    }
}

impl From<EventId> for Offset {
    fn from(id: EventId) -> Offset {
        Offset::Event(id)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Offset::Message(position) => position.fmt(f),
            Offset::Event(id) => id.fmt(f),
        }
    }
}

impl FromStr for Offset {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Offset, NotAPosition> {
        match text.bytes().filter(|byte| *byte == b':').count() {
            2 => text.parse().map(Offset::Event),
            _ => text.parse().map(Offset::Message),
        }
    }
}
