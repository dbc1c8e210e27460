//! How long the messages of some topics are kept: `orders.# age=24h messages=100000 bytes=1GiB`.

use std::time::Duration;

use bytesize::ByteSize;

use crate::limits::TOPIC_AGE_S_MAX;
use crate::pubsub::Pattern;

/// One rule. What it leaves out holds as for all other topics.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Keep {
    /// Which topics. The first rule that matches a topic holds.
    pub pattern: String,
    /// Oldest message in microseconds.
    pub age_us: Option<u64>,
    /// Newest so many messages of each topic.
    pub messages: Option<u64>,
    /// Newest so many bytes of each topic.
    pub bytes: Option<u64>,
}

impl Keep {
    /// Reads a rule; the error says what was expected.
    pub(super) fn read(text: &str) -> Result<Keep, String> {
        let mut words = text.split_whitespace();
        let mut keep = Keep { pattern: words.next().unwrap_or_default().to_owned(), ..Keep::default() };
        Pattern::new(&keep.pattern, false).map_err(|error| error.to_string())?;
        for word in words {
            let (name, value) = word.split_once('=').ok_or_else(|| unexpected(word))?;
            match name {
                "age" => keep.age_us = Some(age_us(value)?),
                "messages" => keep.messages = Some(value.parse().map_err(|_| unexpected(word))?),
                "bytes" => {
                    keep.bytes = Some(value.parse::<ByteSize>().map_err(|_| unexpected(word))?.as_u64())
                }
                _ => return Err(unexpected(word)),
            }
        }
        Ok(keep)
    }
}

fn age_us(value: &str) -> Result<u64, String> {
    let age = humantime::parse_duration(value).map_err(|_| unexpected(value))?;
    if age > Duration::from_secs(TOPIC_AGE_S_MAX) {
        return Err(format!("{value} is more than the {TOPIC_AGE_S_MAX} s a message may be kept"));
    }
    Ok(u64::try_from(age.as_micros()).unwrap_or(u64::MAX))
}

fn unexpected(word: &str) -> String {
    format!("does not know {word:?}; expected a pattern, then age=24h, messages=1000 or bytes=64MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_names_a_pattern_and_what_differs() {
        let keep = Keep::read("orders.#  age=24h messages=100000 bytes=1GiB").unwrap();
        let expected = Keep {
            pattern: "orders.#".to_owned(),
            age_us: Some(86_400_000_000),
            messages: Some(100_000),
            bytes: Some(1 << 30),
        };
        assert_eq!(keep, expected);
        assert_eq!(Keep::read("a").unwrap(), Keep { pattern: "a".to_owned(), ..Keep::default() });
    }

    #[test]
    fn bad_rules_say_what_was_expected() {
        for (text, part) in [
            ("a age", "age=24h"),
            ("a age=long", "age=24h"),
            ("a age=25h", "86400 s"),
            ("a messages=-1", "messages=1000"),
            ("a bytes=much", "bytes=64MiB"),
            ("a size=1", "does not know"),
            ("*.*.*.*.*.*.*.*.*", "wildcards"),
        ] {
            let error = Keep::read(text).unwrap_err();
            assert!(error.contains(part), "{text:?}: {error}");
        }
    }
}
