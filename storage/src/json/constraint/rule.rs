//! The rules themselves.

use std::fmt;

use super::Pattern;
use crate::json::canonical::Exact;
use crate::json::{Kind, Number, Reader, elements_of, member, members_of};

/// What must hold of one value.
#[derive(Debug, Clone)]
pub(super) enum Rule<P> {
    MinValue(Limit),
    MaxValue(Limit),
    MinLength(u64),
    MaxLength(u64),
    Type(Type),
    MaxSize(u64),
    RequiredFields(Vec<String>),
    Pattern(P),
}

/// A number to compare with, and how the client wrote it.
#[derive(Debug, Clone)]
pub(super) struct Limit {
    number: Exact,
    text: String,
}

impl Limit {
    pub(super) fn new(number: Number<'_>) -> Limit {
        Limit { number: Exact::of(number), text: super::parse::echo(number.text()) }
    }
}

/// The types a value can be required to have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    String,
    Number,
    Integer,
    Boolean,
    Object,
    Array,
}

impl Type {
    pub(super) fn parse(name: &str) -> Option<Type> {
        Some(match name {
            "string" => Type::String,
            "number" => Type::Number,
            "integer" => Type::Integer,
            "boolean" => Type::Boolean,
            "object" => Type::Object,
            "array" => Type::Array,
            _ => return None,
        })
    }

    fn as_str(self) -> &'static str {
        match self {
            Type::String => "a string",
            Type::Number => "a number",
            Type::Integer => "an integer",
            Type::Boolean => "true or false",
            Type::Object => "an object",
            Type::Array => "an array",
        }
    }

    fn holds(self, value: &str) -> bool {
        match self {
            Type::Integer => Number::parse(value).is_some_and(Number::is_integer),
            Type::Number => Kind::of(value) == Some(Kind::Number),
            Type::String => Kind::of(value) == Some(Kind::String),
            Type::Boolean => Kind::of(value) == Some(Kind::Boolean),
            Type::Object => Kind::of(value) == Some(Kind::Object),
            Type::Array => Kind::of(value) == Some(Kind::Array),
        }
    }
}

impl<P: Pattern> Rule<P> {
    pub(super) fn holds(&self, value: &str) -> bool {
        let number = || Number::parse(value).map(Exact::of);
        match self {
            Rule::MinValue(limit) => number().is_some_and(|number| number >= limit.number),
            Rule::MaxValue(limit) => number().is_some_and(|number| number <= limit.number),
            Rule::MinLength(limit) => length(value).is_some_and(|length| length >= *limit),
            Rule::MaxLength(limit) => length(value).is_some_and(|length| length <= *limit),
            Rule::Type(wanted) => wanted.holds(value),
            Rule::MaxSize(limit) => value.len() as u64 <= *limit,
            Rule::RequiredFields(fields) => has_all(value, fields),
            Rule::Pattern(pattern) => {
                Reader::new(value).string("").is_ok_and(|text| pattern.matches(&text.decode()))
            }
        }
    }
}

/// Whether `value` is an object with all these members. One pass finds those it has by name, whatever dots
/// are in it; only what is left is looked for as a path.
fn has_all(value: &str, fields: &[String]) -> bool {
    let Some(members) = members_of(value) else { return false };
    let mut missing: Vec<&String> = fields.iter().collect();
    for (name, _) in members {
        missing.retain(|field| !name.means(field));
    }
    missing.iter().all(|field| field.contains('.') && member(value, field).is_some())
}

/// Characters of a string, elements of an array, members of an object (those of one name once).
fn length(value: &str) -> Option<u64> {
    let length = match Kind::of(value)? {
        Kind::String => Reader::new(value).string("").ok()?.decode().chars().count(),
        Kind::Array => elements_of(value)?.count(),
        Kind::Object => {
            let mut names: Vec<_> = members_of(value)?.map(|(name, _)| name.decode()).collect();
            names.sort_unstable();
            names.dedup();
            names.len()
        }
        Kind::Null | Kind::Boolean | Kind::Number => return None,
    };
    Some(length as u64)
}

impl<P> fmt::Display for Rule<P> {
    /// What must be, to stand behind the name of the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::MinValue(limit) => write!(f, "must be at least {}", limit.text),
            Rule::MaxValue(limit) => write!(f, "must be at most {}", limit.text),
            Rule::MinLength(limit) => write!(f, "must have a length of at least {limit}"),
            Rule::MaxLength(limit) => write!(f, "must have a length of at most {limit}"),
            Rule::Type(wanted) => write!(f, "must be {}", wanted.as_str()),
            Rule::MaxSize(limit) => write!(f, "must take at most {limit} bytes"),
            Rule::RequiredFields(fields) => write!(f, "must have the fields {}", fields.join(", ")),
            Rule::Pattern(_) => f.write_str("must match the pattern"),
        }
    }
}
