//! `atomic`: reading and writing one entry in one step.

use mpreg_storage::json::{Number, Reader, Text};
use mpreg_storage::limits::VALUE_BYTES_MAX;

use super::numbers::{literal, read_ttl};
use super::{KeyText, Metadata, Ttl};
use crate::protocol::Error;
use crate::protocol::fields::Fields;

/// An atomic operation. Values are exact JSON texts, checked.
#[derive(Debug, PartialEq)]
pub struct Atomic<'a> {
    /// On which entry.
    pub key: KeyText<'a>,
    /// What to do.
    pub kind: AtomicKind,
    /// `expected_value`; `None` (absent or null) means that there must be no entry.
    pub expected: Option<&'a str>,
    /// `new_value`, never `null`; there for test_and_set, compare_and_swap, append and prepend.
    pub new: Option<&'a str>,
    /// `increment_by`, default 1.
    pub by: Number<'a>,
    /// `initial_value`, what a missing entry counts as; a number for increment and decrement.
    pub initial: Option<&'a str>,
    /// `ttl_seconds`, else that of the metadata; there for extend_ttl.
    pub ttl: Option<Ttl>,
    /// `conditions`, a JSON object with members.
    pub conditions: Option<&'a str>,
    /// `create_if_missing`; only an explicit false keeps increment, decrement, append and prepend from creating.
    pub create_if_missing: Option<bool>,
    /// JSON array of what the new value must satisfy.
    pub constraints: Option<&'a str>,
    /// What the message says about a new value; `None` keeps what is stored.
    pub metadata: Option<Box<Metadata<'a>>>,
}

/// The atomic operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AtomicKind {
    /// Store `new` if the entry equals `expected`.
    TestAndSet,
    /// The same, with another text on conflict.
    CompareAndSwap,
    /// Add `by`.
    Increment,
    /// Subtract `by`.
    Decrement,
    /// `new` behind a string or a list.
    Append,
    /// `new` before a string or a list.
    Prepend,
    /// Move the expiry by `ttl`.
    ExtendTtl,
}

impl AtomicKind {
    fn parse(name: &str) -> Result<AtomicKind, Error> {
        Ok(match name {
            "test_and_set" => AtomicKind::TestAndSet,
            "compare_and_swap" => AtomicKind::CompareAndSwap,
            "increment" => AtomicKind::Increment,
            "decrement" => AtomicKind::Decrement,
            "append" => AtomicKind::Append,
            "prepend" => AtomicKind::Prepend,
            "extend_ttl" => AtomicKind::ExtendTtl,
            other => return Err(Error::unknown("atomic_operation.operation_type", other)),
        })
    }

    /// What the protocol says when the comparison fails.
    #[must_use]
    pub fn conflict(self) -> &'static str {
        if self == AtomicKind::CompareAndSwap { "Compare condition failed" } else { "Test condition failed" }
    }
}

/// `atomic_operation` as it stands in the message.
#[derive(Default)]
pub(super) struct AtomicFields<'a> {
    kind: Option<AtomicKind>,
    expected: Option<&'a str>,
    new: Option<&'a str>,
    by: Option<Number<'a>>,
    initial: Option<&'a str>,
    ttl: Option<Ttl>,
    ttl_extension: Option<Ttl>,
    conditions: Option<&'a str>,
    create_if_missing: Option<bool>,
}

impl<'a> AtomicFields<'a> {
    /// Reads the object at which `reader` stands.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<AtomicFields<'a>, Error> {
        let mut found = AtomicFields::default();
        let mut fields = Fields::open(reader, "atomic_operation")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "operation_type" => {
                    let name = fields.string(0, "atomic_operation.operation_type")?.map(Text::decode);
                    found.kind = name.map(|name| AtomicKind::parse(&name)).transpose()?;
                }
                "expected_value" => found.expected = fields.raw(1, "atomic_operation.expected_value")?,
                "new_value" => found.new = fields.raw(2, "atomic_operation.new_value")?,
                "increment_by" => found.by = fields.number(3, "atomic_operation.increment_by")?,
                "initial_value" => found.initial = fields.raw(4, "atomic_operation.initial_value")?,
                "ttl_seconds" => found.ttl = read_ttl(&mut fields, 5, "atomic_operation.ttl_seconds")?,
                "ttl_extension_seconds" => {
                    const PATH: &str = "atomic_operation.ttl_extension_seconds";
                    found.ttl_extension = read_ttl(&mut fields, 6, PATH)?;
                }
                "conditions" => {
                    let object = fields.raw_object(7, "atomic_operation.conditions")?;
                    found.conditions = object.filter(|text| !is_empty_object(text));
                }
                "create_if_missing" => {
                    const PATH: &str = "atomic_operation.create_if_missing";
                    found.create_if_missing = fields.boolean(8, PATH)?;
                }
                _ => fields.pass()?,
            }
        }
        Ok(found)
    }

    /// The operation, once it is known that everything its kind needs is there.
    pub(super) fn into_atomic(
        self,
        key: KeyText<'a>,
        constraints: Option<&'a str>,
        metadata: Option<Box<Metadata<'a>>>,
    ) -> Result<Atomic<'a>, Error> {
        let kind = self.kind.ok_or(Error::Missing("atomic_operation.operation_type"))?;
        let ttl = self.ttl.or(self.ttl_extension);
        match kind {
            AtomicKind::Increment | AtomicKind::Decrement => check_number(self.initial)?,
            AtomicKind::ExtendTtl if ttl.is_none() => {
                return Err(Error::Missing("atomic_operation.ttl_seconds"));
            }
            AtomicKind::ExtendTtl => {}
            _ => check_new(self.new)?,
        }
        Ok(Atomic {
            key,
            kind,
            expected: self.expected,
            new: self.new,
            by: self.by.unwrap_or_else(|| literal("1")),
            initial: self.initial,
            ttl: ttl.or_else(|| metadata.as_ref().and_then(|metadata| metadata.ttl)),
            conditions: self.conditions,
            create_if_missing: self.create_if_missing,
            constraints,
            metadata,
        })
    }
}

/// What a test_and_set, compare_and_swap, append or prepend stores.
fn check_new(new: Option<&str>) -> Result<(), Error> {
    let size = new.ok_or(Error::Missing("atomic_operation.new_value"))?.len();
    if size > VALUE_BYTES_MAX {
        let size_max = VALUE_BYTES_MAX;
        return Err(Error::TooLarge { what: "atomic_operation.new_value", size, size_max });
    }
    Ok(())
}

fn check_number(initial: Option<&str>) -> Result<(), Error> {
    let Some(text) = initial else { return Ok(()) };
    if text.starts_with(|first: char| first == '-' || first.is_ascii_digit()) {
        return Ok(());
    }
    Err(Error::Range { path: "atomic_operation.initial_value", wanted: "a number" })
}

/// Whether the object `text`, checked, has no members.
pub(super) fn is_empty_object(text: &str) -> bool {
    text[1..].trim_start().starts_with('}')
}
