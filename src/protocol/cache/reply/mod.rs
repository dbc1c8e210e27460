//! `cache-response`, written straight into the connection's output buffer.
//!
//! Members always come in this order; those in brackets only when there is something to say:
//!
//! ```text
//! role u timestamp version operation status success operation_id
//! [cache_level] [durability] [entry] [performance] [error_message error_code] [constraint_violations]
//! [atomic_result | structure_result | namespace_result | batch_result]
//! [lease] [negative] [replayed] intermediate_results
//! ```
//!
//! What stands in the middle is written by the types beside this one, straight into the same buffer, so that even
//! values of megabytes are copied once: see [`Reply::write_with`].
//!
//! `intermediate_results` is null in every one, because the Python client would otherwise take the
//! message for an empty RPC reply and drop the rest.

mod atomic;
mod batch;
mod entry;
mod namespace;
mod notes;
mod structure;

use mpreg_storage::json::write;

use super::{Code, Level};

pub use atomic::AtomicResult;
pub use batch::BatchResult;
pub use entry::EntryReply;
pub(crate) use entry::write_key;
pub(super) use entry::write_ttl;
pub use namespace::{
    BackupResult, Breakdown, KeyList, KeyReply, Largest, NameList, NamespaceDetail, NamespaceHead,
    NamespaceResult, NamespaceStatistics,
};
pub use notes::{LeaseReply, LeaseState, Notes};
pub use structure::{Begun, Counts, StructureResult};

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
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Hit => "hit",
            Status::Miss => "miss",
            Status::Error => "error",
            Status::Partial => "partial",
            Status::Timeout => "timeout",
            Status::Conflict => "conflict",
        }
    }

    /// Whether it counts as a success.
    #[must_use]
    pub fn is_success(self) -> bool {
        matches!(self, Status::Hit | Status::Miss | Status::Partial)
    }

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
    /// What few replies have to say besides.
    pub notes: Option<&'a Notes<'a>>,
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
            notes: None,
        }
    }

    /// Appends the reply to `out`. Cost: one growth of `out` at most for ordinary entries, no other
    /// allocation.
    pub fn write_into(&self, out: &mut Vec<u8>) {
        self.write_with(out, |_| {});
    }

    /// The same with the members that `result` appends, each with the comma before it, such as
    /// [`AtomicResult::write_into`].
    pub fn write_with(&self, out: &mut Vec<u8>, result: impl FnOnce(&mut Vec<u8>)) {
        self.begin_into(out);
        result(out);
        self.end_into(out);
    }

    /// The first half of a reply. Members of a result may be appended behind it, then [`Reply::end_into`] is due. To
    /// give up in between, truncate `out` to where it was.
    #[inline]
    pub fn begin_into(&self, out: &mut Vec<u8>) {
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
        if let Some(notes) = self.notes {
            notes.write_violations_into(out);
        }
    }

    /// The second half of a reply.
    #[inline]
    pub fn end_into(&self, out: &mut Vec<u8>) {
        if let Some(notes) = self.notes {
            notes.write_into(out);
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

/// Appends `,"name":true` or `,"name":false`; `name` holds no character that JSON escapes.
fn write_flag(out: &mut Vec<u8>, name: &str, on: bool) {
    write_name(out, name);
    out.extend_from_slice(if on { b"true" } else { b"false" });
}

/// Appends `,"name":17`.
fn write_count(out: &mut Vec<u8>, name: &str, count: u64) {
    write_name(out, name);
    write::unsigned(out, count);
}

/// Appends `,"name":"text"`, or null for `None`.
fn write_text(out: &mut Vec<u8>, name: &str, text: Option<&str>) {
    write_name(out, name);
    match text {
        Some(text) => write::string(out, text),
        None => out.extend_from_slice(b"null"),
    }
}

/// Appends `,"name":` and leaves the value to the caller.
fn write_name(out: &mut Vec<u8>, name: &str) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

/// Appends an array of strings.
fn write_strings(out: &mut Vec<u8>, texts: &[String]) {
    out.push(b'[');
    for (index, text) in texts.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        write::string(out, text);
    }
    out.push(b']');
}

/// Appends the last two members of every result and closes it.
fn write_result_end(out: &mut Vec<u8>, error_message: Option<&str>, operation_id: &[u8; 36]) {
    write_text(out, "error_message", error_message);
    out.extend_from_slice(br#","operation_id":""#);
    out.extend_from_slice(operation_id);
    out.extend_from_slice(br#""}"#);
}
