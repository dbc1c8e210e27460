//! What a client demands of an entry before an operation touches it, and of an event before it is told.
//!
//! ```
//! use mpreg_storage::json::{Conditions, Facts, Unmet};
//!
//! let conditions = Conditions::parse(r#"{"access_count": {"$gte": 5}, "value.owner": "ada"}"#)?;
//! let facts = Facts { exists: true, access_count: 7, value: Some(r#"{"owner": "ada"}"#), ..Facts::ABSENT };
//! assert_eq!(conditions.check(&facts), Ok(()));
//! assert_eq!(conditions.check(&Facts { access_count: 4, ..facts }), Err(Unmet::Field("access_count")));
//! # Ok::<(), mpreg_storage::json::ConditionFault>(())
//! ```
//!
//! Conditions are an object. `if_not_exists` and `if_exists` say whether the key must be there; every
//! other member tests one field against a value (`==`) or against an object of operators, all of which must
//! hold:
//!
//! | operator | holds when the field |
//! |---|---|
//! | `$eq`, `$ne` | is, is not this value; numbers count by value, object members in any order |
//! | `$lt`, `$lte`, `$gt`, `$gte` | is of the same type and below, at most, above, at least this number or string |
//! | `$in`, `$nin` | is one, none of these values |
//!
//! A field that is not there satisfies no test at all, `$ne` and `$nin` included. An object with a name that
//! begins with `$` is one of operators; to compare with such an object itself, use `$eq`.
//!
//! Parsing checks everything and brings the operands into canonical bytes; evaluating compares bytes.

mod event;
mod test;

#[cfg(test)]
mod tests;

pub use event::EventConditions;

use super::canonical::{Exact, canonical, canonical_number};
use super::{Error, member, members_of, validate};
use crate::limits::{CONDITION_CHOICES_MAX, CONDITIONS_MAX, ECHO_BYTES_MAX};
use test::Test;

/// Why conditions were refused. Names the member at fault, cut to [`ECHO_BYTES_MAX`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConditionFault {
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] Error),
    /// Conditions are an object.
    #[error("conditions must be an object")]
    NotAnObject,
    /// No entry has such a field.
    #[error("unknown condition field '{0}'")]
    UnknownField(String),
    /// There is no such operator.
    #[error("unknown condition operator '{operator}' of '{field}'")]
    UnknownOperator {
        /// The field it was to test.
        field: String,
        /// The operator.
        operator: String,
    },
    /// `if_exists` and `if_not_exists` are booleans.
    #[error("condition '{0}' must be true or false")]
    NotABoolean(&'static str),
    /// `$in` and `$nin` take an array.
    #[error("'$in' and '$nin' of '{0}' take an array")]
    NotAnArray(String),
    /// `field_path` is a string.
    #[error("condition 'field_path' must be a string")]
    NotAString,
    /// `field_path` and `threshold` belong together.
    #[error("'field_path' and 'threshold' belong together")]
    HalfATest,
    /// More than [`CONDITIONS_MAX`] tests.
    #[error("more than {CONDITIONS_MAX} conditions")]
    TooMany,
    /// More than [`CONDITION_CHOICES_MAX`] choices.
    #[error("more than {CONDITION_CHOICES_MAX} choices for '{0}'")]
    TooManyChoices(String),
}

/// The conditions of one operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Conditions {
    if_not_exists: bool,
    if_exists: bool,
    tests: Vec<(Field, Test)>,
}

/// What can be tested of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Field {
    AccessCount,
    TtlRemaining,
    AgeSeconds,
    SizeBytes,
    Value,
    /// A member of the value; the whole name, [`VALUE_PATH`] and the path behind it.
    Member(String),
}

/// What a name begins with that leads into the value.
const VALUE_PATH: &str = "value.";

/// What is known of one entry when conditions are checked. Times are microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts<'a> {
    /// Whether the key is there and not expired. Without it no field of it is there either.
    pub exists: bool,
    /// How often it was read.
    pub access_count: u64,
    /// Time left until it expires; `None` when it never does.
    pub ttl_remaining_us: Option<u64>,
    /// Time since it was created.
    pub age_us: u64,
    /// Length of its value's text.
    pub size_bytes: u64,
    /// Its value, as validated JSON text; `None` when whoever asks did not fetch it.
    pub value: Option<&'a str>,
}

impl Facts<'_> {
    /// A key that is not there.
    pub const ABSENT: Facts<'static> = Facts {
        exists: false,
        access_count: 0,
        ttl_remaining_us: None,
        age_us: 0,
        size_bytes: 0,
        value: None,
    };
}

/// The condition that does not hold. `Display` is the message the protocol shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unmet<'c> {
    /// `if_not_exists`, and the key is there.
    #[error("Key already exists")]
    KeyExists,
    /// `if_exists`, and the key is not there.
    #[error("Key does not exist")]
    KeyAbsent,
    /// The test of this field.
    #[error("Condition on {0} not met")]
    Field(&'c str),
}

impl Conditions {
    /// Reads the conditions of a request. `{}` has none.
    ///
    /// `if_exists: false` and `if_not_exists: false` demand nothing. A field that appears twice is tested twice.
    pub fn parse(text: &str) -> Result<Conditions, ConditionFault> {
        let text = validate(text.as_bytes())?;
        let mut conditions = Conditions::default();
        for (name, value) in members_of(text).ok_or(ConditionFault::NotAnObject)? {
            match &*name.decode() {
                "if_not_exists" => conditions.if_not_exists |= boolean("if_not_exists", value)?,
                "if_exists" => conditions.if_exists |= boolean("if_exists", value)?,
                name => {
                    let field = Field::parse(name)?;
                    Test::parse(name, value, |test| conditions.push(field.clone(), test))?;
                }
            }
        }
        Ok(conditions)
    }

    fn push(&mut self, field: Field, test: Test) -> Result<(), ConditionFault> {
        if self.tests.len() == CONDITIONS_MAX {
            return Err(ConditionFault::TooMany);
        }
        self.tests.push((field, test));
        Ok(())
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.if_exists && !self.if_not_exists && self.tests.is_empty()
    }

    /// Whether [`Facts::value`] is looked at; without that need it need not be fetched.
    #[must_use]
    pub fn need_value(&self) -> bool {
        self.tests.iter().any(|(field, _)| matches!(field, Field::Value | Field::Member(_)))
    }

    /// Checks every condition, those of the key's existence first, and names the first that does not hold.
    ///
    /// Cost: one allocation, and for tests of the value one pass over it each.
    pub fn check(&self, facts: &Facts<'_>) -> Result<(), Unmet<'_>> {
        if self.if_not_exists && facts.exists {
            return Err(Unmet::KeyExists);
        }
        if self.if_exists && !facts.exists {
            return Err(Unmet::KeyAbsent);
        }
        let mut fact = Vec::new();
        for (field, test) in &self.tests {
            fact.clear();
            let there = facts.exists && field.canonical_into(facts, &mut fact);
            if !there || !test.holds(&fact) {
                return Err(Unmet::Field(field.name()));
            }
        }
        Ok(())
    }
}

impl Field {
    fn parse(name: &str) -> Result<Field, ConditionFault> {
        Ok(match name {
            "access_count" => Field::AccessCount,
            "ttl_remaining" => Field::TtlRemaining,
            "age_seconds" => Field::AgeSeconds,
            "size_bytes" => Field::SizeBytes,
            "value" => Field::Value,
            _ if name.starts_with(VALUE_PATH) => Field::Member(name.to_owned()),
            _ => return Err(ConditionFault::UnknownField(echo(name))),
        })
    }

    fn name(&self) -> &str {
        match self {
            Field::AccessCount => "access_count",
            Field::TtlRemaining => "ttl_remaining",
            Field::AgeSeconds => "age_seconds",
            Field::SizeBytes => "size_bytes",
            Field::Value => "value",
            Field::Member(name) => name,
        }
    }

    /// Appends the canonical bytes of this field; `false` when the entry has no such field.
    fn canonical_into(&self, facts: &Facts<'_>, out: &mut Vec<u8>) -> bool {
        let number = match self {
            Field::AccessCount => Exact::integer(i128::from(facts.access_count)),
            Field::SizeBytes => Exact::integer(i128::from(facts.size_bytes)),
            Field::AgeSeconds => seconds(facts.age_us),
            Field::TtlRemaining => match facts.ttl_remaining_us {
                Some(micros) => seconds(micros),
                None => return false,
            },
            Field::Value => return facts.value.is_some_and(|value| canonical(value, out).is_ok()),
            Field::Member(name) => {
                let found = facts.value.and_then(|value| member(value, &name[VALUE_PATH.len()..]));
                return found.is_some_and(|value| canonical(value, out).is_ok());
            }
        };
        canonical_number(number, out);
        true
    }
}

fn seconds(micros: u64) -> Exact {
    Exact::float(micros as f64 / 1e6)
}

fn boolean(name: &'static str, value: &str) -> Result<bool, ConditionFault> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(ConditionFault::NotABoolean(name)),
    }
}

/// The beginning of a client's word, for a message.
pub(super) fn echo(word: &str) -> String {
    word[..word.floor_char_boundary(ECHO_BYTES_MAX)].to_owned()
}
