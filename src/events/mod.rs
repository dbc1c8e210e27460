//! What happens to the cache, told: as messages on `cache.events.<namespace>.<event_type>`, and as a stream for the
//! program a node is embedded in.
//!
//! Nothing here is stored. The log of the store is the only copy of what happened ([`mpreg_storage::store::Events`]);
//! a message is made when somebody reads it, now or from the backlog, and is the same both times.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::events::{EventKind, EventsFrom};
//! use mpreg_storage::record::Key;
//! use mpreg_storage::store::Level;
//!
//! let dir = tempfile::tempdir()?;
//! let running = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
//! let mut events = running.events(EventsFrom::Latest)?;
//!
//! let key = Key::new("user_sessions", "session_123")?;
//! running.store().put(key.as_bytes(), br#"{"user":7}"#, Level::Eventual)?;
//!
//! let event = events.next().await?.expect("nothing is missing");
//! assert_eq!((event.kind, &*event.namespace, &*event.identifier), (EventKind::Put, "user_sessions", "session_123"));
//! # running.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod follow;
mod message;
mod stream;
#[cfg(test)]
mod tests;

pub use mpreg_storage::record::EventId;
pub use mpreg_storage::store::{EventKind, EventsFrom};
pub use stream::{Change, EventStream, Gap};

pub(crate) use follow::StoreEvents;

/// Namespaces that begin like this hold what the server itself keeps; nothing of them is told.
const INTERNAL: &str = "mpreg.";
