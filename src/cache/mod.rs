//! `cache-request` to store operations, and back to replies. Thin: what a level, a miss or an expiry means is
//! decided in the store; what a message looks like in `protocol`.
//!
//! [`Cache`] is shared by the node, a [`Clerk`] belongs to one connection and keeps what would otherwise be
//! allocated per request. Whatever memory cannot answer is [`Step::Cold`] and is asked again off the async
//! workers, where the clerk may block.

mod atomic;
mod batch;
mod constraints;
mod delete;
mod failure;
mod get;
mod lease;
mod namespace;
mod namespaces;
mod notify;
mod promise;
mod put;
mod removal;
mod restore;
mod slide;
mod stats;
mod structure;
mod tally;
#[cfg(test)]
mod tests;

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Instant;

use mpreg_storage::record::Lsn;
use mpreg_storage::store::{self, Store};

use crate::protocol::cache::{
    Command, Consistency, Durability, Head, Options, Performance, Put, Reply, Request,
};
use crate::protocol::{Error, OperationIds};
use crate::session::{self, Step};
use notify::Notice;
use tally::{Tally, Totals};

pub(crate) use notify::Announcer;

/// The cache of a node.
#[derive(Debug)]
pub(crate) struct Cache {
    pub(crate) store: Store,
    /// Level of requests that name none.
    level: store::Level,
    /// Random, so that operation ids differ from those of other starts.
    process: u64,
    clerks: AtomicU32,
    totals: Totals,
    /// The newest fencing token given out.
    token: AtomicU64,
    /// Whether a pattern may name everything.
    invalidates_all: bool,
    /// Who publishes what writers want told.
    announcer: Option<Arc<dyn Announcer>>,
}

impl Cache {
    /// A fencing token above all given out before, also before a restart: state time never goes back, and no node
    /// grants a million leases a second for long.
    fn next_token(&self) -> u64 {
        let now_us = self.store.now_us();
        // Relaxed: only the numbers must differ and grow.
        let before = self.token.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |token| {
            Some(now_us.max(token.saturating_add(1)))
        });
        before.map_or(now_us, |token| now_us.max(token.saturating_add(1)))
    }

    pub(crate) fn new(store: Store, level: store::Level, process: u64) -> Cache {
        Cache {
            store,
            level,
            process,
            clerks: AtomicU32::new(0),
            totals: Totals::default(),
            token: AtomicU64::new(0),
            invalidates_all: false,
            announcer: None,
        }
    }

    /// Has what writers want told on topics of their own published.
    pub(crate) fn announced_by(mut self, announcer: Arc<dyn Announcer>) -> Cache {
        self.announcer = Some(announcer);
        self
    }

    /// Lets one pattern remove everything.
    pub(crate) fn invalidate_all(mut self, allowed: bool) -> Cache {
        self.invalidates_all = allowed;
        self
    }

    /// State for one more connection, or for one answer off the workers.
    pub(crate) fn clerk(&self) -> Clerk {
        // Relaxed: only the numbers must differ.
        let number = self.clerks.fetch_add(1, Ordering::Relaxed);
        Clerk {
            ids: OperationIds::new(self.process, number),
            keys: Vec::new(),
            ends: Vec::new(),
            extras: Vec::new(),
            now_us: 0,
            mark: Instant::now(),
            tally: Tally::default(),
        }
    }

    /// The durability of what a read saw: what holds at the latest when the reply leaves.
    fn durability(&self, lsn: Lsn, strong: bool) -> Durability {
        if strong || lsn <= self.store.durable_lsn() { Durability::Strong } else { Durability::Eventual }
    }

    fn is_strong(&self, options: &Options<'_>) -> bool {
        match options.consistency {
            Some(level) => level == Consistency::Strong,
            None => self.level == store::Level::Strong,
        }
    }
}

/// May an answer wait for the disk?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Patience {
    /// No: answer from memory or say [`Step::Cold`].
    None,
    /// Yes, the caller is no async worker.
    Blocking,
}

/// One connection's state.
#[derive(Debug)]
pub(crate) struct Clerk {
    pub(crate) ids: OperationIds,
    /// The encoded keys of the run at hand, one behind the other.
    keys: Vec<u8>,
    /// Where they end.
    ends: Vec<usize>,
    /// The encoded metadata of the put at hand.
    extras: Vec<u8>,
    /// State time of this batch.
    pub(crate) now_us: u64,
    /// When the last answer was finished.
    mark: Instant,
    tally: Tally,
}

impl Clerk {
    /// A batch begins: one look at the clock serves all of it.
    pub(crate) fn begin(&mut self, cache: &Cache) {
        self.now_us = cache.store.now_us();
        self.mark = Instant::now();
    }

    /// A batch ends: its counts become visible.
    pub(crate) fn end(&mut self, cache: &Cache) {
        cache.totals.add(&mut self.tally);
    }

    /// A run begins: keys encoded before are forgotten.
    pub(crate) fn begin_run(&mut self) {
        self.keys.clear();
        self.ends.clear();
    }

    /// Encodes the key of a request of this run.
    pub(crate) fn encode(&mut self, request: &Request<'_>) -> EncodedKey {
        let key = match &request.command {
            Command::Get(key) | Command::Delete(key) | Command::Put(Put { key, .. }) => key,
            Command::Atomic(atomic) => &atomic.key,
            Command::Structure(structure) => &structure.key,
            _ => return EncodedKey::None,
        };
        let start = self.keys.len();
        match key.encode_into(&mut self.keys) {
            Ok(()) => {
                self.ends.push(self.keys.len());
                EncodedKey::At(start..self.keys.len())
            }
            Err(error) => EncodedKey::Bad(error),
        }
    }

    /// Starts loading the entries of all keys of this run.
    pub(crate) fn prefetch(&self, cache: &Cache) {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        cache.store.prefetch(starts.zip(&self.ends).map(|(start, &end)| &self.keys[start..end]));
    }

    /// Answers one request of this run.
    pub(crate) fn answer(
        &mut self,
        cache: &Cache,
        request: &Request<'_>,
        key: &EncodedKey,
        patience: Patience,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        if cache.is_strong(&request.options) {
            reply.seen.timeout_ms = reply.seen.timeout_ms.max(request.options.timeout_ms.max(1));
        }
        let mut desk = Desk { cache, clerk: self, request, patience, notice: None };
        let span = match key {
            EncodedKey::At(span) => span.clone(),
            EncodedKey::None => 0..0,
            EncodedKey::Bad(error) => return desk.refuse(error, reply),
        };
        if let Some(what) = promise::unkept(request) {
            return desk.not_supported(what, reply);
        }
        if request.options.notify_on_change {
            match Notice::of(&request.options, &request.command) {
                Ok(notice) => desk.expect(notice),
                Err(error) => return desk.refuse(&error, reply),
            }
        }
        // The answer needs the clerk while its key is borrowed.
        let keys = std::mem::take(&mut desk.clerk.keys);
        let encoded = &keys[span];
        let step = match &request.command {
            command if request.client.is_some() && is_numbered(command) => desk.numbered(command, reply),
            Command::Get(key) => desk.get(key, encoded, reply),
            Command::Put(put) => desk.put(put, encoded, reply),
            Command::Delete(_) => desk.delete(encoded, reply),
            Command::Stats(key) => desk.stats(key.as_ref(), reply),
            Command::Atomic(atomic) => desk.atomic(atomic, encoded, reply),
            Command::Structure(structure) => desk.structure(structure, encoded, reply),
            Command::Batch(batch) => desk.batch(batch, reply),
            Command::Namespace(namespace) => desk.namespace(namespace, reply),
            Command::Invalidate(invalidate) => desk.invalidate(invalidate, reply),
            Command::Query(query) => desk.query(query, reply),
        };
        self.keys = keys;
        step
    }

    /// The encoded key a request would be cold for.
    pub(crate) fn cold_key(&mut self, cache: &Cache, request: &Request<'_>) -> Option<Box<[u8]>> {
        let (Command::Get(_) | Command::Delete(_)) = &request.command else { return None };
        self.begin_run();
        let EncodedKey::At(span) = self.encode(request) else { return None };
        let key = &self.keys[span];
        let found = cache.store.read(key, self.now_us, |_| ());
        (found == store::Read::Cold).then(|| key.into())
    }
}

/// The stored form of a request's key, made when the request is read.
#[derive(Debug)]
pub(crate) enum EncodedKey {
    /// It has none.
    None,
    /// Where it stands among the keys of the run.
    At(Range<usize>),
    /// It is no key.
    Bad(Error),
}

/// One request at one clerk.
struct Desk<'a> {
    cache: &'a Cache,
    clerk: &'a mut Clerk,
    request: &'a Request<'a>,
    patience: Patience,
    /// What the request wants told of its change.
    notice: Option<Notice<'a>>,
}

impl<'a> Desk<'a> {
    #[cold]
    fn expect(&mut self, notice: Option<Notice<'a>>) {
        // Before anything is written: what is told of it must not be missed.
        if let Some(announcer) = &self.cache.announcer
            && notice.as_ref().is_some_and(Notice::is_announced)
        {
            announcer.expect();
        }
        self.notice = notice;
    }
}

impl Desk<'_> {
    /// Stages one operation, as patiently as the desk may.
    fn stage(&self, operation: &store::Operation<'_>) -> Result<store::Done, store::Error> {
        let told;
        let operation = match &self.notice {
            None => operation,
            Some(witness) => {
                told = store::Operation::Witnessed { operation, witness };
                &told
            }
        };
        match self.patience {
            Patience::None => self.cache.store.stage(operation),
            Patience::Blocking => self.cache.store.stage_blocking(operation),
        }
    }

    fn is_strong(&self) -> bool {
        self.cache.is_strong(&self.request.options)
    }
}

/// Whether an operation is one that its sender may number.
fn is_numbered(command: &Command<'_>) -> bool {
    match command {
        Command::Put(_) | Command::Delete(_) | Command::Atomic(_) | Command::Batch(_) => true,
        Command::Structure(structure) => structure.verb.writes(),
        _ => false,
    }
}

/// What a write may claim: the level it asked for, which holds when its reply leaves.
fn reached(strong: bool) -> Durability {
    if strong { Durability::Strong } else { Durability::Eventual }
}

/// The beginning of a reply to `request`.
fn head<'a>(request: &Request<'a>, ids: &'a mut OperationIds, now_us: u64) -> Head<'a> {
    let operation = request.command.operation().quoted();
    Head { u: request.u, now_us, operation, operation_id: ids.next_id() }
}

/// A reply with its timing; `mark` moves on to now.
fn timed<'a>(head: Head<'a>, mark: &mut Instant) -> Reply<'a> {
    let before = std::mem::replace(mark, Instant::now());
    let lookup_ns = u64::try_from(mark.duration_since(before).as_nanos()).unwrap_or(u64::MAX);
    Reply { performance: Some(Performance { lookup_ns }), ..Reply::new(head) }
}
