//! What a connection talks to: each message to its room, by role.

use std::future::Future;
use std::sync::Arc;

use mpreg_storage::record::Position;
use tokio::sync::watch;

use super::invalidation;
use crate::cache::{Cache, Clerk, EncodedKey, Patience};
use crate::protocol::pubsub::Command;
use crate::protocol::{Error, Rejection, Request, parse};
use crate::pubsub::{self, Hub};
use crate::rpc::{Member, Rpc};
use crate::session::{Failed, Reply, Seen, Service, Step};

/// One connection's service.
#[derive(Debug)]
pub(super) struct Desk {
    cache: Arc<Cache>,
    clerk: Clerk,
    hub: Arc<Hub>,
    topics: pubsub::Clerk,
    rpc: Arc<Rpc>,
    /// What this connection is to the RPC: perhaps a worker.
    member: Member,
    /// Messages handled and not counted yet.
    handled: u64,
    /// Set once the store has failed; the node watches it.
    failure: Arc<watch::Sender<Option<String>>>,
}

/// A message that has been read.
#[derive(Debug)]
pub(super) struct Parsed<'m> {
    request: Result<Request<'m>, Rejection<'m>>,
    key: EncodedKey,
}

impl Desk {
    pub(super) fn new(
        cache: Arc<Cache>,
        hub: Arc<Hub>,
        rpc: Arc<Rpc>,
        failure: Arc<watch::Sender<Option<String>>>,
    ) -> Desk {
        let (topics, member) = (pubsub::Clerk::new(&hub), rpc.member());
        Desk { clerk: cache.clerk(), cache, hub, topics, rpc, member, handled: 0, failure }
    }

    fn dispatch(&mut self, message: &Parsed<'_>, patience: Patience, reply: &mut Reply<'_>) -> Step {
        self.handled += 1;
        match &message.request {
            Ok(Request::Cache(request)) => {
                return self.clerk.answer(&self.cache, request, &message.key, patience, reply);
            }
            Ok(Request::Rpc(request)) => return self.rpc.answer(request, reply),
            Ok(Request::Worker(message)) => self.member.take(message, reply),
            Ok(Request::PubSub(request)) => {
                if let Command::Publish(publish) = &request.command
                    && let Some(text) = invalidation::request_of(publish)
                {
                    if patience == Patience::None {
                        return Step::Cold;
                    }
                    self.invalidate(&text, reply);
                }
                return self.topics.answer(request, self.clerk.now_us, &mut self.clerk.ids, reply);
            }
            Ok(Request::Ignored) => {}
            Err(rejection) => {
                self.member.refused(rejection);
                rejection.write_into(self.clerk.now_us, &mut self.clerk.ids, reply.out);
            }
        }
        Step::Done
    }
}

impl Desk {
    /// Does what a publish wants done to the cache, as if its connection had asked the cache itself. What is refused
    /// is not done, and the publish goes on. Blocks.
    fn invalidate(&mut self, text: &str, reply: &mut Reply<'_>) {
        let parsed = self.read(text.as_bytes());
        let Ok(Request::Cache(request)) = &parsed.request else { return };
        let mut answer = Vec::new();
        let mut unseen = Reply { out: &mut answer, seen: reply.seen, outbox: reply.outbox };
        self.clerk.answer(&self.cache, request, &parsed.key, Patience::Blocking, &mut unseen);
    }

    /// Makes safe what a publish did to the cache, then tells of it: the desk of the connection does not know of it.
    /// What fails here fails again when the connection settles, which then says so. Blocks.
    fn settle_publish(&mut self, seen: &Seen) {
        let store = &self.cache.store;
        let _ = store.hand_over(seen.observed);
        if seen.strong > store.durable_lsn() {
            let _ = store.durable(seen.strong).wait();
        }
        if seen.topics.observed > Position::default() {
            let _ = self.hub.backlog().hand_over(seen.topics.observed);
        }
        self.settled();
    }
}

impl Service for Desk {
    fn fork(&self) -> Desk {
        let (hub, rpc) = (Arc::clone(&self.hub), Arc::clone(&self.rpc));
        Desk::new(Arc::clone(&self.cache), hub, rpc, Arc::clone(&self.failure))
    }

    type Parsed<'m> = Parsed<'m>;

    fn begin_run(&mut self) {
        self.clerk.begin_run();
    }

    fn read<'m>(&mut self, message: &'m [u8]) -> Parsed<'m> {
        let request = parse(message);
        let key = match &request {
            Ok(Request::Cache(request)) => self.clerk.encode(request),
            _ => EncodedKey::None,
        };
        Parsed { request, key }
    }

    fn prefetch(&self) {
        self.clerk.prefetch(&self.cache);
    }

    fn begin(&mut self) {
        self.clerk.begin(&self.cache);
    }

    fn end(&mut self) {
        self.clerk.end(&self.cache);
        self.rpc.count_messages(std::mem::take(&mut self.handled));
    }

    fn handle(&mut self, message: &Parsed<'_>, reply: &mut Reply<'_>) -> Step {
        self.dispatch(message, Patience::None, reply)
    }

    fn handle_cold(&mut self, message: &[u8], reply: &mut Reply<'_>) {
        self.begin_run();
        let parsed = self.read(message);
        if matches!(self.dispatch(&parsed, Patience::Blocking, reply), Step::Cold | Step::Busy) {
            // Blocking answers are final; should one not be, the message is refused rather than lost.
            self.refuse(message, Error::Overloaded, reply.out);
        }
        if matches!(parsed.request, Ok(Request::PubSub(_))) {
            self.settle_publish(reply.seen);
        }
    }

    fn cold_key(&mut self, message: &[u8]) -> Option<Box<[u8]>> {
        match parse(message) {
            Ok(Request::Cache(request)) => self.clerk.cold_key(&self.cache, &request),
            _ => None,
        }
    }

    fn warm(&self, keys: &[Box<[u8]>]) {
        for key in keys {
            // What fails here fails again, and is reported, when the message itself is answered.
            let _ = self.cache.store.fetch(key);
        }
    }

    fn room(&self) -> impl Future<Output = ()> + Send {
        // Each resolves at once where there is room.
        let (cache, topics) = (self.cache.store.room(), self.hub.backlog().room());
        async {
            cache.await;
            topics.await;
        }
    }

    fn refuse(&mut self, message: &[u8], refusal: Error, out: &mut Vec<u8>) {
        Rejection::new(message, refusal).write_into(self.clerk.now_us, &mut self.clerk.ids, out);
    }

    fn hand_over(&self, seen: &Seen) -> Result<(), Failed> {
        // What becomes durable is written on the way: whoever leads the sync hands everybody's records over at once.
        if seen.observed > seen.strong {
            self.cache.store.hand_over(seen.observed).map_err(|error| Failed(error.to_string()))?;
        }
        if seen.topics.observed > seen.topics.strong {
            self.hub.backlog().hand_over(seen.topics.observed).map_err(Failed)?;
        }
        Ok(())
    }

    fn is_durable(&self, seen: &Seen) -> bool {
        let topics = seen.topics.strong;
        seen.strong <= self.cache.store.durable_lsn()
            && (topics == Position::default() || topics <= self.hub.backlog().durable_position())
    }

    async fn durable(&self, seen: Seen) -> Result<(), Failed> {
        self.cache.store.durable(seen.strong).await.map_err(|error| Failed(error.to_string()))?;
        if seen.topics.strong > Position::default() {
            self.hub.backlog().durable(seen.topics.strong).await.map_err(Failed)?;
        }
        Ok(())
    }

    fn settled(&mut self) {
        self.topics.settled();
    }

    fn failed(&self, failure: &Failed) {
        self.failure.send_if_modified(|told| {
            let first = told.is_none();
            told.get_or_insert_with(|| failure.0.clone());
            first
        });
    }
}
