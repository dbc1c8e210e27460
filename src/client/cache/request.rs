//! Cache requests with every option the protocol has.

use std::borrow::Cow;
use std::time::Duration;

use serde::Serialize;
use serde_json::value::RawValue;

use super::key::TaggedKey;
use super::{Atomic, Key, Namespace, Structure};
use crate::client::{Error, Level};

/// Any cache request, built step by step; [`Client::execute`](crate::client::Client::execute) sends it.
///
/// An option that the operation does not know is ignored by the node, or refused by it, as the protocol says.
#[derive(Debug, Clone, Serialize)]
#[must_use = "a request does nothing until it is executed"]
pub struct Request<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    operation: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<TaggedKey<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Cow<'a, RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tags: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Box<Metadata>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_config: Option<TtlConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Box<Options>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    atomic_operation: Option<Box<Atomic>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    structure_operation: Option<Box<Structure>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace_operation: Option<Box<Namespace>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    operations: Vec<Request<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<Sender>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Metadata {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dependencies: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    computation_cost_ms: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    quality_score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_while_revalidate_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_if_error_seconds: Option<f64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    negative: bool,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
struct TtlConfig {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    refresh_on_access: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_jitter_percent: Option<f64>,
}

#[derive(Debug, Clone, Default, Serialize)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    consistency_level: Option<&'static str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    cache_levels: &'static [&'static str],
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    cascade_dependencies: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lease: Option<LeaseOption>,
}

#[derive(Debug, Clone, Copy, Default, Serialize)]
struct LeaseOption {
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    failed: bool,
}

#[derive(Debug, Clone, Serialize)]
struct Sender {
    id: String,
    seq: u64,
}

/// What can be asked for.
impl<'a> Request<'a> {
    /// Reads the entry of a key.
    pub fn get(key: impl Into<Key<'a>>) -> Request<'a> {
        Request::of("get", key)
    }

    /// Stores `value`, which must not serialise to `null`.
    pub fn put<T: Serialize + ?Sized>(key: impl Into<Key<'a>>, value: &T) -> Result<Request<'a>, Error> {
        let value = serde_json::value::to_raw_value(value).map_err(Error::Encode)?;
        Ok(Request { value: Some(Cow::Owned(value)), ..Request::of("put", key) })
    }

    /// Stores a value that is JSON text already.
    pub fn put_raw(key: impl Into<Key<'a>>, value: &'a RawValue) -> Request<'a> {
        Request { value: Some(Cow::Borrowed(value)), ..Request::of("put", key) }
    }

    /// Remembers that there is no such thing, for as long as [`Request::ttl`] says.
    pub fn put_negative(key: impl Into<Key<'a>>) -> Request<'a> {
        let mut request = Request::of("put", key);
        request.metadata().negative = true;
        request
    }

    /// Removes the entry of a key.
    pub fn delete(key: impl Into<Key<'a>>) -> Request<'a> {
        Request::of("delete", key)
    }

    /// Reads and writes one entry in one step.
    pub fn atomic(key: impl Into<Key<'a>>, operation: Atomic) -> Request<'a> {
        Request { atomic_operation: Some(Box::new(operation)), ..Request::of("atomic", key) }
    }

    /// Works on a set, list, map, ...
    pub fn structure(key: impl Into<Key<'a>>, operation: Structure) -> Request<'a> {
        Request { structure_operation: Some(Box::new(operation)), ..Request::of("structure", key) }
    }

    /// Works on a whole namespace.
    pub fn namespace(operation: Namespace) -> Request<'a> {
        Request { namespace_operation: Some(Box::new(operation)), ..Request::without_key("namespace") }
    }

    /// Removes everything whose text matches a glob, tried against `ns:id:version`, `ns:id`, `ns.id` and `ns`.
    pub fn invalidate(pattern: impl Into<Cow<'a, str>>) -> Request<'a> {
        Request { pattern: Some(pattern.into()), ..Request::without_key("invalidate") }
    }

    /// Removes everything that carries one of these tags.
    pub fn invalidate_tags<T: Into<String>>(tags: impl IntoIterator<Item = T>) -> Request<'a> {
        let tags = tags.into_iter().map(Into::into).collect();
        Request { tags: Some(tags), ..Request::without_key("invalidate") }
    }

    /// Lists the keys of a namespace whose identifier matches a glob, as `ns:id:version`.
    pub fn query(namespace: &'a str, pattern: impl Into<Cow<'a, str>>) -> Request<'a> {
        Request { pattern: Some(pattern.into()), ..Request::of("query", (namespace, "")) }
    }

    /// The node's statistics.
    pub fn stats() -> Request<'a> {
        Request::without_key("stats")
    }

    /// Up to 1,024 gets, puts, deletes, atomic and structure operations: all happen, in order, or none. Level and
    /// [`Request::numbered`] belong to the whole; those of the parts are dropped.
    pub fn batch(operations: impl IntoIterator<Item = Request<'a>>) -> Request<'a> {
        let part = |part: Request<'a>| Request { role: None, options: None, client: None, ..part };
        let operations = operations.into_iter().map(part).collect();
        Request { operations, ..Request::without_key("batch") }
    }

    fn of(operation: &'static str, key: impl Into<Key<'a>>) -> Request<'a> {
        let key = TaggedKey { key: key.into(), tags: Cow::Borrowed(&[]) };
        Request { key: Some(key), ..Request::without_key(operation) }
    }

    fn without_key(operation: &'static str) -> Request<'a> {
        Request {
            role: Some("cache-request"),
            operation,
            key: None,
            value: None,
            pattern: None,
            tags: None,
            metadata: None,
            ttl_config: None,
            constraints: Vec::new(),
            options: None,
            atomic_operation: None,
            structure_operation: None,
            namespace_operation: None,
            operations: Vec::new(),
            client: None,
        }
    }
}

/// How it is done.
impl Request<'_> {
    /// When a write is acknowledged, which values a read may see. `None`: the node's default.
    pub fn level(mut self, level: impl Into<Option<Level>>) -> Self {
        if let Some(level) = level.into() {
            self.options().consistency_level = Some(level.name());
        }
        self
    }

    /// In memory only: the entry may vanish at any time.
    pub fn volatile(mut self) -> Self {
        self.options().cache_levels = &["L1"];
        self
    }

    /// With a delete or an invalidation: what depends on it goes, too.
    pub fn cascade(mut self) -> Self {
        self.options().cascade_dependencies = true;
        self
    }

    /// Why, for whoever reads the events.
    pub fn reason(mut self, reason: impl Into<String>) -> Self {
        self.options().reason = Some(reason.into());
        self
    }

    /// With a get: if there is nothing to read, this client wants to fill it within `ttl`, at most 10 min.
    pub fn lease(mut self, ttl: Duration) -> Self {
        let ttl_ms = u64::try_from(ttl.as_millis()).unwrap_or(u64::MAX);
        self.options().lease = Some(LeaseOption { ttl_ms: Some(ttl_ms), ..LeaseOption::default() });
        self
    }

    /// With a put: the value this lease was granted for.
    pub fn fill(mut self, token: u64) -> Self {
        self.options().lease = Some(LeaseOption { token: Some(token), ..LeaseOption::default() });
        self
    }

    /// With a get: the value could not be computed; the lease goes back.
    pub fn give_up(mut self, token: u64) -> Self {
        self.options().lease =
            Some(LeaseOption { token: Some(token), failed: true, ..LeaseOption::default() });
        self
    }

    /// Applied once, however often it is sent: the write `seq` of client `id`. A new write has a higher number.
    pub fn numbered(mut self, id: impl Into<String>, seq: u64) -> Self {
        self.client = Some(Sender { id: id.into(), seq });
        self
    }

    /// How long the entry lives. `None`: until it is deleted.
    pub fn ttl(mut self, ttl: impl Into<Option<Duration>>) -> Self {
        if let Some(ttl) = ttl.into() {
            self.metadata().ttl_seconds = Some(ttl.as_secs_f64());
        }
        self
    }

    /// Every read makes its life start anew.
    pub fn sliding(mut self) -> Self {
        self.ttl_config.get_or_insert_default().refresh_on_access = true;
        self
    }

    /// Its life is spread by up to so many percent in both directions.
    pub fn jitter_percent(mut self, percent: f64) -> Self {
        self.ttl_config.get_or_insert_default().ttl_jitter_percent = Some(percent);
        self
    }

    /// How long after its end the value may still be read while somebody computes it anew.
    pub fn stale_while_revalidate(mut self, window: Duration) -> Self {
        self.metadata().stale_while_revalidate_seconds = Some(window.as_secs_f64());
        self
    }

    /// How long after its end the value may still be read because it could not be computed.
    pub fn stale_if_error(mut self, window: Duration) -> Self {
        self.metadata().stale_if_error_seconds = Some(window.as_secs_f64());
        self
    }

    /// Tags of the entry, by which it can be invalidated.
    pub fn tags<T: Into<String>>(mut self, tags: impl IntoIterator<Item = T>) -> Self {
        if let Some(key) = &mut self.key {
            key.tags = tags.into_iter().map(Into::into).collect();
        }
        self
    }

    /// Keys the value was computed from, as `namespace:identifier[:version]`.
    pub fn depends_on<T: Into<String>>(mut self, keys: impl IntoIterator<Item = T>) -> Self {
        self.metadata().dependencies = keys.into_iter().map(Into::into).collect();
        self
    }

    /// What computing the value cost, in milliseconds.
    pub fn cost_ms(mut self, cost: f64) -> Self {
        self.metadata().computation_cost_ms = Some(cost);
        self
    }

    /// The client's own measure of the value.
    pub fn quality(mut self, score: f64) -> Self {
        self.metadata().quality_score = Some(score);
        self
    }

    /// One more constraint the value must satisfy, as the protocol has them:
    /// `{"constraint_type":"max_value","value":10}`.
    pub fn constraint<T: Serialize + ?Sized>(mut self, constraint: &T) -> Result<Self, Error> {
        self.constraints.push(serde_json::value::to_raw_value(constraint).map_err(Error::Encode)?);
        Ok(self)
    }

    fn options(&mut self) -> &mut Options {
        self.options.get_or_insert_default()
    }

    fn metadata(&mut self) -> &mut Metadata {
        self.metadata.get_or_insert_default()
    }
}
