//! The envelope: what ties a frame to one place in one segment of one node. It never travels.
//!
//! ```text
//!  byte  size
//!     0     8  salt of the segment
//!     8     4  previous: crc of the envelope before, or the chain start of the header
//!    12     8  durable_lsn when the frame was written
//!    20     4  crc32c over bytes 0..20, the frame's crc, the segment's id and this envelope's offset
//! ```
//!
//! Segment id and offset are not stored but are part of the checksum: a frame that a disk wrote to the
//! wrong place, or that is left over in a recycled file, verifies nowhere. The crc is the *chain*: the
//! next envelope repeats it, so frames cannot be left out or swapped unseen.
//!
//! `durable_lsn` is what makes a torn tail provable: a frame behind a broken one that says "your lsn was
//! durable before I was written" turns the break into corruption.

use super::frame::{
    FRAME_ALIGN_BYTES, FRAME_HEADROOM_BYTES, FRAME_VERSION, FrameHead, HEAD_BYTES, frame_crc, head_body_len,
    head_crc, head_version, stored_bytes,
};
use super::layout::{all_zero, array_at, put, u32_at, u64_at};
use crate::record::{Lsn, SegmentId};

/// Bytes of an envelope.
pub const ENVELOPE_BYTES: usize = 24;

/// Where a frame stands: together with its own bytes this decides the envelope's checksum.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub segment: SegmentId,
    pub offset: u64,
}

/// Builds the envelope of a frame. The chain value for the next one is [`chain_of`] it.
pub(super) fn seal(
    place: Place,
    salt: u64,
    previous: u32,
    durable: Lsn,
    frame_crc: u32,
) -> [u8; ENVELOPE_BYTES] {
    let mut bytes = [0; ENVELOPE_BYTES];
    put(&mut bytes, 0, &salt.to_le_bytes());
    put(&mut bytes, 8, &previous.to_le_bytes());
    put(&mut bytes, 12, &durable.0.to_le_bytes());
    let crc = envelope_crc(&bytes, place, frame_crc);
    put(&mut bytes, 20, &crc.to_le_bytes());
    bytes
}

/// The chain value an envelope hands to the next one.
pub(super) fn chain_of(envelope: &[u8; ENVELOPE_BYTES]) -> u32 {
    u32_at(envelope, 20)
}

fn envelope_crc(bytes: &[u8; ENVELOPE_BYTES], place: Place, frame_crc: u32) -> u32 {
    let mut covered = [0; 40];
    put(&mut covered, 0, &bytes[..20]);
    put(&mut covered, 20, &frame_crc.to_le_bytes());
    put(&mut covered, 24, &place.segment.0.to_le_bytes());
    put(&mut covered, 32, &place.offset.to_le_bytes());
    crc32c::crc32c(&covered)
}

/// Why there is no frame at an offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Zeros where an envelope should be, or no room left for one.
    Zeros,
    /// The salt is not this segment's: never written in this life of the file.
    Stale,
    /// This segment's salt, but the bytes do not verify.
    Broken(&'static str),
    /// The file ends inside the structure.
    Cut,
    /// Verifies, but in a format this program does not read.
    Newer(u16),
}

impl Fault {
    /// The fault as text for an error.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Fault::Zeros => "zeros where a frame should be",
            Fault::Stale => "bytes of an earlier life of the file where a frame should be",
            Fault::Broken(what) => what,
            Fault::Cut => "the file is shorter than its header says",
            Fault::Newer(_) => "a newer format version",
        }
    }
}

/// The part of a frame in front of its body: read first, because it bounds everything else.
#[derive(Debug, Clone, Copy)]
pub(super) struct Front {
    envelope: [u8; ENVELOPE_BYTES],
    head: [u8; HEAD_BYTES],
    pub body_len: usize,
}

impl Front {
    /// Looks at the first bytes at `place`. `room` is how many bytes the frame may take at most.
    /// With `salt` unknown (a damaged header) any salt will do; the checksums still bind the place.
    pub fn read(bytes: &[u8; FRAME_HEADROOM_BYTES], salt: Option<u64>, room: u64) -> Result<Front, Fault> {
        let envelope: [u8; ENVELOPE_BYTES] = array_at(bytes, 0);
        let head: [u8; HEAD_BYTES] = array_at(bytes, ENVELOPE_BYTES);
        if salt.is_some_and(|salt| u64_at(&envelope, 0) != salt) {
            return Err(if all_zero(bytes) { Fault::Zeros } else { Fault::Stale });
        }
        let body_len = head_body_len(&head).ok_or(Fault::Broken("frame length above the limit"))?;
        if stored_bytes(body_len) > room {
            return Err(Fault::Broken("frame length leaves the segment"));
        }
        Ok(Front { envelope, head, body_len })
    }

    /// Bytes from the envelope to the end of the padding.
    pub fn stored_bytes(&self) -> u64 {
        stored_bytes(self.body_len)
    }

    /// Highest lsn known durable when the frame was written. Only believable after `verify`.
    pub fn durable(&self) -> Lsn {
        Lsn(u64_at(&self.envelope, 12))
    }

    /// The chain value this frame follows, and the one it hands on.
    pub fn chain(&self) -> (u32, u32) {
        (u32_at(&self.envelope, 8), chain_of(&self.envelope))
    }

    /// The head's fields.
    pub fn head(&self) -> FrameHead {
        FrameHead::decode(&self.head)
    }

    /// True when envelope, head, body and padding are what was once written at `place`. `whole` is the
    /// frame from its envelope to its padding.
    pub fn verify(&self, place: Place, whole: &[u8]) -> Result<(), Fault> {
        // The envelope first: it costs 40 bytes of checksum and rejects nearly everything that is not ours.
        if envelope_crc(&self.envelope, place, head_crc(&self.head)) != chain_of(&self.envelope) {
            return Err(Fault::Broken("envelope checksum"));
        }
        let (body, padding) = whole[FRAME_HEADROOM_BYTES..].split_at(self.body_len);
        if frame_crc(&self.head, body) != head_crc(&self.head) {
            return Err(Fault::Broken("frame checksum"));
        }
        debug_assert!(padding.len() < FRAME_ALIGN_BYTES);
        if !all_zero(padding) {
            return Err(Fault::Broken("padding is not zero"));
        }
        match head_version(&self.head) {
            FRAME_VERSION => Ok(()),
            version => Err(Fault::Newer(version)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: Place = Place { segment: SegmentId(7), offset: 96 };

    fn stored(body: &[u8]) -> Vec<u8> {
        let head = FrameHead { term: 0, index: 1, first_lsn: Lsn(1), count: 2, time_us: 9, hlc: 9 };
        let head = head.encode(body);
        let mut whole = seal(PLACE, 0xABCD, 11, Lsn(5), head_crc(&head)).to_vec();
        whole.extend_from_slice(&head);
        whole.extend_from_slice(body);
        whole.resize(stored_bytes(body.len()) as usize, 0);
        whole
    }

    fn check(whole: &[u8], place: Place) -> Result<Front, Fault> {
        let first = array_at(whole, 0);
        let front = Front::read(&first, Some(0xABCD), whole.len() as u64)?;
        front.verify(place, whole)?;
        Ok(front)
    }

    #[test]
    fn a_sealed_frame_verifies_and_says_what_it_was_told() {
        let front = check(&stored(b"twelve bytes"), PLACE).unwrap();
        assert_eq!(front.durable(), Lsn(5));
        assert_eq!(front.chain().0, 11);
        assert_eq!(front.head().last_lsn(), Some(Lsn(2)));
    }

    #[test]
    fn every_flipped_bit_is_seen() {
        let whole = stored(b"thirteen byte");
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(check(&flipped, PLACE).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_frame_in_the_wrong_place_does_not_verify() {
        let whole = stored(b"body");
        assert!(check(&whole, Place { offset: 104, ..PLACE }).is_err());
        assert!(check(&whole, Place { segment: SegmentId(8), ..PLACE }).is_err());
    }

    #[test]
    fn what_is_not_ours_is_told_apart() {
        assert_eq!(check(&[0; 80], PLACE).unwrap_err(), Fault::Zeros);
        assert_eq!(check(&[1; 80], PLACE).unwrap_err(), Fault::Stale);
        let mut long = stored(b"");
        put(&mut long, ENVELOPE_BYTES + 4, &64u32.to_le_bytes());
        assert_eq!(check(&long, PLACE).unwrap_err(), Fault::Broken("frame length leaves the segment"));
    }

    #[test]
    fn a_newer_version_is_told_apart_from_damage() {
        let mut head =
            FrameHead { term: 0, index: 1, first_lsn: Lsn(1), count: 1, time_us: 0, hlc: 0 }.encode(b"");
        put(&mut head, 0, &9u16.to_le_bytes());
        let crc = frame_crc(&head, b"");
        put(&mut head, 52, &crc.to_le_bytes());
        let mut whole = seal(PLACE, 0xABCD, 0, Lsn(0), crc).to_vec();
        whole.extend_from_slice(&head);
        assert_eq!(check(&whole, PLACE).unwrap_err(), Fault::Newer(9));
    }
}
