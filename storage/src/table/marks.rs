//! Marks: what entries are found by beside their key, their tags and the keys they depend on.
//!
//! ```text
//! mark          't' tag text   |   'd' key text `namespace:identifier:version`
//!
//! table `tags`
//! 'i' length of mark u16 BE, mark, key -> ()           one row for each mark of each entry
//! 'c' tag                              -> u64 LE       entries that carry the tag and are not hidden by it
//! 'h' tag                              -> u64 LE lsn   versions before it that carry the tag are invisible
//! ```

use std::ops::Bound;

use redb::{ReadableTable, Table};

use super::error::during;
use super::{Error, Snapshot};
use crate::json::Reader;
use crate::record::{Extras, Lsn};

/// First byte of the mark of a tag.
pub const TAG: u8 = b't';
/// First byte of the mark of a dependency.
pub const DEPENDENCY: u8 = b'd';

const INDEX: u8 = b'i';
const COUNT: u8 = b'c';
const HIDDEN: u8 = b'h';

/// A mark from its parts.
#[must_use]
pub fn mark_of(kind: u8, text: &[u8]) -> Vec<u8> {
    let mut mark = Vec::with_capacity(1 + text.len());
    mark.push(kind);
    mark.extend_from_slice(text);
    mark
}

/// Calls `each` with every mark of an entry with these extras, each once.
pub fn each_mark(extras: &[u8], mut each: impl FnMut(&[u8])) {
    if extras.is_empty() {
        return;
    }
    // Extras are checked when they are written; a row damaged since has failed its checksum.
    let Ok(extras) = Extras::decode(extras) else { return };
    let mut marks: Vec<Vec<u8>> = Vec::new();
    for (kind, texts) in [(TAG, extras.tags), (DEPENDENCY, extras.dependencies)] {
        let mut reader = Reader::new(texts);
        let Ok(mut elements) = reader.array("") else { continue };
        while let Ok(true) = elements.next(&mut reader) {
            let Ok(text) = reader.string("") else { break };
            marks.push(mark_of(kind, text.decode().as_bytes()));
        }
    }
    marks.sort_unstable();
    marks.dedup();
    marks.iter().for_each(|mark| each(mark));
}

/// A hidden tag, and the record that hides it.
pub type HiddenTag = (Box<[u8]>, Lsn);

/// How a tag's count moves with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TagChange {
    /// Which tag.
    pub tag: Box<[u8]>,
    /// Position that this change reaches: a table that has it has counted it.
    pub through: Lsn,
    /// What was counted before is void.
    pub reset: bool,
    /// To be added.
    pub count: i64,
}

/// Index rows that a checkpoint removes and writes.
#[derive(Debug, Default)]
pub(super) struct IndexRows {
    gone: Vec<Vec<u8>>,
    new: Vec<Vec<u8>>,
}

impl IndexRows {
    pub(super) fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.new.is_empty()
    }

    pub(super) fn replace(&mut self, key: &[u8], old: &[u8], new: &[u8]) {
        if old == new {
            return;
        }
        each_mark(old, |mark| self.gone.push(index_key(mark, key)));
        each_mark(new, |mark| self.new.push(index_key(mark, key)));
    }

    pub(super) fn write(mut self, table: &mut Table<'_, &'static [u8], &'static [u8]>) -> Result<(), Error> {
        self.gone.sort_unstable();
        self.new.sort_unstable();
        for row in self.gone {
            table.remove(row.as_slice()).map_err(during("remove an index row"))?;
        }
        for row in self.new {
            table.insert(row.as_slice(), &b""[..]).map_err(during("write an index row"))?;
        }
        Ok(())
    }
}

fn index_key(mark: &[u8], key: &[u8]) -> Vec<u8> {
    let mut row = index_prefix(mark);
    row.extend_from_slice(key);
    row
}

fn index_prefix(mark: &[u8]) -> Vec<u8> {
    // Extras have at most 64 KiB, and a mark is a part of them.
    let length = u16::try_from(mark.len()).unwrap_or(u16::MAX);
    let mut row = Vec::with_capacity(3 + mark.len() + 32);
    row.push(INDEX);
    row.extend_from_slice(&length.to_be_bytes());
    row.extend_from_slice(mark);
    row
}

/// Brings counters and hidden tags to what they are after the checkpoint; `before` is the position the table has.
pub(super) fn write_tags(
    table: &mut Table<'_, &'static [u8], &'static [u8]>,
    changes: &[TagChange],
    before: Lsn,
    hidden: Option<&[HiddenTag]>,
) -> Result<(), Error> {
    for change in changes.iter().filter(|change| change.through > before) {
        let row = mark_of(COUNT, &change.tag);
        let before = if change.reset { 0 } else { number(table.get(row.as_slice()), "read a count")? };
        match before.saturating_add_signed(change.count) {
            0 => drop(table.remove(row.as_slice()).map_err(during("remove a count"))?),
            count => {
                let count = count.to_le_bytes();
                table.insert(row.as_slice(), &count[..]).map_err(during("write a count"))?;
            }
        }
    }
    let Some(hidden) = hidden else { return Ok(()) };
    let stale: Vec<Vec<u8>> = {
        let rows =
            table.range::<&[u8]>(&[HIDDEN][..]..&[HIDDEN + 1][..]).map_err(during("read hidden tags"))?;
        let tags = rows.map(|row| Ok(row.map_err(during("read a hidden tag"))?.0.value().to_vec()));
        tags.collect::<Result<_, Error>>()?
    };
    for row in stale {
        table.remove(row.as_slice()).map_err(during("remove a hidden tag"))?;
    }
    for (tag, lsn) in hidden {
        let lsn = lsn.0.to_le_bytes();
        table.insert(mark_of(HIDDEN, tag).as_slice(), &lsn[..]).map_err(during("write a hidden tag"))?;
    }
    Ok(())
}

type Found<'a> = Result<Option<redb::AccessGuard<'a, &'static [u8]>>, redb::StorageError>;

/// A stored number; 0 when there is none.
fn number(found: Found<'_>, doing: &'static str) -> Result<u64, Error> {
    let Some(found) = found.map_err(during(doing))? else { return Ok(0) };
    let bytes = found.value();
    let number = bytes.try_into().map(u64::from_le_bytes);
    number.map_err(|_| Error::corrupt("tags row", format!("expected 8 bytes, found {}", bytes.len())))
}

impl Snapshot {
    /// Entries that carry the tag and are not hidden by it.
    pub fn tag_count(&self, tag: &[u8]) -> Result<u64, Error> {
        number(self.tags.get(mark_of(COUNT, tag).as_slice()), "read a count")
    }

    /// Keys that carry the mark, in order, after the key `after`, at most `limit`.
    pub fn marked(&self, mark: &[u8], after: Option<&[u8]>, limit: usize) -> Result<Vec<Box<[u8]>>, Error> {
        let prefix = index_prefix(mark);
        let from = after.map(|key| index_key(mark, key));
        let from = match &from {
            Some(from) => Bound::Excluded(from.as_slice()),
            None => Bound::Included(prefix.as_slice()),
        };
        let rows = self.tags.range::<&[u8]>((from, Bound::Unbounded)).map_err(during("read the index"))?;
        let mut keys = Vec::new();
        for row in rows.take(limit) {
            let row = row.map_err(during("read an index row"))?.0;
            let Some(key) = row.value().strip_prefix(prefix.as_slice()) else { break };
            keys.push(key.into());
        }
        Ok(keys)
    }

    /// Tags that are hidden, and since when.
    pub fn hidden_tags(&self) -> Result<Vec<HiddenTag>, Error> {
        let rows =
            self.tags.range::<&[u8]>(&[HIDDEN][..]..&[HIDDEN + 1][..]).map_err(during("read hidden tags"))?;
        let mut hidden = Vec::new();
        for row in rows {
            let (tag, lsn) = row.map_err(during("read a hidden tag"))?;
            hidden.push((tag.value()[1..].into(), Lsn(number(Ok(Some(lsn)), "read a hidden tag")?)));
        }
        Ok(hidden)
    }

    /// Whether any entry carries a mark.
    pub fn has_marks(&self) -> Result<bool, Error> {
        let mut rows =
            self.tags.range::<&[u8]>(&[INDEX][..]..&[INDEX + 1][..]).map_err(during("read the index"))?;
        Ok(rows.next().is_some())
    }
}
