//! From one wanted entry to the next.
//!
//! A cursor that wants one message in a hundred would pass over a hundred entries for each. The index lists the entries
//! of each row, so the lists of the wanted rows, merged, are what it looks for. A [`Jump`] does that over a *stretch* of
//! one segment: a head for each wanted row in a heap, planned a piece at a time, and the next few entries it came to.
//! New rows and new entries behind the stretch are left to the next one.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use super::rows::{Rows, Want};
use super::tuning::Tuning;
use crate::topics::index::{Entry, Lists, Number};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Jump {
    /// The stretch: entries from here...
    from: usize,
    /// ... to here, exclusive.
    to: usize,
    /// The next entry of each wanted row that has one left.
    heads: BinaryHeap<Reverse<Head>>,
    /// Wanted rows planned so far, and how many entries they have in the stretch.
    planned: usize,
    wanted: usize,
    /// What the heads came to; from `ahead_at` on it is not looked at yet.
    ahead: Vec<(u32, Entry)>,
    ahead_at: usize,
}

/// The next entry of one row. Ordered by its number, which no other head has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    number: u32,
    row: u32,
    /// Place of the number in the list of the row.
    nth: u32,
}

impl Jump {
    /// Nothing planned yet.
    pub fn over(from: usize, to: usize) -> Jump {
        Jump { from, to, ..Jump::default() }
    }

    /// Behind the last entry of the stretch.
    pub fn to(&self) -> usize {
        self.to
    }

    /// Whether there are few enough wanted rows to plan it.
    pub fn is_worth_planning(&self, rows: &Rows, tuning: &Tuning) -> bool {
        rows.wanted().len().saturating_mul(tuning.entries_per_row) <= self.to - self.from
    }

    /// Whether the rows planned so far have few enough entries to make it.
    pub fn is_worth_making(&self, tuning: &Tuning) -> bool {
        self.wanted.saturating_mul(tuning.entries_per_wanted) <= self.to - self.from
    }

    /// Finds the first entries of at most `rows_max` further rows; how many these were. `shown_from`: entries before
    /// it are only wanted where they count.
    pub fn plan(&mut self, index: &impl Lists, rows: &Rows, shown_from: usize, rows_max: usize) -> usize {
        let piece = rows.wanted().get(self.planned..).unwrap_or_default();
        let piece = &piece[..piece.len().min(rows_max)];
        for row in piece {
            let counted = rows.want(*row) == Want::Limited;
            let from = if counted { self.from } else { self.from.max(shown_from) };
            let numbers = index.numbers(*row);
            let nth = first_at(numbers, from);
            self.wanted += first_at(numbers, self.to) - nth;
            let head = self.head(*row, nth, numbers);
            self.heads.extend(head.map(Reverse));
        }
        self.planned += piece.len();
        piece.len()
    }

    /// Whether every wanted row is planned.
    pub fn is_planned(&self, rows: &Rows) -> bool {
        self.planned >= rows.wanted().len()
    }

    /// The head of a row at a place in its list; `None` at the end of the stretch.
    fn head(&self, row: u32, nth: usize, numbers: &[Number]) -> Option<Head> {
        let number = u32::from_le_bytes(*numbers.get(nth)?);
        let nth = u32::try_from(nth).ok()?;
        ((number as usize) < self.to).then_some(Head { number, row, nth })
    }

    /// The next wanted entry at or behind entry `at`, if it was fetched.
    #[inline]
    pub fn first(&mut self, at: usize) -> Option<(usize, Entry)> {
        loop {
            let (number, entry) = *self.ahead.get(self.ahead_at)?;
            if number as usize >= at {
                return Some((number as usize, entry));
            }
            self.ahead_at += 1;
        }
    }

    /// Whether everything fetched is looked at when the cursor stands at entry `at`, and there is more.
    pub fn wants_fetch(&mut self, at: usize) -> bool {
        self.first(at).is_none() && !self.heads.is_empty()
    }

    /// Whether there is nothing left but what was fetched.
    pub fn is_dry(&self) -> bool {
        self.heads.is_empty()
    }

    /// Fetches the next entries, at most `count`.
    pub fn fetch(&mut self, index: &impl Lists, count: usize) {
        self.ahead.clear();
        self.ahead_at = 0;
        while self.ahead.len() < count
            && let Some(mut top) = self.heads.peek_mut()
        {
            let Head { number, row, nth } = top.0;
            let next = index.numbers(row).get(nth as usize + 1).map(|number| u32::from_le_bytes(*number));
            match next.filter(|next| (*next as usize) < self.to) {
                Some(number) => top.0 = Head { number, row, nth: nth + 1 },
                None => drop(PeekMut::pop(top)),
            }
            // A number without an entry leads nowhere: the lists were verified together.
            let entry = index.entries().get(number as usize).map(Entry::decode);
            self.ahead.extend(entry.map(|entry| (number, entry)));
        }
    }

    /// What was fetched and is not looked at.
    pub fn ahead(&self) -> &[(u32, Entry)] {
        self.ahead.get(self.ahead_at..).unwrap_or_default()
    }
}

/// Place in a list of the first number that is not below `entry`.
fn first_at(numbers: &[Number], entry: usize) -> usize {
    let below = |number: &Number| (u32::from_le_bytes(*number) as usize) < entry;
    match (numbers.first(), numbers.last()) {
        (Some(first), _) if !below(first) => 0,
        (_, Some(last)) if below(last) => numbers.len(),
        _ => numbers.partition_point(below),
    }
}
