//! The frame: one group commit, later one Raft entry, byte-equal on every node that holds it.
//!
//! ```text
//!  byte  size
//!     0     2  format version (1)
//!     2     2  zero
//!     4     4  body_len in bytes
//!     8     8  term
//!    16     8  index        one per frame, no gaps
//!    24     8  first_lsn    of the first record in the body
//!    32     4  count        records in the body, at least 1; the last one is first_lsn + count - 1
//!    36     8  time_us      wall time of the commit
//!    44     8  hlc          hybrid logical clock
//!    52     4  crc32c over bytes 0..52 and the body
//!    56     .  body         opaque to this room
//! ```
//!
//! All numbers are little endian. Every later version keeps version, body_len and crc where they are, so
//! that an older program can tell "newer" from "damaged".

use super::envelope::ENVELOPE_BYTES;
use super::layout::{put, u16_at, u32_at, u64_at};
use crate::limits::FRAME_BODY_BYTES_MAX;
use crate::record::Lsn;

/// The frame format this program writes, and the newest it reads.
pub const FRAME_VERSION: u16 = 1;
/// Bytes of a frame head.
pub const HEAD_BYTES: usize = 56;
/// Bytes in front of a body in a segment: envelope and head.
pub const FRAME_HEADROOM_BYTES: usize = ENVELOPE_BYTES + HEAD_BYTES;
/// Frames start at multiples of this many bytes, so a search for them may step.
pub const FRAME_ALIGN_BYTES: usize = 8;

/// What a frame says about its body. Order of fields as on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameHead {
    /// Raft term; 0 on a lone node.
    pub term: u64,
    /// Number of the frame, counted from 1 without gaps.
    pub index: u64,
    /// Lsn of the first record in the body.
    pub first_lsn: Lsn,
    /// Records in the body, at least 1.
    pub count: u32,
    /// Wall time of the commit, microseconds since 1970.
    pub time_us: u64,
    /// Hybrid logical clock of the commit.
    pub hlc: u64,
}

impl FrameHead {
    /// Lsn of the last record, inclusive. `None` when `count` is 0 or the sum leaves `u64`.
    #[must_use]
    pub fn last_lsn(&self) -> Option<Lsn> {
        let beyond = u64::from(self.count).checked_sub(1)?;
        self.first_lsn.0.checked_add(beyond).map(Lsn)
    }

    /// Encodes the head for `body`, checksum included. Cost: one pass of crc32c over the body.
    #[must_use]
    pub fn encode(&self, body: &[u8]) -> [u8; HEAD_BYTES] {
        let body_len = u32::try_from(body.len()).expect("bodies are bounded by FRAME_BODY_BYTES_MAX");
        let mut bytes = [0; HEAD_BYTES];
        put(&mut bytes, 0, &FRAME_VERSION.to_le_bytes());
        put(&mut bytes, 4, &body_len.to_le_bytes());
        put(&mut bytes, 8, &self.term.to_le_bytes());
        put(&mut bytes, 16, &self.index.to_le_bytes());
        put(&mut bytes, 24, &self.first_lsn.0.to_le_bytes());
        put(&mut bytes, 32, &self.count.to_le_bytes());
        put(&mut bytes, 36, &self.time_us.to_le_bytes());
        put(&mut bytes, 44, &self.hlc.to_le_bytes());
        let crc = frame_crc(&bytes, body);
        put(&mut bytes, 52, &crc.to_le_bytes());
        bytes
    }

    /// Reads the fields; says nothing about whether they verify.
    pub(super) fn decode(bytes: &[u8; HEAD_BYTES]) -> FrameHead {
        FrameHead {
            term: u64_at(bytes, 8),
            index: u64_at(bytes, 16),
            first_lsn: Lsn(u64_at(bytes, 24)),
            count: u32_at(bytes, 32),
            time_us: u64_at(bytes, 36),
            hlc: u64_at(bytes, 44),
        }
    }
}

/// Format version a head claims.
pub(super) fn head_version(bytes: &[u8; HEAD_BYTES]) -> u16 {
    u16_at(bytes, 0)
}

/// Length of the body a head claims, or `None` when no frame may be that long.
pub(super) fn head_body_len(bytes: &[u8; HEAD_BYTES]) -> Option<usize> {
    let len = usize::try_from(u32_at(bytes, 4)).ok()?;
    (len <= FRAME_BODY_BYTES_MAX).then_some(len)
}

/// Checksum a head claims.
pub(super) fn head_crc(bytes: &[u8; HEAD_BYTES]) -> u32 {
    u32_at(bytes, 52)
}

/// Checksum over the head without its last field, and the body.
pub(super) fn frame_crc(head: &[u8; HEAD_BYTES], body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&head[..52]), body)
}

/// Bytes a frame with this body takes in a segment: envelope, head, body, padding.
#[must_use]
pub fn stored_bytes(body_len: usize) -> u64 {
    let end = FRAME_HEADROOM_BYTES.saturating_add(body_len);
    end.checked_next_multiple_of(FRAME_ALIGN_BYTES).unwrap_or(usize::MAX) as u64
}

/// A frame under construction: the body behind headroom for envelope and head, so that handing it to
/// [`Log::append`](super::Log::append) needs no copy. Meant to be reused.
#[derive(Debug)]
pub struct FrameBuffer {
    bytes: Vec<u8>,
}

impl Default for FrameBuffer {
    fn default() -> Self {
        Self::new()
    }
}

impl FrameBuffer {
    /// An empty body.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(0)
    }

    /// An empty body with room for `body_bytes` before it must grow.
    #[must_use]
    pub fn with_capacity(body_bytes: usize) -> Self {
        let mut bytes = Vec::with_capacity(FRAME_HEADROOM_BYTES + body_bytes + FRAME_ALIGN_BYTES);
        bytes.resize(FRAME_HEADROOM_BYTES, 0);
        Self { bytes }
    }

    /// Adds bytes to the body.
    pub fn extend(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The vector behind the buffer, for encoders that append to a `Vec`. Its first
    /// [`FRAME_HEADROOM_BYTES`] bytes are headroom; only add behind what is there.
    pub fn tail(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The body so far.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        self.bytes.get(FRAME_HEADROOM_BYTES..).unwrap_or_default()
    }

    /// Bytes in the body.
    #[must_use]
    pub fn len(&self) -> usize {
        self.body().len()
    }

    /// True when the body holds no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Empties the body and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.resize(FRAME_HEADROOM_BYTES, 0);
    }

    /// Cuts the body to its first `body_bytes` bytes; no effect when it is shorter.
    pub fn truncate(&mut self, body_bytes: usize) {
        self.bytes.truncate(FRAME_HEADROOM_BYTES.saturating_add(body_bytes));
    }

    /// Fills the headroom and the padding; what comes back is what goes to the disk. The body stays as
    /// it is once [`unpad`](FrameBuffer::unpad) is called.
    pub(super) fn seal(&mut self, envelope: &[u8], head: &[u8]) -> &[u8] {
        self.bytes[..ENVELOPE_BYTES].copy_from_slice(envelope);
        self.bytes[ENVELOPE_BYTES..FRAME_HEADROOM_BYTES].copy_from_slice(head);
        self.bytes.resize(self.bytes.len().next_multiple_of(FRAME_ALIGN_BYTES), 0);
        &self.bytes
    }

    /// Takes the padding away again after the write.
    pub(super) fn unpad(&mut self, body_len: usize) {
        self.bytes.truncate(FRAME_HEADROOM_BYTES + body_len);
    }
}

/// A frame read from a log and verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameRef<'a> {
    /// The head.
    pub head: FrameHead,
    /// The body, opaque to the log.
    pub body: &'a [u8],
    /// Highest lsn that was known durable when the frame was written.
    pub durable: Lsn,
    /// Byte offset of the frame's envelope in its segment.
    pub offset: u64,
}

impl FrameRef<'_> {
    /// Lsn of the last record, inclusive.
    #[must_use]
    pub fn last_lsn(&self) -> Lsn {
        self.head.last_lsn().unwrap_or(self.head.first_lsn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> FrameHead {
        FrameHead { term: 1, index: 2, first_lsn: Lsn(3), count: 4, time_us: 5, hlc: 6 }
    }

    #[test]
    fn head_survives_the_round_trip() {
        let bytes = head().encode(b"body");
        assert_eq!(FrameHead::decode(&bytes), head());
        assert_eq!(head_body_len(&bytes), Some(4));
        assert_eq!(head_version(&bytes), FRAME_VERSION);
        assert_eq!(head_crc(&bytes), frame_crc(&bytes, b"body"));
    }

    #[test]
    fn the_checksum_covers_head_and_body() {
        let bytes = head().encode(b"body");
        assert_ne!(frame_crc(&bytes, b"bodz"), head_crc(&bytes));
        for at in 0..52 {
            let mut flipped = bytes;
            flipped[at] ^= 1;
            assert_ne!(frame_crc(&flipped, b"body"), head_crc(&flipped), "byte {at}");
        }
    }

    #[test]
    fn last_lsn_is_inclusive_and_checked() {
        assert_eq!(head().last_lsn(), Some(Lsn(6)));
        assert_eq!(FrameHead { count: 0, ..head() }.last_lsn(), None);
        assert_eq!(FrameHead { first_lsn: Lsn(u64::MAX), ..head() }.last_lsn(), None);
    }

    #[test]
    fn a_length_above_the_limit_is_no_length() {
        let mut bytes = head().encode(b"");
        put(&mut bytes, 4, &(FRAME_BODY_BYTES_MAX as u32).to_le_bytes());
        assert_eq!(head_body_len(&bytes), Some(FRAME_BODY_BYTES_MAX));
        put(&mut bytes, 4, &(FRAME_BODY_BYTES_MAX as u32 + 1).to_le_bytes());
        assert_eq!(head_body_len(&bytes), None);
    }

    #[test]
    fn the_buffer_keeps_its_body_through_sealing() {
        let mut frame = FrameBuffer::new();
        assert!(frame.is_empty());
        frame.extend(b"hello");
        frame.tail().extend_from_slice(b" all");
        let head = head().encode(frame.body());
        assert_eq!(frame.seal(&[7; ENVELOPE_BYTES], &head).len() as u64, stored_bytes(9));
        frame.unpad(9);
        assert_eq!(frame.body(), b"hello all");
        frame.truncate(5);
        assert_eq!(frame.body(), b"hello");
        frame.clear();
        assert_eq!(frame.len(), 0);
    }

    #[test]
    fn envelope_and_head_cost_at_most_96_bytes() {
        const { assert!(FRAME_HEADROOM_BYTES <= 96) };
        assert_eq!(stored_bytes(0), 80);
        assert_eq!(stored_bytes(1), 88);
    }
}
