//! The one hand that writes: frames into the active segment, footers and headers at its turns.
//!
//! The writer knows bytes and order, and nothing of who waits for what: [`Log`](super::Log) publishes
//! positions, recovery uses it alone to copy a tail.

use std::sync::Arc;

use super::Error;
use super::envelope::{ENVELOPE_BYTES, Place, chain_of, seal};
use super::footer::{Footer, SealKind};
use super::frame::{FrameBuffer, FrameHead, head_crc, stored_bytes};
use super::header::{HEADER_BYTES, Header};
use super::scan::Tip;
use super::segment::Segment;
use super::spare::Prepared;
use crate::record::Lsn;

/// State of the write end. `tip` is where and what the next frame must be.
#[derive(Debug)]
pub(super) struct Writer {
    pub segment: Arc<Segment>,
    pub tip: Tip,
    pub closed: bool,
    body_hash: u32,
    salts: Salts,
}

/// Salts of the segments to come: a splitmix64 sequence from one random seed, never zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Salts(pub u64);

impl Salts {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)).max(1)
    }
}

impl Writer {
    /// Writes behind the header of `segment`, which the caller writes or has written.
    pub fn new(segment: Arc<Segment>, seen: super::LastSeen, salts: Salts) -> Writer {
        let tip = Tip::start_of(&segment.header, seen);
        Writer { segment, tip, closed: false, body_hash: 0, salts }
    }

    /// Refuses a frame that does not go on exactly where the last one ended. Returns its last lsn.
    pub fn check_order(&self, head: &FrameHead) -> Result<Lsn, Error> {
        let follows = head.first_lsn == self.tip.lsn && head.index == self.tip.index;
        // The lsn after the last one must exist too.
        let last = head.last_lsn().filter(|last| follows && last.0 < u64::MAX);
        last.ok_or(Error::OutOfOrder {
            lsn: head.first_lsn,
            index: head.index,
            count: head.count,
            expected_lsn: self.tip.lsn,
            expected_index: self.tip.index,
        })
    }

    /// Bytes left for frames in the active segment.
    pub fn room(&self) -> u64 {
        self.segment.frames_limit().saturating_sub(self.tip.offset)
    }

    /// Writes one frame with a single positioned write. `last` is what `check_order` returned, and
    /// `room` was checked.
    pub fn write_frame(
        &mut self,
        head: &FrameHead,
        last: Lsn,
        frame: &mut FrameBuffer,
        durable: Lsn,
    ) -> Result<(), Error> {
        let body_len = frame.len();
        let encoded = head.encode(frame.body());
        let place = Place { segment: self.segment.header.id, offset: self.tip.offset };
        let envelope: [u8; ENVELOPE_BYTES] =
            seal(place, self.segment.header.salt, self.tip.chain, durable, head_crc(&encoded));
        let bytes = frame.seal(&envelope, &encoded);
        let written = self.segment.file.write_at(place.offset, bytes);
        let body_hash = crc32c::crc32c_append(self.body_hash, bytes);
        frame.unpad(body_len);
        written.map_err(|source| self.write_error(place.offset, stored_bytes(body_len), source))?;
        self.body_hash = body_hash;
        self.tip.offset += stored_bytes(body_len);
        self.tip.chain = chain_of(&envelope);
        self.tip.lsn = last.plus(1);
        self.tip.index = head.index.saturating_add(1);
        self.tip.count += 1;
        self.tip.seen.see(head);
        self.segment.mark_unsynced();
        self.segment.advance(self.tip.offset, last);
        Ok(())
    }

    /// Writes the active segment's footer. Synced with the file, not by itself.
    pub fn write_footer(&mut self, kind: SealKind, durable: Lsn) -> Result<(), Error> {
        let header = &self.segment.header;
        let footer = Footer {
            kind,
            body_hash: self.body_hash,
            id: header.id,
            salt: header.salt,
            count: self.tip.count,
            last_lsn: self.tip.lsn.prev(),
            frames_end: self.tip.offset,
            durable,
            last_seen: self.tip.seen,
            final_chain: self.tip.chain,
        };
        let at = self.segment.frames_limit();
        let written = self.segment.file.write_at(at, &footer.encode());
        written.map_err(|source| self.write_error(at, super::footer::FOOTER_BYTES as u64, source))?;
        self.segment.mark_unsynced();
        Ok(())
    }

    /// Seals the active segment and goes on in `prepared`. The header is covered by that file's first sync.
    pub fn roll(&mut self, prepared: Prepared, durable: Lsn) -> Result<(), Error> {
        self.write_footer(SealKind::Rolled, durable)?;
        let header = Header {
            id: prepared.id,
            salt: self.salts.draw(),
            base_lsn: self.tip.lsn,
            base_index: self.tip.index,
            durable,
            segment_bytes: prepared.file_bytes,
            chain_start: self.tip.chain,
            ..self.segment.header
        };
        self.segment = Arc::new(Segment::active(header, prepared.file));
        self.write_header()?;
        self.tip = Tip::start_of(&header, self.tip.seen);
        self.body_hash = 0;
        Ok(())
    }

    /// Writes the active segment's header. Synced with the file, not by itself.
    pub fn write_header(&self) -> Result<(), Error> {
        let written = self.segment.file.write_at(0, &self.segment.header.encode());
        written.map_err(|source| self.write_error(0, HEADER_BYTES as u64, source))?;
        self.segment.mark_unsynced();
        Ok(())
    }

    fn write_error(&self, offset: u64, bytes: u64, source: std::io::Error) -> Error {
        Error::Write { segment: self.segment.header.id, offset, bytes, source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn salts_are_never_zero_and_differ() {
        let mut salts = Salts(0);
        let drawn: std::collections::BTreeSet<u64> = (0..10_000).map(|_| salts.draw()).collect();
        assert_eq!(drawn.len(), 10_000);
        assert!(!drawn.contains(&0));
    }
}
