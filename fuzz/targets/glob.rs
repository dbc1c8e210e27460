//! `pattern NUL text`: no pattern panics or takes long, and those without classes match what the
//! definition says.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg_storage::glob::{Dialect, Glob};

fuzz_target!(|input: &str| {
    let Some((pattern, text)) = input.split_once('\0') else { return };
    if let Ok(glob) = Glob::compile(pattern, Dialect::Fnmatch) {
        let matched = glob.matches(text);
        assert!(!matched || text.starts_with(glob.literal_prefix()));
        assert!(!matched || glob.as_literal().is_none_or(|literal| literal == text));
        assert!(matched || !glob.matches_everything());
    }
    for hash in [false, true] {
        if let Ok(glob) = Glob::compile(pattern, Dialect::Protocol { hash }) {
            assert_eq!(glob.matches(text), by_table(pattern, text, hash), "{pattern:?} {text:?}");
        }
    }
});

/// Which beginnings of the text the pattern so far can match, one pattern character after the other.
fn by_table(pattern: &str, text: &str, hash: bool) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut ends = vec![false; text.len() + 1];
    ends[0] = true;
    for wanted in pattern.chars() {
        let star = wanted == '*' || hash && wanted == '#';
        let mut next = vec![false; ends.len()];
        for at in 0..ends.len() {
            next[at] = if star {
                ends[at] || at > 0 && next[at - 1]
            } else {
                at > 0 && ends[at - 1] && (wanted == '?' || wanted == text[at - 1])
            };
        }
        ends = next;
    }
    ends[text.len()]
}
