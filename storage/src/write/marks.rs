//! Marks: what entries are found by beside their key, their tags and the keys they depend on.
//!
//! L2 holds an index row for each mark of each row, and a counter for each tag. Here stands what the entries above
//! the checkpoint add to both: which keys may carry a mark, and by how much a tag's count has moved.
//!
//! Rows can be stored twice, a count cannot be added twice: a checkpoint that failed may have landed all the same. So what
//! each freeze moved is kept apart, with the position it reaches; whoever adds it to L2's counts compares that with the
//! position L2 has.
//!
//! Hiding a tag is one record: every version before it that carries the tag is invisible at once. [`Hidden`] is what
//! readers ask; the rows go in the background.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::RwLock;

use crate::memory::EntryRef;
use crate::record::{EntryFields, Lsn};
use crate::table::{TAG, TagChange, each_mark, mark_of};

/// What changed for one mark since a checkpoint.
#[derive(Debug, Default, Clone)]
struct Delta {
    /// The tag was hidden: what was counted before counts no more.
    reset: bool,
    count: i64,
    /// Keys that got the mark.
    keys: Vec<Box<[u8]>>,
}

type Deltas = HashMap<Box<[u8]>, Delta>;

/// See the module.
#[derive(Debug, Default)]
pub struct Marks {
    /// What each freeze since the last checkpoint that succeeded has moved, and through where; ascending.
    frozen: Vec<(Lsn, Deltas)>,
    open: Deltas,
    /// When each tag was hidden, as far as that is not done with.
    hidden: HashMap<Box<[u8]>, Lsn>,
    /// Whether any entry, here or in L2, may carry a mark.
    any: bool,
}

/// How a tag's count has moved since the last checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// What L2 counts is void.
    pub reset: bool,
    /// To be added.
    pub count: i64,
}

impl Marks {
    /// L2 has index rows.
    pub fn set_any(&mut self) {
        self.any = true;
    }

    /// Whether entries must be known before they are replaced, so that their marks can be taken back.
    #[must_use]
    pub fn any(&self) -> bool {
        self.any
    }

    /// A tag that was hidden before this start.
    pub fn recall_hidden(&mut self, tag: &[u8], lsn: Lsn) {
        self.hidden.insert(mark_of(TAG, tag).into(), lsn);
        self.any = true;
    }

    /// The rows of a hidden tag are gone.
    pub fn done_hiding(&mut self, tag: &[u8]) {
        self.hidden.remove(&mark_of(TAG, tag)[..]);
    }

    /// A version replaces another.
    pub fn write(&mut self, key: &[u8], fields: &EntryFields<'_>, previous: Option<&EntryRef>) {
        if fields.extras.is_empty() && !self.any {
            return;
        }
        if let Some(previous) = previous.filter(|previous| previous.kind().is_stored()) {
            let (extras, lsn) = (previous.extras(), previous.lsn());
            each_mark(extras, |mark| {
                // What was hidden is not counted any more.
                if self.hidden.get(mark).is_none_or(|hidden| lsn >= *hidden) {
                    self.open.entry(mark.into()).or_default().count -= 1;
                }
            });
        }
        let extras = if fields.kind.is_stored() { fields.extras } else { b"" };
        each_mark(extras, |mark| {
            self.any = true;
            let delta = self.open.entry(mark.into()).or_default();
            delta.count += 1;
            delta.keys.push(key.into());
        });
    }

    /// Every version so far that carries the tag is invisible from `lsn` on.
    pub fn hide(&mut self, tag: &[u8], lsn: Lsn) {
        let mark: Box<[u8]> = mark_of(TAG, tag).into();
        self.hidden.insert(mark.clone(), lsn);
        let delta = self.open.entry(mark).or_default();
        *delta = Delta { reset: true, ..Delta::default() };
    }

    /// Keys above the checkpoint that got the mark; they may have lost it again.
    pub fn keys(&self, mark: &[u8]) -> impl Iterator<Item = &[u8]> {
        let deltas = self.frozen.iter().map(|(_, deltas)| deltas).chain([&self.open]);
        deltas.filter_map(|deltas| deltas.get(mark)).flat_map(|delta| delta.keys.iter().map(|key| &**key))
    }

    /// How the tag's count has moved beyond what a table of this position counts: what is frozen may be in the published
    /// table already, although its checkpoint has not ended, or has failed.
    #[must_use]
    pub fn moved(&self, tag: &[u8], table: Lsn) -> Moved {
        let mark = mark_of(TAG, tag);
        let mut moved = Moved::default();
        let frozen = self.frozen.iter().filter(|(through, _)| *through > table).map(|(_, deltas)| deltas);
        for delta in frozen.chain([&self.open]).filter_map(|deltas| deltas.get(&mark[..])) {
            if delta.reset {
                moved = Moved { reset: true, count: 0 };
            }
            moved.count += delta.count;
        }
        moved
    }

    /// What the checkpoint of the frozen part does to the counters of L2, in order.
    #[must_use]
    pub fn frozen_counts(&self) -> Vec<TagChange> {
        let mut changes = Vec::new();
        for (through, deltas) in &self.frozen {
            let tags = deltas.iter().filter(|(mark, _)| mark.first() == Some(&TAG));
            changes.extend(tags.map(|(mark, delta)| TagChange {
                tag: mark[1..].into(),
                through: *through,
                reset: delta.reset,
                count: delta.count,
            }));
        }
        changes
    }

    /// Tags that are hidden and when, for the next checkpoint.
    #[must_use]
    pub fn hidden(&self) -> Vec<(Box<[u8]>, Lsn)> {
        self.hidden.iter().map(|(mark, lsn)| (mark[1..].into(), *lsn)).collect()
    }

    /// Ends what a checkpoint through this position folds.
    pub(super) fn freeze(&mut self, through: Lsn) {
        if !self.open.is_empty() {
            self.frozen.push((through, std::mem::take(&mut self.open)));
        }
    }

    pub(super) fn thaw(&mut self) {
        self.frozen.clear();
    }
}

/// The hidden tags as readers ask for them.
#[derive(Debug, Default)]
pub struct Hidden {
    any: AtomicBool,
    tags: RwLock<HashMap<Box<[u8]>, Lsn>>,
}

impl Hidden {
    /// Hides every version before `lsn` that carries the tag.
    pub fn insert(&self, tag: &[u8], lsn: Lsn) {
        let mut tags = self.tags.write();
        tags.insert(tag.into(), lsn);
        // Release: pairs with the acquire in `lsn_of`; under the lock, so it agrees with the map.
        self.any.store(true, Ordering::Release);
    }

    /// Nothing carries the tag any more from before.
    pub fn remove(&self, tag: &[u8]) {
        let mut tags = self.tags.write();
        tags.remove(tag);
        self.any.store(!tags.is_empty(), Ordering::Release);
    }

    /// The record that hides a version with these extras written at `lsn`, if one does. Cost while nothing is hidden:
    /// one load.
    #[must_use]
    pub fn lsn_of(&self, extras: &[u8], lsn: Lsn) -> Option<Lsn> {
        if extras.is_empty() || !self.any.load(Ordering::Acquire) {
            return None;
        }
        let tags = self.tags.read();
        let mut by = None;
        each_mark(extras, |mark| {
            if mark[0] == TAG {
                by = by.max(tags.get(&mark[1..]).copied().filter(|hidden| *hidden > lsn));
            }
        });
        by
    }

    /// The tags hidden now.
    #[must_use]
    pub fn list(&self) -> Vec<(Box<[u8]>, Lsn)> {
        self.tags.read().iter().map(|(tag, lsn)| (tag.clone(), *lsn)).collect()
    }
}

impl Clone for Hidden {
    fn clone(&self) -> Hidden {
        let tags = self.tags.read().clone();
        Hidden { any: AtomicBool::new(!tags.is_empty()), tags: RwLock::new(tags) }
    }
}
