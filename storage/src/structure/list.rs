//! Lists: elements by rank.

use std::collections::HashMap;

use super::command::{Answer, End, Error, Refusal, Resolved, bounded};
use super::set::canonical;
use super::{Structure, Verb, payload};
use crate::tree::Source;

impl Structure {
    /// The rank an index means as a place to insert at: the length is one, too.
    pub(super) fn place<E>(&self, index: i64) -> Result<u64, Error<E>> {
        self.rank_of(index, self.len().saturating_add(1))
    }

    /// The rank of an existing element.
    pub(super) fn element<E>(&self, index: i64) -> Result<u64, Error<E>> {
        self.rank_of(index, self.len())
    }

    fn rank_of<E>(&self, index: i64, ranks: u64) -> Result<u64, Error<E>> {
        let len = self.len();
        let rank = if index < 0 { len.checked_sub(index.unsigned_abs()) } else { u64::try_from(index).ok() };
        rank.filter(|rank| *rank < ranks).ok_or(Error::Refused(Refusal::Index { index, len }))
    }

    pub(super) fn resolve_insert<S: Source>(
        &self,
        rank: u64,
        values: &[&str],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        values.iter().try_for_each(|value| bounded(value, value.len()))?;
        // The walk to where they will go, so that the change finds it in memory.
        self.main.touch_at(rank, source)?;
        let mut payload = Vec::with_capacity(8 + values.iter().map(|value| value.len() + 4).sum::<usize>());
        payload::put_number(&mut payload, rank);
        values.iter().for_each(|value| payload::put_text(&mut payload, value));
        let answer = Answer { count: values.len() as u64, ..Answer::default() };
        Ok(Resolved::counted(Verb::Insert, payload, answer))
    }

    pub(super) fn resolve_pop<S: Source>(
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
        self.resolve_run(first, count, end, source)
    }

    pub(super) fn resolve_pop_at<S: Source>(
        &self,
        index: i64,
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        if self.is_empty() {
            return self.resolve_run(0, 0, End::Front, source);
        }
        self.resolve_run(self.element(index)?, 1, End::Front, source)
    }

    /// Takes `count` elements from rank `first` on, told in the order they leave in.
    fn resolve_run<S: Source>(
        &self,
        first: u64,
        count: u64,
        end: End,
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut values = Vec::with_capacity(count.min(1024) as usize);
        for item in self.main.ascend(first, source).take(count as usize) {
            values.push(text(item?.value));
        }
        if end == End::Back {
            values.reverse();
        }
        let mut payload = Vec::with_capacity(16);
        payload::put_number(&mut payload, first);
        payload::put_number(&mut payload, count);
        Ok(Resolved::counted(Verb::RemoveRuns, payload, Answer { count, values }))
    }

    /// The first occurrence of each value. Cost: one walk over the list, as far as the last of them.
    pub(super) fn resolve_remove_values<S: Source>(
        &self,
        values: &[&str],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut canon = Vec::new();
        let mut wanted: HashMap<Vec<u8>, u32> = HashMap::new();
        for value in values {
            canonical(value, &mut canon);
            *wanted.entry(canon.clone()).or_default() += 1;
        }
        let mut payload = Vec::new();
        let (mut count, mut left) = (0, values.len());
        for (rank, item) in (0u64..).zip(self.main.ascend(0, source)) {
            canonical(std::str::from_utf8(item?.value).unwrap_or("null"), &mut canon);
            let Some(times) = wanted.get_mut(&canon).filter(|times| **times > 0) else { continue };
            *times -= 1;
            // Runs apply one after the other: those before have moved this one down.
            payload::put_number(&mut payload, rank - count);
            payload::put_number(&mut payload, 1);
            count += 1;
            left -= 1;
            if left == 0 {
                break;
            }
        }
        Ok(Resolved::counted(Verb::RemoveRuns, payload, Answer { count, ..Answer::default() }))
    }
}

/// A value of a tree, which holds only what was put in as text.
pub(super) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
