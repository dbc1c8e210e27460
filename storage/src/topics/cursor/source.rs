//! Where a page takes its records from: a sealed segment, mapped, or the one being written.
//!
//! Of the segment being written whatever stands in front of its end no longer changes. A cursor that jumps far behind
//! that end maps those bytes, or shares what another one mapped. Near the end a mapping would be out of date at once, and
//! where everything is read a copy into a window costs less than waiting for each cache line.

use std::sync::Arc;

use super::page::Reading;
use crate::disk::MappedBytes;
use crate::log::Held;
use crate::topics::error::Error;
use crate::topics::index::{ENTRY_BYTES, Entry, Index};
use crate::topics::shelf::{Chapter, Open};

/// Bytes read ahead in the segment being written.
const WINDOW_BYTES: u64 = 128 * 1024;
/// What the memory gives at a time, and how much of a record is asked for ahead.
const CACHE_LINE_BYTES: usize = 64;
const TOUCHED_LINES: usize = 4;

/// See the module.
#[derive(Debug)]
pub(super) enum Source {
    Sealed { chapter: Arc<Chapter>, index: Arc<Index> },
    Open(Copied),
}

/// What was taken of the segment being written.
#[derive(Debug, Default)]
pub(super) struct Copied {
    /// Entries `batch_at..` as they were when copied.
    pub batch: Vec<[u8; ENTRY_BYTES]>,
    pub batch_at: usize,
    map: Option<Arc<dyn MappedBytes>>,
    /// Bytes `window_at..` of the segment.
    window: Vec<u8>,
    window_at: u64,
}

/// The segment is no longer written: its chapter, unless that is retired.
pub(super) type Turned = Option<Arc<Chapter>>;

/// Looks at the segment being written, under its lock.
pub(super) fn with_open<R>(
    held: &Held,
    reading: &Reading<'_>,
    look: impl FnOnce(&mut Open) -> R,
) -> Result<R, Turned> {
    reading.shared.gate().with(|shelf| {
        if shelf.open.held.id() == held.id() {
            return Ok(look(&mut shelf.open));
        }
        Err(shelf.sealed.iter().find(|chapter| chapter.held.id() == held.id()).map(Arc::clone))
    })
}

impl Source {
    pub fn sealed(chapter: Arc<Chapter>) -> Source {
        let index = chapter.index();
        Source::Sealed { chapter, index }
    }

    /// Makes the bytes of a record readable. `sparse`: what follows it is not read next.
    #[inline]
    pub fn fetch(
        &mut self,
        held: &Held,
        entry: Entry,
        reading: &Reading<'_>,
        sparse: bool,
    ) -> Result<(), Error> {
        match self {
            Source::Open(copied) if copied.bytes_of(entry).is_none() => {
                copied.read(held, entry, reading, sparse)
            }
            Source::Open(_) | Source::Sealed { .. } => Ok(()),
        }
    }

    /// The bytes of a record that was fetched; `None` when it leaves the segment.
    #[inline]
    pub fn bytes_of(&self, entry: Entry) -> Result<Option<&[u8]>, Error> {
        match self {
            Source::Sealed { chapter, .. } => Ok(within(chapter.bytes()?, 0, entry)),
            Source::Open(copied) => Ok(copied.bytes_of(entry)),
        }
    }

    /// Asks the memory for records that are looked at soon, all at once: one by one, each would be waited for.
    pub fn touch(&self, ahead: &[(u32, Entry)]) {
        let bytes: &[u8] = match self {
            Source::Sealed { chapter, .. } => chapter.bytes().unwrap_or_default(),
            Source::Open(copied) => copied.map.as_deref().map(|map| &map[..]).unwrap_or_default(),
        };
        for (_, entry) in ahead {
            let record = within(bytes, 0, *entry).unwrap_or_default();
            let lines = record.iter().step_by(CACHE_LINE_BYTES).take(TOUCHED_LINES).chain(record.last());
            lines.for_each(|byte| _ = std::hint::black_box(*byte));
        }
    }
}

impl Copied {
    /// Entry `at`, if it was copied.
    #[inline]
    pub fn entry(&self, at: usize) -> Option<&[u8; ENTRY_BYTES]> {
        self.batch.get(at.checked_sub(self.batch_at)?)
    }

    #[inline]
    fn bytes_of(&self, entry: Entry) -> Option<&[u8]> {
        let mapped = self.map.as_ref().and_then(|map| within(map, 0, entry));
        mapped.or_else(|| within(&self.window, self.window_at, entry))
    }

    /// Makes a record readable.
    fn read(&mut self, held: &Held, entry: Entry, reading: &Reading<'_>, sparse: bool) -> Result<(), Error> {
        let from = u64::from(entry.offset);
        let rest = held.end().saturating_sub(from);
        if sparse {
            self.map = with_open(held, reading, |open| open.map.clone()).unwrap_or_default();
        }
        if sparse && self.bytes_of(entry).is_none() && rest >= reading.tuning.map_bytes_min {
            // Where no more can be mapped it is read.
            self.map = held.map_settled().ok().map(Arc::from);
            let map = self.map.clone();
            // What it takes the place of is unmapped outside of the lock.
            drop(with_open(held, reading, |open| std::mem::replace(&mut open.map, map)));
        }
        if self.bytes_of(entry).is_some() {
            return Ok(());
        }
        self.map = None;
        let ahead = WINDOW_BYTES.min(rest).max(u64::from(entry.bytes));
        self.window.resize(usize::try_from(ahead).unwrap_or(usize::MAX), 0);
        self.window_at = from;
        Ok(held.read_at(from, &mut self.window).inspect_err(|_| self.window.clear())?)
    }
}

/// The record in bytes that begin at byte `start` of the segment.
#[inline]
fn within(bytes: &[u8], start: u64, entry: Entry) -> Option<&[u8]> {
    let from = usize::try_from(u64::from(entry.offset).checked_sub(start)?).ok()?;
    bytes.get(from..from.checked_add(entry.bytes as usize)?)
}
