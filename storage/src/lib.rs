//! # mpreg-storage
//!
//! The storage engine of MPREG node, usable alone and without an async runtime.
//!
//! *The log is the truth, redb is its checkpoint, memory is its cache, replicas are its followers.*
//!
//! Rooms, imports only downhill (`tests/rooms.rs` of the workspace checks it):
//!
//! | rank | room | job |
//! |---|---|---|
//! | 6 | [`store`] | the front door: open, get, submit, scan, feed, snapshot, close |
//! | 5 | [`mod@topics`] | the backlog: its log, topic indexes, retention, replay |
//! | 4 | [`mod@write`] | sequencing, group commit, tickets, checkpointer, recovery |
//! | 3 | [`state`] | `apply(op, view) -> outcome` |
//! | 2 | [`structure`] | lists, sets, maps, sorted sets: commands, resolved changes, reads |
//! | 2 | [`memory`] | L1: lock-free table, eviction policies, fill protocol |
//! | 2 | [`table`] | L2: redb schema, snapshot reads, one checkpoint transaction |
//! | 2 | [`log`] | segments and frames: append, sync, scan, retire; payload is bytes |
//! | 1 | [`record`] | ops, keys, entries, positions |
//! | 1 | [`tree`] | counted copy-on-write B+-trees whose nodes are cells |
//! | 1 | [`json`] | the validating scanner every stored value passes; equality, edits and conditions on texts |
//! | 1 | [`glob`] | patterns over identifiers |
//! | 0 | [`disk`] | `Disk`, `Clock`, `Rng`: real and faulty; limits |
#![deny(missing_docs)]

pub mod disk;
pub mod glob;
pub mod json;
pub mod limits;
pub mod log;
pub mod memory;
pub mod mutants;
pub mod record;
pub mod state;
pub mod store;
pub mod structure;
pub mod table;
pub mod topics;
pub mod tree;
pub mod write;
