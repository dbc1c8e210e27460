//! What must hold of a value before it is stored.
//!
//! ```
//! use mpreg_storage::json::{Constraints, NoPatterns};
//!
//! let constraints = Constraints::<NoPatterns>::parse(
//!     r#"[{"constraint_type": "min_value", "value": 0, "field_path": "stock"},
//!         {"constraint_type": "required_fields", "required_fields": ["name"], "error_message": "nameless"}]"#,
//! )?;
//! assert!(constraints.violations(r#"{"stock": 3, "name": "nut"}"#).is_empty());
//! assert_eq!(constraints.violations(r#"{"stock": -1}"#), ["stock must be at least 0", "nameless"]);
//! # Ok::<(), mpreg_storage::json::ConstraintFault>(())
//! ```
//!
//! | `constraint_type` | operand | holds of |
//! |---|---|---|
//! | `min_value`, `max_value` | `value`: number | numbers at least, at most that |
//! | `min_length`, `max_length` | `value`: integer | strings (characters), arrays (elements), objects (members) |
//! | `type_check` | `value`: type name | values of that type; an `integer` is written without fraction |
//! | `max_size` | `max_size_bytes` (or `value`): integer | values whose text is at most so long |
//! | `required_fields` | `required_fields` (or `value`): names | objects with all of these members, paths allowed |
//! | `regex_pattern` | `value`: pattern | strings that [`Pattern`] finds matching |
//! | `value_pattern` | `pattern` (or `value`): pattern | the same |
//!
//! `field_path` turns any of them to a member of the value. What is missing or of the wrong type violates.
//! A violation is told by the constraint's own `error_message` if it has one.

mod parse;
mod rule;

#[cfg(test)]
mod tests;

use super::{Error, member, validate};
use crate::limits::{CONSTRAINT_FIELDS_MAX, CONSTRAINTS_MAX};
use rule::Rule;

/// A regular expression engine, which this crate does not have: a compiled pattern.
pub trait Pattern: Sized {
    /// Compiles a pattern; the error says to the client what is wrong with it.
    fn compile(pattern: &str) -> Result<Self, String>;

    /// Whether the pattern matches the decoded string `subject`.
    fn matches(&self, subject: &str) -> bool;
}

/// For servers without an engine: every pattern is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPatterns {}

impl Pattern for NoPatterns {
    fn compile(_: &str) -> Result<NoPatterns, String> {
        Err("patterns are not supported by this server".to_owned())
    }

    fn matches(&self, _: &str) -> bool {
        match *self {}
    }
}

/// Why constraints were refused. `at` is the constraint's place in the array, from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintFault {
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] Error),
    /// Constraints are an array.
    #[error("constraints must be an array")]
    NotAnArray,
    /// One of them is no object.
    #[error("constraints[{at}] must be an object")]
    NotAnObject {
        /// Which.
        at: usize,
    },
    /// There is no such type.
    #[error("constraints[{at}]: unknown constraint type '{name}'")]
    UnknownType {
        /// Which.
        at: usize,
        /// The type, cut to [`ECHO_BYTES_MAX`](crate::limits::ECHO_BYTES_MAX).
        name: String,
    },
    /// A member of it is missing or is not what it must be.
    #[error("constraints[{at}].{member} must be {expected}")]
    Member {
        /// Which.
        at: usize,
        /// Its member.
        member: &'static str,
        /// What that must be.
        expected: &'static str,
    },
    /// The pattern does not compile.
    #[error("constraints[{at}]: {reason}")]
    Pattern {
        /// Which.
        at: usize,
        /// What [`Pattern::compile`] said.
        reason: String,
    },
    /// More than [`CONSTRAINT_FIELDS_MAX`] fields required, all constraints together.
    #[error("more than {CONSTRAINT_FIELDS_MAX} required fields")]
    TooManyFields,
    /// More than [`CONSTRAINTS_MAX`] of them.
    #[error("more than {CONSTRAINTS_MAX} constraints")]
    TooMany,
}

/// The constraints of one request, with its patterns compiled.
#[derive(Debug, Clone)]
pub struct Constraints<P> {
    list: Vec<Constraint<P>>,
}

#[derive(Debug, Clone)]
struct Constraint<P> {
    rule: Rule<P>,
    /// Which member of the value it is about; all of it when `None`.
    field_path: Option<String>,
    /// What to say instead of a generated text.
    message: Option<String>,
}

impl<P: Pattern> Constraints<P> {
    /// Reads the array of constraints of a request. Members that are `null` count as absent, unknown ones
    /// are ignored, an unknown type is an error.
    pub fn parse(text: &str) -> Result<Constraints<P>, ConstraintFault> {
        parse::constraints(validate(text.as_bytes())?)
    }

    /// Whether there is nothing to check.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// One text for each constraint that the validated `value` violates, in their order; empty when all hold.
    #[must_use]
    pub fn violations(&self, value: &str) -> Vec<String> {
        self.list.iter().filter_map(|constraint| constraint.violation(value)).collect()
    }
}

impl<P: Pattern> Constraint<P> {
    fn violation(&self, value: &str) -> Option<String> {
        let subject = match &self.field_path {
            Some(path) => member(value, path),
            None => Some(value),
        };
        if subject.is_some_and(|subject| self.rule.holds(subject)) {
            return None;
        }
        let name = self.field_path.as_deref().unwrap_or("value");
        Some(match (&self.message, subject) {
            (Some(message), _) => message.clone(),
            (None, Some(_)) => format!("{name} {}", self.rule),
            (None, None) => format!("{name} is missing"),
        })
    }
}
