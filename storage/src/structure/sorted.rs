//! Sorted sets: members by score, then by canonical form.

use std::collections::HashMap;

use super::command::{Answer, End, Error, Resolved, bounded};
use super::list::text;
use super::set::{SEQUENCE_BYTES, canonical};
use super::{Structure, Verb, payload};
use crate::json;
use crate::tree::{Item, Source};

impl Structure {
    /// Which members are new or get another score; `count` is of the new ones. Of a member given twice the last
    /// score holds.
    pub(super) fn resolve_score<S: Source>(
        &self,
        pairs: &[(&str, &str)],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut last: HashMap<Vec<u8>, usize> = HashMap::new();
        let mut canon = Vec::new();
        if pairs.len() > 1 {
            for (at, (_, member)) in pairs.iter().enumerate() {
                canonical(member, &mut canon);
                last.insert(canon.clone(), at);
            }
        }
        let (mut payload, mut added, mut changed) = (Vec::new(), 0, 0);
        for (at, (score, member)) in pairs.iter().enumerate() {
            canonical(member, &mut canon);
            if last.get(&canon).is_some_and(|last| *last != at) {
                continue;
            }
            // Score and member in canonical form, then both as texts, stand in one item.
            bounded(member, canon.len() + member.len() + score.len() + 2 * SEQUENCE_BYTES)?;
            let ordered = json::ordered_f64(number(score));
            let old = self.side.get(&canon, source)?.and_then(|old| old.get(..8)?.try_into().ok());
            if old == Some(ordered) {
                continue;
            }
            for ordered in old.iter().chain([&ordered]) {
                self.main.get(&scored_key(ordered, &canon), source)?;
            }
            added += u64::from(old.is_none());
            changed += 1;
            payload::put_text(&mut payload, score);
            payload::put_text(&mut payload, member);
        }
        let verb = (changed > 0).then_some(Verb::Score);
        Ok(Resolved { verb, payload, answer: Answer { count: added, ..Answer::default() } })
    }

    pub(super) fn resolve_pop_scored<S: Source>(
        &self,
        end: End,
        count: u64,
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let count = count.min(self.len());
        let first = match end {
            End::Front => 0,
            End::Back => self.len() - count,
        };
        let mut popped = Vec::new();
        for item in self.main.ascend(first, source).take(count as usize) {
            let (score, member) = scored(&item?);
            popped.push((score.to_owned(), member.to_owned()));
        }
        if end == End::Back {
            popped.reverse();
        }
        let members: Vec<&str> = popped.iter().map(|(_, member)| &**member).collect();
        let mut resolved = self.resolve_discard(&members, source)?;
        resolved.answer.values = popped.iter().map(|(score, member)| format!("[{score},{member}]")).collect();
        Ok(resolved)
    }
}

/// Key of the main tree.
pub(super) fn scored_key(ordered: &[u8; 8], canon: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(8 + canon.len());
    key.extend_from_slice(ordered);
    key.extend_from_slice(canon);
    key
}

/// Value of the main tree: length of the score's text, the text, the member's text.
pub(super) fn scored_value(score: &str, member: &str, out: &mut Vec<u8>) {
    out.clear();
    out.push(u8::try_from(score.len()).unwrap_or(u8::MAX));
    out.extend_from_slice(score.as_bytes());
    out.extend_from_slice(member.as_bytes());
}

/// Score and member texts of an item of the main tree.
pub(super) fn scored<'a>(item: &Item<'a>) -> (&'a str, &'a str) {
    let split = || {
        let (&length, rest) = item.value.split_first()?;
        let (score, member) = rest.split_at_checked(usize::from(length))?;
        Some((std::str::from_utf8(score).ok()?, std::str::from_utf8(member).ok()?))
    };
    // Only what `scored_value` wrote is in the tree; a damaged cell has failed its checksum before.
    split().unwrap_or(("0", "null"))
}

/// The number a score's text stands for.
pub(super) fn number(score: &str) -> f64 {
    score.parse().unwrap_or(0.0)
}

/// The text of a score as replies show it, at most 255 bytes: longer spellings are shortened to their value.
pub(super) fn spelled(score: &str) -> std::borrow::Cow<'_, str> {
    if score.len() <= usize::from(u8::MAX) {
        return score.into();
    }
    let mut out = Vec::new();
    json::write::float(&mut out, number(score));
    text(&out).into()
}
