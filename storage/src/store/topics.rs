//! The backlog of topics: a log of its own in the same data directory, under the same lock.

use std::sync::Arc;

use super::Store;
use super::directory::Directory;
use super::error::Error;
use super::options::Options;
use crate::topics::Topics;

impl Store {
    /// The backlog of topics; `None` when the options switched it off.
    #[must_use]
    pub fn topics(&self) -> Option<&Topics> {
        self.shared.topics.as_ref()
    }
}

/// Opens the backlog beside the store. No message is received before `time_us`, the store's state time.
pub(super) fn open(
    options: &Options,
    directory: &Arc<Directory>,
    time_us: u64,
) -> Result<Option<Topics>, Error> {
    let Some(mut topics) = options.topics.clone() else { return Ok(None) };
    topics.threads &= options.threads;
    topics.free_bytes_min = topics.free_bytes_min.or(options.free_bytes_min);
    let dir = options.dir.join("wal/topics");
    let guard = Arc::clone(directory);
    Ok(Some(Topics::open(&options.machine, &dir, topics, time_us, Some(guard))?))
}
