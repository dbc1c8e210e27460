//! Operations as they stand in the log: resolved (absolute times, nothing left to chance), so that
//! applying one is the same on the live path, in recovery and on a follower.
//!
//! A record in a frame's body:
//!
//! ```text
//! 0   4   length of the archived operation, u32 little endian
//! 4   1   kind of the operation (never renumbered)
//! 5   1   layout version of that kind
//! 6   2   zero
//! 8   4   origin: cluster the operation came from, 0 = this one
//! 12  n   the operation, archived by rkyv (little endian, unaligned)
//! ```
//!
//! Each kind has its own archived struct, so a new kind never moves the bytes of an old one. A kind
//! or layout this build does not know is an error that names it, never skipped: skipping one
//! operation would fork the state.

mod archived;

use rkyv::api::high::HighSerializer;
use rkyv::rancor;
use rkyv::ser::allocator::ArenaHandle;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Serialize};

pub use super::change::{Batch, Cause, Change, HideTag, Note, Notice, Remove, Touch, Update};

/// Bytes in front of the archived operation.
pub const RECORD_HEAD_BYTES: usize = 12;
/// What a record takes at most beside its keys, values and payloads: head and archived numbers.
pub const RECORD_OVERHEAD_BYTES: usize = RECORD_HEAD_BYTES + 96;
/// Layout version written by this build.
const LAYOUT: u8 = 1;
const KIND_PUT: u8 = 1;
const KIND_DELETE: u8 = 2;
const KIND_EXPIRE: u8 = 3;
const KIND_UPDATE: u8 = 4;
const KIND_TOUCH: u8 = 5;
const KIND_REMOVE: u8 = 6;
const KIND_CHANGE: u8 = 7;
const KIND_BATCH: u8 = 8;
const KIND_HIDE_TAG: u8 = 9;
const KIND_NOTE: u8 = 10;
const KIND_NOTICE: u8 = 11;

/// Why bytes are not a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The body ends inside a record.
    #[error("record at body offset {offset} needs {needed} bytes, {left} are left")]
    Short {
        /// Where the record begins.
        offset: usize,
        /// Bytes it claims.
        needed: usize,
        /// Bytes there are.
        left: usize,
    },
    /// Written by a newer build.
    #[error("record at body offset {offset} has kind {kind} layout {layout}, which this build does not know")]
    Unknown {
        /// Where the record begins.
        offset: usize,
        /// Its kind.
        kind: u8,
        /// Its layout version.
        layout: u8,
    },
    /// The archived bytes do not hold together, or name a key that no key encodes to.
    #[error("record at body offset {offset} is damaged: {what}")]
    Damaged {
        /// Where the record begins.
        offset: usize,
        /// What does not hold.
        what: String,
    },
}

/// Stores a value under a key, replacing whatever was there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Put<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// JSON text.
    #[rkyv(with = InlineAsBox)]
    pub value: &'a [u8],
    /// Encoded metadata, empty when all default.
    #[rkyv(with = InlineAsBox)]
    pub extras: &'a [u8],
    /// Microseconds since 1970 UTC.
    pub created_us: u64,
    /// Microseconds since 1970 UTC; 0 = never.
    pub expires_us: u64,
}

/// Removes a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Delete<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// When, in microseconds since 1970 UTC.
    pub deleted_us: u64,
}

/// Removes a key whose time has come. Kept apart from [`Delete`] since watchers tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Archive, Serialize)]
pub struct Expire<'a> {
    /// Encoded key.
    #[rkyv(with = InlineAsBox)]
    pub key: &'a [u8],
    /// The expiry that has passed, in microseconds since 1970 UTC.
    pub expires_us: u64,
    /// When it was removed, in microseconds since 1970 UTC.
    pub removed_us: u64,
}

/// One resolved operation, borrowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op<'a> {
    /// See [`Put`].
    Put(Put<'a>),
    /// See [`Delete`].
    Delete(Delete<'a>),
    /// See [`Expire`].
    Expire(Expire<'a>),
    /// See [`Update`].
    Update(Update<'a>),
    /// See [`Touch`].
    Touch(Touch<'a>),
    /// See [`Remove`].
    Remove(Remove<'a>),
    /// See [`Change`].
    Change(Change<'a>),
    /// See [`Batch`].
    Batch(Batch<'a>),
    /// See [`HideTag`].
    HideTag(HideTag<'a>),
    /// See [`Note`].
    Note(Note<'a>),
    /// See [`Notice`].
    Notice(Notice<'a>),
}

impl<'a> Op<'a> {
    /// The key it acts on; `None` for a batch (see [`Op::parts`]), a hidden tag, a note and a notice.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        match self {
            Op::Put(put) => Some(put.key),
            Op::Delete(delete) => Some(delete.key),
            Op::Expire(expire) => Some(expire.key),
            Op::Update(update) => Some(update.key),
            Op::Touch(touch) => Some(touch.key),
            Op::Remove(remove) => Some(remove.key),
            Op::Change(change) => Some(change.key),
            Op::Batch(_) | Op::HideTag(_) | Op::Note(_) | Op::Notice(_) => None,
        }
    }

    /// A word for people: `put`, `delete`, `expire`, ...
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Op::Put(_) => "put",
            Op::Delete(_) => "delete",
            Op::Expire(_) => "expire",
            Op::Update(_) => "update",
            Op::Touch(_) => "touch",
            Op::Remove(_) => "remove",
            Op::Change(_) => "change",
            Op::Batch(_) => "batch",
            Op::HideTag(_) => "hide-tag",
            Op::Note(_) => "note",
            Op::Notice(_) => "notice",
        }
    }

    /// When it was decided, in microseconds since 1970 UTC; 0 for a batch and a notice, whose parts and neighbours say.
    #[must_use]
    pub fn time_us(&self) -> u64 {
        match self {
            Op::Put(put) => put.created_us,
            Op::Delete(delete) => delete.deleted_us,
            Op::Expire(expire) => expire.removed_us,
            Op::Update(update) => update.updated_us,
            Op::Touch(touch) => touch.touched_us,
            Op::Remove(remove) => remove.removed_us,
            Op::Change(change) => change.changed_us,
            Op::HideTag(hide) => hide.hidden_us,
            Op::Note(note) => note.noted_us,
            Op::Batch(_) | Op::Notice(_) => 0,
        }
    }

    /// The operations it consists of: those of a batch, otherwise itself. Decoding has checked them.
    pub fn parts(&self) -> impl Iterator<Item = Op<'a>> + use<'a> {
        let (one, body): (Option<Op<'a>>, &'a [u8]) = match self {
            Op::Batch(batch) => (None, batch.body),
            other => (Some(*other), b""),
        };
        one.into_iter().chain(Records::of_batch(body).map_while(|record| Some(record.ok()?.op)))
    }
}

/// A decoded record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Cluster it came from; 0 = this one.
    pub origin: u32,
    /// What it does.
    pub op: Op<'a>,
}

/// Upper bound of the bytes [`encode_into`] appends for `op`.
#[must_use]
pub fn encoded_bytes_max(op: &Op<'_>) -> usize {
    let payload = match op {
        Op::Put(put) => put.key.len() + put.value.len() + put.extras.len(),
        Op::Delete(delete) => delete.key.len(),
        Op::Expire(expire) => expire.key.len(),
        Op::Update(update) => update.key.len() + update.value.len() + update.extras.len(),
        Op::Touch(touch) => touch.key.len(),
        Op::Remove(remove) => remove.key.len(),
        Op::Change(change) => change.key.len() + change.payload.len() + change.extras.len(),
        Op::Batch(batch) => batch.body.len(),
        Op::HideTag(hide) => hide.tag.len() + hide.details.len(),
        Op::Note(note) => note.what.len() + note.namespace.len() + note.details.len(),
        Op::Notice(notice) => notice.old.len() + notice.new.len() + notice.details.len(),
    };
    RECORD_OVERHEAD_BYTES + payload
}

/// Appends one record to a frame's body. Cost: one copy of the payload, no allocation beyond `out`.
pub fn encode_into(origin: u32, op: &Op<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&[0; RECORD_HEAD_BYTES]);
    let kind = match op {
        Op::Put(put) => archive(put, out, KIND_PUT),
        Op::Delete(delete) => archive(delete, out, KIND_DELETE),
        Op::Expire(expire) => archive(expire, out, KIND_EXPIRE),
        Op::Update(update) => archive(update, out, KIND_UPDATE),
        Op::Touch(touch) => archive(touch, out, KIND_TOUCH),
        Op::Remove(remove) => archive(remove, out, KIND_REMOVE),
        Op::Change(change) => archive(change, out, KIND_CHANGE),
        Op::Batch(batch) => archive(batch, out, KIND_BATCH),
        Op::HideTag(hide) => archive(hide, out, KIND_HIDE_TAG),
        Op::Note(note) => archive(note, out, KIND_NOTE),
        Op::Notice(notice) => archive(notice, out, KIND_NOTICE),
    };
    let bytes =
        u32::try_from(out.len() - start - RECORD_HEAD_BYTES).expect("limits keep an operation below 4 GiB");
    let head = &mut out[start..start + RECORD_HEAD_BYTES];
    head[..4].copy_from_slice(&bytes.to_le_bytes());
    head[4] = kind;
    head[5] = LAYOUT;
    head[8..12].copy_from_slice(&origin.to_le_bytes());
}

fn archive<'w, T>(value: &T, out: &'w mut Vec<u8>, kind: u8) -> u8
where
    T: for<'x> Serialize<HighSerializer<&'w mut Vec<u8>, ArenaHandle<'x>, rancor::Panic>>,
{
    let Ok(_) = rkyv::api::high::to_bytes_in::<_, rancor::Panic>(value, out);
    kind
}

/// Walks the records of a frame's body. Yields an error once and then ends.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    body: &'a [u8],
    offset: usize,
    /// Inside a batch, where no batch may stand: told before it is decoded, so that depth is bounded.
    nested: bool,
}

impl<'a> Records<'a> {
    /// Starts at the first record of `body`.
    #[must_use]
    pub fn new(body: &'a [u8]) -> Records<'a> {
        Records { body, offset: 0, nested: false }
    }

    /// The records of a batch.
    #[must_use]
    fn of_batch(body: &'a [u8]) -> Records<'a> {
        Records { nested: true, ..Records::new(body) }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.offset == self.body.len() {
            return None;
        }
        let decoded = decode(self.body, self.offset, self.nested);
        self.offset = match &decoded {
            Ok((_, end)) => *end,
            Err(_) => self.body.len(),
        };
        Some(decoded.map(|(record, _)| record))
    }
}

/// Decodes the record at `offset`; also says where it ends.
fn decode(body: &[u8], offset: usize, nested: bool) -> Result<(Record<'_>, usize), Error> {
    let rest = &body[offset..];
    let short = |needed: usize| Error::Short { offset, needed, left: rest.len() };
    let head = rest.get(..RECORD_HEAD_BYTES).ok_or_else(|| short(RECORD_HEAD_BYTES))?;
    let word = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
    let needed = RECORD_HEAD_BYTES.saturating_add(word(0) as usize);
    let archived = rest.get(RECORD_HEAD_BYTES..needed).ok_or_else(|| short(needed))?;
    let (kind, layout) = (head[4], head[5]);
    if layout != LAYOUT {
        return Err(Error::Unknown { offset, kind, layout });
    }
    if nested && kind == KIND_BATCH {
        return Err(Error::Damaged { offset, what: "a batch in a batch".to_owned() });
    }
    let op = archived::op(kind, archived, offset)?;
    if let Some(key) = op.key() {
        crate::record::KeyParts::decode(key)
            .map_err(|error| Error::Damaged { offset, what: error.to_string() })?;
    }
    Ok((Record { origin: word(8), op }, offset + needed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn put() -> Op<'static> {
        Op::Put(Put { key: b"ns\0id\0", value: b"{\"a\":1}", extras: b"", created_us: 7, expires_us: 0 })
    }

    fn encoded(op: &Op<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        encode_into(0, op, &mut out);
        out
    }

    #[test]
    fn golden_bytes_of_layout_1() {
        // Frozen: logs written by released builds hold exactly these bytes.
        let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(encoded(&put())), include_str!("../../tests/golden/record-put-v1.hex").trim());
        let delete = Op::Delete(Delete { key: b"ns\0id\0", deleted_us: 9 });
        assert_eq!(hex(encoded(&delete)), include_str!("../../tests/golden/record-delete-v1.hex").trim());
        let expire = Op::Expire(Expire { key: b"ns\0id\0", expires_us: 8, removed_us: 9 });
        assert_eq!(hex(encoded(&expire)), include_str!("../../tests/golden/record-expire-v1.hex").trim());
    }

    /// One operation of each later kind, by the name of its golden file.
    fn later(each: &mut dyn FnMut(&str, &Op<'_>)) {
        let key: &[u8] = b"ns\0id\0";
        let cause = Cause::Increment as u8;
        let update =
            Update { key, value: b"2", extras: b"", created_us: 7, expires_us: 8, updated_us: 9, cause };
        let touch = Touch { key, expires_us: 8, touched_us: 9, cause: Cause::ExtendTtl as u8 };
        let remove = Remove { key, removed_us: 9, cause: Cause::Clear as u8 };
        let change = Change {
            key,
            payload: b"\x01\0\0\0" as &[u8],
            extras: b"",
            id: 4096,
            created_us: 7,
            expires_us: 0,
            changed_us: 9,
            family: 2,
            verb: 4,
        };
        let mut body = encoded(&Op::Update(update));
        encode_into(0, &Op::Remove(remove), &mut body);
        each("update", &Op::Update(update));
        each("touch", &Op::Touch(touch));
        each("remove", &Op::Remove(remove));
        each("change", &Op::Change(change));
        each("batch", &Op::Batch(Batch { body: &body, count: 2 }));
        each("hide-tag", &Op::HideTag(HideTag { tag: b"red", details: b"{}", hidden_us: 9 }));
        each("note", &Op::Note(Note { what: b"clear", namespace: b"ns", details: b"{}", noted_us: 9 }));
        let flags = Notice::OLD_KNOWN | Notice::NEW_KNOWN;
        each("notice", &Op::Notice(Notice { old: b"1", new: b"[2]", details: b"{}", flags }));
    }

    fn golden_path(name: &str) -> std::path::PathBuf {
        let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
        dir.join(format!("record-{name}-v1.hex"))
    }

    #[test]
    #[ignore = "writes the golden files of layout 1, which are frozen"]
    #[expect(clippy::disallowed_methods, reason = "no store is involved")]
    fn write_golden_bytes_of_later_kinds() {
        later(&mut |name, op| {
            let hex: String = encoded(op).iter().map(|byte| format!("{byte:02x}")).collect();
            std::fs::write(golden_path(name), hex + "\n").unwrap();
        });
    }

    #[test]
    fn golden_bytes_of_later_kinds() {
        later(&mut |name, op| {
            let bytes = encoded(op);
            let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            let golden = std::fs::read_to_string(golden_path(name)).unwrap();
            assert_eq!(hex, golden.trim(), "{name}");
            let mut records = Records::new(&bytes);
            assert_eq!(records.next().unwrap().unwrap().op, *op, "{name}");
            for len in 1..bytes.len() {
                assert!(Records::new(&bytes[..len]).next().unwrap().is_err(), "{name} cut at {len}");
            }
        });
    }

    #[test]
    fn a_batch_holds_no_batch_and_as_many_as_it_says() {
        let one = encoded(&put());
        let batch = |body: &[u8], count: u32| encoded(&Op::Batch(Batch { body, count }));
        assert!(Records::new(&batch(&one, 1)).next().unwrap().is_ok());
        let nested = batch(&one, 1);
        for bad in [batch(&one, 2), batch(&nested, 1), batch(&one[1..], 1)] {
            assert!(Records::new(&bad).next().unwrap().is_err());
        }
    }

    #[test]
    fn records_follow_each_other() {
        let mut body = encoded(&put());
        let delete = Op::Delete(Delete { key: b"ns\0id\0", deleted_us: 9 });
        encode_into(3, &delete, &mut body);
        let records: Vec<_> = Records::new(&body).collect::<Result<_, _>>().unwrap();
        assert_eq!(records, [Record { origin: 0, op: put() }, Record { origin: 3, op: delete }]);
    }

    #[test]
    fn unknown_kinds_and_layouts_are_named_not_skipped() {
        let mut body = encoded(&put());
        body[5] = 9;
        let error = Records::new(&body).next().unwrap().unwrap_err();
        assert_eq!(error, Error::Unknown { offset: 0, kind: KIND_PUT, layout: 9 });
    }

    #[test]
    fn every_truncation_is_an_error() {
        let body = encoded(&put());
        for len in 1..body.len() {
            assert!(Records::new(&body[..len]).next().unwrap().is_err(), "length {len}");
        }
    }

    proptest! {
        #[test]
        fn round_trip(id in "[a-z]{1,20}", value in proptest::collection::vec(any::<u8>(), 0..200), created_us: u64, expires_us: u64, origin: u32) {
            let key = crate::record::Key::new("ns", &id).unwrap();
            let op = Op::Put(Put { key: key.as_bytes(), value: &value, extras: &value, created_us, expires_us });
            let mut body = Vec::new();
            encode_into(origin, &op, &mut body);
            prop_assert!(body.len() <= encoded_bytes_max(&op));
            prop_assert_eq!(Records::new(&body).next().unwrap().unwrap(), Record { origin, op });
        }

        #[test]
        fn garbage_never_panics(body in proptest::collection::vec(any::<u8>(), 0..120)) {
            let _ = Records::new(&body).count();
        }

        #[test]
        fn a_flipped_byte_never_panics(at in 0usize..80, bit in 0u8..8) {
            let mut body = encoded(&put());
            let at = at % body.len();
            body[at] ^= 1 << bit;
            let _ = Records::new(&body).count();
        }
    }
}
