//! Numbers by value: what makes `1`, `1.0` and `1e0` one number and keeps 2^53 and 2^53 + 1 apart.

use crate::json::Number;

/// From here on the integers lie closer together than the doubles.
const DENSE_FROM: f64 = 9_007_199_254_740_992.0;

/// A number exactly: the double nearest to it, and how much of it that double misses.
///
/// The nearest double never decreases from one number to a larger one, so comparing first the doubles
/// and then the rests compares the numbers. The rest of a 64 bit integer is at most 1024 either way; a
/// number written with fraction or exponent *is* its nearest double, as it is for Python.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub(in crate::json) struct Exact {
    nearest: f64,
    rest: i16,
}

impl Exact {
    pub(in crate::json) fn of(number: Number<'_>) -> Exact {
        match (number.to_i64(), number.to_u64()) {
            (Some(whole), _) => Exact::integer(i128::from(whole)),
            (None, Some(whole)) => Exact::integer(i128::from(whole)),
            (None, None) => Exact::float(number.to_f64()),
        }
    }

    /// `whole` is within `i64` or `u64`.
    pub(in crate::json) fn integer(whole: i128) -> Exact {
        let nearest = whole as f64;
        Exact { nearest, rest: (whole - nearest as i128) as i16 }
    }

    /// `number` is finite.
    pub(in crate::json) fn float(number: f64) -> Exact {
        Exact { nearest: number, rest: 0 }
    }

    /// Appends the bytes described at [`canonical`](super::canonical), behind the tag.
    pub(super) fn encode_into(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&ordered_f64(self.nearest));
        // The first eight bytes decide whether these follow, so no encoding is the beginning of another.
        if self.nearest.abs() >= DENSE_FROM {
            out.extend_from_slice(&(self.rest as u16 ^ 0x8000).to_be_bytes());
        }
    }
}

/// Eight bytes that sort as the numbers do: of two finite numbers the smaller one has the smaller bytes.
///
/// Both zeros give the same bytes. Shape: the IEEE 754 bits, big endian, the sign bit flipped for
/// positive numbers and all bits flipped for negative ones.
#[inline]
#[must_use]
pub fn ordered_f64(number: f64) -> [u8; 8] {
    // Adding zero turns -0.0 into 0.0 and changes nothing else.
    let bits = (number + 0.0).to_bits();
    let flipped = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    flipped.to_be_bytes()
}

/// The number that [`ordered_f64`] made these bytes from; a zero comes back as `0.0`.
#[inline]
#[must_use]
pub fn from_ordered_f64(bytes: [u8; 8]) -> f64 {
    let flipped = u64::from_be_bytes(bytes);
    f64::from_bits(if flipped >> 63 == 1 { flipped & !(1 << 63) } else { !flipped })
}
