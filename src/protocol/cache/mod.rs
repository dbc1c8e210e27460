//! `cache-request` and `cache-response`.
//!
//! | file | job |
//! |---|---|
//! | `request` | the envelope, and which command it is |
//! | `key`, `metadata`, `options`, `client`, `lease`, `numbers` | members that many commands share |
//! | `atomic`, `structure/`, `namespace`, `removal`, `batch` | the commands beyond get, put and delete |
//! | `reply` | the envelope of replies |
//! | `code` | `error_code` |

mod atomic;
mod batch;
mod client;
mod code;
mod key;
mod lease;
mod metadata;
mod namespace;
mod numbers;
mod options;
mod removal;
mod reply;
mod request;
mod structure;

pub use atomic::{Atomic, AtomicKind};
pub use batch::Batch;
pub use client::Client;
pub use code::Code;
pub use key::KeyText;
pub use lease::Lease;
pub use metadata::{Dependency, Metadata, Ttl, TtlConfig};
pub use namespace::{BackupData, ListName, Merge, Namespace, NamespaceAction};
pub use options::{Consistency, Level, Levels, Notification, Options};
pub use removal::{Invalidate, Query};
pub use reply::{Durability, EntryReply, Failure, Head, Performance, Reply, Status};
pub use request::{Command, Operation, Put, Request};
pub use structure::{
    Combine, CounterVerb, Family, ListVerb, MapVerb, QueueVerb, Scored, ScoredValues, SetVerb, SortedSetVerb,
    Span, StackVerb, Strings, Structure, Update, Updates, Values, Verb,
};
