//! The client: connections to a node, for any number of tasks.
//!
//! ```text
//! task --call--> Client --payload--> writer ==socket==> node
//!      <-oneshot-- pending (by u) <-- reader <=socket==
//!      <---------- lanes (subscriptions, worker)
//! ```
//!
//! | | |
//! |---|---|
//! | [`Client`] | one connection, shared by all its clones: cache, functions, topics |
//! | [`Pool`] | several connections, made anew when they are lost or old |
//! | [`Subscriber`] | a subscription that outlives its connections |
//! | [`Endpoints`] | several nodes: failover and back-off |
//! | [`Worker`] | serves functions of this program to everybody |
//!
//! One background task owns a connection. Requests from all clones of a [`Client`] are pipelined: what is waiting is written
//! together, replies find their caller by the `u` they carry. Writes of one connection take effect in the order they
//! were called.
//!
//! Nothing hangs: every call has a time-out, and a lost connection fails all pending calls at once. A lost connection stays
//! lost: connect again, or let a [`Pool`] do it. An error says whether the operation can have been applied, see
//! [`Error::outcome`].
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::client::{Client, Durability, WriteOptions};
//!
//! # let dir = tempfile::tempdir()?;
//! let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
//! let client = Client::connect(&node.url()).await?;
//!
//! client.put(("users", "ada"), &vec!["admin", "author"]).await?;
//! let roles: Option<Vec<String>> = client.get(("users", "ada")).await?;
//! assert_eq!(roles.unwrap_or_default().len(), 2);
//!
//! // Acknowledged only when it would survive a power cut.
//! let written = client.put_with(("users", "bob"), &0, WriteOptions::strong()).await?;
//! assert_eq!(written.durability, Some(Durability::Strong));
//!
//! assert!(client.delete(("users", "ada")).await?);
//! assert_eq!(client.get::<u32>(("users", "ada")).await?, None);
//! # drop(client);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

pub mod cache;
mod connection;
mod endpoint;
mod endpoints;
mod error;
mod incoming;
mod lanes;
mod options;
mod pending;
mod pool;
pub mod pubsub;
pub mod rpc;
mod tcp;
#[cfg(test)]
mod tests;
pub mod worker;
mod ws;

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::Instant;

pub use cache::{
    Atomic, AtomicOutcome, Durability, Entry, FoundKey, Key, Lease, LeaseState, Merge, Namespace,
    NamespaceOutcome, Range, Reply, Request, Scored, Status, Structure, StructureOutcome, Written,
};
use connection::{Connection, Routes};
use endpoint::{Endpoint, Transport};
pub use endpoints::{Backoff, Endpoints};
pub use error::{Error, Outcome};
pub use options::{ConnectOptions, Level, ReadOptions, WriteOptions};
use pending::Ticket;
pub use pool::{Pool, PoolOptions};
pub use pubsub::{Event, Gap, Message, Messages, Place, Publish, Published, Start, Subscriber, Subscription};
pub use rpc::{Command, FunctionFilter, Graph, Results};

pub use worker::{Failure, Function, Invocation, Parameter, Worker};

/// Longest message either way, in bytes, as the protocol has it.
pub const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Requests of one connection that may be under way at once; further calls wait.
pub const IN_FLIGHT_MAX: usize = 1024;

/// A connection to a node. Clones share it; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
    timeout: Duration,
}

#[derive(Debug)]
struct Shared {
    /// To the background task. Closed once the connection is lost.
    payloads: mpsc::Sender<Vec<u8>>,
    routes: Arc<Routes>,
    in_flight: Arc<Semaphore>,
    /// Of this connection alone, whoever else is connected: what ids of subscriptions begin with.
    name: String,
}

impl Client {
    /// Connects to `ws://host:port` or `tcp://host:port` with the default options.
    pub async fn connect(url: &str) -> Result<Client, Error> {
        Client::connect_with(url, ConnectOptions::default()).await
    }

    /// Connects with chosen time-outs.
    ///
    /// Errors: [`Error::Url`] for a URL this client cannot use, [`Error::Connect`] when nobody
    /// answers there or the upgrade is refused, [`Error::TimedOut`].
    pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Client, Error> {
        let endpoint = Endpoint::parse(url)?;
        let opening = Connection::open(&endpoint);
        let limit = options.connect_timeout;
        let connection =
            tokio::time::timeout(limit, opening).await.map_err(|_| Error::TimedOut { after: limit })??;
        let (payloads, receiver) = mpsc::channel(IN_FLIGHT_MAX);
        let routes = Arc::new(Routes::default());
        tokio::spawn(connection.run(receiver, Arc::clone(&routes)));
        let in_flight = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
        let shared = Arc::new(Shared { payloads, routes, in_flight, name: chance() });
        Ok(Client { shared, timeout: options.call_timeout })
    }

    /// The same connection with another time-out for calls.
    #[must_use]
    pub fn with_timeout(&self, timeout: Duration) -> Client {
        Client { shared: Arc::clone(&self.shared), timeout }
    }

    /// Whether the connection has ended. It stays so.
    #[must_use]
    pub fn is_lost(&self) -> bool {
        self.shared.routes.pending.is_lost()
    }

    /// Sends any message of the protocol, anything that serialises to an object without `u`, and returns the whole reply as
    /// text, error replies included. One that gets no reply by the protocol times out.
    pub async fn send<M: Serialize + ?Sized>(&self, message: &M) -> Result<Box<RawValue>, Error> {
        self.submit(message).await?.reply().await
    }

    /// Hands such a message over and leaves the reply for later: what one task submits first leaves first, without
    /// waiting for the replies before. Waits while [`IN_FLIGHT_MAX`] are under way.
    pub async fn submit<M: Serialize + ?Sized>(&self, message: &M) -> Result<Answer, Error> {
        let deadline = Instant::now() + self.timeout;
        let payload = serde_json::to_vec(message).map_err(Error::Encode)?;
        let submitting = async {
            let shared = &*self.shared;
            let in_flight = Arc::clone(&shared.in_flight).acquire_owned().await;
            let permit = in_flight.expect("the semaphore is never closed");
            let ticket = shared.routes.pending.enter()?;
            self.post(with_u(&payload, ticket.u())?).await?;
            Ok(Answer { ticket, deadline, timeout: self.timeout, _permit: permit, _client: self.clone() })
        };
        let after = self.timeout;
        tokio::time::timeout(after, submitting).await.unwrap_or(Err(Error::TimedOut { after }))
    }

    /// Sends any message of the protocol and returns the whole reply, error replies included.
    ///
    /// `u` is chosen here; the reply carries the one that was given, if any. A message that is no
    /// object is refused with [`Error::Encode`]. One that gets no reply by the protocol times out.
    pub async fn raw(&self, message: Value) -> Result<Value, Error> {
        let Value::Object(mut members) = message else { return Err(Error::encode("a message is an object")) };
        let given = members.remove("u");
        let mut reply: Value =
            serde_json::from_str(self.send(&members).await?.get()).map_err(Error::Decode)?;
        if let (Some(given), Some(members)) = (given, reply.as_object_mut()) {
            members.insert("u".to_owned(), given);
        }
        Ok(reply)
    }

    /// Hands a message whose answer nobody waits for to the background task, if there is room for it.
    fn post_now<M: Serialize>(&self, message: &M) {
        let payload = serde_json::to_vec(message).ok().and_then(|text| with_u(&text, "-").ok());
        if let Some(payload) = payload {
            let _ = self.shared.payloads.try_send(payload);
        }
    }

    /// Hands a message to the background task.
    async fn post(&self, payload: Vec<u8>) -> Result<(), Error> {
        if payload.len() > MESSAGE_BYTES_MAX {
            return Err(Error::TooLarge { bytes: payload.len(), bytes_max: MESSAGE_BYTES_MAX });
        }
        self.shared.payloads.send(payload).await.map_err(|_| self.shared.routes.pending.lost())
    }
}

/// The reply to a submitted message. Dropping it forgets the reply, not the message.
#[derive(Debug)]
#[must_use = "whether it went well is only in the reply"]
pub struct Answer {
    ticket: Ticket,
    deadline: Instant,
    timeout: Duration,
    _permit: OwnedSemaphorePermit,
    /// The connection stays while somebody waits.
    _client: Client,
}

impl Answer {
    /// Waits for it, until the time-out of the call that submitted the message.
    pub async fn reply(self) -> Result<Box<RawValue>, Error> {
        let reply = tokio::time::timeout_at(self.deadline, self.ticket.reply()).await;
        let reply = reply.unwrap_or(Err(Error::TimedOut { after: self.timeout }))?;
        serde_json::from_slice(&reply).map_err(Error::Decode)
    }
}

/// 64 random bits, as text.
fn chance() -> String {
    format!("{:016x}", RandomState::new().build_hasher().finish())
}

/// The message, which must be an object, with `u` as its first member.
fn with_u(message: &[u8], u: &str) -> Result<Vec<u8>, Error> {
    let Some(members) = message.strip_prefix(b"{") else {
        return Err(Error::encode("a message is an object"));
    };
    let separator = if members == b"}" { "" } else { "," };
    let mut payload = format!("{{\"u\":\"{u}\"{separator}").into_bytes();
    payload.extend_from_slice(members);
    Ok(payload)
}
