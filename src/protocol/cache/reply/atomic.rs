//! `atomic_result`.

use super::{write_flag, write_name, write_result_end, write_strings};
use crate::protocol::limits::ATOMIC_VALUES_BYTES_MAX;

/// How an atomic operation went. Values are JSON texts; `None` is null.
#[derive(Debug, Clone, Copy, Default)]
pub struct AtomicResult<'a> {
    /// Whether it was applied.
    pub success: bool,
    /// What was there before.
    pub old: Option<&'a [u8]>,
    /// What it wrote.
    pub new: Option<&'a [u8]>,
    /// What is there now.
    pub current: Option<&'a [u8]>,
    /// Each constraint the new value breaks, in words.
    pub constraint_violations: &'a [String],
    /// Why it was not applied.
    pub error_message: Option<&'a str>,
    /// Whether the reply shows the current value as its entry too.
    pub has_entry: bool,
}

impl<'a> AtomicResult<'a> {
    /// It was applied, and the reply shows the entry.
    #[must_use]
    pub fn applied(old: Option<&'a [u8]>, new: &'a [u8]) -> AtomicResult<'a> {
        AtomicResult {
            success: true,
            old,
            new: Some(new),
            current: Some(new),
            has_entry: true,
            ..AtomicResult::default()
        }
    }

    /// It was not applied: `current` is what is there, as it was.
    #[must_use]
    pub fn refused(current: Option<&'a [u8]>, error_message: &'a str) -> AtomicResult<'a> {
        AtomicResult { old: current, current, error_message: Some(error_message), ..AtomicResult::default() }
    }

    /// Appends the member with the comma before it. Where the values would not fit a message, those that only
    /// repeat another one are left out, and the old one too if something was written.
    pub fn write_into(&self, operation_id: &[u8; 36], out: &mut Vec<u8>) {
        let bytes = |value: Option<&[u8]>| value.map_or(0, <[u8]>::len);
        let shown =
            bytes(self.old) + bytes(self.new) + bytes(self.current) * (1 + usize::from(self.has_entry));
        let all = shown <= ATOMIC_VALUES_BYTES_MAX;
        out.extend_from_slice(br#","atomic_result":{"success":"#);
        out.extend_from_slice(if self.success { b"true" } else { b"false" });
        if all {
            write_value(out, "old_value", self.old);
            write_value(out, "new_value", self.new);
        }
        if all || !self.has_entry {
            write_value(out, "current_value", self.current);
        }
        write_name(out, "constraint_violations");
        write_strings(out, self.constraint_violations);
        if !all {
            write_flag(out, "values_omitted", true);
        }
        write_result_end(out, self.error_message, operation_id);
    }
}

fn write_value(out: &mut Vec<u8>, name: &str, value: Option<&[u8]>) {
    write_name(out, name);
    out.extend_from_slice(value.unwrap_or(b"null"));
}
