//! What can go wrong with a call, split by what the caller can do about it.

use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Whether an operation that failed can have taken effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Certainly not applied.
    Rejected,
    /// Applied or not, now or later: read it back, or repeat it if that does no harm.
    Unknown,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL is not one this client can use.
    #[error("{url}: {why}")]
    Url {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        why: String,
    },
    /// No connection came about.
    #[error("cannot connect to {url}")]
    Connect {
        /// Where to.
        url: String,
        /// Why not.
        source: io::Error,
    },
    /// The connection ended before the reply came. Every call pending on it gets this.
    #[error("connection lost: {reason}")]
    Lost {
        /// What ended it.
        reason: Arc<str>,
    },
    /// No reply in time. It may still come; nobody will see it.
    #[error("no reply after {after:?}")]
    TimedOut {
        /// How long was waited.
        after: Duration,
    },
    /// The node refused or failed the operation.
    #[error("{status} {code}: {message}")]
    Node {
        /// `error`, `timeout` or `conflict`.
        status: String,
        /// Such as `CACHE_BAD_REQUEST`, or the number of an RPC error; empty when the node gave none.
        code: String,
        /// The node's words.
        message: String,
    },
    /// The request cannot be written as JSON.
    #[error("cannot encode the request")]
    Encode(#[source] serde_json::Error),
    /// The reply is not what the protocol says, or the value is not of the type asked for.
    #[error("cannot decode the reply")]
    Decode(#[source] serde_json::Error),
    /// The request is longer than any node accepts. Nothing was sent.
    #[error("the request has {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// What it has.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
}

/// Codes of the node that leave the outcome open.
const OPEN_CODES: [&str; 3] = ["CACHE_UNKNOWN_OUTCOME", "CACHE_INTERNAL", ""];

impl Error {
    /// Whether the operation can have been applied all the same.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Url { .. } | Error::Connect { .. } | Error::Encode(_) | Error::TooLarge { .. } => {
                Outcome::Rejected
            }
            Error::Node { status, code, .. }
                if status != "timeout" && !OPEN_CODES.contains(&code.as_str()) =>
            {
                Outcome::Rejected
            }
            // A reply that cannot be decoded came after the fact.
            Error::Node { .. } | Error::Lost { .. } | Error::TimedOut { .. } | Error::Decode(_) => {
                Outcome::Unknown
            }
        }
    }

    pub(super) fn encode(why: &str) -> Error {
        Error::Encode(serde::ser::Error::custom(why))
    }

    pub(super) fn decode(why: &str) -> Error {
        Error::Decode(serde::de::Error::custom(why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_certainly_did_not_happen_is_rejected() {
        let node = |status: &str, code: &str| Error::Node {
            status: status.to_owned(),
            code: code.to_owned(),
            message: String::new(),
        };
        assert_eq!(node("error", "CACHE_BAD_REQUEST").outcome(), Outcome::Rejected);
        assert_eq!(node("error", "CACHE_UNKNOWN_OUTCOME").outcome(), Outcome::Unknown);
        assert_eq!(node("timeout", "CACHE_UNAVAILABLE").outcome(), Outcome::Unknown);
        assert_eq!(Error::TimedOut { after: Duration::ZERO }.outcome(), Outcome::Unknown);
        assert_eq!(Error::encode("x").outcome(), Outcome::Rejected);
    }
}
