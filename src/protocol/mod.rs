//! The messages of the MPREG client protocol: requests in, replies out.
//!
//! [`parse`] turns one message into a [`Request`] that borrows from it, or into a [`Rejection`] that
//! knows how to answer. Replies are written straight into an output buffer. Nothing here knows a
//! socket, a store or a clock.
//!
//! ```
//! use mpreg::protocol::{Request, cache::Command, parse};
//!
//! let message = br#"{"role":"cache-request","u":"1","operation":"get","key":{"namespace":"n","identifier":"i"}}"#;
//! let Ok(Request::Cache(request)) = parse(message) else { panic!("a well-formed cache request") };
//! assert_eq!(request.u, "\"1\"");
//! let Command::Get(key) = request.command else { panic!("a get") };
//! assert_eq!((&*key.namespace, &*key.identifier, &*key.version), ("n", "i", "v1.0.0"));
//! ```
//!
//! The request id `u` is kept as it stood in the message, quotes and escapes included, so it comes
//! back byte for byte.
//!
//! A role is looked for first; a message that begins with its role, as all clients send them, loses
//! nothing by that.

pub mod cache;
pub mod limits;
pub mod pubsub;
pub mod rpc;
pub mod worker;

mod error;
mod fields;
mod operation_id;
mod recover;
mod rejection;

#[cfg(test)]
mod golden_tests;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use mpreg_storage::json::{self, Reader, Text};

pub use error::Error;
pub use operation_id::OperationIds;
pub use rejection::Rejection;

/// A message from a client.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
#[allow(clippy::large_enum_variant, reason = "boxing it would allocate for every cache request")]
pub enum Request<'a> {
    /// `cache-request`.
    Cache(cache::Request<'a>),
    /// `rpc`.
    Rpc(rpc::Request<'a>),
    /// `pubsub-publish`, `pubsub-subscribe`, `pubsub-unsubscribe`, `pubsub-commit`.
    PubSub(pubsub::Request<'a>),
    /// `rpc-register`, `rpc-unregister`, `rpc-heartbeat`, `rpc-result`.
    Worker(worker::Message<'a>),
    /// A role that gets no answer: `pubsub-ack`, `cache-analytics`, `metrics`, `metrics-alert`.
    Ignored,
}

/// Reads one message.
///
/// Errors are answers: see [`Rejection::write_into`]. Cost: one pass over the message (two when the
/// role does not come first); no allocation for cache requests whose strings hold no escapes.
pub fn parse(message: &[u8]) -> Result<Request<'_>, Rejection<'_>> {
    read(message).map_err(|error| Rejection::new(message, error))
}

/// How cache requests usually begin, written without and with spaces: no need to look for their role.
const PREFIXES: [&[u8]; 2] = [br#"{"role":"cache-request","#, br#"{"role": "cache-request","#];

fn read(message: &[u8]) -> Result<Request<'_>, Error> {
    let mut reader = Reader::from_bytes(message)?;
    if PREFIXES.iter().any(|prefix| message.starts_with(prefix)) {
        return cache::Request::read(&mut reader).map(Request::Cache);
    }
    let role = find_role(reader.clone())?;
    match role.as_deref() {
        Some("cache-request") => cache::Request::read(&mut reader).map(Request::Cache),
        Some("rpc") => rpc::Request::read(&mut reader).map(Request::Rpc),
        Some(role) if worker::is_role(role) => worker::Message::read(role, &mut reader).map(Request::Worker),
        Some(role) => read_other(role, &mut reader),
        None => Err(Error::Role("None".to_owned())),
    }
}

fn read_other<'a>(role: &str, reader: &mut Reader<'a>) -> Result<Request<'a>, Error> {
    let kind = match role {
        "pubsub-publish" => pubsub::Kind::Publish,
        "pubsub-subscribe" => pubsub::Kind::Subscribe,
        "pubsub-unsubscribe" => pubsub::Kind::Unsubscribe,
        "pubsub-commit" => pubsub::Kind::Commit,
        "pubsub-ack" | "cache-analytics" | "metrics" | "metrics-alert" => return Ok(Request::Ignored),
        other => return Err(Error::Role(error::shorten(other).to_owned())),
    };
    pubsub::Request::read(reader, kind).map(Request::PubSub)
}

/// The message's role, `None` when it has none. Stops looking at the first one.
#[inline]
fn find_role<'a>(mut reader: Reader<'a>) -> Result<Option<Cow<'a, str>>, json::Error> {
    let mut members = reader.object("message")?;
    while let Some(name) = members.next(&mut reader)? {
        if &*name.decode() == "role" {
            let null = reader.null()?;
            return if null { Ok(None) } else { Ok(Some(reader.string("role")?.decode())) };
        }
        reader.raw()?;
    }
    reader.end()?;
    Ok(None)
}

/// Checks the request id of an envelope.
#[inline]
fn read_request_id(u: Option<Text<'_>>) -> Result<&str, Error> {
    let quoted = u.ok_or(Error::Missing("u"))?.quoted();
    if quoted.len() > limits::REQUEST_ID_BYTES_MAX {
        let (size, size_max) = (quoted.len(), limits::REQUEST_ID_BYTES_MAX);
        return Err(Error::TooLarge { what: "u", size, size_max });
    }
    Ok(quoted)
}
