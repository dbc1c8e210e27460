//! The write end: room, frames, rolling to the next segment, closing.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::footer::SealKind;
use super::frame::{FRAME_ALIGN_BYTES, FRAME_HEADROOM_BYTES, FrameBuffer, FrameHead, stored_bytes};
use super::segment::{file_bytes_for, file_bytes_for_body};
use super::spare::Pool;
use super::writer::Writer;
use super::{Error, Log, Shared};
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::record::SegmentId;

/// Bytes a frame takes beyond its body, at most.
const FRAME_COST_BYTES: u64 = (FRAME_HEADROOM_BYTES + FRAME_ALIGN_BYTES) as u64;

/// Where a frame went: its envelope stands there, its body [`FRAME_HEADROOM_BYTES`] further on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Appended {
    /// The segment.
    pub segment: SegmentId,
    /// Byte offset in it.
    pub offset: u64,
}

impl Log {
    /// Hands one frame to the operating system with a single positioned write. When it returns, the frame
    /// survives the death of the process, and [`written`](Log::written) is its last lsn.
    ///
    /// `frame` keeps its body. One caller at a time; a second one waits. `first_lsn` and `index` must go on
    /// exactly where the last frame ended.
    ///
    /// # Errors
    /// `OutOfOrder`, `FrameTooLarge`, `Closed`, `Poisoned`, `NoSpace`, `Io`: nothing was written. `Write`: it is
    /// unknown what was written, the log is poisoned.
    ///
    /// # Cost
    /// Two crc32c passes over the body beside the write, no allocation. Where the segment is full, two more
    /// writes, and making the next segment unless [`prepare`](Log::prepare) did.
    pub fn append(&self, head: &FrameHead, frame: &mut FrameBuffer) -> Result<Appended, Error> {
        let shared = &*self.shared;
        shared.check_poison()?;
        check_size(frame.len() as u64)?;
        let mut writer = shared.writer.lock();
        if writer.closed {
            return Err(Error::Closed);
        }
        let last = writer.check_order(head)?;
        if stored_bytes(frame.len()) > writer.room() {
            shared.roll(&mut writer, frame.len())?;
        }
        let appended = Appended { segment: writer.segment.header.id, offset: writer.tip.offset };
        let written = writer.write_frame(head, last, frame, shared.durable());
        written.map_err(|error| shared.poison(error))?;
        // Relaxed: a hint, and `reserve` is called by whoever calls this.
        shared.room_bytes.store(writer.room(), Ordering::Relaxed);
        // Pairs with the acquire in `written`; the segment was marked unsynced before.
        shared.written.store(last.0, Ordering::Release);
        Ok(appended)
    }

    /// Makes sure that frames with `body_bytes` in all can be appended without asking the disk for space.
    /// Call it *before* applying an operation, with all bytes submitted and not yet appended, these
    /// included; then a full disk refuses one operation instead of poisoning the store.
    ///
    /// # Errors
    /// `NoSpace`: a clean refusal, try again later. `FrameTooLarge`, `Poisoned`, `Io`.
    ///
    /// # Cost
    /// Two relaxed loads, except when a segment must be made.
    pub fn reserve(&self, body_bytes: u64) -> Result<(), Error> {
        let shared = &*self.shared;
        shared.check_poison()?;
        // Bytes on their way may be two frames: one being written, one being filled.
        let needed = body_bytes.saturating_add(2 * FRAME_COST_BYTES);
        // Relaxed: the caller is the one who appends, or is ordered with it by its own lock.
        let room =
            shared.room_bytes.load(Ordering::Relaxed).max(shared.prepared_bytes.load(Ordering::Relaxed));
        if needed <= room {
            return Ok(());
        }
        check_size(body_bytes / 2)?;
        let mut pool = shared.pool.lock();
        let prepared = pool.prepare(file_bytes_for(needed), shared.active());
        shared.note_prepared(&pool);
        prepared.map(|_| ())
    }

    /// Whether [`reserve`](Log::reserve) of so many bytes would answer at once. Cost: two relaxed loads.
    #[must_use]
    pub fn has_room(&self, body_bytes: u64) -> bool {
        let shared = &*self.shared;
        // Bytes on their way may be two frames: one being written, one being filled.
        let needed = body_bytes.saturating_add(2 * FRAME_COST_BYTES);
        // Relaxed: the caller is the one who appends, or is ordered with it by its own lock.
        needed <= shared.room_bytes.load(Ordering::Relaxed).max(shared.prepared_bytes.load(Ordering::Relaxed))
    }

    /// Makes the next segment file ahead of need; false when there is one already. For a background thread,
    /// so that no append has to.
    ///
    /// # Errors
    /// `NoSpace`, `Io`; the log goes on working with the room it has.
    pub fn prepare(&self) -> Result<bool, Error> {
        self.shared.check_poison()?;
        let mut pool = self.shared.pool.lock();
        let prepared = pool.prepare(0, self.shared.active());
        self.shared.note_prepared(&pool);
        prepared
    }

    /// Removes the segment files kept to be used again, when the disk is short of room. Returns how many.
    ///
    /// # Errors
    /// `Io`; nothing but room is lost.
    pub fn release_spares(&self) -> Result<usize, Error> {
        self.shared.pool.lock().release_spares()
    }

    /// True when [`prepare`](Log::prepare) has something to do.
    #[must_use]
    pub fn wants_prepare(&self) -> bool {
        // Relaxed: a hint.
        self.shared.prepared_bytes.load(Ordering::Relaxed) == 0
    }

    /// Stops cleanly: syncs, and seals the active segment with a footer that says so. The next opening goes
    /// on in the same epoch. Later appends are refused; closing again does nothing.
    ///
    /// # Errors
    /// As [`sync`](Log::sync); `Write`.
    pub fn close(&self) -> Result<(), Error> {
        let shared = &*self.shared;
        let mut writer = shared.writer.lock();
        if writer.closed {
            return Ok(());
        }
        // The footer calls everything durable, so everything must be before it is written.
        let durable = self.sync()?;
        writer.write_footer(SealKind::Closed, durable).map_err(|error| shared.poison(error))?;
        writer.closed = true;
        self.sync()?;
        Ok(())
    }
}

impl Shared {
    /// Goes on in the next segment, which will hold a frame with a body of `body_len`.
    fn roll(&self, writer: &mut Writer, body_len: usize) -> Result<(), Error> {
        let mut pool = self.pool.lock();
        let made = pool.prepare(file_bytes_for_body(body_len), writer.segment.header.id);
        let prepared = pool.prepared.take();
        self.note_prepared(&pool);
        made?;
        let prepared = prepared.ok_or(Error::Options { what: "no segment was prepared" })?;
        let sealed = Arc::clone(&writer.segment);
        writer.roll(prepared, self.durable()).map_err(|error| self.poison(error))?;
        // Listed before the old one says sealed: a reader that sees the seal finds the next segment.
        self.segments.lock().push_back(Arc::clone(&writer.segment));
        sealed.seal();
        Ok(())
    }

    /// The segment that frames go into now. Called under the pool's lock, which rolling takes, too, so that it
    /// stays the active one while a file is made beside it.
    fn active(&self) -> SegmentId {
        let segments = self.segments.lock();
        segments.back().map(|newest| newest.header.id).expect("the segment list is never empty")
    }

    fn note_prepared(&self, pool: &Pool) {
        let room = pool.prepared.as_ref().map_or(0, |prepared| prepared.file_bytes - file_bytes_overhead());
        // Relaxed: a hint, see `reserve`.
        self.prepared_bytes.store(room, Ordering::Relaxed);
    }
}

/// Bytes of a segment file that are not for frames.
fn file_bytes_overhead() -> u64 {
    (super::header::HEADER_BYTES + super::footer::FOOTER_BYTES) as u64
}

fn check_size(bytes: u64) -> Result<(), Error> {
    let limit_bytes = FRAME_BODY_BYTES_MAX as u64;
    if bytes > limit_bytes { Err(Error::FrameTooLarge { bytes, limit_bytes }) } else { Ok(()) }
}
