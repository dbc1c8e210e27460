//! L2: the redb file as the checkpoint of the log.
//!
//! The log is the truth; this file holds exactly the effect of its records up to one position, so
//! that a start replays only what came after. It is written by one checkpoint transaction at a time,
//! never on the path of a request, and read at any time by anybody without a lock.
//!
//! ```text
//! Table::checkpoint ── one redb transaction ── commit ── publish the new Snapshot
//! Table::may_hold   ── negative filter: "no" is certain, "maybe" asks the snapshot
//! Table::read       ── published Snapshot ── one walk down the tree, value borrowed from the page
//! ```
//!
//! **Failures.** After an I/O error a redb handle refuses everything for ever, reads included. A
//! failed checkpoint therefore reopens the file at once and publishes a snapshot of the new handle,
//! and so does a read that meets a dead one; snapshots of the old handle answer [`Error::Lost`]. The
//! checkpoint itself is retried by the caller, who still has everything that belongs in it. A commit
//! whose last sync failed may turn out to be there after the reopening: ask the snapshot's position.
//!
//! **What is not here:** time, threads, and any idea of which entries are dirty.
//!
//! The bytes are described in `schema` (tables), `row` (entries) and `meta` (position).

mod backend;
mod bulk;
mod cells;
mod checkpoint;
mod error;
mod filter;
mod marks;
mod meta;
mod negative;
mod open;
mod overlay;
mod read_only;
mod row;
mod schema;
mod snapshot;
mod verify;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use parking_lot::Mutex;
use redb::Database;

use crate::disk::{Disk, OpenMode};
use crate::limits::{
    FILTER_BITS_PER_KEY_DEFAULT, TABLE_CACHE_BYTES_DEFAULT, TABLE_CHECK_BYTES_DEFAULT, TABLE_RECLAIM_ROWS_MIN,
};
use crate::record::EntryFields;

pub use cells::{CellChanges, CellSource, SnapshotSource, put_sealed};
pub use checkpoint::{CellChange, Change, Checkpoint, CheckpointSummary, EntryChange};
pub use error::Error;
pub use marks::{DEPENDENCY, HiddenTag, TAG, TagChange, each_mark, mark_of};
pub use meta::CheckpointPosition;
pub use negative::FilterProgress;
pub use read_only::ReadOnlyTable;
pub use snapshot::{Expiring, Row, Rows, Snapshot};
pub use verify::VerifyReport;

use error::during;
use negative::Negative;
use open::Readable;

/// How a table is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Memory redb may use for pages. Default 16 MiB. Half of it may be unwritten pages of a
    /// checkpoint.
    pub cache_bytes: usize,
    /// Size of the negative filter. Default 10, which wrongly says "maybe" about once in a hundred.
    pub filter_bits_per_key: u32,
    /// Seed of the filter's hash, so that clients cannot choose keys that collide.
    pub filter_seed: u64,
    /// Largest file of which every page is verified at opening. Default 64 MiB, some 0.1 s; 0 never.
    /// redb trusts a page it reads, and stops the process over one that makes no sense.
    pub check_bytes_max: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            cache_bytes: TABLE_CACHE_BYTES_DEFAULT,
            filter_bits_per_key: FILTER_BITS_PER_KEY_DEFAULT,
            filter_seed: 0,
            check_bytes_max: TABLE_CHECK_BYTES_DEFAULT,
        }
    }
}

/// The figures of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Length of the file.
    pub file_bytes: u64,
    /// Rows of entries.
    pub entries: u64,
    /// Rows of entries that expire.
    pub expiring: u64,
    /// Rows of structures.
    pub cells: u64,
    /// Structures whose cells are not all removed yet.
    pub drops: u64,
    /// Bytes of keys and rows of entries.
    pub stored_bytes: u64,
    /// Memory of the negative filter, the one being built included.
    pub filter_bytes: usize,
    /// How far the table goes.
    pub position: CheckpointPosition,
}

/// The open table file. All methods may be called from any thread; checkpoints take turns.
pub struct Table {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    options: Options,
    writer: Mutex<Writer>,
    published: ArcSwap<Snapshot>,
    negative: Negative,
}

/// What only the thread that writes may touch.
struct Writer {
    /// `None` after a failure that reopening did not cure yet.
    database: Option<Database>,
    /// Number of the latest opening; its snapshots carry it.
    opening: u64,
}

impl std::fmt::Debug for Table {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Table").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Table {
    /// Opens the table at `path`, creating it (and its directory) when there is none.
    ///
    /// [`Error::Corrupt`] for anything that is not a table of ours: nothing is ever recreated over an
    /// existing file. [`Error::InUse`] when another process writes it. A file that was not closed
    /// cleanly opens in the same time as one that was. Every page of a file up to
    /// [`Options::check_bytes_max`] is read and verified.
    pub fn open(disk: Arc<dyn Disk>, path: &Path, options: Options) -> Result<Table, Error> {
        open::check_small(&*disk, path, options.cache_bytes, options.check_bytes_max)?;
        let database = open::open(&*disk, path, options.cache_bytes)?;
        let opening = 1;
        let published = ArcSwap::from_pointee(database.snapshot(opening)?);
        let writer = Mutex::new(Writer { database: Some(database), opening });
        let negative = Negative::new(options.filter_bits_per_key, options.filter_seed);
        Ok(Table { disk, path: path.to_path_buf(), options, writer, published, negative })
    }

    /// Folds one batch into the file: one transaction, synced, then published.
    ///
    /// On an error the table is as it was, unless [`Error::wants_reopen`]: then the outcome is the
    /// old state or the new one, which the position of [`Table::snapshot`] tells, and giving the
    /// same batch again is right in both cases. Readers are not disturbed longer than the reopening
    /// takes, unless that fails too. Blocks for the writes and three syncs, a large batch
    /// for three more that keep the file small.
    pub fn checkpoint<C: Change>(&self, batch: &Checkpoint<'_, C>) -> Result<CheckpointSummary, Error> {
        let mut writer = self.writer.lock();
        if writer.database.is_none() {
            self.reopen_with(&mut writer)?;
        }
        checkpoint::check(self.published.load().position(), batch)?;
        let written = self.write(&writer, batch);
        let reclaimed = written.as_ref().map_or(Ok(()), |&summary| Self::reclaim(&writer, summary));
        if written.as_ref().is_err_and(Error::wants_reopen) || reclaimed.is_err() {
            // A failure here is found again by whoever comes next; the first error says more.
            let _ = self.reopen_with(&mut writer);
        }
        written
    }

    fn write<C: Change>(
        &self,
        writer: &Writer,
        batch: &Checkpoint<'_, C>,
    ) -> Result<CheckpointSummary, Error> {
        let database = writer.database.as_ref().ok_or(Error::Lost { doing: "begin a checkpoint" })?;
        let transaction = database.begin_write().map_err(during("begin a checkpoint"))?;
        let published = self.published.load();
        let (before, counters) = (published.position().lsn, published.counters);
        let summary = checkpoint::write(transaction, batch, before, counters, &self.negative.pupils())?;
        self.negative.count_removed(summary.removes);
        self.published.store(Arc::new(database.snapshot(writer.opening)?));
        Ok(summary)
    }

    /// After a large checkpoint: see [`checkpoint::reclaim`]. The rows are safe whatever happens here.
    fn reclaim(writer: &Writer, summary: CheckpointSummary) -> Result<(), Error> {
        match &writer.database {
            Some(database) if summary.puts + summary.removes >= TABLE_RECLAIM_ROWS_MIN => {
                checkpoint::reclaim(database.begin_write().map_err(during("reclaim pages"))?)
            }
            _ => Ok(()),
        }
    }

    /// The state after the last checkpoint. No lock; the snapshot stays valid while it is kept, but
    /// see [`Snapshot`] for what keeping it costs.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.published.load_full()
    }

    /// Gives `visit` the entry stored under `key`, expired or not; `None` when there is none.
    ///
    /// Like [`Snapshot::read`] of the published snapshot, and reopens the file once when its handle
    /// turns out to be dead.
    pub fn read<R>(&self, key: &[u8], visit: impl FnOnce(EntryFields<'_>) -> R) -> Result<Option<R>, Error> {
        let mut visit = Some(visit);
        // Only the attempt that found a row has used `visit` up, and it succeeded.
        let mut attempt = |snapshot: &Snapshot| {
            snapshot.read(key, |fields| visit.take().expect("used by a successful attempt only")(fields))
        };
        let published = self.published.load();
        match attempt(&published) {
            Err(error) if error.wants_reopen() => {
                self.heal(published.opening)?;
                attempt(&self.published.load())
            }
            answer => answer,
        }
    }

    /// The bytes of a structure's cell as of the newest checkpoint; `None` when there is none.
    pub fn cell(&self, id: u64, cell: u32) -> Result<Option<Vec<u8>>, Error> {
        let published = self.published.load();
        match published.cell(id, cell) {
            Err(error) if error.wants_reopen() => {
                self.heal(published.opening)?;
                self.published.load().cell(id, cell)
            }
            answer => answer,
        }
    }

    /// False only when the table certainly holds no row for `key`; "maybe" for every key until the
    /// filter is built. No lock, no allocation, one cache line.
    #[must_use]
    pub fn may_hold(&self, key: &[u8]) -> bool {
        self.negative.may_hold(key)
    }

    /// Builds the negative filter a little further: looks at up to `rows` rows. Starts a new build
    /// when the filter is missing, overfull or stale; call it from a background thread until it says
    /// [`FilterProgress::Fresh`] or [`FilterProgress::Finished`], and again now and then.
    pub fn filter_step(&self, rows: usize) -> Result<FilterProgress, Error> {
        let opening = self.published.load().opening;
        match self.filter_step_once(rows) {
            // A failed checkpoint whose reopening failed, too: nobody may come to heal it for long.
            Err(error) if error.wants_reopen() => {
                self.heal(opening)?;
                self.filter_step_once(rows)
            }
            answer => answer,
        }
    }

    fn filter_step_once(&self, rows: usize) -> Result<FilterProgress, Error> {
        // A build begins while no checkpoint runs, so that it meets or learns every key.
        let begin = |start: &dyn Fn(u64)| {
            let writer = self.writer.lock();
            if writer.database.is_none() {
                return Err(Error::Lost { doing: "begin a filter" });
            }
            let entries = self.published.load().entries()?;
            if self.negative.is_due(entries) {
                start(entries);
            }
            Ok(())
        };
        self.negative.step(rows.max(1), || self.snapshot(), begin)
    }

    /// Drops the handle and opens the file again, for use after an error that
    /// [`Error::wants_reopen`]. Snapshots taken before answer [`Error::Lost`] from now on; readers
    /// that hold one do not delay this. On an error the next use tries again.
    pub fn reopen(&self) -> Result<(), Error> {
        self.reopen_with(&mut self.writer.lock())
    }

    /// Reopens unless somebody else has done it since `opening`.
    fn heal(&self, opening: u64) -> Result<(), Error> {
        let mut writer = self.writer.lock();
        if self.published.load().opening != opening {
            return Ok(());
        }
        self.reopen_with(&mut writer)
    }

    fn reopen_with(&self, writer: &mut Writer) -> Result<(), Error> {
        // Closing a handle that failed reports the failure again; the file is what counts. It must
        // be closed before the new one opens, because it holds the locks.
        drop(writer.database.take());
        let database = open::open(&*self.disk, &self.path, self.options.cache_bytes)?;
        writer.opening += 1;
        self.published.store(Arc::new(database.snapshot(writer.opening)?));
        writer.database = Some(database);
        Ok(())
    }

    /// Memory of the negative filter, the one being built included.
    #[must_use]
    pub fn filter_bytes(&self) -> u64 {
        self.negative.bytes() as u64
    }

    /// The figures. Cheap enough for a metrics scrape.
    pub fn stats(&self) -> Result<Stats, Error> {
        let snapshot = self.snapshot();
        let file = self.disk.open(&self.path, OpenMode::Read).map_err(Error::io("measure the table file"))?;
        Ok(Stats {
            file_bytes: file.len().map_err(Error::io("measure the table file"))?,
            entries: snapshot.entries()?,
            expiring: snapshot.expiring()?,
            cells: snapshot.cells()?,
            drops: snapshot.drops()?,
            stored_bytes: snapshot.counters.stored_bytes,
            filter_bytes: self.negative.bytes(),
            position: snapshot.position(),
        })
    }

    /// Makes the file at `path` as small as it gets, while no server has it open. True when something
    /// moved. Takes time and writes in proportion to the file; a crash in the middle harms nothing,
    /// but the next opening walks the whole file.
    pub fn compact(disk: &dyn Disk, path: &Path, options: Options) -> Result<bool, Error> {
        open::compact(disk, path, options.cache_bytes)
    }

    /// Closes the file, trimmed and marked clean. Snapshots still held answer [`Error::Lost`].
    pub fn close(self) -> Result<(), Error> {
        match self.writer.into_inner().database {
            None => Ok(()),
            Some(database) => database.close().map_err(during("close the table file")),
        }
    }
}
