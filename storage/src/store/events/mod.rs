//! What has changed, as events: the log told in the words of a cache.
//!
//! Every mutation is a record, so every mutation is an event, and the log is their only copy: a cursor reads as far
//! back as the log is kept ([`Options::feed_age_us`](super::Options)), goes on where it stopped after a restart, and
//! shows nothing that a power cut could take back. Nobody who reads costs those who write anything.
//!
//! ```
//! use mpreg_storage::record::Key;
//! use mpreg_storage::store::{EventKind, EventStep, EventsFrom, Level, Options, Store};
//!
//! let dir = tempfile::tempdir()?;
//! let store = Store::open(Options::new(dir.path()))?;
//! let key = Key::new("user_sessions", "session_123")?;
//! store.put(key.as_bytes(), b"1", Level::Strong)?;
//! store.delete(key.as_bytes(), Level::Strong)?;
//!
//! let mut events = store.events(EventsFrom::Earliest)?;
//! let mut kinds = Vec::new();
//! while events.next(&mut |event| kinds.push(event.kind()))? != EventStep::End {}
//! assert_eq!(kinds, [EventKind::Put, EventKind::Delete]);
//!
//! // Whoever keeps this goes on there, also in another process.
//! let reached = events.position();
//! let mut later = store.events(EventsFrom::After(reached))?;
//! assert_eq!(later.next(&mut |_| unreachable!())?, EventStep::End);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Volatile values are in no log and tell nothing. Values before a change, and the whole of a changed structure, are
//! there where [`Options::event_values`](super::Options) or a [`Witness`](super::Witness) had them kept.

mod cursor;

pub use cursor::{EventStep, Events, EventsFrom};

use crate::record::op::Notice;
use crate::record::{Cause, EventId, KeyParts, Op};

/// What kind of change an event tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// A whole value was stored: put, filled in under a lease, or restored.
    Put,
    /// A value was computed from the one before, or its life was changed on request.
    Atomic,
    /// A structure or a counter was changed.
    Structure,
    /// A key was removed because somebody asked for that key.
    Delete,
    /// A key was removed with others: by a pattern, a clear, a cascade; or every key with a tag was.
    Invalidate,
    /// A key was removed because its time had come.
    Expire,
    /// One operation on a whole namespace; the keys it changed have events of their own.
    Namespace,
    /// A read renewed a sliding life.
    Slide,
    /// Bookkeeping of the engine and the server.
    Internal,
}

/// One change, borrowed from the log.
#[derive(Debug, Clone, Copy)]
pub struct Event<'a> {
    /// Where it stands. Never used for another event, and later events are greater.
    pub id: EventId,
    /// When it happened, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Cluster it comes from; 0 = this one.
    pub origin: u32,
    /// The record's operation; never a batch.
    pub op: Op<'a>,
    notice: Option<Notice<'a>>,
}

/// A value an event may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventValue<'a> {
    /// The log does not say.
    Unknown,
    /// There was none, or is none.
    Absent,
    /// This one, as JSON text.
    Json(&'a [u8]),
    /// One longer than is kept.
    TooLarge,
}

impl<'a> Event<'a> {
    /// What kind of change it is.
    #[must_use]
    pub fn kind(&self) -> EventKind {
        match &self.op {
            Op::Put(_) => EventKind::Put,
            Op::Delete(_) => EventKind::Delete,
            Op::Expire(_) => EventKind::Expire,
            Op::Change(_) => EventKind::Structure,
            Op::HideTag(_) => EventKind::Invalidate,
            Op::Note(note) if note.what == b"invalidate" => EventKind::Invalidate,
            Op::Note(_) => EventKind::Namespace,
            Op::Update(_) | Op::Touch(_) | Op::Remove(_) => kind_by_cause(self.cause()),
            Op::Batch(_) | Op::Notice(_) => EventKind::Internal,
        }
    }

    /// Why it happened, where there is more than one reason for a change of its kind.
    #[must_use]
    pub fn cause(&self) -> Cause {
        let number = match &self.op {
            Op::Update(update) => update.cause,
            Op::Touch(touch) => touch.cause,
            Op::Remove(remove) => remove.cause,
            Op::HideTag(_) => Cause::Tag as u8,
            _ => Cause::Plain as u8,
        };
        Cause::from_u8(number).unwrap_or(Cause::Internal)
    }

    /// The key; `None` for what concerns many.
    #[must_use]
    pub fn key(&self) -> Option<KeyParts<'a>> {
        KeyParts::decode(self.op.key()?).ok()
    }

    /// The value before.
    #[must_use]
    pub fn old_value(&self) -> EventValue<'a> {
        let Some(notice) = self.notice else { return EventValue::Unknown };
        match notice.old {
            _ if notice.flags & Notice::OLD_KNOWN == 0 => unknown(notice.flags),
            b"" => EventValue::Absent,
            old => EventValue::Json(old),
        }
    }

    /// The value afterwards.
    #[must_use]
    pub fn new_value(&self) -> EventValue<'a> {
        match &self.op {
            Op::Put(put) => EventValue::Json(put.value),
            Op::Update(update) => EventValue::Json(update.value),
            Op::Delete(_) | Op::Expire(_) | Op::Remove(_) => EventValue::Absent,
            Op::Touch(_) => self.old_value(),
            _ => match self.notice {
                Some(notice) if notice.flags & Notice::NEW_KNOWN != 0 => EventValue::Json(notice.new),
                Some(notice) => unknown(notice.flags),
                None => EventValue::Unknown,
            },
        }
    }

    /// What a [`Witness`](super::Witness) had kept with the change: a JSON object.
    #[must_use]
    pub fn told(&self) -> Option<&'a [u8]> {
        self.notice.map(|notice| notice.details).filter(|details| !details.is_empty())
    }
}

fn unknown<'a>(flags: u8) -> EventValue<'a> {
    if flags & Notice::TOO_LARGE == 0 { EventValue::Unknown } else { EventValue::TooLarge }
}

fn kind_by_cause(cause: Cause) -> EventKind {
    match cause {
        Cause::Plain | Cause::Restore => EventKind::Put,
        Cause::TestAndSet
        | Cause::CompareAndSwap
        | Cause::Increment
        | Cause::Decrement
        | Cause::Append
        | Cause::Prepend
        | Cause::ExtendTtl => EventKind::Atomic,
        Cause::Counter => EventKind::Structure,
        Cause::Slide => EventKind::Slide,
        Cause::Cascade | Cause::Clear | Cause::Invalidate => EventKind::Invalidate,
        // The rows of a hidden tag: the event was the hiding.
        Cause::Tag | Cause::Internal => EventKind::Internal,
    }
}
