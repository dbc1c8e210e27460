//! Putting results in the place of the strings that refer to them.
//!
//! Everything is JSON text: a result is copied as it was written, so numbers keep their form and members their
//! order. A string that refers to nothing, or into something that is not there, stays what it is.

use std::borrow::Cow;

use mpreg_storage::json::{self, Reader};

use super::names::{Names, Strings};
use crate::limits::RPC_TEXT_BYTES_MAX;

/// Why arguments could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Results referred to again and again grow beyond all bounds.
    #[error("the arguments grow beyond {bytes_max} bytes")]
    TooLarge {
        /// What they may have.
        bytes_max: usize,
    },
    /// With the results in them the arguments are deeper or have more values than JSON may here.
    #[error("with the results in their places: {0}")]
    Limits(json::Error),
}

/// Where results are found, by place of the command's name.
pub(super) trait Results {
    /// The result of the command at `place` as JSON text; `None` while it has none.
    fn result(&self, place: usize) -> Option<&str>;
}

/// `text` (`args` or `kwargs` of the command at `own`) with results in the places of references.
///
/// Cost: one pass; nothing is allocated when nothing is referred to.
pub(super) fn resolve<'a>(
    text: &'a str,
    own: usize,
    names: &Names<'_>,
    results: &impl Results,
) -> Result<Cow<'a, str>, Error> {
    let (mut out, mut copied) = (String::new(), 0);
    for found in Strings::of(text) {
        let Some(reference) = names.reference(own, &found.text) else { continue };
        let whole = results.result(reference.place);
        let Some(value) = whole.and_then(|value| match reference.path {
            None => Some(value),
            Some(path) => descend(value, path),
        }) else {
            continue;
        };
        let bytes = out.len() + (found.start - copied) + value.len() + (text.len() - found.end);
        if bytes > RPC_TEXT_BYTES_MAX {
            return Err(Error::TooLarge { bytes_max: RPC_TEXT_BYTES_MAX });
        }
        out.push_str(&text[copied..found.start]);
        out.push_str(value);
        copied = found.end;
    }
    if copied == 0 {
        return Ok(Cow::Borrowed(text));
    }
    out.push_str(&text[copied..]);
    // Results within results may nest deeper than any client could read back.
    json::validate(out.as_bytes()).map_err(Error::Limits)?;
    Ok(Cow::Owned(out))
}

/// The part of `value` at `path`, through objects only. Of two members with one name the last counts.
fn descend<'v>(mut value: &'v str, path: &str) -> Option<&'v str> {
    for step in path.split('.') {
        let mut reader = Reader::new(value);
        let mut members = reader.object("result").ok()?;
        let mut found = None;
        while let Some(name) = members.next(&mut reader).ok()? {
            let member = reader.raw().ok()?;
            if *name.decode() == *step {
                found = Some(member);
            }
        }
        value = found?;
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Value, json};

    impl Results for Vec<Option<String>> {
        fn result(&self, place: usize) -> Option<&str> {
            self.get(place)?.as_deref()
        }
    }

    fn resolved(text: &str, own: usize, commands: &[(&str, Option<&str>)]) -> String {
        let names = Names::new(commands.iter().map(|(name, _)| *name).collect());
        let results: Vec<Option<String>> =
            commands.iter().map(|(_, result)| result.map(str::to_owned)).collect();
        resolve(text, own, &names, &results).unwrap().into_owned()
    }

    #[test]
    fn the_cases_of_the_chapter() {
        let with = |a: &str, text: &str| resolved(text, 1, &[("a", Some(a)), ("own", None)]);
        assert_eq!(with("5", r#"["a"]"#), "[5]");
        assert_eq!(with(r#"{"user":{"id":7}}"#, r#"["a.user.id"]"#), "[7]");
        assert_eq!(with(r#"{"user":{}}"#, r#"["a.user.id"]"#), r#"["a.user.id"]"#);
        assert_eq!(with("[1,2]", r#"["a.0"]"#), r#"["a.0"]"#, "no indexes");
        assert_eq!(with(r#"{"0":9}"#, r#"["a.0"]"#), "[9]", "a member called 0");
        assert_eq!(with("5", r#"["xa", "a b", "$a", {"a": "b"}]"#), r#"["xa", "a b", "$a", {"a": "b"}]"#);
        assert_eq!(with("[1.0, 2]", r#"{"k": {"deep": ["a"]}}"#), r#"{"k": {"deep": [[1.0, 2]]}}"#);
        assert_eq!(with(r#"{"":{"":1}}"#, r#"["a.."]"#), "[1]", "empty names are names");
        assert_eq!(with(r#"{"x":1,"x":2}"#, r#"["a.x"]"#), "[2]", "the last counts");
        assert_eq!(with(r#"{"\u0078":3}"#, r#"["\u0061.x"]"#), "[3]", "escapes mean what they mean");
        assert_eq!(with("null", r#"["a", "a.x"]"#), r#"[null, "a.x"]"#);
    }

    #[test]
    fn itself_and_the_unfinished_stay_words() {
        let commands = [("a", Some("1")), ("own", Some("2")), ("later", None)];
        assert_eq!(resolved(r#"["own", "own.x", "later"]"#, 1, &commands), r#"["own", "own.x", "later"]"#);
    }

    #[test]
    fn a_name_with_a_dot_is_tried_whole_first() {
        let commands = [("a", Some(r#"{"b":1}"#)), ("a.b", Some("2")), ("own", None)];
        assert_eq!(resolved(r#"["a.b", "a.b.c"]"#, 2, &commands), r#"[2, "a.b.c"]"#);
    }

    #[test]
    fn nothing_to_replace_is_nothing_allocated() {
        let names = Names::new(vec!["a", "b"]);
        let results = vec![Some("1".to_owned()), None];
        assert!(matches!(resolve(r#"["c"]"#, 1, &names, &results), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn growth_and_depth_are_bounded() {
        let names = Names::new(vec!["a", "own"]);
        let big = format!("{:?}", "x".repeat(RPC_TEXT_BYTES_MAX / 3));
        let results = vec![Some(big), None];
        assert!(resolve(r#"["a", "a"]"#, 1, &names, &results).is_ok());
        assert!(matches!(resolve(r#"["a", "a", "a"]"#, 1, &names, &results), Err(Error::TooLarge { .. })));
        let deep = format!("{}{}", "[".repeat(60), "]".repeat(60));
        let results = vec![Some(deep), None];
        assert!(resolve(r#"[[["a"]]]"#, 1, &names, &results).is_ok());
        assert!(matches!(resolve(r#"[[[[["a"]]]]]"#, 1, &names, &results), Err(Error::Limits(_))));
    }

    /// The chapter on trees instead of texts.
    fn substitute(value: &Value, finished: &serde_json::Map<String, Value>) -> Value {
        match value {
            Value::String(text) => {
                let path = || {
                    let (base, rest) = text.split_once('.')?;
                    rest.split('.').try_fold(finished.get(base)?, |at, step| at.as_object()?.get(step))
                };
                finished.get(text).or_else(path).unwrap_or(value).clone()
            }
            Value::Array(elements) => elements.iter().map(|element| substitute(element, finished)).collect(),
            Value::Object(members) => {
                let replaced =
                    members.iter().map(|(name, member)| (name.clone(), substitute(member, finished)));
                Value::Object(replaced.collect())
            }
            other => other.clone(),
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[a-d](\\.[a-d]){0,2}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(json!(1.0))
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn texts_are_resolved_like_trees(args in prop::collection::vec(any_json(), 0..4), a in any_json(), b in any_json()) {
            let args = Value::from(args);
            let finished = [("a".to_owned(), a.clone()), ("b".to_owned(), b.clone())].into_iter().collect();
            let (a, b) = (a.to_string(), b.to_string());
            let ours = resolved(&args.to_string(), 2, &[("a", Some(&a)), ("b", Some(&b)), ("own", None)]);
            prop_assert_eq!(serde_json::from_str::<Value>(&ours).unwrap(), substitute(&args, &finished));
        }
    }
}
