//! `entry`: a key with its value and what is known about it.

use mpreg_storage::json::write;
use mpreg_storage::record::Extras;

/// An entry as replies show it, borrowed.
#[derive(Debug, Clone, Copy)]
pub struct EntryReply<'a> {
    /// Namespace of the key, decoded.
    pub namespace: &'a str,
    /// Identifier of the key, decoded.
    pub identifier: &'a str,
    /// Version of the key, decoded.
    pub version: &'a str,
    /// The value's JSON text, copied as it is.
    pub value: &'a [u8],
    /// When it was written, in microseconds since 1970.
    pub created_us: u64,
    /// Reads so far, this one included.
    pub access_count: u64,
    /// Last read, in microseconds since 1970.
    pub last_access_us: u64,
    /// Whole life granted at the write, in microseconds; `None` without expiry.
    pub ttl_us: Option<u64>,
    /// Tags, dependencies, cost.
    pub extras: Extras<'a>,
    /// Whether to write the optional members (`options.include_metadata`).
    pub include_metadata: bool,
}

impl EntryReply<'_> {
    /// Length of the borrowed parts.
    pub(super) fn bytes(&self) -> usize {
        let key = self.namespace.len() + self.identifier.len() + self.version.len();
        key + self.value.len() + self.extras.tags.len() + self.extras.dependencies.len()
    }

    /// Appends the member with the comma before it.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","entry":{"key":"#);
        write_key(out, self.namespace, self.identifier, self.version, self.extras.tags);
        out.extend_from_slice(br#","value":"#);
        out.extend_from_slice(self.value);
        out.extend_from_slice(br#","creation_time":"#);
        write::seconds(out, self.created_us);
        out.extend_from_slice(br#","access_count":"#);
        write::unsigned(out, self.access_count);
        out.extend_from_slice(br#","last_access_time":"#);
        write::seconds(out, self.last_access_us);
        if self.include_metadata {
            self.write_metadata_into(out);
        }
        out.push(b'}');
    }

    fn write_metadata_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","computation_cost_ms":"#);
        write::float(out, self.extras.computation_cost_ms);
        out.extend_from_slice(br#","size_bytes":"#);
        write::unsigned(out, self.value.len() as u64);
        out.extend_from_slice(br#","dependencies":"#);
        out.extend_from_slice(self.extras.dependencies.as_bytes());
        out.extend_from_slice(br#","ttl_seconds":"#);
        write_ttl(out, self.ttl_us, self.extras.ttl_is_float);
    }
}

/// Appends a time to live in seconds as the client wrote it, or null.
#[inline]
pub(in crate::protocol::cache) fn write_ttl(out: &mut Vec<u8>, ttl_us: Option<u64>, is_float: bool) {
    match ttl_us {
        None => out.extend_from_slice(b"null"),
        Some(micros) if micros % 1_000_000 == 0 && !is_float => write::unsigned(out, micros / 1_000_000),
        Some(micros) => write::seconds(out, micros),
    }
}

/// Appends a key object; `tags` is a JSON array.
#[inline]
pub(crate) fn write_key(out: &mut Vec<u8>, namespace: &str, identifier: &str, version: &str, tags: &str) {
    out.extend_from_slice(br#"{"namespace":""#);
    write::escaped(out, namespace);
    out.extend_from_slice(br#"","identifier":""#);
    write::escaped(out, identifier);
    out.extend_from_slice(br#"","version":""#);
    write::escaped(out, version);
    out.extend_from_slice(br#"","tags":"#);
    out.extend_from_slice(tags.as_bytes());
    out.push(b'}');
}
