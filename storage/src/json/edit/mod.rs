//! Changing a stored value as text: arithmetic on numbers, joining strings and lists, members by path.
//!
//! Nothing here builds a tree. A change copies the text around the place it touches and writes into `out`
//! behind what is there; after an error `out` is as it was. What comes out passes [`validate`] again: where
//! nesting or the number of values could grow beyond the limits, that is checked. The length of the whole
//! ([`VALUE_BYTES_MAX`]) is the caller's to check.
//!
//! The texts given must have been validated. Of others nothing is promised but that nothing panics.
//!
//! [`validate`]: super::validate
//! [`VALUE_BYTES_MAX`]: crate::limits::VALUE_BYTES_MAX

mod arithmetic;
mod join;
mod path;

#[cfg(test)]
mod tests;

pub use arithmetic::{NumberFault, add, subtract};
pub use join::{append, prepend};
pub use path::{member, remove_path, set_path};

use super::scan::skip_space;
use super::text::string_end;
use super::{Fault, validate};
use crate::limits::{JSON_DEPTH_MAX, JSON_NODES_MAX};

/// Why a text could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EditFault {
    /// The value that is there and what was to be joined to it do not go together.
    #[error("Incompatible types for append/prepend")]
    Incompatible,
    /// A step of a path leads through something other than an object.
    #[error("a step of the path is not an object")]
    NotAnObject,
    /// The result would be nested deeper than [`JSON_DEPTH_MAX`].
    #[error("the result would be nested deeper than {JSON_DEPTH_MAX}")]
    TooDeep,
    /// The result would have more than [`JSON_NODES_MAX`] values.
    #[error("the result would have more than {JSON_NODES_MAX} values")]
    TooManyValues,
}

/// How deep the arrays and objects of a validated text are nested; 0 for a scalar. One pass.
#[must_use]
pub fn depth(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut open, mut deepest, mut at) = (0_usize, 0, 0);
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => match string_end(bytes, at + 1) {
                Ok((quote, _)) => at = quote,
                Err(_) => return deepest,
            },
            b'[' | b'{' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b']' | b'}' => open = open.saturating_sub(1),
            _ => {}
        }
        at += 1;
    }
    deepest
}

/// Checks that a value may stand `levels` deeper than it does.
fn check_depth(value: &str, levels: usize) -> Result<(), EditFault> {
    if depth(value) + levels > JSON_DEPTH_MAX { Err(EditFault::TooDeep) } else { Ok(()) }
}

/// Checks that a text made of validated pieces has not too many values.
fn check_nodes(made: &[u8]) -> Result<(), EditFault> {
    // Each value but one takes a byte and one for its comma or brackets: fewer bytes cannot hold too many.
    if made.len() < 2 * JSON_NODES_MAX {
        return Ok(());
    }
    match validate(made) {
        Err(error) if error.fault() == Fault::Nodes => Err(EditFault::TooManyValues),
        _ => Ok(()),
    }
}

/// A value's own text.
fn trimmed(text: &str) -> &str {
    text[skip_space(text.as_bytes(), 0)..].trim_end_matches([' ', '\n', '\t', '\r'])
}

/// Runs `write` on `out` and the check of the number of values on what it wrote; undoes it on an error.
fn checked(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Result<(), EditFault> {
    let start = out.len();
    write(out);
    let outcome = check_nodes(&out[start..]);
    if outcome.is_err() {
        out.truncate(start);
    }
    outcome
}
