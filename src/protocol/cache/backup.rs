//! The backup of a namespace, as `backup` gives it and `restore` takes it.
//!
//! ```text
//! {"format":"mpreg-namespace-backup","version":1,"namespace":"n","created_at":1700000000.5,"entries":[
//!   {"key":{...},"value":...,"metadata":{...},"creation_time":..,"last_access_time":..,"access_count":..,"expires_at":..|null}]}
//! ```

use std::borrow::Cow;

use mpreg_storage::json::{Reader, write};
use mpreg_storage::limits::VALUE_BYTES_MAX;
use mpreg_storage::record::Extras;

use super::key::BACKED_UP;
use super::reply::{write_key, write_ttl};
use super::{KeyText, Metadata, TtlConfig};
use crate::protocol::Error;
use crate::protocol::fields::Fields;

/// What `format` says.
const FORMAT: &str = "mpreg-namespace-backup";
/// The version written, and the only one read.
const VERSION: u64 = 1;

/// A backup, checked as a whole, its entries still as text.
#[derive(Debug, PartialEq)]
pub struct Backup<'a> {
    /// Where it was taken; a restore may go to another namespace.
    pub namespace: Cow<'a, str>,
    /// How many entries it has.
    pub count: usize,
    /// Array of entries; checked.
    entries: &'a str,
}

/// One entry of a backup.
#[derive(Debug, PartialEq)]
pub struct BackupEntry<'a> {
    /// As it was stored.
    pub key: KeyText<'a>,
    /// Exact JSON text.
    pub value: &'a str,
    /// As it was stored.
    pub metadata: Metadata<'a>,
    /// In microseconds since 1970, as the next two.
    pub created_us: u64,
    /// Last read.
    pub last_access_us: u64,
    /// Reads so far.
    pub access_count: u64,
    /// When it expires, in microseconds since 1970.
    pub expires_us: Option<u64>,
    /// Every read makes its life start anew.
    pub sliding: bool,
}

impl<'a> Backup<'a> {
    /// Reads `text`. Every entry is checked, so that a restore does all or nothing; offsets in errors count from
    /// the start of `text`.
    pub fn read(text: &'a str) -> Result<Backup<'a>, Error> {
        let mut reader = Reader::new(text);
        let mut fields = Fields::open(&mut reader, "namespace_operation.data")?;
        let (mut format, mut version, mut namespace, mut entries) = (None, None, None, None);
        while let Some(name) = fields.next()? {
            match &*name {
                "format" => format = fields.string(0, "namespace_operation.data.format")?,
                "version" => version = fields.unsigned(1, "namespace_operation.data.version")?,
                "namespace" => namespace = fields.string(2, "namespace_operation.data.namespace")?,
                "entries" => entries = read_entries(&mut fields)?,
                _ => fields.pass()?,
            }
        }
        reader.end()?;
        let format = format.ok_or(Error::Missing("namespace_operation.data.format"))?.decode();
        if format != FORMAT {
            return Err(Error::unknown("namespace_operation.data.format", &format));
        }
        match version {
            Some(VERSION) => {}
            None => return Err(Error::Missing("namespace_operation.data.version")),
            Some(_) => return Err(Error::Range { path: "namespace_operation.data.version", wanted: "1" }),
        }
        let namespace = namespace.ok_or(Error::Missing("namespace_operation.data.namespace"))?.decode();
        let (entries, count) = entries.ok_or(Error::Missing("namespace_operation.data.entries"))?;
        Ok(Backup { namespace, count, entries })
    }

    /// The entries, in their order.
    pub fn iter(&self) -> impl Iterator<Item = BackupEntry<'a>> {
        let mut reader = Reader::new(self.entries);
        // The text was checked, so no error ends the walk early.
        let mut elements = reader.array("").ok();
        std::iter::from_fn(move || {
            if !elements.as_mut()?.next(&mut reader).ok()? {
                return None;
            }
            BackupEntry::read(&mut reader).ok()
        })
    }
}

/// The entries' text and number.
fn read_entries<'a>(fields: &mut Fields<'_, 'a>) -> Result<Option<(&'a str, usize)>, Error> {
    const PATH: &str = "namespace_operation.data.entries";
    let Some(reader) = fields.enter(3, PATH)? else { return Ok(None) };
    let mut ahead = reader.clone();
    let mut elements = ahead.array(PATH)?;
    let mut count = 0;
    while elements.next(&mut ahead)? {
        BackupEntry::read(&mut ahead)?;
        count += 1;
    }
    Ok(Some((reader.raw()?, count)))
}

impl<'a> BackupEntry<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<BackupEntry<'a>, Error> {
        let mut fields = Fields::open(reader, "namespace_operation.data.entries")?;
        let (mut key, mut value, mut metadata) = (None, None, Metadata::default());
        let (mut created, mut accessed, mut count, mut expires) = (None, None, None, None);
        let mut config = None;
        while let Some(name) = fields.next()? {
            match &*name {
                "key" => {
                    let entered = fields.enter(0, "namespace_operation.data.entries.key")?;
                    key = entered.map(|reader| KeyText::read(reader, &BACKED_UP)).transpose()?;
                }
                "value" => value = fields.raw(1, "namespace_operation.data.entries.value")?,
                "metadata" => {
                    let entered = fields.enter(2, "namespace_operation.data.entries.metadata")?;
                    entered.map_or(Ok(()), |reader| metadata.read(reader))?;
                }
                "creation_time" => created = read_time(&mut fields, 3, CREATED)?,
                "last_access_time" => accessed = read_time(&mut fields, 4, ACCESSED)?,
                "access_count" => {
                    count = fields.unsigned(5, "namespace_operation.data.entries.access_count")?;
                }
                "ttl_config" => {
                    let entered = fields.enter(7, "namespace_operation.data.entries.ttl_config")?;
                    config = entered.map(TtlConfig::read).transpose()?;
                }
                "expires_at" => expires = read_time(&mut fields, 6, EXPIRES)?,
                _ => fields.pass()?,
            }
        }
        let value = value.or_else(|| metadata.negative.then_some("null"));
        let value = value.ok_or(Error::Missing("namespace_operation.data.entries.value"))?;
        if value.len() > VALUE_BYTES_MAX {
            let (what, size) = ("namespace_operation.data.entries.value", value.len());
            return Err(Error::TooLarge { what, size, size_max: VALUE_BYTES_MAX });
        }
        let created_us = created.ok_or(Error::Missing(CREATED))?;
        Ok(BackupEntry {
            key: key.ok_or(Error::Missing("namespace_operation.data.entries.key"))?,
            value,
            metadata,
            created_us,
            last_access_us: accessed.unwrap_or(created_us),
            access_count: count.unwrap_or(0),
            expires_us: expires,
            sliding: config.is_some_and(|config| config.refresh_on_access),
        })
    }

    /// Appends the stored form of metadata and tags to `out`; nothing when everything is default.
    pub fn encode_extras_into(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.metadata.encode_into(self.key.tags, out)
    }
}

const CREATED: &str = "namespace_operation.data.entries.creation_time";
const ACCESSED: &str = "namespace_operation.data.entries.last_access_time";
const EXPIRES: &str = "namespace_operation.data.entries.expires_at";

/// Seconds since 1970 as microseconds. Today's times have them exactly: they are far below 2^53.
fn read_time(fields: &mut Fields<'_, '_>, number: u32, path: &'static str) -> Result<Option<u64>, Error> {
    super::numbers::read_span(fields, number, path)
}

/// A stored entry on its way into a backup, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct StoredEntry<'a> {
    /// Decoded.
    pub identifier: &'a str,
    /// Decoded.
    pub version: &'a str,
    /// JSON text.
    pub value: &'a [u8],
    /// Tags, dependencies, cost.
    pub extras: Extras<'a>,
    /// In microseconds since 1970, as the next one.
    pub created_us: u64,
    /// Last read.
    pub last_access_us: u64,
    /// Reads so far.
    pub access_count: u64,
    /// When it expires, in microseconds since 1970.
    pub expires_us: Option<u64>,
}

/// A backup that is being written.
#[derive(Debug)]
#[must_use = "the backup must be ended"]
pub struct BackupWriter<'a> {
    namespace: &'a str,
    /// Entries so far.
    pub count: u64,
}

impl<'a> BackupWriter<'a> {
    /// Appends the beginning; `created_us` is the time of the backup in microseconds since 1970.
    pub fn begin(namespace: &'a str, created_us: u64, out: &mut Vec<u8>) -> BackupWriter<'a> {
        out.extend_from_slice(br#"{"format":"mpreg-namespace-backup","version":1,"namespace":"#);
        write::string(out, namespace);
        out.extend_from_slice(br#","created_at":"#);
        write::seconds(out, created_us);
        out.extend_from_slice(br#","entries":["#);
        BackupWriter { namespace, count: 0 }
    }

    /// Appends an entry.
    pub fn push(&mut self, entry: &StoredEntry<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(if self.count > 0 { br#",{"key":"# } else { br#"{"key":"# });
        self.count += 1;
        write_key(out, self.namespace, entry.identifier, entry.version, entry.extras.tags);
        out.extend_from_slice(br#","value":"#);
        out.extend_from_slice(entry.value);
        write_metadata(entry, out);
        for (name, time) in [("creation_time", entry.created_us), ("last_access_time", entry.last_access_us)]
        {
            write_name(out, name);
            write::seconds(out, time);
        }
        out.extend_from_slice(br#","access_count":"#);
        write::unsigned(out, entry.access_count);
        out.extend_from_slice(br#","expires_at":"#);
        write_ttl(out, entry.expires_us, true);
        out.push(b'}');
    }

    /// Appends the end.
    pub fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }
}

/// Appends `metadata` as a put would have it.
fn write_metadata(entry: &StoredEntry<'_>, out: &mut Vec<u8>) {
    let extras = &entry.extras;
    out.extend_from_slice(br#","metadata":{"computation_cost_ms":"#);
    write::float(out, extras.computation_cost_ms);
    out.extend_from_slice(br#","quality_score":"#);
    write::float(out, extras.quality_score);
    out.extend_from_slice(br#","dependencies":"#);
    out.extend_from_slice(extras.dependencies.as_bytes());
    out.extend_from_slice(br#","ttl_seconds":"#);
    let ttl_us = entry.expires_us.map(|expires| match (extras.fresh_us, extras.slide_us) {
        (0, 0) => expires.saturating_sub(entry.created_us).max(1),
        // What was asked for, not what windows and reads made of it.
        (0, slide_us) => slide_us,
        (fresh_us, _) => fresh_us,
    });
    write_ttl(out, ttl_us, extras.ttl_is_float);
    for (name, window_us) in [
        ("stale_while_revalidate_seconds", extras.revalidate_us),
        ("stale_if_error_seconds", extras.error_us),
    ] {
        if window_us > 0 {
            write_name(out, name);
            write::seconds(out, window_us);
        }
    }
    for (name, text) in [
        ("access_patterns", extras.access_patterns),
        ("geographic_hints", extras.geographic_hints),
        ("replication_policy", extras.replication_policy),
    ] {
        let Some(text) = text else { continue };
        write_name(out, name);
        out.extend_from_slice(text.as_bytes());
    }
    out.push(b'}');
    if extras.slide_us > 0 {
        out.extend_from_slice(br#","ttl_config":{"refresh_on_access":true}"#);
    }
}

fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}
