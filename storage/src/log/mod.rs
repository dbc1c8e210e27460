//! The log: segments of checksummed frames, appended, synced, read back and retired. *The log is the truth.*
//!
//! A frame is one group commit: a head and a body that is opaque here ([`frame`]). Inside a segment each frame
//! sits in an envelope ([`envelope`]) that ties it to its place:
//!
//! ```text
//! segment file, segment_bytes long, made of zeros before its first use
//! +---------+----------+------+------+---+----------+------+------+---+-- - - - --+---------+
//! | header  | envelope | head | body | 0 | envelope | head | body | 0 |           | footer  |
//! |   96    |    24    |  56  |      |   |    24    |  56  |      |   |  unused   |   96    |
//! +---------+----------+------+------+---+----------+------+------+---+-- - - - --+---------+
//!  [header]  \________ one frame, padded to 8 bytes _/                             [footer], when sealed
//!
//! directory      <id>.seg  prepared, active or sealed      <id>.spare  to be used again      <id>.tmp
//! ```
//!
//! # Durability promise
//! [`Log::append`] hands a frame to the operating system: it survives the death of the process. [`Log::sync`]
//! makes everything appended before it survive a power cut. What survives is always a prefix.
//! A failed write or sync is final: the log is *poisoned*, because nobody knows what the disk holds.
//!
//! # Recovery
//! Opening walks the segments to the first place without a valid next frame; [`ending`] is the table of what
//! that means. Frames may be missing only above the highest lsn that anything calls durable: a checkpoint,
//! a header, a footer, or the `durable_lsn` that each envelope carries.
//! Every opening begins a fresh segment. After an unclean stop it opens a new *epoch* and first takes in a copy of
//! all frames not known to be durable, since those may stand in the page cache alone; its `base_lsn` supersedes
//! them in older segments. It is synced before it gets its name, so a crash in between finds the old state.
//! Old segments are never written again.
//!
//! # Order of effects
//! A prepared file has its final name, synced, before its first frame. A sealed file is synced before the one
//! after it. Segments are retired oldest first, each for good before the next.
//!
//! No threads live here. One caller at a time appends; syncs, readers, retirement and preparation may run beside it.

mod append;
mod behind;
pub mod ending;
pub mod envelope;
mod error;
pub mod footer;
pub mod frame;
pub mod header;
mod held;
mod layout;
mod look;
mod names;
mod open;
mod reader;
mod recover;
mod retire;
pub mod scan;
mod segment;
mod source;
mod spare;
mod survey;
mod sync;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod writer;

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

pub use self::append::Appended;
pub use self::error::Error;
pub use self::footer::LastSeen;
pub use self::frame::{FrameBuffer, FrameHead, FrameRef};
pub use self::held::Held;
pub use self::look::{Look, Looked, look};
pub use self::open::{Ending, Opened, Options};
pub use self::reader::Reader;
pub use self::scan::{SegmentScan, Step};
use self::segment::Segment;
use self::spare::Pool;
pub use self::verify::Verified;
use self::writer::Writer;
use crate::record::{Epoch, Lsn, SegmentId};

/// An open log. Dropping it without [`close`](Log::close) is an unclean stop: nothing is lost but the epoch.
#[derive(Debug)]
pub struct Log {
    shared: Arc<Shared>,
}

/// What the log and its readers share. Locks are taken in the order of the fields.
#[derive(Debug)]
struct Shared {
    epoch: Epoch,
    writer: Mutex<Writer>,
    /// Held during a sync; the lowest segment that may have unsynced bytes.
    syncing: Mutex<SegmentId>,
    pool: Mutex<Pool>,
    /// Every segment that counts, oldest first; the last one is active.
    segments: Mutex<VecDeque<Arc<Segment>>>,
    written: AtomicU64,
    durable: AtomicU64,
    /// Bytes left for frames in the active segment, and in the prepared one. Hints for `reserve`.
    room_bytes: AtomicU64,
    prepared_bytes: AtomicU64,
    poisoned: AtomicBool,
}

/// What a log occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Segments that count, the active one included.
    pub segments: usize,
    /// Length of their files in bytes.
    pub bytes: u64,
    /// Lsn of the oldest record kept; one past `written` when there is none.
    pub first_lsn: Lsn,
}

impl Log {
    /// The current life of the log.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.shared.epoch
    }

    /// Last lsn handed to the operating system, inclusive.
    #[must_use]
    pub fn written(&self) -> Lsn {
        self.shared.written()
    }

    /// Last lsn that survives a power cut, inclusive.
    #[must_use]
    pub fn durable(&self) -> Lsn {
        self.shared.durable()
    }

    /// True after a failed write or sync.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.shared.check_poison().is_err()
    }

    /// What the log occupies. Takes the list lock.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let segments = self.shared.segments.lock();
        let first_lsn = segments.front().map_or(Lsn::ZERO, |segment| segment.header.base_lsn);
        let bytes = segments.iter().map(|segment| segment.header.segment_bytes).sum();
        Usage { segments: segments.len(), bytes, first_lsn }
    }
}

impl Shared {
    fn written(&self) -> Lsn {
        // Pairs with the release in `append`: whoever sees the lsn may read and sync the frame.
        Lsn(self.written.load(Ordering::Acquire))
    }

    fn durable(&self) -> Lsn {
        // Pairs with the release in `sync`.
        Lsn(self.durable.load(Ordering::Acquire))
    }

    fn check_poison(&self) -> Result<(), Error> {
        // Pairs with the release in `poison`.
        if self.poisoned.load(Ordering::Acquire) { Err(Error::Poisoned) } else { Ok(()) }
    }

    /// Passes a final error on and makes it final.
    fn poison(&self, error: Error) -> Error {
        // Pairs with the acquire in `check_poison`.
        self.poisoned.store(true, Ordering::Release);
        error
    }
}
