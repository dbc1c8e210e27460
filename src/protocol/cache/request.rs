//! `cache-request`: what it can ask for.

use mpreg_storage::json::Reader;

use super::envelope::Envelope;
use super::{
    Atomic, Batch, Client, Invalidate, KeyText, Metadata, Namespace, Options, Query, Structure, TtlConfig,
};
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
    /// Who sends it, so that a repeated write is applied once; reads ignore it.
    pub client: Option<Box<Client<'a>>>,
}

impl<'a> Request<'a> {
    /// Reads the whole message; `reader` stands at its start.
    pub(in crate::protocol) fn read(reader: &mut Reader<'a>) -> Result<Request<'a>, Error> {
        let mut envelope = Envelope::default();
        envelope.read(reader, "message")?;
        reader.end()?;
        let u = read_request_id(envelope.u)?;
        let command = envelope.take_command()?;
        Ok(Request { u, command, options: envelope.options, client: envelope.client })
    }
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
    /// Read and write one entry in one step.
    Atomic(Atomic<'a>),
    /// Work on a set, list, map, ...
    Structure(Structure<'a>),
    /// Work on a whole namespace.
    Namespace(Namespace<'a>),
    /// Remove by pattern or tag.
    Invalidate(Invalidate<'a>),
    /// List keys by pattern.
    Query(Query<'a>),
    /// Several operations, all or none.
    Batch(Batch<'a>),
}

/// What a put stores.
#[derive(Debug, PartialEq)]
pub struct Put<'a> {
    /// Under which key.
    pub key: KeyText<'a>,
    /// The value's exact JSON text, checked, without white space around it; `null` only where
    /// [`Metadata::negative`] says that there is none.
    pub value: &'a str,
    /// What else is known about it.
    pub metadata: Metadata<'a>,
    /// How its time to live is counted, if not from the put on.
    pub ttl_config: Option<Box<TtlConfig>>,
    /// JSON array, not empty: what the value must satisfy to be stored.
    pub constraints: Option<&'a str>,
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
    /// Several operations, all or none.
    Batch,
}

impl Operation {
    pub(super) fn parse(name: &str) -> Result<Operation, Error> {
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
            "batch" => Operation::Batch,
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
            Operation::Batch => "\"batch\"",
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
            Command::Atomic(_) => Operation::Atomic,
            Command::Structure(_) => Operation::Structure,
            Command::Namespace(_) => Operation::Namespace,
            Command::Invalidate(_) => Operation::Invalidate,
            Command::Query(_) => Operation::Query,
            Command::Batch(_) => Operation::Batch,
        }
    }
}
