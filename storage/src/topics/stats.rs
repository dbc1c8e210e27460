//! Figures of the backlog.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::Topics;
use super::index::Row;
use super::shelf::Chapter;
use super::subscriptions::Subscription;
use crate::log::Held;
use crate::record::Position;

/// See the members. Messages that a topic's limits hide count until their segment leaves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Length of all segment files in bytes, the active one included.
    pub bytes: u64,
    /// Segments, the active one included.
    pub segments: usize,
    /// Messages kept.
    pub messages: u64,
    /// Topics with at least one message kept.
    pub topics: usize,
    /// Receive time of the oldest message kept, microseconds since 1970 UTC.
    pub oldest_time_us: Option<u64>,
    /// Position of the oldest record kept; of the next one when there is none.
    pub first: Position,
    /// The newest message.
    pub written: Position,
    /// The newest message that survives a power cut.
    pub durable: Position,
    /// Bytes a power cut would take now.
    pub unsynced_bytes: u64,
    /// Moving mean of a sync, microseconds.
    pub sync_mean_us: u64,
    /// Syncs since the backlog was opened.
    pub syncs: u64,
    /// Durable subscriptions and their lag.
    pub subscriptions: Vec<Subscription>,
}

/// What is kept of one topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicStats {
    /// The topic.
    pub topic: String,
    /// Messages kept.
    pub messages: u64,
    /// Bytes of their records.
    pub bytes: u64,
    /// Receive time of the oldest.
    pub first_time_us: u64,
    /// Receive time of the newest.
    pub last_time_us: u64,
}

impl Topics {
    /// Figures of now. Cost: a look at every topic of every segment; no I/O beyond mapped indexes.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let (chapters, mut stats) = self.shared.gate().with(|shelf| {
            let open = &shelf.open.index;
            let rows = (0..open.rows()).map(|at| open.row(at));
            let (messages, oldest) = rows.fold((0, None), |(count, oldest), row| {
                (count + row.count, older(oldest, row.first_time_us))
            });
            let stats = Stats {
                bytes: shelf.all().map(Held::file_bytes).sum(),
                segments: shelf.sealed.len() + 1,
                messages,
                topics: shelf.catalogue.len(),
                oldest_time_us: oldest,
                first: shelf.position(shelf.first_lsn()),
                written: Position::default(),
                durable: Position::default(),
                unsynced_bytes: 0,
                sync_mean_us: 0,
                syncs: 0,
                subscriptions: Vec::new(),
            };
            (shelf.sealed.iter().map(Arc::clone).collect::<Vec<Arc<Chapter>>>(), stats)
        });
        for index in chapters.iter().map(|chapter| chapter.index()) {
            stats.messages += index.messages();
            if let Some(first_us) = index.first_time_us() {
                stats.oldest_time_us = older(stats.oldest_time_us, first_us);
            }
        }
        let journal = &self.shared.journal;
        let (sync_mean_us, syncs) = journal.sync_figures();
        let unsynced_bytes = journal.unsynced_bytes();
        let (written, durable) = (self.written(), self.durable_position());
        let subscriptions = self.subscriptions();
        Stats { written, durable, unsynced_bytes, sync_mean_us, syncs, subscriptions, ..stats }
    }

    /// The `count` topics with the most messages kept, most first, ties by name. Cost: as [`Topics::stats`], and a
    /// table of all topics while it works.
    #[must_use]
    pub fn top_topics(&self, count: usize) -> Vec<TopicStats> {
        let mut topics: HashMap<String, TopicStats, RandomState> = HashMap::default();
        let chapters = self.shared.gate().with(|shelf| {
            let open = &shelf.open.index;
            (0..open.rows()).for_each(|at| add(&mut topics, &open.row(at)));
            shelf.sealed.iter().map(Arc::clone).collect::<Vec<Arc<Chapter>>>()
        });
        for index in chapters.iter().map(|chapter| chapter.index()) {
            (0..index.rows()).for_each(|at| add(&mut topics, &index.row(at)));
        }
        let mut topics: Vec<TopicStats> = topics.into_values().collect();
        topics.sort_unstable_by(|one, two| {
            two.messages.cmp(&one.messages).then_with(|| one.topic.cmp(&two.topic))
        });
        topics.truncate(count);
        topics
    }
}

fn older(oldest: Option<u64>, time_us: u64) -> Option<u64> {
    Some(oldest.map_or(time_us, |oldest| oldest.min(time_us)))
}

/// Adds what one segment has of a topic.
fn add(topics: &mut HashMap<String, TopicStats, RandomState>, row: &Row<'_>) {
    let known = topics.entry(row.topic.to_owned()).or_insert_with(|| TopicStats {
        topic: row.topic.to_owned(),
        messages: 0,
        bytes: 0,
        first_time_us: row.first_time_us,
        last_time_us: row.last_time_us,
    });
    known.messages += row.count;
    known.bytes += row.bytes;
    known.first_time_us = known.first_time_us.min(row.first_time_us);
    known.last_time_us = known.last_time_us.max(row.last_time_us);
}
