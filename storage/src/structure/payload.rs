//! The payload of a change: texts and numbers, one behind the other.
//!
//! ```text
//! text    length u32 little endian, bytes
//! number  u64 little endian
//! ```

use super::Family;

/// Bytes that no payload encodes to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("malformed payload at byte {offset} of {bytes}")]
pub struct Malformed {
    /// Where it stopped making sense.
    pub offset: usize,
    /// Length of the whole.
    pub bytes: usize,
}

/// Appends a text.
pub fn put_text(out: &mut Vec<u8>, text: &str) {
    let length = u32::try_from(text.len()).expect("a value is far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Appends a number.
pub fn put_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(&number.to_le_bytes());
}

/// Reads a payload from its start.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Items<'a> {
    /// At the start of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Items<'a> {
        Items { bytes, offset: 0 }
    }

    /// True at the end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.offset == self.bytes.len()
    }

    /// The next text.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let malformed = Malformed { offset: self.offset, bytes: self.bytes.len() };
        let rest = &self.bytes[self.offset..];
        let Some((length, rest)) = rest.split_first_chunk::<4>() else { return Err(malformed) };
        let length = u32::from_le_bytes(*length) as usize;
        let text = rest.get(..length).and_then(|text| std::str::from_utf8(text).ok()).ok_or(malformed)?;
        self.offset += 4 + length;
        Ok(text)
    }

    /// The next number.
    pub fn number(&mut self) -> Result<u64, Malformed> {
        let rest = &self.bytes[self.offset..];
        let Some(number) = rest.first_chunk::<8>() else {
            return Err(Malformed { offset: self.offset, bytes: self.bytes.len() });
        };
        self.offset += 8;
        Ok(u64::from_le_bytes(*number))
    }
}

/// Members that a structure made of this payload has: texts, or pairs of them.
#[must_use]
pub fn count_texts(payload: &[u8], family: Family) -> u64 {
    let mut items = Items::new(payload);
    let mut count = 0;
    while !items.is_done() && items.text().is_ok() {
        count += 1;
    }
    if matches!(family, Family::Map | Family::Sorted) { count / 2 } else { count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_put_comes_back() {
        let mut out = Vec::new();
        put_number(&mut out, 7);
        put_text(&mut out, "\"é\"");
        put_text(&mut out, "");
        assert_eq!(out, b"\x07\0\0\0\0\0\0\0\x04\0\0\0\"\xc3\xa9\"\0\0\0\0");
        let mut items = Items::new(&out);
        assert_eq!(items.number(), Ok(7));
        assert_eq!((items.text(), items.text()), (Ok("\"é\""), Ok("")));
        assert!(items.is_done() && items.clone().text().is_err() && items.number().is_err());
    }

    proptest! {
        #[test]
        fn noise_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..60), texts: bool) {
            let mut items = Items::new(&bytes);
            while !items.is_done() {
                let malformed = if texts { items.text().is_err() } else { items.number().is_err() };
                if malformed {
                    break;
                }
            }
        }
    }
}
