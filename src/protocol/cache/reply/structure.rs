//! `structure_result`, whose value the caller writes between [`StructureResult::begin`] and
//! [`StructureResult::end`].

use super::{write_count, write_flag, write_name, write_result_end};
use crate::protocol::limits::RESULT_TWICE_BYTES_MAX;

/// How a structure operation went, apart from its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StructureResult<'a> {
    /// What was counted on the way.
    pub counts: Counts<'a>,
    /// Members afterwards.
    pub size: u64,
    /// Whether the key existed before.
    pub exists: bool,
    /// Why it was not done.
    pub error_message: Option<&'a str>,
}

/// What was counted on the way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Counts<'a> {
    /// Nothing.
    #[default]
    None,
    /// Members that were not there before.
    Added(u64),
    /// Members that were there.
    Removed(u64),
    /// For each value asked about, whether it is a member.
    Members(&'a [bool]),
}

/// A value that is being written: where it began.
#[derive(Debug)]
#[must_use = "the value must be written and ended"]
pub struct Begun(usize);

impl Begun {
    /// Begins a value at the end of `out`.
    pub(super) fn new(out: &[u8]) -> Begun {
        Begun(out.len())
    }

    /// What has been written of it.
    #[must_use]
    pub fn written<'o>(&self, out: &'o [u8]) -> &'o [u8] {
        &out[self.0..]
    }
}

impl StructureResult<'_> {
    /// Appends the member's beginning, with the comma before it. The caller appends exactly one JSON value, then
    /// [`StructureResult::end`] is due.
    pub fn begin(success: bool, out: &mut Vec<u8>) -> Begun {
        out.extend_from_slice(br#","structure_result":{"success":"#);
        out.extend_from_slice(if success { br#"true,"value":"# } else { br#"false,"value":"# });
        Begun::new(out)
    }

    /// Appends the rest of the member. The value is repeated under its other name unless it is too long for that.
    pub fn end(&self, begun: Begun, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        let value = begun.0..out.len();
        if value.len() <= RESULT_TWICE_BYTES_MAX {
            out.reserve(value.len() + 256);
            write_name(out, "operation_result");
            out.extend_from_within(value);
        }
        self.counts.write_into(out);
        write_count(out, "size", self.size);
        write_flag(out, "exists", self.exists);
        write_result_end(out, self.error_message, operation_id);
    }

    /// Appends the whole member of an operation that failed; its value is null.
    pub fn write_failure(&self, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        let begun = StructureResult::begin(false, out);
        out.extend_from_slice(b"null");
        self.end(begun, operation_id, out);
    }
}

impl Counts<'_> {
    fn write_into(self, out: &mut Vec<u8>) {
        match self {
            Counts::None => {}
            Counts::Added(count) => write_count(out, "added", count),
            Counts::Removed(count) => write_count(out, "removed", count),
            Counts::Members(found) => {
                write_name(out, "members");
                out.push(b'[');
                for (index, found) in found.iter().enumerate() {
                    let text: &[u8] = if *found { b"true" } else { b"false" };
                    out.extend_from_slice(if index > 0 { b"," } else { b"" });
                    out.extend_from_slice(text);
                }
                out.push(b']');
            }
        }
    }
}
