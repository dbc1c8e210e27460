//! What a session needs from the node: an answer to each message, and the promises behind the answers.

use std::future::Future;

use mpreg_storage::record::Lsn;

use crate::protocol::Error as Refusal;
use crate::session::Outbox;

/// Where the answer to one message goes, and what that answer has seen.
#[derive(Debug)]
pub(crate) struct Reply<'a> {
    /// The reply's text is appended here; nothing appended means no reply.
    pub(crate) out: &'a mut Vec<u8>,
    /// What the batch has seen so far.
    pub(crate) seen: &'a mut Seen,
    /// Where everything goes that is said to this connection later.
    pub(crate) outbox: &'a Outbox,
}

/// Positions that must be reached before the replies of a batch may leave (decision 2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Highest lsn any reply observed, written or merely read; must be *written*.
    pub(crate) observed: Lsn,
    /// Highest lsn a `strong` request observed; must be *durable*.
    pub(crate) strong: Lsn,
    /// How long the most patient `strong` request waits, in milliseconds; 0: as long as the session allows.
    pub(crate) timeout_ms: u64,
    /// A reply tells that the store has failed for good.
    pub(crate) failed: bool,
}

impl Seen {
    /// A reply saw `lsn`; `strong` when its request asked for that level.
    pub(crate) fn saw(&mut self, lsn: Lsn, strong: bool) {
        self.observed = self.observed.max(lsn);
        if strong {
            self.strong = self.strong.max(lsn);
        }
    }

    /// What a reply composed elsewhere saw.
    pub(crate) fn join(&mut self, other: Seen) {
        self.observed = self.observed.max(other.observed);
        self.strong = self.strong.max(other.strong);
        self.timeout_ms = self.timeout_ms.max(other.timeout_ms);
        self.failed |= other.failed;
    }
}

/// How one message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Answered, or rightly ignored.
    Done,
    /// Taken: the reply comes through the outbox when it is ready, by the [`Call`](super::Call) taken from it.
    Later,
    /// Nothing happened: memory does not know the key, L2 must be asked.
    Cold,
    /// Nothing happened: writes outrun the disk, there is no room for this one yet.
    Busy,
}

/// The store has failed; nothing it did not confirm before may be promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failed(pub(crate) String);

/// Answers messages, for one connection. Implemented by the node, and by the sessions' tests to stage failures.
pub(crate) trait Service: Send + 'static {
    /// A service for another connection, or for one answer off the workers.
    fn fork(&self) -> Self;

    /// A message, read and understood as far as that needs no store; so that a run of them can be looked ahead.
    type Parsed<'m>;

    /// A batch begins.
    fn begin(&mut self);

    /// A run of messages begins: they are read one after the other, then handled in the same order.
    fn begin_run(&mut self);

    /// Reads the next message of the run.
    fn read<'m>(&mut self, message: &'m [u8]) -> Self::Parsed<'m>;

    /// All of the run have been read: the memory that handling them will touch may be fetched together.
    fn prefetch(&self);

    /// A batch ends.
    fn end(&mut self);

    /// Handles one message, in order. Does not block on I/O: what would have to is [`Step::Cold`].
    fn handle(&mut self, message: &Self::Parsed<'_>, reply: &mut Reply<'_>) -> Step;

    /// Handles a message that was [`Step::Cold`]. Blocks; called off the async workers.
    fn handle_cold(&mut self, message: &[u8], reply: &mut Reply<'_>);

    /// The key a message would be [`Step::Cold`] for, without doing anything.
    fn cold_key(&mut self, message: &[u8]) -> Option<Box<[u8]>>;

    /// Brings rows into memory as far as that works. Blocks; called off the async workers.
    fn warm(&self, keys: &[Box<[u8]>]);

    /// Resolves when a message that was [`Step::Busy`] may be tried again.
    fn room(&self) -> impl Future<Output = ()> + Send;

    /// Appends the refusal of a message, which may be cut short: overloaded, late or of unknown outcome.
    fn refuse(&mut self, message: &[u8], refusal: Refusal, out: &mut Vec<u8>);

    /// Makes everything up to `lsn` *written*. May block for one write to the page cache.
    fn hand_over(&self, lsn: Lsn) -> Result<(), Failed>;

    /// The highest durable lsn.
    fn durable_lsn(&self) -> Lsn;

    /// Resolves when everything up to `lsn` is *durable*.
    fn durable(&self, lsn: Lsn) -> impl Future<Output = Result<(), Failed>> + Send;

    /// The store has failed for good: the node should end.
    fn failed(&self, failure: &Failed);
}
