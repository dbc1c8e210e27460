//! What is known of each topic across segments: how much there ever was, how much is still kept, what it may have.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;

use super::index::{Index, Memory, Row};
use super::options::Limits;

/// See the module. Memory: about 150 bytes for each topic kept.
pub(super) struct Catalogue {
    topics: HashMap<Arc<str>, Topic, RandomState>,
    /// Topics that had more than they may show when somebody last looked.
    over: Vec<Arc<str>>,
    limits_of: Box<dyn Fn(&str) -> Limits + Send + Sync>,
}

/// One topic with messages in at least one segment.
#[derive(Debug)]
struct Topic {
    limits: Limits,
    /// Messages, and bytes of their records, in every segment that is no longer written, since the topic was first seen.
    seq: u64,
    bytes: u64,
    /// How much of that is retired.
    retired_seq: u64,
    retired_bytes: u64,
    /// Segments that have a row of it, the open one included.
    segments: u64,
    is_over: bool,
}

/// A topic's first message in a segment.
#[derive(Debug)]
pub(super) struct Begun {
    pub topic: Arc<str>,
    /// Messages and bytes before.
    pub seq: u64,
    pub bytes: u64,
    /// How many more keep it within its limits; no bound once it is known to be over.
    pub count_left: u64,
    pub bytes_left: u64,
}

/// Which messages of a topic a replay leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Hidden {
    /// Sequence numbers up to and including this one.
    pub through_seq: u64,
    /// Messages that begin below this byte of the topic.
    pub through_bytes: u64,
}

impl Catalogue {
    pub fn new(limits_of: Box<dyn Fn(&str) -> Limits + Send + Sync>) -> Catalogue {
        Catalogue { topics: HashMap::default(), over: Vec::new(), limits_of }
    }

    /// A topic gets its first message in the open segment.
    pub fn begin(&mut self, topic: &str) -> Begun {
        if !self.topics.contains_key(topic) {
            self.topics.insert(Arc::from(topic), Topic::new((self.limits_of)(topic), 0, 0));
        }
        let (name, _) = self.topics.get_key_value(topic).expect("it was put there if it was missing");
        let name = Arc::clone(name);
        let known = self.topics.get_mut(topic).expect("it was put there if it was missing");
        known.segments += 1;
        let left = |max: u64, all: u64, retired: u64| max.saturating_sub(all - retired);
        let Limits { count, bytes, .. } = known.limits;
        let open = known.is_over;
        Begun {
            topic: name,
            seq: known.seq,
            bytes: known.bytes,
            count_left: if open { u64::MAX } else { left(count, known.seq, known.retired_seq) },
            bytes_left: if open { u64::MAX } else { left(bytes, known.bytes, known.retired_bytes) },
        }
    }

    /// A topic has grown over its limits.
    pub fn is_over(&mut self, topic: &Arc<str>) {
        if let Some(known) = self.topics.get_mut(topic)
            && !std::mem::replace(&mut known.is_over, true)
        {
            self.over.push(Arc::clone(topic));
        }
    }

    /// The open segment is no longer written.
    pub fn seal(&mut self, index: &Memory) {
        for at in 0..index.rows() {
            let row = index.row(at);
            if let Some(known) = self.topics.get_mut(row.topic) {
                known.seq = row.seq_before + row.count;
                known.bytes = row.bytes_before + row.bytes;
            }
        }
    }

    /// A sealed segment found at an opening. In log order, oldest first.
    pub fn add_sealed(&mut self, index: &Index) {
        for at in 0..index.rows() {
            let row = index.row(at);
            if !self.topics.contains_key(row.topic) {
                let topic = Topic::new((self.limits_of)(row.topic), row.seq_before, row.bytes_before);
                self.topics.insert(Arc::from(row.topic), topic);
            }
            let Some(known) = self.topics.get_mut(row.topic) else { continue };
            known.seq = row.seq_before + row.count;
            known.bytes = row.bytes_before + row.bytes;
            known.segments += 1;
            if !known.is_over
                && (known.kept_count() > known.limits.count || known.kept_bytes() > known.limits.bytes)
            {
                known.is_over = true;
                self.over.push(Arc::from(row.topic));
            }
        }
    }

    /// The oldest segment is gone.
    pub fn retire(&mut self, index: &Index) {
        for at in 0..index.rows() {
            let row = index.row(at);
            let Some(known) = self.topics.get_mut(row.topic) else { continue };
            known.retired_seq = row.seq_before + row.count;
            known.retired_bytes = row.bytes_before + row.bytes;
            known.segments -= 1;
            if known.segments == 0 {
                self.topics.remove(row.topic);
            }
        }
    }

    /// What a replay of everything so far leaves out, topic by topic; topics of which nothing is left out are not
    /// in it. `open`: the index of the open segment. Cost: topics that ever grew over their limits.
    pub fn hidden(&mut self, open: &Memory) -> HashMap<Arc<str>, Hidden, RandomState> {
        let mut hidden = HashMap::default();
        let topics = &mut self.topics;
        self.over.retain(|topic| {
            let Some(known) = topics.get_mut(topic) else { return false };
            let open = open.find(topic);
            let leaves_out = known.hidden(open);
            // The open row was told once and tells no more, so the topic stays while it is being written.
            known.is_over = leaves_out != Hidden::default() || open.is_some();
            if leaves_out != Hidden::default() {
                hidden.insert(Arc::clone(topic), leaves_out);
            }
            known.is_over
        });
        hidden
    }

    /// Topics kept.
    pub fn len(&self) -> usize {
        self.topics.len()
    }
}

impl Topic {
    fn new(limits: Limits, seq: u64, bytes: u64) -> Topic {
        Topic { limits, seq, bytes, retired_seq: seq, retired_bytes: bytes, segments: 0, is_over: false }
    }

    fn kept_count(&self) -> u64 {
        self.seq - self.retired_seq
    }

    fn kept_bytes(&self) -> u64 {
        self.bytes - self.retired_bytes
    }

    fn hidden(&self, open: Option<Row<'_>>) -> Hidden {
        let (seq, bytes) = open
            .map_or((self.seq, self.bytes), |row| (row.seq_before + row.count, row.bytes_before + row.bytes));
        let through = |all: u64, max: u64, retired: u64| {
            let through = all.saturating_sub(max);
            if through > retired { through } else { 0 }
        };
        Hidden {
            through_seq: through(seq, self.limits.count, self.retired_seq),
            through_bytes: through(bytes, self.limits.bytes, self.retired_bytes),
        }
    }
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").field("topics", &self.topics.len()).finish_non_exhaustive()
    }
}
