//! Events as a stream, for the program a node is embedded in.

use std::collections::VecDeque;

use mpreg_storage::record::EventId;
use mpreg_storage::store::{Error, Event, EventKind, EventStep, EventValue, Events, EventsFrom, Store};

use super::INTERNAL;

/// One change, with what the log knows of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// Where it stands: later events are greater, and none ever has the same.
    pub id: EventId,
    /// When it happened, microseconds since 1970 UTC.
    pub time_us: u64,
    /// What kind of change it is.
    pub kind: EventKind,
    /// Namespace of the key; empty for what concerns several.
    pub namespace: String,
    /// Identifier of the key; empty for what concerns many keys.
    pub identifier: String,
    /// Version of the key; empty for what concerns many keys.
    pub version: String,
    /// The value before as JSON text: `Some(None)` where there was none, `None` where that is not known.
    pub old_value: Option<Option<String>>,
    /// The value afterwards, as `old_value`.
    pub new_value: Option<Option<String>>,
}

/// Changes that may have been and are kept no longer, the first and the last of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// The first one.
    pub from: EventId,
    /// The last one.
    pub to: EventId,
}

/// See [`Running::events`](crate::Running::events). It keeps the data directory in use until it is dropped.
#[derive(Debug)]
pub struct EventStream {
    /// `None` while a blocking thread has it.
    events: Option<Events>,
    read: VecDeque<Result<Change, Gap>>,
    position: EventId,
}

impl EventStream {
    pub(crate) fn new(store: &Store, from: EventsFrom) -> Result<EventStream, Error> {
        let events = store.events(from)?;
        Ok(EventStream { position: events.position(), events: Some(events), read: VecDeque::new() })
    }

    /// The next change; `Err` tells of a gap, behind which the stream goes on. Waits until there is one.
    ///
    /// What is told is durable. Not cancel safe in the middle of a read: a call that was dropped may end the stream.
    ///
    /// # Errors
    /// The log cannot be read, or the store has failed. The next call tries again.
    pub async fn next(&mut self) -> Result<Result<Change, Gap>, Error> {
        loop {
            if let Some(next) = self.read.pop_front() {
                self.position = next.as_ref().map_or_else(|gap| gap.to, |change| change.id);
                return Ok(next);
            }
            let Some(mut events) = self.events.take() else { return Err(ended()) };
            let reading = tokio::task::spawn_blocking(move || {
                let mut read = VecDeque::new();
                let step = step(&mut events, &mut read);
                (events, step, read)
            });
            let Ok((events, step, read)) = reading.await else { return Err(ended()) };
            let grown = matches!(step, Ok(EventStep::End)).then(|| events.grown());
            (self.events, self.read) = (Some(events), read);
            step?;
            if let Some(grown) = grown {
                grown.await?;
            }
        }
    }

    /// Everything through here has been handed out: where another stream goes on, also after a restart.
    #[must_use]
    pub fn position(&self) -> EventId {
        self.position
    }
}

fn ended() -> Error {
    mpreg_storage::write::Error::Closed.into()
}

fn step(events: &mut Events, read: &mut VecDeque<Result<Change, Gap>>) -> Result<EventStep, Error> {
    let step = events.next(&mut |event| {
        if let Some(change) = change_of(event) {
            read.push_back(Ok(change));
        }
    })?;
    if let EventStep::Gap { from, to } = step {
        read.push_front(Err(Gap { from, to }));
    }
    Ok(step)
}

fn change_of(event: &Event<'_>) -> Option<Change> {
    let kind = event.kind();
    let key = event.key();
    let namespace = super::message::namespace_of(event);
    if kind == EventKind::Internal || namespace.starts_with(INTERNAL) {
        return None;
    }
    let text = |value: EventValue<'_>| match value {
        EventValue::Json(text) => Some(Some(String::from_utf8_lossy(text).into_owned())),
        EventValue::Absent => Some(None),
        _ => None,
    };
    Some(Change {
        id: event.id,
        time_us: event.time_us,
        kind,
        identifier: key.as_ref().map_or(String::new(), |key| key.identifier.to_string()),
        version: key.as_ref().map_or(String::new(), |key| key.version.to_string()),
        namespace: namespace.into_owned(),
        old_value: text(event.old_value()),
        new_value: text(event.new_value()),
    })
}
