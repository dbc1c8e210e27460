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
    /// A list, set, map or sorted set whose members live in cells of their own; the value is a [`StructureHead`].
    Structure = 2,
    /// A value that is in memory only. Lives there until it is evicted; no checkpoint stores it.
    Volatile = 3,
}

impl EntryKind {
    /// The kind with this number, if there is one.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<EntryKind> {
        match number {
            0 => Some(EntryKind::Tombstone),
            1 => Some(EntryKind::Value),
            2 => Some(EntryKind::Structure),
            3 => Some(EntryKind::Volatile),
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
    /// JSON text for [`EntryKind::Value`], a [`StructureHead`] for [`EntryKind::Structure`]; empty for a tombstone.
    pub value: &'a [u8],
    /// Encoded metadata (`record::extras`); empty when everything has its default.
    pub extras: &'a [u8],
}

/// What the entry of a structure holds instead of a value: which structure it is.
///
/// ```text
/// 0  1  family
/// 1  8  id, u64 little endian
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructureHead {
    /// Number of the family; see the room `structure`.
    pub family: u8,
    /// Number of the structure, unique in a store for ever.
    pub id: u64,
}

impl StructureHead {
    /// Length of the encoded form.
    pub const BYTES: usize = 9;

    /// The encoded form.
    #[must_use]
    pub fn encode(self) -> [u8; StructureHead::BYTES] {
        let mut bytes = [self.family; StructureHead::BYTES];
        bytes[1..].copy_from_slice(&self.id.to_le_bytes());
        bytes
    }

    /// Reads the encoded form; `None` for anything else.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<StructureHead> {
        let (&family, id) = bytes.split_first()?;
        Some(StructureHead { family, id: u64::from_le_bytes(id.try_into().ok()?) })
    }
}

impl EntryKind {
    /// Whether a row of L2 may hold it.
    #[must_use]
    pub fn is_stored(self) -> bool {
        matches!(self, EntryKind::Value | EntryKind::Structure)
    }
}

impl EntryFields<'_> {
    /// The structure this entry stands for; `None` for values and tombstones.
    #[must_use]
    pub fn structure(&self) -> Option<StructureHead> {
        if self.kind == EntryKind::Structure { StructureHead::decode(self.value) } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_structure_head_has_golden_bytes() {
        let head = StructureHead { family: 3, id: 0x0102 };
        assert_eq!(head.encode(), *b"\x03\x02\x01\0\0\0\0\0\0");
        assert_eq!(StructureHead::decode(&head.encode()), Some(head));
        for bytes in [&b""[..], b"\x03", b"\x03\x02\x01\0\0\0\0\0\0\0"] {
            assert_eq!(StructureHead::decode(bytes), None);
        }
    }

    #[test]
    fn kinds_keep_their_numbers() {
        for kind in [EntryKind::Tombstone, EntryKind::Value, EntryKind::Structure, EntryKind::Volatile] {
            assert_eq!(EntryKind::from_u8(kind as u8), Some(kind));
        }
        assert_eq!(EntryKind::from_u8(4), None);
    }
}
