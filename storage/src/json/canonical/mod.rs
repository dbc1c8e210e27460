//! One byte string per JSON *value*, however it is written: the identity and order of set members,
//! sorted set members, map names, and the equality that compare-and-swap and conditions ask for.
//!
//! ```text
//! null     02
//! false    03
//! true     04
//! number   05, 8 bytes ordered_f64 of the nearest double; from 2^53 on (either sign) 2 bytes more: what
//!              the exact integer is above that double, big endian, plus 0x8000
//! string   06, the decoded UTF-8 with 00 as 01 01 and 01 as 01 02, then 00
//! array    07, the elements, then 00
//! object   08, the members sorted by name, each its name as a string above and its value, then 00
//! ```
//!
//! - **Equal bytes = equal values.** `1`, `1.0` and `1e0` are one number, and so are `0` and `-0.0`; integers
//!   are exact over all of `i64` and `u64`, and a number with fraction or exponent is its nearest double.
//!   Strings count by what they mean. Of members of one name the last one counts, their order does not.
//! - **Order of bytes = order of values**: null, false, true, numbers by value, strings by code point, arrays
//!   element by element (a shorter one before its extensions), objects.
//! - **No encoding is the beginning of another**, so they can be put one behind the other in keys.

mod exact;

#[cfg(test)]
mod tests;

use super::{Error, Fault, Kind, Number, Reader, Text};
use crate::limits::JSON_DEPTH_MAX;

pub(super) use exact::Exact;
pub use exact::{from_ordered_f64, ordered_f64};

const NULL: u8 = 2;
const FALSE: u8 = 3;
const TRUE: u8 = 4;
/// The first byte of an encoded number.
pub(super) const NUMBER: u8 = 5;
/// The first byte of an encoded string.
pub(super) const STRING: u8 = 6;
const ARRAY: u8 = 7;
const OBJECT: u8 = 8;
/// Ends a string, an array, an object; less than whatever can stand in its place.
const END: u8 = 0;
/// Before a byte of a string that would otherwise read as [`END`] or as this one.
const ESCAPE: u8 = 1;

/// Appends the canonical bytes of the value `text`, white space around it allowed.
///
/// # Errors
/// A fault of the grammar or of the depth, for a text that was not validated; `out` is then as before.
///
/// # Cost
/// One pass. Allocates for `out` and for 24 bytes per member of the objects that are open at one time.
/// An object whose names are not in ascending order is copied twice inside `out`, once for each
/// such object around it.
pub fn canonical(text: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    let start = out.len();
    let mut reader = Reader::new(text);
    let mut encoder = Encoder { out, members: Vec::new(), depth: 0 };
    let outcome = encoder.value(&mut reader).and_then(|()| reader.end());
    if outcome.is_err() {
        out.truncate(start);
    }
    outcome
}

/// Appends the canonical bytes of the string that means `text`; the same as [`canonical`] of its JSON text.
pub fn canonical_string(text: &str, out: &mut Vec<u8>) {
    out.push(STRING);
    escape_into(text.as_bytes(), out);
    out.push(END);
}

/// Appends the canonical bytes of a number.
pub(super) fn canonical_number(number: Exact, out: &mut Vec<u8>) {
    out.push(NUMBER);
    number.encode_into(out);
}

/// Whether two texts are the same JSON value, as [`canonical`] tells it; equal texts are compared as bytes.
///
/// A text that is not JSON equals nothing but the same text.
#[must_use]
pub fn equal(left: &str, right: &str) -> bool {
    if left == right {
        return true;
    }
    match (Kind::of(left), Kind::of(right)) {
        (Some(Kind::Number), Some(Kind::Number)) => {
            Number::parse(left).zip(Number::parse(right)).is_some_and(|(l, r)| Exact::of(l) == Exact::of(r))
        }
        (Some(left_kind), Some(right_kind)) if left_kind == right_kind => {
            let mut bytes = Vec::new();
            let Ok(()) = canonical(left, &mut bytes) else { return false };
            let middle = bytes.len();
            canonical(right, &mut bytes).is_ok() && bytes[..middle] == bytes[middle..]
        }
        _ => false,
    }
}

/// Where one member of an open object stands in the output.
struct Member {
    start: usize,
    value: usize,
    end: usize,
}

struct Encoder<'o> {
    out: &'o mut Vec<u8>,
    /// The members of all open objects, those of the innermost one last.
    members: Vec<Member>,
    depth: usize,
}

impl Encoder<'_> {
    /// Calls itself for what is inside a value, [`JSON_DEPTH_MAX`] deep at most.
    fn value(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        match reader.kind()? {
            Kind::Null => reader.null().map(|_| self.out.push(NULL)),
            Kind::Boolean => reader.boolean("").map(|yes| self.out.push(if yes { TRUE } else { FALSE })),
            Kind::Number => reader.number("").map(|number| canonical_number(Exact::of(number), self.out)),
            Kind::String => reader.string("").map(|text| self.string(text)),
            Kind::Array => self.nested(reader, Encoder::array),
            Kind::Object => self.nested(reader, Encoder::object),
        }
    }

    fn nested(
        &mut self,
        reader: &mut Reader<'_>,
        inside: fn(&mut Self, &mut Reader<'_>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.depth == JSON_DEPTH_MAX {
            return Err(reader.fault("", Fault::Depth));
        }
        self.depth += 1;
        inside(self, reader)?;
        self.depth -= 1;
        self.out.push(END);
        Ok(())
    }

    fn array(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut elements = reader.array("")?;
        self.out.push(ARRAY);
        while elements.next(reader)? {
            self.value(reader)?;
        }
        Ok(())
    }

    fn object(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        let mut members = reader.object("")?;
        self.out.push(OBJECT);
        let (outer_members, body) = (self.members.len(), self.out.len());
        while let Some(name) = members.next(reader)? {
            let start = self.out.len();
            self.string(name);
            let value = self.out.len();
            self.value(reader)?;
            self.members.push(Member { start, value, end: self.out.len() });
        }
        sort_members(self.out, body, &mut self.members[outer_members..]);
        self.members.truncate(outer_members);
        Ok(())
    }

    fn string(&mut self, text: Text<'_>) {
        self.out.push(STRING);
        match text.plain() {
            // A string without escapes has no control characters, so nothing to escape here either.
            Some(plain) => self.out.extend_from_slice(plain.as_bytes()),
            None => text.decode_pieces(|piece| escape_into(piece.as_bytes(), self.out)),
        }
        self.out.push(END);
    }
}

fn escape_into(bytes: &[u8], out: &mut Vec<u8>) {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|&byte| byte <= ESCAPE) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(&[ESCAPE, rest[at] + 1]);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

/// Brings the members that stand in `out` from `body` on into the order of their names, the last of each
/// name only. Builds the new order behind the old one and moves it down.
fn sort_members(out: &mut Vec<u8>, body: usize, members: &mut [Member]) {
    let by_name = |out: &[u8], left: &Member, right: &Member| {
        out[left.start..left.value].cmp(&out[right.start..right.value])
    };
    if members.is_sorted_by(|left, right| by_name(out, left, right).is_lt()) {
        return;
    }
    members.sort_unstable_by(|left, right| by_name(out, left, right).then(left.start.cmp(&right.start)));
    let sorted = out.len();
    for (at, member) in members.iter().enumerate() {
        let replaced = members.get(at + 1).is_some_and(|next| by_name(out, member, next).is_eq());
        if !replaced {
            out.extend_from_within(member.start..member.end);
        }
    }
    out.copy_within(sorted.., body);
    out.truncate(body + (out.len() - sorted));
}
