//! Extras: the metadata of an entry that most entries do not have, so that it costs them nothing.
//!
//! ```text
//! (nothing)                      everything has its default
//! 01  flags:u16  field...        fields in the order of their bits, integers little-endian
//!
//! bit  field                 bytes
//!  0   computation_cost_ms   f64
//!  1   quality_score         f64
//!  2   ttl_is_float          none: the client wrote the ttl as `300.0`, not `300`
//!  3   tags                  length:u16, JSON array of strings
//!  4   dependencies          length:u16, JSON array of strings `namespace:identifier:version`
//!  5   access_patterns       length:u16, JSON object
//!  6   geographic_hints      length:u16, JSON array
//!  7   replication_policy    length:u16, JSON string
//!  8   negative              none: the entry says that there is no such thing
//!  9   fresh_us              u64, life of the value itself where it may be shown past it
//! 10   revalidate_us         u64, how long past it while somebody computes it anew
//! 11   error_us              u64, how long past it because it could not be computed anew
//! 12   slide_us              u64, life that every read grants anew
//! ```
//!
//! Texts are kept as the JSON they appear as in replies, so a read copies and never formats them.
//! A field at its default is never encoded and unknown bits are refused: equal extras have equal bytes.

use crate::limits::EXTRAS_BYTES_MAX;

/// Version byte of the layout above.
const VERSION: u8 = 1;
/// Bits that have a meaning.
const FLAGS: u16 = 0x1FFF;
const TTL_IS_FLOAT: u16 = 1 << 2;
const NEGATIVE: u16 = 1 << 8;
/// The default of arrays.
const EMPTY_ARRAY: &str = "[]";

/// Why extras could not be encoded or decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// They take more room than an entry may have for them.
    #[error("metadata and tags take {bytes} bytes, the limit is {bytes_max}")]
    TooLong {
        /// What they take.
        bytes: usize,
        /// What they may take.
        bytes_max: usize,
    },
    /// Written by a newer version.
    #[error("extras of version {found}, this program knows 1")]
    Version {
        /// The version byte found.
        found: u8,
    },
    /// Bytes that no extras encode to.
    #[error("malformed extras at byte {offset} of {bytes}")]
    Malformed {
        /// Where it stopped making sense.
        offset: usize,
        /// Length of the whole.
        bytes: usize,
    },
}

/// The decoded form, borrowed. `Default` is what an entry without extras has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Extras<'a> {
    /// What computing the value cost, in milliseconds; default 0.
    pub computation_cost_ms: f64,
    /// The client's own measure; default 1.
    pub quality_score: f64,
    /// The ttl is shown as `300.0`, not `300`.
    pub ttl_is_float: bool,
    /// JSON array of strings; default `[]`.
    pub tags: &'a str,
    /// JSON array of `namespace:identifier:version` strings; default `[]`.
    pub dependencies: &'a str,
    /// JSON object, if the client gave one.
    pub access_patterns: Option<&'a str>,
    /// JSON array, if the client gave one.
    pub geographic_hints: Option<&'a str>,
    /// JSON string with its quotes, if the client gave one.
    pub replication_policy: Option<&'a str>,
    /// The entry says that there is no such thing; default false.
    pub negative: bool,
    /// Microseconds from the write on during which the value is fresh; 0: until it expires.
    pub fresh_us: u64,
    /// Microseconds past that during which it may be shown while somebody computes it anew.
    pub revalidate_us: u64,
    /// Microseconds past that during which it may be shown because it could not be computed anew.
    pub error_us: u64,
    /// Microseconds of life that every read grants anew; 0: reads grant none.
    pub slide_us: u64,
}

impl Default for Extras<'_> {
    fn default() -> Self {
        Extras {
            computation_cost_ms: 0.0,
            quality_score: 1.0,
            ttl_is_float: false,
            tags: EMPTY_ARRAY,
            dependencies: EMPTY_ARRAY,
            access_patterns: None,
            geographic_hints: None,
            replication_policy: None,
            negative: false,
            fresh_us: 0,
            revalidate_us: 0,
            error_us: 0,
            slide_us: 0,
        }
    }
}

impl<'a> Extras<'a> {
    /// Appends the encoded form to `out`: nothing when everything has its default.
    ///
    /// [`Error::TooLong`] beyond [`EXTRAS_BYTES_MAX`]; `out` is then as it was.
    pub fn encode_into(&self, out: &mut Vec<u8>) -> Result<(), Error> {
        let start = out.len();
        out.extend_from_slice(&[VERSION, 0, 0]);
        let mut flags = if self.ttl_is_float { TTL_IS_FLOAT } else { 0 };
        flags |= if self.negative { NEGATIVE } else { 0 };
        for (bit, number, default) in [(0, self.computation_cost_ms, 0.0), (1, self.quality_score, 1.0)] {
            if number != default {
                flags |= 1 << bit;
                out.extend_from_slice(&number.to_le_bytes());
            }
        }
        for (bit, text) in self.texts() {
            let Some(text) = text else { continue };
            flags |= 1 << bit;
            // A text too long for its length field makes the whole too long, which is checked below.
            out.extend_from_slice(&u16::try_from(text.len()).unwrap_or(u16::MAX).to_le_bytes());
            out.extend_from_slice(text.as_bytes());
        }
        for (bit, span_us) in
            [(9, self.fresh_us), (10, self.revalidate_us), (11, self.error_us), (12, self.slide_us)]
        {
            if span_us != 0 {
                flags |= 1 << bit;
                out.extend_from_slice(&span_us.to_le_bytes());
            }
        }
        let bytes = out.len() - start;
        if flags == 0 || bytes > EXTRAS_BYTES_MAX {
            out.truncate(start);
        }
        if bytes > EXTRAS_BYTES_MAX {
            return Err(Error::TooLong { bytes, bytes_max: EXTRAS_BYTES_MAX });
        }
        if flags != 0 {
            out[start + 1..start + 3].copy_from_slice(&flags.to_le_bytes());
        }
        Ok(())
    }

    /// The texts with their bits, `None` where the default holds.
    fn texts(&self) -> [(u32, Option<&'a str>); 5] {
        let array = |text: &'a str| (text != EMPTY_ARRAY).then_some(text);
        [
            (3, array(self.tags)),
            (4, array(self.dependencies)),
            (5, self.access_patterns),
            (6, self.geographic_hints),
            (7, self.replication_policy),
        ]
    }

    /// Reads the encoded form; no allocation.
    ///
    /// Lengths, flags, UTF-8 and finiteness are checked, the grammar of the JSON texts is not: that
    /// they are what was encoded is the record checksum's business.
    #[inline]
    pub fn decode(bytes: &'a [u8]) -> Result<Extras<'a>, Error> {
        if bytes.is_empty() { Ok(Extras::default()) } else { decode_fields(bytes) }
    }
}

fn decode_fields(bytes: &[u8]) -> Result<Extras<'_>, Error> {
    let mut cursor = Cursor { bytes, at: 0 };
    let [version] = cursor.take_array()?;
    if version != VERSION {
        return Err(Error::Version { found: version });
    }
    let flags = u16::from_le_bytes(cursor.take_array()?);
    if flags == 0 || flags & !FLAGS != 0 {
        return Err(cursor.malformed());
    }
    let has = |bit: u32| flags & 1 << bit != 0;
    let mut extras = Extras {
        ttl_is_float: flags & TTL_IS_FLOAT != 0,
        negative: flags & NEGATIVE != 0,
        ..Extras::default()
    };
    for (bit, field) in [(0, &mut extras.computation_cost_ms), (1, &mut extras.quality_score)] {
        if has(bit) {
            *field = cursor.take_float()?;
        }
    }
    for (bit, field) in [(3, &mut extras.tags), (4, &mut extras.dependencies)] {
        if has(bit) {
            *field = cursor.take_text()?;
        }
    }
    let rest = [&mut extras.access_patterns, &mut extras.geographic_hints, &mut extras.replication_policy];
    for (bit, field) in (5..).zip(rest) {
        if has(bit) {
            *field = Some(cursor.take_text()?);
        }
    }
    let spans = [&mut extras.fresh_us, &mut extras.revalidate_us, &mut extras.error_us, &mut extras.slide_us];
    for (bit, span_us) in (9..).zip(spans) {
        if has(bit) {
            *span_us = u64::from_le_bytes(cursor.take_array()?);
        }
    }
    if cursor.at == bytes.len() { Ok(extras) } else { Err(cursor.malformed()) }
}

/// A place in the encoded bytes.
struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn malformed(&self) -> Error {
        Error::Malformed { offset: self.at, bytes: self.bytes.len() }
    }

    fn take_array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let found = self.bytes[self.at..].first_chunk::<N>().ok_or_else(|| self.malformed())?;
        self.at += N;
        Ok(*found)
    }

    fn take_float(&mut self) -> Result<f64, Error> {
        let number = f64::from_le_bytes(self.take_array()?);
        if number.is_finite() { Ok(number) } else { Err(self.malformed()) }
    }

    fn take_text(&mut self) -> Result<&'a str, Error> {
        let length = usize::from(u16::from_le_bytes(self.take_array()?));
        let found = self.bytes[self.at..].get(..length).ok_or_else(|| self.malformed())?;
        let text = std::str::from_utf8(found).map_err(|_| self.malformed())?;
        self.at += length;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn encoded(extras: &Extras<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        extras.encode_into(&mut out).unwrap();
        out
    }

    #[test]
    fn defaults_take_no_room() {
        assert_eq!(encoded(&Extras::default()), b"");
        assert_eq!(Extras::decode(b""), Ok(Extras::default()));
    }

    #[test]
    fn golden_bytes() {
        let extras = Extras {
            computation_cost_ms: 1.5,
            ttl_is_float: true,
            tags: "[\"a\"]",
            replication_policy: Some("\"x\""),
            ..Extras::default()
        };
        let golden = b"\x01\x8d\x00\0\0\0\0\0\0\xf8\x3f\x05\0[\"a\"]\x03\0\"x\"";
        assert_eq!(encoded(&extras), golden);
        assert_eq!(Extras::decode(golden), Ok(extras));
        for length in 1..golden.len() {
            assert!(matches!(Extras::decode(&golden[..length]), Err(Error::Malformed { .. })), "{length}");
        }
    }

    #[test]
    fn foreign_bytes_are_refused() {
        assert_eq!(Extras::decode(&[2, 1, 0]), Err(Error::Version { found: 2 }));
        for bytes in [&[1, 0, 0][..], &[1, 0, 0x20], &[1, 4, 0, 9], &[1, 8, 0, 1, 0, 0xff]] {
            assert!(matches!(Extras::decode(bytes), Err(Error::Malformed { .. })), "{bytes:?}");
        }
        let mut not_a_number = vec![1, 1, 0];
        not_a_number.extend_from_slice(&f64::NAN.to_le_bytes());
        assert!(Extras::decode(&not_a_number).is_err());
    }

    #[test]
    fn too_long_leaves_the_buffer_alone() {
        let long = "x".repeat(EXTRAS_BYTES_MAX);
        for text in [&long[..], &long[1..], &long[5..]] {
            let extras = Extras { access_patterns: Some(text), ..Extras::default() };
            let mut out = b"before".to_vec();
            let refused = extras.encode_into(&mut out).is_err();
            assert_eq!(refused, text.len() + 5 > EXTRAS_BYTES_MAX);
            assert_eq!(refused, out == b"before");
            assert!(refused || Extras::decode(&out[6..]) == Ok(extras));
        }
    }

    proptest! {
        #[test]
        fn round_trip(cost in -1e9..1e9, quality in 0.0..2.0, ttl_is_float: bool, tags: String, patterns: Option<String>) {
            let extras = Extras {
                computation_cost_ms: cost,
                quality_score: quality,
                ttl_is_float,
                tags: &tags,
                access_patterns: patterns.as_deref(),
                ..Extras::default()
            };
            let bytes = encoded(&extras);
            prop_assert_eq!(Extras::decode(&bytes), Ok(extras));
        }

        #[test]
        fn any_bytes_are_handled(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            if let Ok(extras) = Extras::decode(&bytes) {
                // What decodes is canonical, apart from fields spelled out at their default.
                prop_assert!(encoded(&extras).len() <= bytes.len());
            }
        }
    }
}
