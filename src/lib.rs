//! MPREG node as a library.

mod cache;
pub mod cli;
pub mod client;
pub mod config;
pub mod events;
pub mod global_cache;
pub mod limits;
pub mod node;
pub mod protocol;
pub mod pubsub;
pub mod rpc;
mod session;
mod transport;

pub use global_cache::{GlobalCacheKey, GlobalCacheManager};
pub use node::{Node, Running};
#[cfg(fuzzing)]
pub use transport::fuzzing;
