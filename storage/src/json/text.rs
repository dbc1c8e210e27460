//! Strings: where one ends, whether it needs decoding, and decoding it.

use std::borrow::Cow;

use super::{Error, Fault};

/// A validated string of a JSON text, not yet decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<'a> {
    /// With its quotes, exactly as it stood in the text.
    quoted: &'a str,
    escaped: bool,
}

impl<'a> Text<'a> {
    /// `quoted` has both quotes and was scanned; `escaped` says whether a backslash was seen.
    #[inline]
    pub(super) fn new(quoted: &'a str, escaped: bool) -> Text<'a> {
        Text { quoted, escaped }
    }

    /// The string as it stood in the text, quotes included; can be copied into a reply as it is.
    #[inline]
    #[must_use]
    pub fn quoted(self) -> &'a str {
        self.quoted
    }

    /// The string it means. Allocates only when it holds escapes.
    #[inline]
    #[must_use]
    pub fn decode(self) -> Cow<'a, str> {
        let inner = &self.quoted[1..self.quoted.len() - 1];
        if self.escaped { Cow::Owned(unescaped(inner)) } else { Cow::Borrowed(inner) }
    }

    /// The inside of the string when it holds no escapes, and so no control characters either.
    #[inline]
    pub(super) fn plain(self) -> Option<&'a str> {
        if self.escaped { None } else { Some(&self.quoted[1..self.quoted.len() - 1]) }
    }

    /// Hands the string it means to `take`, piece by piece.
    pub(super) fn decode_pieces(self, take: impl FnMut(&str)) {
        unescape(&self.quoted[1..self.quoted.len() - 1], take);
    }

    /// Whether it means `other`. Decodes only when it holds escapes and is long enough.
    #[inline]
    #[must_use]
    pub fn means(self, other: &str) -> bool {
        match self.plain() {
            Some(plain) => plain == other,
            // An escape is never shorter than what it stands for.
            None => self.quoted.len() > other.len() + 2 && self.decode() == other,
        }
    }
}

/// Scans a string whose opening quote stands just before `start`; returns the offset of its closing
/// quote and whether there were escapes.
#[inline]
pub(super) fn string_end(bytes: &[u8], start: usize) -> Result<(usize, bool), Error> {
    let at = plain_end(bytes, start);
    if bytes.get(at) == Some(&b'"') {
        return Ok((at, false));
    }
    rest_of_string(bytes, at)
}

/// The slow half of [`string_end`]: from the first byte that is not plain.
fn rest_of_string(bytes: &[u8], mut at: usize) -> Result<(usize, bool), Error> {
    let mut escaped = false;
    loop {
        match bytes.get(at) {
            Some(b'"') => return Ok((at, escaped)),
            Some(b'\\') => at = escape_end(bytes, at)?,
            Some(_) => return Err(Error::new(at, Fault::Control)),
            None => return Err(Error::new(at, Fault::Truncated)),
        }
        escaped = true;
        at = plain_end(bytes, at);
    }
}

/// The first offset from `start` on that holds a quote, a backslash or a control character; the
/// length when there is none. Looks at eight bytes at a time.
#[inline]
pub(super) fn plain_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let hits = special(u64::from_le_bytes(*chunk));
        if hits != 0 {
            return at + hits.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    while bytes.get(at).is_some_and(|&byte| byte >= 0x20 && byte != b'"' && byte != b'\\') {
        at += 1;
    }
    at
}

/// The top bit of each byte that ends a plain run. Only the lowest set bit is exact: a subtraction
/// may borrow from the byte above a hit, never from the one below. Neither quote nor backslash has
/// its top bit set, so one mask of the word's own top bits serves all three tests.
#[inline]
fn special(word: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    let quote = (word ^ (ONES * b'"' as u64)).wrapping_sub(ONES);
    let slash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    let control = word.wrapping_sub(ONES * 0x20);
    (quote | slash | control) & !word & TOPS
}

/// The offset behind the escape (or pair of `\u` escapes) whose backslash stands at `at`.
fn escape_end(bytes: &[u8], at: usize) -> Result<usize, Error> {
    match bytes.get(at + 1) {
        Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => return Ok(at + 2),
        Some(b'u') => {}
        Some(_) => return Err(Error::new(at, Fault::Escape)),
        None => return Err(Error::new(at, Fault::Truncated)),
    }
    let first = hex4(bytes, at)?;
    if !(0xD800..0xE000).contains(&first) {
        return Ok(at + 6);
    }
    let second_at = at + 6;
    let paired = first < 0xDC00 && bytes.get(second_at..).is_some_and(|rest| rest.starts_with(b"\\u"));
    if !paired || !(0xDC00..0xE000).contains(&hex4(bytes, second_at)?) {
        return Err(Error::new(at, Fault::Surrogate));
    }
    Ok(at + 12)
}

/// The number in the four digits of the `\u` escape at `at`.
fn hex4(bytes: &[u8], at: usize) -> Result<u32, Error> {
    let Some(digits) = bytes.get(at + 2..at + 6) else {
        return Err(Error::new(at, Fault::Truncated));
    };
    digits.iter().try_fold(0, |sum, &digit| {
        let value = char::from(digit).to_digit(16).ok_or(Error::new(at, Fault::Escape))?;
        Ok(sum * 16 + value)
    })
}

/// Decodes the inside of a scanned string.
#[cold]
fn unescaped(inner: &str) -> String {
    let mut out = String::with_capacity(inner.len());
    unescape(inner, |piece| out.push_str(piece));
    out
}

/// Decodes the inside of a scanned string into pieces: the runs between escapes whole, each escape alone.
fn unescape(inner: &str, mut take: impl FnMut(&str)) {
    let mut rest = inner;
    while let Some(slash) = rest.find('\\') {
        take(&rest[..slash]);
        let (meant, used) = decode_escape(&rest[slash..]);
        take(meant.encode_utf8(&mut [0; 4]));
        rest = &rest[slash + used..];
    }
    take(rest);
}

/// The character an escape at the start of `text` stands for, and how many bytes it takes.
fn decode_escape(text: &str) -> (char, usize) {
    let simple = match text.as_bytes().get(1) {
        Some(b'b') => '\u{8}',
        Some(b'f') => '\u{c}',
        Some(b'n') => '\n',
        Some(b'r') => '\r',
        Some(b't') => '\t',
        Some(b'u') => return decode_unicode(text.as_bytes()),
        Some(&other) => char::from(other),
        None => return (char::REPLACEMENT_CHARACTER, text.len()),
    };
    (simple, 2)
}

fn decode_unicode(bytes: &[u8]) -> (char, usize) {
    // The text was scanned, so the digits are there and surrogates come in pairs.
    let first = hex4(bytes, 0).unwrap_or(0xFFFD);
    if !(0xD800..0xDC00).contains(&first) {
        return (char::from_u32(first).unwrap_or(char::REPLACEMENT_CHARACTER), 6);
    }
    let second = hex4(bytes, 6).unwrap_or(0xDC00);
    let code = 0x1_0000 + ((first - 0xD800) << 10) + (second.wrapping_sub(0xDC00) & 0x3FF);
    (char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER), 12)
}
