//! Why a message is refused, in words that name the member at fault.

use mpreg_storage::json;
use mpreg_storage::record::{extras, key};

use super::cache::Code;
use super::limits::ECHOED_TEXT_BYTES_MAX;

/// Why a message is refused. `Display` is what the client reads.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not JSON, or a member of the wrong type.
    #[error(transparent)]
    Json(#[from] json::Error),
    /// A member that must be there is absent or null.
    #[error("{0} is required")]
    Missing(&'static str),
    /// A member has a value this protocol does not know.
    #[error("{path} does not know {found:?}")]
    Unknown {
        /// The member.
        path: &'static str,
        /// What it holds, shortened.
        found: String,
    },
    /// A member's value is out of its range.
    #[error("{path} must be {wanted}")]
    Range {
        /// The member.
        path: &'static str,
        /// The range in words.
        wanted: &'static str,
    },
    /// A member holds a small language of its own, and what it says there is wrong.
    #[error("{path}: {why}")]
    Invalid {
        /// The member.
        path: &'static str,
        /// What is wrong.
        why: String,
    },
    /// A put without a value, or with null.
    #[error("PUT operation requires value")]
    NoValue,
    /// Something is larger than its limit.
    #[error("{what} has {size}, the limit is {size_max}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size, in bytes or elements.
        size: usize,
        /// What it may have.
        size_max: usize,
    },
    /// The namespace, identifier and version are no key.
    #[error(transparent)]
    Key(#[from] key::Error),
    /// The metadata cannot be stored.
    #[error(transparent)]
    Extras(#[from] extras::Error),
    /// One operation of a batch cannot be read.
    #[error("operations[{index}]: {error}")]
    InBatch {
        /// Which one, from 0.
        index: usize,
        /// What is wrong with it.
        error: Box<Error>,
    },
    /// The protocol knows it, this server does not do it yet.
    #[error("{0} not supported by this server yet")]
    NotSupported(&'static str),
    /// No memory for the message or its reply, or no room for the write. Nothing was changed.
    #[error("the server is overloaded, nothing was changed; try again")]
    Overloaded,
    /// The level asked for was not reached in time: the write may or may not last.
    #[error("not confirmed in time, the outcome is unknown")]
    Late,
    /// The store failed before it confirmed.
    #[error("the server failed, the outcome is unknown")]
    UnknownOutcome,
    /// No such role; carries the role as it is shown.
    #[error("Invalid RPC request role: {0}")]
    Role(String),
}

impl Error {
    /// A value that `path` does not know.
    #[cold]
    pub(super) fn unknown(path: &'static str, found: &str) -> Error {
        Error::Unknown { path, found: shorten(found).to_owned() }
    }

    /// The `error_code` of a cache reply.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Error::InBatch { error, .. } => error.code(),
            Error::NotSupported(_) => Code::NotSupported,
            Error::Overloaded => Code::Overloaded,
            Error::Late | Error::UnknownOutcome => Code::UnknownOutcome,
            Error::TooLarge { .. } | Error::Key(key::Error::TooLong { .. }) | Error::Extras(_) => {
                Code::TooLarge
            }
            _ => Code::BadRequest,
        }
    }
}

/// The start of `text`, short enough to be repeated in a message.
pub(super) fn shorten(text: &str) -> &str {
    &text[..text.floor_char_boundary(ECHOED_TEXT_BYTES_MAX)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn echoed_text_is_cut_at_a_character() {
        assert_eq!(shorten("short"), "short");
        let long = "é".repeat(100);
        assert_eq!(shorten(&long).len(), 64);
        assert_eq!(shorten(&format!("a{long}")).len(), 63);
    }

    #[test]
    fn codes_follow_the_kind() {
        assert_eq!(Error::NoValue.code(), Code::BadRequest);
        assert_eq!(Error::NotSupported("x").code(), Code::NotSupported);
        assert_eq!(Error::TooLarge { what: "value", size: 2, size_max: 1 }.code(), Code::TooLarge);
        let key = key::Error::TooLong { part: "namespace", bytes: 2, bytes_max: 1 };
        assert_eq!(Error::Key(key).code(), Code::TooLarge);
        assert_eq!(Error::Key(key::Error::Empty { part: "namespace" }).code(), Code::BadRequest);
    }
}
