//! `namespace_result`, also of invalidations. Lists and backups are written piece by piece.

use mpreg_storage::json::write;

use super::structure::Begun;
use super::{write_count, write_flag, write_key, write_name, write_result_end, write_text};

/// What every `namespace_result` begins with.
#[derive(Debug, Clone, Copy)]
pub struct NamespaceHead<'a> {
    /// Whether it was done.
    pub success: bool,
    /// As the request had it ([`crate::protocol::cache::NamespaceAction::operation_type`]).
    pub operation_type: &'a str,
    /// Decoded.
    pub namespace: &'a str,
    /// Decoded; `None` leaves the member out.
    pub pattern: Option<&'a str>,
}

impl NamespaceHead<'_> {
    fn write_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","namespace_result":{"success":"#);
        out.extend_from_slice(if self.success { b"true" } else { b"false" });
        write_text(out, "operation_type", Some(self.operation_type));
        write_text(out, "namespace", Some(self.namespace));
        if self.pattern.is_some() {
            write_text(out, "pattern", self.pattern);
        }
    }
}

/// How a namespace operation went that has no list.
#[derive(Debug, Clone, Copy)]
pub struct NamespaceResult<'a> {
    /// What it begins with.
    pub head: NamespaceHead<'a>,
    /// Entries affected or counted.
    pub count: u64,
    /// What else there is to say.
    pub detail: NamespaceDetail<'a>,
    /// Why it was not done.
    pub error_message: Option<&'a str>,
}

/// What else there is to say.
#[derive(Debug, Clone, Copy)]
pub enum NamespaceDetail<'a> {
    /// Of a count, or of what failed.
    None,
    /// Of a clear: `count` is what it removed, or would have.
    Clear {
        /// A limit stopped it.
        has_more: bool,
        /// Nothing was removed.
        dry_run: bool,
    },
    /// Of statistics.
    Statistics(&'a NamespaceStatistics<'a>),
    /// Of a restore: `count` is what it restored.
    Restore {
        /// Keys that were there and stayed as they were.
        skipped: u64,
    },
}

/// The statistics of a namespace.
#[derive(Debug, Clone, Copy, Default)]
pub struct NamespaceStatistics<'a> {
    /// Entries, expired ones not counted.
    pub entry_count: u64,
    /// Keys and values.
    pub total_memory_bytes: u64,
    /// Mean over all entries.
    pub avg_computation_cost_ms: f64,
    /// Reads of all entries.
    pub total_access_count: u64,
    /// When the oldest was written, in microseconds since 1970.
    pub oldest_us: Option<u64>,
    /// When the newest was written, in microseconds since 1970.
    pub newest_us: Option<u64>,
    /// Entries that have expired and wait for the sweeper.
    pub expired_pending: u64,
    /// With `include_detailed_breakdown`.
    pub breakdown: Option<Breakdown<'a>>,
}

/// Statistics in detail.
#[derive(Debug, Clone, Copy, Default)]
pub struct Breakdown<'a> {
    /// Entries of each version.
    pub by_version: &'a [(String, u64)],
    /// Entries in L1 and in L2.
    pub by_level: [u64; 2],
    /// The largest first.
    pub largest: &'a [Largest],
}

/// One of the largest entries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest {
    /// Identifier, decoded.
    pub identifier: String,
    /// Version, decoded.
    pub version: String,
    /// Bytes of its value.
    pub size_bytes: u64,
}

impl NamespaceResult<'_> {
    /// Appends the member with the comma before it.
    pub fn write_into(&self, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        self.head.write_into(out);
        write_count(out, "count", self.count);
        match self.detail {
            NamespaceDetail::None => {}
            NamespaceDetail::Clear { has_more, dry_run } => {
                write_count(out, "entries_affected", self.count);
                write_count(out, "cleared_count", self.count);
                write_flag(out, "has_more", has_more);
                write_flag(out, "dry_run", dry_run);
            }
            NamespaceDetail::Statistics(statistics) => statistics.write_into(self.head.namespace, out),
            NamespaceDetail::Restore { skipped } => {
                write_count(out, "restored_count", self.count);
                write_count(out, "skipped_count", skipped);
            }
        }
        write_result_end(out, self.error_message, operation_id);
    }

    /// Appends the member of an invalidation that removed `count` entries: `what` is `pattern` or `tags`, `text` the
    /// JSON text of that member.
    pub fn write_invalidated(what: &str, text: &str, count: u64, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","namespace_result":{"success":true,"operation_type":"invalidate""#);
        write_name(out, what);
        out.extend_from_slice(text.as_bytes());
        for name in ["entries_affected", "cleared_count", "count"] {
            write_count(out, name, count);
        }
        out.push(b'}');
    }
}

impl NamespaceStatistics<'_> {
    fn write_into(&self, namespace: &str, out: &mut Vec<u8>) {
        write_count(out, "entry_count", self.entry_count);
        write_count(out, "total_memory_bytes", self.total_memory_bytes);
        write_name(out, "avg_computation_cost_ms");
        write::float(out, self.avg_computation_cost_ms);
        write_count(out, "total_access_count", self.total_access_count);
        for (name, time) in [("oldest_entry", self.oldest_us), ("newest_entry", self.newest_us)] {
            write_name(out, name);
            match time {
                Some(micros) => write::seconds(out, micros),
                None => out.extend_from_slice(b"null"),
            }
        }
        write_count(out, "expired_pending", self.expired_pending);
        if let Some(breakdown) = self.breakdown {
            breakdown.write_into(namespace, out);
        }
    }
}

impl Breakdown<'_> {
    fn write_into(&self, namespace: &str, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","by_version":{"#);
        for (index, (version, count)) in self.by_version.iter().enumerate() {
            out.extend_from_slice(if index > 0 { b"," } else { b"" });
            write::string(out, version);
            out.push(b':');
            write::unsigned(out, *count);
        }
        out.extend_from_slice(br#"},"by_level":{"L1":"#);
        write::unsigned(out, self.by_level[0]);
        write_count(out, "L2", self.by_level[1]);
        out.extend_from_slice(br#"},"largest":["#);
        for (index, entry) in self.largest.iter().enumerate() {
            out.extend_from_slice(if index > 0 { br#",{"key":"# } else { br#"{"key":"# });
            write_key(out, namespace, &entry.identifier, &entry.version, "[]");
            write_count(out, "size_bytes", entry.size_bytes);
            out.push(b'}');
        }
        out.push(b']');
    }
}

/// A key of a listing, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct KeyReply<'a> {
    /// Decoded.
    pub identifier: &'a str,
    /// Decoded.
    pub version: &'a str,
    /// JSON array.
    pub tags: &'a str,
}

/// A listing that is being written.
#[derive(Debug)]
#[must_use = "the member must be ended"]
pub struct KeyList<'a> {
    namespace: &'a str,
    count: u64,
}

impl<'a> KeyList<'a> {
    /// Appends the member's beginning, with the comma before it.
    pub fn begin(head: &NamespaceHead<'a>, out: &mut Vec<u8>) -> KeyList<'a> {
        head.write_into(out);
        out.extend_from_slice(br#","keys":["#);
        KeyList { namespace: head.namespace, count: 0 }
    }

    /// Appends a key.
    pub fn push(&mut self, key: &KeyReply<'_>, out: &mut Vec<u8>) {
        if self.count > 0 {
            out.push(b',');
        }
        write_key(out, self.namespace, key.identifier, key.version, key.tags);
        self.count += 1;
    }

    /// Appends the member's end; `next_offset` is where the next listing goes on, `None` when there is no more.
    pub fn end(self, next_offset: Option<u64>, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        out.push(b']');
        write_count(out, "count", self.count);
        write_flag(out, "has_more", next_offset.is_some());
        write_name(out, "next_offset");
        match next_offset {
            Some(offset) => write::unsigned(out, offset),
            None => out.extend_from_slice(b"null"),
        }
        write_result_end(out, None, operation_id);
    }
}

/// A listing of namespaces that is being written.
#[derive(Debug)]
#[must_use = "the member must be ended"]
pub struct NameList {
    count: u64,
}

impl NameList {
    /// Appends the member's beginning, with the comma before it.
    pub fn begin(head: &NamespaceHead<'_>, out: &mut Vec<u8>) -> NameList {
        head.write_into(out);
        out.extend_from_slice(br#","namespaces":["#);
        NameList { count: 0 }
    }

    /// Appends a name, a JSON string.
    pub fn push(&mut self, name: &[u8], out: &mut Vec<u8>) {
        if self.count > 0 {
            out.push(b',');
        }
        out.extend_from_slice(name);
        self.count += 1;
    }

    /// Appends the member's end.
    pub fn end(self, has_more: bool, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        out.push(b']');
        write_count(out, "count", self.count);
        write_flag(out, "has_more", has_more);
        write_result_end(out, None, operation_id);
    }
}

/// What a backup says behind its data.
#[derive(Debug, Clone, Copy)]
pub struct BackupResult<'a> {
    /// Entries in it.
    pub count: u64,
    /// Whether the data is base64 of gzip.
    pub compression: bool,
    /// Of the data as it stands in the reply.
    pub checksum: &'a str,
    /// Where the next part goes on, if a limit stopped this one.
    pub next_offset: Option<u64>,
}

impl BackupResult<'_> {
    /// Appends the member's beginning, with the comma before it. The caller appends the data as one JSON value
    /// ([`crate::protocol::cache::BackupWriter`]), then [`BackupResult::end`] is due.
    pub fn begin(head: &NamespaceHead<'_>, out: &mut Vec<u8>) -> Begun {
        head.write_into(out);
        write_name(out, "data");
        Begun::new(out)
    }

    /// Appends the rest of the member.
    pub fn end(&self, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        write_count(out, "count", self.count);
        write_text(out, "backup_format", Some("json"));
        write_flag(out, "compression", self.compression);
        write_text(out, "checksum", Some(self.checksum));
        if let Some(offset) = self.next_offset {
            write_flag(out, "has_more", true);
            write_count(out, "next_offset", offset);
        }
        write_result_end(out, None, operation_id);
    }
}
