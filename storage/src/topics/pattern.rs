//! Topic patterns: `*` stands for one segment, `#` for any number of them, none included.
//!
//! Segments are separated by dots; empty ones are real, and the empty topic has none. A wildcard is a segment that is
//! exactly `*` or `#`; inside a longer segment both are plain text. Only patterns are interpreted, never topics.

use crate::limits::{TOPIC_PATTERN_BYTES_MAX, TOPIC_WILDCARDS_MAX};

/// A compiled pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    parts: Box<[Part]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(Box<str>),
    /// `*`
    One,
    /// `#`
    Many,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than [`TOPIC_PATTERN_BYTES_MAX`].
    #[error("the pattern has {bytes} bytes, the limit is {TOPIC_PATTERN_BYTES_MAX}")]
    TooLong {
        /// What it has.
        bytes: usize,
    },
    /// More than [`TOPIC_WILDCARDS_MAX`] wildcards.
    #[error("the pattern has {wildcards} wildcards, the limit is {TOPIC_WILDCARDS_MAX}")]
    TooManyWildcards {
        /// What it has.
        wildcards: usize,
    },
}

impl Pattern {
    /// Compiles a pattern. Two `#` in a row are one.
    ///
    /// # Errors
    /// It is longer, or has more wildcards, than the limits allow.
    pub fn new(text: &str) -> Result<Pattern, Error> {
        check_length(text)?;
        let mut parts: Vec<Part> = Vec::new();
        let mut rest = segments(text);
        while let Some(segment) = next_segment(&mut rest) {
            match segment {
                "*" => parts.push(Part::One),
                "#" if parts.last() == Some(&Part::Many) => {}
                "#" => parts.push(Part::Many),
                literal => parts.push(Part::Literal(literal.into())),
            }
        }
        let wildcards = parts.iter().filter(|part| !matches!(part, Part::Literal(_))).count();
        if wildcards > TOPIC_WILDCARDS_MAX {
            return Err(Error::TooManyWildcards { wildcards });
        }
        Ok(Pattern { text: text.into(), parts: parts.into() })
    }

    /// A pattern that means one topic and nothing else, wildcards or not.
    ///
    /// # Errors
    /// `TooLong`.
    pub fn exact(topic: &str) -> Result<Pattern, Error> {
        check_length(topic)?;
        let mut parts = Vec::new();
        let mut rest = segments(topic);
        while let Some(segment) = next_segment(&mut rest) {
            parts.push(Part::Literal(segment.into()));
        }
        Ok(Pattern { text: topic.into(), parts: parts.into() })
    }

    /// The text it was made of.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `topic` is meant. Cost: segments of the topic times parts of the pattern at worst, no allocation.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        let mut rest = segments(topic);
        let mut at = 0;
        // The last `#` passed, and the topic as it stood there: it takes one segment more when what follows fails.
        let mut retry: Option<(usize, Option<&str>)> = None;
        loop {
            match self.parts.get(at) {
                Some(Part::Many) => {
                    retry = Some((at + 1, rest));
                    at += 1;
                    continue;
                }
                Some(part) => {
                    if let Some(segment) = next_segment(&mut rest)
                        && part.means(segment)
                    {
                        at += 1;
                        continue;
                    }
                }
                None if rest.is_none() => return true,
                None => {}
            }
            let Some((after, from)) = &mut retry else { return false };
            if next_segment(from).is_none() {
                return false;
            }
            (at, rest) = (*after, *from);
        }
    }
}

impl Part {
    fn means(&self, segment: &str) -> bool {
        match self {
            Part::Literal(literal) => **literal == *segment,
            Part::One | Part::Many => true,
        }
    }
}

fn check_length(text: &str) -> Result<(), Error> {
    let bytes = text.len();
    if bytes > TOPIC_PATTERN_BYTES_MAX { Err(Error::TooLong { bytes }) } else { Ok(()) }
}

/// The segments still to come; `None` behind the last one.
fn segments(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

fn next_segment<'a>(rest: &mut Option<&'a str>) -> Option<&'a str> {
    let text = (*rest)?;
    match text.split_once('.') {
        Some((segment, after)) => {
            *rest = Some(after);
            Some(segment)
        }
        None => {
            *rest = None;
            Some(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn matches(pattern: &str, topic: &str) -> bool {
        Pattern::new(pattern).unwrap().matches(topic)
    }

    #[test]
    fn the_table_of_record() {
        // `docs/protocol`: the column "live match", and `a.#.#` as one `#`.
        let rows = [
            ("#", "", true),
            ("#", "a.b.c", true),
            ("a.*", "a", false),
            ("a.#", "a", true),
            ("a.*", "a.", true),
            ("a.#", "ab", false),
            ("a.*.b", "a..b", true),
            ("a.#.b", "a.b", true),
            ("*", "", false),
            ("a.#.b", "a.x.y.b", true),
            ("a#b", "axb", false),
            ("a#b", "a#b", true),
            ("#.b", "b", true),
            ("a.b*", "a.bc", false),
            ("a.#.c.#.e", "a.c.e", true),
            ("expired_*", "expired_1", false),
            ("a.#.#", "a", true),
            ("cache.#", "cache.x.ml.*", true),
            ("A.b", "a.b", false),
            ("", "", true),
            ("", "a", false),
            ("a.*.#", "a", false),
            ("a.*.#", "a.b", true),
            ("#.*", "", false),
            ("#.a.#.a", "a.b.a.b", false),
            ("#.a.#.a", "a.b.a.a", true),
        ];
        for (pattern, topic, expected) in rows {
            assert_eq!(matches(pattern, topic), expected, "{pattern:?} {topic:?}");
        }
    }

    #[test]
    fn an_exact_pattern_has_no_wildcards() {
        let exact = Pattern::exact("a.*.#").unwrap();
        assert!(exact.matches("a.*.#") && !exact.matches("a.b.c"));
        assert_eq!(exact.as_str(), "a.*.#");
    }

    #[test]
    fn limits_are_named() {
        let long = "a".repeat(TOPIC_PATTERN_BYTES_MAX);
        assert!(Pattern::new(&long).is_ok());
        assert_eq!(Pattern::new(&format!("{long}a")), Err(Error::TooLong { bytes: 257 }));
        let many = ["*"; TOPIC_WILDCARDS_MAX].join(".");
        assert!(Pattern::new(&many).is_ok());
        assert_eq!(Pattern::new(&format!("{many}.*")), Err(Error::TooManyWildcards { wildcards: 9 }));
    }

    /// The definition, word by word: slow and plain.
    fn defined(parts: &[&str], topic: &[&str]) -> bool {
        match (parts.split_first(), topic.split_first()) {
            (None, None) => true,
            (Some((&"#", rest)), _) => {
                defined(rest, topic) || topic.split_first().is_some_and(|(_, tail)| defined(parts, tail))
            }
            (Some((part, rest)), Some((segment, tail))) => {
                (*part == "*" || part == segment) && defined(rest, tail)
            }
            _ => false,
        }
    }

    fn split(text: &str) -> Vec<&str> {
        if text.is_empty() { Vec::new() } else { text.split('.').collect() }
    }

    proptest! {
        #[test]
        fn agrees_with_its_definition(pattern in "(([ab]|\\*|#|)\\.){0,5}[ab#*]?", topic in "([ab]{0,1}\\.){0,6}[ab]?") {
            prop_assert_eq!(matches(&pattern, &topic), defined(&split(&pattern), &split(&topic)), "{} {}", pattern, topic);
        }
    }
}
