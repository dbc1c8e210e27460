//! An event as the message the protocol says it is.

use std::borrow::Cow;

use mpreg_storage::json::{member, members_of, write};
use mpreg_storage::limits::EVENT_VALUE_BYTES_MAX;
use mpreg_storage::record::key::DEFAULT_VERSION;
use mpreg_storage::record::{Cause, Extras, Op};
use mpreg_storage::store::{Event, EventKind, EventValue};
use mpreg_storage::structure::{Family, Verb};

use super::INTERNAL;
use crate::protocol::cache::write_key;
use crate::pubsub::Draft;

/// Members the server writes into a payload; those of whoever asked for a notification come second.
const OWN: [&str; 10] = [
    "event_type",
    "cache_key",
    "timestamp",
    "event_id",
    "cluster_id",
    "cache_level",
    "operation_metadata",
    "old_value",
    "new_value",
    "values_omitted",
];

/// Makes messages of events.
#[derive(Debug, Clone)]
pub(super) struct Teller {
    pub(super) cluster_id: String,
    /// Whether every message shows the values before and after, as far as they are known.
    pub(super) values: bool,
}

/// The name of an event on the wire; `None` for what is not told.
pub(super) fn event_type(kind: EventKind) -> Option<&'static str> {
    Some(match kind {
        EventKind::Put => "cache_put",
        EventKind::Atomic => "atomic_operation",
        EventKind::Structure => "data_structure_operation",
        EventKind::Delete => "cache_delete",
        EventKind::Invalidate => "cache_invalidate",
        EventKind::Expire => "cache_expired",
        EventKind::Namespace => "namespace_operation",
        _ => return None,
    })
}

/// The namespace an event concerns; empty when it is several.
pub(super) fn namespace_of<'a>(event: &Event<'a>) -> Cow<'a, str> {
    match (&event.op, event.key()) {
        (_, Some(key)) => key.namespace,
        (Op::Note(note), None) => String::from_utf8_lossy(note.namespace),
        _ => Cow::Borrowed(""),
    }
}

/// What the writer of a change wants told, if it does.
struct Asked<'a> {
    /// On which topic; `None`: on the event's own.
    topic: Option<Cow<'a, str>>,
    /// A JSON object.
    payload: &'a str,
}

impl<'a> Asked<'a> {
    fn of(event: &Event<'a>) -> Option<Asked<'a>> {
        let text = std::str::from_utf8(event.told()?).ok()?;
        let topic = member(text, "topic").and_then(decode);
        Some(Asked { topic, payload: member(text, "payload").unwrap_or("{}") })
    }
}

fn decode(quoted: &str) -> Option<Cow<'_, str>> {
    mpreg_storage::json::Reader::new(quoted).string("").ok().map(mpreg_storage::json::Text::decode)
}

impl Teller {
    /// Makes the messages an event comes to: on its own topic if that is `wanted`, and on the topic its writer has
    /// named if that is `announced`.
    pub(super) fn tell(
        &self,
        event: &Event<'_>,
        wanted: &mut dyn FnMut(&str) -> bool,
        announced: bool,
        tell: &mut dyn FnMut(Draft, bool),
    ) {
        let Some(event_type) = event_type(event.kind()) else { return };
        let namespace = namespace_of(event);
        if namespace.starts_with(INTERNAL) {
            return;
        }
        let asked = Asked::of(event);
        let own = asked.as_ref().filter(|asked| asked.topic.is_none()).map(|asked| asked.payload);
        let topic = format!("cache.events.{namespace}.{event_type}");
        if wanted(&topic) {
            tell(self.draft(event, event_type, topic, own), false);
        }
        if announced && let Some(Asked { topic: Some(topic), payload }) = asked {
            tell(self.draft(event, event_type, topic.into_owned(), Some(payload)), true);
        }
    }

    fn draft(&self, event: &Event<'_>, event_type: &str, topic: String, asked: Option<&str>) -> Draft {
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(br#"{"topic":"#);
        write::string(&mut out, &topic);
        out.extend_from_slice(br#","payload":"#);
        self.write_payload(event, event_type, asked, &mut out);
        out.extend_from_slice(br#","timestamp":"#);
        write::seconds(&mut out, event.time_us);
        let message_id = format!("\"cache-event-{}\"", event.id);
        out.extend_from_slice(br#","message_id":"#);
        out.extend_from_slice(message_id.as_bytes());
        out.extend_from_slice(br#","publisher":"#);
        write::string(&mut out, &format!("cache-system-{}", self.cluster_id));
        out.extend_from_slice(br#","headers":{"event_type":""#);
        out.extend_from_slice(event_type.as_bytes());
        out.extend_from_slice(br#""},"routing_path":null,"current_hop":null}"#);
        Draft { topic: topic.into(), message: out.into(), message_id: message_id.into() }
    }

    /// `asked`: what the writer wants in the payload; then the values are in it as well.
    fn write_payload(&self, event: &Event<'_>, event_type: &str, asked: Option<&str>, out: &mut Vec<u8>) {
        out.push(b'{');
        for (name, value) in asked.and_then(members_of).into_iter().flatten() {
            if !OWN.contains(&&*name.decode()) {
                out.extend_from_slice(name.quoted().as_bytes());
                out.push(b':');
                out.extend_from_slice(value.as_bytes());
                out.push(b',');
            }
        }
        out.extend_from_slice(br#""event_type":""#);
        out.extend_from_slice(event_type.as_bytes());
        out.extend_from_slice(br#"","cache_key":"#);
        write_event_key(event, out);
        out.extend_from_slice(br#","timestamp":"#);
        write::seconds(out, event.time_us);
        out.extend_from_slice(format!(r#","event_id":"{}","cluster_id":"#, event.id).as_bytes());
        write::string(out, &self.cluster_id);
        out.extend_from_slice(br#","cache_level":"L1","operation_metadata":"#);
        write_metadata(event, out);
        if self.values || asked.is_some() {
            write_values(event, out);
        }
        out.push(b'}');
    }
}

fn write_event_key(event: &Event<'_>, out: &mut Vec<u8>) {
    let extras = match &event.op {
        Op::Put(put) => put.extras,
        Op::Update(update) => update.extras,
        Op::Change(change) => change.extras,
        _ => b"",
    };
    let tags = Extras::decode(extras).unwrap_or_default().tags;
    match event.key() {
        Some(key) => write_key(out, &key.namespace, &key.identifier, &key.version, tags),
        None => write_key(out, &namespace_of(event), "namespace_operation", DEFAULT_VERSION, "[]"),
    }
}

/// What was done, in the words of the request.
fn write_metadata(event: &Event<'_>, out: &mut Vec<u8>) {
    let (operation, details) = match &event.op {
        Op::Put(_) => ("put", None),
        Op::Update(_) if event.cause() == Cause::Plain => ("put", None),
        Op::Delete(_) => ("delete", None),
        Op::Expire(_) => ("expire", None),
        Op::HideTag(hide) => ("invalidate", Some(hide.details)),
        Op::Note(note) => (std::str::from_utf8(note.what).unwrap_or("note"), Some(note.details)),
        Op::Change(change) => {
            let family = Family::from_u8(change.family).map_or("structure", Family::name);
            let verb = Verb::from_u8(change.verb).map_or("change", Verb::name);
            let text = format!(r#"{{"operation":"{verb}","structure_type":"{family}"}}"#);
            return out.extend_from_slice(text.as_bytes());
        }
        _ if event.cause() == Cause::Plain => ("delete", None),
        _ => (event.cause().name(), None),
    };
    out.extend_from_slice(br#"{"operation":"#);
    write::string(out, operation);
    if event.cause() == Cause::Counter {
        out.extend_from_slice(br#","structure_type":"counter""#);
    }
    let details = details.and_then(|details| std::str::from_utf8(details).ok());
    for (name, value) in details.and_then(members_of).into_iter().flatten() {
        out.push(b',');
        out.extend_from_slice(name.quoted().as_bytes());
        out.push(b':');
        out.extend_from_slice(value.as_bytes());
    }
    out.push(b'}');
}

fn write_values(event: &Event<'_>, out: &mut Vec<u8>) {
    let mut omitted = false;
    for (name, value) in [("old_value", event.old_value()), ("new_value", event.new_value())] {
        let text = match value {
            EventValue::Json(text) if text.len() <= EVENT_VALUE_BYTES_MAX => text,
            EventValue::Absent => b"null",
            EventValue::Json(_) | EventValue::TooLarge => {
                omitted = true;
                continue;
            }
            EventValue::Unknown => continue,
        };
        out.extend_from_slice(format!(r#","{name}":"#).as_bytes());
        out.extend_from_slice(text);
    }
    if omitted {
        out.extend_from_slice(br#","values_omitted":true"#);
    }
}
