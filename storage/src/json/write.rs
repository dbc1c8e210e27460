//! Writing the few kinds of JSON text that replies are made of, straight into an output buffer.
//!
//! None of these allocates beyond the growth of `out`, except [`float`] for values that are not
//! whole, whose digits come from the standard library.

use std::io::Write as _;

use super::text::plain_end;

/// Appends `text` as a JSON string with its quotes. Characters above U+007F stay as they are.
#[inline]
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    escaped(out, text);
    out.push(b'"');
}

/// Appends the inside of the JSON string for `text`, without quotes.
#[inline]
pub fn escaped(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    let clean = plain_end(bytes, 0);
    out.extend_from_slice(&bytes[..clean]);
    if clean < bytes.len() {
        escape_rest(out, &bytes[clean..]);
    }
}

/// The rest of [`escaped`], from the first byte that needs an escape.
#[cold]
fn escape_rest(out: &mut Vec<u8>, mut rest: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    while let Some((&byte, behind)) = rest.split_first() {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            }
        }
        let clean = plain_end(behind, 0);
        out.extend_from_slice(&behind[..clean]);
        rest = &behind[clean..];
    }
}

/// The numbers 00 to 99, two digits each.
const PAIRS: &[u8; 200] = b"0001020304050607080910111213141516171819\
2021222324252627282930313233343536373839\
4041424344454647484950515253545556575859\
6061626364656667686970717273747576777879\
8081828384858687888990919293949596979899";

/// Puts the two digits of `number` (below 100) at the start of `into`.
#[inline]
fn put_pair(into: &mut [u8], number: u64) {
    let from = number as usize % 100 * 2;
    into[..2].copy_from_slice(&PAIRS[from..from + 2]);
}

/// Appends `number` in decimal digits.
#[inline]
pub fn unsigned(out: &mut Vec<u8>, number: u64) {
    if number < 10 {
        out.push(b'0' + number as u8);
        return;
    }
    let mut digits = [0; 20];
    let mut start = digits.len();
    let mut rest = number;
    while rest >= 10 {
        start -= 2;
        put_pair(&mut digits[start..], rest % 100);
        rest /= 100;
    }
    if rest > 0 {
        start -= 1;
        digits[start] = b'0' + rest as u8;
    }
    out.extend_from_slice(&digits[start..]);
}

/// Appends `number` in decimal digits.
#[inline]
pub fn signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        out.push(b'-');
    }
    unsigned(out, number.unsigned_abs());
}

/// Appends the shortest text that reads back as `number`, and always as a float: `1` is `1.0`.
/// A number that is not finite has no JSON and becomes `null`.
#[inline]
pub fn float(out: &mut Vec<u8>, number: f64) {
    // Below 2^53 every whole double is exactly its integer; -0.0 takes the general way.
    let whole = number as i64;
    if whole as f64 == number && number.abs() < 9e15 && (whole != 0 || number.is_sign_positive()) {
        signed(out, whole);
        out.extend_from_slice(b".0");
    } else {
        general_float(out, number);
    }
}

#[cold]
fn general_float(out: &mut Vec<u8>, number: f64) {
    if number.is_finite() {
        write!(out, "{number:?}").expect("writing into a Vec cannot fail");
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends `micros` (microseconds) as seconds: `1700000001500000` is `1700000001.5`, always with a
/// fraction. Integer arithmetic only, so nothing is rounded.
#[inline]
pub fn seconds(out: &mut Vec<u8>, micros: u64) {
    unsigned(out, micros / 1_000_000);
    fraction(out, micros % 1_000_000);
}

/// Appends `nanos` (nanoseconds) as milliseconds: `30000` is `0.03`, always with a fraction.
#[inline]
pub fn milliseconds(out: &mut Vec<u8>, nanos: u64) {
    unsigned(out, nanos / 1_000_000);
    fraction(out, nanos % 1_000_000);
}

/// Appends the point and the digits of `millionths`, without trailing zeros but at least one digit.
#[inline]
fn fraction(out: &mut Vec<u8>, millionths: u64) {
    let mut digits = *b".000000";
    put_pair(&mut digits[1..], millionths / 10_000);
    put_pair(&mut digits[3..], millionths / 100 % 100);
    put_pair(&mut digits[5..], millionths % 100);
    let mut end = digits.len();
    while end > 2 && digits[end - 1] == b'0' {
        end -= 1;
    }
    out.extend_from_slice(&digits[..end]);
}
