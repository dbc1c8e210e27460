//! The last bytes of a segment, written when it is sealed.
//!
//! ```text
//!  byte  size   (the footer ends at segment_bytes)
//!     0     8  "MPREGEND"
//!     8     2  format version (1)
//!    10     2  kind: 1 rolled (a next segment follows), 2 closed (clean stop)
//!    12     4  body hash      crc32c over everything from the header's end to frames_end
//!    16     8  segment id
//!    24     8  salt
//!    32     8  count          frames
//!    40     8  last_lsn       of the last record, base_lsn - 1 when there is none
//!    48     8  frames_end     byte offset where the next envelope would start
//!    56     8  durable_lsn    highest lsn known durable when the footer was written
//!    64     8  last term
//!    72     8  last time_us   highest seen, also when the segment itself holds no frame
//!    80     8  last hlc
//!    88     4  final chain    crc of the last envelope, or the chain start
//!    92     4  crc32c over bytes 0..92
//! ```
//!
//! A footer on the disk does not by itself prove that the frames before it are there: the pages of one sync
//! arrive in any order. Only its `durable_lsn` is a claim.

use super::header::SEGMENT_VERSION;
use super::layout::{put, u16_at, u32_at, u64_at};
use crate::record::{Lsn, SegmentId};

/// Bytes of a segment footer.
pub const FOOTER_BYTES: usize = 96;
const MAGIC: &[u8; 8] = b"MPREGEND";

/// Why a segment was sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealKind {
    /// It was full; the next segment goes on.
    Rolled,
    /// The log was closed; everything in it was durable.
    Closed,
}

/// Clocks of the newest frame: what a restarted state machine must not fall behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LastSeen {
    /// Term of the last frame.
    pub term: u64,
    /// Highest wall time of any frame, microseconds since 1970.
    pub time_us: u64,
    /// Highest hybrid logical clock of any frame.
    pub hlc: u64,
}

impl LastSeen {
    /// Takes in the clocks of one more frame.
    pub(super) fn see(&mut self, head: &super::FrameHead) {
        self.term = head.term;
        self.time_us = self.time_us.max(head.time_us);
        self.hlc = self.hlc.max(head.hlc);
    }
}

/// A verified segment footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footer {
    /// Why the segment ended.
    pub kind: SealKind,
    /// crc32c from the header's end to `frames_end`.
    pub body_hash: u32,
    /// Number of the segment.
    pub id: SegmentId,
    /// Salt of the segment.
    pub salt: u64,
    /// Frames in the segment.
    pub count: u64,
    /// Lsn of the last record, inclusive.
    pub last_lsn: Lsn,
    /// Byte offset behind the last frame.
    pub frames_end: u64,
    /// Highest lsn known durable when the footer was written.
    pub durable: Lsn,
    /// Clocks up to here.
    pub last_seen: LastSeen,
    /// Chain value behind the last frame.
    pub final_chain: u32,
}

impl Footer {
    /// Encodes the footer, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; FOOTER_BYTES] {
        let kind: u16 = match self.kind {
            SealKind::Rolled => 1,
            SealKind::Closed => 2,
        };
        let mut bytes = [0; FOOTER_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &SEGMENT_VERSION.to_le_bytes());
        put(&mut bytes, 10, &kind.to_le_bytes());
        put(&mut bytes, 12, &self.body_hash.to_le_bytes());
        put(&mut bytes, 16, &self.id.0.to_le_bytes());
        put(&mut bytes, 24, &self.salt.to_le_bytes());
        put(&mut bytes, 32, &self.count.to_le_bytes());
        put(&mut bytes, 40, &self.last_lsn.0.to_le_bytes());
        put(&mut bytes, 48, &self.frames_end.to_le_bytes());
        put(&mut bytes, 56, &self.durable.0.to_le_bytes());
        put(&mut bytes, 64, &self.last_seen.term.to_le_bytes());
        put(&mut bytes, 72, &self.last_seen.time_us.to_le_bytes());
        put(&mut bytes, 80, &self.last_seen.hlc.to_le_bytes());
        put(&mut bytes, 88, &self.final_chain.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..92]);
        put(&mut bytes, 92, &crc.to_le_bytes());
        bytes
    }

    /// The footer of segment `id`, or `None` when these bytes are not it: absent, damaged, or left over
    /// from an earlier life. `salt` is unknown when the header is damaged.
    #[must_use]
    pub fn decode(bytes: &[u8; FOOTER_BYTES], id: SegmentId, salt: Option<u64>) -> Option<Footer> {
        let whole = &bytes[..8] == MAGIC && crc32c::crc32c(&bytes[..92]) == u32_at(bytes, 92);
        let ours = u64_at(bytes, 16) == id.0 && salt.is_none_or(|salt| u64_at(bytes, 24) == salt);
        if !whole || !ours || u16_at(bytes, 8) != SEGMENT_VERSION {
            return None;
        }
        let kind = match u16_at(bytes, 10) {
            1 => SealKind::Rolled,
            2 => SealKind::Closed,
            _ => return None,
        };
        Some(Footer {
            kind,
            body_hash: u32_at(bytes, 12),
            id,
            salt: u64_at(bytes, 24),
            count: u64_at(bytes, 32),
            last_lsn: Lsn(u64_at(bytes, 40)),
            frames_end: u64_at(bytes, 48),
            durable: Lsn(u64_at(bytes, 56)),
            last_seen: LastSeen {
                term: u64_at(bytes, 64),
                time_us: u64_at(bytes, 72),
                hlc: u64_at(bytes, 80),
            },
            final_chain: u32_at(bytes, 88),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn footer(kind: SealKind) -> Footer {
        Footer {
            kind,
            body_hash: 1,
            id: SegmentId(2),
            salt: 3,
            count: 4,
            last_lsn: Lsn(5),
            frames_end: 6,
            durable: Lsn(7),
            last_seen: LastSeen { term: 8, time_us: 9, hlc: 10 },
            final_chain: 11,
        }
    }

    #[test]
    fn footer_survives_the_round_trip() {
        for kind in [SealKind::Rolled, SealKind::Closed] {
            let bytes = footer(kind).encode();
            assert_eq!(Footer::decode(&bytes, SegmentId(2), Some(3)), Some(footer(kind)));
            assert_eq!(Footer::decode(&bytes, SegmentId(2), None), Some(footer(kind)));
        }
    }

    #[test]
    fn every_flipped_bit_breaks_it() {
        for bit in 0..FOOTER_BYTES * 8 {
            let mut bytes = footer(SealKind::Rolled).encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Footer::decode(&bytes, SegmentId(2), Some(3)), None, "bit {bit}");
        }
    }

    #[test]
    fn a_leftover_footer_is_not_ours() {
        let bytes = footer(SealKind::Rolled).encode();
        assert_eq!(Footer::decode(&bytes, SegmentId(3), Some(3)), None);
        assert_eq!(Footer::decode(&bytes, SegmentId(2), Some(4)), None);
        assert_eq!(Footer::decode(&[0; FOOTER_BYTES], SegmentId(2), None), None);
    }

    #[test]
    fn clocks_never_fall_back() {
        let mut seen = LastSeen { term: 1, time_us: 100, hlc: 100 };
        let head =
            super::super::FrameHead { term: 2, index: 1, first_lsn: Lsn(1), count: 1, time_us: 50, hlc: 150 };
        seen.see(&head);
        assert_eq!(seen, LastSeen { term: 2, time_us: 100, hlc: 150 });
    }
}
