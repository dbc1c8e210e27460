//! One entry, with where it is and how safe it is there.

use clap::Args;
use mpreg_storage::record::key::DEFAULT_VERSION;
use mpreg_storage::record::{EntryFields, Extras, Key, Lsn};
use serde::Serialize;
use serde_json::value::RawValue;

use super::Contents;
use crate::failure::{Failure, Kind, Outcome};
use crate::files::{TailEntry, now_us, table_failure};
use crate::output::{self, Format};

/// One entry by its key.
#[derive(Args)]
pub(super) struct Entry {
    /// Namespace of the key.
    namespace: String,
    /// Identifier of the key.
    identifier: String,
    /// Version of the key.
    #[arg(value_name = "VERSION", default_value = DEFAULT_VERSION)]
    key_version: String,
}

/// The JSON keys are stable.
#[derive(Serialize)]
struct Shown {
    key: String,
    lsn: u64,
    /// `L2` for a row of the table, `log` for a record above the checkpoint.
    tier: &'static str,
    /// `strong` when on disk for certain, else `eventual`.
    durability: &'static str,
    created_us: u64,
    expires_us: Option<u64>,
    expired: bool,
    value_bytes: usize,
    access_count: u32,
    tags: Box<RawValue>,
    dependencies: Box<RawValue>,
    value: Box<RawValue>,
}

impl Entry {
    pub(super) fn print(&self, contents: &Contents, format: Format) -> Outcome {
        let key = Key::with_version(&self.namespace, &self.identifier, &self.key_version)
            .map_err(Failure::usage)?;
        let shown = match contents.tail.entries.get(key.as_bytes()) {
            Some(Some(entry)) => Some(from_tail(&key, entry, contents.look.durable)?),
            Some(None) => None,
            None => from_table(contents, &key)?,
        };
        let shown = shown.ok_or_else(|| Failure::new(Kind::NotFound, format!("no entry {key}")))?;
        if format == Format::Json {
            return output::json(&shown).map_err(Failure::from);
        }
        Ok(print_table(&shown)?)
    }
}

fn from_tail(key: &Key, entry: &TailEntry, durable: Lsn) -> Result<Shown, Failure> {
    let fields = EntryFields {
        kind: entry.kind,
        lsn: entry.lsn,
        created_us: entry.created_us,
        expires_us: entry.expires_us,
        access_count: 0,
        last_access_us: entry.created_us,
        value: &entry.value,
        extras: &entry.extras,
    };
    shown(key, &fields, "log", if entry.lsn <= durable { "strong" } else { "eventual" })
}

fn from_table(contents: &Contents, key: &Key) -> Result<Option<Shown>, Failure> {
    let read = contents.snapshot.read(key.as_bytes(), |fields| shown(key, &fields, "L2", "strong"));
    read.map_err(table_failure)?.transpose()
}

fn shown(
    key: &Key,
    fields: &EntryFields<'_>,
    tier: &'static str,
    durability: &'static str,
) -> Result<Shown, Failure> {
    let damaged = |what: &dyn std::fmt::Display| Failure::new(Kind::Damage, format!("entry {key}: {what}"));
    let extras = Extras::decode(fields.extras).map_err(|error| damaged(&error))?;
    let raw = |bytes: &[u8]| {
        let text = String::from_utf8(bytes.to_vec()).map_err(|error| damaged(&error))?;
        RawValue::from_string(text).map_err(|error| damaged(&error))
    };
    Ok(Shown {
        key: key.to_string(),
        lsn: fields.lsn.0,
        tier,
        durability,
        created_us: fields.created_us,
        expires_us: (fields.expires_us != 0).then_some(fields.expires_us),
        expired: fields.expires_us != 0 && now_us()? > fields.expires_us,
        value_bytes: fields.value.len(),
        access_count: fields.access_count,
        tags: raw(extras.tags.as_bytes())?,
        dependencies: raw(extras.dependencies.as_bytes())?,
        value: raw(fields.value)?,
    })
}

fn print_table(shown: &Shown) -> std::io::Result<()> {
    let line = |name: &str, text: String| vec![name.to_owned(), text];
    let expires = shown.expires_us.map_or_else(|| "never".to_owned(), output::time);
    let expired = if shown.expired { " (expired)" } else { "" };
    let rows = [
        line("lsn", shown.lsn.to_string()),
        line("tier", shown.tier.to_owned()),
        line("durability", shown.durability.to_owned()),
        line("created", output::time(shown.created_us)),
        line("expires", format!("{expires}{expired}")),
        line("value bytes", shown.value_bytes.to_string()),
        line("reads", shown.access_count.to_string()),
        line("tags", shown.tags.get().to_owned()),
        line("dependencies", shown.dependencies.get().to_owned()),
    ];
    output::table(&[&shown.key, ""], &rows)?;
    println!("{}", shown.value.get());
    Ok(())
}
