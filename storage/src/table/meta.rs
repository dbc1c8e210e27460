//! The `meta` table: what the file is, how far it goes, and what it counts.
//!
//! ```text
//! name        value
//! "format"    1 byte: format version of the whole file = 1
//! "position"  1 byte version = 1, then u64 LE: lsn, index, term, epoch, time_us, hlc    (49 bytes)
//! "counters"  1 byte version = 1, then u64 LE: stored_bytes                              (9 bytes)
//! ```
//!
//! The position is written in the transaction that holds the rows it speaks of: the file is exactly
//! the effect of everything up to that position, or it is the file before.

use redb::ReadableTable;

use crate::record::{Epoch, Lsn};

use super::Error;
use super::error::during;

/// Format of the whole file: which tables there are and how their keys are built.
pub(super) const FILE_FORMAT: u8 = 1;
const META_FORMAT: u8 = 1;

/// How far the table goes: the last frame and record whose effects it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckpointPosition {
    /// Last record applied, inclusive; `Lsn::ZERO` for an empty table.
    pub lsn: Lsn,
    /// Index of the frame that holds `lsn`.
    pub index: u64,
    /// Term of that frame; 0 on a lone node.
    pub term: u64,
    /// Epoch of the log when the checkpoint was taken.
    pub epoch: Epoch,
    /// Last logged time, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Last hybrid logical clock value.
    pub hlc: u64,
}

/// Sums kept in step with the rows, because counting them would cost a walk. The number of rows is
/// not here: redb keeps it itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counters {
    /// Bytes of keys and rows of the `entries` table.
    pub(super) stored_bytes: u64,
}

impl CheckpointPosition {
    pub(super) fn encode(&self) -> [u8; 49] {
        let numbers = [self.lsn.0, self.index, self.term, self.epoch.0, self.time_us, self.hlc];
        let mut out = [META_FORMAT; 49];
        for (place, number) in out[1..].chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        out
    }

    fn decode(bytes: &[u8]) -> Result<CheckpointPosition, Error> {
        let [lsn, index, term, epoch, time_us, hlc] = numbers("position", bytes)?;
        Ok(CheckpointPosition { lsn: Lsn(lsn), index, term, epoch: Epoch(epoch), time_us, hlc })
    }
}

impl Counters {
    pub(super) fn encode(&self) -> [u8; 9] {
        let mut out = [META_FORMAT; 9];
        out[1..].copy_from_slice(&self.stored_bytes.to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Result<Counters, Error> {
        let [stored_bytes] = numbers("counters", bytes)?;
        Ok(Counters { stored_bytes })
    }
}

/// Reads `position` and `counters`, after checking that the file is one this build understands.
pub(super) fn read(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
) -> Result<(CheckpointPosition, Counters), Error> {
    row(meta, "format", |bytes| match bytes {
        [FILE_FORMAT] => Ok(()),
        [found, ..] if *found > FILE_FORMAT => {
            Err(Error::NewerFormat { place: "meta row format".into(), found: *found, known: FILE_FORMAT })
        }
        _ => Err(Error::corrupt("meta row format", format!("unknown value {}", bytes.escape_ascii()))),
    })?;
    Ok((row(meta, "position", CheckpointPosition::decode)?, row(meta, "counters", Counters::decode)?))
}

fn row<R>(
    meta: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &str,
    decode: impl FnOnce(&[u8]) -> Result<R, Error>,
) -> Result<R, Error> {
    let found = meta.get(name.as_bytes()).map_err(during("read a meta row"))?;
    let bytes = found.ok_or_else(|| Error::corrupt(format!("meta row {name}"), "is missing"))?;
    decode(bytes.value())
}

/// A version byte and exactly `COUNT` numbers.
fn numbers<const COUNT: usize>(name: &str, bytes: &[u8]) -> Result<[u64; COUNT], Error> {
    let place = || format!("meta row {name}");
    match bytes.split_first() {
        Some((&META_FORMAT, rest)) if rest.len() == COUNT * 8 => {
            let mut out = [0; COUNT];
            for (number, chunk) in out.iter_mut().zip(rest.chunks_exact(8)) {
                *number = u64::from_le_bytes(chunk.try_into().expect("chunks_exact(8) yields 8 bytes"));
            }
            Ok(out)
        }
        Some((&found, _)) if found > META_FORMAT => {
            Err(Error::NewerFormat { place: place(), found, known: META_FORMAT })
        }
        _ => Err(Error::corrupt(
            place(),
            format!("expected {} bytes of version {META_FORMAT}, found {}", COUNT * 8 + 1, bytes.len()),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POSITION: CheckpointPosition =
        CheckpointPosition { lsn: Lsn(1), index: 2, term: 3, epoch: Epoch(4), time_us: 5, hlc: 6 };

    #[test]
    fn golden_bytes_of_version_1() {
        let golden = b"\x01\x01\0\0\0\0\0\0\0\x02\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0\
                       \x04\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(&POSITION.encode(), golden);
        assert_eq!(CheckpointPosition::decode(golden).unwrap(), POSITION);
        let counters = Counters { stored_bytes: 0x0102 };
        assert_eq!(&counters.encode(), b"\x01\x02\x01\0\0\0\0\0\0");
        assert_eq!(Counters::decode(&counters.encode()).unwrap(), counters);
    }

    #[test]
    fn wrong_lengths_and_versions_are_named() {
        let good = POSITION.encode();
        for len in 0..good.len() {
            assert!(matches!(CheckpointPosition::decode(&good[..len]), Err(Error::Corrupt { .. })));
        }
        let mut newer = good;
        newer[0] = 2;
        assert!(matches!(CheckpointPosition::decode(&newer), Err(Error::NewerFormat { found: 2, .. })));
        newer[0] = 0;
        assert!(matches!(CheckpointPosition::decode(&newer), Err(Error::Corrupt { .. })));
    }
}
