//! An index that grows with its segment.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::{Committed, ENTRY_BYTES, Entry, Lists, NO_ROW, Number, Row, number};
use crate::log::{FrameHead, frame::FRAME_HEADROOM_BYTES};
use crate::record::message::{self, Commit, Message};
use crate::record::{Lsn, op};
use crate::topics::catalogue::Catalogue;

/// See the module.
#[derive(Debug, Default)]
pub(in crate::topics) struct Memory {
    rows: Vec<MemoryRow>,
    by_topic: HashMap<Arc<str>, u32, RandomState>,
    entries: Vec<[u8; ENTRY_BYTES]>,
    commits: Vec<Committed>,
    last_time_us: u64,
    /// By row, of the first `listed` entries.
    numbers: Vec<Vec<Number>>,
    listed: usize,
}

#[derive(Debug)]
struct MemoryRow {
    topic: Arc<str>,
    seq_before: u64,
    bytes_before: u64,
    count: u64,
    bytes: u64,
    first_time_us: u64,
    last_time_us: u64,
    /// More messages or bytes than this in the segment, and the topic is over its limits.
    count_max: u64,
    bytes_max: u64,
}

impl Memory {
    /// Takes in one frame that stands at byte `offset` of the segment. Topics new to the segment are asked for in
    /// `catalogue`, and those that grow over their limits are told to it.
    ///
    /// # Errors
    /// A record that does not decode; records before it are in.
    pub fn add_frame(
        &mut self,
        head: &FrameHead,
        offset: u64,
        body: &[u8],
        catalogue: &mut Catalogue,
    ) -> Result<(), op::Error> {
        let body_offset = offset + FRAME_HEADROOM_BYTES as u64;
        let (mut at, mut lsn) = (0, head.first_lsn);
        while at < body.len() {
            let (record, end) = message::decode(body, at)?;
            let bytes = u32::try_from(end - at).unwrap_or(u32::MAX);
            let row = match record {
                message::Entry::Message(message) => self.add_message(&message, bytes, catalogue),
                message::Entry::Commit(commit) => self.add_commit(&commit, lsn),
            };
            let offset = u32::try_from(body_offset + at as u64).expect("segments are shorter than 4 GiB");
            let crc = crc32c::crc32c(&body[at..end]);
            self.entries.push(Entry { offset, bytes, crc, row }.encode());
            (at, lsn) = (end, lsn.plus(1));
        }
        Ok(())
    }

    fn add_message(&mut self, message: &Message<'_>, bytes: u32, catalogue: &mut Catalogue) -> u32 {
        let number = match self.by_topic.get(message.topic) {
            Some(number) => *number,
            None => self.add_row(message, catalogue),
        };
        let row = &mut self.rows[number as usize];
        row.count += 1;
        row.bytes += u64::from(bytes);
        row.last_time_us = message.time_us;
        self.last_time_us = self.last_time_us.max(message.time_us);
        if row.count > row.count_max || row.bytes > row.bytes_max {
            // Told once: from now on the catalogue asks for itself.
            (row.count_max, row.bytes_max) = (u64::MAX, u64::MAX);
            catalogue.is_over(&row.topic);
        }
        number
    }

    fn add_row(&mut self, message: &Message<'_>, catalogue: &mut Catalogue) -> u32 {
        let begun = catalogue.begin(message.topic);
        let number = u32::try_from(self.rows.len()).unwrap_or(NO_ROW);
        self.rows.push(MemoryRow {
            topic: Arc::clone(&begun.topic),
            seq_before: begun.seq,
            bytes_before: begun.bytes,
            count: 0,
            bytes: 0,
            first_time_us: message.time_us,
            last_time_us: message.time_us,
            count_max: begun.count_left,
            bytes_max: begun.bytes_left,
        });
        self.by_topic.insert(begun.topic, number);
        number
    }

    fn add_commit(&mut self, commit: &Commit<'_>, lsn: Lsn) -> u32 {
        let Commit { time_us, name, reached } = *commit;
        self.last_time_us = self.last_time_us.max(time_us);
        self.commits.push(Committed { lsn, time_us, name: name.to_owned(), reached });
        NO_ROW
    }

    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    pub fn row(&self, at: usize) -> Row<'_> {
        let row = &self.rows[at];
        Row {
            topic: &row.topic,
            seq_before: row.seq_before,
            bytes_before: row.bytes_before,
            count: row.count,
            bytes: row.bytes,
            first_time_us: row.first_time_us,
            last_time_us: row.last_time_us,
        }
    }

    /// The row of a topic.
    pub fn find(&self, topic: &str) -> Option<Row<'_>> {
        self.by_topic.get(topic).map(|number| self.row(*number as usize))
    }

    /// The topic of row `at`, shared.
    pub fn topic(&self, at: usize) -> Arc<str> {
        Arc::clone(&self.rows[at].topic)
    }

    /// Lists further entries in front of entry `to`, at most `max`; how many these were.
    pub fn list(&mut self, to: usize, max: usize) -> usize {
        let further = self.entries.get(self.listed..to).unwrap_or_default();
        let further = &further[..further.len().min(max)];
        self.numbers.resize_with(self.rows.len(), Vec::new);
        for (at, entry) in further.iter().enumerate() {
            if let Some(numbers) = self.numbers.get_mut(Entry::row_of(entry) as usize) {
                numbers.push(number(self.listed + at));
            }
        }
        self.listed += further.len();
        further.len()
    }

    pub fn commits(&self) -> &[Committed] {
        &self.commits
    }

    pub fn last_time_us(&self) -> u64 {
        self.last_time_us
    }
}

impl Lists for Memory {
    fn entries(&self) -> &[[u8; ENTRY_BYTES]] {
        &self.entries
    }

    fn numbers(&self, row: u32) -> &[Number] {
        self.numbers.get(row as usize).map(Vec::as_slice).unwrap_or_default()
    }

    fn listed(&self) -> usize {
        self.listed
    }
}
