//! Topics: who wants what, and how it gets there.
//!
//! ```text
//! clerk         one connection: its requests and its subscriptions
//! hub           one order for all messages, fan-out to those who listen
//! index         subscriptions by what they match       pattern, trie
//! subscription  live or behind, its outbox
//! catch_up      reads the log for one that is behind           reading: both logs merged
//! follow        tells what happens to the cache
//! group         several that share one durable name
//! backlog       what all this needs of the log
//! ```

mod backlog;
mod catch_up;
mod clerk;
mod counters;
mod follow;
mod group;
mod hub;
mod index;
#[cfg(test)]
mod memory;
mod pattern;
mod reading;
mod rules;
mod stored;
mod subscription;
#[cfg(test)]
mod tests;
mod trie;

pub(crate) use backlog::{Backlog, EventLog, Follow, Followed, Told, Waiting};
pub(crate) use clerk::Clerk;
pub use counters::Stats;
pub(crate) use hub::{Draft, Hub};
pub use index::{Index, Matcher};
pub use pattern::{Error as PatternError, Pattern};
pub(crate) use rules::Rules;
