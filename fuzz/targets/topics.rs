//! A topic, then patterns, one to a line; a line that begins with `-` takes the pattern before it away again: the index
//! finds exactly what the definition says, whoever came and went.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg::pubsub::{Index, Matcher, Pattern};

fuzz_target!(|input: &str| {
    let mut lines = input.split('\n');
    let topic = lines.next().unwrap_or_default();
    let (index, mut kept) = (Index::new(), Vec::new());
    for (number, line) in lines.enumerate().take(64) {
        if line.starts_with('-') {
            if let Some((pattern, handle)) = kept.pop() {
                assert!(index.remove(&pattern, &handle));
                assert!(!index.remove(&pattern, &handle));
            }
            continue;
        }
        let (exact, text) = line.strip_prefix('=').map_or((false, line), |text| (true, text));
        let Ok(pattern) = Pattern::new(text, exact) else { continue };
        let wanted = if exact { text == topic } else { by_table(&split(text), &split(topic)) };
        assert_eq!(pattern.matches(topic), wanted, "{text:?} {topic:?}");
        index.insert(&pattern, number);
        kept.push((pattern, number));
    }
    let mut found = Vec::new();
    index.matches(topic, &mut Matcher::default(), |handle| found.push(*handle));
    found.sort_unstable();
    let wanted: Vec<usize> =
        kept.iter().filter(|(pattern, _)| pattern.matches(topic)).map(|(_, handle)| *handle).collect();
    assert_eq!(found, wanted, "{topic:?}");
});

/// The empty text has no segment.
fn split(text: &str) -> Vec<&str> {
    if text.is_empty() { Vec::new() } else { text.split('.').collect() }
}

/// Which beginnings of the topic the pattern so far can match, one segment of the pattern after the other.
fn by_table(pattern: &[&str], topic: &[&str]) -> bool {
    let mut ends = vec![false; topic.len() + 1];
    ends[0] = true;
    for wanted in pattern {
        let mut next = vec![false; ends.len()];
        for at in 0..ends.len() {
            next[at] = match *wanted {
                "#" => ends[at] || at > 0 && next[at - 1],
                "*" => at > 0 && ends[at - 1],
                literal => at > 0 && ends[at - 1] && topic[at - 1] == literal,
            };
        }
        ends = next;
    }
    ends[topic.len()]
}
