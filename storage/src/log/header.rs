//! The first bytes of a segment: whose it is, what it continues, how long it is.
//!
//! ```text
//!  byte  size
//!     0     8  "MPREGLOG"
//!     8     2  format version (1)
//!    10     6  zero
//!    16    16  name of the log, ASCII, padded with zeros
//!    32     8  segment id            the same as in the file's name
//!    40     8  epoch                 life of the log its frames belong to
//!    48     8  salt                  random, never zero; repeated in every envelope
//!    56     8  base_lsn              lsn its first frame has, supersedes all at or above it in older segments
//!    64     8  base_index            index its first frame has
//!    72     8  durable_lsn           highest lsn known durable when the header was written
//!    80     8  segment_bytes         length of the file; the footer ends there
//!    88     4  chain start           chain value of the frame before base_lsn
//!    92     4  crc32c over bytes 0..92
//! ```
//!
//! A file whose header is all zero, or a *note*, is *prepared*: it has its final name and length but no frame in
//! it ever counted. The note says beside which segment it was made; that one must be there, too, for nobody
//! removes the active segment of a log:
//!
//! ```text
//!     0     8  "MPREGNXT"
//!     8    24  zero
//!    32     8  segment id            the same as in the file's name
//!    40     8  id of the segment that was active
//!    48    44  zero
//!    92     4  crc32c over bytes 0..92
//! ```
//!
//! Later versions keep magic, version, length and the place of the crc.

use super::layout::{all_zero, array_at, put, u16_at, u32_at, u64_at};
use crate::limits::LOG_NAME_BYTES_MAX;
use crate::record::{Epoch, Lsn, SegmentId};

/// Bytes of a segment header; the first frame follows directly.
pub const HEADER_BYTES: usize = 96;
/// The segment format this program writes, and the newest it reads.
pub const SEGMENT_VERSION: u16 = 1;
const MAGIC: &[u8; 8] = b"MPREGLOG";
const NOTE_MAGIC: &[u8; 8] = b"MPREGNXT";

/// Name of a log as it stands in its headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogName([u8; LOG_NAME_BYTES_MAX]);

impl LogName {
    /// Takes 1 to 16 printable ASCII bytes; `None` for anything else.
    #[must_use]
    pub fn new(name: &str) -> Option<LogName> {
        let fits = !name.is_empty() && name.len() <= LOG_NAME_BYTES_MAX;
        if !fits || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
            return None;
        }
        let mut bytes = [0; LOG_NAME_BYTES_MAX];
        put(&mut bytes, 0, name.as_bytes());
        Some(LogName(bytes))
    }
}

impl std::fmt::Display for LogName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let len = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        String::from_utf8_lossy(&self.0[..len]).fmt(f)
    }
}

/// A verified segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Which log the segment belongs to.
    pub name: LogName,
    /// Number of the segment.
    pub id: SegmentId,
    /// Life of the log.
    pub epoch: Epoch,
    /// Random mark of this life of the file, never zero.
    pub salt: u64,
    /// Lsn of the first record the segment may hold.
    pub base_lsn: Lsn,
    /// Index of the first frame.
    pub base_index: u64,
    /// Highest lsn known durable when the header was written.
    pub durable: Lsn,
    /// Length of the file in bytes.
    pub segment_bytes: u64,
    /// Chain value the first envelope must repeat.
    pub chain_start: u32,
}

/// What the first bytes of a segment file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderFound {
    /// A header that verifies.
    Valid(Header),
    /// All zero: prepared, never begun (or its header never reached the disk).
    Zero,
    /// Prepared, never begun, while this segment was the active one.
    Note(SegmentId),
    /// Neither.
    Broken,
    /// Verifies, in a newer format.
    Newer(u16),
}

impl HeaderFound {
    /// True for a file in which no frame ever counted.
    #[must_use]
    pub fn is_prepared(self) -> bool {
        matches!(self, HeaderFound::Zero | HeaderFound::Note(_))
    }
}

/// The first bytes of file `id`, prepared while `active` is the active segment.
#[must_use]
pub fn encode_note(id: SegmentId, active: SegmentId) -> [u8; HEADER_BYTES] {
    let mut bytes = [0; HEADER_BYTES];
    put(&mut bytes, 0, NOTE_MAGIC);
    put(&mut bytes, 32, &id.0.to_le_bytes());
    put(&mut bytes, 40, &active.0.to_le_bytes());
    let crc = crc32c::crc32c(&bytes[..92]);
    put(&mut bytes, 92, &crc.to_le_bytes());
    bytes
}

impl Header {
    /// Encodes the header, checksum included.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        put(&mut bytes, 0, MAGIC);
        put(&mut bytes, 8, &SEGMENT_VERSION.to_le_bytes());
        put(&mut bytes, 16, &self.name.0);
        put(&mut bytes, 32, &self.id.0.to_le_bytes());
        put(&mut bytes, 40, &self.epoch.0.to_le_bytes());
        put(&mut bytes, 48, &self.salt.to_le_bytes());
        put(&mut bytes, 56, &self.base_lsn.0.to_le_bytes());
        put(&mut bytes, 64, &self.base_index.to_le_bytes());
        put(&mut bytes, 72, &self.durable.0.to_le_bytes());
        put(&mut bytes, 80, &self.segment_bytes.to_le_bytes());
        put(&mut bytes, 88, &self.chain_start.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..92]);
        put(&mut bytes, 92, &crc.to_le_bytes());
        bytes
    }

    /// Tells what the first bytes of the file named after `id` are.
    #[must_use]
    pub fn find(bytes: &[u8; HEADER_BYTES], id: SegmentId) -> HeaderFound {
        if all_zero(bytes) {
            return HeaderFound::Zero;
        }
        if &bytes[..8] == NOTE_MAGIC {
            let active = SegmentId(u64_at(bytes, 40));
            let verifies = *bytes == encode_note(id, active);
            return if verifies { HeaderFound::Note(active) } else { HeaderFound::Broken };
        }
        if &bytes[..8] != MAGIC || crc32c::crc32c(&bytes[..92]) != u32_at(bytes, 92) {
            return HeaderFound::Broken;
        }
        match u16_at(bytes, 8) {
            SEGMENT_VERSION => {}
            version => return HeaderFound::Newer(version),
        }
        let header = Header::fields(bytes);
        let sane = header.id == id && header.salt != 0 && header.base_lsn.0 > 0;
        if sane { HeaderFound::Valid(header) } else { HeaderFound::Broken }
    }

    fn fields(bytes: &[u8; HEADER_BYTES]) -> Header {
        Header {
            name: LogName(array_at(bytes, 16)),
            id: SegmentId(u64_at(bytes, 32)),
            epoch: Epoch(u64_at(bytes, 40)),
            salt: u64_at(bytes, 48),
            base_lsn: Lsn(u64_at(bytes, 56)),
            base_index: u64_at(bytes, 64),
            durable: Lsn(u64_at(bytes, 72)),
            segment_bytes: u64_at(bytes, 80),
            chain_start: u32_at(bytes, 88),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    pub fn header() -> Header {
        Header {
            name: LogName::new("main").unwrap(),
            id: SegmentId(3),
            epoch: Epoch(2),
            salt: 0x55,
            base_lsn: Lsn(10),
            base_index: 4,
            durable: Lsn(9),
            segment_bytes: 4096,
            chain_start: 77,
        }
    }

    #[test]
    fn header_survives_the_round_trip() {
        assert_eq!(Header::find(&header().encode(), SegmentId(3)), HeaderFound::Valid(header()));
    }

    #[test]
    fn every_flipped_bit_breaks_it() {
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = header().encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::find(&bytes, SegmentId(3)), HeaderFound::Broken, "bit {bit}");
        }
    }

    #[test]
    fn zero_newer_and_foreign_headers_are_told_apart() {
        assert_eq!(Header::find(&[0; HEADER_BYTES], SegmentId(3)), HeaderFound::Zero);
        assert_eq!(Header::find(&header().encode(), SegmentId(4)), HeaderFound::Broken);
        let mut bytes = header().encode();
        put(&mut bytes, 8, &2u16.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[..92]);
        put(&mut bytes, 92, &crc.to_le_bytes());
        assert_eq!(Header::find(&bytes, SegmentId(3)), HeaderFound::Newer(2));
    }

    #[test]
    fn a_note_names_the_active_segment_or_is_broken() {
        let note = encode_note(SegmentId(4), SegmentId(3));
        assert_eq!(Header::find(&note, SegmentId(4)), HeaderFound::Note(SegmentId(3)));
        assert_eq!(Header::find(&note, SegmentId(5)), HeaderFound::Broken);
        for bit in 0..HEADER_BYTES * 8 {
            let mut bytes = note;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::find(&bytes, SegmentId(4)), HeaderFound::Broken, "bit {bit}");
        }
    }

    #[test]
    fn names_are_short_ascii() {
        assert_eq!(LogName::new("topics").unwrap().to_string(), "topics");
        assert_eq!(LogName::new("sixteen-bytes-ok").unwrap().to_string(), "sixteen-bytes-ok");
        for bad in ["", "seventeen-bytes-x", "with space", "ümlaut"] {
            assert_eq!(LogName::new(bad), None, "{bad:?}");
        }
    }
}
