//! Letting go of segments that nobody needs any more.

use std::sync::Arc;

use super::{Error, Log};
use crate::record::Lsn;

impl Log {
    /// Retires every sealed segment whose records are all at or below `through` (inclusive) and durable.
    /// They become spares or are removed. Returns how many.
    ///
    /// A segment stays while the header of the next one is not durable: what is left must begin with one.
    /// Oldest first, each name gone for good before the next is touched, so a crash never leaves a hole.
    /// A segment that a [`Reader`](super::Reader) still holds is removed, never reused under its eyes.
    ///
    /// # Errors
    /// `Io`; the segments not yet gone stay and are tried again by the next call.
    ///
    /// # Cost
    /// A rename and a directory sync per segment.
    pub fn retire(&self, through: Lsn) -> Result<usize, Error> {
        self.retire_beyond(through, Lsn(u64::MAX), 0)
    }

    /// [`Log::retire`] that keeps what is above `old` as long as the whole log has no more than `bytes_max` bytes.
    ///
    /// # Errors
    /// As [`Log::retire`].
    pub fn retire_beyond(&self, through: Lsn, old: Lsn, bytes_max: u64) -> Result<usize, Error> {
        let shared = &*self.shared;
        let through = through.min(shared.durable());
        let mut retired = 0;
        // One caller at a time, from the list to the directory.
        let mut pool = shared.pool.lock();
        loop {
            let oldest = {
                let mut segments = shared.segments.lock();
                let bytes: u64 = segments.iter().map(|segment| segment.header.segment_bytes).sum();
                let through = if bytes > bytes_max { through } else { through.min(old) };
                let due =
                    segments.front().is_some_and(|first| first.is_sealed() && first.last_lsn() <= through);
                if !due || !segments.get(1).is_some_and(|next| next.is_begun()) {
                    return Ok(retired);
                }
                segments.pop_front()
            };
            let Some(segment) = oldest else { return Ok(retired) };
            // Off the list nobody new can get hold of it, so a count of one stays one.
            let reusable = Arc::strong_count(&segment) == 1;
            let (id, file_bytes) = (segment.header.id, segment.header.segment_bytes);
            if let Err(error) = pool.put_away(id, file_bytes, reusable) {
                shared.segments.lock().push_front(segment);
                return Err(error);
            }
            retired += 1;
        }
    }
}
