//! What is said about a function when it is registered, by a Rust program or by a worker's message.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::types::TypeSpec;
use crate::limits::{FUNCTION_DECLARATION_BYTES_MAX, FUNCTION_LABELS_MAX, FUNCTION_NAME_BYTES_MAX};
use crate::rpc::version::{self, Version};

/// A function's declaration. Everything but the name has a default; an explicit null is one too.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub struct Declaration {
    /// Its name, such as `math.add`.
    pub name: String,
    /// Its id; default the name. One name has one id, and one id one name.
    #[serde(default)]
    pub function_id: Option<String>,
    /// Default `1.0.0`.
    #[serde(default)]
    pub version: Option<String>,
    /// Default: the name up to its last dot.
    #[serde(default)]
    pub namespace: Option<String>,
    /// `local`, `zone` (default), `region` or `global`.
    #[serde(default)]
    pub scope: Option<String>,
    /// Documentation; its first line is the summary.
    #[serde(default, deserialize_with = "nullable")]
    pub doc: String,
    /// In their order.
    #[serde(default, deserialize_with = "nullable")]
    pub parameters: Vec<Parameter>,
    /// Type of the result; default `any`.
    #[serde(default)]
    pub returns: Option<Type>,
    /// What is said about the result.
    #[serde(default, deserialize_with = "nullable")]
    pub returns_doc: String,
    /// What a caller may ask for with `locs`.
    #[serde(default, deserialize_with = "nullable")]
    pub resources: Vec<String>,
    /// Labels to search by.
    #[serde(default, deserialize_with = "nullable")]
    pub tags: Vec<String>,
    /// Further labels.
    #[serde(default, deserialize_with = "nullable")]
    pub capabilities: Vec<String>,
    /// Calls shown in the description.
    #[serde(default, deserialize_with = "nullable")]
    pub examples: Vec<Example>,
    /// Running it twice is as good as once, so a call may be repeated on another worker.
    #[serde(default, deserialize_with = "nullable")]
    pub idempotent: bool,
    /// Equal arguments have equal results, so results are kept.
    #[serde(default, deserialize_with = "nullable")]
    pub pure: bool,
    /// How long results of a pure function are kept; default for ever.
    #[serde(default)]
    pub ttl_seconds: Option<f64>,
    /// Cache keys (`namespace:identifier:version`) the results of a pure function depend on.
    #[serde(default, deserialize_with = "nullable")]
    pub dependencies: Vec<String>,
}

/// One parameter.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// How it is given.
    #[serde(default)]
    pub kind: Kind,
    /// Default `any`.
    #[serde(default, rename = "type")]
    pub of: Option<Type>,
    /// Default: unless there is a `default`.
    #[serde(default)]
    pub required: Option<bool>,
    /// The value it has when left out.
    #[serde(default, deserialize_with = "present")]
    pub default: Option<Value>,
    /// One line about it.
    #[serde(default, deserialize_with = "nullable")]
    pub doc: String,
}

/// How an argument may be given.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// By its place.
    PositionalOnly,
    /// By its place or its name.
    #[default]
    PositionalOrKeyword,
    /// All places that are left.
    VarPositional,
    /// By its name.
    KeywordOnly,
    /// All names that are left.
    VarKeyword,
}

/// A type: a bare name, or all that is known of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum Type {
    /// `integer`, `number`, `string`, `boolean`, `array`, `object`, `any`, or a name of one's own.
    Name(String),
    /// The full form.
    Spec(TypeSpec),
}

impl Type {
    /// The full form.
    #[must_use]
    pub fn spec(&self) -> TypeSpec {
        match self {
            Type::Name(name) => TypeSpec::named(name.clone()),
            Type::Spec(spec) => spec.clone(),
        }
    }
}

/// A call as documentation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// Its name.
    pub name: String,
    /// What it shows.
    #[serde(default, deserialize_with = "nullable")]
    pub description: String,
    /// What is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Value>,
    /// What comes back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<Value>,
}

/// Where a function may be seen and called from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// This node.
    Local,
    /// This cluster; `cluster` is another word for it.
    #[default]
    Zone,
    /// This region.
    Region,
    /// Everywhere.
    Global,
}

impl Scope {
    /// The word of the protocol.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Scope::Local => "local",
            Scope::Zone => "zone",
            Scope::Region => "region",
            Scope::Global => "global",
        }
    }

    /// Reads the word, in any case.
    #[must_use]
    pub fn read(word: &str) -> Option<Scope> {
        match word.to_lowercase().as_str() {
            "local" => Some(Scope::Local),
            "zone" | "cluster" => Some(Scope::Zone),
            "region" => Some(Scope::Region),
            "global" => Some(Scope::Global),
            _ => None,
        }
    }
}

/// Why a declaration is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A text that must not be empty, or is too long.
    #[error("{what} must have 1 to {bytes_max} bytes")]
    Text {
        /// Which.
        what: &'static str,
        /// The most it may have.
        bytes_max: usize,
    },
    /// Too many of something.
    #[error("{what}: {count} are too many, the limit is {count_max}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many there may be.
        count_max: usize,
    },
    /// The version is none.
    #[error(transparent)]
    Version(#[from] version::Error),
    /// The scope is none.
    #[error("scope {0:?} is none of local, zone, region, global")]
    Scope(String),
    /// The time to live is none.
    #[error("ttl_seconds must be above 0")]
    Ttl,
}

impl Declaration {
    /// Checks what types alone do not.
    pub(crate) fn check(&self) -> Result<(), Error> {
        let text = |what, text: &str| {
            let fits = !text.is_empty() && text.len() <= FUNCTION_NAME_BYTES_MAX;
            if fits { Ok(()) } else { Err(Error::Text { what, bytes_max: FUNCTION_NAME_BYTES_MAX }) }
        };
        text("name", &self.name)?;
        text("function_id", self.id())?;
        self.resources.iter().try_for_each(|label| text("resources", label))?;
        self.tags.iter().try_for_each(|label| text("tags", label))?;
        for (what, count) in [
            ("resources", self.resources.len()),
            ("tags", self.tags.len()),
            ("parameters", self.parameters.len()),
            ("examples", self.examples.len()),
            ("dependencies", self.dependencies.len()),
        ] {
            if count > FUNCTION_LABELS_MAX {
                return Err(Error::TooMany { what, count, count_max: FUNCTION_LABELS_MAX });
            }
        }
        if self.doc.len() > FUNCTION_DECLARATION_BYTES_MAX {
            return Err(Error::Text { what: "doc", bytes_max: FUNCTION_DECLARATION_BYTES_MAX });
        }
        if self.ttl_seconds.is_some_and(|ttl| !ttl.is_finite() || ttl <= 0.0) {
            return Err(Error::Ttl);
        }
        self.parsed_version()?;
        self.parsed_scope()?;
        Ok(())
    }

    /// The id.
    pub(crate) fn id(&self) -> &str {
        self.function_id.as_deref().unwrap_or(&self.name)
    }

    pub(crate) fn parsed_version(&self) -> Result<Version, Error> {
        Ok(self.version.as_deref().map_or(Ok(Version::DEFAULT), str::parse)?)
    }

    pub(crate) fn parsed_scope(&self) -> Result<Scope, Error> {
        let Some(word) = self.scope.as_deref() else { return Ok(Scope::default()) };
        Scope::read(word).ok_or_else(|| Error::Scope(word.chars().take(32).collect()))
    }

    /// The namespace given, or the name up to its last dot.
    pub(crate) fn resolved_namespace(&self) -> &str {
        let from_name = || self.name.rsplit_once('.').map_or("", |(namespace, _)| namespace);
        self.namespace.as_deref().unwrap_or_else(from_name)
    }

    /// How long results are kept; `None` inside: for ever. `None` outside: they are not.
    pub(crate) fn memo_ttl(&self) -> Option<Option<Duration>> {
        let ttl = self.ttl_seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        self.pure.then_some(ttl)
    }
}

/// Null is the default.
fn nullable<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A null that is there is a value.
fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(from).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn read(value: Value) -> Declaration {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn a_name_is_enough_and_nulls_are_defaults() {
        let short = read(json!({"name": "math.stats.mean"}));
        let nulls =
            read(json!({"name": "math.stats.mean", "function_id": null, "version": null, "doc": null,
            "parameters": null, "resources": null, "idempotent": null, "pure": null, "scope": null}));
        assert_eq!(short, nulls);
        assert!(short.check().is_ok());
        assert_eq!((short.id(), short.resolved_namespace()), ("math.stats.mean", "math.stats"));
        assert_eq!(short.parsed_version(), Ok(Version::DEFAULT));
        assert_eq!(short.parsed_scope(), Ok(Scope::Zone));
        assert_eq!(read(json!({"name": "echo"})).resolved_namespace(), "");
    }

    #[test]
    fn a_default_of_null_is_a_default() {
        let with = read(json!({"name": "f", "parameters": [{"name": "a", "default": null}, {"name": "b"}]}));
        assert_eq!(with.parameters[0].default, Some(Value::Null));
        assert_eq!(with.parameters[1].default, None);
    }

    #[test]
    fn bad_declarations_say_what_is_wrong() {
        let error = |value| read(value).check().unwrap_err().to_string();
        assert!(error(json!({"name": ""})).contains("name must have"));
        assert!(error(json!({"name": "x".repeat(300)})).contains("name must have"));
        assert!(error(json!({"name": "f", "function_id": ""})).contains("function_id"));
        assert!(error(json!({"name": "f", "version": "one"})).contains("invalid version"));
        assert!(error(json!({"name": "f", "scope": "moon"})).contains("moon"));
        assert!(error(json!({"name": "f", "ttl_seconds": 0.0})).contains("ttl_seconds"));
        assert!(error(json!({"name": "f", "tags": vec!["t"; 65]})).contains("too many"));
        assert!(error(json!({"name": "f", "tags": [""]})).contains("tags"));
    }

    #[test]
    fn scopes_are_ranked() {
        assert_eq!(Scope::read("CLUSTER"), Some(Scope::Zone));
        assert!(Scope::Local < Scope::Zone && Scope::Zone < Scope::Region && Scope::Region < Scope::Global);
        assert_eq!(Scope::read("moon"), None);
    }
}
