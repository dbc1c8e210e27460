//! Adding to a number without changing what kind of number it is.

use crate::json::{Number, write};

/// Why two numbers could not be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NumberFault {
    /// One of the two is not a number; a boolean is not.
    #[error("Value is not numeric")]
    NotNumeric,
    /// The sum of two integers is beyond `i64` and `u64`.
    #[error("integer overflow: the result is beyond 64 bits")]
    Overflow,
    /// The sum of two numbers, one of them a float, is no finite double.
    #[error("float overflow: the result is not finite")]
    NotFinite,
}

/// Appends `current + by` as JSON text.
///
/// Integers stay integers as long as the result fits `i64` or `u64`; with a float on either side the result
/// is a float, written shortest and always as one (`1.0`), the integer taken as its nearest double.
pub fn add(current: &str, by: &str, out: &mut Vec<u8>) -> Result<(), NumberFault> {
    combine(current, by, out, |left, right| left + right, |left, right| left + right)
}

/// Appends `current - by` as JSON text; see [`add`].
pub fn subtract(current: &str, by: &str, out: &mut Vec<u8>) -> Result<(), NumberFault> {
    combine(current, by, out, |left, right| left - right, |left, right| left - right)
}

fn combine(
    current: &str,
    by: &str,
    out: &mut Vec<u8>,
    integers: fn(i128, i128) -> i128,
    floats: fn(f64, f64) -> f64,
) -> Result<(), NumberFault> {
    let left = Number::parse(current).ok_or(NumberFault::NotNumeric)?;
    let right = Number::parse(by).ok_or(NumberFault::NotNumeric)?;
    if let (Some(left), Some(right)) = (whole(left), whole(right)) {
        // Two 64 bit integers cannot overflow 128 bits.
        return write_whole(integers(left, right), out);
    }
    let result = floats(left.to_f64(), right.to_f64());
    if !result.is_finite() {
        return Err(NumberFault::NotFinite);
    }
    write::float(out, result);
    Ok(())
}

fn whole(number: Number<'_>) -> Option<i128> {
    number.to_i64().map(i128::from).or_else(|| number.to_u64().map(i128::from))
}

fn write_whole(number: i128, out: &mut Vec<u8>) -> Result<(), NumberFault> {
    if let Ok(number) = i64::try_from(number) {
        write::signed(out, number);
    } else {
        write::unsigned(out, u64::try_from(number).map_err(|_| NumberFault::Overflow)?);
    }
    Ok(())
}
