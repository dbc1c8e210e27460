//! JSON as this server uses it: one validating scanner, a pull reader over it, and a few writers.
//!
//! Values are stored and returned as the exact text that was put, so nothing here builds a tree. A
//! text is looked at once, without allocation:
//!
//! ```text
//! bytes --UTF-8 check--> Reader --member by member--> typed reads (string, bool, number)
//!                                 \-> raw(): one value checked by the scanner, its text returned
//! ```
//!
//! The accepted language is RFC 8259 with these limits on top, so that every client can read back
//! what another one stored: nesting at most [`JSON_DEPTH_MAX`], at most [`JSON_NODES_MAX`] values,
//! integers within `i64` or `u64`, numbers that are finite as `f64`, no lone surrogates.
//! Duplicate keys are the business of whoever reads an object; the scanner does not mind them.
//!
//! | file | job |
//! |---|---|
//! | `error` | what is wrong, where, in which member |
//! | `text` | strings: finding the end eight bytes at a time, escapes |
//! | `number` | numbers: grammar and range |
//! | `kind` | which of the six kinds a value is |
//! | `scan` | one whole value, iteratively |
//! | `reader` | walking objects and arrays, typed reads |
//! | `write` | escaping, integers, floats, times |
//! | `split` | an array or object as the texts of its elements or members |
//! | `canonical` | one byte string per value: equality and order |
//! | `edit` | arithmetic, append and prepend, members by path: text in, text out |
//! | `condition` | what must hold of an entry before an operation, or of an event before it is told |
//! | `constraint` | what must hold of a value before it is stored |
//!
//! [`JSON_DEPTH_MAX`]: crate::limits::JSON_DEPTH_MAX
//! [`JSON_NODES_MAX`]: crate::limits::JSON_NODES_MAX

mod canonical;
mod condition;
mod constraint;
mod edit;
mod error;
mod kind;
mod number;
mod reader;
mod scan;
mod split;
mod text;
pub mod write;

#[cfg(test)]
mod generators;
#[cfg(test)]
mod tests;

pub use canonical::{canonical, canonical_string, equal, from_ordered_f64, ordered_f64};
pub use condition::{ConditionFault, Conditions, EventConditions, Facts, Unmet};
pub use constraint::{ConstraintFault, Constraints, NoPatterns, Pattern};
pub use edit::{
    EditFault, NumberFault, add, append, depth, member, prepend, remove_path, set_path, subtract,
};
pub use error::{Error, Fault};
pub use kind::Kind;
pub use number::Number;
pub use reader::{Elements, Members, Reader};
pub use split::{ElementTexts, MemberTexts, elements_of, members_of};
pub use text::Text;

/// Checks that `text` is exactly one JSON value within the limits, white space around it allowed.
///
/// Returns the value's own text, without the white space around it and unchanged inside. Cost: one
/// pass for UTF-8 and one for the grammar, no allocation, constant stack.
pub fn validate(text: &[u8]) -> Result<&str, Error> {
    let mut reader = Reader::from_bytes(text)?;
    let value = reader.raw()?;
    reader.end()?;
    Ok(value)
}
