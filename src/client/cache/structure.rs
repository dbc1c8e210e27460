//! Sets, lists, maps, sorted sets, counters, queues and stacks: one operation, and a typed face for each kind.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::atomic::raw;
use super::{Reply, Request};
use crate::client::{Client, Error};

/// One operation on a structure, in the protocol's words: kind (`set list map sorted_set counter queue stack`), verb, and
/// what it works on.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Structure {
    structure_type: String,
    operation: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    values: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    fields: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    field_updates: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    scored_values: Vec<Scored<Box<RawValue>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    index: Option<i64>,
    #[serde(skip_serializing_if = "Range::is_everything")]
    range_spec: Range,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Options::is_default")]
    options: Options,
}

/// A member of a sorted set with its score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Scored<T> {
    /// The member.
    pub value: T,
    /// Its score; members are ordered by it.
    pub score: f64,
}

/// Which part of a list or a sorted set: either places or scores. The default is everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Range {
    /// First place; a negative one counts from the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<i64>,
    /// Place behind the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end: Option<i64>,
    /// Lowest score, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_score: Option<f64>,
    /// Highest score, inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_score: Option<f64>,
}

impl Range {
    /// Places `start..end`, `end` exclusive.
    #[must_use]
    pub fn places(start: i64, end: i64) -> Range {
        Range { start: Some(start), end: Some(end), ..Range::default() }
    }

    /// Scores from `min` to `max`, both inclusive.
    #[must_use]
    pub fn scores(min: f64, max: f64) -> Range {
        Range { min_score: Some(min), max_score: Some(max), ..Range::default() }
    }

    fn is_everything(&self) -> bool {
        *self == Range::default()
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize)]
struct Options {
    #[serde(skip_serializing_if = "Option::is_none")]
    create_if_missing: Option<bool>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    other_sets: Vec<String>,
}

impl Options {
    fn is_default(&self) -> bool {
        *self == Options::default()
    }
}

impl Structure {
    /// The operation `verb` on a structure of this kind.
    pub fn new(kind: impl Into<String>, verb: impl Into<String>) -> Structure {
        Structure { structure_type: kind.into(), operation: verb.into(), ..Structure::default() }
    }

    /// One more value it works on.
    pub fn value<T: Serialize + ?Sized>(mut self, value: &T) -> Result<Structure, Error> {
        self.values.push(raw(value)?);
        Ok(self)
    }

    /// More values it works on, in order.
    pub fn values<T: Serialize>(self, values: impl IntoIterator<Item = T>) -> Result<Structure, Error> {
        values.into_iter().try_fold(self, |structure, value| structure.value(&value))
    }

    /// Fields of a map it works on.
    #[must_use]
    pub fn fields<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Structure {
        self.fields.extend(fields.into_iter().map(Into::into));
        self
    }

    /// Fields of a map with what they become: anything that serialises to an object.
    pub fn updates<T: Serialize + ?Sized>(self, updates: &T) -> Result<Structure, Error> {
        Ok(Structure { field_updates: Some(raw(updates)?), ..self })
    }

    /// One more member of a sorted set, with its score.
    pub fn scored<T: Serialize + ?Sized>(mut self, value: &T, score: f64) -> Result<Structure, Error> {
        self.scored_values.push(Scored { value: raw(value)?, score });
        Ok(self)
    }

    /// One score for all values.
    #[must_use]
    pub fn score(self, score: f64) -> Structure {
        Structure { score: Some(score), ..self }
    }

    /// A place in a list.
    #[must_use]
    pub fn index(self, index: i64) -> Structure {
        Structure { index: Some(index), ..self }
    }

    /// A part of a list or a sorted set.
    #[must_use]
    pub fn range(self, range: Range) -> Structure {
        Structure { range_spec: range, ..self }
    }

    /// At most so many.
    #[must_use]
    pub fn limit(self, limit: u64) -> Structure {
        Structure { limit: Some(limit), ..self }
    }

    /// Other sets, as `namespace:identifier[:version]`.
    #[must_use]
    pub fn others<K: Into<String>>(mut self, keys: impl IntoIterator<Item = K>) -> Structure {
        self.options.other_sets.extend(keys.into_iter().map(Into::into));
        self
    }

    /// A structure that is not there is not made.
    #[must_use]
    pub fn only_existing(mut self) -> Structure {
        self.options.create_if_missing = Some(false);
        self
    }
}

/// How a structure operation went.
#[derive(Debug, Clone, PartialEq)]
pub struct StructureOutcome<T> {
    /// What the operation comes to; `None` when there was nothing.
    pub value: Option<T>,
    /// Members afterwards.
    pub size: u64,
    /// Whether the key existed before.
    pub existed: bool,
    /// Members newly inserted, of what inserts into a set.
    pub added: Option<u64>,
    /// Members taken out, of what removes from a set.
    pub removed: Option<u64>,
}

/// `structure_result`, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct RawStructure<'a> {
    #[serde(borrow)]
    value: Option<&'a RawValue>,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    exists: bool,
    added: Option<u64>,
    removed: Option<u64>,
}

impl Reply {
    /// The outcome of a structure operation.
    pub fn structure<T: DeserializeOwned>(&self) -> Result<StructureOutcome<T>, Error> {
        let result = self.parsed()?.structure_result;
        let result = result.ok_or_else(|| Error::decode("no structure_result"))?;
        let text = result.value.map(RawValue::get).filter(|text| *text != "null");
        Ok(StructureOutcome {
            value: text.map(serde_json::from_str).transpose().map_err(Error::Decode)?,
            size: result.size,
            existed: result.exists,
            added: result.added,
            removed: result.removed,
        })
    }
}

impl Client {
    /// Runs an operation on a structure.
    pub async fn structure<T: DeserializeOwned>(
        &self,
        key: impl Into<super::Key<'_>>,
        operation: Structure,
    ) -> Result<StructureOutcome<T>, Error> {
        self.execute(&Request::structure(key, operation)).await?.structure()
    }
}
