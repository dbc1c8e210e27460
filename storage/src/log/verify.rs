//! The scrub: reading sealed segments again, to find damage before somebody needs the bytes.

use std::sync::Arc;

use super::header::HEADER_BYTES;
use super::scan::{SegmentScan, Step};
use super::source::Source;
use super::{Error, Log, Segment};
use crate::record::SegmentId;

/// What a scrub read without finding damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verified {
    /// Segments.
    pub segments: u64,
    /// Frames in them.
    pub frames: u64,
    /// Bytes of those frames, envelopes and padding included.
    pub bytes: u64,
}

impl Log {
    /// Ids of the sealed segments, oldest first: what a scrub walks, one at a time.
    #[must_use]
    pub fn sealed(&self) -> Vec<SegmentId> {
        let segments = self.shared.segments.lock();
        segments.iter().filter(|segment| segment.is_sealed()).map(|segment| segment.header.id).collect()
    }

    /// Verifies header, every frame, footer and body hash of one sealed segment. A segment that was retired
    /// meanwhile counts as nothing.
    ///
    /// # Errors
    /// `Corrupt` with segment, offset and the first lsn lost; `Io`.
    pub fn verify_sealed(&self, id: SegmentId) -> Result<Verified, Error> {
        let segment = {
            let segments = self.shared.segments.lock();
            segments.iter().find(|segment| segment.header.id == id && segment.is_sealed()).map(Arc::clone)
        };
        segment.map_or(Ok(Verified::default()), |segment| verify(&segment))
    }
}

fn verify(segment: &Segment) -> Result<Verified, Error> {
    let reading = |source| {
        let path = format!("segment {}", segment.header.id).into();
        Error::Io { doing: "verifying", path, source }
    };
    let corrupt = |offset, what| {
        let (segment, lsn) = (segment.header.id, segment.header.base_lsn);
        Err(Error::Corrupt { segment, offset, lsn, what })
    };
    let mut first = [0; HEADER_BYTES];
    segment.file.read_at(0, &mut first).map_err(reading)?;
    if first != segment.header.encode() {
        return corrupt(0, "segment header does not verify");
    }
    let source = Source::window(Arc::clone(&segment.file));
    let mut scan = SegmentScan::over(source, segment.header, &segment.file).map_err(reading)?.hashing();
    if segment.footer_due && scan.footer().is_none() {
        return corrupt(segment.frames_limit(), "segment footer does not verify");
    }
    // A tail that a newer segment supersedes is no longer part of the log; its footer neither.
    let to_footer = scan.footer().is_some_and(|footer| footer.frames_end == segment.end());
    let mut found = Verified { segments: 1, ..Verified::default() };
    while to_footer || scan.offset() < segment.end() {
        match scan.advance()? {
            Step::Frame => found.frames += 1,
            Step::Footer => break,
            Step::Fault(fault) => return Err(scan.corrupt(fault)),
        }
    }
    found.bytes = scan.offset() - HEADER_BYTES as u64;
    Ok(found)
}
