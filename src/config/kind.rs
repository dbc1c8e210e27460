//! Kinds of settings: how their text is read and what range they have.

use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use bytesize::ByteSize;

use super::Keep;

/// What a setting holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// Any text but an empty one.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// Comma-separated texts; may be empty.
    Texts,
    /// Comma-separated rules of what topics keep; may be none.
    Keeps,
    /// Comma-separated `address:port`, at least one.
    Addresses,
    /// `true` or `false`.
    Flag,
    /// A time with a unit, between these milliseconds.
    Time {
        /// Inclusive.
        min_ms: u64,
        /// Inclusive.
        max_ms: u64,
    },
    /// A number of bytes, usually with a unit, in this range.
    Size {
        /// Inclusive.
        min: u64,
        /// Inclusive.
        max: u64,
        /// Whether `auto` is allowed.
        auto: bool,
    },
    /// A whole number in this range.
    Count {
        /// Inclusive.
        min: u64,
        /// Inclusive.
        max: u64,
    },
    /// A part of one such as `0.8`, from this many thousandths to 1; kept in thousandths.
    Fraction {
        /// Inclusive.
        min_permille: u64,
    },
}

/// A checked value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    Texts(Vec<String>),
    Addresses(Vec<SocketAddr>),
    Flag(bool),
    Time(Duration),
    Number(u64),
    Auto,
}

impl Kind {
    /// Reads the text of a value; the error says what was expected.
    pub(crate) fn check(self, text: &str) -> Result<Value, String> {
        let text = text.trim();
        match self {
            Kind::Text if text.is_empty() => Err("is empty".to_owned()),
            Kind::Text => Ok(Value::Text(text.to_owned())),
            Kind::Choice(words) if words.contains(&text) => Ok(Value::Text(text.to_owned())),
            Kind::Choice(words) => Err(format!("is {text:?}, expected one of {}", words.join(", "))),
            Kind::Texts => Ok(Value::Texts(parts(text).map(str::to_owned).collect())),
            Kind::Keeps => {
                parts(text).try_for_each(|rule| Keep::read(rule).map(drop))?;
                Ok(Value::Texts(parts(text).map(str::to_owned).collect()))
            }
            Kind::Addresses => addresses(text),
            Kind::Flag => match text {
                "true" => Ok(Value::Flag(true)),
                "false" => Ok(Value::Flag(false)),
                _ => Err(format!("is {text:?}, expected true or false")),
            },
            Kind::Time { min_ms, max_ms } => time(text, min_ms, max_ms),
            Kind::Size { auto: true, .. } if text == "auto" => Ok(Value::Auto),
            Kind::Size { min, max, .. } => {
                let size = ByteSize::from_str(text)
                    .map_err(|_| format!("is {text:?}, expected a size such as 64MiB"))?;
                let show = |bytes| ByteSize::b(bytes).display().iec().to_string();
                ranged(size.as_u64(), min, max, show)
            }
            Kind::Count { min, max } => {
                let count = text.parse().map_err(|_| format!("is {text:?}, expected a whole number"))?;
                ranged(count, min, max, |count| count.to_string())
            }
            Kind::Fraction { min_permille } => {
                let part: f64 =
                    text.parse().map_err(|_| format!("is {text:?}, expected a part such as 0.8"))?;
                // Out of range casts to the nearest bound, and what is no number to 0.
                let permille = (part * 1000.0).round() as u64;
                ranged(permille, min_permille, 1000, |permille| (permille as f64 / 1000.0).to_string())
            }
        }
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|part| !part.is_empty())
}

fn addresses(text: &str) -> Result<Value, String> {
    let mut found = Vec::new();
    for part in parts(text) {
        let part =
            part.strip_prefix("localhost:").map_or(part.to_owned(), |port| format!("127.0.0.1:{port}"));
        found.push(
            part.parse()
                .map_err(|_| format!("has {part:?}, expected address:port such as 127.0.0.1:9001"))?,
        );
    }
    if found.is_empty() { Err("names no address".to_owned()) } else { Ok(Value::Addresses(found)) }
}

fn time(text: &str, min_ms: u64, max_ms: u64) -> Result<Value, String> {
    let time = humantime::parse_duration(text)
        .map_err(|_| format!("is {text:?}, expected a time such as 10ms or 30s"))?;
    let (min, max) = (Duration::from_millis(min_ms), Duration::from_millis(max_ms));
    if time < min || time > max {
        let (min, max) = (humantime::format_duration(min), humantime::format_duration(max));
        return Err(format!("is {text}, expected {min} to {max}"));
    }
    Ok(Value::Time(time))
}

fn ranged(number: u64, min: u64, max: u64, show: impl Fn(u64) -> String) -> Result<Value, String> {
    if (min..=max).contains(&number) {
        Ok(Value::Number(number))
    } else {
        Err(format!("is {}, expected {} to {}", show(number), show(min), show(max)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_texts_are_read() {
        assert_eq!(Kind::Addresses.check("localhost:0, [::1]:9001").unwrap(), {
            Value::Addresses(vec!["127.0.0.1:0".parse().unwrap(), "[::1]:9001".parse().unwrap()])
        });
        let size = Kind::Size { min: 1, max: 1 << 40, auto: true };
        assert_eq!(size.check("64MiB"), Ok(Value::Number(64 << 20)));
        assert_eq!(size.check("auto"), Ok(Value::Auto));
        let time = Kind::Time { min_ms: 1, max_ms: 60_000 };
        assert_eq!(time.check("1m"), Ok(Value::Time(Duration::from_secs(60))));
        assert_eq!(Kind::Fraction { min_permille: 100 }.check("0.8"), Ok(Value::Number(800)));
        assert_eq!(Kind::Texts.check(""), Ok(Value::Texts(vec![])));
    }

    #[test]
    fn bad_texts_say_what_was_expected() {
        let size = Kind::Size { min: 1 << 20, max: 1 << 30, auto: false };
        for (kind, text, part) in [
            (Kind::Addresses, "9001", "address:port"),
            (Kind::Addresses, "", "no address"),
            (Kind::Flag, "yes", "true or false"),
            (Kind::Time { min_ms: 1, max_ms: 1000 }, "10", "10ms"),
            (Kind::Time { min_ms: 1, max_ms: 1000 }, "2s", "expected 1ms to 1s"),
            (size, "1KiB", "expected 1.0 MiB to 1.0 GiB"),
            (size, "auto", "64MiB"),
            (Kind::Count { min: 1, max: 5 }, "-1", "whole number"),
            (Kind::Choice(&["a", "b"]), "c", "one of a, b"),
            (Kind::Fraction { min_permille: 100 }, "80", "0.1 to 1"),
            (Kind::Fraction { min_permille: 100 }, "NaN", "0.1 to 1"),
            (Kind::Fraction { min_permille: 100 }, "most", "0.8"),
        ] {
            let error = kind.check(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
