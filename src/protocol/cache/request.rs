//! `cache-request`: the envelope, and what each operation needs of it.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};
use mpreg_storage::limits::VALUE_BYTES_MAX;

use super::atomic::AtomicFields;
use super::batch::read_operations;
use super::key::KEY;
use super::namespace::NamespaceFields;
use super::removal::check_pattern;
use super::structure::{Strings, StructureFields, Values};
use super::{
    Atomic, Batch, Client, Invalidate, KeyText, Lease, Metadata, Namespace, Options, Query, Structure,
    TtlConfig,
};
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
    /// Who sends it, so that a repeated write is applied once; reads ignore it.
    pub client: Option<Box<Client<'a>>>,
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

/// The members of an envelope, as far as they were met. Large ones stand in options, so that making an envelope
/// writes little more than their tags.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    u: Option<Text<'a>>,
    operation: Option<Operation>,
    key: Option<KeyText<'a>>,
    /// Whether the key has an identifier, which only a query can do without.
    identified: bool,
    value: Option<&'a str>,
    options: Options<'a>,
    metadata: Metadata<'a>,
    has_metadata: bool,
    ttl_config: Option<Box<TtlConfig>>,
    constraints: Option<&'a str>,
    encrypted: bool,
    client: Option<Box<Client<'a>>>,
    atomic: Option<AtomicFields<'a>>,
    structure: Option<StructureFields<'a>>,
    namespace: Option<Box<NamespaceFields<'a>>>,
    pattern: Option<Cow<'a, str>>,
    invalidation_pattern: Option<Cow<'a, str>>,
    tags: Option<Strings<'a>>,
    operations: Vec<Command<'a>>,
    /// It is an operation of a batch, which has no `u`, no options and no batch of its own.
    is_nested: bool,
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

impl<'a> Envelope<'a> {
    /// Reads one operation of a batch.
    pub(super) fn read_nested(reader: &mut Reader<'a>) -> Result<Command<'a>, Error> {
        let mut envelope = Envelope { is_nested: true, ..Envelope::default() };
        envelope.read(reader, "operations")?;
        envelope.take_command()
    }

    fn read(&mut self, reader: &mut Reader<'a>, path: &'static str) -> Result<(), Error> {
        let mut fields = Fields::open(reader, path)?;
        while let Some(name) = fields.next()? {
            match &*name {
                "role" => drop(fields.string(0, "role")?),
                "u" => self.u = fields.string(1, "u")?,
                "operation" => {
                    let name = fields.string(2, "operation")?;
                    self.operation = name.map(|name| Operation::parse(&name.decode())).transpose()?;
                }
                "key" => {
                    let entered = fields.enter(3, "key")?;
                    let key = entered.map(|reader| KeyText::read_unfinished(reader, &KEY)).transpose()?;
                    if let Some((key, identified)) = key {
                        (self.key, self.identified) = (Some(key), identified);
                    }
                }
                "value" => self.value = fields.raw(4, "value")?,
                "options" if !self.is_nested => {
                    let entered = fields.enter(5, "options")?;
                    entered.map_or(Ok(()), |reader| self.options.read(reader))?;
                }
                other => self.read_rare(other, &mut fields)?,
            }
        }
        Ok(())
    }

    /// The members few requests have.
    #[cold]
    fn read_rare(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "atomic_operation" => {
                self.atomic = fields.enter(12, "atomic_operation")?.map(AtomicFields::read).transpose()?;
            }
            "structure_operation" => {
                let entered = fields.enter(13, "structure_operation")?;
                self.structure = entered.map(StructureFields::read).transpose()?;
            }
            "metadata" => {
                if let Some(reader) = fields.enter(6, "metadata")? {
                    self.metadata.read(reader)?;
                    self.has_metadata = true;
                }
            }
            "constraints" => self.constraints = fields.raw_array(7, "constraints")?,
            "ttl_config" => {
                let entered = fields.enter(8, "ttl_config")?;
                self.ttl_config = entered.map(TtlConfig::read).transpose()?.map(Box::new);
            }
            "encrypted" => self.encrypted = fields.boolean(9, "encrypted")?.unwrap_or(false),
            "options" => {
                if fields.enter(5, "options")?.map(|reader| reader.raw()).transpose()?.is_some() {
                    return Err(Error::NotSupported("options of one operation of a batch are"));
                }
            }
            _ if self.is_nested => fields.pass()?,
            _ => return self.read_outer(name, fields),
        }
        Ok(())
    }

    /// The rare members that an operation of a batch does not have.
    fn read_outer(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "namespace_operation" => {
                let entered = fields.enter(14, "namespace_operation")?;
                self.namespace = entered.map(NamespaceFields::read).transpose()?.map(Box::new);
            }
            "pattern" => self.pattern = read_pattern(fields, 10, "pattern")?,
            "invalidation_pattern" => {
                self.invalidation_pattern = read_pattern(fields, 11, "invalidation_pattern")?;
            }
            "tags" => {
                let tags = Values::read(fields, 15, "tags")?;
                self.tags = tags.map(|tags| tags.into_strings("tags")).transpose()?;
            }
            "operations" => {
                let entered = fields.enter(16, "operations")?;
                self.operations = entered.map(read_operations).transpose()?.unwrap_or_default();
            }
            "client" => {
                self.client = fields.enter(17, "client")?.map(Client::read).transpose()?.map(Box::new)
            }
            _ => fields.pass()?,
        }
        Ok(())
    }

    /// The command, once it is known that everything it needs is there and nothing of it would be ignored.
    fn take_command(&mut self) -> Result<Command<'a>, Error> {
        let operation = self.operation.ok_or(Error::Missing("operation"))?;
        if self.encrypted {
            return Err(Error::NotSupported("encrypted messages are"));
        }
        match operation {
            Operation::Get => {
                let key = self.take_key()?;
                self.check_lease(|lease| !matches!(lease, Lease::Fill { .. }), "options.lease.ttl_ms")?;
                Ok(Command::Get(key))
            }
            Operation::Put => self.take_put().map(Command::Put),
            Operation::Delete => self.take_key().map(Command::Delete),
            _ => self.take_rare_command(operation),
        }
    }

    #[cold]
    fn take_rare_command(&mut self, operation: Operation) -> Result<Command<'a>, Error> {
        let key_operation = matches!(operation, Operation::Atomic | Operation::Structure);
        if self.is_nested && !key_operation {
            return Err(Error::Range { path: "operation", wanted: "get, put, delete, atomic or structure" });
        }
        Ok(match operation {
            Operation::Atomic => Command::Atomic(self.take_atomic()?),
            Operation::Structure => Command::Structure(self.take_structure()?),
            Operation::Stats => Command::Stats(self.key.take()),
            Operation::Namespace => {
                let fields = self.namespace.take().ok_or(Error::Missing("namespace_operation"))?;
                Command::Namespace(fields.into_namespace()?)
            }
            Operation::Invalidate => {
                let pattern = self.pattern.take().or_else(|| self.invalidation_pattern.take());
                Command::Invalidate(Invalidate::new(pattern, self.tags)?)
            }
            Operation::Query => {
                let key = self.key.take().ok_or(Error::Missing("key"))?;
                if key.namespace.is_empty() {
                    let wanted = "a name of at least one character";
                    return Err(Error::Range { path: "key.namespace", wanted });
                }
                let pattern = self.pattern.take().or_else(|| self.invalidation_pattern.take());
                Command::Query(Query { key, pattern: pattern.unwrap_or(Cow::Borrowed("*")) })
            }
            // The others were answered by the caller.
            _ if self.operations.is_empty() => return Err(Error::Missing("operations")),
            _ => Command::Batch(Batch { operations: std::mem::take(&mut self.operations) }),
        })
    }

    fn take_key(&mut self) -> Result<KeyText<'a>, Error> {
        let key = self.key.take().ok_or(Error::Missing("key"))?;
        if self.identified { Ok(key) } else { Err(Error::Missing("key.identifier")) }
    }

    fn take_put(&mut self) -> Result<Put<'a>, Error> {
        let key = self.take_key()?;
        let mut metadata = std::mem::take(&mut self.metadata);
        let value = checked_value(self.value, metadata.negative)?;
        self.check_lease(|lease| matches!(lease, Lease::Fill { .. }), "options.lease.token")?;
        let ttl_config = self.ttl_config.take();
        if let Some(ttl) = ttl_config.as_ref().and_then(|config| config.ttl) {
            metadata.ttl = Some(ttl);
        }
        Ok(Put { key, value, metadata, ttl_config, constraints: self.constraints })
    }

    fn take_atomic(&mut self) -> Result<Atomic<'a>, Error> {
        let key = self.take_key()?;
        self.refuse_ttl_config()?;
        let fields = self.atomic.take().ok_or(Error::Missing("atomic_operation"))?;
        fields.into_atomic(key, self.constraints, self.take_metadata())
    }

    fn take_structure(&mut self) -> Result<Structure<'a>, Error> {
        let key = self.take_key()?;
        self.refuse_ttl_config()?;
        if self.constraints.is_some() {
            return Err(Error::NotSupported("constraints on a structure are"));
        }
        let fields = self.structure.take().ok_or(Error::Missing("structure_operation"))?;
        fields.into_structure(key, self.take_metadata())
    }

    fn take_metadata(&mut self) -> Option<Box<Metadata<'a>>> {
        self.has_metadata.then(|| Box::new(std::mem::take(&mut self.metadata)))
    }

    fn refuse_ttl_config(&self) -> Result<(), Error> {
        match self.ttl_config {
            Some(_) => Err(Error::NotSupported("ttl_config on anything but a put is")),
            None => Ok(()),
        }
    }

    /// Refuses a lease option that this operation has no use for; `missing` is what it lacks.
    fn check_lease(&self, fits: impl Fn(Lease) -> bool, missing: &'static str) -> Result<(), Error> {
        match self.options.lease {
            Some(lease) if !fits(lease) => Err(Error::Missing(missing)),
            _ => Ok(()),
        }
    }
}

fn read_pattern<'a>(
    fields: &mut Fields<'_, 'a>,
    number: u32,
    path: &'static str,
) -> Result<Option<Cow<'a, str>>, Error> {
    let pattern = fields.string(number, path)?.map(Text::decode);
    pattern.map(|pattern| check_pattern(pattern, path)).transpose()
}

fn checked_value(value: Option<&str>, negative: bool) -> Result<&str, Error> {
    let value = match value {
        None if negative => return Ok("null"),
        Some(_) if negative => {
            return Err(Error::Range { path: "metadata.negative", wanted: "false where there is a value" });
        }
        value => value.ok_or(Error::NoValue)?,
    };
    if value.len() > VALUE_BYTES_MAX {
        return Err(Error::TooLarge { what: "value", size: value.len(), size_max: VALUE_BYTES_MAX });
    }
    Ok(value)
}
