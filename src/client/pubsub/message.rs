//! What is published and what is received.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::client::cache::time;
use crate::client::{Durability, Error};

/// A message to publish, with everything the protocol has.
#[derive(Debug, Clone, Serialize)]
#[must_use = "a message is told to nobody until it is published"]
pub struct Publish {
    role: &'static str,
    message: Outgoing,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Debug, Clone, Serialize)]
struct Outgoing {
    topic: String,
    payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    publisher: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, Value>,
}

#[derive(Debug, Clone, Serialize)]
struct Options {
    consistency_level: &'static str,
}

impl Publish {
    /// A message of this topic.
    pub fn new<T: Serialize + ?Sized>(topic: impl Into<String>, payload: &T) -> Result<Publish, Error> {
        let payload = serde_json::value::to_raw_value(payload).map_err(Error::Encode)?;
        let (topic, headers) = (topic.into(), BTreeMap::new());
        let message = Outgoing { topic, payload, message_id: None, publisher: None, headers };
        Ok(Publish { role: "pubsub-publish", message, options: None })
    }

    /// How safe it must be before it is acknowledged and told: `Volatile` is delivered and not stored.
    pub fn durability(self, durability: Durability) -> Publish {
        let consistency_level = match durability {
            Durability::Volatile => "volatile",
            Durability::Eventual => "eventual",
            Durability::Strong => "strong",
        };
        Publish { options: Some(Options { consistency_level }), ..self }
    }

    /// Its id; the node chooses one otherwise.
    pub fn id(mut self, id: impl Into<String>) -> Publish {
        self.message.message_id = Some(id.into());
        self
    }

    /// Who publishes it.
    pub fn publisher(mut self, name: impl Into<String>) -> Publish {
        self.message.publisher = Some(name.into());
        self
    }

    /// One more header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Value>) -> Publish {
        self.message.headers.insert(name.into(), value.into());
        self
    }
}

/// An acknowledged message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Where it stands; `None` when it is not stored.
    pub offset: Option<String>,
    /// The level it reached.
    pub durability: Option<Durability>,
}

impl Published {
    /// Takes a reply as it came from [`Client::send`](crate::client::Client::send) or
    /// [`Answer::reply`](crate::client::Answer::reply).
    pub fn read(reply: &RawValue) -> Result<Published, Error> {
        let ack = Ack::read(reply)?;
        Ok(Published { offset: ack.offset, durability: ack.durability })
    }
}

/// What a subscription yields.
#[derive(Debug, Clone)]
pub enum Event {
    /// A message.
    Message(Message),
    /// Messages that did not come.
    Gap(Gap),
}

/// A received message.
#[derive(Debug, Clone)]
pub struct Message {
    /// Its topic.
    pub topic: String,
    /// Its payload as JSON text.
    pub payload: Box<RawValue>,
    /// Its id.
    pub id: String,
    /// Who published it.
    pub publisher: String,
    /// When, by the publisher's clock.
    pub published: SystemTime,
    /// Its headers.
    pub headers: BTreeMap<String, Value>,
    /// Where it stands; `None` when it is not stored. Offsets of messages have two parts, those of cache events three.
    pub offset: Option<String>,
    /// Whether it was published before the subscription began or was resumed.
    pub from_backlog: bool,
}

/// Messages that a subscription did not get.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Gap {
    /// First offset that may be missing; `None` where what is missing was never stored.
    pub from: Option<String>,
    /// Last offset that may be missing.
    pub to: Option<String>,
    /// How many, where that is known.
    pub count: Option<u64>,
}

impl Message {
    /// The payload as a value.
    pub fn payload<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_str(self.payload.get()).map_err(Error::Decode)
    }
}

#[derive(Deserialize)]
struct Notification {
    message: Option<Incoming>,
    gap: Option<Gap>,
    offset: Option<String>,
    u: String,
}

#[derive(Deserialize)]
struct Incoming {
    topic: String,
    payload: Box<RawValue>,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    publisher: String,
    #[serde(default)]
    timestamp: f64,
    #[serde(default)]
    headers: Option<BTreeMap<String, Value>>,
}

impl Event {
    /// Reads a notification.
    pub(super) fn read(text: &[u8]) -> Result<Event, Error> {
        let told: Notification = serde_json::from_slice(text).map_err(Error::Decode)?;
        match (told.message, told.gap) {
            (Some(message), _) => Ok(Event::Message(Message {
                topic: message.topic,
                payload: message.payload,
                id: message.message_id,
                publisher: message.publisher,
                // Publishers send what they like.
                published: time(message.timestamp).unwrap_or(SystemTime::UNIX_EPOCH),
                headers: message.headers.unwrap_or_default(),
                offset: told.offset,
                from_backlog: told.u.starts_with("backlog_"),
            })),
            (None, Some(gap)) => Ok(Event::Gap(gap)),
            (None, None) => Err(Error::decode("a notification of nothing")),
        }
    }
}

/// A `pubsub-ack`, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Ack {
    #[serde(default)]
    success: bool,
    error: Option<String>,
    pub(super) offset: Option<String>,
    pub(super) event_offset: Option<String>,
    pub(super) durability: Option<Durability>,
}

impl Ack {
    /// Reads an ack; a refusal is an error.
    pub(super) fn read(text: &RawValue) -> Result<Ack, Error> {
        let ack: Ack = serde_json::from_str(text.get()).map_err(Error::Decode)?;
        if ack.success {
            return Ok(ack);
        }
        let message = ack.error.unwrap_or_default();
        Err(Error::Node { status: "error".to_owned(), code: "PUBSUB".to_owned(), message })
    }
}
