//! Why a text was refused: what, at which byte, and in which member.

use std::fmt;

use crate::limits::{JSON_DEPTH_MAX, JSON_NODES_MAX};

/// A refused text.
///
/// One word, because it travels in the `Result` of every read of the hot path; making one allocates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(Box<Place>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    offset: usize,
    fault: Fault,
    path: &'static str,
}

impl Error {
    /// Byte offset of the fault from the start of the text.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.0.offset
    }

    /// What is wrong there.
    #[must_use]
    pub fn fault(&self) -> Fault {
        self.0.fault
    }

    /// The member at fault as a path such as `key.namespace`; empty when only the grammar is broken.
    #[must_use]
    pub fn path(&self) -> &'static str {
        self.0.path
    }

    /// A fault of the grammar at byte `offset`.
    #[cold]
    pub(super) fn new(offset: usize, fault: Fault) -> Error {
        Error(Box::new(Place { offset, fault, path: "" }))
    }

    /// A member of the wrong type.
    #[cold]
    pub(super) fn wrong_type(offset: usize, path: &'static str, expected: Expected) -> Error {
        Error::new(offset, Fault::Type(expected)).at(path)
    }

    /// The same fault, said of the member `path`.
    #[cold]
    pub(super) fn at(mut self, path: &'static str) -> Error {
        self.0.path = path;
        self
    }
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
        match self.0.fault {
            _ if self.0.path.is_empty() => {}
            Fault::Type(_) | Fault::Duplicate => write!(f, "{} ", self.0.path)?,
            _ => write!(f, "{}: ", self.0.path)?,
        }
        write!(f, "{} (byte {})", self.0.fault, self.0.offset)
    }
}

impl std::error::Error for Error {}
