//! Topics: who wants what, and how it gets there.

mod index;
mod pattern;
mod trie;

pub use index::{Index, Matcher};
pub use pattern::{Error as PatternError, Pattern};
