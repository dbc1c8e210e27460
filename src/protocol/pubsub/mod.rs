//! The pub/sub roles: what clients ask for, and what they are told.
//!
//! ```text
//! pubsub-publish      -> Publish      its message object is kept as text, gaps filled
//! pubsub-subscribe    -> Subscribe
//! pubsub-unsubscribe  -> Unsubscribe
//! pubsub-commit       -> Commit       an extension: a durable subscription has got this far
//! ```

mod message;
mod offset;
mod reply;
mod subscribe;
#[cfg(test)]
mod tests;

pub use message::{Level, Message, Publish, message_id};
use mpreg_storage::json::Reader;
pub use offset::Offset;
pub use reply::{
    Ack, Gap, NotificationKind, write_ack, write_gap, write_notification, write_refusal, write_tail,
};
pub use subscribe::{PatternText, Start, Subscribe};

use super::fields::Fields;
use super::limits::SUBSCRIPTION_ID_BYTES_MAX;
use super::{Error, read_request_id};
use mpreg_storage::json::Text;

/// Which pub/sub message it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `pubsub-publish`.
    Publish,
    /// `pubsub-subscribe`.
    Subscribe,
    /// `pubsub-unsubscribe`.
    Unsubscribe,
    /// `pubsub-commit`.
    Commit,
}

/// A pub/sub request.
#[derive(Debug, Clone, PartialEq)]
pub struct Request<'a> {
    /// The request id as it stood in the message, quotes included.
    pub u: &'a str,
    /// What is asked for.
    pub command: Command<'a>,
}

/// What a pub/sub request asks for.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// Tell everybody who wants to know.
    Publish(Publish<'a>),
    /// Tell me.
    Subscribe(Subscribe<'a>),
    /// No more; the id as a JSON string with its quotes.
    Unsubscribe(&'a str),
    /// I have dealt with everything up to here.
    Commit(Commit<'a>),
}

/// How far a durable subscription has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit<'a> {
    /// As a JSON string with its quotes.
    pub subscription_id: &'a str,
    /// The last message dealt with.
    pub offset: Offset,
}

/// The members of any of the envelopes.
#[derive(Debug, Default)]
struct Envelope<'a> {
    u: Option<Text<'a>>,
    message: Option<Message<'a>>,
    level: Option<Level>,
    subscription: Option<Subscribe<'a>>,
    subscription_id: Option<Text<'a>>,
    offset: Option<Offset>,
}

impl<'a> Request<'a> {
    /// Reads the whole message; `reader` stands at its start.
    pub(super) fn read(reader: &mut Reader<'a>, kind: Kind) -> Result<Request<'a>, Error> {
        let mut envelope = Envelope::default();
        let mut fields = Fields::open(reader, "message")?;
        while let Some(name) = fields.next()? {
            envelope.read_member(&name, kind, &mut fields)?;
        }
        reader.end()?;
        let u = read_request_id(envelope.u)?;
        Ok(Request { u, command: envelope.command(kind)? })
    }
}

impl<'a> Envelope<'a> {
    fn read_member(&mut self, name: &str, kind: Kind, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match (name, kind) {
            ("u", _) => self.u = fields.string(0, "u")?,
            ("encrypted", _) => {
                if fields.boolean(1, "encrypted")? == Some(true) {
                    return Err(Error::NotSupported("encrypted messages are"));
                }
            }
            ("message", Kind::Publish) => {
                self.message = fields.enter(2, "message")?.map(Message::read).transpose()?;
            }
            ("options", Kind::Publish) => {
                self.level = fields.enter(3, "options")?.map(message::read_level).transpose()?.flatten();
            }
            ("subscription", Kind::Subscribe) => {
                self.subscription = fields.enter(4, "subscription")?.map(Subscribe::read).transpose()?;
            }
            ("subscription_id", Kind::Unsubscribe | Kind::Commit) => {
                self.subscription_id = fields.string(5, "subscription_id")?;
            }
            ("offset", Kind::Commit) => {
                self.offset =
                    fields.string(6, "offset")?.map(|text| read_offset(text, "offset")).transpose()?;
            }
            _ => fields.pass()?,
        }
        Ok(())
    }

    fn command(self, kind: Kind) -> Result<Command<'a>, Error> {
        Ok(match kind {
            Kind::Publish => {
                let message = self.message.ok_or(Error::Missing("message"))?;
                Command::Publish(Publish { message, level: self.level })
            }
            Kind::Subscribe => Command::Subscribe(self.subscription.ok_or(Error::Missing("subscription"))?),
            Kind::Unsubscribe => Command::Unsubscribe(read_subscription_id(self.subscription_id)?),
            Kind::Commit => Command::Commit(Commit {
                subscription_id: read_subscription_id(self.subscription_id)?,
                offset: self.offset.ok_or(Error::Missing("offset"))?,
            }),
        })
    }
}

/// Checks the id of a subscription. It comes back in every notification.
fn read_subscription_id(id: Option<Text<'_>>) -> Result<&str, Error> {
    let quoted = id.ok_or(Error::Missing("subscription_id"))?.quoted();
    if quoted.len() > SUBSCRIPTION_ID_BYTES_MAX {
        let (what, size_max) = ("subscription_id", SUBSCRIPTION_ID_BYTES_MAX);
        return Err(Error::TooLarge { what, size: quoted.len(), size_max });
    }
    Ok(quoted)
}

fn read_offset(text: Text<'_>, path: &'static str) -> Result<Offset, Error> {
    text.decode().parse().map_err(|_| Error::Range { path, wanted: "epoch:offset in decimal digits" })
}
