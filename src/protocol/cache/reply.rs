//! `cache-response`, written straight into the connection's output buffer.
//!
//! Members always come in this order; those in brackets only when there is something to say:
//!
//! ```text
//! role u timestamp version operation status success operation_id
//! [cache_level] [durability] [entry] [performance] [error_message error_code] intermediate_results
//! ```
//!
//! `intermediate_results` is null in every one, because the Python client would otherwise take the
//! message for an empty RPC reply and drop the rest.

use mpreg_storage::json::write;
use mpreg_storage::record::Extras;

use super::{Code, Level};

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Found, stored or removed.
    Hit,
    /// Nothing there.
    Miss,
    /// Not done, or not known to be done.
    Error,
    /// Done in part.
    Partial,
    /// Not done in time.
    Timeout,
    /// A condition did not hold.
    Conflict,
}

impl Status {
    /// The status and `success` members.
    fn members(self) -> &'static str {
        match self {
            Status::Hit => r#","status":"hit","success":true,"operation_id":""#,
            Status::Miss => r#","status":"miss","success":true,"operation_id":""#,
            Status::Partial => r#","status":"partial","success":true,"operation_id":""#,
            Status::Error => r#","status":"error","success":false,"operation_id":""#,
            Status::Timeout => r#","status":"timeout","success":false,"operation_id":""#,
            Status::Conflict => r#","status":"conflict","success":false,"operation_id":""#,
        }
    }
}

/// The level a write reached, or that of a value read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// In memory only.
    Volatile,
    /// Handed to the operating system.
    Eventual,
    /// Synced.
    Strong,
}

impl Durability {
    fn member(self) -> &'static str {
        match self {
            Durability::Volatile => r#","durability":"volatile""#,
            Durability::Eventual => r#","durability":"eventual""#,
            Durability::Strong => r#","durability":"strong""#,
        }
    }
}

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

/// How the answer came about.
#[derive(Debug, Clone, Copy)]
pub struct Performance {
    /// Time from the request to this reply, in nanoseconds.
    pub lookup_ns: u64,
}

/// Why there is no success.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// For people.
    pub message: &'a str,
    /// For programs.
    pub code: Code,
}

/// What every reply begins with.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// The request id as it stood in the request, quotes included; copied as it is.
    pub u: &'a str,
    /// Now, in microseconds since 1970.
    pub now_us: u64,
    /// The operation as a JSON string with its quotes ([`super::Operation::quoted`], or what the
    /// client sent).
    pub operation: &'a str,
    /// From [`crate::protocol::OperationIds`].
    pub operation_id: &'a [u8; 36],
}

/// One reply.
#[derive(Debug, Clone, Copy)]
pub struct Reply<'a> {
    /// What every reply begins with.
    pub head: Head<'a>,
    /// How it ended.
    pub status: Status,
    /// The tier that answered, or the first one written.
    pub level: Option<Level>,
    /// The level reached or seen.
    pub durability: Option<Durability>,
    /// The entry read or written.
    pub entry: Option<EntryReply<'a>>,
    /// How long it took.
    pub performance: Option<Performance>,
    /// Why there is no success.
    pub failure: Option<Failure<'a>>,
}

/// Room for everything in a reply whose length does not come from the request.
const FIXED_BYTES: usize = 640;

impl<'a> Reply<'a> {
    /// The reply of an operation that did not succeed: `status` is error, timeout or conflict.
    #[must_use]
    pub fn failure(head: Head<'a>, status: Status, failure: Failure<'a>) -> Reply<'a> {
        Reply { status, failure: Some(failure), ..Reply::new(head) }
    }

    /// A hit without anything else to say; the other members are for the caller to fill.
    #[must_use]
    pub fn new(head: Head<'a>) -> Reply<'a> {
        Reply {
            head,
            status: Status::Hit,
            level: None,
            durability: None,
            entry: None,
            performance: None,
            failure: None,
        }
    }

    /// Appends the reply to `out`. Cost: one growth of `out` at most for ordinary entries, no other
    /// allocation.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        let entry_bytes = self.entry.as_ref().map_or(0, EntryReply::bytes);
        out.reserve(FIXED_BYTES + self.head.u.len() + entry_bytes);
        out.extend_from_slice(br#"{"role":"cache-response","u":"#);
        out.extend_from_slice(self.head.u.as_bytes());
        out.extend_from_slice(br#","timestamp":"#);
        write::seconds(out, self.head.now_us);
        out.extend_from_slice(br#","version":"2.0","operation":"#);
        out.extend_from_slice(self.head.operation.as_bytes());
        out.extend_from_slice(self.status.members().as_bytes());
        out.extend_from_slice(self.head.operation_id);
        out.push(b'"');
        if let Some(level) = self.level {
            out.extend_from_slice(level.member().as_bytes());
        }
        if let Some(durability) = self.durability {
            out.extend_from_slice(durability.member().as_bytes());
        }
        if let Some(entry) = &self.entry {
            entry.write_into(out);
        }
        if let Some(performance) = self.performance {
            performance.write_into(self.level, out);
        }
        if let Some(failure) = self.failure {
            failure.write_into(out);
        }
        out.extend_from_slice(br#","intermediate_results":null}"#);
    }
}

impl Level {
    fn member(self) -> &'static str {
        match self {
            Level::L1 => r#","cache_level":"L1""#,
            Level::L2 => r#","cache_level":"L2""#,
            Level::L3 => r#","cache_level":"L3""#,
            Level::L4 => r#","cache_level":"L4""#,
        }
    }
}

impl EntryReply<'_> {
    /// Length of the borrowed parts.
    fn bytes(&self) -> usize {
        let key = self.namespace.len() + self.identifier.len() + self.version.len();
        key + self.value.len() + self.extras.tags.len() + self.extras.dependencies.len()
    }

    fn write_into(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","entry":{"key":{"namespace":""#);
        write::escaped(out, self.namespace);
        out.extend_from_slice(br#"","identifier":""#);
        write::escaped(out, self.identifier);
        out.extend_from_slice(br#"","version":""#);
        write::escaped(out, self.version);
        out.extend_from_slice(br#"","tags":"#);
        out.extend_from_slice(self.extras.tags.as_bytes());
        out.extend_from_slice(br#"},"value":"#);
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
        match self.ttl_us {
            None => out.extend_from_slice(br#","ttl_seconds":null"#),
            Some(micros) => {
                out.extend_from_slice(br#","ttl_seconds":"#);
                if micros % 1_000_000 == 0 && !self.extras.ttl_is_float {
                    write::unsigned(out, micros / 1_000_000);
                } else {
                    write::seconds(out, micros);
                }
            }
        }
    }
}

impl Performance {
    fn write_into(self, level: Option<Level>, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","performance":{"lookup_time_ms":"#);
        write::milliseconds(out, self.lookup_ns);
        // The efficiencies are the protocol's constants per tier.
        out.extend_from_slice(match level {
            Some(Level::L1) => br#","network_hops":0,"cache_efficiency":1.0}"#,
            Some(Level::L2) => br#","network_hops":0,"cache_efficiency":0.9}"#,
            Some(Level::L3 | Level::L4) => br#","network_hops":1,"cache_efficiency":0.8}"#,
            None => br#","network_hops":0,"cache_efficiency":0.0}"#,
        });
    }
}

impl Failure<'_> {
    #[cold]
    fn write_into(self, out: &mut Vec<u8>) {
        out.extend_from_slice(br#","error_message":"#);
        write::string(out, self.message);
        out.extend_from_slice(br#","error_code":""#);
        out.extend_from_slice(self.code.as_str().as_bytes());
        out.push(b'"');
    }
}
