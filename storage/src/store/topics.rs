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

/// Runs `recover` and opens the backlog: at the same time where the store may have threads, one after the other in a
/// simulation, which must repeat itself.
pub(super) fn open_beside<T: Send>(
    options: &Options,
    directory: &Arc<Directory>,
    recover: impl FnOnce() -> T,
) -> (T, Result<Option<Topics>, Error>) {
    if !options.threads || options.topics.is_none() {
        return (recover(), open(options, directory));
    }
    std::thread::scope(|scope| {
        let opening = scope.spawn(|| open(options, directory));
        let recovered = recover();
        (recovered, opening.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })
}

fn open(options: &Options, directory: &Arc<Directory>) -> Result<Option<Topics>, Error> {
    let Some(mut topics) = options.topics.clone() else { return Ok(None) };
    topics.threads &= options.threads;
    topics.free_bytes_min = topics.free_bytes_min.or(options.free_bytes_min);
    let dir = options.dir.join("wal/topics");
    let guard = Arc::clone(directory);
    Ok(Some(Topics::open(&options.machine, &dir, topics, Some(guard))?))
}
