//! The operations beyond put, delete and expire: new versions computed from old ones, changes of structures,
//! several operations in one record, and marks for whoever follows the log.
//!
//! Every one is resolved: it carries what came out, never what was asked. Layouts are frozen like those of `op`.

use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

/// Why a new version was written. The numbers are on disk: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// A plain write or removal.
    Plain = 0,
    /// Stored because the old value was the expected one.
    TestAndSet = 1,
    /// The same under its other name.
    CompareAndSwap = 2,
    /// A number went up.
    Increment = 3,
    /// A number went down.
    Decrement = 4,
    /// Grown at the end.
    Append = 5,
    /// Grown at the front.
    Prepend = 6,
    /// The life of an entry was changed on request.
    ExtendTtl = 7,
    /// The life of an entry was renewed by a read (sliding expiry).
    Slide = 8,
    /// A counter structure changed.
    Counter = 9,
    /// Came from a backup.
    Restore = 10,
    /// Removed with what it depended on.
    Cascade = 11,
    /// Removed with others of its namespace.
    Clear = 12,
    /// Removed by a pattern.
    Invalidate = 13,
    /// Removed because of a tag.
    Tag = 14,
    /// Bookkeeping of the server itself: leases, replies kept for retries, results of functions.
    Internal = 15,
}

impl Cause {
    /// All causes, in the order of their numbers.
    const ALL: [Cause; 16] = [
        Cause::Plain,
        Cause::TestAndSet,
        Cause::CompareAndSwap,
        Cause::Increment,
        Cause::Decrement,
        Cause::Append,
        Cause::Prepend,
        Cause::ExtendTtl,
        Cause::Slide,
        Cause::Counter,
        Cause::Restore,
        Cause::Cascade,
        Cause::Clear,
        Cause::Invalidate,
        Cause::Tag,
        Cause::Internal,
    ];

    /// The cause with this number, if there is one.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Cause> {
        Cause::ALL.get(usize::from(number)).copied()
    }

    /// A word for people and events.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Cause::Plain => "plain",
            Cause::TestAndSet => "test_and_set",
            Cause::CompareAndSwap => "compare_and_swap",
            Cause::Increment => "increment",
            Cause::Decrement => "decrement",
            Cause::Append => "append",
            Cause::Prepend => "prepend",
            Cause::ExtendTtl => "extend_ttl",
            Cause::Slide => "slide",
            Cause::Counter => "counter",
            Cause::Restore => "restore",
            Cause::Cascade => "cascade",
            Cause::Clear => "clear",
            Cause::Invalidate => "invalidate",
            Cause::Tag => "tag",
            Cause::Internal => "internal",
        }
    }
}

/// A version computed from the one before it: value, metadata and times as they come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Update<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// JSON text.
    #[rkyv(with = InlineAsBox)]
    pub value: &'a [u8],
    /// Encoded metadata, empty when all default.
    #[rkyv(with = InlineAsBox)]
    pub extras: &'a [u8],
    /// Microseconds since 1970 UTC; may lie before `updated_us` when the entry keeps its age.
    pub created_us: u64,
    /// Microseconds since 1970 UTC; 0 = never.
    pub expires_us: u64,
    /// When, in microseconds since 1970 UTC.
    pub updated_us: u64,
    /// A [`Cause`].
    pub cause: u8,
}

/// Changes nothing but when an entry expires.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Touch<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// The new expiry, microseconds since 1970 UTC; 0 = never.
    pub expires_us: u64,
    /// When, in microseconds since 1970 UTC.
    pub touched_us: u64,
    /// A [`Cause`].
    pub cause: u8,
}

/// Removes a key for a reason other than a plain delete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Remove<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// When, in microseconds since 1970 UTC.
    pub removed_us: u64,
    /// A [`Cause`].
    pub cause: u8,
}

/// Changes a structure: see the room `structure` for families, verbs and what the payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Change<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// What goes in or out, encoded by the room `structure`.
    #[rkyv(with = InlineAsBox)]
    pub payload: &'a [u8],
    /// Encoded metadata of the entry; meaningful when the structure is made by this record.
    #[rkyv(with = InlineAsBox)]
    pub extras: &'a [u8],
    /// The structure; 0 = made by this record, which gives it its number.
    pub id: u64,
    /// Of the entry, when made by this record.
    pub created_us: u64,
    /// Of the entry, when made by this record; 0 = never.
    pub expires_us: u64,
    /// When, in microseconds since 1970 UTC.
    pub changed_us: u64,
    /// Family of the structure.
    pub family: u8,
    /// What is done to it.
    pub verb: u8,
}

/// Several operations that happen together or not at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Batch<'a> {
    /// Their records, one behind the other, none of them a batch.
    #[rkyv(with = InlineAsBox)]
    pub body: &'a [u8],
    /// How many.
    pub count: u32,
}

/// Hides every entry written before it that carries a tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct HideTag<'a> {
    /// The tag, UTF-8.
    #[rkyv(with = InlineAsBox)]
    pub tag: &'a [u8],
    /// JSON object for whoever follows the log: count, reason.
    #[rkyv(with = InlineAsBox)]
    pub details: &'a [u8],
    /// When, in microseconds since 1970 UTC.
    pub hidden_us: u64,
}

/// Tells whoever follows the log of one operation on many keys; changes no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Note<'a> {
    /// The operation, UTF-8: `clear`, `invalidate`, `restore`.
    #[rkyv(with = InlineAsBox)]
    pub what: &'a [u8],
    /// The namespace, UTF-8; empty when it concerns several.
    #[rkyv(with = InlineAsBox)]
    pub namespace: &'a [u8],
    /// JSON object: pattern, count, reason.
    #[rkyv(with = InlineAsBox)]
    pub details: &'a [u8],
    /// When, in microseconds since 1970 UTC.
    pub noted_us: u64,
}

/// Tells whoever follows the log more of the operation before it in the same record; changes no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Notice<'a> {
    /// The value before, as JSON text; see [`Notice::OLD_KNOWN`].
    #[rkyv(with = InlineAsBox)]
    pub old: &'a [u8],
    /// The value after, as JSON text, where the operation does not carry it; see [`Notice::NEW_KNOWN`].
    #[rkyv(with = InlineAsBox)]
    pub new: &'a [u8],
    /// JSON object of the writer's: what it wants told. Empty: nothing.
    #[rkyv(with = InlineAsBox)]
    pub details: &'a [u8],
    /// Which of the above is meant.
    pub flags: u8,
}

impl Notice<'_> {
    /// `old` is what was there; empty: there was nothing.
    pub const OLD_KNOWN: u8 = 1;
    /// `new` is what is there now.
    pub const NEW_KNOWN: u8 = 2;
    /// A value is longer than is kept here.
    pub const TOO_LARGE: u8 = 4;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_keep_their_numbers() {
        for (number, cause) in (0u8..).zip(Cause::ALL) {
            assert_eq!((cause as u8, Cause::from_u8(number)), (number, Some(cause)));
        }
        assert_eq!(Cause::from_u8(Cause::ALL.len() as u8), None);
    }
}
