//! Segments in the hands of somebody who reads them out of order: by an index of their own, not frame by frame.

use std::fmt;
use std::sync::Arc;

use super::scan::SegmentScan;
use super::source::Source;
use super::{Error, Log, Segment, Step};
use crate::disk::MappedBytes;
use crate::record::{Epoch, Lsn, Position, SegmentId};

/// A segment that counts. While it is held its file stays readable and is not used again, retired or not.
#[derive(Clone)]
pub struct Held {
    segment: Arc<Segment>,
}

impl Log {
    /// Every segment that counts, oldest first; the last one is active. Cost: the list lock, one count each.
    #[must_use]
    pub fn held(&self) -> Vec<Held> {
        let segments = self.shared.segments.lock();
        segments.iter().map(|segment| Held { segment: Arc::clone(segment) }).collect()
    }

    /// Where to begin reading for all frames of `time_us` or later: the first lsn of the newest segment that begins
    /// before that, otherwise of the oldest one. Cost: one frame of each segment passed.
    ///
    /// # Errors
    /// `Io`.
    pub fn since(&self, time_us: u64) -> Result<Lsn, Error> {
        let held = self.held();
        for segment in held.iter().rev() {
            let mut scan = segment.scan()?;
            let begun = segment.last_lsn() >= segment.base_lsn() && scan.advance()? == Step::Frame;
            if begun && scan.frame().is_some_and(|frame| frame.head.time_us < time_us) {
                return Ok(segment.base_lsn());
            }
        }
        Ok(held.first().map_or(Lsn(1), Held::base_lsn))
    }

    /// The segment with this number, if it counts.
    #[must_use]
    pub fn held_segment(&self, id: SegmentId) -> Option<Held> {
        let segments = self.shared.segments.lock();
        // The newest ones are asked for most.
        let segment = segments.iter().rev().find(|segment| segment.header.id == id)?;
        Some(Held { segment: Arc::clone(segment) })
    }
}

impl Held {
    pub(super) fn of(segment: Arc<Segment>) -> Held {
        Held { segment }
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> SegmentId {
        self.segment.header.id
    }

    /// Random mark of this life of the file: with the number it names these very bytes.
    #[must_use]
    pub fn salt(&self) -> u64 {
        self.segment.header.salt
    }

    /// Lsn of its first record, or of the one that will be.
    #[must_use]
    pub fn base_lsn(&self) -> Lsn {
        self.segment.header.base_lsn
    }

    /// Lsn of its last record so far, inclusive; one below `base_lsn` while there is none.
    #[must_use]
    pub fn last_lsn(&self) -> Lsn {
        self.segment.last_lsn()
    }

    /// Byte offset behind its last frame so far.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.segment.end()
    }

    /// True once no frame will be added.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.segment.is_sealed()
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn file_bytes(&self) -> u64 {
        self.segment.header.segment_bytes
    }

    /// The life of the log its own records belong to.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.segment.header.epoch
    }

    /// The first lsn written in [`epoch`](Held::epoch). What an opening copied into the segment lies below it: those
    /// records were written in the epoch before, and keep their positions.
    #[must_use]
    pub fn own_lsn(&self) -> Lsn {
        // An opening calls everything it found durable in the header of the segment it begins; a header written
        // while the log runs never calls more durable than lies in front of the segment.
        self.segment.header.base_lsn.max(self.segment.header.durable.plus(1))
    }

    /// The position of the record `lsn` of this segment.
    #[must_use]
    pub fn position(&self, lsn: Lsn) -> Position {
        let epoch = self.epoch();
        // Openings copy only what the life directly before them left, and number lives without gaps.
        let copied = lsn < self.own_lsn();
        Position { epoch: if copied { Epoch(epoch.0.saturating_sub(1)) } else { epoch }, lsn }
    }

    /// All bytes of a sealed segment, unverified. One mapping; no page is read yet.
    ///
    /// # Errors
    /// `Io`; `Options` when the segment is still written.
    pub fn map(&self) -> Result<Box<dyn MappedBytes>, Error> {
        if !self.is_sealed() {
            return Err(Error::Options { what: "only a sealed segment is mapped" });
        }
        self.segment.file.map().map_err(|source| self.unreadable("mapping", source))
    }

    /// The bytes in front of [`end`](Held::end), unverified: they no longer change, also while the segment is still
    /// written. One mapping; no page is read yet.
    ///
    /// # Errors
    /// `Io`.
    pub fn map_settled(&self) -> Result<Box<dyn MappedBytes>, Error> {
        self.segment.file.map_first(self.end()).map_err(|source| self.unreadable("mapping", source))
    }

    /// Copies bytes of the segment, unverified. Only what lies below [`end`](Held::end) is settled.
    ///
    /// # Errors
    /// `Io`.
    pub fn read_at(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.segment.file.read_at(offset, out).map_err(|source| self.unreadable("reading", source))
    }

    /// Walks the frames from the first one to the present end; a step beyond it is a fault.
    ///
    /// # Errors
    /// `Io`.
    pub fn scan(&self) -> Result<SegmentScan, Error> {
        let source = if self.is_sealed() {
            Source::mapped(&self.segment.file).map_err(|source| self.unreadable("mapping", source))?
        } else {
            Source::window(Arc::clone(&self.segment.file))
        };
        let mut scan = SegmentScan::unbounded(source, self.segment.header, self.file_bytes());
        scan.limit(self.end());
        Ok(scan)
    }

    fn unreadable(&self, doing: &'static str, source: std::io::Error) -> Error {
        Error::Io { doing, path: format!("segment {}", self.id()).into(), source }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Held").field(&self.id()).finish()
    }
}
