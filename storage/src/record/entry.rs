//! An entry: a key with its value and the few numbers that travel with it through every tier.

use crate::record::Lsn;

/// What an entry holds. The numbers are on disk: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum EntryKind {
    /// Deleted. Lives in memory only, until a checkpoint has removed the row.
    Tombstone = 0,
    /// A value kept as the exact JSON text that was put.
    Value = 1,
}

impl EntryKind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<EntryKind> {
        match number {
            0 => Some(EntryKind::Tombstone),
            1 => Some(EntryKind::Value),
            _ => None,
        }
    }
}

/// The members of one version of an entry, borrowed from wherever they live.
///
/// Times are microseconds since 1970 UTC; `expires_us` 0 means never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EntryFields<'a> {
    /// What `value` holds.
    pub kind: EntryKind,
    /// The record that wrote this version.
    pub lsn: Lsn,
    /// When this version was written.
    pub created_us: u64,
    /// When it stops being visible; 0 = never. Visible while `now <= expires_us`.
    pub expires_us: u64,
    /// Reads counted so far (approximate under contention).
    pub access_count: u32,
    /// Last read, or the write when never read.
    pub last_access_us: u64,
    /// JSON text for [`EntryKind::Value`]; empty for a tombstone.
    pub value: &'a [u8],
    /// Encoded metadata (`record::extras`); empty when everything has its default.
    pub extras: &'a [u8],
}
