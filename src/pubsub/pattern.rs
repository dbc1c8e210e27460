//! Topic patterns: what they mean, and whether one matches a topic.
//!
//! A topic is a list of segments separated by dots; empty segments count, and the empty topic has none. In a
//! pattern a segment that is exactly `*` stands for one segment of any content, one that is exactly `#` for any
//! number of them, none included. Everything else is literal, also wildcards inside a longer segment.

use crate::limits::{PATTERN_BYTES_MAX, PATTERN_WILDCARDS_MAX};

/// A pattern that has been checked.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    text: Box<str>,
    /// No segment is a wildcard: it matches its own text only.
    literal: bool,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is too long.
    #[error("a pattern of {bytes} bytes, the limit is {PATTERN_BYTES_MAX}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It has too many wildcards.
    #[error("a pattern with {count} wildcards, the limit is {PATTERN_WILDCARDS_MAX}")]
    TooManyWildcards {
        /// How many.
        count: usize,
    },
}

/// One segment of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step<'a> {
    Literal(&'a str),
    One,
    Any,
}

impl Pattern {
    /// Checks a pattern; `exact` takes it literally. Several `#` in a row mean the same as one.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn new(text: &str, exact: bool) -> Result<Pattern, Error> {
        if text.len() > PATTERN_BYTES_MAX {
            return Err(Error::TooLong { bytes: text.len() });
        }
        let count = segments(text).filter(|segment| matches!(*segment, "*" | "#")).count();
        if exact || count == 0 {
            return Ok(Pattern { text: text.into(), literal: true });
        }
        if count > PATTERN_WILDCARDS_MAX {
            return Err(Error::TooManyWildcards { count });
        }
        let mut kept: Vec<&str> = segments(text).collect();
        kept.dedup_by(|next, last| *next == "#" && *last == "#");
        Ok(Pattern { text: kept.join(".").into(), literal: false })
    }

    /// The pattern as a subscriber would write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it matches its own text only.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.literal
    }

    /// Whether it may match a topic that goes on behind these segments.
    #[must_use]
    pub fn reaches_below(&self, beginning: &[&str]) -> bool {
        let mut pattern = segments(&self.text);
        for segment in beginning {
            match pattern.next() {
                Some("#") if !self.literal => return true,
                Some("*") if !self.literal => {}
                Some(literal) if literal == *segment => {}
                _ => return false,
            }
        }
        pattern.next().is_some()
    }

    /// Its segments. Only for patterns that are not literal.
    pub(super) fn steps(&self) -> impl Iterator<Item = Step<'_>> {
        debug_assert!(!self.literal, "a literal pattern is one text");
        segments(&self.text).map(|segment| match segment {
            "*" => Step::One,
            "#" => Step::Any,
            literal => Step::Literal(literal),
        })
    }

    /// Whether it matches `topic`, every character of which is literal. Cost: no allocation; segments of the
    /// pattern times segments of the topic at worst.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        if self.literal {
            return *self.text == *topic;
        }
        let (mut pattern, mut rest) = (Segments::new(&self.text), Segments::new(topic));
        // Where to go on when it does not work out: behind the last `#`, which then takes one segment more.
        let mut again: Option<(Segments<'_>, Segments<'_>)> = None;
        loop {
            let before = rest;
            match (pattern.next(), rest.next()) {
                (Some("#"), _) => {
                    rest = before;
                    again = Some((pattern, before));
                    continue;
                }
                (Some("*"), Some(_)) => continue,
                (Some(literal), Some(segment)) if literal == segment => continue,
                (None, None) => return true,
                _ => {}
            }
            let Some((behind, taken)) = &mut again else { return false };
            if taken.next().is_none() {
                return false;
            }
            (pattern, rest) = (*behind, *taken);
        }
    }
}

/// The segments of a topic or a pattern, in order.
pub(super) fn segments(text: &str) -> Segments<'_> {
    Segments::new(text)
}

/// See [`segments`]. A copy is a mark to come back to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segments<'a> {
    /// `None` behind the last one.
    rest: Option<&'a str>,
}

impl<'a> Segments<'a> {
    fn new(text: &'a str) -> Segments<'a> {
        Segments { rest: (!text.is_empty()).then_some(text) }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = &'a str;

    #[inline]
    fn next(&mut self) -> Option<&'a str> {
        let rest = self.rest?;
        // Segments are a few bytes long, so looking at each beats a search that must be set up.
        match rest.as_bytes().iter().position(|&byte| byte == b'.') {
            Some(at) => {
                self.rest = Some(&rest[at + 1..]);
                Some(&rest[..at])
            }
            None => {
                self.rest = None;
                Some(rest)
            }
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The table of the protocol, and some more.
    pub(in crate::pubsub) const TABLE: &[(&str, &str, bool)] = &[
        ("#", "", true),
        ("#", "a", true),
        ("#", "a.b.c", true),
        ("#", "...", true),
        ("a.#", "a", true),
        ("a.#", "ab", false),
        ("a.#", "a.b.c", true),
        ("a.#.b", "a.b", true),
        ("a.#.b", "a.x.y.b", true),
        ("a.#.b", "a.x.y.c", false),
        ("#.b", "b", true),
        ("#.b", "a.b", true),
        ("#.b", "b.a", false),
        ("a.#.c.#.e", "a.c.e", true),
        ("a.#.c.#.e", "a.c.c.e.e", true),
        ("a.#.c.#.e", "a.e.c", false),
        ("a.#.#", "a", true),
        ("a.#.#.b", "a.b", true),
        ("A.b", "a.b", false),
        ("a.*", "a", false),
        ("a.*", "a.", true),
        ("a.*", "a.b.c", false),
        ("a.*.b", "a..b", true),
        ("*", "", false),
        ("*", "a", true),
        ("*.*", ".", true),
        ("a#b", "axb", false),
        ("a#b", "a#b", true),
        ("a.b*", "a.bc", false),
        ("a.b*", "a.b*", true),
        ("expired_*", "expired_1", false),
        ("cache.#", "cache.x.ml.*", true),
        ("", "", true),
        ("", "a", false),
        ("", ".", false),
        (".", ".", true),
        ("a.b", "a.b", true),
        ("a.b", "a.b.", false),
        ("*.#", "", false),
        ("*.#", "a", true),
        ("#.*", "a.b", true),
        ("#.*", "", false),
        ("ä.*", "ä.ö", true),
    ];

    /// What a pattern means, as it is said: slow, and shares no line with the real matcher.
    pub(in crate::pubsub) fn reference(pattern: &[&str], topic: &[&str]) -> bool {
        match (pattern, topic) {
            ([], []) => true,
            (["#", rest @ ..], _) => (0..=topic.len()).any(|taken| reference(rest, &topic[taken..])),
            (["*", rest @ ..], [_, others @ ..]) => reference(rest, others),
            ([segment, rest @ ..], [other, others @ ..]) => segment == other && reference(rest, others),
            _ => false,
        }
    }

    pub(in crate::pubsub) fn split(text: &str) -> Vec<&str> {
        if text.is_empty() { Vec::new() } else { text.split('.').collect() }
    }

    #[test]
    fn the_table_of_the_protocol() {
        for &(pattern, topic, expected) in TABLE {
            assert_eq!(
                reference(&split(pattern), &split(topic)),
                expected,
                "reference: {pattern:?} {topic:?}"
            );
            let compiled = Pattern::new(pattern, false).unwrap();
            assert_eq!(compiled.matches(topic), expected, "{pattern:?} {topic:?}");
        }
    }

    #[test]
    fn an_exact_pattern_is_literal() {
        let pattern = Pattern::new("a.*", true).unwrap();
        assert!(pattern.matches("a.*") && !pattern.matches("a.b"));
        assert!(Pattern::new("#", true).unwrap().matches("#"));
    }

    #[test]
    fn what_reaches_below_a_beginning() {
        let below =
            |text: &str, exact| Pattern::new(text, exact).unwrap().reaches_below(&["cache", "events"]);
        for text in
            ["#", "cache.#", "cache.events.#", "*.*.x", "cache.events.ns.cache_put", "#.cache_put", "*.#"]
        {
            assert!(below(text, false), "{text}");
        }
        for text in ["", "*", "cache", "cache.events", "cache.*", "cache.invalidation.#", "a.#", "*.x.#"] {
            assert!(!below(text, false), "{text}");
        }
        assert!(!below("#", true) && below("cache.events.*", true));
    }

    #[test]
    fn limits_hold_at_the_limit_and_one_above() {
        assert!(Pattern::new(&"x".repeat(PATTERN_BYTES_MAX), false).is_ok());
        let long = Pattern::new(&"x".repeat(PATTERN_BYTES_MAX + 1), false);
        assert_eq!(long, Err(Error::TooLong { bytes: PATTERN_BYTES_MAX + 1 }));
        let wild = |count: usize| vec!["*"; count].join(".");
        assert!(Pattern::new(&wild(PATTERN_WILDCARDS_MAX), false).is_ok());
        let count = PATTERN_WILDCARDS_MAX + 1;
        assert_eq!(Pattern::new(&wild(count), false), Err(Error::TooManyWildcards { count }));
        assert!(Pattern::new(&wild(count), true).is_ok(), "nothing in it is a wildcard");
    }

    #[test]
    fn hostile_patterns_stay_cheap() {
        let pattern = Pattern::new("#.a.#.a.#.a.#.a.#.a.#.b", false).unwrap();
        let topic = vec!["a"; 256].join(".");
        let begun = std::time::Instant::now();
        assert!((0..100).all(|_| !pattern.matches(&topic)));
        assert!(begun.elapsed().as_millis() < 1000);
    }

    proptest! {
        #[test]
        fn agrees_with_the_reference(pattern in "([ab*#]|ab|)(\\.([ab*#]|)){0,7}", topic in "([ab]|)(\\.([ab]|)){0,8}") {
            let expected = reference(&split(&pattern), &split(&topic));
            prop_assert_eq!(Pattern::new(&pattern, false).unwrap().matches(&topic), expected);
        }
    }
}
