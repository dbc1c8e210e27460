//! The members of a cache request, and what each operation needs of them.

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
    Atomic, Batch, Client, Command, Invalidate, KeyText, Lease, Metadata, Operation, Options, Put, Query,
    Structure, TtlConfig,
};
use crate::protocol::Error;
use crate::protocol::fields::Fields;

/// The members of an envelope, as far as they were met. Large ones stand in options, so that making an envelope
/// writes little more than their tags.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub(super) u: Option<Text<'a>>,
    operation: Option<Operation>,
    key: Option<KeyText<'a>>,
    /// Whether the key has an identifier, which only a query can do without.
    identified: bool,
    value: Option<&'a str>,
    pub(super) options: Options<'a>,
    metadata: Metadata<'a>,
    has_metadata: bool,
    ttl_config: Option<Box<TtlConfig>>,
    constraints: Option<&'a str>,
    encrypted: bool,
    pub(super) client: Option<Box<Client<'a>>>,
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

impl<'a> Envelope<'a> {
    /// Reads one operation of a batch.
    pub(super) fn read_nested(reader: &mut Reader<'a>) -> Result<Command<'a>, Error> {
        let mut envelope = Envelope { is_nested: true, ..Envelope::default() };
        envelope.read(reader, "operations")?;
        envelope.take_command()
    }

    /// Reads the object at which `reader` stands.
    pub(super) fn read(&mut self, reader: &mut Reader<'a>, path: &'static str) -> Result<(), Error> {
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
    pub(super) fn take_command(&mut self) -> Result<Command<'a>, Error> {
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
            _ if self.options.lease.is_some() => {
                Err(Error::Range { path: "options.lease", wanted: "left out of all but get and put" })
            }
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
