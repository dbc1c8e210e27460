//! Sets: members by canonical form, remembered in the order they came.

use std::collections::HashSet;

use super::command::{Answer, Error, Resolved, bounded};
use super::{Family, Structure, Verb, payload};
use crate::json;
use crate::tree::Source;

/// Bytes of the sequence number beside a member.
pub(super) const SEQUENCE_BYTES: usize = 8;

impl Structure {
    /// Which members are new. A member given twice counts once.
    pub(super) fn resolve_add<S: Source>(
        &self,
        members: &[&str],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut payload = Vec::new();
        let mut given = Given::of(members.len());
        let mut canon = Vec::new();
        for member in members {
            canonical(member, &mut canon);
            bounded(member, canon.len().max(member.len()) + SEQUENCE_BYTES)?;
            if self.main.get(&canon, source)?.is_none() && given.is_first(&canon) {
                payload::put_text(&mut payload, member);
                given.count += 1;
            }
        }
        if given.count > 0 {
            // They go behind the last of the order of insertion: that must be in memory, too.
            self.side.touch(&self.next_sequence.to_be_bytes(), source)?;
        }
        let answer = Answer { count: given.count, ..Answer::default() };
        Ok(Resolved::counted(Verb::Add, payload, answer))
    }

    /// Which members are there, of a set or a sorted set.
    pub(super) fn resolve_discard<S: Source>(
        &self,
        members: &[&str],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut payload = Vec::new();
        let mut given = Given::of(members.len());
        let mut canon = Vec::new();
        for member in members {
            canonical(member, &mut canon);
            if self.touch_member(&canon, source)? && given.is_first(&canon) {
                payload::put_text(&mut payload, member);
                given.count += 1;
            }
        }
        let answer = Answer { count: given.count, ..Answer::default() };
        Ok(Resolved::counted(Verb::Discard, payload, answer))
    }

    /// Whether a member is there, having looked wherever its removal will go.
    fn touch_member<S: Source>(&self, canon: &[u8], source: &S) -> Result<bool, S::Error> {
        let (by_member, other) = match self.family {
            Family::Sorted => (&self.side, &self.main),
            _ => (&self.main, &self.side),
        };
        let Some(value) = by_member.get(canon, source)? else { return Ok(false) };
        let mut key = value.get(..8).unwrap_or_default().to_vec();
        if self.family == Family::Sorted {
            key.extend_from_slice(canon);
        }
        other.get(&key, source)?;
        Ok(true)
    }
}

/// The canonical form of a member, in a buffer that is used again.
pub(super) fn canonical(text: &str, out: &mut Vec<u8>) {
    out.clear();
    if json::canonical(text, out).is_err() {
        // No value that was checked at the door ends here; its own bytes tell it from any other.
        out.clear();
        out.extend_from_slice(text.as_bytes());
    }
}

/// Members seen in one command, so that a repeat is noticed.
pub(super) struct Given {
    seen: Option<HashSet<Vec<u8>>>,
    pub(super) count: u64,
}

impl Given {
    /// For a command with this many members: one alone cannot be repeated.
    pub(super) fn of(members: usize) -> Given {
        Given { seen: (members > 1).then(HashSet::new), count: 0 }
    }

    pub(super) fn is_first(&mut self, canon: &[u8]) -> bool {
        self.seen.as_mut().is_none_or(|seen| seen.insert(canon.to_vec()))
    }
}
