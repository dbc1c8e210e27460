//! Reading frames from a position on, through sealed segments and along the one being written.

use std::sync::Arc;

use super::scan::{SegmentScan, Step};
use super::source::Source;
use super::{Error, FrameRef, Held, Log, Segment, Shared};
use crate::record::{Lsn, Position};

/// A cursor over the frames of a log. Sees what is written, durable or not. Survives retirement: a segment
/// it stands in stays readable.
#[derive(Debug)]
pub struct Reader {
    shared: Arc<Shared>,
    /// Frames that end below this lsn are passed over.
    from: Lsn,
    /// The lsn the next frame starts with, once one was read.
    next: Lsn,
    inside: Option<(Arc<Segment>, SegmentScan)>,
}

impl Log {
    /// A reader whose first frame is the one that holds `from` (or the first one after it was written).
    /// Opens nothing yet.
    #[must_use]
    pub fn reader(&self, from: Lsn) -> Reader {
        let from = Lsn(from.0.max(1));
        Reader { shared: Arc::clone(&self.shared), from, next: from, inside: None }
    }
}

impl Reader {
    /// The next frame, or `None` while no further one is written; ask again later.
    ///
    /// # Errors
    /// `Retired` when the position is no longer kept, `Corrupt` for damage, `Io`.
    ///
    /// # Cost
    /// One crc32c pass over the frame. The first call, and only it, walks the segment up to the position.
    pub fn next_frame(&mut self) -> Result<Option<FrameRef<'_>>, Error> {
        while self.step()? {
            let last = self.frame().map(|frame| frame.last_lsn()).unwrap_or_default();
            self.next = last.plus(1);
            if last >= self.from {
                return Ok(self.frame());
            }
        }
        Ok(None)
    }

    /// The lsn behind the last frame returned: where another reader would go on.
    #[must_use]
    pub fn position(&self) -> Lsn {
        self.next.max(self.from)
    }

    /// The frame returned last, while no further step was taken.
    #[must_use]
    pub fn frame(&self) -> Option<FrameRef<'_>> {
        self.inside.as_ref()?.1.frame()
    }

    /// The position of a record of that frame; `Position::default()` without one.
    #[must_use]
    pub fn position_of(&self, lsn: Lsn) -> Position {
        let inside = self.inside.as_ref();
        inside.map_or_else(Position::default, |(segment, _)| Held::of(Arc::clone(segment)).position(lsn))
    }

    /// Goes one frame on, wherever it is. False when there is none yet.
    fn step(&mut self) -> Result<bool, Error> {
        loop {
            let Some((segment, scan)) = &mut self.inside else {
                if !self.enter()? {
                    return Ok(false);
                }
                continue;
            };
            // The seal is read first: an end read after it is final.
            let sealed = segment.is_sealed();
            let end = segment.end();
            if scan.offset() < end {
                scan.limit(end);
                return match scan.advance()? {
                    Step::Frame => Ok(true),
                    Step::Footer => Err(scan.corrupt(super::envelope::Fault::Zeros)),
                    Step::Fault(fault) => Err(scan.corrupt(fault)),
                };
            }
            if !sealed {
                return Ok(false);
            }
            self.next = self.next.max(scan.next_lsn());
            self.inside = None;
        }
    }

    /// Enters the segment that holds `next`. False when nothing at or above it is written.
    fn enter(&mut self) -> Result<bool, Error> {
        if self.next > self.shared.written() {
            return self.check_retired().map(|()| false);
        }
        let segment = {
            let segments = self.shared.segments.lock();
            let after = segments.partition_point(|segment| segment.header.base_lsn <= self.next);
            match after.checked_sub(1).and_then(|at| segments.get(at)) {
                Some(segment) => Arc::clone(segment),
                None => {
                    let first = segments.front().map_or(Lsn::ZERO, |first| first.header.base_lsn);
                    return Err(Error::Retired { first });
                }
            }
        };
        let scan = open_scan(&segment)?;
        self.inside = Some((segment, scan));
        Ok(true)
    }

    /// Nothing above `next` is written; still, say so when it was there once and is gone.
    fn check_retired(&self) -> Result<(), Error> {
        let segments = self.shared.segments.lock();
        match segments.front().map(|first| first.header.base_lsn) {
            Some(first) if self.next < first => Err(Error::Retired { first }),
            _ => Ok(()),
        }
    }
}

/// Sealed segments are mapped; the active one is read in windows, since it still changes.
fn open_scan(segment: &Segment) -> Result<SegmentScan, Error> {
    let reading = |source| {
        let path = format!("segment {}", segment.header.id).into();
        Error::Io { doing: "reading", path, source }
    };
    let source = if segment.is_sealed() {
        Source::mapped(&segment.file).map_err(reading)?
    } else {
        Source::window(Arc::clone(&segment.file))
    };
    let file_bytes = segment.file.len().map_err(reading)?;
    Ok(SegmentScan::unbounded(source, segment.header, file_bytes))
}
