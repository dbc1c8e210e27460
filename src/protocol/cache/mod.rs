//! `cache-request` and `cache-response`.

mod code;
mod key;
mod metadata;
mod options;
mod reply;
mod request;

pub use code::Code;
pub use key::KeyText;
pub use metadata::{Dependency, Metadata, Ttl};
pub use options::{Consistency, Level, Levels, Options};
pub use reply::{Durability, EntryReply, Failure, Head, Performance, Reply, Status};
pub use request::{Command, Operation, Put, Request};
