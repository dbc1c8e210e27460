//! The names of a request's commands, and the strings in arguments that mean one of them.
//!
//! A string refers to a command when it is the command's name, or when its text before the first dot is; the rest
//! is then a path into the result. The exact name is tried first, so a name may hold dots. A command never refers
//! to itself: `echo("echo")` in a command called `echo` means the word.

use std::borrow::Cow;
use std::collections::HashMap;

use mpreg_storage::json::Reader;

/// Up to so many names are compared one after the other, which beats hashing.
const LINEAR_NAMES_MAX: usize = 16;

/// Names with their places.
#[derive(Debug)]
pub(super) struct Names<'a> {
    list: Vec<&'a str>,
    places: Option<HashMap<&'a str, usize>>,
}

impl<'a> Names<'a> {
    /// The names, each at its place; one that comes again keeps its first place.
    pub(super) fn new(list: Vec<&'a str>) -> Names<'a> {
        let places = (list.len() > LINEAR_NAMES_MAX).then(|| {
            let mut places = HashMap::with_capacity(list.len());
            for (place, name) in list.iter().enumerate() {
                places.entry(*name).or_insert(place);
            }
            places
        });
        Names { list, places }
    }

    pub(super) fn place(&self, name: &str) -> Option<usize> {
        match &self.places {
            Some(places) => places.get(name).copied(),
            None => self.list.iter().position(|known| *known == name),
        }
    }

    /// What `text`, standing in the arguments of the command at `own`, refers to.
    pub(super) fn reference<'t>(&self, own: usize, text: &'t str) -> Option<Reference<'t>> {
        if let Some(place) = self.place(text) {
            return (place != own).then_some(Reference { place, path: None });
        }
        let (base, path) = text.split_once('.')?;
        let place = self.place(base)?;
        (place != own).then_some(Reference { place, path: Some(path) })
    }
}

/// A string that stands for a result or a part of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference<'t> {
    /// Whose result.
    pub(super) place: usize,
    /// Members to descend through, dots between them; `None`: all of the result.
    pub(super) path: Option<&'t str>,
}

/// The strings of a JSON text that are values, not names of members. The text must have been validated.
#[derive(Debug)]
pub(super) struct Strings<'a> {
    text: &'a str,
    at: usize,
}

/// One of them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'a> {
    /// Offset of its opening quote.
    pub(super) start: usize,
    /// Offset behind its closing quote.
    pub(super) end: usize,
    /// What it means.
    pub(super) text: Cow<'a, str>,
}

impl<'a> Strings<'a> {
    pub(super) fn of(text: &'a str) -> Strings<'a> {
        Strings { text, at: 0 }
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = Found<'a>;

    fn next(&mut self) -> Option<Found<'a>> {
        let bytes = self.text.as_bytes();
        loop {
            let start = self.at + bytes[self.at..].iter().position(|&byte| byte == b'"')?;
            let (end, escaped) = string_end(bytes, start);
            self.at = end;
            let behind = bytes[end..].iter().find(|byte| !byte.is_ascii_whitespace());
            if behind == Some(&b':') {
                continue;
            }
            let quoted = &self.text[start..end];
            let text = if escaped { decode(quoted) } else { Cow::Borrowed(&self.text[start + 1..end - 1]) };
            return Some(Found { start, end, text });
        }
    }
}

/// The offset behind the string that begins at `start`, and whether it holds escapes.
fn string_end(bytes: &[u8], start: usize) -> (usize, bool) {
    let (mut at, mut escaped) = (start + 1, false);
    loop {
        match bytes.get(at) {
            Some(b'"') => return (at + 1, escaped),
            Some(b'\\') => {
                escaped = true;
                at += 2;
            }
            Some(_) => at += 1,
            // Validated text closes its strings; should it not, what is there is the string.
            None => return (bytes.len(), escaped),
        }
    }
}

fn decode(quoted: &str) -> Cow<'_, str> {
    Reader::new(quoted).string("argument").map_or(Cow::Borrowed(quoted), |text| text.decode())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn texts(json: &str) -> Vec<String> {
        Strings::of(json).map(|found| found.text.into_owned()).collect()
    }

    #[test]
    fn values_are_found_and_member_names_are_not() {
        assert_eq!(texts(r#"["a", {"b" : "c", "d":["e"], "":""}, 1, null]"#), ["a", "c", "e", ""]);
        assert_eq!(texts(r#"["q\"uote", "\\", "\u0061", "tail\\"]"#), ["q\"uote", "\\", "a", "tail\\"]);
        assert_eq!(texts(r#"{"a:b":"c:d"}"#), ["c:d"]);
        assert_eq!(texts("[]"), [""; 0]);
    }

    #[test]
    fn references_by_name_and_by_path() {
        let names = Names::new(vec!["a", "b", "a.c"]);
        let all = |place| Some(Reference { place, path: None });
        assert_eq!(names.reference(1, "a"), all(0));
        assert_eq!(names.reference(1, "a.x.y"), Some(Reference { place: 0, path: Some("x.y") }));
        assert_eq!(names.reference(1, "a."), Some(Reference { place: 0, path: Some("") }));
        assert_eq!(names.reference(1, "a.c"), all(2), "the exact name wins over a path");
        assert_eq!(names.reference(0, "a"), None, "itself");
        assert_eq!(names.reference(0, "a.x"), None, "into itself");
        assert_eq!(names.reference(2, "a.c"), None, "itself, even though there is an a");
        assert_eq!(names.reference(0, "ab"), None);
        assert_eq!(names.reference(0, ".a"), None);
    }

    #[test]
    fn many_names_are_found_like_few() {
        let owned: Vec<String> = (0..100).map(|number| format!("n{number}")).collect();
        let names = Names::new(owned.iter().map(String::as_str).chain(["n5"]).collect());
        assert_eq!(names.place("n99"), Some(99));
        assert_eq!(names.place("n5"), Some(5));
        assert_eq!(names.place("n100"), None);
    }

    fn strings_in(value: &Value, into: &mut Vec<String>) {
        match value {
            Value::String(text) => into.push(text.clone()),
            Value::Array(elements) => elements.iter().for_each(|element| strings_in(element, into)),
            Value::Object(members) => members.values().for_each(|member| strings_in(member, into)),
            _ => {}
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            "[a-c.\"\\\\:\u{e9}\n]{0,4}".prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            Just(Value::Null)
        ];
        leaf.prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::btree_map("[a-c:\"]{0,2}", inner, 0..4)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn the_scan_finds_what_a_tree_holds(value in any_json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let mut expected = Vec::new();
            strings_in(&value, &mut expected);
            prop_assert_eq!(texts(&text.unwrap()), expected);
        }
    }
}
