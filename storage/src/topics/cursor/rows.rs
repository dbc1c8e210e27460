//! What a cursor wants of one segment, topic by topic.

use std::collections::HashMap;
use std::sync::Arc;

use super::page::Reading;
use crate::record::Lsn;
use crate::topics::cut::Cut;
use crate::topics::index::{Entry, Row};

/// What is wanted of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Want {
    Nothing,
    /// Every message.
    All,
    /// Those within the topic's limits.
    Limited,
}

/// By row of the segment's index.
#[derive(Debug, Default)]
pub(super) struct Rows {
    wants: Vec<Want>,
    topics: Vec<Option<Arc<str>>>,
    limited: HashMap<u32, Limited, foldhash::fast::RandomState>,
    wanted: Vec<u32>,
}

/// The oldest messages of a topic, left out.
#[derive(Debug, Clone, Copy)]
struct Limited {
    /// So many messages, from the first in the segment on.
    count: u64,
    /// Messages that begin below this byte of the topic, counted from the segment's start.
    bytes: u64,
    /// Messages received before this.
    time_us: u64,
}

impl Rows {
    /// Rows judged so far.
    pub fn len(&self) -> usize {
        self.wants.len()
    }

    /// Whether any message of the rows judged so far may be shown.
    pub fn wants_any(&self) -> bool {
        !self.wanted.is_empty()
    }

    /// Rows judged so far of which something may be shown, ascending.
    pub fn wanted(&self) -> &[u32] {
        &self.wanted
    }

    /// Whether messages are left out by counting, so that counting must begin with the segment.
    pub fn counts(&self) -> bool {
        self.limited.values().any(|limited| limited.count > 0 || limited.bytes > 0)
    }

    /// Judges the next row.
    pub fn judge(&mut self, row: &Row<'_>, reading: &Reading<'_>) {
        let number = u32::try_from(self.wants.len()).unwrap_or(u32::MAX);
        let wanted = (reading.filter)(row.topic);
        let limits = reading.limits.filter(|_| wanted);
        let mut want = if wanted { Want::All } else { Want::Nothing };
        if let Some(cut) = limits {
            let hidden = cut.hidden.get(row.topic).copied().unwrap_or_default();
            let limited = Limited {
                count: hidden.through_seq.saturating_sub(row.seq_before),
                bytes: hidden.through_bytes.saturating_sub(row.bytes_before),
                time_us: cut.time_us.saturating_sub(reading.shared.options.limits_of(row.topic).age_us),
            };
            if limited.count > 0 || limited.bytes > 0 || row.first_time_us < limited.time_us {
                want = Want::Limited;
                self.limited.insert(number, limited);
            }
        }
        self.wants.push(want);
        self.topics.push(wanted.then(|| Arc::from(row.topic)));
        if wanted {
            self.wanted.push(number);
        }
    }

    /// What is wanted of a row; nothing of what is no message.
    #[inline]
    pub fn want(&self, row: u32) -> Want {
        self.wants.get(row as usize).copied().unwrap_or(Want::Nothing)
    }

    /// The topic of a wanted row.
    pub fn topic(&self, row: u32) -> &str {
        self.topics.get(row as usize).and_then(Option::as_deref).unwrap_or_default()
    }

    /// Whether a message of a `Limited` row is within the limits by count and bytes. Asked of each of its messages up
    /// to the cut, in order. What it returns is the age limit it must still keep.
    pub fn count(&mut self, entry: Entry, lsn: Lsn, cut: Option<&Cut>) -> Option<u64> {
        let limited = self.limited.get_mut(&entry.row)?;
        if cut.is_none_or(|cut| lsn > cut.position.lsn) {
            return Some(0);
        }
        let shown = limited.count == 0 && limited.bytes == 0;
        limited.count = limited.count.saturating_sub(1);
        limited.bytes = limited.bytes.saturating_sub(u64::from(entry.bytes));
        shown.then_some(limited.time_us)
    }
}
