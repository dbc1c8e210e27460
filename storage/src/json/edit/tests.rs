//! Tables from the protocol, and against the same change made on trees; what comes out validates again.

use proptest::prelude::*;

use super::*;
use crate::json::equal;
use crate::json::generators::{Tree, any_number, any_text, object_of};

fn made(outcome: impl FnOnce(&mut Vec<u8>) -> Result<(), EditFault>) -> Result<String, EditFault> {
    let mut out = b"[".to_vec();
    let result = outcome(&mut out).map(|()| String::from_utf8(out[1..].to_vec()).unwrap());
    assert!(result.is_ok() || out == b"[", "an error leaves the output as it was");
    result
}

fn calculated(
    how: fn(&str, &str, &mut Vec<u8>) -> Result<(), NumberFault>,
    left: &str,
    right: &str,
) -> Result<String, NumberFault> {
    let mut out = Vec::new();
    let result = how(left, right, &mut out);
    assert!(result.is_ok() || out.is_empty());
    result.map(|()| String::from_utf8(out).unwrap())
}

#[test]
fn numbers_keep_their_kind() {
    for (left, right, sum) in [
        ("1", "2", "3"),
        ("1", "2.0", "3.0"),
        ("1.5", "1.5", "3.0"),
        ("0.1", "0.2", "0.30000000000000004"),
        ("9223372036854775807", "1", "9223372036854775808"),
        ("-9223372036854775808", "18446744073709551615", "9223372036854775807"),
        (" 1 ", "1e0", "2.0"),
        ("-0", "0", "0"),
    ] {
        assert_eq!(calculated(add, left, right).as_deref(), Ok(sum), "{left} + {right}");
    }
    assert_eq!(calculated(subtract, "18446744073709551615", "18446744073709551615").as_deref(), Ok("0"));
    assert_eq!(calculated(subtract, "1", "2").as_deref(), Ok("-1"));
    assert_eq!(calculated(subtract, "1", "0.5").as_deref(), Ok("0.5"));
}

#[test]
fn numbers_beyond_their_range_are_named() {
    for (left, right) in [("18446744073709551615", "1"), ("-9223372036854775808", "-1")] {
        assert_eq!(calculated(add, left, right), Err(NumberFault::Overflow));
    }
    assert_eq!(calculated(subtract, "-9223372036854775808", "1"), Err(NumberFault::Overflow));
    assert_eq!(calculated(add, "1.7e308", "1.7e308"), Err(NumberFault::NotFinite));
    assert_eq!(calculated(subtract, "-1.7e308", "1.7e308"), Err(NumberFault::NotFinite));
    for other in ["true", "null", "\"1\"", "[1]", "{}", "", "1 1"] {
        assert_eq!(calculated(add, other, "1"), Err(NumberFault::NotNumeric), "{other}");
        assert_eq!(calculated(add, "1", other), Err(NumberFault::NotNumeric), "{other}");
    }
    assert_eq!(NumberFault::NotNumeric.to_string(), "Value is not numeric");
}

#[test]
fn strings_and_lists_are_joined() {
    for (current, data, appended, prepended) in [
        (Some("\"ab\""), "\"c\\n\"", "\"abc\\n\"", "\"c\\nab\""),
        (Some("[1,2]"), "[3, 4]", "[1,2,3, 4]", "[3, 4,1,2]"),
        (Some("[1,2]"), "\"x\"", "[1,2,\"x\"]", "[\"x\",1,2]"),
        (Some(" [ ] "), "[]", "[]", "[]"),
        (Some("[ ]"), "{\"a\": 1}", "[{\"a\": 1}]", "[{\"a\": 1}]"),
        (Some("[[1]]"), "null", "[[1],null]", "[null,[1]]"),
        (None, "\"é\"", "\"é\"", "\"é\""),
        (None, "7", "[7]", "[7]"),
        (None, "[7]", "[7]", "[7]"),
        (None, "{}", "[{}]", "[{}]"),
    ] {
        assert_eq!(made(|out| append(current, data, out)).as_deref(), Ok(appended), "{current:?} {data}");
        assert_eq!(made(|out| prepend(current, data, out)).as_deref(), Ok(prepended), "{current:?} {data}");
    }
    for (current, data) in
        [("\"a\"", "1"), ("\"a\"", "[]"), ("1", "1"), ("{}", "\"a\""), ("null", "[]"), ("true", "1")]
    {
        assert_eq!(
            made(|out| append(Some(current), data, out)),
            Err(EditFault::Incompatible),
            "{current} {data}"
        );
        assert_eq!(
            made(|out| prepend(Some(current), data, out)),
            Err(EditFault::Incompatible),
            "{current} {data}"
        );
    }
}

fn nested(levels: usize) -> String {
    format!("{}1{}", "[".repeat(levels), "]".repeat(levels))
}

#[test]
fn what_is_made_stays_within_the_limits() {
    assert_eq!((depth("1"), depth("[]"), depth("{\"[[\":[{}]}"), depth(&nested(64))), (0, 1, 3, 64));
    let object = |levels| format!("{{\"a\":{}}}", nested(levels));
    let made_of = |levels| made(|out| append(Some("[]"), &object(levels), out));
    assert_eq!(made_of(JSON_DEPTH_MAX - 1), Err(EditFault::TooDeep));
    assert!(validate(made_of(JSON_DEPTH_MAX - 2).unwrap().as_bytes()).is_ok());
    // A list extended by a list is not nested deeper.
    assert!(made(|out| append(Some(&nested(JSON_DEPTH_MAX)), &nested(JSON_DEPTH_MAX), out)).is_ok());

    let wide = |elements: usize| format!("[1{}]", ",1".repeat(elements - 1));
    let full = wide(JSON_NODES_MAX - 1);
    assert!(validate(full.as_bytes()).is_ok());
    assert_eq!(made(|out| append(Some(&full), "1", out)), Err(EditFault::TooManyValues));
    assert_eq!(made(|out| append(Some(&full), "[1,2]", out)), Err(EditFault::TooManyValues));
    let one_less = wide(JSON_NODES_MAX - 2);
    let fits = made(|out| prepend(Some(&one_less), "1", out)).unwrap();
    assert!(validate(fits.as_bytes()).is_ok());

    let holder = format!("{{\"a\":{{\"list\":{}}}}}", wide(JSON_NODES_MAX - 3));
    assert!(validate(holder.as_bytes()).is_ok());
    assert_eq!(made(|out| set_path(&holder, "b", "1", out)), Err(EditFault::TooManyValues));
    assert!(made(|out| set_path(&holder, "a.list", "1", out)).is_ok());
    assert_eq!(made(|out| set_path("{}", "a.b", &nested(JSON_DEPTH_MAX - 1), out)), Err(EditFault::TooDeep));
    assert!(made(|out| set_path("{}", "a.b", &nested(JSON_DEPTH_MAX - 2), out)).is_ok());
    assert_eq!(made(|out| set_path("{\"a\":1}", "a", &nested(JSON_DEPTH_MAX), out)), Err(EditFault::TooDeep));
    assert_eq!(made(|out| set_path("{}", &".".repeat(JSON_DEPTH_MAX), "1", out)), Err(EditFault::TooDeep));
}

#[test]
fn paths_lead_through_objects() {
    let text = r#"{"a": {"b": {"c": 1}, "b.c": 2, "d": [{"e": 3}]}, "a.d": 4, "x\ty": {"": 5}, "f": 6, "f": {"g": 7}}"#;
    for (path, value) in [
        ("a.b", Some(r#"{"c": 1}"#)),
        ("a.b.c", Some("2")),
        ("a.d", Some("4")),
        ("a.d.e", None),
        ("a.d.0", None),
        ("x\ty.", Some("5")),
        ("f.g", Some("7")),
        ("f", Some(r#"{"g": 7}"#)),
        ("", None),
        ("g", None),
    ] {
        assert_eq!(member(text, path), value, "{path}");
    }
    assert_eq!((member("[1]", "0"), member("1", ""), member("", "")), (None, None, None));
}

#[test]
fn paths_are_set_where_they_lead() {
    for (text, path, made_text) in [
        ("{}", "a", r#"{"a":9}"#),
        (" { } ", "a.b.c", r#" {"a":{"b":{"c":9}}} "#),
        (r#"{"a": 1 }"#, "b", r#"{"a": 1,"b":9}"#),
        (r#"{"a": 1, "c":2}"#, "a", r#"{"a": 9, "c":2}"#),
        (r#"{"a": {}, "c":2}"#, "a.b", r#"{"a": {"b":9}, "c":2}"#),
        (r#"{"a.b": 1, "a": {"b": 2}}"#, "a.b", r#"{"a.b": 9, "a": {"b": 2}}"#),
        (r#"{"a": 1, "a": {"b": 2}}"#, "a.b", r#"{"a": 1, "a": {"b": 9}}"#),
        ("{}", "a\".b\n", r#"{"a\"":{"b\n":9}}"#),
        ("{}", "", r#"{"":9}"#),
    ] {
        assert_eq!(made(|out| set_path(text, path, " 9 ", out)).as_deref(), Ok(made_text), "{text} {path}");
    }
    for (text, path) in
        [("[]", "a"), ("1", "a"), (r#"{"a":1}"#, "a.b"), (r#"{"a":{"b":[]}}"#, "a.b.c"), ("", "a")]
    {
        assert_eq!(made(|out| set_path(text, path, "9", out)), Err(EditFault::NotAnObject), "{text} {path}");
    }
}

#[test]
fn paths_are_removed_with_every_duplicate() {
    for (text, path, left) in [
        (r#"{"a": 1}"#, "a", Some("{}")),
        (
            r#"{"a": 1, "b" : {"c":2, "d": 3, "c": 4}, "e": 5}"#,
            "b.c",
            Some(r#"{"a": 1, "b" : {"d":3}, "e": 5}"#),
        ),
        (r#"{"a.b": 1, "a": {"b": 2}}"#, "a.b", Some(r#"{"a":{"b": 2}}"#)),
        (r#"{"a": 1}"#, "b", None),
        (r#"{"a": 1}"#, "a.b", None),
        ("[1]", "0", None),
    ] {
        let mut out = Vec::new();
        let removed = remove_path(text, path, &mut out);
        assert_eq!(
            removed.then(|| String::from_utf8(out.clone()).unwrap()).as_deref(),
            left,
            "{text} {path}"
        );
        assert!(removed || out.is_empty());
    }
}

/// The same three on trees.
fn tree_member<'t>(tree: &'t Tree, path: &str) -> Option<&'t Tree> {
    let Tree::Object(members) = tree else { return None };
    if let Some(value) = members.get(path) {
        return Some(value);
    }
    let (step, rest) = path.split_once('.')?;
    tree_member(members.get(step)?, rest)
}

fn tree_set(tree: &mut Tree, path: &str, value: Tree) -> bool {
    let Tree::Object(members) = tree else { return false };
    match path.split_once('.') {
        Some((step, rest)) if !members.contains_key(path) => {
            tree_set(members.entry(step.to_owned()).or_insert(Tree::Object([].into())), rest, value)
        }
        _ => {
            members.insert(path.to_owned(), value);
            true
        }
    }
}

fn tree_remove(tree: &mut Tree, path: &str) -> bool {
    let Tree::Object(members) = tree else { return false };
    if members.remove(path).is_some() {
        return true;
    }
    let Some((step, rest)) = path.split_once('.') else { return false };
    members.get_mut(step).is_some_and(|inner| tree_remove(inner, rest))
}

/// Objects whose names run into each other's paths.
fn dotted_object() -> impl Strategy<Value = String> {
    let name = || {
        prop::sample::select(vec!["\"a\"", "\"b\"", "\"a.b\"", "\"\\u0061\"", "\"b.a\"", "\"\"", "\"a.b.a\""])
            .prop_map(str::to_owned)
    };
    let leaf = prop::sample::select(vec!["1", "[]", "\"x\"", "{}"]).prop_map(str::to_owned);
    let inner = leaf.prop_recursive(3, 24, 4, move |inner| object_of(name(), inner));
    object_of(name(), inner)
}

fn dotted_path() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(vec!["a", "b", ""]), 1..5).prop_map(|steps| steps.join("."))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn paths_do_what_trees_do(text in dotted_object(), path in dotted_path()) {
        let tree = Tree::read(&text);
        prop_assert_eq!(member(&text, &path).map(Tree::read), tree_member(&tree, &path).cloned());

        let mut changed = tree.clone();
        let possible = tree_set(&mut changed, &path, Tree::Integer(9));
        let set = made(|out| set_path(&text, &path, "9", out));
        prop_assert_eq!(set.as_ref().ok().map(|text| Tree::read(text)), possible.then_some(changed), "{}", path);
        if let Ok(set) = set {
            prop_assert_eq!(validate(set.as_bytes()), Ok(set.as_str().trim()));
            prop_assert_eq!(member(&set, &path), Some("9"));
        }

        let (mut changed, mut out) = (tree.clone(), Vec::new());
        let possible = tree_remove(&mut changed, &path);
        prop_assert_eq!(remove_path(&text, &path, &mut out), possible);
        if possible {
            prop_assert!(validate(&out).is_ok());
            prop_assert_eq!(Tree::read(std::str::from_utf8(&out).unwrap()), changed);
        }
    }

    #[test]
    fn joining_does_what_trees_do(current in any_text(), data in any_text(), there: bool) {
        let current = there.then_some(current);
        let start = if matches!(Tree::read(&data), Tree::String(_)) { Tree::String(String::new()) } else { Tree::Array(vec![]) };
        let left = current.as_deref().map_or(start, Tree::read);
        let expected = match (left, Tree::read(&data)) {
            (Tree::String(left), Tree::String(right)) => Some([Tree::String(format!("{left}{right}")), Tree::String(right + &left)]),
            (Tree::Array(left), Tree::Array(right)) => Some([Tree::Array([left.clone(), right.clone()].concat()), Tree::Array([right, left].concat())]),
            (Tree::Array(left), right) => Some([Tree::Array([left.clone(), vec![right.clone()]].concat()), Tree::Array([vec![right], left].concat())]),
            _ => None,
        };
        let appended = made(|out| append(current.as_deref(), &data, out)).ok();
        let prepended = made(|out| prepend(current.as_deref(), &data, out)).ok();
        let Some(expected) = expected else {
            prop_assert_eq!((appended, prepended), (None, None));
            return Ok(());
        };
        for (made, expected) in [appended, prepended].into_iter().zip(expected) {
            let made = made.unwrap();
            prop_assert!(validate(made.as_bytes()).is_ok(), "{}", made);
            prop_assert!(equal(&made, &expected.write()), "{} {}", made, expected.write());
        }
    }

    #[test]
    fn sums_are_those_of_wide_integers_or_doubles(left in any_number(), right in any_number()) {
        for (how, sign) in [(add as fn(&str, &str, &mut Vec<u8>) -> _, 1), (subtract, -1)] {
            let made = calculated(how, &left, &right);
            match (left.parse::<i128>(), right.parse::<i128>()) {
                (Ok(left), Ok(right)) => {
                    let sum = left + sign * right;
                    let fits = i64::try_from(sum).is_ok() || u64::try_from(sum).is_ok();
                    prop_assert_eq!(made, if fits { Ok(sum.to_string()) } else { Err(NumberFault::Overflow) });
                }
                _ => {
                    let sum = left.parse::<f64>().unwrap() + sign as f64 * right.parse::<f64>().unwrap();
                    prop_assert_eq!(made.is_ok(), sum.is_finite());
                    if let Ok(made) = made {
                        prop_assert_eq!(made.parse::<f64>().unwrap(), sum);
                        prop_assert!(made.contains(['.', 'e']), "{}", made);
                    }
                }
            }
        }
    }

    #[test]
    fn noise_never_panics(text: String, data: String, path: String) {
        let mut out = Vec::new();
        for text in [text.clone(), format!("{{{text}"), format!("[{text}"), format!("\"{text}")] {
            let _ = (append(Some(&text), &data, &mut out), prepend(Some(&data), &text, &mut out));
            let _ = (set_path(&text, &path, &data, &mut out), remove_path(&text, &path, &mut out));
            let _ = (member(&text, &path), add(&text, &data, &mut out), depth(&text));
        }
    }
}
