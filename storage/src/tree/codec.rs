//! The bytes of a cell, format version 1.
//!
//! ```text
//! offset size
//!      0    1  format version = 1
//!      1    1  level: 0 = leaf, otherwise levels above the leaves
//!      2    2  count: items of a leaf, children of an inner node; at least 1
//!      4    8  stamp of the last change at or below this node
//!     12    8  len: items below
//!     20    8  bytes: of all keys and values below
//!     28    .  leaf:  count times: key_len, key, value_len, value
//!              inner: count times:  4 cell, 8 stamp, 8 len, 8 bytes, 4 key_len
//!                     then the keys, one behind the other; that of the first child is empty
//! ```
//!
//! Fixed numbers are little endian. `key_len` and `value_len` of a leaf are varints: seven bits a byte, lowest
//! first, the high bit set in all but the last; no longer than needed, at most five bytes. Keys strictly
//! ascend, except that an empty one may follow an empty one, as all do in a tree navigated by rank.
//!
//! There is no checksum: whoever stores cells has one. The decoder still believes nothing. It compares
//! stamp, counts and level with what the parent says, so a cell of another time or place is refused; the levels
//! shrink on the way down, so links cannot run in circles; and it never panics.

use super::inner::Inner;
use super::leaf::Leaf;
use super::node::{Link, Node};
use super::packed::Packed;
use super::{Error, RootRef};
use crate::limits::{CELL_BYTES_MAX, CELL_COUNT_MAX, TREE_LEVELS_MAX};

/// The newest format this build reads, and the one it writes.
const CELL_FORMAT: u8 = 1;
/// Neither items nor bytes of a tree reach this.
const COUNT_MAX: u64 = 1 << 60;
const HEAD_BYTES: usize = 28;
const CHILD_BYTES: usize = 32;

/// Bytes of `len` as a varint.
pub(super) fn varint_bytes(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Writes `len` at the front of `out`; how many bytes it took.
pub(super) fn put_varint(mut len: usize, out: &mut [u8]) -> usize {
    let mut at = 0;
    while len >= 0x80 {
        out[at] = (len & 0x7f) as u8 | 0x80;
        len >>= 7;
        at += 1;
    }
    out[at] = len as u8;
    at + 1
}

/// Reads a varint that was checked from the front of `bytes`: its value, and where it ends.
#[inline]
pub(super) fn varint(bytes: &[u8]) -> (usize, usize) {
    let first = usize::from(bytes[0]);
    if first < 0x80 { (first, 1) } else { long_varint(bytes) }
}

fn long_varint(bytes: &[u8]) -> (usize, usize) {
    let mut value = usize::from(bytes[0] & 0x7f);
    let mut at = 1;
    loop {
        let byte = bytes[at];
        value |= usize::from(byte & 0x7f) << (7 * at);
        at += 1;
        if byte < 0x80 {
            return (value, at);
        }
    }
}

/// Replaces the content of `out` by the cell of `node`, which its parent knows as `to`.
pub(super) fn encode(node: &Node, to: &RootRef, out: &mut Vec<u8>) {
    let count = match node {
        Node::Leaf(leaf) => leaf.count(),
        Node::Inner(inner) => inner.links.len(),
    };
    out.clear();
    out.extend_from_slice(&[CELL_FORMAT, node.level()]);
    out.extend_from_slice(&u16::try_from(count).expect("at most CELL_COUNT_MAX").to_le_bytes());
    for number in [to.stamp, to.len, to.bytes] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    match node {
        Node::Leaf(leaf) => out.extend_from_slice(leaf.packed_bytes()),
        Node::Inner(inner) => encode_children(inner, out),
    }
}

fn encode_children(inner: &Inner, out: &mut Vec<u8>) {
    out.reserve(inner.links.len() * CHILD_BYTES + inner.keys.bytes().len());
    for (child, link) in inner.links.iter().enumerate() {
        let key_len = u32::try_from(inner.keys.get(child).len()).expect("a key is an item's part");
        out.extend_from_slice(&link.cell.to_le_bytes());
        for number in [link.stamp, link.len, link.bytes] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&key_len.to_le_bytes());
    }
    out.extend_from_slice(inner.keys.bytes());
}

/// Reads the cell that the parent knows as `to`; `level` is the one it must have, a root may have any.
/// [`Error::Stale`], [`Error::NewerFormat`] or [`Error::Damaged`] for anything else than [`encode`] wrote.
pub(super) fn decode(bytes: Vec<u8>, to: &RootRef, level: Option<u8>) -> Result<Node, Error> {
    let mut rest = Rest { bytes: &bytes, offset: 0 };
    let found = head(&mut rest, to, level).and_then(|(level, count)| match level {
        0 => leaf_bounds(&mut rest, count, to).map(Content::Leaf),
        _ => children(&mut rest, level, count, to).map(Content::Inner),
    });
    let offset = rest.offset;
    match found {
        Ok(Content::Inner(inner)) => Ok(Node::Inner(inner)),
        Ok(Content::Leaf(bounds)) => {
            let mut bytes = bytes;
            bytes.drain(..HEAD_BYTES);
            Ok(Node::Leaf(Leaf::from_packed(Packed::from_parts(bounds, bytes))))
        }
        Err(Bad::Format(found)) if found > CELL_FORMAT => {
            Err(Error::NewerFormat { cell: to.cell, found, known: CELL_FORMAT })
        }
        Err(Bad::Format(found)) => Err(damaged(to, 0, format!("format version {found}"))),
        Err(Bad::Stamp(found)) => Err(Error::Stale { cell: to.cell, wanted: to.stamp, found }),
        Err(Bad::Content(what)) => Err(damaged(to, offset, what)),
    }
}

fn damaged(to: &RootRef, offset: usize, what: String) -> Error {
    Error::Damaged { cell: to.cell, offset, what }
}

enum Content {
    Leaf(Vec<u32>),
    Inner(Inner),
}

/// What is wrong, before it is known with which cell.
enum Bad {
    Format(u8),
    Stamp(u64),
    Content(String),
}

/// [`Bad::Content`] unless `found` is what it should be.
fn expect<T: PartialEq + std::fmt::Display>(what: &str, wanted: T, found: T) -> Result<(), Bad> {
    if wanted == found {
        return Ok(());
    }
    Err(Bad::Content(format!("{what}: expected {wanted}, found {found}")))
}

/// Level and count of a head that says what it should.
fn head(rest: &mut Rest<'_>, to: &RootRef, wanted_level: Option<u8>) -> Result<(u8, usize), Bad> {
    if rest.bytes.len() > CELL_BYTES_MAX {
        return Err(Bad::Content(format!("a cell of {} bytes", rest.bytes.len())));
    }
    let [format] = rest.take()?;
    if format != CELL_FORMAT {
        return Err(Bad::Format(format));
    }
    let [level] = rest.take()?;
    let count = usize::from(u16::from_le_bytes(rest.take()?));
    let stamp = rest.u64()?;
    if stamp != to.stamp {
        return Err(Bad::Stamp(stamp));
    }
    // Counts that no tree reaches are refused, so that sums of those below never overflow.
    expect("items", to.len.min(COUNT_MAX), rest.u64()?)?;
    expect("bytes", to.bytes.min(COUNT_MAX), rest.u64()?)?;
    expect("level", wanted_level.unwrap_or(level.min(TREE_LEVELS_MAX)), level)?;
    expect("count", count.clamp(1, CELL_COUNT_MAX), count)?;
    Ok((level, count))
}

/// Where each item of a leaf begins, and where the last ends.
fn leaf_bounds(rest: &mut Rest<'_>, count: usize, to: &RootRef) -> Result<Vec<u32>, Bad> {
    expect("items", to.len, count as u64)?;
    let mut bounds = Vec::with_capacity(count + 1);
    let mut bytes = 0;
    let mut last_key = None;
    for _ in 0..count {
        bounds.push(bound(rest.offset));
        let key_len = rest.varint()?;
        let key = rest.slice(key_len)?;
        check_order(last_key.replace(key), key)?;
        let value_len = rest.varint()?;
        rest.slice(value_len)?;
        bytes += (key_len + value_len) as u64;
    }
    bounds.push(bound(rest.offset));
    expect("bytes of the items", to.bytes, bytes)?;
    rest.end()?;
    Ok(bounds)
}

/// Counted from the end of the head. `CELL_BYTES_MAX` is below 4 GiB.
fn bound(offset: usize) -> u32 {
    (offset - HEAD_BYTES) as u32
}

/// A key is above the one before it, or both are empty.
fn check_order(before: Option<&[u8]>, key: &[u8]) -> Result<(), Bad> {
    match before {
        Some(before) if before >= key && !(before.is_empty() && key.is_empty()) => {
            Err(Bad::Content("a key does not follow the one before it".to_owned()))
        }
        _ => Ok(()),
    }
}

fn children(rest: &mut Rest<'_>, level: u8, count: usize, to: &RootRef) -> Result<Inner, Bad> {
    let mut links = Vec::with_capacity(count);
    let mut key_lens = Vec::with_capacity(count);
    let (mut len, mut bytes) = (Some(0_u64), Some(0_u64));
    for _ in 0..count {
        let link = Link::stub(RootRef {
            cell: rest.u32()?,
            stamp: rest.u64()?,
            len: rest.u64()?,
            bytes: rest.u64()?,
        });
        key_lens.push(usize::try_from(rest.u32()?).unwrap_or(usize::MAX));
        expect("items of a child", link.len.max(1), link.len)?;
        if link.stamp > to.stamp {
            return Err(Bad::Content(format!(
                "stamp of a child: at most {}, found {}",
                to.stamp, link.stamp
            )));
        }
        len = len.and_then(|len| len.checked_add(link.len));
        bytes = bytes.and_then(|bytes| bytes.checked_add(link.bytes));
        links.push(link);
    }
    expect("items of the children", to.len, len.unwrap_or(u64::MAX))?;
    expect("bytes of the children", to.bytes, bytes.unwrap_or(u64::MAX))?;
    let keys = separators(rest, &key_lens)?;
    rest.end()?;
    Ok(Inner::from_parts(level, keys, links))
}

fn separators(rest: &mut Rest<'_>, lens: &[usize]) -> Result<Packed, Bad> {
    let mut keys = Packed::default();
    expect("length of the first key", 0, lens.first().copied().unwrap_or(0))?;
    let mut last_key = None;
    for (at, &len) in lens.iter().enumerate() {
        let key = rest.slice(len)?;
        check_order(last_key.replace(key), key)?;
        keys.insert(at, len).copy_from_slice(key);
    }
    Ok(keys)
}

/// A cell, and how far it was read.
struct Rest<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Rest<'a> {
    fn slice(&mut self, len: usize) -> Result<&'a [u8], Bad> {
        let rest = &self.bytes[self.offset..];
        let taken = rest
            .get(..len)
            .ok_or_else(|| Bad::Content(format!("expected {len} bytes, found {}", rest.len())))?;
        self.offset += len;
        Ok(taken)
    }

    fn take<const BYTES: usize>(&mut self) -> Result<[u8; BYTES], Bad> {
        Ok(self.slice(BYTES)?.try_into().expect("slice() returns the length it was asked for"))
    }

    fn u32(&mut self) -> Result<u32, Bad> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Bad> {
        self.take().map(u64::from_le_bytes)
    }

    /// A length in its shortest form.
    fn varint(&mut self) -> Result<usize, Bad> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.take()?;
            value |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                let is_shortest = byte > 0 || shift == 0;
                return if is_shortest { Ok(value) } else { Err(Bad::Content("a padded length".to_owned())) };
            }
        }
        Err(Bad::Content("a length of more than five bytes".to_owned()))
    }

    fn end(&self) -> Result<(), Bad> {
        expect("end of the cell", self.offset, self.bytes.len())
    }
}
