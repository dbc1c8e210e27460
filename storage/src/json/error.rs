//! Why a text was refused: what, at which byte, and in which member.

use std::fmt;

use crate::limits::{JSON_DEPTH_MAX, JSON_NODES_MAX};

/// A refused text.
///
/// Kept to three words, because it travels in the `Result` of every read of the hot path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Error {
    /// Byte offset of the fault from the start of the text (saturating at 4 GiB).
    pub offset: u32,
    /// What is wrong there.
    pub fault: Fault,
    /// The member at fault as a path such as `key.namespace`; empty when only the grammar is broken.
    pub path: &'static str,
}

/// What is wrong with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Not UTF-8.
    Utf8,
    /// The text ends inside a value.
    Truncated,
    /// Something other than a value stands where one is needed (`NaN` and its kin end here).
    NotAValue,
    /// An object member does not begin with a string.
    NotAName,
    /// No `:` after a member's name.
    NoColon,
    /// Neither `,` nor the closing bracket after an element or member.
    NoComma,
    /// Something follows the value.
    Trailing,
    /// A control character below U+0020 inside a string.
    Control,
    /// A backslash followed by something that is no escape.
    Escape,
    /// Half of a surrogate pair.
    Surrogate,
    /// Digits missing, or a leading zero.
    Number,
    /// An integer beyond 64 bits.
    IntegerRange,
    /// A number that no finite double can hold.
    FloatRange,
    /// Nested too deeply.
    Depth,
    /// Too many values.
    Nodes,
    /// A member of an envelope appears twice.
    Duplicate,
    /// The member is there but has another type than this one.
    Type(Expected),
}

/// What a typed read wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Expected {
    /// An object.
    Object,
    /// An array.
    Array,
    /// A string.
    String,
    /// `true` or `false`.
    Boolean,
    /// Any number.
    Number,
    /// An integer from 0 to 2^64 - 1.
    Unsigned,
    /// An integer from -2^63 to 2^63 - 1.
    Signed,
}

impl Error {
    /// A fault of the grammar at byte `offset`.
    #[cold]
    pub(crate) fn new(offset: usize, fault: Fault) -> Error {
        Error { offset: u32::try_from(offset).unwrap_or(u32::MAX), fault, path: "" }
    }

    /// A member of the wrong type.
    #[cold]
    pub(crate) fn wrong_type(offset: usize, path: &'static str, expected: Expected) -> Error {
        Error { path, ..Error::new(offset, Fault::Type(expected)) }
    }
}

impl Expected {
    fn as_str(self) -> &'static str {
        match self {
            Expected::Object => "an object",
            Expected::Array => "an array",
            Expected::String => "a string",
            Expected::Boolean => "true or false",
            Expected::Number => "a number",
            Expected::Unsigned => "an integer of 0 or more",
            Expected::Signed => "an integer",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self {
            Fault::Utf8 => "not UTF-8",
            Fault::Truncated => "the text ends inside a value",
            Fault::NotAValue => "expected a JSON value",
            Fault::NotAName => "expected a member name in quotes",
            Fault::NoColon => "expected ':' after a member name",
            Fault::NoComma => "expected ',' or a closing bracket",
            Fault::Trailing => "more text after the value",
            Fault::Control => "control character in a string, write it as an escape",
            Fault::Escape => "unknown escape in a string",
            Fault::Surrogate => "half a surrogate pair in a string",
            Fault::Number => "malformed number",
            Fault::IntegerRange => "integer beyond 64 bits",
            Fault::FloatRange => "number too large for a double",
            Fault::Duplicate => "appears twice",
            Fault::Depth => return write!(f, "nested deeper than {JSON_DEPTH_MAX}"),
            Fault::Nodes => return write!(f, "more than {JSON_NODES_MAX} values"),
            Fault::Type(expected) => return write!(f, "must be {}", expected.as_str()),
        };
        f.write_str(words)
    }
}

impl fmt::Display for Error {
    /// `key.namespace must be a string (byte 31)`, or `expected a JSON value (byte 12)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.fault {
            _ if self.path.is_empty() => {}
            Fault::Type(_) | Fault::Duplicate => write!(f, "{} ", self.path)?,
            _ => write!(f, "{}: ", self.path)?,
        }
        write!(f, "{} (byte {})", self.fault, self.offset)
    }
}

impl std::error::Error for Error {}
