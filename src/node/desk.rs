//! What a connection talks to: each message to its room, by role.

use std::future::Future;
use std::sync::Arc;

use mpreg_storage::record::Position;
use tokio::sync::watch;

use crate::cache::{Cache, Clerk, EncodedKey, Patience};
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
