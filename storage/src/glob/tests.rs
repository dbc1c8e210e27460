//! Tables, Python's own answers, and a slow matcher that follows the definition.

use std::io::Write as _;
use std::process::{Command, Stdio};

use proptest::prelude::*;

use super::*;

const PLAIN: Dialect = Dialect::Protocol { hash: false };
const HASH: Dialect = Dialect::Protocol { hash: true };

fn matches(pattern: &str, text: &str, dialect: Dialect) -> bool {
    Glob::compile(pattern, dialect).unwrap().matches(text)
}

#[test]
fn the_whole_text_is_matched() {
    for (pattern, text, expected) in [
        ("", "", true),
        ("", "a", false),
        ("a", "a", true),
        ("a", "A", false),
        ("a", "ab", false),
        ("*", "", true),
        ("*", "a\nb", true),
        ("?", "", false),
        ("?", "é", true),
        ("??", "é", false),
        ("a*", "a", true),
        ("*a", "ba", true),
        ("*a", "ab", false),
        ("a*b*c", "a-b-b-c", true),
        ("a*b*c", "a-c-b", false),
        ("*ab", "aab", true),
        ("**?**", "x", true),
        ("expired_*", "expired_", true),
        ("ml.*", "mlops", false),
        ("漢*字?", "漢漢字字", true),
    ] {
        for dialect in [Dialect::Fnmatch, PLAIN, HASH] {
            assert_eq!(matches(pattern, text, dialect), expected, "{pattern} {text}");
        }
    }
}

#[test]
fn dialects_differ_in_brackets_and_hash() {
    for (pattern, text, fnmatch, plain, hash) in [
        ("[ab]", "a", true, false, false),
        ("[ab]", "[ab]", false, true, true),
        ("a#", "abc", false, false, true),
        ("a#", "a#", true, true, true),
    ] {
        assert_eq!(matches(pattern, text, Dialect::Fnmatch), fnmatch, "{pattern} {text}");
        assert_eq!(matches(pattern, text, PLAIN), plain, "{pattern} {text}");
        assert_eq!(matches(pattern, text, HASH), hash, "{pattern} {text}");
    }
}

#[test]
fn classes_read_as_python_reads_them() {
    for (pattern, inside, outside) in [
        ("[a-c]", "abc", "d-"),
        ("[!a-c]", "d-é", "abc"),
        ("[]a]", "]a", "b"),
        ("[!]a]", "b", "]a"),
        ("[-a]", "-a", "b"),
        ("[a-]", "-a", "b"),
        ("[a-c-e]", "abc-e", "d"),
        ("[^a]", "^a", "b"),
        ("[a\\]", "a\\", "]"),
        ("[z-a]", "", "az-"),
        ("[!z-a]", "az-", ""),
        ("[z-a!x]", "a", "x"),
        ("[z-a!-c]", "b!", "-c"),
        ("[z-a!-!]", "b", "-!"),
        ("[z-a!-c-e]", "d!", "-ce"),
        ("[é-ü]", "ñ", "z"),
        ("[&&~|]", "&~|", "a"),
    ] {
        for character in inside.chars() {
            assert!(matches(pattern, &character.to_string(), Dialect::Fnmatch), "{pattern} {character}");
        }
        for character in outside.chars() {
            assert!(!matches(pattern, &character.to_string(), Dialect::Fnmatch), "{pattern} {character}");
        }
    }
    for literal in ["[", "[a", "[]", "[!]", "[!"] {
        assert!(matches(literal, literal, Dialect::Fnmatch), "{literal}");
        assert_eq!(Glob::compile(literal, Dialect::Fnmatch).unwrap().as_literal(), Some(literal));
    }
}

#[test]
fn patterns_are_bounded() {
    let compile = |pattern: &str| Glob::compile(pattern, HASH).map(|_| ());
    assert_eq!(compile(&"é".repeat(GLOB_BYTES_MAX / 2)), Ok(()));
    assert_eq!(compile(&"a".repeat(257)), Err(Error::TooLong { bytes: 257 }));
    assert_eq!(compile(&"a*#*".repeat(GLOB_STARS_MAX)), Ok(()));
    assert_eq!(compile(&"a*".repeat(9)), Err(Error::TooManyStars { stars: 9 }));
    assert_eq!(compile(&"?".repeat(100)), Ok(()));
}

#[test]
fn a_scan_learns_where_to_begin() {
    let glob = |pattern| Glob::compile(pattern, Dialect::Fnmatch).unwrap();
    for (pattern, prefix, literal, everything) in [
        ("user:*", "user:", None, false),
        ("user:1", "user:1", Some("user:1"), false),
        ("*", "", None, true),
        ("**", "", None, true),
        ("?x", "", None, false),
        ("a[bc]d", "a", None, false),
        ("", "", Some(""), false),
    ] {
        let glob = glob(pattern);
        let found = (glob.literal_prefix(), glob.as_literal(), glob.matches_everything());
        assert_eq!(found, (prefix, literal, everything), "{pattern}");
    }
}

/// With retries for each star this would take longer than the machine will live.
#[test]
fn the_worst_pattern_takes_pattern_times_text() {
    let pattern = "*a".repeat(GLOB_STARS_MAX) + "b";
    let text = "a".repeat(100_000);
    assert!(!matches(&pattern, &text, PLAIN));
    assert!(matches(&pattern, &(text + "b"), PLAIN));
}

/// By the definition, one character at a time, every length of every star tried.
fn slow(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*' | '#', rest)) => (0..=text.len()).any(|taken| slow(rest, &text[taken..])),
        Some(('?', rest)) => !text.is_empty() && slow(rest, &text[1..]),
        Some((character, rest)) => text.first() == Some(character) && slow(rest, &text[1..]),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn equals_the_definition(pattern in "[ab?é*#]{0,9}", text in "[abé#]{0,9}") {
        let characters = |text: &str| text.chars().collect::<Vec<_>>();
        let expected = slow(&characters(&pattern), &characters(&text));
        prop_assert_eq!(matches(&pattern, &text, HASH), expected);
    }

    #[test]
    fn what_matches_begins_with_the_prefix(pattern in "[ab]{0,3}[ab*?\\[\\]!-]{0,6}", text in "[ab]{0,8}") {
        let glob = Glob::compile(&pattern, Dialect::Fnmatch).unwrap();
        if glob.matches(&text) {
            prop_assert!(text.starts_with(glob.literal_prefix()));
            prop_assert!(glob.as_literal().is_none_or(|literal| literal == text));
        }
    }

    #[test]
    fn noise_never_panics(pattern: String, text: String) {
        for dialect in [Dialect::Fnmatch, PLAIN, HASH] {
            let _ = Glob::compile(&pattern, dialect).map(|glob| glob.matches(&text));
        }
    }
}

/// Answers `pattern NUL text` lines with 1 or 0.
const PYTHON: &str = "
import sys
from fnmatch import fnmatchcase
for line in sys.stdin.buffer.read().decode('utf-8').split('\\n')[:-1]:
    pattern, text = line.split('\\0')
    print('1' if fnmatchcase(text, pattern) else '0')
";

fn ask_python(pairs: &[(String, String)]) -> Option<Vec<bool>> {
    let mut python = Command::new("python3")
        .args(["-W", "ignore", "-c", PYTHON])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut questions = String::new();
    for (pattern, text) in pairs {
        questions += &format!("{pattern}\0{text}\n");
    }
    let mut input = python.stdin.take().unwrap();
    // Python reads everything before it answers, so neither pipe can block the other.
    input.write_all(questions.as_bytes()).unwrap();
    drop(input);
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success(), "python3 failed on {questions:?}");
    Some(
        output
            .stdout
            .split(|&byte| byte == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| line == b"1")
            .collect(),
    )
}

#[test]
fn equals_python() {
    let mut seed = 0x9E37_79B9_7F4A_7C15_u64;
    let mut pick = |from: &[char]| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        from[(seed >> 11) as usize % from.len()]
    };
    let special: Vec<char> = "[[]]!!--**?abcz^\\&~|é#.".chars().collect();
    let plain: Vec<char> = "abcz!-]^[\\é&#.".chars().collect();
    let lengths: Vec<char> = ('\0'..'\u{d}').collect();
    let mut word = |from: &[char], most: u32| -> String {
        let length = pick(&lengths) as u32 % most;
        (0..length).map(|_| pick(from)).collect()
    };
    let mut pairs = Vec::new();
    while pairs.len() < 40_000 {
        // Half of them one class against one or two characters, where random texts would hardly ever match.
        let pair = if pairs.len() % 2 == 0 {
            (word(&special, 13), word(&plain, 8))
        } else {
            (format!("[{}]", word(&special, 10).replace(['*', '?'], "-")), word(&plain, 3))
        };
        if Glob::compile(&pair.0, Dialect::Fnmatch).is_ok() {
            pairs.push(pair);
        }
    }
    let Some(answers) = ask_python(&pairs) else {
        println!("skipped: there is no python3 here to compare with");
        return;
    };
    assert_eq!(answers.len(), pairs.len());
    assert!(answers.iter().filter(|&&answer| answer).count() > 1000, "too few matches to mean anything");
    for ((pattern, text), expected) in pairs.iter().zip(answers) {
        assert_eq!(matches(pattern, text, Dialect::Fnmatch), expected, "{pattern:?} {text:?}");
    }
}
