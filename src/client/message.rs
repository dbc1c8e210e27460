//! Requests as this client writes them, and replies as far as it reads them.

use std::time::{Duration, SystemTime};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Error, Level};

/// A key: namespace and identifier, with a version when it is not the default `v1.0.0`.
///
/// Made from `(namespace, identifier)` or `(namespace, identifier, version)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
pub struct Key<'a> {
    /// Not empty, at most 128 bytes.
    pub namespace: &'a str,
    /// Not empty; the whole key has at most 4 KiB.
    pub identifier: &'a str,
    /// `None` is `v1.0.0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<&'a str>,
}

impl<'a> From<(&'a str, &'a str)> for Key<'a> {
    fn from((namespace, identifier): (&'a str, &'a str)) -> Key<'a> {
        Key { namespace, identifier, version: None }
    }
}

impl<'a> From<(&'a str, &'a str, &'a str)> for Key<'a> {
    fn from((namespace, identifier, version): (&'a str, &'a str, &'a str)) -> Key<'a> {
        Key { namespace, identifier, version: Some(version) }
    }
}

/// How safe a value is, as the node says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// In memory only.
    Volatile,
    /// Handed to the operating system: survives a killed process.
    Eventual,
    /// On the disk: survives a power cut.
    Strong,
}

/// A stored value with what the node knows about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry<T> {
    /// The value.
    pub value: T,
    /// When it was put.
    pub created: SystemTime,
    /// How long it lives from `created`; `None` is without end.
    pub ttl: Option<Duration>,
    /// Reads, this one included; approximate.
    pub access_count: u64,
    /// Bytes of its JSON text.
    pub size_bytes: u64,
    /// How safe it was when it was read.
    pub durability: Option<Durability>,
    /// The tier that answered, such as `L1`.
    pub cache_level: Option<String>,
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The level it reached.
    pub durability: Option<Durability>,
    /// The node's time of it.
    pub created: Option<SystemTime>,
}

/// What a request does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Operation {
    Get,
    Put,
    Delete,
    Stats,
}

/// A `cache-request` without its `u`.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Request<'a> {
    role: &'static str,
    u: &'a str,
    operation: Operation,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<Key<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Clone, Copy, Serialize)]
struct Metadata {
    ttl_seconds: f64,
}

#[derive(Clone, Copy, Serialize)]
struct Options {
    consistency_level: &'static str,
}

impl<'a> Request<'a> {
    pub(super) fn new(operation: Operation, key: Key<'a>) -> Request<'a> {
        Request { key: Some(key), ..Request::without_key(operation) }
    }

    pub(super) fn without_key(operation: Operation) -> Request<'a> {
        Request {
            role: "cache-request",
            u: "",
            operation,
            key: None,
            value: None,
            metadata: None,
            options: None,
        }
    }

    pub(super) fn level(self, level: Option<Level>) -> Request<'a> {
        Request { options: level.map(|level| Options { consistency_level: level.name() }), ..self }
    }

    pub(super) fn value(self, value: &'a RawValue) -> Request<'a> {
        Request { value: Some(value), ..self }
    }

    pub(super) fn ttl(self, ttl: Option<Duration>) -> Request<'a> {
        Request { metadata: ttl.map(|ttl| Metadata { ttl_seconds: ttl.as_secs_f64() }), ..self }
    }

    pub(super) fn with_u(self, u: &'a str) -> Request<'a> {
        Request { u, ..self }
    }
}

/// An RPC of the one command `echo`. The command is not called `echo`: an argument equal to a
/// command's name would be taken for a reference to its result.
pub(super) fn echo<T: Serialize + ?Sized>(u: &str, value: &T) -> Result<Vec<u8>, serde_json::Error> {
    let command = serde_json::json!({ "name": ECHO_COMMAND, "fun": "echo", "args": [value], "kwargs": {} });
    serde_json::to_vec(&serde_json::json!({ "role": "rpc", "u": u, "cmds": [command] }))
}

const ECHO_COMMAND: &str = "\u{1}echo";

/// A `cache-response`, as far as it matters here. Unknown members are ignored.
#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(default)]
    status: String,
    durability: Option<Durability>,
    cache_level: Option<String>,
    #[serde(borrow)]
    entry: Option<RawEntry<'a>>,
    error_message: Option<String>,
    error_code: Option<String>,
    /// Only in an RPC-shaped error.
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    creation_time: f64,
    #[serde(default)]
    access_count: u64,
    #[serde(default)]
    size_bytes: u64,
    ttl_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct RpcError {
    code: i64,
    message: String,
}

/// The reply of a get.
pub(super) fn found<T: DeserializeOwned>(reply: &[u8]) -> Result<Option<Entry<T>>, Error> {
    let reply = succeeded(reply)?;
    if reply.status == "miss" {
        return Ok(None);
    }
    let entry = reply.entry.ok_or_else(|| Error::decode("a hit without an entry"))?;
    Ok(Some(Entry {
        value: serde_json::from_str(entry.value.get()).map_err(Error::Decode)?,
        created: time(entry.creation_time)?,
        ttl: entry.ttl_seconds.map(seconds).transpose()?,
        access_count: entry.access_count,
        size_bytes: entry.size_bytes,
        durability: reply.durability,
        cache_level: reply.cache_level,
    }))
}

/// The reply of a put.
pub(super) fn written(reply: &[u8]) -> Result<Written, Error> {
    let reply = succeeded(reply)?;
    let created = reply.entry.map(|entry| time(entry.creation_time)).transpose()?;
    Ok(Written { durability: reply.durability, created })
}

/// The reply of a delete.
pub(super) fn removed(reply: &[u8]) -> Result<bool, Error> {
    Ok(succeeded(reply)?.status == "hit")
}

/// The reply of a stats request.
pub(super) fn statistics(reply: &[u8]) -> Result<Value, Error> {
    let entry = succeeded(reply)?.entry.ok_or_else(|| Error::decode("statistics without an entry"))?;
    serde_json::from_str(entry.value.get()).map_err(Error::Decode)
}

/// The reply of an echo.
pub(super) fn echoed<R: DeserializeOwned>(reply: &[u8]) -> Result<R, Error> {
    #[derive(Deserialize)]
    struct Rpc {
        r: Option<serde_json::Map<String, Value>>,
        error: Option<RpcError>,
    }
    let reply: Rpc = serde_json::from_slice(reply).map_err(Error::Decode)?;
    if let Some(error) = reply.error {
        return Err(rpc_error(error));
    }
    let value = reply.r.and_then(|mut results| results.remove(ECHO_COMMAND));
    serde_json::from_value(value.ok_or_else(|| Error::decode("no result of the command"))?)
        .map_err(Error::Decode)
}

/// The reply, unless it says that something went wrong.
fn succeeded(reply: &[u8]) -> Result<Reply<'_>, Error> {
    let reply: Reply = serde_json::from_slice(reply).map_err(Error::Decode)?;
    match reply.status.as_str() {
        "hit" | "miss" | "partial" => Ok(reply),
        "error" | "timeout" | "conflict" => Err(Error::Node {
            status: reply.status,
            code: reply.error_code.unwrap_or_default(),
            message: reply.error_message.unwrap_or_default(),
        }),
        _ => Err(reply.error.map_or_else(|| Error::decode("a reply without a known status"), rpc_error)),
    }
}

fn rpc_error(error: RpcError) -> Error {
    Error::Node { status: "error".to_owned(), code: error.code.to_string(), message: error.message }
}

fn seconds(seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| Error::decode("a time that is no time"))
}

fn time(since_epoch: f64) -> Result<SystemTime, Error> {
    let offset = seconds(since_epoch)?;
    SystemTime::UNIX_EPOCH.checked_add(offset).ok_or_else(|| Error::decode("a time beyond all clocks"))
}
