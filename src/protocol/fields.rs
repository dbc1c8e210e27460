//! Reading the members of an envelope: absent and null are the same, a known member may appear once,
//! and what is not known is checked and passed over.

use std::borrow::Cow;

use mpreg_storage::json::{Error, Fault, Members, Number, Reader, Text};

/// The members of one object of an envelope.
///
/// Every typed read takes the member's number (below 32, to notice a second appearance) and its path
/// (for errors), and returns `None` for an explicit null.
pub(super) struct Fields<'r, 'a> {
    reader: &'r mut Reader<'a>,
    members: Members,
    seen: u32,
}

impl<'r, 'a> Fields<'r, 'a> {
    /// Enters the object at which `reader` stands.
    #[inline]
    pub fn open(reader: &'r mut Reader<'a>, path: &'static str) -> Result<Fields<'r, 'a>, Error> {
        let members = reader.object(path)?;
        Ok(Fields { reader, members, seen: 0 })
    }

    /// The next member's name.
    #[inline]
    pub fn next(&mut self) -> Result<Option<Cow<'a, str>>, Error> {
        Ok(self.members.next(self.reader)?.map(Text::decode))
    }

    /// Passes over a member nobody asked for.
    #[inline]
    pub fn pass(&mut self) -> Result<(), Error> {
        self.reader.raw().map(drop)
    }

    /// The reader at the member's value, `None` when that is null.
    #[inline]
    pub fn enter(&mut self, number: u32, path: &'static str) -> Result<Option<&mut Reader<'a>>, Error> {
        if self.seen & 1 << number != 0 {
            return Err(self.reader.fault(path, Fault::Duplicate));
        }
        self.seen |= 1 << number;
        if self.reader.null()? { Ok(None) } else { Ok(Some(self.reader)) }
    }

    /// A string.
    #[inline]
    pub fn string(&mut self, number: u32, path: &'static str) -> Result<Option<Text<'a>>, Error> {
        self.enter(number, path)?.map(|reader| reader.string(path)).transpose()
    }

    /// `true` or `false`.
    #[inline]
    pub fn boolean(&mut self, number: u32, path: &'static str) -> Result<Option<bool>, Error> {
        self.enter(number, path)?.map(|reader| reader.boolean(path)).transpose()
    }

    /// A number of either kind.
    #[inline]
    pub fn number(&mut self, number: u32, path: &'static str) -> Result<Option<Number<'a>>, Error> {
        let Some(reader) = self.enter(number, path)? else { return Ok(None) };
        reader.number(path).map(Some).map_err(|error| named(reader, error, path))
    }

    /// An integer from 0 to 2^64 - 1.
    pub fn unsigned(&mut self, number: u32, path: &'static str) -> Result<Option<u64>, Error> {
        let Some(reader) = self.enter(number, path)? else { return Ok(None) };
        reader.unsigned(path).map(Some).map_err(|error| named(reader, error, path))
    }

    /// Any value but null, as its exact text.
    #[inline]
    pub fn raw(&mut self, number: u32, path: &'static str) -> Result<Option<&'a str>, Error> {
        self.enter(number, path)?.map(Reader::raw).transpose()
    }

    /// An object, as its exact text.
    pub fn raw_object(&mut self, number: u32, path: &'static str) -> Result<Option<&'a str>, Error> {
        let Some(reader) = self.enter(number, path)? else { return Ok(None) };
        reader.clone().object(path)?;
        reader.raw().map(Some)
    }

    /// An array, as its exact text. An empty one is `None`: both mean "nothing listed".
    pub fn raw_array(&mut self, number: u32, path: &'static str) -> Result<Option<&'a str>, Error> {
        let Some(reader) = self.enter(number, path)? else { return Ok(None) };
        let empty = is_empty_array(reader, path)?;
        let text = reader.raw()?;
        Ok((!empty).then_some(text))
    }

    /// An array of nothing but strings, as its exact text; an empty one is `None`.
    pub fn raw_strings(&mut self, number: u32, path: &'static str) -> Result<Option<&'a str>, Error> {
        let Some(reader) = self.enter(number, path)? else { return Ok(None) };
        let empty = is_empty_array(reader, path)?;
        let mut ahead = reader.clone();
        let mut elements = ahead.array(path)?;
        while elements.next(&mut ahead)? {
            ahead.string(path)?;
        }
        let text = reader.raw()?;
        Ok((!empty).then_some(text))
    }
}

/// The same error, which says `path` if it said no member: a number out of range is no fault of the grammar.
#[cold]
fn named(reader: &Reader<'_>, error: Error, path: &'static str) -> Error {
    match error.fault() {
        fault @ (Fault::IntegerRange | Fault::FloatRange) => reader.fault(path, fault),
        _ => error,
    }
}

/// Whether an array without elements stands at `reader`, which does not move.
fn is_empty_array(reader: &Reader<'_>, path: &'static str) -> Result<bool, Error> {
    let mut ahead = reader.clone();
    let mut elements = ahead.array(path)?;
    elements.next(&mut ahead).map(|any| !any)
}
