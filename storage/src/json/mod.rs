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
//! | `scan` | one whole value, iteratively |
//! | `reader` | walking objects and arrays, typed reads |
//! | `write` | escaping, integers, floats, times |
//!
//! [`JSON_DEPTH_MAX`]: crate::limits::JSON_DEPTH_MAX
//! [`JSON_NODES_MAX`]: crate::limits::JSON_NODES_MAX

mod error;
mod number;
mod reader;
mod scan;
mod text;
pub mod write;

#[cfg(test)]
mod tests;

pub use error::{Error, Fault};
pub use number::Number;
pub use reader::{Elements, Members, Reader};
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
