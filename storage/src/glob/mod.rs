//! Patterns over identifiers: `*` any run of characters, `?` exactly one, the whole text, case counts.
//!
//! ```
//! use mpreg_storage::glob::{Dialect, Glob};
//!
//! let expired = Glob::compile("expired_*", Dialect::Fnmatch)?;
//! assert!(expired.matches("expired_42") && !expired.matches("not_expired_42"));
//! assert_eq!(expired.literal_prefix(), "expired_");
//!
//! let below = Glob::compile("ml.#", Dialect::Protocol { hash: true })?;
//! assert!(below.matches("ml.models:bert") && !below.matches("mlops"));
//! # Ok::<(), mpreg_storage::glob::Error>(())
//! ```
//!
//! A pattern is bounded ([`GLOB_BYTES_MAX`], [`GLOB_STARS_MAX`]) and compiled once. Matching keeps one place
//! to come back to (behind the last `*`, since giving an earlier one more characters cannot help), so it needs
//! no memory and at worst pattern times text steps, never more.

mod class;

#[cfg(test)]
mod tests;

use class::Class;

use crate::limits::{GLOB_BYTES_MAX, GLOB_STARS_MAX};

/// Which characters of a pattern are special.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `*`, `?`, `[seq]` and `[!seq]`, exactly as Python's `fnmatch.fnmatchcase` reads them.
    Fnmatch,
    /// `*` and `?` only; every other character stands for itself, except that `#` means the same as `*`
    /// when `hash` says so.
    Protocol {
        /// Whether `#` is a wildcard too.
        hash: bool,
    },
}

/// Why a pattern was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The pattern is longer than [`GLOB_BYTES_MAX`].
    #[error("pattern of {bytes} bytes, at most {GLOB_BYTES_MAX} are allowed")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// The pattern has more wildcards for any run than [`GLOB_STARS_MAX`].
    #[error("pattern with {stars} wildcards, at most {GLOB_STARS_MAX} are allowed")]
    TooManyStars {
        /// How many it has, neighbours counted once.
        stars: usize,
    },
}

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    /// The literal text the pattern begins with; the parts follow it.
    prefix: String,
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    /// Exactly this text.
    Literal(String),
    /// Any one character.
    One,
    /// One character of (or not of) a class.
    Class(Class),
    /// Any run of characters, the empty one too. Never two in a row.
    Star,
}

impl Glob {
    /// Compiles `pattern`. The empty pattern matches the empty text only.
    pub fn compile(pattern: &str, dialect: Dialect) -> Result<Glob, Error> {
        if pattern.len() > GLOB_BYTES_MAX {
            return Err(Error::TooLong { bytes: pattern.len() });
        }
        let mut parts = parts(pattern, dialect);
        let stars = parts.iter().filter(|part| **part == Part::Star).count();
        if stars > GLOB_STARS_MAX {
            return Err(Error::TooManyStars { stars });
        }
        let prefix = match parts.first_mut() {
            Some(Part::Literal(text)) => std::mem::take(text),
            _ => return Ok(Glob { prefix: String::new(), parts }),
        };
        parts.remove(0);
        Ok(Glob { prefix, parts })
    }

    /// Whether the pattern matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        text.strip_prefix(self.prefix.as_str()).is_some_and(|rest| run(&self.parts, rest))
    }

    /// What every text that matches begins with, as long as it is certain; a scan can begin there and
    /// end at the first text without it.
    #[must_use]
    pub fn literal_prefix(&self) -> &str {
        &self.prefix
    }

    /// The only text that matches, when the pattern has no wildcard at all.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        self.parts.is_empty().then_some(self.prefix.as_str())
    }

    /// Whether every text matches: the pattern is nothing but wildcards for any run.
    #[must_use]
    pub fn matches_everything(&self) -> bool {
        self.prefix.is_empty() && self.parts == [Part::Star]
    }
}

/// Takes a pattern apart: neighbouring stars become one, neighbouring literal characters one text.
fn parts(pattern: &str, dialect: Dialect) -> Vec<Part> {
    let characters: Vec<char> = pattern.chars().collect();
    let mut parts = Vec::new();
    let mut at = 0;
    while let Some(&character) = characters.get(at) {
        at += 1;
        match (character, dialect) {
            ('*', _) | ('#', Dialect::Protocol { hash: true }) => {
                if parts.last() != Some(&Part::Star) {
                    parts.push(Part::Star);
                }
            }
            ('?', _) => parts.push(Part::One),
            ('[', Dialect::Fnmatch) => match Class::read(&characters[at..]) {
                Some((class, length)) => {
                    parts.push(Part::Class(class));
                    at += length;
                }
                None => push_literal(&mut parts, '['),
            },
            _ => push_literal(&mut parts, character),
        }
    }
    parts
}

fn push_literal(parts: &mut Vec<Part>, character: char) {
    match parts.last_mut() {
        Some(Part::Literal(text)) => text.push(character),
        _ => parts.push(Part::Literal(character.into())),
    }
}

/// Matches `parts` against the whole of `text`.
fn run(parts: &[Part], text: &str) -> bool {
    let (mut next, mut rest) = (parts, text);
    // Behind the last star seen: the parts to match there, and the text that star has not yet taken.
    let mut retry: Option<(&[Part], &str)> = None;
    loop {
        match next.split_first() {
            Some((Part::Star, behind)) => {
                match behind {
                    [] => return true,
                    // Whatever stands before it the star takes.
                    [Part::Literal(end)] => return rest.ends_with(end.as_str()),
                    _ => {}
                }
                retry = Some((behind, rest));
                next = behind;
                continue;
            }
            Some((part, behind)) => {
                if let Some(left) = step(part, rest) {
                    (next, rest) = (behind, left);
                    continue;
                }
            }
            None if rest.is_empty() => return true,
            None => {}
        }
        // Here the star takes one character more. What it leaves only gets shorter, so this ends.
        let Some((behind, untaken)) = retry else { return false };
        let Some(shorter) = step(&Part::One, untaken) else { return false };
        retry = Some((behind, shorter));
        (next, rest) = (behind, shorter);
    }
}

/// What is left of `text` behind what `part` matches at its beginning.
#[inline]
fn step<'t>(part: &Part, text: &'t str) -> Option<&'t str> {
    let mut characters = text.chars();
    match part {
        Part::Literal(literal) => text.strip_prefix(literal.as_str()),
        Part::One => characters.next().map(|_| characters.as_str()),
        Part::Class(class) => {
            characters.next().filter(|&character| class.contains(character)).map(|_| characters.as_str())
        }
        Part::Star => Some(text),
    }
}
