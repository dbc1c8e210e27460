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
    let seconds = seconds.to_f64();
    if seconds > TTL_SECONDS_MAX {
        return Err(Error::Range { path, wanted: "at most 1e11" });
    }
    Ok((seconds * 1e6).round() as u64)
}

/// The number that `text`, a literal of ours, stands for.
pub(super) fn literal(text: &'static str) -> Number<'static> {
    Reader::new(text).number("").expect("the literal is a number")
}
