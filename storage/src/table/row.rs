//! The bytes of one row of the `entries` table, format version 1.
//!
//! ```text
//! offset size
//!      0    1  format version = 1
//!      1    1  kind (record::EntryKind; a tombstone is never stored)
//!      2    1  which of the members below are there: 1 expires, 2 access, 4 extras
//!      3    4  crc32c of key, bytes 0..3 and bytes 7..
//!      7    8  lsn
//!     15    8  created_us
//!           8  expires_us                        if 1; otherwise never (0)
//!       4 + 8  access_count, last_access_us      if 2; otherwise 0 and created_us
//!       4 + n  extras_len, extras                if 4; otherwise empty
//!        rest  value
//! ```
//!
//! Numbers are little endian. Members that have their default cost nothing, because most rows of a
//! cache are small: a plain value carries 23 bytes of overhead. redb verifies its page checksums only
//! when asked to walk the file, so each row has its own, which also ties it to its key: a row that was
//! damaged, or is found under another key, is reported and never served. The decoder never panics.

use crate::record::{EntryFields, EntryKind, Lsn};

use super::Error;

/// The newest row format this build reads, and the one it writes.
pub(super) const ROW_FORMAT: u8 = 1;

/// Where the checksum stands, and where what it covers goes on.
const CRC: std::ops::Range<usize> = 3..7;

const HAS_EXPIRES: u8 = 1;
const HAS_ACCESS: u8 = 2;
const HAS_EXTRAS: u8 = 4;

/// Replaces the content of `out` by the row of `fields` under `key`.
pub(super) fn encode(key: &[u8], fields: &EntryFields<'_>, out: &mut Vec<u8>) {
    let has_expires = fields.expires_us != 0;
    let has_access = fields.access_count != 0 || fields.last_access_us != fields.created_us;
    let has_extras = !fields.extras.is_empty();
    let flag = |is_there: bool, member: u8| if is_there { member } else { 0 };
    let members =
        flag(has_expires, HAS_EXPIRES) | flag(has_access, HAS_ACCESS) | flag(has_extras, HAS_EXTRAS);
    out.clear();
    out.extend_from_slice(&[ROW_FORMAT, fields.kind as u8, members, 0, 0, 0, 0]);
    out.extend_from_slice(&fields.lsn.0.to_le_bytes());
    out.extend_from_slice(&fields.created_us.to_le_bytes());
    if has_expires {
        out.extend_from_slice(&fields.expires_us.to_le_bytes());
    }
    if has_access {
        out.extend_from_slice(&fields.access_count.to_le_bytes());
        out.extend_from_slice(&fields.last_access_us.to_le_bytes());
    }
    if has_extras {
        let extras_len = u32::try_from(fields.extras.len()).expect("EXTRAS_BYTES_MAX is checked at the door");
        out.extend_from_slice(&extras_len.to_le_bytes());
        out.extend_from_slice(fields.extras);
    }
    out.extend_from_slice(fields.value);
    let crc = crc_of(key, out);
    out[CRC].copy_from_slice(&crc.to_le_bytes());
}

/// Of everything but the checksum itself. `row` reaches beyond it.
fn crc_of(key: &[u8], row: &[u8]) -> u32 {
    let head = crc32c::crc32c_append(crc32c::crc32c(key), &row[..CRC.start]);
    crc32c::crc32c_append(head, &row[CRC.end..])
}

/// Reads a row back; `key` only names the place in an error. [`Error::Corrupt`] or
/// [`Error::NewerFormat`] for anything [`encode`] does not write. No allocation unless it fails.
pub(super) fn decode<'a>(key: &[u8], row: &'a [u8]) -> Result<EntryFields<'a>, Error> {
    let mut rest = Rest { row, offset: 0 };
    let decoded = fields(key, &mut rest);
    decoded.map_err(|bad| bad.at(key, row, rest.offset))
}

fn fields<'a>(key: &[u8], rest: &mut Rest<'a>) -> Result<EntryFields<'a>, Bad> {
    let row = rest.row;
    let [format, kind, members] = rest.take::<3>()?;
    if format != ROW_FORMAT {
        return Err(Bad::Format(format));
    }
    if rest.u32()? != crc_of(key, row) {
        return Err(Bad::Checksum);
    }
    let kind = match EntryKind::from_u8(kind) {
        None | Some(EntryKind::Tombstone | EntryKind::Volatile) => return Err(Bad::Kind(kind)),
        Some(kind) => kind,
    };
    if members & !(HAS_EXPIRES | HAS_ACCESS | HAS_EXTRAS) != 0 {
        return Err(Bad::Members(members));
    }
    let lsn = Lsn(rest.u64()?);
    let created_us = rest.u64()?;
    let expires_us = if members & HAS_EXPIRES != 0 { rest.u64()? } else { 0 };
    let (access_count, last_access_us) =
        if members & HAS_ACCESS != 0 { (rest.u32()?, rest.u64()?) } else { (0, created_us) };
    let extras = if members & HAS_EXTRAS != 0 {
        let extras_len = rest.u32()?;
        rest.slice(usize::try_from(extras_len).unwrap_or(usize::MAX))?
    } else {
        &[]
    };
    let value = rest.row;
    Ok(EntryFields { kind, lsn, created_us, expires_us, access_count, last_access_us, value, extras })
}

/// What is left of a row, and how far in it begins.
struct Rest<'a> {
    row: &'a [u8],
    offset: usize,
}

impl<'a> Rest<'a> {
    fn slice(&mut self, bytes: usize) -> Result<&'a [u8], Bad> {
        let (taken, row) = self.row.split_at_checked(bytes).ok_or(Bad::Short(bytes))?;
        self.row = row;
        self.offset += bytes;
        Ok(taken)
    }

    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Bad> {
        let taken = self.slice(BYTES)?;
        Ok(taken.try_into().expect("slice() returns the length it was asked for"))
    }

    fn u32(&mut self) -> Result<u32, Bad> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Bad> {
        self.take().map(u64::from_le_bytes)
    }
}

/// What is wrong with a row, before it is known which one.
enum Bad {
    Format(u8),
    Kind(u8),
    Members(u8),
    Short(usize),
    Checksum,
}

impl Bad {
    fn at(self, key: &[u8], row: &[u8], offset: usize) -> Error {
        let place = format!("row of key {}", key.escape_ascii());
        let bytes = row.len();
        match self {
            Bad::Format(found) if found > ROW_FORMAT => {
                Error::NewerFormat { place, found, known: ROW_FORMAT }
            }
            Bad::Format(found) => Error::corrupt(place, format!("format version {found} at offset 0")),
            Bad::Kind(found) => Error::corrupt(place, format!("entry kind {found} at offset 1")),
            Bad::Members(found) => Error::corrupt(place, format!("unknown members {found:#04x} at offset 2")),
            Bad::Checksum => Error::corrupt(
                place,
                format!("checksum of {bytes} bytes does not verify at offset {}", CRC.start),
            ),
            Bad::Short(wanted) => {
                Error::corrupt(place, format!("expected {wanted} bytes at offset {offset} of {bytes}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain(value: &[u8]) -> EntryFields<'_> {
        EntryFields {
            kind: EntryKind::Value,
            lsn: Lsn(7),
            created_us: 9,
            expires_us: 0,
            access_count: 0,
            last_access_us: 9,
            value,
            extras: &[],
        }
    }

    fn encoded(fields: &EntryFields<'_>) -> Vec<u8> {
        let mut row = b"leftover".to_vec();
        encode(b"k", fields, &mut row);
        row
    }

    #[test]
    fn golden_bytes_of_version_1() {
        let row = encoded(&plain(b"\"v\""));
        assert_eq!(row, b"\x01\x01\x00\x0a\xe0\x52\x15\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\"v\"");
        let full =
            EntryFields { expires_us: 10, access_count: 3, last_access_us: 11, extras: b"xy", ..plain(b"1") };
        let row = encoded(&full);
        let golden = b"\x01\x01\x07\x40\x67\x74\x3d\x07\0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x0a\0\0\0\0\0\0\0\
                       \x03\0\0\0\x0b\0\0\0\0\0\0\0\x02\0\0\0xy1";
        assert_eq!(row, golden);
        assert_eq!(decode(b"k", golden).unwrap(), full);
    }

    #[test]
    fn refuses_what_it_does_not_know_and_says_where() {
        let row = encoded(&plain(b"1"));
        let change = |at: usize, to: u8| {
            let mut row = row.clone();
            row[at] = to;
            let crc = crc_of(b"ns\0id\0", &row);
            row[CRC].copy_from_slice(&crc.to_le_bytes());
            decode(b"ns\0id\0", &row).unwrap_err()
        };
        assert!(matches!(change(0, 2), Error::NewerFormat { found: 2, known: 1, .. }));
        assert_eq!(
            change(0, 0).to_string(),
            "table: row of key ns\\x00id\\x00: format version 0 at offset 0"
        );
        assert!(matches!(change(1, 0), Error::Corrupt { .. }), "a tombstone is never a row");
        assert!(matches!(change(1, 99), Error::Corrupt { .. }));
        assert!(matches!(change(2, 8), Error::Corrupt { .. }));
    }

    #[test]
    fn every_cut_of_the_head_is_an_error() {
        let row = encoded(&EntryFields { expires_us: 1, access_count: 1, extras: b"abc", ..plain(b"") });
        for len in 0..row.len() {
            assert!(matches!(decode(b"k", &row[..len]), Err(Error::Corrupt { .. })), "cut at {len}");
        }
        assert!(decode(b"k", &row).is_ok());
    }

    #[test]
    fn every_bit_and_the_key_are_guarded() {
        let row = encoded(&EntryFields { expires_us: 1, access_count: 1, extras: b"abc", ..plain(b"\"v\"") });
        for bit in 0..row.len() * 8 {
            let mut row = row.clone();
            row[bit / 8] ^= 1 << (bit % 8);
            assert!(decode(b"k", &row).is_err(), "bit {bit}");
        }
        let other = decode(b"j", &row).unwrap_err().to_string();
        assert_eq!(
            other,
            format!("table: row of key j: checksum of {} bytes does not verify at offset 3", row.len())
        );
    }

    proptest! {
        #[test]
        fn survives_the_round_trip(
            numbers in any::<(u64, u64, u64, u32, u64)>(),
            extras in proptest::collection::vec(any::<u8>(), 0..40),
            value in proptest::collection::vec(any::<u8>(), 0..200),
        ) {
            let (lsn, created_us, expires_us, access_count, last_access_us) = numbers;
            let fields = EntryFields {
                kind: EntryKind::Value, lsn: Lsn(lsn), created_us, expires_us, access_count, last_access_us,
                value: &value, extras: &extras,
            };
            let row = encoded(&fields);
            prop_assert_eq!(decode(b"k", &row).unwrap(), fields);
        }

        #[test]
        fn never_panics_on_noise(noise in proptest::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(b"k", &noise);
        }
    }
}
