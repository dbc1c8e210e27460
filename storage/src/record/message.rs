//! Records of the backlog: published messages, and the positions that named subscriptions have reached.
//!
//! ```text
//! every record          message (kind 64, layout 1)          commit (kind 65, layout 1)
//!  byte  size            byte  size                           byte  size
//!     0     4  bytes        0     8  time_us                     0     8  time_us
//!     4     1  kind         8     2  topic_len                   8     8  epoch
//!     5     1  layout      10     2  zero                       16     8  lsn
//!     6     2  zero        12     .  topic                      24     1  1 reached, 2 removed
//!     8     4  origin       .     .  message, to the end        25     1  zero
//!    12     .  payload                                          26     2  name_len
//!                                                               28     .  name, to the end
//! ```
//!
//! `bytes` counts the payload. All numbers are little endian, times are microseconds since 1970 UTC, topic and name are
//! UTF-8, the message is the JSON object as it was published. The layouts are written by hand and not archived:
//! a replay decodes millions a second, and there is nothing in them but a few numbers and two strings.
//!
//! A kind or layout this build does not know is an error that names it, never skipped.

use super::op::{Error, RECORD_HEAD_BYTES};
use super::{Epoch, Lsn, Position};

/// Kinds below 64 are the operations of `op`.
const KIND_MESSAGE: u8 = 64;
const KIND_COMMIT: u8 = 65;
const LAYOUT: u8 = 1;
const MESSAGE_HEAD_BYTES: usize = 12;
const COMMIT_HEAD_BYTES: usize = 28;
const REACHED: u8 = 1;
const REMOVED: u8 = 2;

/// A published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Message<'a> {
    /// When the node received it: state time, microseconds since 1970 UTC.
    pub time_us: u64,
    /// At most 65,535 bytes; the backlog allows less.
    pub topic: &'a str,
    /// The message object as JSON text, byte for byte as it was published.
    pub message: &'a [u8],
}

/// How far a named subscription has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit<'a> {
    /// When it said so.
    pub time_us: u64,
    /// Name of the subscription, at most 65,535 bytes; the backlog allows less.
    pub name: &'a str,
    /// The last position it has acknowledged; `None` when the subscription is no more.
    pub reached: Option<Position>,
}

/// One record of the backlog, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entry<'a> {
    /// See [`Message`].
    Message(Message<'a>),
    /// See [`Commit`].
    Commit(Commit<'a>),
}

/// Bytes the record of a message takes.
#[must_use]
pub fn message_bytes(topic: &str, message: &[u8]) -> usize {
    RECORD_HEAD_BYTES + MESSAGE_HEAD_BYTES + topic.len() + message.len()
}

/// Bytes the record of a commit takes.
#[must_use]
pub fn commit_bytes(name: &str) -> usize {
    RECORD_HEAD_BYTES + COMMIT_HEAD_BYTES + name.len()
}

/// Appends one message of this cluster to a frame's body. Cost: one copy.
pub fn encode_message(message: &Message<'_>, out: &mut Vec<u8>) {
    let topic_len = u16::try_from(message.topic.len()).expect("topics are bounded by TOPIC_BYTES_MAX");
    let payload_bytes = MESSAGE_HEAD_BYTES + message.topic.len() + message.message.len();
    push_head(KIND_MESSAGE, payload_bytes, out);
    out.extend_from_slice(&message.time_us.to_le_bytes());
    out.extend_from_slice(&u32::from(topic_len).to_le_bytes());
    out.extend_from_slice(message.topic.as_bytes());
    out.extend_from_slice(message.message);
}

/// Appends one commit of this cluster to a frame's body.
pub fn encode_commit(commit: &Commit<'_>, out: &mut Vec<u8>) {
    let name_len =
        u16::try_from(commit.name.len()).expect("names are bounded by SUBSCRIPTION_NAME_BYTES_MAX");
    push_head(KIND_COMMIT, COMMIT_HEAD_BYTES + commit.name.len(), out);
    let reached = commit.reached.unwrap_or_default();
    out.extend_from_slice(&commit.time_us.to_le_bytes());
    out.extend_from_slice(&reached.epoch.0.to_le_bytes());
    out.extend_from_slice(&reached.lsn.0.to_le_bytes());
    out.extend_from_slice(&[if commit.reached.is_some() { REACHED } else { REMOVED }, 0]);
    out.extend_from_slice(&name_len.to_le_bytes());
    out.extend_from_slice(commit.name.as_bytes());
}

fn push_head(kind: u8, payload_bytes: usize, out: &mut Vec<u8>) {
    let bytes = u32::try_from(payload_bytes).expect("limits keep a record below 4 GiB");
    let mut head = [0; RECORD_HEAD_BYTES];
    head[..4].copy_from_slice(&bytes.to_le_bytes());
    head[4] = kind;
    head[5] = LAYOUT;
    out.extend_from_slice(&head);
}

/// Decodes the record at `offset` of a frame's body; also says where it ends. Cost: no allocation; UTF-8 of
/// topic or name is checked.
///
/// # Errors
/// `Short`, `Unknown`, `Damaged`, each with the offset.
pub fn decode(body: &[u8], offset: usize) -> Result<(Entry<'_>, usize), Error> {
    let rest = body.get(offset..).unwrap_or_default();
    let short = |needed: usize| Error::Short { offset, needed, left: rest.len() };
    let head = rest.get(..RECORD_HEAD_BYTES).ok_or_else(|| short(RECORD_HEAD_BYTES))?;
    let needed = RECORD_HEAD_BYTES.saturating_add(u32_at(head, 0) as usize);
    let payload = rest.get(RECORD_HEAD_BYTES..needed).ok_or_else(|| short(needed))?;
    let entry = match (head[4], head[5]) {
        (KIND_MESSAGE, LAYOUT) => message(payload).map(Entry::Message),
        (KIND_COMMIT, LAYOUT) => commit(payload).map(Entry::Commit),
        (kind, layout) => return Err(Error::Unknown { offset, kind, layout }),
    };
    let entry = entry.map_err(|what| Error::Damaged { offset, what: what.to_owned() })?;
    Ok((entry, offset + needed))
}

/// Time and message of a record that is known to be a message with a topic of `topic_len` bytes, because a checksum
/// or an index says so. `None` when it cannot be. The short way of a replay: nothing else is looked at.
#[must_use]
pub fn message_of(record: &[u8], topic_len: usize) -> Option<(u64, &[u8])> {
    let head: &[u8; RECORD_HEAD_BYTES + MESSAGE_HEAD_BYTES] = record.first_chunk()?;
    let ours = head[4] == KIND_MESSAGE && head[5] == LAYOUT && u32_at(head, 20) as usize == topic_len;
    let message = record.get(RECORD_HEAD_BYTES + MESSAGE_HEAD_BYTES + topic_len..)?;
    ours.then_some((u64_at(head, 12), message))
}

fn message(payload: &[u8]) -> Result<Message<'_>, &'static str> {
    let (head, rest) = payload.split_at_checked(MESSAGE_HEAD_BYTES).ok_or("message without its numbers")?;
    // Two bytes of length and two of zero, read as one: what is not zero makes a length no record has.
    let (topic, message) =
        rest.split_at_checked(u32_at(head, 8) as usize).ok_or("topic leaves the record")?;
    let topic = std::str::from_utf8(topic).map_err(|_| "topic is not UTF-8")?;
    Ok(Message { time_us: u64_at(head, 0), topic, message })
}

fn commit(payload: &[u8]) -> Result<Commit<'_>, &'static str> {
    let (head, name) = payload.split_at_checked(COMMIT_HEAD_BYTES).ok_or("commit without its numbers")?;
    if u32_at(head, 24) >> 16 != u32::try_from(name.len()).unwrap_or(u32::MAX) {
        return Err("name has another length");
    }
    let position = Position { epoch: Epoch(u64_at(head, 8)), lsn: Lsn(u64_at(head, 16)) };
    let reached = match u32_at(head, 24) & 0xFFFF {
        1 => Some(position),
        2 => None,
        _ => return Err("neither reached nor removed"),
    };
    let name = std::str::from_utf8(name).map_err(|_| "name is not UTF-8")?;
    Ok(Commit { time_us: u64_at(head, 0), name, reached })
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MESSAGE: Message<'static> =
        Message { time_us: 7, topic: "orders.new", message: b"{\"payload\":1}" };

    fn commit_at(lsn: u64) -> Commit<'static> {
        Commit { time_us: 9, name: "billing", reached: Some(Position { epoch: Epoch(2), lsn: Lsn(lsn) }) }
    }

    fn encoded(entry: &Entry<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        match entry {
            Entry::Message(message) => encode_message(message, &mut out),
            Entry::Commit(commit) => encode_commit(commit, &mut out),
        }
        out
    }

    #[test]
    fn golden_bytes_of_layout_1() {
        // Frozen: logs written by released builds hold exactly these bytes.
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        let message = hex(encoded(&Entry::Message(MESSAGE)));
        assert_eq!(message, include_str!("../../tests/golden/record-message-v1.hex").trim());
        let reached = hex(encoded(&Entry::Commit(commit_at(5))));
        assert_eq!(reached, include_str!("../../tests/golden/record-commit-v1.hex").trim());
        let removed = hex(encoded(&Entry::Commit(Commit { reached: None, ..commit_at(0) })));
        assert_eq!(removed, include_str!("../../tests/golden/record-commit-removed-v1.hex").trim());
    }

    #[test]
    fn records_follow_each_other_and_are_as_long_as_told() {
        let mut body = encoded(&Entry::Message(MESSAGE));
        assert_eq!(body.len(), message_bytes(MESSAGE.topic, MESSAGE.message));
        body.extend(encoded(&Entry::Commit(commit_at(5))));
        let (first, next) = decode(&body, 0).unwrap();
        assert_eq!(first, Entry::Message(MESSAGE));
        assert_eq!(message_of(&body[..next], MESSAGE.topic.len()), Some((7, MESSAGE.message)));
        assert_eq!(message_of(&body[..next], MESSAGE.topic.len() + 1), None);
        assert_eq!(decode(&body, next).unwrap(), (Entry::Commit(commit_at(5)), body.len()));
        assert_eq!(body.len() - next, commit_bytes("billing"));
    }

    #[test]
    fn unknown_kinds_and_layouts_are_named_not_skipped() {
        for (at, kind, layout) in [(4, 66, LAYOUT), (5, KIND_MESSAGE, 66)] {
            let mut body = encoded(&Entry::Message(MESSAGE));
            body[at] = 66;
            assert_eq!(decode(&body, 0).unwrap_err(), Error::Unknown { offset: 0, kind, layout });
        }
    }

    #[test]
    fn every_truncation_is_an_error() {
        for entry in [Entry::Message(MESSAGE), Entry::Commit(commit_at(5))] {
            let body = encoded(&entry);
            for len in 0..body.len() {
                assert!(decode(&body[..len], 0).is_err(), "length {len}");
            }
        }
    }

    proptest! {
        #[test]
        fn round_trip(topic in "\\PC{0,40}", message in proptest::collection::vec(any::<u8>(), 0..200), time_us: u64) {
            let entry = Entry::Message(Message { time_us, topic: &topic, message: &message });
            let body = encoded(&entry);
            prop_assert_eq!(decode(&body, 0).unwrap(), (entry, body.len()));
            prop_assert_eq!(message_of(&body, topic.len()), Some((time_us, &message[..])));
        }

        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..120), offset in 0usize..200) {
            let _ = decode(&body, offset);
            let _ = message_of(&body, offset);
        }

        #[test]
        fn a_flipped_bit_never_panics(at in 0usize..80, bit in 0u8..8) {
            for entry in [Entry::Message(MESSAGE), Entry::Commit(commit_at(5))] {
                let mut body = encoded(&entry);
                let at = at % body.len();
                body[at] ^= 1 << bit;
                let _ = decode(&body, 0);
            }
        }
    }
}
