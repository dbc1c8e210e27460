//! The tables inside the redb file.
//!
//! ```text
//! entries  key                       -> row (see `row`)
//! cells    structure id u64 BE, subkey -> bytes      rows of structures: lists, sets, maps
//! drops    structure id u64 BE       -> ()           structures whose cells are still to be removed
//! expiry   expires_us u64 BE, key    -> ()           one row for each entry that expires
//! tags     see `marks`                                tags and dependencies, counts of tags
//! meta     name                      -> bytes        see `meta`
//! ```
//!
//! Keys and values are our own bytes, never types that redb encodes: its next major version changes
//! those. Big endian numbers in keys, because redb orders keys bytewise.

use redb::{ReadOnlyTable, TableDefinition};

/// Bytes to bytes.
pub(super) type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;
/// Keys that say everything themselves.
pub(super) type Marks = TableDefinition<'static, &'static [u8], ()>;
/// [`Rows`] as a snapshot sees them.
pub(super) type ReadRows = ReadOnlyTable<&'static [u8], &'static [u8]>;
/// [`Marks`] as a snapshot sees them.
pub(super) type ReadMarks = ReadOnlyTable<&'static [u8], ()>;

pub(super) const ENTRIES: Rows = TableDefinition::new("entries");
pub(super) const CELLS: Rows = TableDefinition::new("cells");
pub(super) const DROPS: Marks = TableDefinition::new("drops");
pub(super) const EXPIRY: Marks = TableDefinition::new("expiry");
/// Rows from a tag to its keys. Nothing is stored there yet; the name is taken.
pub(super) const TAGS: Rows = TableDefinition::new("tags");
pub(super) const META: Rows = TableDefinition::new("meta");

/// The key of the `expiry` table: order is expiry first, then key.
pub(super) fn expiry_key(expires_us: u64, key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&expires_us.to_be_bytes());
    out.extend_from_slice(key);
}

/// Splits a key of the `expiry` table; `None` when it is too short to be one.
pub(super) fn split_expiry_key(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (expires_us, key) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*expires_us), key))
}

/// The key of the `cells` table.
pub(super) fn cell_key(id: u64, subkey: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&id.to_be_bytes());
    out.extend_from_slice(subkey);
}
