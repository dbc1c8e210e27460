//! The write path: sequencing, group commit, checkpoints, recovery.
//!
//! [`core`] decides, [`pipeline`] drives it under its locks, [`checkpoint`] folds into L2,
//! [`recovery`] builds it all from what the disk holds. [`journal`] is the part that needs a log and nothing else;
//! the backlog of topics stands on it.

pub mod checkpoint;
pub mod core;
pub mod dirty;
pub mod durable;
pub mod error;
pub mod journal;
pub mod marks;
mod pace;
pub mod pipeline;
pub mod recovery;
mod retention;
pub(crate) mod structures;
mod view;
pub mod waiters;
mod watch;
mod whole;

#[cfg(test)]
mod tests;

pub use durable::{Durable, Room};
pub use error::Error;
pub use pipeline::Pipeline;
pub use retention::Keep;
pub use watch::Grown;
