//! The message object: read leniently, kept as the text it was, written anew only where clients would miss a member.

use std::borrow::Cow;

use mpreg_storage::json::{Number, Reader, Text, write};

use crate::limits::TOPIC_BYTES_MAX;
use crate::protocol::fields::Fields;
use crate::protocol::limits::{MESSAGE_ID_BYTES_MAX, MESSAGE_OBJECT_BYTES_MAX};
use crate::protocol::{Error, OperationIds};

/// A `pubsub-publish`.
#[derive(Debug, Clone, PartialEq)]
pub struct Publish<'a> {
    /// What is published.
    pub message: Message<'a>,
    /// When it is acknowledged and delivered; `None`: as the topic's policy or the server says.
    pub level: Option<Level>,
}

/// How safe a message must be before anybody is told of it: `options.consistency_level`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Not stored: whoever listens now gets it.
    Volatile,
    /// Handed to the operating system.
    Eventual,
    /// Synced; `quorum` is another name for it.
    Strong,
}

impl Level {
    /// The word of an ack.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Level::Volatile => "volatile",
            Level::Eventual => "eventual",
            Level::Strong => "strong",
        }
    }
}

/// What a publisher sent. Only the topic is indispensable.
#[derive(Debug, Clone, PartialEq)]
pub struct Message<'a> {
    /// The topic it means.
    pub topic: Cow<'a, str>,
    /// Its object as it stood in the request.
    text: &'a str,
    topic_text: Text<'a>,
    payload: Option<&'a str>,
    timestamp: Option<Number<'a>>,
    message_id: Option<Text<'a>>,
    publisher: Option<Text<'a>>,
    headers: Option<&'a str>,
    routing_path: Option<&'a str>,
    current_hop: Option<Number<'a>>,
    /// Nothing is missing that a client needs, and nothing null that it does not take so.
    complete: bool,
}

/// Members while they are read.
#[derive(Default)]
struct Members<'a> {
    topic: Option<Text<'a>>,
    payload: Option<&'a str>,
    timestamp: Option<Number<'a>>,
    message_id: Option<Text<'a>>,
    publisher: Option<Text<'a>>,
    headers: Option<&'a str>,
    null_headers: bool,
    routing_path: Option<&'a str>,
    current_hop: Option<Number<'a>>,
}

impl<'a> Message<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Message<'a>, Error> {
        let start = reader.clone();
        let mut members = Members::default();
        let mut fields = Fields::open(reader, "message")?;
        while let Some(name) = fields.next()? {
            members.read_member(&name, &mut fields)?;
        }
        let text = start.text_until(reader);
        members.message(text)
    }

    /// What it says, as JSON text; `null` where it says nothing.
    #[must_use]
    pub fn payload(&self) -> &'a str {
        self.payload.unwrap_or("null")
    }

    /// About how many bytes [`Message::write_into`] writes.
    #[must_use]
    pub fn bytes_hint(&self) -> usize {
        if self.complete { self.text.len() } else { self.text.len() + 256 }
    }

    /// Appends the message object as it is stored and delivered. What the publisher left out is filled in: `now_us`
    /// is the time in microseconds since 1970, and `ids` gives the message its id.
    pub fn write_into(&self, now_us: u64, ids: &mut OperationIds, out: &mut Vec<u8>) {
        if self.complete {
            out.extend_from_slice(self.text.as_bytes());
            return;
        }
        out.extend_from_slice(br#"{"topic":"#);
        out.extend_from_slice(self.topic_text.quoted().as_bytes());
        out.extend_from_slice(br#","payload":"#);
        out.extend_from_slice(self.payload.unwrap_or("null").as_bytes());
        out.extend_from_slice(br#","timestamp":"#);
        match self.timestamp {
            Some(timestamp) => out.extend_from_slice(timestamp.text().as_bytes()),
            None => write::seconds(out, now_us),
        }
        out.extend_from_slice(br#","message_id":"#);
        match self.message_id {
            Some(id) => out.extend_from_slice(id.quoted().as_bytes()),
            None => {
                out.push(b'"');
                out.extend_from_slice(ids.next_id());
                out.push(b'"');
            }
        }
        out.extend_from_slice(br#","publisher":"#);
        out.extend_from_slice(self.publisher.map_or("\"\"", Text::quoted).as_bytes());
        out.extend_from_slice(br#","headers":"#);
        out.extend_from_slice(self.headers.unwrap_or("{}").as_bytes());
        out.extend_from_slice(br#","routing_path":"#);
        out.extend_from_slice(self.routing_path.unwrap_or("null").as_bytes());
        out.extend_from_slice(br#","current_hop":"#);
        out.extend_from_slice(self.current_hop.map_or("null", Number::text).as_bytes());
        out.push(b'}');
    }
}

impl<'a> Members<'a> {
    fn read_member(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "topic" => self.topic = fields.string(0, "message.topic")?,
            "payload" => self.payload = Some(fields.raw(1, "message.payload")?.unwrap_or("null")),
            "timestamp" => self.timestamp = fields.number(2, "message.timestamp")?,
            "message_id" => self.message_id = fields.string(3, "message.message_id")?,
            "publisher" => self.publisher = fields.string(4, "message.publisher")?,
            "headers" => {
                self.headers = fields.raw_object(5, "message.headers")?;
                self.null_headers = self.headers.is_none();
            }
            "routing_path" => self.routing_path = fields.raw_strings(6, "message.routing_path")?,
            "current_hop" => self.current_hop = fields.number(7, "message.current_hop")?,
            _ => fields.pass()?,
        }
        Ok(())
    }

    fn message(self, text: &'a str) -> Result<Message<'a>, Error> {
        let topic_text = self.topic.ok_or(Error::Missing("message.topic"))?;
        let topic = topic_text.decode();
        check("message.topic", topic.len(), TOPIC_BYTES_MAX)?;
        check("message", text.len(), MESSAGE_OBJECT_BYTES_MAX)?;
        let id_bytes = self.message_id.map_or(0, |id| id.quoted().len());
        check("message.message_id", id_bytes, MESSAGE_ID_BYTES_MAX)?;
        if self.current_hop.is_some_and(|hop| !hop.is_integer()) {
            return Err(Error::Range { path: "message.current_hop", wanted: "an integer" });
        }
        let complete = self.payload.is_some()
            && self.timestamp.is_some()
            && self.message_id.is_some()
            && self.publisher.is_some()
            && !self.null_headers;
        let Members { payload, timestamp, message_id, publisher, headers, routing_path, current_hop, .. } =
            self;
        Ok(Message {
            topic,
            text,
            topic_text,
            payload,
            timestamp,
            message_id,
            publisher,
            headers,
            routing_path,
            current_hop,
            complete,
        })
    }
}

fn check(what: &'static str, size: usize, size_max: usize) -> Result<(), Error> {
    if size > size_max { Err(Error::TooLarge { what, size, size_max }) } else { Ok(()) }
}

/// Reads `consistency_level` out of the options of a publish.
pub(super) fn read_level(reader: &mut Reader<'_>) -> Result<Option<Level>, Error> {
    const PATH: &str = "options.consistency_level";
    let mut level = None;
    let mut fields = Fields::open(reader, "options")?;
    while let Some(name) = fields.next()? {
        if &*name != "consistency_level" {
            fields.pass()?;
            continue;
        }
        level = match fields.string(0, PATH)?.map(Text::decode).as_deref() {
            None => None,
            Some("volatile") => Some(Level::Volatile),
            Some("weak" | "eventual") => Some(Level::Eventual),
            Some("strong" | "quorum") => Some(Level::Strong),
            Some(other) => return Err(Error::unknown(PATH, other)),
        };
    }
    Ok(level)
}

/// The `message_id` of a message object this server has written or taken, as a JSON string with its quotes; `None`
/// when the bytes are no such object.
#[must_use]
pub fn message_id(message: &[u8]) -> Option<&str> {
    let mut reader = Reader::from_bytes(message).ok()?;
    let mut members = reader.object("message").ok()?;
    while let Some(name) = members.next(&mut reader).ok()? {
        if &*name.decode() == "message_id" {
            return reader.string("message_id").ok().map(Text::quoted);
        }
        reader.raw().ok()?;
    }
    None
}
