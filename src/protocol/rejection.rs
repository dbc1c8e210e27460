//! A refused message and its answer, in the shape its sender understands.

use mpreg_storage::json::Text;

use super::cache::{Failure, Head, Reply, Status};
use super::limits::REQUEST_ID_BYTES_MAX;
use super::recover::recover;
use super::{Error, OperationIds, pubsub, rpc};

/// What stands for a request id that could not be read.
const UNKNOWN: &str = "\"unknown\"";

/// Whose error shape the answer has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape<'a> {
    /// `cache-response`; holds the operation as a JSON string.
    Cache(&'a str),
    /// `pubsub-ack`.
    PubSub,
    /// `rpc-response`, also for everything of unknown role.
    Rpc,
    /// The same; it was the result of an invocation, for which somebody waits.
    Result,
}

/// A message that was refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Rejection<'a> {
    u: &'a str,
    shape: Shape<'a>,
    error: Error,
}

impl<'a> Rejection<'a> {
    /// Makes out who sent `message`, as far as it can be read; it may be cut short.
    #[cold]
    #[must_use]
    pub fn new(message: &'a [u8], error: Error) -> Rejection<'a> {
        let found = recover(message);
        let short = |text: &Text<'a>| text.quoted().len() <= REQUEST_ID_BYTES_MAX;
        let quoted = |text: Option<Text<'a>>| text.filter(short).map_or(UNKNOWN, Text::quoted);
        let role = found.role.map(Text::decode);
        let shape = match role.as_deref() {
            Some("cache-request") => Shape::Cache(quoted(found.operation)),
            Some("pubsub-publish" | "pubsub-subscribe" | "pubsub-unsubscribe" | "pubsub-commit") => {
                Shape::PubSub
            }
            Some("rpc-result") => Shape::Result,
            _ => Shape::Rpc,
        };
        Rejection { u: quoted(found.u), shape, error }
    }

    /// The request id as it stood in the message, quotes included; `"unknown"` if it could not be read.
    #[must_use]
    pub fn u(&self) -> &'a str {
        self.u
    }

    /// Why the message was refused.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }

    /// Whether this was a worker's result, with [`Rejection::u`] the invocation.
    #[must_use]
    pub fn is_result(&self) -> bool {
        self.shape == Shape::Result
    }

    /// Appends the answer to `out`. `now_us` is the time in microseconds since 1970.
    pub fn write_into(&self, now_us: u64, ids: &mut OperationIds, out: &mut Vec<u8>) {
        let message = self.error.to_string();
        match self.shape {
            Shape::Cache(operation) => {
                let head = Head { u: self.u, now_us, operation, operation_id: ids.next_id() };
                let failure = Failure { message: &message, code: self.error.code() };
                let status = if self.error == Error::Late { Status::Timeout } else { Status::Error };
                Reply::failure(head, status, failure).write_into(out);
            }
            Shape::PubSub => pubsub::write_refusal(out, self.u, &message),
            Shape::Rpc | Shape::Result => rpc::write_failure(out, self.u, &self.rpc_failure(&message)),
        }
    }

    fn rpc_failure<'m>(&self, message: &'m str) -> rpc::Failure<'m> {
        match self.error {
            Error::Role(_) => {
                rpc::Failure { code: rpc::INVALID_ROLE, message, details: None, kind: "InvalidRole" }
            }
            Error::Overloaded | Error::Late | Error::UnknownOutcome => {
                let details = Some(message);
                rpc::Failure { code: rpc::UNAVAILABLE, message: "unavailable", details, kind: "Unavailable" }
            }
            _ => rpc::Failure {
                code: rpc::MALFORMED,
                message: "Malformed message",
                details: Some(message),
                kind: "MalformedMessage",
            },
        }
    }
}
