//! `cache-request`: the envelope, and what each operation needs of it.

use mpreg_storage::json::{Reader, Text};
use mpreg_storage::limits::VALUE_BYTES_MAX;

use super::key::KEY;
use super::{KeyText, Metadata, Options};
use crate::protocol::fields::Fields;
use crate::protocol::{Error, read_request_id};

/// A cache request, borrowed from its message. Reading one allocates nothing unless strings hold
/// escapes.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    /// The request id as it stood in the message, quotes included.
    pub u: &'a str,
    /// What to do.
    pub command: Command<'a>,
    /// How to do it.
    pub options: Options<'a>,
}

/// What a cache request asks for.
#[derive(Debug, PartialEq)]
#[non_exhaustive]
pub enum Command<'a> {
    /// Read one entry.
    Get(KeyText<'a>),
    /// Store one entry.
    Put(Put<'a>),
    /// Remove one entry.
    Delete(KeyText<'a>),
    /// Report statistics; the key only comes back in the reply.
    Stats(Option<KeyText<'a>>),
}

/// What a put stores.
#[derive(Debug, PartialEq)]
pub struct Put<'a> {
    /// Under which key.
    pub key: KeyText<'a>,
    /// The value's exact JSON text, checked, without white space around it; never `null`.
    pub value: &'a str,
    /// What else is known about it.
    pub metadata: Metadata<'a>,
}

impl Put<'_> {
    /// Appends the stored form of metadata and tags to `out`; nothing when everything is default.
    pub fn encode_extras_into(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.metadata.encode_into(self.key.tags, out)
    }
}

/// The operations of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// Read one entry.
    Get,
    /// Store one entry.
    Put,
    /// Remove one entry.
    Delete,
    /// Remove by pattern.
    Invalidate,
    /// List keys by pattern.
    Query,
    /// Report statistics.
    Stats,
    /// Read and write one entry in one step.
    Atomic,
    /// Work on a set, list, map, ...
    Structure,
    /// Work on a whole namespace.
    Namespace,
}

impl Operation {
    fn parse(name: &str) -> Result<Operation, Error> {
        Ok(match name {
            "get" => Operation::Get,
            "put" => Operation::Put,
            "delete" => Operation::Delete,
            "invalidate" => Operation::Invalidate,
            "query" => Operation::Query,
            "stats" => Operation::Stats,
            "atomic" => Operation::Atomic,
            "structure" => Operation::Structure,
            "namespace" => Operation::Namespace,
            other => return Err(Error::unknown("operation", other)),
        })
    }

    /// The name on the wire, as a JSON string with its quotes.
    #[must_use]
    pub fn quoted(self) -> &'static str {
        match self {
            Operation::Get => "\"get\"",
            Operation::Put => "\"put\"",
            Operation::Delete => "\"delete\"",
            Operation::Invalidate => "\"invalidate\"",
            Operation::Query => "\"query\"",
            Operation::Stats => "\"stats\"",
            Operation::Atomic => "\"atomic\"",
            Operation::Structure => "\"structure\"",
            Operation::Namespace => "\"namespace\"",
        }
    }
}

impl Command<'_> {
    /// Which operation this is.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Command::Get(_) => Operation::Get,
            Command::Put(_) => Operation::Put,
            Command::Delete(_) => Operation::Delete,
            Command::Stats(_) => Operation::Stats,
        }
    }
}

/// The members of an envelope, as far as they were met.
#[derive(Default)]
struct Envelope<'a> {
    u: Option<Text<'a>>,
    operation: Option<Operation>,
    key: Option<KeyText<'a>>,
    value: Option<&'a str>,
    options: Options<'a>,
    metadata: Metadata<'a>,
    /// The first thing asked for that would be a false promise to ignore.
    not_supported: Option<&'static str>,
}

impl<'a> Request<'a> {
    /// Reads the whole message; `reader` stands at its start.
    pub(in crate::protocol) fn read(reader: &mut Reader<'a>) -> Result<Request<'a>, Error> {
        let envelope = Envelope::read(reader)?;
        reader.end()?;
        envelope.into_request()
    }
}

impl<'a> Envelope<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Envelope<'a>, Error> {
        let mut envelope = Envelope::default();
        let mut fields = Fields::open(reader, "message")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "role" => drop(fields.string(0, "role")?),
                "u" => envelope.u = fields.string(1, "u")?,
                "operation" => {
                    let name = fields.string(2, "operation")?;
                    envelope.operation = name.map(|name| Operation::parse(&name.decode())).transpose()?;
                }
                "key" => {
                    let entered = fields.enter(3, "key")?;
                    envelope.key = entered.map(|reader| KeyText::read(reader, &KEY)).transpose()?;
                }
                "value" => envelope.value = fields.raw(4, "value")?,
                "options" => {
                    let entered = fields.enter(5, "options")?;
                    entered.map_or(Ok(()), |reader| envelope.options.read(reader))?;
                }
                other => envelope.read_rare(other, &mut fields)?,
            }
        }
        Ok(envelope)
    }

    /// The members few requests have.
    #[cold]
    fn read_rare(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        let refused = match name {
            "metadata" => {
                let entered = fields.enter(6, "metadata")?;
                return entered.map_or(Ok(()), |reader| self.metadata.read(reader));
            }
            "constraints" => fields.raw_array(7, "constraints")?.map(|_| "constraints are"),
            "ttl_config" => fields.raw_object(8, "ttl_config")?.map(|_| "ttl_config is"),
            "encrypted" => fields.boolean(9, "encrypted")?.filter(|on| *on).map(|_| "encrypted messages are"),
            _ => {
                fields.pass()?;
                None
            }
        };
        self.not_supported = self.not_supported.or(refused);
        Ok(())
    }

    fn into_request(self) -> Result<Request<'a>, Error> {
        let u = read_request_id(self.u)?;
        let key = |key: Option<KeyText<'a>>| key.ok_or(Error::Missing("key"));
        let command = match self.operation.ok_or(Error::Missing("operation"))? {
            Operation::Get => Command::Get(key(self.key)?),
            Operation::Delete => Command::Delete(key(self.key)?),
            Operation::Stats => Command::Stats(self.key),
            Operation::Put => {
                let key = key(self.key)?;
                Command::Put(Put { key, value: checked_value(self.value)?, metadata: self.metadata })
            }
            Operation::Atomic => return Err(Error::NotSupported("atomic operations are")),
            Operation::Structure => return Err(Error::NotSupported("structure operations are")),
            Operation::Namespace => return Err(Error::NotSupported("namespace operations are")),
            Operation::Invalidate => return Err(Error::NotSupported("invalidate is")),
            Operation::Query => return Err(Error::NotSupported("query is")),
        };
        let writes = matches!(command, Command::Put(_) | Command::Delete(_));
        match (self.not_supported, writes) {
            (Some(what), _) => return Err(Error::NotSupported(what)),
            (None, true) if self.options.notify_on_change => {
                return Err(Error::NotSupported("options.notify_on_change is"));
            }
            (None, true) if self.options.cascade_dependencies => {
                return Err(Error::NotSupported("options.cascade_dependencies is"));
            }
            _ => {}
        }
        Ok(Request { u, command, options: self.options })
    }
}

fn checked_value(value: Option<&str>) -> Result<&str, Error> {
    let value = value.ok_or(Error::NoValue)?;
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::TooLarge { what: "value", size: value.len(), size_max: VALUE_BYTES_MAX });
    }
    Ok(value)
}
