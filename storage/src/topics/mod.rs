//! The backlog: every stored message, in order, for as long as retention says. The second instance of the log.
//!
//! ```
//! use mpreg_storage::record::Level;
//! use mpreg_storage::store::{Options, Store};
//! use mpreg_storage::topics::{Pattern, Start, Step};
//!
//! let dir = tempfile::tempdir()?;
//! let store = Store::open(Options::new(dir.path()))?;
//! let topics = store.topics().expect("they are on unless switched off");
//! let first = topics.publish("orders.new", br#"{"payload":1}"#, Level::Strong)?;
//! topics.publish("orders.paid", br#"{"payload":2}"#, Level::Eventual)?;
//! topics.publish("users.new", br#"{"payload":3}"#, Level::Eventual)?;
//!
//! let orders = Pattern::new("orders.#")?;
//! let mut cursor = topics.cursor(Start::After(first.position), move |topic| orders.matches(topic));
//! let Step::Message(message) = cursor.next()? else { panic!("there is one") };
//! assert_eq!((message.topic, message.payload), ("orders.paid", &br#"{"payload":2}"#[..]));
//! assert!(matches!(cursor.next()?, Step::End));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Flow
//! ```text
//! stage       core lock: position, receive time, record into the batch     `then`: into the live queue, in order
//! hand over   one frame, one write(); its records go into the open index   visible -> written (ack eventual)
//! durable     one sync for everybody                                       durable             (ack strong)
//! released    = visible, but never past a strong message that is not durable: what may be told
//! housekeeper sealed and durable: index file beside the segment; too old or too much: oldest segment out
//! ```
//!
//! # On the disk
//! `wal/topics` holds a log named `topics` ([`log`](crate::log)) whose records are those of
//! [`record::message`](crate::record::message), and an index file for each sealed segment (`index/file.rs` draws it). An
//! opening reads the headers of all indexes and only the records above the newest one.
//!
//! # Retention
//! Physically by whole segments: age, bytes of all segments, number of topics. A replay from the beginning or from a time
//! also keeps to each topic's own limits (age, newest N messages, newest N bytes), exactly as they were at its cut. A
//! reader that goes on after a position gets everything that is still there, and is told of what is not:
//! [`Step::Gap`].

mod background;
mod catalogue;
mod cursor;
mod cut;
mod error;
mod gate;
mod index;
mod keeping;
#[cfg(all(test, loom))]
mod loom;
mod options;
pub mod pattern;
mod publish;
mod read_only;
mod recovery;
mod shelf;
mod stats;
mod subscriptions;
mod sync;
#[cfg(all(test, not(loom)))]
mod tests;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

pub use cursor::{Cursor, Message, Start, Step};
pub use cut::Cut;
pub use error::Error;
pub use options::{Limits, Options, Policy};
pub use pattern::Pattern;
pub use publish::Published;
pub use read_only::{ReadOnlyCursor, ReadOnlyTopics};
pub use stats::{Stats, TopicStats};
pub use subscriptions::Subscription;

use crate::log::{Appended, FrameHead, Log, Opened};
use crate::record::{Epoch, Lsn, Position};
use crate::write;
use crate::write::journal::{Follower, Journal, Keeper};
use crate::write::recovery::Machine;
use background::Threads;
use gate::Gate;
use keeping::Keeping;
use shelf::Shelf;
use subscriptions::Subscriptions;

/// Resolves when a position is durable; `.wait()` blocks instead.
pub type Durable = write::journal::Durable<Arc<Shared>>;
/// Resolves when a publish that was refused as busy may be tried again.
pub type Room = write::journal::Room<Arc<Shared>>;

/// A handle on the open backlog; clones share it. Dropping the last one stops the threads without a clean stop: call
/// [`Topics::close`].
#[derive(Debug, Clone)]
pub struct Topics {
    shared: Arc<Shared>,
    /// Only in the handles a user holds, so that the threads do not keep themselves alive.
    threads: Option<Arc<Threads>>,
}

/// What all handles, cursors and threads share. Opaque outside of this room.
#[derive(Debug)]
pub struct Shared {
    journal: Journal<Shelving>,
    subscriptions: Subscriptions,
    options: Options,
    machine: Machine,
    dir: PathBuf,
    epoch: Epoch,
    /// The last record the opening found, whose epoch is an earlier one after an unclean stop.
    found: Position,
    opened: Opened,
    keeping: Mutex<Keeping>,
    /// Free space is below its minimum: publishes are refused.
    full: AtomicBool,
    /// What went wrong in the background and is tried again.
    trouble: Mutex<Option<String>>,
    /// Keeps the data directory locked.
    _guard: Option<Arc<dyn std::fmt::Debug + Send + Sync>>,
}

/// Puts every frame of the log on the shelf. Opaque outside of this room.
#[derive(Debug)]
pub struct Shelving {
    gate: Gate<Shelf>,
}

impl Follower for Shelving {
    fn appended(&self, log: &Log, head: &FrameHead, at: Appended, body: &[u8]) {
        let last = head.last_lsn().unwrap_or(head.first_lsn);
        self.gate.show(last, |shelf| shelf.add_frame(log, head, at, body));
    }
}

impl Keeper for Arc<Shared> {
    type Follower = Shelving;

    fn journal(&self) -> &Journal<Shelving> {
        &self.journal
    }
}

impl Topics {
    /// What the opening found.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.shared.opened
    }

    /// State time, microseconds since 1970 UTC: never before the newest message.
    #[must_use]
    pub fn now_us(&self) -> u64 {
        self.shared.journal.now_us()
    }

    /// No message from now on is received before this state time: that of the store beside.
    pub fn advance_time(&self, floor_us: u64) {
        self.shared.journal.advance_time(floor_us);
    }

    /// The policy of a topic: the first one whose pattern matches. Cost: every pattern is tried; remember the answer.
    #[must_use]
    pub fn policy(&self, topic: &str) -> Option<&Policy> {
        self.shared.options.policy(topic)
    }

    /// Why nothing can be published any more, once that is so: the store must be reopened.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        self.shared.journal.failure()
    }

    /// What an operator should know although nothing is lost. `None` when all is well.
    #[must_use]
    pub fn trouble(&self) -> Option<String> {
        let full = self.shared.full.load(Ordering::Relaxed);
        let full = full.then(|| "the disk is nearly full: publishes are refused".to_owned());
        self.shared.trouble.lock().clone().or(full)
    }

    /// Clean stop: stops the threads, syncs, seals the log, writes the last index. Later calls on other handles answer
    /// with errors. Blocks.
    ///
    /// # Errors
    /// The log could not be sealed: the next opening is one after an unclean stop.
    pub fn close(&self) -> Result<(), Error> {
        if let Some(threads) = &self.threads {
            threads.stop();
        }
        self.shared.journal.close()?;
        self.shared.keep_last()
    }

    /// What the threads do, once: sync what is unsynced, write indexes, retire, prepare the next segment. For
    /// simulations and for embedders that run no threads.
    ///
    /// # Errors
    /// What failed; all of it is tried again by the next call, except a failed sync.
    pub fn step(&self) -> Result<(), Error> {
        self.shared.journal.wait_durable(self.shared.journal.staged())?;
        self.shared.keep()
    }
}

impl Shared {
    fn gate(&self) -> &Gate<Shelf> {
        &self.journal.follower().gate
    }

    fn released(&self) -> Lsn {
        self.gate().released(self.journal.durable())
    }

    /// The position of an lsn of this life, or of the last one before it.
    fn position(&self, lsn: Lsn) -> Position {
        if lsn == self.found.lsn { self.found } else { Position { epoch: self.epoch, lsn } }
    }

    /// Blocks until there may be room; does the work itself when there are no threads for it.
    fn wait_room(&self) -> Result<(), Error> {
        if !self.options.threads {
            self.journal.wait_durable(self.journal.staged())?;
            return Ok(());
        }
        Ok(self.journal.wait_room()?)
    }
}
