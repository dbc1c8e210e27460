//! Keys with their sizes and times to live: the table's rows, overlaid by the log above the checkpoint.

use std::collections::BTreeMap;
use std::ops::Bound;

use clap::Args;
use mpreg_storage::record::KeyParts;
use mpreg_storage::record::key::namespace_prefix;
use serde::Serialize;

use super::Contents;
use crate::failure::{Failure, Kind, Outcome};
use crate::files::{now_us, table_failure};
use crate::output::{self, Format, grouped};

/// Namespaces, or the keys of one.
#[derive(Args)]
pub(super) struct Keys {
    /// List the keys of this namespace instead of all namespaces.
    namespace: Option<String>,
    /// At most this many keys.
    #[arg(long, default_value_t = 1000)]
    limit: usize,
}

/// Sums of a namespace. The JSON keys are stable.
#[derive(Default, Serialize)]
struct Namespace {
    namespace: String,
    keys: u64,
    key_bytes: u64,
    value_bytes: u64,
    with_ttl: u64,
    /// Seconds until the first of them expires.
    soonest_ttl_seconds: Option<f64>,
}

/// One key. The JSON keys are stable.
#[derive(Serialize)]
struct KeyRow {
    identifier: String,
    version: String,
    value_bytes: u64,
    ttl_seconds: Option<f64>,
    lsn: u64,
    tier: &'static str,
}

/// What both listings need of an entry.
#[derive(Clone, Copy)]
struct Seen {
    lsn: u64,
    value_bytes: u64,
    expires_us: u64,
    tier: &'static str,
}

impl Keys {
    pub(super) fn print(&self, contents: &Contents, format: Format) -> Outcome {
        match &self.namespace {
            None => print_namespaces(&namespaces(contents)?, format),
            Some(namespace) => self.print_keys(contents, namespace, format),
        }
    }

    fn print_keys(&self, contents: &Contents, namespace: &str, format: Format) -> Outcome {
        let now_us = now_us()?;
        let prefix = namespace_prefix(namespace);
        let mut rows = Vec::new();
        visit(contents, &prefix, now_us, |key, seen| {
            if rows.len() < self.limit {
                rows.push(KeyRow {
                    identifier: key.identifier.into_owned(),
                    version: key.version.into_owned(),
                    value_bytes: seen.value_bytes,
                    ttl_seconds: ttl(seen.expires_us, now_us),
                    lsn: seen.lsn,
                    tier: seen.tier,
                });
            }
        })?;
        if rows.is_empty() {
            return Err(Failure::new(Kind::NotFound, format!("no key in namespace {namespace}")));
        }
        if format == Format::Json {
            return output::json(&rows).map_err(Failure::from);
        }
        let lines: Vec<_> = rows.iter().map(key_line).collect();
        Ok(output::table(&["key", "value B", "ttl s", "lsn", "tier"], &lines)?)
    }
}

/// Calls `each` for every visible key with `prefix`, in key order.
fn visit(
    contents: &Contents,
    prefix: &[u8],
    now_us: u64,
    mut each: impl FnMut(KeyParts<'_>, Seen),
) -> Result<(), Failure> {
    let mut show = |key: &[u8], seen: Seen| {
        let visible = seen.expires_us == 0 || now_us <= seen.expires_us;
        if let (true, Ok(parts)) = (visible, KeyParts::decode(key)) {
            each(parts, seen);
        }
    };
    let from = Bound::Included(prefix);
    let mut tail = contents.tail.entries.range::<[u8], _>((from, Bound::Unbounded)).peekable();
    let rows = contents.snapshot.range(from, Bound::Unbounded).map_err(table_failure)?;
    let mut emit_tail = |below: Option<&[u8]>, show: &mut dyn FnMut(&[u8], Seen)| {
        // Every key of the tail up to the row, the row's own key included: the log knows better.
        let mut replaced = false;
        while let Some((key, entry)) =
            tail.next_if(|(key, _)| key.starts_with(prefix) && below.is_none_or(|below| &***key <= below))
        {
            replaced |= below == Some(&**key);
            if let Some(entry) = entry {
                let value_bytes = entry.value.len() as u64;
                show(key, Seen { lsn: entry.lsn.0, value_bytes, expires_us: entry.expires_us, tier: "log" });
            }
        }
        replaced
    };
    for row in rows {
        let row = row.map_err(table_failure)?;
        if !row.key().starts_with(prefix) {
            break;
        }
        if emit_tail(Some(row.key()), &mut show) {
            continue;
        }
        let fields = row.fields().map_err(table_failure)?;
        let (lsn, value_bytes) = (fields.lsn.0, fields.value.len() as u64);
        show(row.key(), Seen { lsn, value_bytes, expires_us: fields.expires_us, tier: "L2" });
    }
    emit_tail(None, &mut show);
    Ok(())
}

fn namespaces(contents: &Contents) -> Result<Vec<Namespace>, Failure> {
    let now_us = now_us()?;
    let mut sums: BTreeMap<String, Namespace> = BTreeMap::new();
    visit(contents, &[], now_us, |key, seen| {
        let name = key.namespace.as_ref();
        if !sums.contains_key(name) {
            sums.insert(name.to_owned(), Namespace { namespace: name.to_owned(), ..Namespace::default() });
        }
        let Some(sum) = sums.get_mut(name) else { return };
        sum.keys += 1;
        sum.key_bytes += (key.namespace.len() + key.identifier.len() + key.version.len()) as u64;
        sum.value_bytes += seen.value_bytes;
        if let Some(ttl) = ttl(seen.expires_us, now_us) {
            sum.with_ttl += 1;
            sum.soonest_ttl_seconds = Some(sum.soonest_ttl_seconds.map_or(ttl, |soonest| soonest.min(ttl)));
        }
    })?;
    Ok(sums.into_values().collect())
}

/// Seconds left; `None` is for ever.
fn ttl(expires_us: u64, now_us: u64) -> Option<f64> {
    (expires_us != 0).then(|| expires_us.saturating_sub(now_us) as f64 / 1e6)
}

fn print_namespaces(rows: &[Namespace], format: Format) -> Outcome {
    if format == Format::Json {
        return output::json(&rows).map_err(Failure::from);
    }
    let line = |row: &Namespace| {
        vec![
            row.namespace.clone(),
            grouped(row.keys),
            grouped(row.key_bytes),
            grouped(row.value_bytes),
            grouped(row.with_ttl),
            seconds(row.soonest_ttl_seconds),
        ]
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    Ok(output::table(&["namespace", "keys", "key B", "value B", "with ttl", "soonest s"], &lines)?)
}

fn key_line(row: &KeyRow) -> Vec<String> {
    let key = format!("{} {}", row.identifier, row.version);
    vec![key, grouped(row.value_bytes), seconds(row.ttl_seconds), row.lsn.to_string(), row.tier.to_owned()]
}

fn seconds(seconds: Option<f64>) -> String {
    seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0}"))
}
