//! The life of the negative filter: "maybe" until it is built, then exact about absence, and built
//! anew when it has grown too full or too stale.
//!
//! The build walks the table in steps that a background thread of the store (or a simulation)
//! drives. Keys that checkpoints add while it walks are added to the filter under construction too,
//! so a step may use whatever snapshot is published: a key is either met by the walk or was added.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use parking_lot::Mutex;

use crate::limits::FILTER_KEYS_MIN;

use super::filter::Filter;
use super::{Error, Snapshot};

/// How far a build has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FilterProgress {
    /// Nothing to do: the filter is complete and fresh.
    Fresh,
    /// More steps are needed.
    Building {
        /// Rows looked at in this step.
        rows: usize,
    },
    /// This step finished the build; absence is exact from now on.
    Finished,
}

/// The filter in use and the one being built.
#[derive(Debug)]
pub(super) struct Negative {
    bits_per_key: u32,
    seed: u64,
    /// Answers queries; `None` before the first build is done.
    current: ArcSwapOption<Filter>,
    /// Under construction, shared with the checkpointer.
    learning: ArcSwapOption<Filter>,
    build: Mutex<Option<Build>>,
    /// Rows removed since the current filter was built: their bits are still set.
    removed: AtomicU64,
}

#[derive(Debug)]
struct Build {
    filter: Arc<Filter>,
    /// The last key looked at.
    after: Option<Box<[u8]>>,
}

impl Negative {
    pub(super) fn new(bits_per_key: u32, seed: u64) -> Negative {
        Negative {
            bits_per_key,
            seed,
            current: ArcSwapOption::empty(),
            learning: ArcSwapOption::empty(),
            build: Mutex::new(None),
            removed: AtomicU64::new(0),
        }
    }

    /// False only when the table certainly has no row for `key`. No lock, no allocation.
    pub(super) fn may_hold(&self, key: &[u8]) -> bool {
        self.current.load().as_ref().is_none_or(|filter| filter.may_hold(key))
    }

    /// Memory of both filters.
    pub(super) fn bytes(&self) -> usize {
        let bytes =
            |filter: &ArcSwapOption<Filter>| filter.load().as_ref().map_or(0, |filter| filter.bytes());
        bytes(&self.current) + bytes(&self.learning)
    }

    /// The filters a checkpoint has to teach its keys, before it commits them.
    ///
    /// `learning` is loaded first: when a build finishes in between, its filter is found as `current`.
    pub(super) fn pupils(&self) -> Pupils {
        let learning = self.learning.load_full();
        Pupils { filters: [learning, self.current.load_full()] }
    }

    /// Counts rows a checkpoint removed.
    pub(super) fn count_removed(&self, rows: u64) {
        self.removed.fetch_add(rows, Ordering::Relaxed);
    }

    /// True when a build is running or worth starting.
    pub(super) fn is_due(&self, entries: u64) -> bool {
        let stale = self.removed.load(Ordering::Relaxed) > (entries / 2).max(FILTER_KEYS_MIN / 2);
        stale
            || self.learning.load().is_some()
            || self.current.load().as_ref().is_none_or(|f| f.is_overfull())
    }

    /// Looks at up to `rows` more rows. `start` runs when a build begins and must return the number of
    /// entries while no checkpoint is running; `snapshot` is the published one.
    pub(super) fn step(
        &self,
        rows: usize,
        snapshot: impl FnOnce() -> Arc<Snapshot>,
        begin: impl FnOnce(&dyn Fn(u64)) -> Result<(), Error>,
    ) -> Result<FilterProgress, Error> {
        let mut build = self.build.lock();
        if build.is_none() {
            begin(&|entries| self.learning.store(Some(Arc::new(self.room_for(entries)))))?;
            let filter = self.learning.load_full();
            *build = filter.map(|filter| Build { filter, after: None });
        }
        let Some(running) = build.as_mut() else { return Ok(FilterProgress::Fresh) };
        let seen = running.walk(&snapshot(), rows)?;
        if seen == rows {
            return Ok(FilterProgress::Building { rows: seen });
        }
        // First current, then learning: see `pupils`.
        self.current.store(Some(running.filter.clone()));
        self.learning.store(None);
        self.removed.store(0, Ordering::Relaxed);
        *build = None;
        Ok(FilterProgress::Finished)
    }

    /// Half as much again as there are entries, so that a growing table is not rebuilt at once.
    fn room_for(&self, entries: u64) -> Filter {
        let keys_max = (entries + entries / 2).max(FILTER_KEYS_MIN);
        Filter::new(keys_max, self.bits_per_key, self.seed)
    }
}

impl Build {
    /// Adds the next `rows` keys; returns how many there were.
    fn walk(&mut self, snapshot: &Snapshot, rows: usize) -> Result<usize, Error> {
        let from = self.after.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut seen = 0;
        let mut last = None;
        for row in snapshot.range(from, Bound::Unbounded)?.take(rows) {
            let row = row?;
            self.filter.add(row.key());
            seen += 1;
            last = Some(row);
        }
        if let Some(row) = last {
            self.after = Some(row.key().into());
        }
        Ok(seen)
    }
}

/// Up to two filters that learn the keys of one checkpoint.
#[derive(Debug)]
pub(super) struct Pupils {
    filters: [Option<Arc<Filter>>; 2],
}

impl Pupils {
    pub(super) fn learn(&self, key: &[u8]) {
        self.filters.iter().flatten().for_each(|filter| filter.add(key));
    }
}
