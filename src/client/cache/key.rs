//! Keys, as requests have them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

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

impl<'a> From<&'a FoundKey> for Key<'a> {
    fn from(key: &'a FoundKey) -> Key<'a> {
        Key { namespace: &key.namespace, identifier: &key.identifier, version: Some(&key.version) }
    }
}

/// A key of a listing, with the tags its entry carries.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct FoundKey {
    /// Its namespace.
    pub namespace: String,
    /// Its identifier.
    pub identifier: String,
    /// Its version.
    pub version: String,
    /// Tags of its entry.
    #[serde(default)]
    pub tags: Vec<String>,
}

/// A key with the tags of a put, as the wire has them together.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TaggedKey<'a> {
    #[serde(flatten)]
    pub(super) key: Key<'a>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub(super) tags: Cow<'a, [String]>,
}
