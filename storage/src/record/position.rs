//! Positions are types, not integers.

use std::fmt;

/// Log sequence number: one per record, counted from 1. `Lsn(0)` is before the first record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Before the first record.
    pub const ZERO: Lsn = Lsn(0);

    /// The position `records` further on.
    #[must_use]
    pub fn plus(self, records: u64) -> Lsn {
        Lsn(self.0 + records)
    }

    /// The position one before this one; `ZERO` stays `ZERO`.
    #[must_use]
    pub fn prev(self) -> Lsn {
        Lsn(self.0.saturating_sub(1))
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One life of the log: a new epoch opens after every unclean stop, so `(epoch, lsn)` is never
/// used for two different records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Epoch(pub u64);

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A place in a log that is never used twice, as shown to clients: `epoch:lsn`. Later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Position {
    /// The life of the log the record was written in.
    pub epoch: Epoch,
    /// The record. Goes on across epochs, except for records a power cut took: a later epoch may use their
    /// numbers again.
    pub lsn: Lsn,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.lsn)
    }
}

/// Not `epoch:lsn` in decimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a position reads epoch:offset in decimal digits")]
pub struct NotAPosition;

impl std::str::FromStr for Position {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<Position, NotAPosition> {
        let number = |digits: &str| {
            // `parse` takes a plus sign, which `Display` never writes.
            let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            digits.parse().ok().filter(|_| plain).ok_or(NotAPosition)
        };
        let (epoch, lsn) = text.split_once(':').ok_or(NotAPosition)?;
        Ok(Position { epoch: Epoch(number(epoch)?), lsn: Lsn(number(lsn)?) })
    }
}

/// One event of the main log: `epoch:lsn:part`. Later is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId {
    /// The record it is told by.
    pub position: Position,
    /// Which part of the record, counted from 0; above 0 only in a batch.
    pub part: u16,
}

impl EventId {
    /// The last event a record can tell.
    #[must_use]
    pub fn last_of(position: Position) -> EventId {
        EventId { position, part: u16::MAX }
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.position, self.part)
    }
}

impl std::str::FromStr for EventId {
    type Err = NotAPosition;

    fn from_str(text: &str) -> Result<EventId, NotAPosition> {
        let (position, part) = text.rsplit_once(':').ok_or(NotAPosition)?;
        let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let part = part.parse().ok().filter(|_| plain).ok_or(NotAPosition)?;
        Ok(EventId { position: position.parse()?, part })
    }
}

/// Number of a log segment, ascending and never reused, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SegmentId(pub u64);

impl fmt::Display for SegmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_and_sort_by_epoch_first() {
        let position = |epoch, lsn| Position { epoch: Epoch(epoch), lsn: Lsn(lsn) };
        assert_eq!(position(3, 17).to_string(), "3:17");
        assert_eq!("3:17".parse(), Ok(position(3, 17)));
        assert!(position(2, 1) > position(1, 500));
        let event = EventId { position: position(3, 17), part: 2 };
        assert_eq!(("3:17:2".parse(), event.to_string()), (Ok(event), "3:17:2".to_owned()));
        for wrong in ["3:17", "3:17:", "3:17:+1", "3:17:70000", "3:17:1:1"] {
            assert_eq!(wrong.parse::<EventId>(), Err(NotAPosition), "{wrong:?}");
        }
        for wrong in ["", "3", "3:", ":17", "3:+1", "3:-1", "3:1:1", "3: 1", "3:99999999999999999999"] {
            assert_eq!(wrong.parse::<Position>(), Err(NotAPosition), "{wrong:?}");
        }
    }
}
