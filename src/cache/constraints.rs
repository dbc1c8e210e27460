//! `constraints`: what a value must satisfy to be stored. All but the regular expressions are the engine's.

use std::cell::RefCell;
use std::collections::HashMap;

use mpreg_storage::json::{Constraints, Pattern};
use regex::{Regex, RegexBuilder};

use crate::limits::{PATTERN_COMPILED_BYTES_MAX, PATTERNS_CACHED_MAX};
use crate::protocol::Error;

thread_local! {
    /// Compiling one costs more than matching it a thousand times.
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// A regular expression in linear time, of bounded size, anchored at its start as Python's `match` is.
#[derive(Debug)]
pub(super) struct Compiled(Regex);

impl Pattern for Compiled {
    fn compile(pattern: &str) -> Result<Compiled, String> {
        COMPILED.with_borrow_mut(|cache| {
            if let Some(found) = cache.get(pattern) {
                return Ok(Compiled(found.clone()));
            }
            let built = RegexBuilder::new(&format!("^(?:{pattern})"))
                .size_limit(PATTERN_COMPILED_BYTES_MAX)
                .dfa_size_limit(PATTERN_COMPILED_BYTES_MAX)
                .build()
                .map_err(|_| "is no regular expression, or too large a one".to_owned())?;
            if cache.len() >= PATTERNS_CACHED_MAX {
                cache.clear();
            }
            cache.insert(pattern.to_owned(), built.clone());
            Ok(Compiled(built))
        })
    }

    fn matches(&self, subject: &str) -> bool {
        self.0.is_match(subject)
    }
}

/// The constraints of one request.
#[derive(Debug, Default)]
pub(super) struct Checks(Option<Constraints<Compiled>>);

impl Checks {
    /// One text for each constraint that the value violates.
    pub(super) fn violations(&self, value: &str) -> Vec<String> {
        self.0.as_ref().map_or(Vec::new(), |constraints| constraints.violations(value))
    }
}

/// Reads the `constraints` of a request.
pub(super) fn parse_constraints(text: Option<&str>) -> Result<Checks, Error> {
    let Some(text) = text else { return Ok(Checks::default()) };
    let parsed = Constraints::parse(text)
        .map_err(|fault| Error::Invalid { path: "constraints", why: fault.to_string() })?;
    Ok(Checks(Some(parsed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_at_the_start_and_bounded() {
        let text = r#"[{"constraint_type":"regex_pattern","value":"a+b"}]"#;
        let checks = parse_constraints(Some(text)).unwrap();
        assert!(checks.violations(r#""aab""#).is_empty());
        assert_eq!(checks.violations(r#""xaab""#).len(), 1);
        let huge = r#"[{"constraint_type":"regex_pattern","value":"(a{1000}){1000}"}]"#;
        assert!(parse_constraints(Some(huge)).is_err());
        assert!(parse_constraints(Some(r#"[{"constraint_type":"nope","value":1}]"#)).is_err());
    }
}
