//! The topic index of one segment: which record is where, and which topic it belongs to.
//!
//! An index has one [`Entry`] for each record of its segment, in log order, so the entry of a record is found from its
//! lsn without a search; and one row for each topic, with the numbers of its entries in order. So a cursor asks its
//! filter once for each topic and then has the choice: pass over all entries, each of which names its row, or go from
//! one wanted entry to the next by the numbers of the wanted rows. The entry also carries the checksum of its record: a
//! record is verified alone, and what a replay does not want is not read.
//!
//! While a segment is written its index grows in memory ([`Memory`]); once the segment is sealed and durable it becomes
//! a file beside it ([`File`]) and is mapped. Rows and entries have the same numbers in both. A file lists all entries;
//! in memory they are listed when the first cursor asks, so that publishing does not pay for it.

mod file;
mod memory;

pub(super) use file::{Fault, File, INDEX_VERSION, index_name, parse_index_name};
pub(super) use memory::Memory;

use crate::record::{Lsn, Position};

/// Bytes of an entry, in memory and on disk.
pub(super) const ENTRY_BYTES: usize = 16;

/// Bytes of an entry's number in the list of its row.
pub(super) const NUMBER_BYTES: usize = 4;

/// Row number of a record that is no message.
pub(super) const NO_ROW: u32 = u32::MAX;

/// One record.
///
/// ```text
///  byte  size
///     0     4  offset of the record in the segment
///     4     4  its bytes, record head included
///     8     4  crc32c over them
///    12     4  row of its topic; 2^32 - 1 when it is no message
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub offset: u32,
    pub bytes: u32,
    pub crc: u32,
    pub row: u32,
}

impl Entry {
    /// The entry as it stands in memory and on disk.
    pub fn encode(self) -> [u8; ENTRY_BYTES] {
        let fields = [self.offset, self.bytes, self.crc, self.row].map(u32::to_le_bytes);
        let mut bytes = [0; ENTRY_BYTES];
        bytes.as_chunks_mut::<4>().0.copy_from_slice(&fields);
        bytes
    }

    /// Reads it back.
    #[inline]
    pub fn decode(bytes: &[u8; ENTRY_BYTES]) -> Entry {
        let at = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        Entry { offset: at(0), bytes: at(4), crc: at(8), row: at(12) }
    }

    /// The row alone: all a filter needs.
    #[inline]
    pub fn row_of(bytes: &[u8; ENTRY_BYTES]) -> u32 {
        u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
    }
}

/// An entry's number, as it stands in the list of its row.
pub(super) type Number = [u8; NUMBER_BYTES];

/// The number of an entry, for a list. A segment shorter than 4 GiB has no more entries than fit.
fn number(entry: usize) -> Number {
    u32::try_from(entry).unwrap_or(u32::MAX).to_le_bytes()
}

/// What leads from one entry to the next, in every form of an index.
pub(super) trait Lists {
    /// One entry for each record, in log order.
    fn entries(&self) -> &[[u8; ENTRY_BYTES]];

    /// The numbers of a row's entries, ascending, as far as entries are listed; none when there is no such row.
    fn numbers(&self, row: u32) -> &[Number];

    /// So many entries, from the first on, are listed.
    fn listed(&self) -> usize;
}

/// What a segment says about one topic. Sequence numbers count the messages of a topic, bytes those of their records,
/// both since the topic was first seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row<'a> {
    pub topic: &'a str,
    /// Messages of the topic before this segment.
    pub seq_before: u64,
    /// Bytes of those.
    pub bytes_before: u64,
    /// Messages in this segment.
    pub count: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Receive time of the first of them.
    pub first_time_us: u64,
    /// And of the last.
    pub last_time_us: u64,
}

/// The numbers of a [`Row`], to be taken elsewhere than its topic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Numbers(Row<'static>);

impl Row<'_> {
    pub fn numbers(&self) -> Numbers {
        Numbers(Row { topic: "", ..*self })
    }
}

impl Numbers {
    /// The row again.
    pub fn of<'a>(&self, topic: &'a str) -> Row<'a> {
        Row { topic, ..self.0 }
    }
}

/// A named position committed in the segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Committed {
    pub lsn: Lsn,
    pub time_us: u64,
    pub name: String,
    /// `None`: removed.
    pub reached: Option<Position>,
}

/// An index in either form.
#[derive(Debug)]
pub(super) enum Index {
    Memory(Memory),
    File(File),
}

impl Index {
    /// Number of topics.
    pub fn rows(&self) -> usize {
        match self {
            Index::Memory(memory) => memory.rows(),
            Index::File(file) => file.rows(),
        }
    }

    /// Row `at`, which must be below `rows`.
    pub fn row(&self, at: usize) -> Row<'_> {
        match self {
            Index::Memory(memory) => memory.row(at),
            Index::File(file) => file.row(at),
        }
    }

    /// Messages in the segment.
    pub fn messages(&self) -> u64 {
        (0..self.rows()).map(|at| self.row(at).count).sum()
    }

    /// Receive time of the oldest message; `None` without one.
    pub fn first_time_us(&self) -> Option<u64> {
        (0..self.rows()).map(|at| self.row(at).first_time_us).min()
    }

    /// Receive time of the newest record; 0 without one.
    pub fn last_time_us(&self) -> u64 {
        match self {
            Index::Memory(memory) => memory.last_time_us(),
            Index::File(file) => file.last_time_us(),
        }
    }

    /// Positions committed in the segment, oldest first.
    pub fn commits(&self) -> Vec<Committed> {
        match self {
            Index::Memory(memory) => memory.commits().to_vec(),
            Index::File(file) => file.commits(),
        }
    }
}

impl Lists for Index {
    #[inline]
    fn entries(&self) -> &[[u8; ENTRY_BYTES]] {
        match self {
            Index::Memory(memory) => memory.entries(),
            Index::File(file) => file.entries(),
        }
    }

    #[inline]
    fn numbers(&self, row: u32) -> &[Number] {
        match self {
            Index::Memory(memory) => memory.numbers(row),
            Index::File(file) => file.numbers(row),
        }
    }

    fn listed(&self) -> usize {
        match self {
            Index::Memory(memory) => memory.listed(),
            Index::File(file) => file.listed(),
        }
    }
}
