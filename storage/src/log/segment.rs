//! A segment in the hands of a running log: shared by the writer, the syncer, readers and retirement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::footer::FOOTER_BYTES;
use super::frame::stored_bytes;
use super::header::{HEADER_BYTES, Header};
use super::layout::round_up;
use crate::disk::DiskFile;
use crate::record::Lsn;

/// Segment files are made in whole pages.
const PAGE_BYTES: u64 = 4096;

/// Bytes a segment file must have so that frames of `frames_bytes` in all fit into it.
pub(super) fn file_bytes_for(frames_bytes: u64) -> u64 {
    let around = (HEADER_BYTES + FOOTER_BYTES) as u64;
    round_up(frames_bytes.saturating_add(around), PAGE_BYTES).unwrap_or(u64::MAX)
}

/// Bytes a segment file must have so that one frame with this body fits into it.
pub(super) fn file_bytes_for_body(body_len: usize) -> u64 {
    file_bytes_for(stored_bytes(body_len))
}

/// One segment that counts. Frames stand in `HEADER_BYTES..end`; their lsns are `base_lsn..=last_lsn`.
#[derive(Debug)]
pub(super) struct Segment {
    pub header: Header,
    pub file: Arc<dyn DiskFile>,
    end: AtomicU64,
    last_lsn: AtomicU64,
    sealed: AtomicBool,
    unsynced: AtomicBool,
    begun: AtomicBool,
    /// False for what an unclean stop left without a footer.
    pub footer_due: bool,
}

impl Segment {
    /// A segment without frames, to be written to.
    pub fn active(header: Header, file: Arc<dyn DiskFile>) -> Segment {
        Segment {
            header,
            file,
            end: AtomicU64::new(HEADER_BYTES as u64),
            last_lsn: AtomicU64::new(header.base_lsn.prev().0),
            sealed: AtomicBool::new(false),
            unsynced: AtomicBool::new(false),
            begun: AtomicBool::new(false),
            footer_due: true,
        }
    }

    /// A segment of an earlier life, whose frames up to byte `end` count.
    pub fn sealed(
        header: Header,
        file: Arc<dyn DiskFile>,
        end: u64,
        last_lsn: Lsn,
        footer_due: bool,
    ) -> Segment {
        Segment {
            end: AtomicU64::new(end),
            last_lsn: AtomicU64::new(last_lsn.0),
            sealed: AtomicBool::new(true),
            begun: AtomicBool::new(true),
            footer_due,
            ..Segment::active(header, file)
        }
    }

    /// First byte no frame may use: the footer stands there.
    pub fn frames_limit(&self) -> u64 {
        self.header.segment_bytes.saturating_sub(FOOTER_BYTES as u64)
    }

    /// Byte offset behind the last frame handed to the OS.
    pub fn end(&self) -> u64 {
        // Pairs with the release in `advance`: a reader that sees the end may read the bytes before it.
        self.end.load(Ordering::Acquire)
    }

    /// Lsn of the last record, inclusive; `base_lsn - 1` while there is none.
    pub fn last_lsn(&self) -> Lsn {
        // Pairs with the release in `advance`.
        Lsn(self.last_lsn.load(Ordering::Acquire))
    }

    /// Publishes one more frame. Only the writer calls this, after its write returned.
    pub fn advance(&self, end: u64, last_lsn: Lsn) {
        // Both pair with the acquires in `last_lsn` and `end`.
        self.last_lsn.store(last_lsn.0, Ordering::Release);
        self.end.store(end, Ordering::Release);
    }

    /// True once no frame will be added. `end` read after it is final.
    pub fn is_sealed(&self) -> bool {
        // Pairs with the release in `seal`.
        self.sealed.load(Ordering::Acquire)
    }

    /// No frame will be added.
    pub fn seal(&self) {
        // Pairs with the acquire in `is_sealed`; orders the last `advance` before it.
        self.sealed.store(true, Ordering::Release);
    }

    /// The file has bytes that no sync covers. Called after the write, before it is published as written.
    pub fn mark_unsynced(&self) {
        // Pairs with the swap in `take_unsynced`.
        self.unsynced.store(true, Ordering::Release);
    }

    /// True when a sync is due; the caller does it now.
    pub fn take_unsynced(&self) -> bool {
        // Pairs with the store in `mark_unsynced`: every write before the mark is before this sync.
        self.unsynced.swap(false, Ordering::AcqRel)
    }

    /// True once a sync covered the header: from then on the log can begin with this segment.
    pub fn is_begun(&self) -> bool {
        // Pairs with the release in `set_begun`.
        self.begun.load(Ordering::Acquire)
    }

    /// A sync of the file returned.
    pub fn set_begun(&self) {
        // Pairs with the acquire in `is_begun`.
        self.begun.store(true, Ordering::Release);
    }
}
