//! Segment files ahead of need: made once, zero filled, and used again and again.
//!
//! A sync of a file whose length and blocks are settled writes no metadata, which is why a segment is filled
//! with zeros before its first frame, and why a retired one is kept. A *spare* holds the bytes of its earlier
//! life; salt, id and chain keep them from ever looking valid. Only its header is wiped, and synced, before
//! the file gets a segment's name: a valid header under such a name always belongs to that name. And no file ever
//! holds frames of a number above the one in its name, so a number never comes twice.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Error;
use super::header::{HEADER_BYTES, encode_note};
use super::names::{self, FileKind};
use crate::disk::{Disk, DiskFile, OpenMode};
use crate::limits::{SEGMENT_BYTES_MIN, SEGMENT_FIRST_BYTES_MIN, SEGMENT_FIRST_PART};
use crate::mutants::{Bug, planted};
use crate::record::SegmentId;

/// Zeros written at a time when a file is made. The page cache of ext4 keeps a file in pieces as large as the
/// writes that made them, and every later small write walks all blocks of its piece: 224 bytes into pieces of
/// 1 MiB cost 1.17 us, into pieces of 64 KiB 0.60 us (Linux 6.18).
const FILL_BYTES: usize = 64 * 1024;

/// A file that has its final name and length, no header but at most a note where it will be, and is durable as such.
#[derive(Debug)]
pub(super) struct Prepared {
    pub id: SegmentId,
    pub file: Arc<dyn DiskFile>,
    pub file_bytes: u64,
}

/// A prepared file that has no final name yet.
#[derive(Debug)]
pub(super) struct Blank {
    pub id: SegmentId,
    pub file: Arc<dyn DiskFile>,
    pub file_bytes: u64,
    path: PathBuf,
}

/// The files that are no segment: spares, and at most one prepared.
#[derive(Debug)]
pub(super) struct Pool {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    /// Length of ordinary segment files; only those are kept as spares.
    segment_bytes: u64,
    spares_max: usize,
    spares: Vec<SegmentId>,
    next_id: u64,
    /// Segments that got their names but not for good. They hold nothing and must be gone before another
    /// gets a name: one without a header below a begun one would be taken for a damaged segment.
    misnamed: Vec<SegmentId>,
    pub prepared: Option<Prepared>,
}

impl Pool {
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, segment_bytes: u64, spares_max: usize, next_id: u64) -> Pool {
        let (dir, spares) = (dir.to_owned(), Vec::new());
        let misnamed = Vec::new();
        Pool { disk, dir, segment_bytes, spares_max, spares, next_id, misnamed, prepared: None }
    }

    fn path(&self, id: SegmentId, kind: FileKind) -> PathBuf {
        names::path(&self.dir, id, kind)
    }

    /// Makes the names in `dir` durable.
    pub fn sync(&self, dir: &Path) -> Result<(), Error> {
        self.disk.sync_dir(dir).map_err(Error::io("syncing directory", dir))
    }

    fn sync_dir(&self) -> Result<(), Error> {
        self.sync(&self.dir)
    }

    pub fn remove(&self, id: SegmentId, kind: FileKind) -> Result<(), Error> {
        let path = self.path(id, kind);
        self.disk.remove(&path).map_err(Error::io("removing", &path))
    }

    /// Takes over a spare found at opening, or removes it when there are enough or its length is another.
    pub fn adopt_spare(&mut self, id: SegmentId) -> Result<(), Error> {
        let path = self.path(id, FileKind::Spare);
        let file = self.disk.open(&path, OpenMode::Read).map_err(Error::io("opening", &path))?;
        let fits = file.len().map_err(Error::io("measuring", &path))? == self.segment_bytes;
        if !fits || self.spares.len() >= self.spares_max {
            return self.remove(id, FileKind::Spare);
        }
        self.spares.push(id);
        Ok(())
    }

    /// Gives the room of all spares back to the disk. Returns how many there were.
    pub fn release_spares(&mut self) -> Result<usize, Error> {
        let mut released = 0;
        while let Some(id) = self.spares.pop() {
            self.remove(id, FileKind::Spare)?;
            released += 1;
        }
        if released > 0 {
            self.sync_dir()?;
        }
        Ok(released)
    }

    /// Puts away a segment file that counts no more. It becomes a spare when `reusable`, its length is
    /// the ordinary one and there are not enough; otherwise it is removed. The directory is synced.
    pub fn put_away(&mut self, id: SegmentId, file_bytes: u64, reusable: bool) -> Result<(), Error> {
        let keep = reusable && file_bytes == self.segment_bytes && self.spares.len() < self.spares_max;
        let (from, to) = (self.path(id, FileKind::Segment), self.path(id, FileKind::Spare));
        let gone = if keep { self.disk.rename(&from, &to) } else { self.disk.remove(&from) };
        match gone {
            Ok(()) => {}
            // A first try got this far and failed at the directory sync.
            Err(source) if source.kind() == io::ErrorKind::NotFound => return self.sync_dir(),
            Err(source) => return Err(Error::io("putting away", &from)(source)),
        }
        // The old name must be gone for good before anybody wipes the header under it.
        self.sync_dir()?;
        if keep {
            self.spares.push(id);
        }
        Ok(())
    }

    /// Makes one prepared file of at least `file_bytes`, unless there is one. True when it was made. It notes
    /// that `active` is the active segment.
    /// Cost: a spare costs a 96-byte write, a sync and two directory syncs; a new file its length in zeros.
    pub fn prepare(&mut self, file_bytes: u64, active: SegmentId) -> Result<bool, Error> {
        if let Some(prepared) = &self.prepared {
            if prepared.file_bytes >= file_bytes {
                return Ok(false);
            }
            let (id, file_bytes) = (prepared.id, prepared.file_bytes);
            self.prepared = None;
            self.put_away(id, file_bytes, true)?;
        }
        let blank = self.blank(file_bytes.max(self.segment_bytes), Some(active))?;
        self.prepared = Some(self.name(blank)?);
        Ok(true)
    }

    /// The file an opening begins with, at least `needed_bytes` long: a spare, or a short one when there is none,
    /// so that a start need not wait for the zeros of a whole segment.
    pub fn first_blank(&mut self, needed_bytes: u64) -> Result<Blank, Error> {
        let part = (self.segment_bytes / SEGMENT_FIRST_PART).max(SEGMENT_FIRST_BYTES_MIN);
        let ordinary = !self.spares.is_empty() && needed_bytes <= self.segment_bytes;
        let wanted =
            if ordinary { self.segment_bytes } else { part.min(self.segment_bytes).max(needed_bytes) };
        match self.blank(wanted, None) {
            // A full disk must not keep the log shut: reads go on, and writes are refused until there is space.
            Err(Error::NoSpace { .. }) if needed_bytes < wanted => self.blank(needed_bytes, None),
            other => other,
        }
    }

    /// Makes a file of `file_bytes` bytes, in whole pages, without a final name, and with a note of the active
    /// segment when there is one.
    ///
    /// # Errors
    /// `NoSpace`; `Io`. Either way the half-made file is removed.
    fn blank(&mut self, file_bytes: u64, active: Option<SegmentId>) -> Result<Blank, Error> {
        let id = SegmentId(self.next_id);
        self.next_id =
            self.next_id.checked_add(1).ok_or(Error::Options { what: "segment numbers are used up" })?;
        let path = self.path(id, FileKind::Unfinished);
        let file_bytes = file_bytes.next_multiple_of(SEGMENT_BYTES_MIN);
        let spare = if file_bytes == self.segment_bytes { self.spares.pop() } else { None };
        let first = active.map_or([0; HEADER_BYTES], |active| encode_note(id, active));
        let made = match spare {
            Some(spare) => self.wipe(spare, &path, &first),
            None => self.fill(&path, file_bytes, &first),
        };
        match made {
            Ok(file) => Ok(Blank { id, file, file_bytes, path }),
            Err(source) => {
                // Best effort: what stays is removed by the next opening.
                let _ = self.disk.remove(&path);
                Err(no_space_or_io(source, &path, file_bytes))
            }
        }
    }

    /// Gives a blank its final name and makes the name durable. After an error the blank is lost.
    pub fn name(&mut self, blank: Blank) -> Result<Prepared, Error> {
        self.remove_misnamed()?;
        let Blank { id, file, file_bytes, path } = blank;
        let to = self.path(id, FileKind::Segment);
        self.disk.rename(&path, &to).map_err(Error::io("renaming", &path))?;
        if !planted(Bug::SkipDirectorySync) {
            self.sync_dir().inspect_err(|_| self.misnamed.push(id))?;
        }
        Ok(Prepared { id, file, file_bytes })
    }

    /// The directory sync of the name given next covers the removal, too.
    fn remove_misnamed(&mut self) -> Result<(), Error> {
        while let Some(id) = self.misnamed.last() {
            let path = self.path(*id, FileKind::Segment);
            match self.disk.remove(&path) {
                Err(source) if source.kind() != io::ErrorKind::NotFound => {
                    return Err(Error::io("removing", &path)(source));
                }
                _ => self.misnamed.pop(),
            };
        }
        Ok(())
    }

    fn wipe(
        &self,
        spare: SegmentId,
        path: &Path,
        first: &[u8; HEADER_BYTES],
    ) -> io::Result<Arc<dyn DiskFile>> {
        self.disk.rename(&self.path(spare, FileKind::Spare), path)?;
        // The new number must last before frames of that number stand in the file. Otherwise a crash brings back
        // the old name, the number is given out again, and those frames would verify under it.
        self.disk.sync_dir(&self.dir)?;
        let file = self.disk.open(path, OpenMode::ReadWrite)?;
        file.write_at(0, first)?;
        file.sync_data()?;
        Ok(file)
    }

    fn fill(
        &self,
        path: &Path,
        file_bytes: u64,
        first: &[u8; HEADER_BYTES],
    ) -> io::Result<Arc<dyn DiskFile>> {
        let file = self.disk.open(path, OpenMode::Create)?;
        let mut zeros = vec![0; FILL_BYTES];
        zeros[..HEADER_BYTES].copy_from_slice(first);
        let mut at = 0;
        while at < file_bytes {
            let rest = usize::try_from(file_bytes - at).unwrap_or(usize::MAX);
            let piece = &zeros[..rest.min(FILL_BYTES)];
            file.write_at(at, piece)?;
            at += piece.len() as u64;
            zeros[..HEADER_BYTES].fill(0);
        }
        file.sync_data()?;
        Ok(file)
    }
}

fn no_space_or_io(source: io::Error, path: &Path, needed_bytes: u64) -> Error {
    match source.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::NoSpace { needed_bytes, source },
        _ => Error::io("making", path)(source),
    }
}
