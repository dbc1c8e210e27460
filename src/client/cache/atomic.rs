//! Operations on one entry in one step.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{Key, Reply, Request};
use crate::client::{Client, Error};

/// An atomic operation.
///
/// Conditions beyond the kind's own hold in [`Atomic::only_if`]; a condition that does not hold is a conflict, which
/// changes nothing and is no error: see [`AtomicOutcome::applied`].
#[derive(Debug, Clone, Default, Serialize)]
pub struct Atomic {
    operation_type: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    new_value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    increment_by: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    initial_value: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conditions: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    create_if_missing: Option<bool>,
}

impl Atomic {
    /// Stores `new` if the entry equals `expected`; `None` (null) is no entry at all.
    pub fn test_and_set<E: Serialize + ?Sized, N: Serialize + ?Sized>(
        expected: &E,
        new: &N,
    ) -> Result<Atomic, Error> {
        let (expected_value, new_value) = (Some(raw(expected)?), Some(raw(new)?));
        Ok(Atomic { operation_type: "test_and_set", expected_value, new_value, ..Atomic::default() })
    }

    /// The same under the protocol's other name, with another text in a conflict.
    pub fn compare_and_swap<E: Serialize + ?Sized, N: Serialize + ?Sized>(
        expected: &E,
        new: &N,
    ) -> Result<Atomic, Error> {
        Ok(Atomic { operation_type: "compare_and_swap", ..Atomic::test_and_set(expected, new)? })
    }

    /// Adds a number; a missing entry counts as 0.
    pub fn increment<N: Serialize>(by: N) -> Result<Atomic, Error> {
        let increment_by = Some(raw(&by)?);
        Ok(Atomic { operation_type: "increment", increment_by, ..Atomic::default() })
    }

    /// Subtracts a number; a missing entry counts as 0.
    pub fn decrement<N: Serialize>(by: N) -> Result<Atomic, Error> {
        Ok(Atomic { operation_type: "decrement", ..Atomic::increment(by)? })
    }

    /// Puts text behind a text, or a value (or all of an array) behind a list.
    pub fn append<T: Serialize + ?Sized>(value: &T) -> Result<Atomic, Error> {
        let new_value = Some(raw(value)?);
        Ok(Atomic { operation_type: "append", new_value, ..Atomic::default() })
    }

    /// The same in front.
    pub fn prepend<T: Serialize + ?Sized>(value: &T) -> Result<Atomic, Error> {
        Ok(Atomic { operation_type: "prepend", ..Atomic::append(value)? })
    }

    /// Moves the end of the entry's life by `ttl`.
    #[must_use]
    pub fn extend_ttl(ttl: Duration) -> Atomic {
        Atomic { operation_type: "extend_ttl", ttl_seconds: Some(ttl.as_secs_f64()), ..Atomic::default() }
    }

    /// How long the new value lives.
    #[must_use]
    pub fn ttl(self, ttl: Duration) -> Atomic {
        Atomic { ttl_seconds: Some(ttl.as_secs_f64()), ..self }
    }

    /// What a missing entry counts as.
    pub fn initial<T: Serialize + ?Sized>(self, value: &T) -> Result<Atomic, Error> {
        Ok(Atomic { initial_value: Some(raw(value)?), ..self })
    }

    /// An absent entry stays absent: the outcome is a miss.
    #[must_use]
    pub fn only_existing(self) -> Atomic {
        Atomic { create_if_missing: Some(false), ..self }
    }

    /// Conditions as the protocol has them: `{"if_not_exists":true}`, `{"value":{"$gte":2}}`, ...
    pub fn only_if<T: Serialize + ?Sized>(self, conditions: &T) -> Result<Atomic, Error> {
        Ok(Atomic { conditions: Some(raw(conditions)?), ..self })
    }
}

/// How an atomic operation went.
#[derive(Debug, Clone, PartialEq)]
pub struct AtomicOutcome<T> {
    /// False after a conflict or a miss: nothing was changed.
    pub applied: bool,
    /// What was there before.
    pub old: Option<T>,
    /// What is there now.
    pub current: Option<T>,
    /// Why it was not applied.
    pub message: Option<String>,
}

/// `atomic_result`, as far as it matters here.
#[derive(Deserialize)]
pub(super) struct RawAtomic<'a> {
    success: bool,
    #[serde(borrow)]
    old_value: Option<&'a RawValue>,
    #[serde(borrow)]
    current_value: Option<&'a RawValue>,
    error_message: Option<String>,
}

impl RawAtomic<'_> {
    pub(super) fn read<T: DeserializeOwned>(self) -> Result<AtomicOutcome<T>, Error> {
        let value = |text: Option<&RawValue>| -> Result<Option<T>, Error> {
            // A null is no value, whatever type is asked for.
            let text = text.map(RawValue::get).filter(|text| *text != "null");
            text.map(serde_json::from_str).transpose().map_err(Error::Decode)
        };
        Ok(AtomicOutcome {
            applied: self.success,
            old: value(self.old_value)?,
            current: value(self.current_value)?,
            message: self.error_message,
        })
    }
}

impl Client {
    /// Runs an atomic operation. A conflict is an outcome, not an error.
    pub async fn atomic<T: DeserializeOwned>(
        &self,
        key: impl Into<Key<'_>>,
        operation: Atomic,
    ) -> Result<AtomicOutcome<T>, Error> {
        let reply = self.execute(&Request::atomic(key, operation)).await?;
        reply.atomic()
    }

    /// Adds to a number and returns the sum. A missing entry counts as 0.
    pub async fn increment<N: Serialize + DeserializeOwned>(
        &self,
        key: impl Into<Key<'_>>,
        by: N,
    ) -> Result<N, Error> {
        let outcome = self.atomic(key, Atomic::increment(by)?).await?;
        outcome.current.ok_or_else(|| Error::decode("an increment without a sum"))
    }
}

impl Reply {
    /// The outcome of an atomic operation.
    pub fn atomic<T: DeserializeOwned>(&self) -> Result<AtomicOutcome<T>, Error> {
        match self.parsed()?.atomic_result {
            Some(result) => result.read(),
            None => Ok(AtomicOutcome { applied: false, old: None, current: None, message: None }),
        }
    }
}

pub(super) fn raw<T: Serialize + ?Sized>(value: &T) -> Result<Box<RawValue>, Error> {
    serde_json::value::to_raw_value(value).map_err(Error::Encode)
}
