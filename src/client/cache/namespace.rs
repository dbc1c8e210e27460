//! Work on whole namespaces, and on what a pattern or tags choose.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::atomic::raw;
use super::{FoundKey, Reply, Request};
use crate::client::{Client, Error};

/// One operation on a namespace, in the protocol's words.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Namespace {
    operation_type: &'static str,
    namespace: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pattern: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_entries: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    dry_run: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_detailed_breakdown: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    compression: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    merge_strategy: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<FoundKey>,
}

/// What a restore does with keys that are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Merge {
    /// The backup wins.
    #[default]
    Overwrite,
    /// What is there stays.
    SkipExisting,
    /// The later one wins.
    Newest,
}

impl Merge {
    fn name(self) -> &'static str {
        match self {
            Merge::Overwrite => "overwrite",
            Merge::SkipExisting => "skip_existing",
            Merge::Newest => "newest",
        }
    }
}

impl Namespace {
    /// Deletes what matches, the oldest first.
    pub fn clear(namespace: impl Into<String>) -> Namespace {
        Namespace::of("clear", namespace)
    }

    /// Adds up.
    pub fn statistics(namespace: impl Into<String>) -> Namespace {
        Namespace::of("statistics", namespace)
    }

    /// Lists keys by identifier, then version.
    pub fn keys(namespace: impl Into<String>) -> Namespace {
        Namespace::of("list_keys", namespace)
    }

    /// Counts.
    pub fn count(namespace: impl Into<String>) -> Namespace {
        Namespace::of("count", namespace)
    }

    /// Lists the namespaces there are; the pattern is one of their names.
    #[must_use]
    pub fn list() -> Namespace {
        Namespace::of("list_namespaces", "")
    }

    /// Exports; the reply has the data.
    pub fn backup(namespace: impl Into<String>) -> Namespace {
        Namespace::of("backup", namespace)
    }

    /// Imports what a backup gave, which may have come from another namespace.
    pub fn restore<T: Serialize + ?Sized>(
        namespace: impl Into<String>,
        data: &T,
        merge: Merge,
    ) -> Result<Namespace, Error> {
        let (data, merge_strategy) = (Some(raw(data)?), Some(merge.name()));
        Ok(Namespace { data, merge_strategy, ..Namespace::of("restore", namespace) })
    }

    fn of(operation_type: &'static str, namespace: impl Into<String>) -> Namespace {
        Namespace { operation_type, namespace: namespace.into(), ..Namespace::default() }
    }

    /// Only identifiers that match a glob.
    #[must_use]
    pub fn pattern(self, pattern: impl Into<String>) -> Namespace {
        Namespace { pattern: Some(pattern.into()), ..self }
    }

    /// Only entries that satisfy conditions as the protocol has them: `{"age_seconds":{"$gt":3600}}`.
    pub fn only_if<T: Serialize + ?Sized>(self, conditions: &T) -> Result<Namespace, Error> {
        Ok(Namespace { conditions: Some(raw(conditions)?), ..self })
    }

    /// At most so many keys of a listing or entries of a backup, or deletions of a clear.
    #[must_use]
    pub fn limit(self, limit: u64) -> Namespace {
        match self.operation_type {
            "clear" => Namespace { max_entries: Some(limit), ..self },
            _ => Namespace { limit: Some(limit), ..self },
        }
    }

    /// Leaves out so many before the first.
    #[must_use]
    pub fn offset(self, offset: u64) -> Namespace {
        Namespace { offset: Some(offset), ..self }
    }

    /// Only what stands behind this key, in the order of keys: where a backup in parts goes on, whatever was deleted
    /// meanwhile.
    #[must_use]
    pub fn after(self, key: FoundKey) -> Namespace {
        Namespace { after: Some(key), ..self }
    }

    /// A clear only counts.
    #[must_use]
    pub fn dry_run(self) -> Namespace {
        Namespace { dry_run: true, ..self }
    }

    /// Statistics by version and level, with the largest entries.
    #[must_use]
    pub fn detailed(self) -> Namespace {
        Namespace { include_detailed_breakdown: true, ..self }
    }

    /// A backup as base64 of gzip.
    #[must_use]
    pub fn compressed(self) -> Namespace {
        Namespace { compression: true, ..self }
    }
}

/// How an operation on a namespace, or an invalidation, went.
#[derive(Debug, Deserialize)]
pub struct NamespaceOutcome {
    /// Entries affected, listed or counted.
    pub count: u64,
    /// A limit or the time stopped it before the end.
    #[serde(default)]
    pub has_more: bool,
    /// Where a listing or a backup goes on.
    pub next_offset: Option<u64>,
    /// Keys of a listing.
    #[serde(default)]
    pub keys: Vec<FoundKey>,
    /// Names of a listing of namespaces.
    #[serde(default)]
    pub namespaces: Vec<String>,
    /// What a backup gave.
    pub data: Option<Box<RawValue>>,
    /// Keys a restore left as they were.
    #[serde(default)]
    pub skipped_count: u64,
}

impl Reply {
    /// The outcome of an operation on a namespace, or of an invalidation.
    pub fn namespace(&self) -> Result<NamespaceOutcome, Error> {
        let result = self.parsed()?.namespace_result;
        let text = result.ok_or_else(|| Error::decode("no namespace_result"))?.get();
        serde_json::from_str(text).map_err(Error::Decode)
    }
}

impl Client {
    /// Runs an operation on a namespace. A clear may stop early: see [`NamespaceOutcome::has_more`].
    pub async fn namespace(&self, operation: Namespace) -> Result<NamespaceOutcome, Error> {
        self.execute(&Request::namespace(operation)).await?.namespace()
    }

    /// Names of all namespaces that hold an entry.
    pub async fn namespaces(&self) -> Result<Vec<String>, Error> {
        let mut names: Vec<String> = Vec::new();
        loop {
            let page = self.namespace(Namespace::list().offset(names.len() as u64)).await?;
            let ended = !page.has_more || page.namespaces.is_empty();
            names.extend(page.namespaces);
            if ended {
                return Ok(names);
            }
        }
    }

    /// Removes everything whose text matches a glob; how many entries.
    pub async fn invalidate(&self, pattern: &str) -> Result<u64, Error> {
        Ok(self.execute(&Request::invalidate(pattern)).await?.namespace()?.count)
    }

    /// Removes everything that carries one of these tags; how many entries.
    pub async fn invalidate_tags<T: Into<String>>(
        &self,
        tags: impl IntoIterator<Item = T>,
    ) -> Result<u64, Error> {
        Ok(self.execute(&Request::invalidate_tags(tags)).await?.namespace()?.count)
    }

    /// Keys of a namespace whose identifier matches a glob, as `ns:id:version`.
    pub async fn query(&self, namespace: &str, pattern: &str) -> Result<Vec<String>, Error> {
        let reply = self.execute(&Request::query(namespace, pattern)).await?;
        Ok(reply.entry()?.map(|entry| entry.value).unwrap_or_default())
    }
}
