//! The bytes themselves, and against the slow order of trees: equal, ordered, never one inside another.

use proptest::prelude::*;

use super::*;
use crate::json::generators::{Tree, any_number, any_text};
use crate::json::{validate, write};

fn bytes(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    canonical(text, &mut out).expect(text);
    out
}

#[test]
fn golden_bytes() {
    let cases: [(&str, &[u8]); 16] = [
        ("null", &[2]),
        ("false", &[3]),
        (" true ", &[4]),
        ("0", &[5, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("-0.0", &[5, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        ("1", &[5, 0xBF, 0xF0, 0, 0, 0, 0, 0, 0]),
        ("-1", &[5, 0x40, 0x0F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
        ("9007199254740992", &[5, 0xC3, 0x40, 0, 0, 0, 0, 0, 0, 0x80, 0]),
        ("9007199254740993", &[5, 0xC3, 0x40, 0, 0, 0, 0, 0, 0, 0x80, 1]),
        ("18446744073709551615", &[5, 0xC3, 0xF0, 0, 0, 0, 0, 0, 0, 0x7F, 0xFF]),
        ("\"\"", &[6, 0]),
        ("\"a\\u0000\\u0001é\"", &[6, b'a', 1, 1, 1, 2, 0xC3, 0xA9, 0]),
        ("[]", &[7, 0]),
        ("[null,[true]]", &[7, 2, 7, 4, 0, 0]),
        ("{}", &[8, 0]),
        ("{\"b\":null,\"a\":\"x\",\"b\":true}", &[8, 6, b'a', 0, 6, b'x', 0, 6, b'b', 0, 4, 0]),
    ];
    for (text, expected) in cases {
        assert_eq!(bytes(text), expected, "{text}");
    }
}

#[test]
fn values_sort_as_documented() {
    let ascending = [
        "null",
        "false",
        "true",
        "-1.7976931348623157e308",
        "-9223372036854775808",
        "-1",
        "-5e-324",
        "0",
        "5e-324",
        "1",
        "1.5",
        "9007199254740992",
        "9007199254740993",
        "9007199254740994.0",
        "9223372036854775807",
        "9223372036854775808.0",
        "18446744073709551615",
        "18446744073709551616.0",
        "1e308",
        "\"\"",
        "\"\\u0000\"",
        "\"\\u0001\"",
        "\"a\"",
        "\"a\\u0000\"",
        "\"a!\"",
        "\"ab\"",
        "\"\u{ffff}\"",
        "\"😀\"",
        "[]",
        "[null]",
        "[null,1]",
        "[1]",
        "{}",
        "{\"\":1}",
        "{\"a\":1}",
        "{\"a\":1,\"b\":0}",
        "{\"a\":2}",
        "{\"b\":0}",
    ];
    for pair in ascending.windows(2) {
        assert!(bytes(pair[0]) < bytes(pair[1]), "{} < {}", pair[0], pair[1]);
    }
}

#[test]
fn order_of_names_and_spelling_do_not_matter() {
    let left = r#"{"z": [1, {"y": 2, "x": 3e0}], "a": "\u0041\/", "z": [1.0, {"x": 3, "y": 2}]}"#;
    let right = r#"{"a":"A/","z":[1,{"x":3,"y":2.0}]}"#;
    assert_eq!(bytes(left), bytes(right));
    assert!(equal(left, right));
    assert!(!equal(left, r#"{"a":"A/","z":[1,{"x":3,"y":2.5}]}"#));
}

#[test]
fn a_fault_leaves_the_output_as_it_was() {
    let mut out = b"before".to_vec();
    let deep = format!("{}1{}", "[".repeat(JSON_DEPTH_MAX + 1), "]".repeat(JSON_DEPTH_MAX + 1));
    for (text, fault) in [
        ("", Fault::Truncated),
        ("[1,{\"a\":}]", Fault::NotAValue),
        ("[1] 2", Fault::Trailing),
        ("1e999", Fault::FloatRange),
        (deep.as_str(), Fault::Depth),
    ] {
        assert_eq!(canonical(text, &mut out).unwrap_err().fault(), fault, "{text}");
        assert_eq!(out, b"before");
    }
    assert!(canonical(&deep[1..deep.len() - 1], &mut out).is_ok());
    assert!(!equal("nul", "null") && equal("nul", "nul") && !equal("[1", "[1]") && !equal("[1]", "[1"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn bytes_order_like_trees(left in any_text(), right in any_text()) {
        let expected = Tree::read(&left).order(&Tree::read(&right));
        let (left_bytes, right_bytes) = (bytes(&left), bytes(&right));
        prop_assert_eq!(left_bytes.cmp(&right_bytes), expected, "{} {}", left, right);
        prop_assert_eq!(equal(&left, &right), expected.is_eq());
        prop_assert!(expected.is_eq() || !left_bytes.starts_with(&right_bytes) && !right_bytes.starts_with(&left_bytes));
    }

    #[test]
    fn numbers_order_like_numbers(left in any_number(), right in any_number()) {
        let expected = Tree::read(&left).order(&Tree::read(&right));
        prop_assert_eq!(bytes(&left).cmp(&bytes(&right)), expected, "{} {}", left, right);
        prop_assert_eq!(equal(&left, &right), expected.is_eq());
    }

    #[test]
    fn a_text_equals_what_its_tree_writes(text in any_text()) {
        let rewritten = Tree::read(&text).write();
        prop_assert_eq!(bytes(&text), bytes(&rewritten), "{} {}", text, rewritten);
        prop_assert!(equal(&text, &rewritten));
    }

    #[test]
    fn scores_keep_their_order(left: f64, right: f64) {
        prop_assume!(left.is_finite() && right.is_finite());
        prop_assert_eq!(ordered_f64(left).cmp(&ordered_f64(right)), left.partial_cmp(&right).unwrap());
        prop_assert_eq!(from_ordered_f64(ordered_f64(left)), left);
        prop_assert!(from_ordered_f64(ordered_f64(-0.0)).is_sign_positive());
    }

    #[test]
    fn strings_are_the_same_with_and_without_json(text: String) {
        let mut quoted = Vec::new();
        write::string(&mut quoted, &text);
        let mut direct = Vec::new();
        canonical_string(&text, &mut direct);
        prop_assert_eq!(bytes(std::str::from_utf8(&quoted).unwrap()), direct);
    }

    #[test]
    fn noise_is_refused_as_the_scanner_refuses_it(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", " ", "\"a\"", "\"b\\u0000\"", "\"", "1", "-", "2.5", "true", "null", "nul", "é",
    ]), 0..14)) {
        let text = tokens.concat();
        prop_assert_eq!(canonical(&text, &mut Vec::new()).is_ok(), validate(text.as_bytes()).is_ok(), "{}", text);
    }
}
