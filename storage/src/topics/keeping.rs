//! Housekeeping: index files for sealed segments, retention, the next segment ahead of need.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::Shared;
use super::error::Error;
use super::index::{File, Index, index_name};
use super::shelf::{Chapter, Open, Shelf};
use crate::disk::{MappedBytes, OpenMode};
use crate::log::Held;
use crate::record::{Lsn, SegmentId};
use crate::write;

/// What the housekeeper remembers between its rounds. One round at a time.
#[derive(Debug, Default)]
pub(super) struct Keeping {
    /// Index files in the directory. The newest one stays when its segment is retired.
    pub files: BTreeSet<SegmentId>,
    /// Off the shelf through here; the log may let go of it.
    retired: Lsn,
}

impl Keeping {
    pub fn new(files: BTreeSet<SegmentId>) -> Keeping {
        Keeping { files, retired: Lsn::ZERO }
    }
}

impl Shared {
    /// One round. What fails is tried again by the next one.
    pub(super) fn keep(&self) -> Result<(), Error> {
        let mut keeping = self.keeping.lock();
        self.check_space();
        self.store_indexes(&mut keeping)?;
        self.retire(&mut keeping)?;
        self.prepare()
    }

    /// Writes the index of each segment that is sealed and durable and has none.
    fn store_indexes(&self, keeping: &mut Keeping) -> Result<(), Error> {
        let durable = self.journal.durable();
        let due: Vec<Arc<Chapter>> = self.gate().with(|shelf| {
            let due = shelf
                .sealed
                .iter()
                .filter(|chapter| !chapter.is_stored() && chapter.held.last_lsn() <= durable);
            due.map(Arc::clone).collect()
        });
        for chapter in due {
            let Index::Memory(index) = &*chapter.index() else { continue };
            let file = self.store_index(chapter.held.id(), &File::encode(&chapter.held, index))?;
            keeping.files.insert(chapter.held.id());
            chapter.store(file);
        }
        Ok(())
    }

    /// Writes one index and opens it again. It appears whole and durable or not at all.
    fn store_index(&self, id: SegmentId, bytes: &[u8]) -> Result<File, Error> {
        let disk = &self.machine.disk;
        let path = self.dir.join(index_name(id));
        let temp = self.dir.join("index.tmp");
        let write = || {
            let file = disk.open(&temp, OpenMode::Create)?;
            file.set_len(0)?;
            file.write_at(0, bytes)?;
            file.sync_data()?;
            disk.rename(&temp, &path)?;
            disk.sync_dir(&self.dir)?;
            disk.open(&path, OpenMode::Read)?.map()
        };
        let map: Box<dyn MappedBytes> = write().map_err(Error::io("writing", &path))?;
        File::open(map).map_err(|_| {
            let source = std::io::Error::other("the disk does not give back what was written");
            Error::Io { doing: "reading back", path, source }
        })
    }

    /// After the log was closed: the index of the segment that was written last, so that the next opening need not
    /// read it.
    pub(super) fn keep_last(&self) -> Result<(), Error> {
        let mut keeping = self.keeping.lock();
        self.store_indexes(&mut keeping)?;
        let (id, bytes) = self.gate().with(|shelf| {
            let Open { held, index, .. } = &shelf.open;
            (held.id(), (held.last_lsn() >= held.base_lsn()).then(|| File::encode(held, index)))
        });
        bytes.map_or(Ok(()), |bytes| self.store_index(id, &bytes).map(|_| ()))
    }

    /// Lets go of the oldest segments while there is too much or they are too old.
    fn retire(&self, keeping: &mut Keeping) -> Result<(), Error> {
        while let Some(through) = self.gate().with(|shelf| self.due(shelf)) {
            self.carry_forward(through)?;
            let chapter = self.gate().with(|shelf| {
                let chapter = shelf.sealed.pop_front();
                chapter.inspect(|chapter| shelf.catalogue.retire(&chapter.index()))
            });
            keeping.retired = through;
            // The last reference goes before the log asks whether anybody still holds the segment.
            drop(chapter);
        }
        if keeping.retired > Lsn::ZERO {
            self.journal.log().retire(keeping.retired)?;
            self.remove_indexes(keeping)?;
        }
        Ok(())
    }

    /// Last lsn of the oldest segment, when it is due and has an index to remember it by.
    fn due(&self, shelf: &Shelf) -> Option<Lsn> {
        let oldest = shelf.sealed.front().filter(|oldest| oldest.is_stored())?;
        let index = oldest.index();
        let too_old = index.last_time_us().saturating_add(self.options.age_us_max()) < self.journal.now_us();
        let bytes: u64 = shelf.all().map(Held::file_bytes).sum();
        let topics: u64 = shelf.sealed.iter().map(|chapter| chapter.index().rows() as u64).sum();
        let due = too_old || bytes > self.options.bytes_max || topics > self.options.topics_max;
        due.then(|| oldest.held.last_lsn())
    }

    /// Removes the index files of retired segments, all but the newest file.
    fn remove_indexes(&self, keeping: &mut Keeping) -> Result<(), Error> {
        let kept = self.journal.log().held();
        let Some(oldest) = kept.first().map(Held::id) else { return Ok(()) };
        while let Some(id) = keeping.files.first().copied() {
            if id >= oldest || keeping.files.len() == 1 {
                break;
            }
            self.remove_file(&self.dir.join(index_name(id)))?;
            keeping.files.pop_first();
        }
        Ok(())
    }

    fn remove_file(&self, path: &std::path::Path) -> Result<(), Error> {
        self.machine.disk.remove(path).map_err(Error::io("removing", path))
    }

    /// Makes the next segment ahead of need, once anything was published in this life: a node that only caches does
    /// not pay for it.
    fn prepare(&self) -> Result<(), Error> {
        let log = self.journal.log();
        // Relaxed: as in `refuse_when_full`.
        if self.full.load(Ordering::Relaxed) {
            self.journal.set_prepares(0);
            log.release_spares()?;
            return Ok(());
        }
        if self.journal.written() <= self.found.lsn || !log.wants_prepare() {
            return Ok(());
        }
        let prepared = log.prepare();
        let ahead_bytes = if self.options.threads { self.options.segment_bytes / 2 } else { 0 };
        self.journal.set_prepares(if prepared.is_ok() { ahead_bytes } else { 0 });
        if prepared? {
            self.journal.wake_crowded();
        }
        Ok(())
    }

    /// Refuses a publish when the disk is nearly full. Commits go on: they are small, and without them nothing could
    /// be retired.
    pub(super) fn refuse_when_full(&self, bytes: usize) -> Result<(), Error> {
        const STAGED_BYTES_MAX: u64 = 2 << 20;
        if !self.journal.log().has_room(bytes as u64 + STAGED_BYTES_MAX) {
            self.check_space();
        }
        // Relaxed: a publish that slips past the flag finds the reserve of the log.
        if self.full.load(Ordering::Relaxed) {
            let what = "free disk space is below its minimum; the backlog can still be read".into();
            return Err(write::Error::NoSpace { what }.into());
        }
        Ok(())
    }

    fn check_space(&self) {
        let disk = &self.machine.disk;
        let min = self.options.free_bytes_min.unwrap_or_else(|| {
            let total = disk.total_space(&self.dir).unwrap_or(0);
            (total / 20).max(256 << 20)
        });
        let next = if self.journal.log().wants_prepare() { self.options.segment_bytes } else { 0 };
        if let Ok(free) = disk.free_space(&self.dir) {
            self.full.store(free < min.saturating_add(next) && min > 0, Ordering::Relaxed);
        }
    }
}
