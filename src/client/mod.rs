//! The client: one connection to a node, shared by any number of tasks.
//!
//! ```text
//! task --call--> Client --payload--> writer ==socket==> node
//!      <-oneshot-- pending (by u) <-- reader <=socket==
//! ```
//!
//! One background task owns the connection. Requests from all clones of a [`Client`] are pipelined:
//! what is waiting is written together, replies find their caller by the `u` they carry. Writes of
//! one connection take effect in the order they were called.
//!
//! Nothing hangs: every call has a time-out, and a lost connection fails all pending calls at once.
//! A lost connection stays lost; connect again. An error says whether the operation can have been
//! applied, see [`Error::outcome`].
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

mod connection;
mod endpoint;
mod error;
mod message;
mod options;
mod pending;
mod tcp;
#[cfg(test)]
mod tests;
mod ws;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::{Semaphore, mpsc};

use connection::Connection;
use endpoint::{Endpoint, Transport};
pub use error::{Error, Outcome};
pub use message::{Durability, Entry, Key, Written};
use message::{Operation, Request};
pub use options::{ConnectOptions, Level, ReadOptions, WriteOptions};
use pending::Pending;

/// Longest message either way, in bytes, as the protocol has it.
pub const MESSAGE_BYTES_MAX: usize = 20 * 1024 * 1024;
/// Requests of one connection that may be under way at once; further calls wait.
pub const IN_FLIGHT_MAX: usize = 1024;

/// A connection to a node. Clones share it; it closes when the last one is dropped.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// To the background task. Closed once the connection is lost.
    payloads: mpsc::Sender<Vec<u8>>,
    pending: Arc<Pending>,
    in_flight: Semaphore,
    timeout: Duration,
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
        let pending = Arc::new(Pending::default());
        tokio::spawn(connection.run(receiver, Arc::clone(&pending)));
        let in_flight = Semaphore::new(IN_FLIGHT_MAX);
        Ok(Client {
            shared: Arc::new(Shared { payloads, pending, in_flight, timeout: options.call_timeout }),
        })
    }

    /// The value of `key`, or `None` when there is none.
    pub async fn get<T: DeserializeOwned>(&self, key: impl Into<Key<'_>>) -> Result<Option<T>, Error> {
        let entry = self.get_with(key, ReadOptions::default()).await?;
        Ok(entry.map(|entry: Entry<T>| entry.value))
    }

    /// The value of `key` with what the node knows about it.
    pub async fn get_with<T: DeserializeOwned>(
        &self,
        key: impl Into<Key<'_>>,
        options: ReadOptions,
    ) -> Result<Option<Entry<T>>, Error> {
        let request = Request::new(Operation::Get, key.into()).level(options.level);
        message::found(&self.call(&request).await?)
    }

    /// Stores `value` under `key`, over whatever was there. Acknowledged at the node's default level.
    pub async fn put<T: Serialize + ?Sized>(
        &self,
        key: impl Into<Key<'_>>,
        value: &T,
    ) -> Result<Written, Error> {
        self.put_with(key, value, WriteOptions::default()).await
    }

    /// Stores `value` with a level and a time to live.
    ///
    /// A value that serialises to `null` is refused by the node.
    pub async fn put_with<T: Serialize + ?Sized>(
        &self,
        key: impl Into<Key<'_>>,
        value: &T,
        options: WriteOptions,
    ) -> Result<Written, Error> {
        let value = serde_json::value::to_raw_value(value).map_err(Error::Encode)?;
        let request =
            Request::new(Operation::Put, key.into()).level(options.level).value(&value).ttl(options.ttl);
        message::written(&self.call(&request).await?)
    }

    /// Removes `key`; true when it was there.
    pub async fn delete(&self, key: impl Into<Key<'_>>) -> Result<bool, Error> {
        self.delete_with(key, WriteOptions::default()).await
    }

    /// Removes `key` at a level; its `ttl` has no meaning here.
    pub async fn delete_with(&self, key: impl Into<Key<'_>>, options: WriteOptions) -> Result<bool, Error> {
        let request = Request::new(Operation::Delete, key.into()).level(options.level);
        message::removed(&self.call(&request).await?)
    }

    /// The node's statistics, in the shape of the protocol.
    pub async fn stats(&self) -> Result<Value, Error> {
        message::statistics(&self.call(&Request::without_key(Operation::Stats)).await?)
    }

    /// Sends `value` there and back: is the node alive?
    pub async fn echo<T: Serialize + ?Sized, R: DeserializeOwned>(&self, value: &T) -> Result<R, Error> {
        let reply = self.exchange(|u| message::echo(u, value)).await?;
        message::echoed(&reply)
    }

    /// Sends any message of the protocol and returns the whole reply, error replies included.
    ///
    /// `u` is chosen here; the reply carries the one that was given, if any. A message that is no
    /// object is refused with [`Error::Encode`]. One that gets no reply by the protocol times out.
    pub async fn raw(&self, message: Value) -> Result<Value, Error> {
        let Value::Object(mut members) = message else { return Err(Error::encode("a message is an object")) };
        let given = members.remove("u");
        let reply = self.exchange(|u| {
            members.insert("u".to_owned(), u.into());
            serde_json::to_vec(&members)
        });
        let mut reply: Value = serde_json::from_slice(&reply.await?).map_err(Error::Decode)?;
        if let (Some(given), Some(members)) = (given, reply.as_object_mut()) {
            members.insert("u".to_owned(), given);
        }
        Ok(reply)
    }

    async fn call(&self, request: &Request<'_>) -> Result<Vec<u8>, Error> {
        self.exchange(|u| serde_json::to_vec(&request.with_u(u))).await
    }

    /// One request and its reply. Dropping the future forgets the reply, not the request.
    async fn exchange(
        &self,
        encode: impl FnOnce(&str) -> Result<Vec<u8>, serde_json::Error>,
    ) -> Result<Vec<u8>, Error> {
        let after = self.shared.timeout;
        tokio::time::timeout(after, self.exchange_unbounded(encode))
            .await
            .unwrap_or(Err(Error::TimedOut { after }))
    }

    async fn exchange_unbounded(
        &self,
        encode: impl FnOnce(&str) -> Result<Vec<u8>, serde_json::Error>,
    ) -> Result<Vec<u8>, Error> {
        let shared = &*self.shared;
        let _permit = shared.in_flight.acquire().await.expect("the semaphore is never closed");
        let ticket = shared.pending.enter()?;
        let payload = encode(ticket.u()).map_err(Error::Encode)?;
        if payload.len() > MESSAGE_BYTES_MAX {
            return Err(Error::TooLarge { bytes: payload.len(), bytes_max: MESSAGE_BYTES_MAX });
        }
        if shared.payloads.send(payload).await.is_err() {
            return Err(shared.pending.lost());
        }
        ticket.reply().await
    }
}
