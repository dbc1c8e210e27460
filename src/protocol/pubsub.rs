//! The pub/sub roles: recognised, so that their senders get the answer of their role.

use mpreg_storage::json::{Reader, write};

use super::fields::Fields;
use super::{Error, read_request_id};

/// Which pub/sub message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `pubsub-publish`.
    Publish,
    /// `pubsub-subscribe`.
    Subscribe,
    /// `pubsub-unsubscribe`.
    Unsubscribe,
}

/// A pub/sub request. What it carries is checked JSON, not yet read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request<'a> {
    /// The request id as it stood in the message, quotes included.
    pub u: &'a str,
    /// Which one it is.
    pub kind: Kind,
}

impl<'a> Request<'a> {
    /// Reads the whole message; `reader` stands at its start.
    pub(super) fn read(reader: &mut Reader<'a>, kind: Kind) -> Result<Request<'a>, Error> {
        let mut fields = Fields::open(reader, "message")?;
        let mut u = None;
        while let Some(name) = fields.next()? {
            match &*name {
                "u" => u = fields.string(0, "u")?,
                "encrypted" if fields.boolean(1, "encrypted")? == Some(true) => {
                    return Err(Error::NotSupported("encrypted messages are"));
                }
                "encrypted" => {}
                _ => fields.pass()?,
            }
        }
        reader.end()?;
        Ok(Request { u: read_request_id(u)?, kind })
    }
}

/// Appends a `pubsub-ack` that says no. `u` is the quoted request id.
pub fn write_refusal(out: &mut Vec<u8>, u: &str, error: &str) {
    out.extend_from_slice(br#"{"role":"pubsub-ack","operation_id":"#);
    out.extend_from_slice(u.as_bytes());
    out.extend_from_slice(br#","success":false,"error":"#);
    write::string(out, error);
    out.extend_from_slice(br#","u":"ack_"#);
    // The id without its opening quote.
    out.extend_from_slice(u.get(1..).unwrap_or("\"").as_bytes());
    out.push(b'}');
}
