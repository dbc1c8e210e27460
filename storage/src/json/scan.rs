//! One whole value, checked iteratively: no recursion, so no text can exhaust the stack.

use super::number::number_end;
use super::text::string_end;
use super::{Error, Fault};
use crate::limits::{JSON_DEPTH_MAX, JSON_NODES_MAX};

// The open brackets are kept as the bits of one word.
const _: () = assert!(JSON_DEPTH_MAX <= u64::BITS as usize);

/// The open brackets around the current place, innermost in the lowest bit: 1 object, 0 array.
#[derive(Default)]
struct Brackets {
    kinds: u64,
    depth: usize,
}

impl Brackets {
    fn open(&mut self, object: bool, at: usize) -> Result<(), Error> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(Error::new(at, Fault::Depth));
        }
        self.kinds = self.kinds << 1 | u64::from(object);
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.kinds >>= 1;
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        self.kinds & 1 == 1
    }
}

/// The offset of the first byte from `at` on that is not white space.
#[inline]
pub(super) fn skip_space(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\t' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// Checks the value that begins at `start` (no white space before it) and returns the offset
/// behind it. The bytes are UTF-8 already.
pub(super) fn value_end(bytes: &[u8], start: usize) -> Result<usize, Error> {
    let mut brackets = Brackets::default();
    let mut at = start;
    let mut nodes = 0;
    loop {
        nodes += 1;
        if nodes > JSON_NODES_MAX {
            return Err(Error::new(at, Fault::Nodes));
        }
        match bytes.get(at) {
            Some(b'{') => {
                brackets.open(true, at)?;
                at = skip_space(bytes, at + 1);
                if bytes.get(at) != Some(&b'}') {
                    at = name_end(bytes, at)?;
                    continue;
                }
                brackets.close();
                at += 1;
            }
            Some(b'[') => {
                brackets.open(false, at)?;
                at = skip_space(bytes, at + 1);
                if bytes.get(at) != Some(&b']') {
                    continue;
                }
                brackets.close();
                at += 1;
            }
            _ => at = scalar_end(bytes, at)?,
        }
        match next_value(bytes, at, &mut brackets)? {
            Step::Value(next) => at = next,
            Step::Done(end) => return Ok(end),
        }
    }
}

/// What follows a finished value.
enum Step {
    /// Another value begins here.
    Value(usize),
    /// The outermost value ended just before here.
    Done(usize),
}

/// Closes brackets and passes a comma (and a member's name) after a value that ended before `at`.
#[inline]
fn next_value(bytes: &[u8], mut at: usize, brackets: &mut Brackets) -> Result<Step, Error> {
    while brackets.depth > 0 {
        at = skip_space(bytes, at);
        match (bytes.get(at), brackets.in_object()) {
            (Some(b','), true) => return name_end(bytes, skip_space(bytes, at + 1)).map(Step::Value),
            (Some(b','), false) => return Ok(Step::Value(skip_space(bytes, at + 1))),
            (Some(b'}'), true) | (Some(b']'), false) => brackets.close(),
            (Some(_), _) => return Err(Error::new(at, Fault::NoComma)),
            (None, _) => return Err(Error::new(at, Fault::Truncated)),
        }
        at += 1;
    }
    Ok(Step::Done(at))
}

/// Passes a member's name and its colon; returns the offset of the member's value.
fn name_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
    match bytes.get(at) {
        Some(b'"') => {}
        Some(_) => return Err(Error::new(at, Fault::NotAName)),
        None => return Err(Error::new(at, Fault::Truncated)),
    }
    let (quote, _) = string_end(bytes, at + 1)?;
    colon_end(bytes, quote + 1)
}

/// Passes the colon after a member's name; returns the offset of the member's value.
#[inline]
pub(super) fn colon_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
    let at = skip_space(bytes, at);
    match bytes.get(at) {
        Some(b':') => Ok(skip_space(bytes, at + 1)),
        Some(_) => Err(Error::new(at, Fault::NoColon)),
        None => Err(Error::new(at, Fault::Truncated)),
    }
}

#[inline]
fn scalar_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
    match bytes.get(at) {
        Some(b'"') => string_end(bytes, at + 1).map(|(quote, _)| quote + 1),
        Some(b'-' | b'0'..=b'9') => number_end(bytes, at).map(|(end, _)| end),
        Some(b't') => literal_end(bytes, at, b"true"),
        Some(b'f') => literal_end(bytes, at, b"false"),
        Some(b'n') => literal_end(bytes, at, b"null"),
        Some(_) => Err(Error::new(at, Fault::NotAValue)),
        None => Err(Error::new(at, Fault::Truncated)),
    }
}

/// Passes `word` at `at`. What follows it is checked by whoever reads on.
#[inline]
pub(super) fn literal_end(bytes: &[u8], at: usize, word: &[u8]) -> Result<usize, Error> {
    let rest = bytes.get(at..).unwrap_or_default();
    if rest.starts_with(word) { Ok(at + word.len()) } else { Err(Error::new(at, Fault::NotAValue)) }
}
