//! `cache-request` and `cache-response`.
//!
//! | file | job |
//! |---|---|
//! | `request` | what can be asked for |
//! | `envelope` | the members of a request, and what each command needs of them |
//! | `key`, `metadata`, `options`, `client`, `lease`, `numbers` | members that many commands share |
//! | `atomic`, `structure/`, `namespace`, `removal`, `batch` | the commands beyond get, put and delete |
//! | `backup` | what a namespace's backup looks like |
//! | `reply/` | the envelope of replies, and the results in it |
//! | `code` | `error_code` |

mod atomic;
mod backup;
mod batch;
mod client;
mod code;
mod envelope;
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
#[cfg(test)]
mod tests;

pub use atomic::{Atomic, AtomicKind};
pub use backup::{Backup, BackupEntry, BackupWriter, StoredEntry};
pub use batch::Batch;
pub use client::Client;
pub use code::Code;
pub use key::KeyText;
pub use lease::Lease;
pub use metadata::{Dependency, Metadata, Ttl, TtlConfig};
pub use namespace::{BackupData, ListName, Merge, Namespace, NamespaceAction};
pub use options::{Consistency, Level, Levels, Notification, Options};
pub use removal::{Invalidate, Query};
pub(crate) use reply::write_key;
pub use reply::{
    AtomicResult, BackupResult, BatchResult, Begun, Breakdown, Counts, Durability, EntryReply, Failure, Head,
    KeyList, KeyReply, Largest, LeaseReply, LeaseState, NameList, NamespaceDetail, NamespaceHead,
    NamespaceResult, NamespaceStatistics, Notes, Performance, Reply, Status, StructureResult,
};
pub use request::{Command, Operation, Put, Request};
pub use structure::{
    Combine, CounterVerb, Family, ListVerb, MapVerb, QueueVerb, Scored, ScoredValues, SetVerb, SortedSetVerb,
    Span, StackVerb, Strings, Structure, Update, Updates, Values, Verb,
};
