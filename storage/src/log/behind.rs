//! Looking for whole frames behind the point where a log ends.
//!
//! Unsynced pages reach a disk in any order, so whole frames may stand behind a broken one. They are lost
//! in any case, but they may prove something: each carries the highest lsn that was durable when it was
//! written. The search only runs at recovery, over at most a few segments.

use super::envelope::{ENVELOPE_BYTES, Fault, Front, Place};
use super::footer::{FOOTER_BYTES, Footer};
use super::frame::{FRAME_ALIGN_BYTES, FRAME_HEADROOM_BYTES};
use super::layout::array_at;
use super::source::Source;
use crate::record::{Lsn, SegmentId};

/// Frames found behind the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Behind {
    /// Whole frames.
    pub frames: u64,
    /// Their bytes, padding included.
    pub bytes: u64,
    /// Highest durable claim among them, and of the footer.
    pub durable: Lsn,
}

impl Behind {
    /// Both findings together.
    pub fn and(self, other: Behind) -> Behind {
        Behind {
            frames: self.frames + other.frames,
            bytes: self.bytes + other.bytes,
            durable: self.durable.max(other.durable),
        }
    }
}

const STEP: u64 = FRAME_ALIGN_BYTES as u64;
const CHUNK_BYTES: u64 = 256 * 1024;

/// Searches bytes `from..end` of a segment for frames that verify by themselves, chain and order aside.
/// With `salt` unknown every aligned place is tried.
pub(super) fn search(
    source: &mut Source,
    segment: SegmentId,
    salt: Option<u64>,
    from: u64,
    end: u64,
) -> std::io::Result<Behind> {
    let mut found = Behind::default();
    let mut at = from.next_multiple_of(STEP);
    while end.saturating_sub(at) >= STEP {
        let chunk = CHUNK_BYTES.min((end - at) / STEP * STEP);
        let bytes = source.fetch(at, usize::try_from(chunk).unwrap_or(usize::MAX), end)?;
        let Some(skip) = candidate(bytes, salt) else {
            at += chunk;
            continue;
        };
        at += skip;
        match whole_frame(source, Place { segment, offset: at }, salt, end)? {
            Some(front) => {
                found.frames += 1;
                found.bytes += front.stored_bytes();
                found.durable = found.durable.max(front.durable());
                at += front.stored_bytes();
            }
            None => at += STEP,
        }
    }
    if let Some(footer) = footer_at_end(source, segment, salt, end)? {
        found.durable = found.durable.max(footer.durable);
    }
    Ok(found)
}

/// Byte offset of the first word that may begin an envelope: salts are never zero.
fn candidate(bytes: &[u8], salt: Option<u64>) -> Option<u64> {
    let (words, _) = bytes.as_chunks::<FRAME_ALIGN_BYTES>();
    let position = match salt.map(u64::to_le_bytes) {
        Some(salt) => words.iter().position(|word| *word == salt),
        None => words.iter().position(|word| *word != [0; FRAME_ALIGN_BYTES]),
    };
    position.map(|words_before| words_before as u64 * STEP)
}

/// Rejects most of what is no frame without a checksum: with the salt unknown, every word of a recycled
/// file comes by here. Versions are small, and two zero bytes follow them.
fn plausible(bytes: &[u8; FRAME_HEADROOM_BYTES]) -> bool {
    let version: [u8; 4] = array_at(bytes, ENVELOPE_BYTES);
    version[0] != 0 && version[1..] == [0; 3]
}

fn whole_frame(
    source: &mut Source,
    place: Place,
    salt: Option<u64>,
    end: u64,
) -> std::io::Result<Option<Front>> {
    let room = end.saturating_sub(place.offset);
    if room < FRAME_HEADROOM_BYTES as u64 {
        return Ok(None);
    }
    let first = array_at(source.fetch(place.offset, FRAME_HEADROOM_BYTES, end)?, 0);
    if !plausible(&first) {
        return Ok(None);
    }
    let Ok(front) = Front::read(&first, salt, room) else { return Ok(None) };
    let len = usize::try_from(front.stored_bytes()).unwrap_or(usize::MAX);
    match front.verify(place, source.fetch(place.offset, len, end)?) {
        Ok(()) | Err(Fault::Newer(_)) => Ok(Some(front)),
        Err(_) => Ok(None),
    }
}

/// `end` is the end of the file here; the footer stands before it.
fn footer_at_end(
    source: &mut Source,
    segment: SegmentId,
    salt: Option<u64>,
    end: u64,
) -> std::io::Result<Option<Footer>> {
    let Some(at) = end.checked_sub(FOOTER_BYTES as u64) else { return Ok(None) };
    let bytes = array_at(source.fetch(at, FOOTER_BYTES, end)?, 0);
    Ok(Footer::decode(&bytes, segment, salt))
}
