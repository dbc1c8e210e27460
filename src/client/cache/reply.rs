//! Replies as far as this client reads them. Unknown members are ignored.

use std::time::{Duration, SystemTime};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use super::atomic::RawAtomic;
use super::structure::RawStructure;
use crate::client::Error;

/// How a request ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Done, found.
    Hit,
    /// There was nothing.
    Miss,
    /// A limit stopped it before the end.
    Partial,
    /// A condition did not hold, nothing was changed.
    Conflict,
    /// Refused or failed; [`Reply::check`] makes it an [`Error`].
    Error,
    /// Out of time; [`Reply::check`] makes it an [`Error`].
    Timeout,
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
    /// Its tags.
    pub tags: Vec<String>,
    /// Keys it depends on, as `namespace:identifier:version`.
    pub dependencies: Vec<String>,
}

/// What a get with [`Request::lease`](super::Request::lease) says beside the entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Lease {
    /// Who fills.
    pub state: LeaseState,
    /// To put with, when it was granted.
    pub token: Option<u64>,
    /// The entry is past its time to live.
    #[serde(default)]
    pub stale: bool,
}

/// Who fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LeaseState {
    /// The asker.
    Granted,
    /// Somebody else; ask again soon.
    Filling,
    /// Nobody: there is a fresh entry.
    None,
}

/// The reply to a cache request.
#[derive(Debug, Clone)]
pub struct Reply {
    text: Box<RawValue>,
    status: Status,
}

/// A `cache-response`, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct Parsed<'a> {
    status: Option<Status>,
    durability: Option<Durability>,
    cache_level: Option<String>,
    #[serde(borrow)]
    entry: Option<RawEntry<'a>>,
    error_message: Option<String>,
    error_code: Option<String>,
    #[serde(borrow)]
    pub(super) atomic_result: Option<RawAtomic<'a>>,
    #[serde(borrow)]
    pub(super) structure_result: Option<RawStructure<'a>>,
    #[serde(borrow)]
    pub(super) namespace_result: Option<&'a RawValue>,
    #[serde(borrow)]
    batch_result: Option<RawBatch<'a>>,
    lease: Option<Lease>,
    #[serde(default)]
    negative: bool,
    #[serde(default)]
    replayed: bool,
    /// Only in an RPC-shaped error.
    error: Option<RpcError>,
}

#[derive(Deserialize)]
struct RawEntry<'a> {
    key: Option<RawKey>,
    #[serde(borrow)]
    value: &'a RawValue,
    creation_time: f64,
    #[serde(default)]
    access_count: u64,
    #[serde(default)]
    size_bytes: u64,
    #[serde(default)]
    dependencies: Vec<String>,
    ttl_seconds: Option<f64>,
}

#[derive(Deserialize)]
struct RawKey {
    #[serde(default)]
    tags: Vec<String>,
}

#[derive(Deserialize)]
struct RawBatch<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
pub(in crate::client) struct RpcError {
    code: i64,
    message: String,
    #[serde(default)]
    details: Value,
}

impl Reply {
    /// Takes a reply as it came from [`Client::send`](crate::client::Client::send). Errors of the RPC shape are errors here;
    /// those of the cache are a status.
    pub fn new(text: Box<RawValue>) -> Result<Reply, Error> {
        let parsed: Parsed<'_> = serde_json::from_str(text.get()).map_err(Error::Decode)?;
        match (parsed.status, parsed.error) {
            (Some(status), _) => Ok(Reply { status, text }),
            (None, Some(error)) => Err(error.into()),
            (None, None) => Err(Error::decode("a reply without a known status")),
        }
    }

    /// How it ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// The whole reply as JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.get()
    }

    /// The same, unless the node refused or failed: then [`Error::Node`].
    pub fn check(self) -> Result<Reply, Error> {
        match self.status {
            Status::Error | Status::Timeout => Err(self.refusal()),
            _ => Ok(self),
        }
    }

    /// The same, and a conflict is an error, too.
    pub fn check_applied(self) -> Result<Reply, Error> {
        if self.status == Status::Conflict { Err(self.refusal()) } else { self.check() }
    }

    /// The entry, if there is one.
    pub fn entry<T: DeserializeOwned>(&self) -> Result<Option<Entry<T>>, Error> {
        let parsed = self.parsed()?;
        let Some(entry) = parsed.entry else { return Ok(None) };
        Ok(Some(Entry {
            value: serde_json::from_str(entry.value.get()).map_err(Error::Decode)?,
            created: time(entry.creation_time)?,
            ttl: entry.ttl_seconds.map(seconds).transpose()?,
            access_count: entry.access_count,
            size_bytes: entry.size_bytes,
            durability: parsed.durability,
            cache_level: parsed.cache_level,
            tags: entry.key.map(|key| key.tags).unwrap_or_default(),
            dependencies: entry.dependencies,
        }))
    }

    /// The level a write reached, or that of the value a read saw.
    #[must_use]
    pub fn durability(&self) -> Option<Durability> {
        self.parsed().ok()?.durability
    }

    /// What a get with a lease says about filling.
    #[must_use]
    pub fn lease(&self) -> Option<Lease> {
        self.parsed().ok()?.lease
    }

    /// A miss because it is remembered that there is no such thing.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.parsed().is_ok_and(|parsed| parsed.negative)
    }

    /// The answer of an earlier sending of the same numbered write.
    #[must_use]
    pub fn is_replayed(&self) -> bool {
        self.parsed().is_ok_and(|parsed| parsed.replayed)
    }

    /// The results of a batch, one for each operation.
    pub fn batch(&self) -> Result<Vec<Reply>, Error> {
        let batch = self.parsed()?.batch_result.ok_or_else(|| Error::decode("no batch_result"))?;
        batch.results.into_iter().map(|text| Reply::new(text.to_owned())).collect()
    }

    pub(super) fn parsed(&self) -> Result<Parsed<'_>, Error> {
        serde_json::from_str(self.text.get()).map_err(Error::Decode)
    }

    fn refusal(self) -> Error {
        let status = match self.status {
            Status::Timeout => "timeout",
            Status::Conflict => "conflict",
            _ => "error",
        };
        match self.parsed() {
            Ok(parsed) => Error::Node {
                status: status.to_owned(),
                code: parsed.error_code.unwrap_or_default(),
                message: parsed.error_message.unwrap_or_default(),
            },
            Err(error) => error,
        }
    }
}

impl From<RpcError> for Error {
    fn from(error: RpcError) -> Error {
        let message = match error.details {
            Value::String(details) if !details.is_empty() && details != error.message => {
                format!("{}: {details}", error.message)
            }
            _ => error.message,
        };
        Error::Node { status: "error".to_owned(), code: error.code.to_string(), message }
    }
}

pub(in crate::client) fn seconds(seconds: f64) -> Result<Duration, Error> {
    Duration::try_from_secs_f64(seconds).map_err(|_| Error::decode("a time that is no time"))
}

pub(in crate::client) fn time(since_epoch: f64) -> Result<SystemTime, Error> {
    let offset = seconds(since_epoch)?;
    SystemTime::UNIX_EPOCH.checked_add(offset).ok_or_else(|| Error::decode("a time beyond all clocks"))
}
