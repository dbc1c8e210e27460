//! What the engine stores: positions, keys, entries and operations, with their archived layouts.
//!
//! Layouts are frozen per version and guarded by golden bytes; readers check every byte that comes
//! from a disk.

pub mod change;
pub mod entry;
pub mod extras;
pub mod key;
pub mod level;
pub mod message;
pub mod op;
pub mod position;

pub use change::Cause;
pub use entry::{EntryFields, EntryKind, StructureHead};
pub use extras::Extras;
pub use key::{Key, KeyParts};
pub use level::Level;
pub use op::{Op, Record, Records};
pub use position::{Epoch, EventId, Lsn, Position, SegmentId};
