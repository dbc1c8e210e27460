//! Numbers: the grammar of RFC 8259, then the range.

use super::{Error, Fault, Reader};

/// A number of a JSON text, not yet converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number<'a> {
    text: &'a str,
    integer: bool,
}

impl<'a> Number<'a> {
    #[inline]
    pub(super) fn new(text: &'a str, integer: bool) -> Number<'a> {
        Number { text, integer }
    }

    /// The number that `text` is, white space around it allowed; `None` when it is anything else.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Number<'a>> {
        let mut reader = Reader::new(text);
        let number = reader.number("").ok()?;
        reader.end().ok().map(|()| number)
    }

    /// Exactly as it stood in the text.
    #[must_use]
    pub fn text(self) -> &'a str {
        self.text
    }

    /// Whether it was written without fraction and exponent (`1`, not `1.0`).
    #[inline]
    #[must_use]
    pub fn is_integer(self) -> bool {
        self.integer
    }

    /// The nearest double; finite, since the scanner refuses the others.
    #[inline]
    #[must_use]
    pub fn to_f64(self) -> f64 {
        self.text.parse().unwrap_or(f64::MAX)
    }

    /// Its value when it is an integer from 0 to 2^64 - 1.
    #[inline]
    #[must_use]
    pub fn to_u64(self) -> Option<u64> {
        if self.integer { self.text.parse().ok() } else { None }
    }

    /// Its value when it is an integer from -2^63 to 2^63 - 1.
    #[inline]
    #[must_use]
    pub fn to_i64(self) -> Option<i64> {
        if self.integer { self.text.parse().ok() } else { None }
    }
}

/// Scans the number at `start` (a digit or `-`); returns the offset behind it and whether it is an
/// integer.
#[inline]
pub(super) fn number_end(bytes: &[u8], start: usize) -> Result<(usize, bool), Error> {
    let first = start + usize::from(bytes.get(start) == Some(&b'-'));
    let digits_end = digits_end(bytes, first);
    let leading_zero = bytes.get(first) == Some(&b'0') && digits_end > first + 1;
    if digits_end == first || leading_zero {
        return Err(Error::new(start, Fault::Number));
    }
    if let Some(b'.' | b'e' | b'E') = bytes.get(digits_end) {
        return Ok((float_end(bytes, start, digits_end)?, false));
    }
    // Eighteen digits always fit; only longer ones are worth converting.
    if digits_end - first > 18 && !fits_64_bits(&bytes[start..digits_end]) {
        return Err(Error::new(start, Fault::IntegerRange));
    }
    Ok((digits_end, true))
}

#[inline]
fn digits_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while bytes.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    at
}

/// The end of a number whose integer digits end at `at`, before a point or an exponent.
fn float_end(bytes: &[u8], start: usize, mut at: usize) -> Result<usize, Error> {
    let mut exponent = false;
    if bytes.get(at) == Some(&b'.') {
        at = some_digits(bytes, start, at + 1)?;
    }
    if let Some(b'e' | b'E') = bytes.get(at) {
        exponent = true;
        let signed = matches!(bytes.get(at + 1), Some(b'+' | b'-'));
        at = some_digits(bytes, start, at + 1 + usize::from(signed))?;
    }
    // Without exponent and with fewer than 300 digits it is below 1e300.
    if (exponent || at - start >= 300) && !is_finite(&bytes[start..at]) {
        return Err(Error::new(start, Fault::FloatRange));
    }
    Ok(at)
}

/// Like [`digits_end`], but at least one digit is required.
fn some_digits(bytes: &[u8], number_start: usize, at: usize) -> Result<usize, Error> {
    let end = digits_end(bytes, at);
    if end == at { Err(Error::new(number_start, Fault::Number)) } else { Ok(end) }
}

fn fits_64_bits(digits: &[u8]) -> bool {
    let parsed =
        std::str::from_utf8(digits).map(|text| text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok());
    parsed.unwrap_or(false)
}

fn is_finite(number: &[u8]) -> bool {
    let parsed = std::str::from_utf8(number).map(|text| text.parse::<f64>().is_ok_and(f64::is_finite));
    parsed.unwrap_or(false)
}
