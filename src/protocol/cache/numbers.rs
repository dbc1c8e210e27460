//! Numbers with a meaning: counts, positions, times. Clients write whole numbers as floats now and then
//! (`timeout_ms: 250.0`), which is accepted everywhere.

use mpreg_storage::json::{Number, Reader};

use super::Ttl;
use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::TTL_SECONDS_MAX;

/// A whole number of 0 or more. A float beyond the range of `u64` stops at its end, which is as good as never.
pub(super) fn read_count(
    fields: &mut Fields<'_, '_>,
    number: u32,
    path: &'static str,
) -> Result<Option<u64>, Error> {
    let Some(found) = fields.number(number, path)? else { return Ok(None) };
    let float = || Some(found.to_f64()).filter(|count| *count >= 0.0).map(|count| count as u64);
    found.to_u64().or_else(float).map(Some).ok_or(Error::Range { path, wanted: "0 or more" })
}

/// A whole number of 1 or more.
pub(super) fn read_positive(
    fields: &mut Fields<'_, '_>,
    number: u32,
    path: &'static str,
) -> Result<Option<u64>, Error> {
    match read_count(fields, number, path)? {
        Some(0) => Err(Error::Range { path, wanted: "1 or more" }),
        count => Ok(count),
    }
}

/// A position: a whole number of either sign.
pub(super) fn position(found: Number<'_>, path: &'static str) -> Result<i64, Error> {
    const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
    let whole = |float: &f64| float.fract() == 0.0 && float.abs() <= EXACT_MAX;
    let float = || Some(found.to_f64()).filter(whole).map(|float| float as i64);
    found.to_i64().or_else(float).ok_or(Error::Range { path, wanted: "a whole number within 64 bits" })
}

/// A time to live in seconds, above 0.
pub(super) fn read_ttl(
    fields: &mut Fields<'_, '_>,
    number: u32,
    path: &'static str,
) -> Result<Option<Ttl>, Error> {
    let Some(number) = fields.number(number, path)? else { return Ok(None) };
    if number.to_f64() <= 0.0 {
        return Err(Error::Range { path, wanted: "greater than 0" });
    }
    // A shorter life than a microsecond is rounded up, it must not become "for ever".
    let micros = micros(number, path)?.max(1);
    Ok(Some(Ttl { micros, is_float: !number.is_integer() }))
}

/// A span in seconds, 0 or more, as microseconds.
pub(super) fn read_span(
    fields: &mut Fields<'_, '_>,
    number: u32,
    path: &'static str,
) -> Result<Option<u64>, Error> {
    let Some(number) = fields.number(number, path)? else { return Ok(None) };
    if number.to_f64() < 0.0 {
        return Err(Error::Range { path, wanted: "0 or more" });
    }
    micros(number, path).map(Some)
}

/// Seconds of 0 or more to the nearest microsecond.
fn micros(seconds: Number<'_>, path: &'static str) -> Result<u64, Error> {
    let float = seconds.to_f64();
    if float > TTL_SECONDS_MAX {
        return Err(Error::Range { path, wanted: "at most 1e11" });
    }
    Ok(decimal_micros(seconds.text()).unwrap_or_else(|| (float * 1e6).round() as u64))
}

/// The same for digits without sign and exponent, exactly: beyond the year 2106 a double of seconds no longer tells
/// one microsecond from the next once it is multiplied.
fn decimal_micros(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let fraction = fraction.as_bytes();
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |place: usize| fraction.get(place).map_or(0, |digit| u64::from(digit - b'0'));
    let millionths = (0..6).fold(0, |sum, place| sum * 10 + digit(place)) + u64::from(digit(6) >= 5);
    whole.parse::<u64>().ok()?.checked_mul(1_000_000)?.checked_add(millionths)
}

/// The number that `text`, a literal of ours, stands for.
pub(super) fn literal(text: &'static str) -> Number<'static> {
    Reader::new(text).number("").expect("the literal is a number")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_become_microseconds_exactly() {
        for (text, micros) in [
            ("0", 0),
            ("300", 300_000_000),
            ("0.1", 100_000),
            ("4295435160.009645", 4_295_435_160_009_645),
            ("0.0000005", 1),
            ("0.00000049", 0),
            ("0.9999999", 1_000_000),
        ] {
            assert_eq!(decimal_micros(text), Some(micros), "{text}");
        }
        for text in ["1e3", "1.5e3", "-1", "-0.0", "99999999999999999999"] {
            assert_eq!(decimal_micros(text), None, "{text}");
        }
    }
}
