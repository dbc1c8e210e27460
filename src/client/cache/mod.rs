//! The cache: typed calls for what is done every day, [`Request`] and [`Reply`] for everything the protocol has.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use mpreg::client::{Atomic, Client, Level, Request, Status};
//!
//! # let dir = tempfile::tempdir()?;
//! # let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
//! # let client = Client::connect(&node.url()).await?;
//! // Structures have typed faces.
//! let ranking = client.sorted_set::<String>(("games", "ranking"));
//! ranking.add(&"ada".to_owned(), 12.5).await?;
//! ranking.add(&"bob".to_owned(), 7.0).await?;
//! assert_eq!(ranking.top(1).await?[0].value, "ada");
//!
//! // A lock: stored only if there is none. A conflict is an outcome, not an error.
//! let lock = Atomic::test_and_set(&None::<u8>, "worker-7")?.ttl(Duration::from_secs(30));
//! assert!(client.atomic::<String>(("locks", "a"), lock.clone()).await?.applied);
//! assert!(!client.atomic::<String>(("locks", "a"), lock).await?.applied);
//!
//! // Whatever else the protocol has is a request with options.
//! let put = Request::put(("pages", "/home"), "<html>")?
//!     .ttl(Duration::from_secs(60))
//!     .tags(["site:7"])
//!     .level(Level::Strong);
//! assert_eq!(client.execute(&put).await?.status(), Status::Hit);
//! assert_eq!(client.invalidate_tags(["site:7"]).await?, 1);
//!
//! // Several operations, all or none.
//! let batch = Request::batch([
//!     Request::put(("orders", "17"), &2)?,
//!     Request::atomic(("stock", "x"), Atomic::decrement(2)?),
//! ]);
//! assert_eq!(client.execute(&batch).await?.batch()?.len(), 2);
//! # drop(client);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod atomic;
mod faces;
mod key;
mod namespace;
mod reply;
mod request;
mod structure;

use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use atomic::{Atomic, AtomicOutcome};
pub use faces::{Counter, List, Map, Queue, Set, SortedSet, Stack};
pub use key::{FoundKey, Key};
pub use namespace::{Merge, Namespace, NamespaceOutcome};
pub use reply::{Durability, Entry, Lease, LeaseState, Reply, Status};
pub(super) use reply::{RpcError, time};
pub use request::Request;
pub use structure::{Range, Scored, Structure, StructureOutcome};

use super::{Client, Error, ReadOptions, WriteOptions};

/// An acknowledged write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Written {
    /// The level it reached.
    pub durability: Option<Durability>,
    /// The node's time of it.
    pub created: Option<SystemTime>,
}

impl Client {
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
        let reply = self.execute(&Request::get(key).level(options.level)).await?;
        match reply.status() {
            Status::Miss => Ok(None),
            _ => reply.entry()?.map(Some).ok_or_else(|| Error::decode("a hit without an entry")),
        }
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
        let request = Request::put(key, value)?.level(options.level).ttl(options.ttl);
        let reply = self.execute(&request).await?.check_applied()?;
        let created = reply.entry::<serde::de::IgnoredAny>()?.map(|entry| entry.created);
        Ok(Written { durability: reply.durability(), created })
    }

    /// Removes `key`; true when it was there.
    pub async fn delete(&self, key: impl Into<Key<'_>>) -> Result<bool, Error> {
        self.delete_with(key, WriteOptions::default()).await
    }

    /// Removes `key` at a level; its `ttl` has no meaning here.
    pub async fn delete_with(&self, key: impl Into<Key<'_>>, options: WriteOptions) -> Result<bool, Error> {
        let reply = self.execute(&Request::delete(key).level(options.level)).await?;
        Ok(reply.status() == Status::Hit)
    }

    /// The node's statistics, in the shape of the protocol.
    pub async fn stats(&self) -> Result<Value, Error> {
        let entry = self.execute(&Request::stats()).await?.entry()?;
        entry.map(|entry| entry.value).ok_or_else(|| Error::decode("statistics without an entry"))
    }

    /// Executes any cache request. What the node refuses or fails is an error; a miss, a partial end and a conflict are
    /// not: see [`Reply::status`].
    pub async fn execute(&self, request: &Request<'_>) -> Result<Reply, Error> {
        Reply::new(self.send(request).await?)?.check()
    }
}
