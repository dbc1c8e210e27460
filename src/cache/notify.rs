//! `notify_on_change`: what a writer wants told of its change, and when.
//!
//! It is decided under the store's lock, where both values are known, and kept with the change itself; whoever tells
//! the events of the cache tells it. So it is told exactly if the change is there, and never fails it.

use std::fmt::Debug;

use mpreg_storage::json::{EventConditions, equal, write};
use mpreg_storage::limits::EVENT_VALUE_BYTES_MAX;
use mpreg_storage::record::KeyParts;
use mpreg_storage::store::{Witness, Witnessed};

use crate::protocol::Error;
use crate::protocol::cache::{Command, Options, write_key};

/// Publishes what is to be told on topics of the writers' own. Implemented by pub/sub.
pub(crate) trait Announcer: Debug + Send + Sync + 'static {
    /// From now on writers may want something published.
    fn expect(&self);
}

/// What one request wants told.
#[derive(Debug)]
pub(super) struct Notice<'a> {
    topic: Option<&'a str>,
    payload: &'a str,
    conditions: EventConditions,
    event_type: &'static str,
}

impl<'a> Notice<'a> {
    /// What `options` want told of `command`; nothing where that does not change one key.
    pub(super) fn of(options: &'a Options<'_>, command: &Command<'_>) -> Result<Option<Notice<'a>>, Error> {
        if !options.notify_on_change {
            return Ok(None);
        }
        let event_type = match command {
            Command::Put(_) => "cache_put",
            Command::Delete(_) => "cache_delete",
            Command::Atomic(_) => "atomic_operation",
            Command::Structure(asked) if asked.verb.writes() => "data_structure_operation",
            _ => return Ok(None),
        };
        let notification = options.notification.as_deref();
        let payload = notification.and_then(|notification| notification.payload).unwrap_or("{}");
        if payload.len() > EVENT_VALUE_BYTES_MAX {
            let (what, size_max) = ("options.notification_payload", EVENT_VALUE_BYTES_MAX);
            return Err(Error::TooLarge { what, size: payload.len(), size_max });
        }
        let conditions = notification.and_then(|notification| notification.condition).unwrap_or("{}");
        let conditions = EventConditions::parse(conditions).map_err(|fault| Error::Invalid {
            path: "options.notification_condition",
            why: fault.to_string(),
        })?;
        let topic = notification.and_then(|notification| notification.topic.as_deref());
        Ok(Some(Notice { topic, payload, conditions, event_type }))
    }

    /// Whether it is to be published on a topic of its own.
    pub(super) fn is_announced(&self) -> bool {
        self.topic.is_some()
    }

    /// Whether the change is one that shall be told.
    fn holds(&self, key: &KeyParts<'_>, old: Option<&str>, new: Option<&str>) -> bool {
        let mut cache_key = Vec::new();
        write_key(&mut cache_key, &key.namespace, &key.identifier, &key.version, "[]");
        let cache_key = String::from_utf8(cache_key).unwrap_or_default();
        let event_type = format!("\"{}\"", self.event_type);
        self.conditions.hold(&|name| match name {
            "event_type" => Some(&event_type),
            "cache_key" => Some(&cache_key),
            "old_value" => old,
            "new_value" => new,
            _ => None,
        })
    }
}

impl Witness for Notice<'_> {
    fn tell(&self, change: &Witnessed<'_>) -> Option<Vec<u8>> {
        let key = KeyParts::decode(change.key).ok()?;
        let text = |value: Option<&'_ [u8]>| {
            value.and_then(|value| std::str::from_utf8(value).ok().map(str::to_owned))
        };
        let (old, new) = (text(change.old), text(change.new));
        let changed = match (&old, &new) {
            (Some(old), Some(new)) => !equal(old, new),
            (None, None) => change.too_large,
            _ => true,
        };
        if !changed || !self.holds(&key, old.as_deref(), new.as_deref()) {
            return None;
        }
        let mut out = b"{".to_vec();
        // The event's own topic is nobody's own.
        let event_topic = format!("cache.events.{}.{}", key.namespace, self.event_type);
        if let Some(topic) = self.topic.filter(|topic| *topic != event_topic) {
            out.extend_from_slice(br#""topic":"#);
            write::string(&mut out, topic);
            out.push(b',');
        }
        out.extend_from_slice(br#""payload":"#);
        out.extend_from_slice(self.payload.as_bytes());
        out.push(b'}');
        Some(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mpreg_storage::record::Key;

    fn notice<'a>(condition: &str, topic: Option<&'a str>) -> Notice<'a> {
        let conditions = EventConditions::parse(condition).unwrap();
        Notice { topic, payload: r#"{"a":1}"#, conditions, event_type: "cache_put" }
    }

    fn told(notice: &Notice<'_>, old: Option<&str>, new: Option<&str>) -> Option<String> {
        let key = Key::new("n", "k").unwrap();
        let (old, new) = (old.map(str::as_bytes), new.map(str::as_bytes));
        let change = Witnessed { key: key.as_bytes(), old, new, too_large: false };
        notice.tell(&change).map(|text| String::from_utf8(text).unwrap())
    }

    #[test]
    fn what_is_equal_has_not_changed() {
        let notice = notice("{}", None);
        for (old, new) in
            [(None, None), (Some("1"), Some("1.0")), (Some(r#"{"a":1,"b":2}"#), Some(r#"{"b":2,"a":1}"#))]
        {
            assert_eq!(told(&notice, old, new), None, "{old:?} {new:?}");
        }
        for (old, new) in [(None, Some("1")), (Some("1"), None), (Some("1"), Some("2"))] {
            assert_eq!(told(&notice, old, new).as_deref(), Some(r#"{"payload":{"a":1}}"#));
        }
    }

    #[test]
    fn conditions_see_the_event() {
        for (condition, holds) in [
            (r#"{"field_path":"stock","threshold":{"$lt":10}}"#, true),
            (r#"{"field_path":"stock","threshold":{"$lt":9}}"#, false),
            (r#"{"new_value.stock":{"$lt":10},"event_type":"cache_put"}"#, true),
            (r#"{"event_type":"cache_delete"}"#, false),
            (r#"{"cache_key.identifier":"k","old_value.stock":12}"#, true),
            (r#"{"nothing.there":{"$ne":1}}"#, false),
        ] {
            let told = told(&notice(condition, None), Some(r#"{"stock":12}"#), Some(r#"{"stock":9}"#));
            assert_eq!(told.is_some(), holds, "{condition}");
        }
    }

    #[test]
    fn the_topic_of_the_event_is_no_topic_of_its_own() {
        let topics = [
            ("stock.low", r#"{"topic":"stock.low","payload":{"a":1}}"#),
            ("cache.events.n.cache_put", r#"{"payload":{"a":1}}"#),
        ];
        for (topic, expected) in topics {
            assert_eq!(told(&notice("{}", Some(topic)), None, Some("1")).as_deref(), Some(expected));
        }
    }
}
