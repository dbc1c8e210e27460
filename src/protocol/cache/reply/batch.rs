//! `batch_result`, written operation by operation.
//!
//! ```text
//! done      {"success":true,"results":[{"operation","status","success", members...}, ...]}
//! not done  {"success":false,"results":[],"failed_index":n,"failed_result":{"operation","status","success", members...}}
//! ```
//!
//! The members of one operation are those its own reply would have: `entry` (get only: who writes knows the value),
//! `atomic_result`, `structure_result`.

use super::{Status, write_count, write_flag};
use crate::protocol::cache::Operation;

/// The results of a batch that was done.
#[derive(Debug)]
#[must_use = "the member must be ended"]
pub struct BatchResult {
    any: bool,
}

impl BatchResult {
    /// Appends the member's beginning, with the comma before it.
    pub fn begin(out: &mut Vec<u8>) -> BatchResult {
        out.extend_from_slice(br#","batch_result":{"success":true,"results":["#);
        BatchResult { any: false }
    }

    /// Appends the result of the next operation; `members` appends what belongs to it, each member with the comma
    /// before it.
    pub fn push(
        &mut self,
        operation: Operation,
        status: Status,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Vec<u8>),
    ) {
        if std::mem::replace(&mut self.any, true) {
            out.push(b',');
        }
        write_result(operation, status, out, members);
    }

    /// Appends the member's end.
    pub fn end(self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"]}");
    }

    /// Appends the whole member of a batch that was not done because of its operation `index`.
    pub fn write_failure(
        index: usize,
        operation: Operation,
        status: Status,
        out: &mut Vec<u8>,
        members: impl FnOnce(&mut Vec<u8>),
    ) {
        out.extend_from_slice(br#","batch_result":{"success":false,"results":[]"#);
        write_count(out, "failed_index", index as u64);
        out.extend_from_slice(br#","failed_result":"#);
        write_result(operation, status, out, members);
        out.push(b'}');
    }
}

fn write_result(operation: Operation, status: Status, out: &mut Vec<u8>, members: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(br#"{"operation":"#);
    out.extend_from_slice(operation.quoted().as_bytes());
    out.extend_from_slice(br#","status":""#);
    out.extend_from_slice(status.as_str().as_bytes());
    out.push(b'"');
    write_flag(out, "success", status.is_success());
    members(out);
    out.push(b'}');
}
