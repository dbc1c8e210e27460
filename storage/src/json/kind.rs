//! What kind of value a text is, told by its first byte.

use super::scan::skip_space;

/// The six kinds of JSON values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`. Never a number, unlike in Python.
    Boolean,
    /// An integer or a float.
    Number,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl Kind {
    /// The kind of the value that `text` begins with, white space before it passed; `None` when no value
    /// begins there. Looks at one byte: of a text that was not validated it says only what it would have to be.
    #[inline]
    #[must_use]
    pub fn of(text: &str) -> Option<Kind> {
        let bytes = text.as_bytes();
        bytes.get(skip_space(bytes, 0)).copied().and_then(Kind::from_first_byte)
    }

    #[inline]
    pub(super) fn from_first_byte(byte: u8) -> Option<Kind> {
        match byte {
            b'n' => Some(Kind::Null),
            b't' | b'f' => Some(Kind::Boolean),
            b'-' | b'0'..=b'9' => Some(Kind::Number),
            b'"' => Some(Kind::String),
            b'[' => Some(Kind::Array),
            b'{' => Some(Kind::Object),
            _ => None,
        }
    }
}
