//! Acks and notifications.
//!
//! A notification has a beginning that all its receivers share and an end that belongs to one subscription and is the
//! same for all its notifications, so that a message is written once however many receive it:
//!
//! ```text
//! {"role":"pubsub-notification","message":{...},"offset":"1:5","u":"notification_m1_   s1","subscription_id":"s1"}
//! \_________________________________ shared ____________________________________/   \_____ of s1 ___________/
//! ```

use super::{Level, Offset};
use mpreg_storage::json::write;
use mpreg_storage::record::EventId;

/// What an ack tells beyond success.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ack {
    /// Where the message stands, or where the subscription begins.
    pub offset: Option<Offset>,
    /// The newest event of the cache where a subscription to events begins.
    pub event_offset: Option<EventId>,
    /// The level a publish has reached.
    pub durability: Option<Level>,
}

/// Whether a notification comes from the backlog; only its `u` differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationKind {
    /// Published while the subscription listened.
    Live,
    /// Stored before.
    Backlog,
}

/// What a subscription did not get.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Gap {
    /// First and last offset that may be missing; `None` when what is missing was never stored.
    pub span: Option<(Offset, Offset)>,
    /// How many messages, where that is known.
    pub count: Option<u64>,
}

/// Appends a `pubsub-ack` that says yes. `u` is the quoted request id.
pub fn write_ack(out: &mut Vec<u8>, u: &str, ack: Ack) {
    out.extend_from_slice(br#"{"role":"pubsub-ack","operation_id":"#);
    out.extend_from_slice(u.as_bytes());
    out.extend_from_slice(br#","success":true,"error":null"#);
    if let Some(offset) = ack.offset {
        write_offset(out, offset);
    }
    if let Some(id) = ack.event_offset {
        out.extend_from_slice(format!(r#","event_offset":"{id}""#).as_bytes());
    }
    if let Some(level) = ack.durability {
        out.extend_from_slice(br#","durability":""#);
        out.extend_from_slice(level.as_str().as_bytes());
        out.push(b'"');
    }
    write_ack_id(out, u);
}

/// Appends a `pubsub-ack` that says no. `u` is the quoted request id.
pub fn write_refusal(out: &mut Vec<u8>, u: &str, error: &str) {
    out.extend_from_slice(br#"{"role":"pubsub-ack","operation_id":"#);
    out.extend_from_slice(u.as_bytes());
    out.extend_from_slice(br#","success":false,"error":"#);
    write::string(out, error);
    write_ack_id(out, u);
}

fn write_ack_id(out: &mut Vec<u8>, u: &str) {
    out.extend_from_slice(br#","u":"ack_"#);
    // The id without its opening quote.
    out.extend_from_slice(u.get(1..).unwrap_or("\"").as_bytes());
    out.push(b'}');
}

/// Appends the shared beginning of a notification. `message` is the message object, `message_id` its id as a JSON
/// string with quotes, `offset` its position when it is stored.
pub fn write_notification(
    out: &mut Vec<u8>,
    kind: NotificationKind,
    message: &[u8],
    message_id: &str,
    offset: Option<Offset>,
) {
    out.extend_from_slice(br#"{"role":"pubsub-notification","message":"#);
    out.extend_from_slice(message);
    if let Some(offset) = offset {
        write_offset(out, offset);
    }
    out.extend_from_slice(match kind {
        NotificationKind::Live => br#","u":"notification_"#,
        NotificationKind::Backlog => br#","u":"backlog_"#,
    });
    out.extend_from_slice(unquoted(message_id).as_bytes());
    out.push(b'_');
}

/// Appends the end of all notifications of a subscription; `id` is its id as a JSON string with quotes.
pub fn write_tail(out: &mut Vec<u8>, id: &str) {
    out.extend_from_slice(unquoted(id).as_bytes());
    out.extend_from_slice(br#"","subscription_id":"#);
    out.extend_from_slice(id.as_bytes());
    out.push(b'}');
}

/// Appends the beginning of a notification that tells of a gap. The end is that of all others.
pub fn write_gap(out: &mut Vec<u8>, gap: Gap) {
    out.extend_from_slice(br#"{"role":"pubsub-notification","gap":{"from":"#);
    match gap.span {
        Some((from, to)) => {
            let text = format!("\"{from}\",\"to\":\"{to}\"");
            out.extend_from_slice(text.as_bytes());
        }
        None => out.extend_from_slice(br#"null,"to":null"#),
    }
    if let Some(count) = gap.count {
        out.extend_from_slice(br#","count":"#);
        write::unsigned(out, count);
    }
    out.extend_from_slice(br#"},"u":"gap_"#);
}

fn write_offset(out: &mut Vec<u8>, offset: Offset) {
    out.extend_from_slice(br#","offset":""#);
    let (position, part) = match offset {
        Offset::Message(position) => (position, None),
        Offset::Event(id) => (id.position, Some(id.part)),
    };
    write::unsigned(out, position.epoch.0);
    out.push(b':');
    write::unsigned(out, position.lsn.0);
    if let Some(part) = part {
        out.push(b':');
        write::unsigned(out, part.into());
    }
    out.push(b'"');
}

fn unquoted(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}
