//! The index of a sealed segment as a file beside it.
//!
//! ```text
//! 00000000000000000007.index      beside 00000000000000000007.seg
//!
//!  byte  size
//!     0     8  "MPREGTIX"
//!     8     2  format version (2)
//!    10     6  zero
//!    16     8  segment id
//!    24     8  salt of the segment
//!    32     8  base_lsn
//!    40     8  last_lsn        of the last record, inclusive
//!    48     8  frames_end      byte offset behind the last frame that counts
//!    56     8  last_time_us    receive time of the newest record, 0 without one
//!    64     4  rows
//!    68     4  commits
//!    72     4  tables_bytes    of rows, commits and names, padding included
//!    76     4  zero
//!    80     4  crc32c over the tables
//!    84     4  crc32c over the entries and their numbers
//!    88     4  zero
//!    92     4  crc32c over bytes 0..92
//!    96     .  rows, 64 bytes each:    name_at u32, name_len u32, seq_before u64, bytes_before u64, count u64,
//!              bytes u64, first_time_us u64, last_time_us u64, first of its numbers u64
//!     .     .  commits, 48 bytes each: name_at u32, name_len u32, lsn u64, time_us u64, 1 reached or 2 removed u64,
//!              epoch u64, reached lsn u64
//!     .     .  names, which `name_at` counts from, padded with zeros to a multiple of 16
//!     .     .  entries, 16 bytes each: offset, bytes, crc32c, row; last_lsn - base_lsn + 1 of them
//!     .     .  numbers of entries, 4 bytes each: those of row 0, ascending, then those of row 1, ...
//! ```
//!
//! All numbers are little endian. Version 1 had no numbers of entries.
//!
//! An index is derived from its segment: one that is absent, does not verify or is older is made again. But it is only written when the whole segment is durable, and only a segment that has one is retired; so the
//! newest index, which stays when its segment goes, vouches for everything through its `last_lsn`: an opening need not
//! read what lies below, and knows that what is missing there was retired.
//!
//! Header and tables are verified when the file is opened, entries and numbers when they are first used.

use std::sync::OnceLock;

use super::{Committed, ENTRY_BYTES, Entry, Lists, Memory, NUMBER_BYTES, Number, Row, number};
use crate::disk::MappedBytes;
use crate::log::Held;
use crate::record::{Epoch, Lsn, Position, SegmentId};

/// The format this build writes, and the newest it reads.
pub(in crate::topics) const INDEX_VERSION: u16 = 2;
const HEADER_BYTES: usize = 96;
const ROW_BYTES: usize = 64;
/// Where a row says how many messages it has, and which number is its first.
const COUNT_AT: usize = 24;
const NUMBERS_AT: usize = 56;
const COMMIT_BYTES: usize = 48;
const MAGIC: &[u8; 8] = b"MPREGTIX";
const SUFFIX: &str = ".index";

/// Name of the index file of a segment.
pub(in crate::topics) fn index_name(id: SegmentId) -> String {
    format!("{:020}{SUFFIX}", id.0)
}

/// The segment whose index has this file name; `None` for other files.
pub(in crate::topics) fn parse_index_name(name: &str) -> Option<SegmentId> {
    let digits = name.strip_suffix(SUFFIX)?;
    let plain = digits.len() == 20 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(SegmentId))?
}

/// Why bytes are no index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::topics) enum Fault {
    /// Cut, damaged, or of another segment.
    Broken,
    /// Verifies, in an older format: to be made again. Everything through here was durable when it was written.
    Older(Lsn),
    /// Verifies, in a newer format.
    Newer(u16),
}

/// An index file, mapped.
#[derive(Debug)]
pub(in crate::topics) struct File {
    bytes: Box<dyn MappedBytes>,
    header: Header,
    lists_verify: OnceLock<bool>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Header {
    id: SegmentId,
    salt: u64,
    base_lsn: Lsn,
    last_lsn: Lsn,
    frames_end: u64,
    last_time_us: u64,
    rows: u32,
    commits: u32,
    tables_bytes: u32,
    lists_crc: u32,
}

impl File {
    /// Encodes the index of a segment whose frames end at `held.end()`, with `held.last_lsn()`.
    pub fn encode(held: &Held, index: &Memory) -> Vec<u8> {
        let tables = encode_tables(index);
        let lists = encode_lists(index);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + tables.len() + lists.len());
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&u64::from(INDEX_VERSION).to_le_bytes());
        let numbers = [
            held.id().0,
            held.salt(),
            held.base_lsn().0,
            held.last_lsn().0,
            held.end(),
            index.last_time_us(),
        ];
        numbers.iter().for_each(|number| bytes.extend_from_slice(&number.to_le_bytes()));
        let length = |count: usize| u32::try_from(count).expect("a segment bounds its index");
        let commits = index.commits().len();
        let counts = [length(index.rows()), length(commits), length(tables.len()), 0];
        counts.iter().for_each(|count| bytes.extend_from_slice(&count.to_le_bytes()));
        let crcs = [crc32c::crc32c(&tables), crc32c::crc32c(&lists), 0];
        crcs.iter().for_each(|crc| bytes.extend_from_slice(&crc.to_le_bytes()));
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        debug_assert_eq!(bytes.len(), HEADER_BYTES);
        bytes.extend_from_slice(&tables);
        bytes.extend_from_slice(&lists);
        bytes
    }

    /// Verifies everything but entries and numbers. Cost: one pass over the tables, no copy.
    pub fn open(bytes: Box<dyn MappedBytes>) -> Result<File, Fault> {
        let header = Header::decode(&bytes)?;
        let file = File { bytes, header, lists_verify: OnceLock::new() };
        let names_from = file.names_from();
        let tables = file.bytes.get(HEADER_BYTES..file.entries_from()).ok_or(Fault::Broken)?;
        let crc = u32_at(&file.bytes, 80);
        let counted = file.numbers_to() == Some(file.bytes.len());
        if crc32c::crc32c(tables) != crc || !counted || names_from > file.entries_from() {
            return Err(Fault::Broken);
        }
        let rows = (0..file.rows()).map(|at| file.name_at(file.row_at(at)));
        let commits = (0..file.header.commits as usize).map(|at| file.name_at(file.commit_at(at)));
        if rows.chain(commits).any(|name| name.is_none()) {
            return Err(Fault::Broken);
        }
        Ok(file)
    }

    /// True when it is the index of this very segment, whole.
    pub fn is_of(&self, held: &Held) -> bool {
        let Header { id, salt, base_lsn, last_lsn, frames_end, .. } = self.header;
        let ours = (id, salt) == (held.id(), held.salt());
        ours && (base_lsn, last_lsn, frames_end) == (held.base_lsn(), held.last_lsn(), held.end())
    }

    /// Everything through here was durable when the index was written.
    pub fn vouched(&self) -> Lsn {
        self.header.last_lsn
    }

    /// Whether entries and numbers are what was written. Cost: one pass over them at the first call.
    pub fn lists_verify(&self) -> bool {
        let verify = || crc32c::crc32c(&self.bytes[self.entries_from()..]) == self.header.lists_crc;
        *self.lists_verify.get_or_init(verify)
    }

    pub fn rows(&self) -> usize {
        self.header.rows as usize
    }

    pub fn row(&self, at: usize) -> Row<'_> {
        let from = self.row_at(at);
        let field = |nth: usize| u64_at(&self.bytes, from + 8 * nth);
        Row {
            topic: self.name_at(from).unwrap_or_default(),
            seq_before: field(1),
            bytes_before: field(2),
            count: field(3),
            bytes: field(4),
            first_time_us: field(5),
            last_time_us: field(6),
        }
    }

    pub fn last_time_us(&self) -> u64 {
        self.header.last_time_us
    }

    pub fn commits(&self) -> Vec<Committed> {
        (0..self.header.commits as usize).map(|at| self.commit(at)).collect()
    }

    fn commit(&self, at: usize) -> Committed {
        let from = self.commit_at(at);
        let field = |nth: usize| u64_at(&self.bytes, from + 8 * nth);
        let reached = Position { epoch: Epoch(field(4)), lsn: Lsn(field(5)) };
        Committed {
            lsn: Lsn(field(1)),
            time_us: field(2),
            name: self.name_at(from).unwrap_or_default().to_owned(),
            reached: (field(3) == 1).then_some(reached),
        }
    }

    fn row_at(&self, at: usize) -> usize {
        HEADER_BYTES + at * ROW_BYTES
    }

    fn commit_at(&self, at: usize) -> usize {
        self.row_at(self.rows()) + at * COMMIT_BYTES
    }

    fn names_from(&self) -> usize {
        self.commit_at(self.header.commits as usize)
    }

    fn entries_from(&self) -> usize {
        HEADER_BYTES + self.header.tables_bytes as usize
    }

    fn numbers_from(&self) -> usize {
        self.entries_from() + self.header.records() * ENTRY_BYTES
    }

    /// Where the numbers end by what the rows say; `None` when they do not follow each other.
    fn numbers_to(&self) -> Option<usize> {
        let mut next = 0_u64;
        for at in (0..self.rows()).map(|at| self.row_at(at)) {
            let (count, first) = (u64_at(&self.bytes, at + COUNT_AT), u64_at(&self.bytes, at + NUMBERS_AT));
            next = next.checked_add(count).filter(|_| first == next)?;
        }
        let bytes = usize::try_from(next).ok()?.checked_mul(NUMBER_BYTES)?;
        self.numbers_from().checked_add(bytes)
    }

    /// The name whose place and length stand at byte `from`; `None` when it is none.
    fn name_at(&self, from: usize) -> Option<&str> {
        let at = self.names_from() + u32_at(&self.bytes, from) as usize;
        let name =
            self.bytes[..self.entries_from()].get(at..)?.get(..u32_at(&self.bytes, from + 4) as usize)?;
        std::str::from_utf8(name).ok()
    }
}

impl Lists for File {
    #[inline]
    fn entries(&self) -> &[[u8; ENTRY_BYTES]] {
        self.bytes[self.entries_from()..self.numbers_from()].as_chunks().0
    }

    #[inline]
    fn numbers(&self, row: u32) -> &[Number] {
        if row >= self.header.rows {
            return &[];
        }
        let at = self.row_at(row as usize);
        // The rows were verified together with where their numbers end.
        let place = |field: usize| usize::try_from(u64_at(&self.bytes, at + field)).unwrap_or(usize::MAX);
        let all: &[Number] = self.bytes[self.numbers_from()..].as_chunks().0;
        all.get(place(NUMBERS_AT)..).and_then(|rest| rest.get(..place(COUNT_AT))).unwrap_or_default()
    }

    fn listed(&self) -> usize {
        self.header.records()
    }
}

impl Header {
    fn decode(bytes: &[u8]) -> Result<Header, Fault> {
        let head = bytes.get(..HEADER_BYTES).ok_or(Fault::Broken)?;
        if &head[..8] != MAGIC || crc32c::crc32c(&head[..92]) != u32_at(head, 92) {
            return Err(Fault::Broken);
        }
        let version = u16::try_from(u64_at(head, 8) & 0xFFFF).unwrap_or(u16::MAX);
        if version > INDEX_VERSION {
            return Err(Fault::Newer(version));
        }
        if version < INDEX_VERSION {
            return Err(Fault::Older(Lsn(u64_at(head, 40))));
        }
        let header = Header {
            id: SegmentId(u64_at(head, 16)),
            salt: u64_at(head, 24),
            base_lsn: Lsn(u64_at(head, 32)),
            last_lsn: Lsn(u64_at(head, 40)),
            frames_end: u64_at(head, 48),
            last_time_us: u64_at(head, 56),
            rows: u32_at(head, 64),
            commits: u32_at(head, 68),
            tables_bytes: u32_at(head, 72),
            lists_crc: u32_at(head, 84),
        };
        let tables =
            u64::from(header.rows) * ROW_BYTES as u64 + u64::from(header.commits) * COMMIT_BYTES as u64;
        let ordered = header.last_lsn.0 < u64::MAX && header.base_lsn.0 <= header.last_lsn.0 + 1;
        let rest = (bytes.len() - HEADER_BYTES) as u64;
        let room = rest.checked_sub(u64::from(header.tables_bytes));
        let fits = tables <= u64::from(header.tables_bytes)
            && room.is_some_and(|room| ordered && header.records() as u64 <= room / ENTRY_BYTES as u64);
        if fits { Ok(header) } else { Err(Fault::Broken) }
    }

    fn records(&self) -> usize {
        usize::try_from(self.last_lsn.0 + 1 - self.base_lsn.0).unwrap_or(usize::MAX / ENTRY_BYTES)
    }
}

/// Rows, commits and names.
fn encode_tables(index: &Memory) -> Vec<u8> {
    let mut tables = Vec::new();
    let mut names = Vec::new();
    let mut push = |name: &str, fields: &[u64]| {
        tables.extend_from_slice(&u32::try_from(names.len()).unwrap_or(u32::MAX).to_le_bytes());
        tables.extend_from_slice(&u32::try_from(name.len()).unwrap_or(u32::MAX).to_le_bytes());
        fields.iter().for_each(|field| tables.extend_from_slice(&field.to_le_bytes()));
        names.extend_from_slice(name.as_bytes());
    };
    let mut numbers = 0;
    for at in 0..index.rows() {
        let Row { topic, seq_before, bytes_before, count, bytes, first_time_us, last_time_us } =
            index.row(at);
        push(topic, &[seq_before, bytes_before, count, bytes, first_time_us, last_time_us, numbers]);
        numbers += count;
    }
    for commit in index.commits() {
        let reached = commit.reached.unwrap_or_default();
        let kind = if commit.reached.is_some() { 1 } else { 2 };
        push(&commit.name, &[commit.lsn.0, commit.time_us, kind, reached.epoch.0, reached.lsn.0]);
    }
    tables.extend_from_slice(&names);
    tables.resize(tables.len().next_multiple_of(ENTRY_BYTES), 0);
    tables
}

/// Entries and numbers.
fn encode_lists(index: &Memory) -> Vec<u8> {
    // Where the next number of each row goes.
    let mut messages = 0;
    let mut next: Vec<usize> = Vec::with_capacity(index.rows());
    for at in 0..index.rows() {
        next.push(messages);
        messages += usize::try_from(index.row(at).count).expect("a segment bounds its index");
    }
    let entries = index.entries().as_flattened();
    let mut lists = Vec::with_capacity(entries.len() + messages * NUMBER_BYTES);
    lists.extend_from_slice(entries);
    lists.resize(entries.len() + messages * NUMBER_BYTES, 0);
    let numbers: &mut [Number] = lists[entries.len()..].as_chunks_mut().0;
    for (at, entry) in index.entries().iter().enumerate() {
        if let Some(next) = next.get_mut(Entry::row_of(entry) as usize) {
            numbers[*next] = number(at);
            *next += 1;
        }
    }
    lists
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut field = [0; 4];
    field.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(field)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut field = [0; 8];
    field.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(field)
}
