//! `namespace`: work on all entries of a namespace, or on those a pattern and conditions choose.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};
use mpreg_storage::limits::NAMESPACE_BYTES_MAX;

use super::KeyText;
use super::atomic::is_empty_object;
use super::key::AFTER;
use super::numbers::{read_count, read_positive};
use super::removal::check_pattern;
use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::{LIST_KEYS_DEFAULT, LIST_KEYS_MAX, SAMPLE_SIZE_DEFAULT, SAMPLE_SIZE_MAX};

/// A namespace operation.
#[derive(Debug, PartialEq)]
pub struct Namespace<'a> {
    /// 1 to 128 bytes; exact, what lies below it in name is not included.
    pub namespace: Cow<'a, str>,
    /// Glob on the identifier, default `*`.
    pub pattern: Cow<'a, str>,
    /// JSON object with members: what an entry must satisfy besides.
    pub conditions: Option<&'a str>,
    /// Only entries behind this key; its namespace does not count.
    pub after: Option<KeyText<'a>>,
    /// What to do.
    pub action: NamespaceAction<'a>,
}

/// The namespace operations.
#[derive(Debug, PartialEq)]
pub enum NamespaceAction<'a> {
    /// Delete, the oldest first.
    Clear {
        /// Most entries to delete; `None` is all.
        max_entries: Option<u64>,
        /// Only count.
        dry_run: bool,
    },
    /// Add up.
    Statistics {
        /// With `by_version`, `by_level` and `largest`.
        detailed: bool,
        /// Entries in `largest`, at most [`SAMPLE_SIZE_MAX`]; default 10.
        sample_size: u64,
    },
    /// List keys by identifier, then version.
    ListKeys {
        /// What the request calls it.
        name: ListName,
        /// Most keys, at most [`LIST_KEYS_MAX`]; default 1000.
        limit: u64,
        /// Keys to leave out before the first; default 0.
        offset: u64,
    },
    /// Count.
    Count,
    /// List namespaces; the pattern is one of their names, and the request names none.
    ListNamespaces {
        /// Most names, at most [`LIST_KEYS_MAX`]; default 1000.
        limit: u64,
        /// Names to leave out before the first; default 0.
        offset: u64,
    },
    /// Export.
    Backup {
        /// `data` as base64 of gzip.
        compression: bool,
        /// Most entries; `None` is all.
        limit: Option<u64>,
        /// Entries to leave out before the first; default 0.
        offset: u64,
    },
    /// Import.
    Restore {
        /// What a backup gave.
        data: BackupData<'a>,
        /// What to do with keys that exist.
        merge: Merge,
    },
}

/// The names of listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListName {
    /// `list_keys`.
    ListKeys,
    /// `list`.
    List,
    /// `scan`.
    Scan,
}

/// `data` of a restore, in either form.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum BackupData<'a> {
    /// The JSON object itself; [`super::Backup::read`] takes it apart.
    Plain(&'a str),
    /// Base64 of gzip of it.
    Compressed(Text<'a>),
}

/// What a restore does with keys that exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Merge {
    /// The backup wins.
    Overwrite,
    /// What is there stays.
    SkipExisting,
    /// The later `creation_time` wins.
    Newest,
}

impl NamespaceAction<'_> {
    /// The name on the wire, as the request had it.
    #[must_use]
    pub fn operation_type(&self) -> &'static str {
        match self {
            NamespaceAction::Clear { .. } => "clear",
            NamespaceAction::Statistics { .. } => "statistics",
            NamespaceAction::ListKeys { name: ListName::ListKeys, .. } => "list_keys",
            NamespaceAction::ListKeys { name: ListName::List, .. } => "list",
            NamespaceAction::ListKeys { name: ListName::Scan, .. } => "scan",
            NamespaceAction::Count => "count",
            NamespaceAction::ListNamespaces { .. } => "list_namespaces",
            NamespaceAction::Backup { .. } => "backup",
            NamespaceAction::Restore { .. } => "restore",
        }
    }
}

/// `namespace_operation` as it stands in the message.
#[derive(Default)]
pub(super) struct NamespaceFields<'a> {
    operation: Option<Cow<'a, str>>,
    namespace: Option<Cow<'a, str>>,
    pattern: Option<Cow<'a, str>>,
    conditions: Option<&'a str>,
    max_entries: Option<u64>,
    dry_run: bool,
    detailed: bool,
    sample_size: Option<u64>,
    compression: bool,
    data: Option<BackupData<'a>>,
    merge: Option<Merge>,
    limit: Option<u64>,
    offset: u64,
    after: Option<KeyText<'a>>,
}

impl<'a> NamespaceFields<'a> {
    /// Reads the object at which `reader` stands.
    #[cold]
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<NamespaceFields<'a>, Error> {
        let mut found = NamespaceFields::default();
        let mut fields = Fields::open(reader, "namespace_operation")?;
        while let Some(name) = fields.next()? {
            found.read_member(&name, &mut fields)?;
        }
        Ok(found)
    }

    fn read_member(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "operation_type" => {
                self.operation = fields.string(0, "namespace_operation.operation_type")?.map(Text::decode);
            }
            "namespace" => {
                self.namespace = fields.string(1, "namespace_operation.namespace")?.map(Text::decode);
            }
            "pattern" => {
                const PATH: &str = "namespace_operation.pattern";
                let pattern = fields.string(2, PATH)?.map(Text::decode);
                self.pattern = pattern.map(|pattern| check_pattern(pattern, PATH)).transpose()?;
            }
            "conditions" => {
                let object = fields.raw_object(3, "namespace_operation.conditions")?;
                self.conditions = object.filter(|text| !is_empty_object(text));
            }
            "max_entries" => self.max_entries = read_positive(fields, 4, "namespace_operation.max_entries")?,
            "dry_run" => self.dry_run = fields.boolean(5, "namespace_operation.dry_run")?.unwrap_or(false),
            "include_detailed_breakdown" => {
                const PATH: &str = "namespace_operation.include_detailed_breakdown";
                self.detailed = fields.boolean(6, PATH)?.unwrap_or(false);
            }
            "sample_size" => self.sample_size = read_count(fields, 7, "namespace_operation.sample_size")?,
            "backup_format" => check_format(fields)?,
            "compression" => {
                self.compression = fields.boolean(9, "namespace_operation.compression")?.unwrap_or(false);
            }
            "data" => self.data = read_data(fields)?,
            "merge_strategy" => self.merge = read_merge(fields)?,
            "limit" => self.limit = read_positive(fields, 12, "namespace_operation.limit")?,
            "offset" => self.offset = read_count(fields, 13, "namespace_operation.offset")?.unwrap_or(0),
            "after" => {
                let entered = fields.enter(14, "namespace_operation.after")?;
                self.after = entered.map(|reader| KeyText::read(reader, &AFTER)).transpose()?;
            }
            _ => fields.pass()?,
        }
        Ok(())
    }

    /// The operation, once it is known that everything it needs is there.
    pub(super) fn into_namespace(self) -> Result<Namespace<'a>, Error> {
        let action = self.action()?;
        let namespace = match action {
            NamespaceAction::ListNamespaces { .. } => Cow::Borrowed(""),
            _ => check_namespace(self.namespace)?,
        };
        let pattern = self.pattern.unwrap_or(Cow::Borrowed("*"));
        Ok(Namespace { namespace, pattern, conditions: self.conditions, after: self.after, action })
    }

    fn action(&self) -> Result<NamespaceAction<'a>, Error> {
        const PATH: &str = "namespace_operation.operation_type";
        let listing = |name| NamespaceAction::ListKeys {
            name,
            limit: self.limit.unwrap_or(LIST_KEYS_DEFAULT).min(LIST_KEYS_MAX),
            offset: self.offset,
        };
        Ok(match self.operation.as_deref().ok_or(Error::Missing(PATH))? {
            "clear" => NamespaceAction::Clear { max_entries: self.max_entries, dry_run: self.dry_run },
            "statistics" => {
                let sample_size = self.sample_size.unwrap_or(SAMPLE_SIZE_DEFAULT).min(SAMPLE_SIZE_MAX);
                NamespaceAction::Statistics { detailed: self.detailed, sample_size }
            }
            "list_keys" => listing(ListName::ListKeys),
            "list" => listing(ListName::List),
            "scan" => listing(ListName::Scan),
            "count" => NamespaceAction::Count,
            "list_namespaces" => NamespaceAction::ListNamespaces {
                limit: self.limit.unwrap_or(LIST_KEYS_DEFAULT).min(LIST_KEYS_MAX),
                offset: self.offset,
            },
            "backup" => {
                let (compression, limit, offset) = (self.compression, self.limit, self.offset);
                NamespaceAction::Backup { compression, limit, offset }
            }
            "restore" => NamespaceAction::Restore {
                data: self.data.ok_or(Error::Missing("namespace_operation.data"))?,
                merge: self.merge.unwrap_or(Merge::Overwrite),
            },
            other => return Err(Error::unknown(PATH, other)),
        })
    }
}

fn check_namespace(namespace: Option<Cow<'_, str>>) -> Result<Cow<'_, str>, Error> {
    const PATH: &str = "namespace_operation.namespace";
    let namespace = namespace.ok_or(Error::Missing(PATH))?;
    if namespace.is_empty() {
        return Err(Error::Range { path: PATH, wanted: "a name of at least one character" });
    }
    if namespace.len() > NAMESPACE_BYTES_MAX {
        let (size, size_max) = (namespace.len(), NAMESPACE_BYTES_MAX);
        return Err(Error::TooLarge { what: PATH, size, size_max });
    }
    Ok(namespace)
}

/// There is one format; another one is not silently replaced by it.
fn check_format(fields: &mut Fields<'_, '_>) -> Result<(), Error> {
    const PATH: &str = "namespace_operation.backup_format";
    match fields.string(8, PATH)?.map(Text::decode).as_deref() {
        None | Some("json") => Ok(()),
        Some(other) => Err(Error::unknown(PATH, other)),
    }
}

fn read_data<'a>(fields: &mut Fields<'_, 'a>) -> Result<Option<BackupData<'a>>, Error> {
    const PATH: &str = "namespace_operation.data";
    let Some(reader) = fields.enter(10, PATH)? else { return Ok(None) };
    let text = reader.raw()?;
    let data = match text.as_bytes() {
        [b'"', ..] => BackupData::Compressed(Reader::new(text).string(PATH)?),
        [b'{', ..] => BackupData::Plain(text),
        _ => return Err(Error::Range { path: PATH, wanted: "an object or a string, as a backup gave it" }),
    };
    Ok(Some(data))
}

fn read_merge(fields: &mut Fields<'_, '_>) -> Result<Option<Merge>, Error> {
    const PATH: &str = "namespace_operation.merge_strategy";
    let Some(name) = fields.string(11, PATH)? else { return Ok(None) };
    match &*name.decode() {
        "overwrite" => Ok(Some(Merge::Overwrite)),
        "skip_existing" => Ok(Some(Merge::SkipExisting)),
        "newest" => Ok(Some(Merge::Newest)),
        other => Err(Error::unknown(PATH, other)),
    }
}
