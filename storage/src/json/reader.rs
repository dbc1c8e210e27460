//! Walking a text member by member, checking it on the way.
//!
//! ```
//! use mpreg_storage::json::Reader;
//!
//! let mut reader = Reader::from_bytes(br#"{"name": "ada", "age": 36, "more": [1, 2]}"#)?;
//! let mut members = reader.object("")?;
//! let (mut name, mut age, mut more) = (None, None, "");
//! while let Some(member) = members.next(&mut reader)? {
//!     match &*member.decode() {
//!         "name" => name = Some(reader.string("name")?.decode()),
//!         "age" => age = Some(reader.unsigned("age")?),
//!         _ => more = reader.raw()?,
//!     }
//! }
//! reader.end()?;
//! assert_eq!((name.as_deref(), age, more), (Some("ada"), Some(36), "[1, 2]"));
//! # Ok::<(), mpreg_storage::json::Error>(())
//! ```

use super::error::Expected;
use super::number::number_end;
use super::scan::{colon_end, literal_end, skip_space, value_end};
use super::text::string_end;
use super::{Error, Fault, Kind, Number, Text};

/// A place in a text. Everything before it has been checked.
///
/// Typed reads take the path of the member they read, only to name it in an error.
/// After an error the place is unspecified: stop reading.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of `text`.
    #[inline]
    #[must_use]
    pub fn new(text: &'a str) -> Reader<'a> {
        Reader { text, at: 0 }
    }

    /// A reader at the start of `bytes`, once they are known to be UTF-8.
    #[inline]
    pub fn from_bytes(bytes: &'a [u8]) -> Result<Reader<'a>, Error> {
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Reader::new(text)),
            Err(error) => Err(Error::new(error.valid_up_to(), Fault::Utf8)),
        }
    }

    /// Where it stands, in bytes from the start.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// Checks that nothing but white space follows.
    #[inline]
    pub fn end(&mut self) -> Result<(), Error> {
        self.peek().map_or(Ok(()), |_| Err(Error::new(self.at, Fault::Trailing)))
    }

    /// The kind of the value that comes next, told by its first byte; the reader then stands before it.
    #[inline]
    pub fn kind(&mut self) -> Result<Kind, Error> {
        let byte = self.peek().ok_or_else(|| Error::new(self.at, Fault::Truncated))?;
        Kind::from_first_byte(byte).ok_or_else(|| Error::new(self.at, Fault::NotAValue))
    }

    /// Enters an object.
    #[inline]
    pub fn object(&mut self, path: &'static str) -> Result<Members, Error> {
        self.open(b'{', path, Expected::Object)?;
        Ok(Members { first: true })
    }

    /// Enters an array.
    #[inline]
    pub fn array(&mut self, path: &'static str) -> Result<Elements, Error> {
        self.open(b'[', path, Expected::Array)?;
        Ok(Elements { first: true })
    }

    /// Passes a `null` if one stands here, and says whether it did.
    #[inline]
    pub fn null(&mut self) -> Result<bool, Error> {
        if self.peek() != Some(b'n') {
            return Ok(false);
        }
        self.at = literal_end(self.bytes(), self.at, b"null")?;
        Ok(true)
    }

    /// Reads a string.
    #[inline]
    pub fn string(&mut self, path: &'static str) -> Result<Text<'a>, Error> {
        if self.peek() != Some(b'"') {
            return Err(self.mismatch(path, Expected::String));
        }
        self.quoted()
    }

    /// Reads `true` or `false`.
    #[inline]
    pub fn boolean(&mut self, path: &'static str) -> Result<bool, Error> {
        let word: &[u8] = match self.peek() {
            Some(b't') => b"true",
            Some(b'f') => b"false",
            _ => return Err(self.mismatch(path, Expected::Boolean)),
        };
        self.at = literal_end(self.bytes(), self.at, word)?;
        Ok(word.len() == 4)
    }

    /// Reads a number of either kind.
    #[inline]
    pub fn number(&mut self, path: &'static str) -> Result<Number<'a>, Error> {
        let Some(b'-' | b'0'..=b'9') = self.peek() else {
            return Err(self.mismatch(path, Expected::Number));
        };
        let start = self.at;
        let (end, integer) = number_end(self.bytes(), start)?;
        self.at = end;
        Ok(Number::new(&self.text[start..end], integer))
    }

    /// Reads an integer from 0 to 2^64 - 1.
    #[inline]
    pub fn unsigned(&mut self, path: &'static str) -> Result<u64, Error> {
        let start = self.at;
        let number = self.number(path)?;
        number.to_u64().ok_or_else(|| Error::wrong_type(start, path, Expected::Unsigned))
    }

    /// Reads an integer from -2^63 to 2^63 - 1.
    #[inline]
    pub fn signed(&mut self, path: &'static str) -> Result<i64, Error> {
        let start = self.at;
        let number = self.number(path)?;
        number.to_i64().ok_or_else(|| Error::wrong_type(start, path, Expected::Signed))
    }

    /// Checks any one value and returns its exact text, without the white space around it.
    #[inline]
    pub fn raw(&mut self) -> Result<&'a str, Error> {
        self.at = skip_space(self.bytes(), self.at);
        let start = self.at;
        self.at = value_end(self.bytes(), start)?;
        Ok(&self.text[start..self.at])
    }

    /// The text from this place to where `end`, which went on from here, stands.
    #[inline]
    #[must_use]
    pub fn text_until(&self, end: &Reader<'a>) -> &'a str {
        &self.text[self.at..end.at]
    }

    /// An error about a member that was read, with the path given.
    #[cold]
    #[must_use]
    pub fn fault(&self, path: &'static str, fault: Fault) -> Error {
        Error::new(self.at, fault).at(path)
    }

    #[inline]
    fn bytes(&self) -> &'a [u8] {
        self.text.as_bytes()
    }

    /// The first byte of what comes next, white space passed.
    #[inline]
    fn peek(&mut self) -> Option<u8> {
        self.at = skip_space(self.bytes(), self.at);
        self.bytes().get(self.at).copied()
    }

    #[inline]
    fn open(&mut self, bracket: u8, path: &'static str, expected: Expected) -> Result<(), Error> {
        if self.peek() != Some(bracket) {
            return Err(self.mismatch(path, expected));
        }
        self.at += 1;
        Ok(())
    }

    /// The string at whose opening quote the reader stands.
    #[inline]
    fn quoted(&mut self) -> Result<Text<'a>, Error> {
        let start = self.at;
        let (quote, escaped) = string_end(self.bytes(), start + 1)?;
        self.at = quote + 1;
        Ok(Text::new(&self.text[start..self.at], escaped))
    }

    /// A value that is not of the type wanted: malformed, or of another type.
    #[cold]
    fn mismatch(&self, path: &'static str, expected: Expected) -> Error {
        match value_end(self.bytes(), self.at) {
            Ok(_) => Error::wrong_type(self.at, path, expected),
            Err(error) => error.at(path),
        }
    }

    /// Passes the comma before the next element, or the closing bracket. `false` at the end.
    #[inline]
    fn advance(&mut self, first: &mut bool, closing: u8) -> Result<bool, Error> {
        match self.peek() {
            Some(byte) if byte == closing => {
                self.at += 1;
                Ok(false)
            }
            Some(_) if *first => {
                *first = false;
                Ok(true)
            }
            Some(b',') => {
                self.at += 1;
                Ok(true)
            }
            Some(_) => Err(Error::new(self.at, Fault::NoComma)),
            None => Err(Error::new(self.at, Fault::Truncated)),
        }
    }
}

/// The members of an object that is being read.
#[derive(Debug)]
pub struct Members {
    first: bool,
}

impl Members {
    /// The next member's name, the reader standing at its value; `None` behind the object.
    ///
    /// The value must be read (or passed with [`Reader::raw`]) before the next call.
    #[inline]
    pub fn next<'a>(&mut self, reader: &mut Reader<'a>) -> Result<Option<Text<'a>>, Error> {
        if !reader.advance(&mut self.first, b'}')? {
            return Ok(None);
        }
        match reader.peek() {
            Some(b'"') => {}
            Some(_) => return Err(Error::new(reader.at, Fault::NotAName)),
            None => return Err(Error::new(reader.at, Fault::Truncated)),
        }
        let name = reader.quoted()?;
        reader.at = colon_end(reader.bytes(), reader.at)?;
        Ok(Some(name))
    }
}

/// The elements of an array that is being read.
#[derive(Debug)]
pub struct Elements {
    first: bool,
}

impl Elements {
    /// Whether there is a next element, the reader then standing before it.
    ///
    /// It must be read (or passed with [`Reader::raw`]) before the next call.
    #[inline]
    pub fn next(&mut self, reader: &mut Reader<'_>) -> Result<bool, Error> {
        reader.advance(&mut self.first, b']')
    }
}
