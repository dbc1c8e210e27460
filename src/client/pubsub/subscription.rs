//! What is subscribed to, and from where on.

use std::time::{Duration, SystemTime};

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

/// A subscription as it is asked for.
///
/// Patterns: `*` stands for one part between dots, `#` for any number of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscription {
    pub(super) patterns: Vec<String>,
    pub(super) start: Start,
    pub(super) durable: Option<String>,
    pub(super) shared: bool,
}

/// Where a subscription begins.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Start {
    /// With what is published from now on.
    #[default]
    Latest,
    /// With the oldest message that is kept.
    Earliest,
    /// Behind what was received before.
    After(Place),
    /// With what was received then or later.
    Time(SystemTime),
    /// With what was received within this time before now.
    Ago(Duration),
}

/// How far a subscription has come in the log of messages, and in that of the cache's events.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Place {
    /// Of the last published message: `epoch:offset`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<String>,
    /// Of the last event of the cache: `epoch:offset:part`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_offset: Option<String>,
}

impl Place {
    /// The place behind one message or event.
    #[must_use]
    pub fn after(offset: impl Into<String>) -> Place {
        let mut place = Place::default();
        place.note(&offset.into());
        place
    }

    /// Whether nothing is known.
    #[must_use]
    pub fn is_nowhere(&self) -> bool {
        *self == Place::default()
    }

    /// Takes the offset of what was received. Offsets of events have three parts.
    pub(super) fn note(&mut self, offset: &str) {
        let of_event = offset.bytes().filter(|byte| *byte == b':').count() == 2;
        let place = if of_event { &mut self.event_offset } else { &mut self.offset };
        *place = Some(offset.to_owned());
    }

    /// This place, and where it says nothing the other one.
    pub(super) fn or(self, other: &Place) -> Place {
        Place {
            offset: self.offset.or_else(|| other.offset.clone()),
            event_offset: self.event_offset.or_else(|| other.event_offset.clone()),
        }
    }
}

impl Subscription {
    /// A subscription to these patterns, from now on.
    pub fn new<P: Into<String>>(patterns: impl IntoIterator<Item = P>) -> Subscription {
        let patterns = patterns.into_iter().map(Into::into).collect();
        Subscription { patterns, start: Start::Latest, durable: None, shared: false }
    }

    /// From there on. Under a durable name that is known already, what was committed counts.
    #[must_use]
    pub fn start(self, start: Start) -> Subscription {
        Subscription { start, ..self }
    }

    /// The node keeps the place that is committed under this name: the next subscription of that name goes on behind it, before or
    /// after a restart.
    #[must_use]
    pub fn durable(self, name: impl Into<String>) -> Subscription {
        Subscription { durable: Some(name.into()), ..self }
    }

    /// All subscriptions of a durable name share its messages: each goes to one of them.
    #[must_use]
    pub fn shared(self, name: impl Into<String>) -> Subscription {
        Subscription { shared: true, ..self.durable(name) }
    }
}

/// A subscription with the id it goes by.
#[derive(Debug, Serialize)]
pub(super) struct Ask<'a> {
    pub(super) subscription_id: &'a str,
    pub(super) patterns: &'a [String],
    #[serde(serialize_with = "write_start")]
    pub(super) start: &'a Start,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) durable: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(super) shared: bool,
}

fn write_start<S: Serializer>(start: &&Start, out: S) -> Result<S::Ok, S::Error> {
    let time = |time: SystemTime, out: S| {
        let seconds = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let mut map = out.serialize_map(Some(1))?;
        map.serialize_entry("time", &seconds)?;
        map.end()
    };
    match start {
        Start::Latest => out.serialize_str("latest"),
        Start::Earliest => out.serialize_str("earliest"),
        Start::After(place) => place.serialize(out),
        Start::Time(at) => time(*at, out),
        // The node's clock decides when a message was received; ours when this is asked.
        Start::Ago(ago) => time(SystemTime::now().checked_sub(*ago).unwrap_or(SystemTime::UNIX_EPOCH), out),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn written(subscription: &Subscription) -> serde_json::Value {
        let ask = Ask {
            subscription_id: "s-1",
            patterns: &subscription.patterns,
            start: &subscription.start,
            durable: subscription.durable.as_deref(),
            shared: subscription.shared,
        };
        serde_json::to_value(ask).unwrap()
    }

    #[test]
    fn a_subscription_is_asked_for_as_documented() {
        let plain = Subscription::new(["a.#"]);
        assert_eq!(
            written(&plain),
            json!({"subscription_id": "s-1", "patterns": ["a.#"], "start": "latest"})
        );
        let shared = Subscription::new(["a"]).shared("workers").start(Start::Earliest);
        assert_eq!(
            written(&shared),
            json!({"subscription_id": "s-1", "patterns": ["a"], "start": "earliest", "durable": "workers", "shared": true})
        );
        let time = SystemTime::UNIX_EPOCH + Duration::from_millis(1500);
        assert_eq!(written(&plain.clone().start(Start::Time(time)))["start"], json!({"time": 1.5}));
        let mut place = Place::after("1:42");
        place.note("1:17:0");
        place.note("1:43");
        let start = json!({"offset": "1:43", "event_offset": "1:17:0"});
        assert_eq!(written(&plain.start(Start::After(place)))["start"], start);
    }

    #[test]
    fn places_complete_each_other() {
        let one = Place::after("1:2").or(&Place::after("1:3:0"));
        assert_eq!((one.offset.as_deref(), one.event_offset.as_deref()), (Some("1:2"), Some("1:3:0")));
        assert_eq!(Place::after("1:2").or(&Place::after("1:9")).offset.as_deref(), Some("1:2"));
        assert!(Place::default().is_nowhere());
    }
}
