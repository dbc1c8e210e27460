//! Reading structures: members, ranks, ranges, and the whole as JSON text.

use super::command::{End, Error, Refusal};
use super::list::text;
use super::set::canonical;
use super::sorted::{scored, scored_key};
use super::{Family, Structure};
use crate::json::{self, write};
use crate::tree::{Item, Source};

/// Which members of an ordered structure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Range {
    /// By rank, the end exclusive; negative numbers count from the end, `None` is the end.
    Ranks {
        /// First.
        start: i64,
        /// Behind the last.
        end: Option<i64>,
    },
    /// By score, both inclusive.
    Scores {
        /// Lowest.
        min: f64,
        /// Highest.
        max: f64,
    },
}

impl Structure {
    /// Appends the whole as JSON text: an array, an object for a map, `[score,member]` pairs for a sorted set.
    /// Stops with `false` once `out` has grown by more than `bytes_max`.
    pub fn write_text<S: Source>(
        &self,
        out: &mut Vec<u8>,
        bytes_max: usize,
        source: &S,
    ) -> Result<bool, S::Error> {
        let start = out.len();
        let (open, close) = if self.family == Family::Map { (b'{', b'}') } else { (b'[', b']') };
        out.push(open);
        let ordered = match self.family {
            Family::List | Family::Sorted => &self.main,
            Family::Set | Family::Map => &self.side,
        };
        let mut first = true;
        for item in ordered.ascend(0, source) {
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            self.write_member(&item?, out, source)?;
            if out.len() - start > bytes_max {
                return Ok(false);
            }
        }
        out.push(close);
        Ok(true)
    }

    fn write_member<S: Source>(
        &self,
        item: &Item<'_>,
        out: &mut Vec<u8>,
        source: &S,
    ) -> Result<(), S::Error> {
        match self.family {
            Family::List | Family::Set => out.extend_from_slice(item.value),
            Family::Sorted => write_scored(item, out),
            Family::Map => {
                write::string(out, std::str::from_utf8(item.value).unwrap_or_default());
                out.push(b':');
                let value = self.main.get(item.value, source)?;
                out.extend_from_slice(value.and_then(|value| value.get(8..)).unwrap_or(b"null"));
            }
        }
        Ok(())
    }

    /// Brings all nodes into memory.
    pub fn load<S: Source>(&self, source: &S) -> Result<(), S::Error> {
        for tree in [&self.main, &self.side] {
            for item in tree.ascend(0, source) {
                item?;
            }
        }
        Ok(())
    }

    /// Whether a member of a set or sorted set is there.
    pub fn contains<S: Source>(&self, member: &str, source: &S) -> Result<bool, S::Error> {
        let mut canon = Vec::new();
        canonical(member, &mut canon);
        let tree = if self.family == Family::Sorted { &self.side } else { &self.main };
        Ok(tree.get(&canon, source)?.is_some())
    }

    /// The value of a map's literal field.
    pub fn field<S: Source>(&self, field: &str, source: &S) -> Result<Option<String>, S::Error> {
        let value = self.main.get(field.as_bytes(), source)?;
        Ok(value.and_then(|value| value.get(8..)).map(text))
    }

    /// The value of a map's field, or of a dotted path below one: an existing literal field wins.
    pub fn field_at<S: Source>(&self, field: &str, source: &S) -> Result<Option<String>, S::Error> {
        if let Some(value) = self.field(field, source)? {
            return Ok(Some(value));
        }
        let Some((top, path)) = field.split_once('.') else { return Ok(None) };
        let top = self.field(top, source)?;
        Ok(top.as_deref().and_then(|top| json::member(top, path)).map(str::to_owned))
    }

    /// The element of a list at `index`; negative counts from the end.
    pub fn get<S: Source>(&self, index: i64, source: &S) -> Result<String, Error<S::Error>> {
        let rank = self.element(index)?;
        let item = self.main.at(rank, source).map_err(Error::Cells)?;
        item.map(|item| text(item.value)).ok_or(Error::Refused(Refusal::Index { index, len: self.len() }))
    }

    /// The score of a member, as text.
    pub fn score<S: Source>(&self, member: &str, source: &S) -> Result<Option<String>, S::Error> {
        let Some(key) = self.scored_key_of(member, source)? else { return Ok(None) };
        let value = self.main.get(&key, source)?;
        Ok(value.map(|value| scored(&Item { key: &key, value }).0.to_owned()))
    }

    /// How many members stand before this one.
    pub fn rank<S: Source>(&self, member: &str, source: &S) -> Result<Option<u64>, S::Error> {
        let Some(key) = self.scored_key_of(member, source)? else { return Ok(None) };
        let rank = self.main.rank(&key, source)?;
        Ok(rank.present.then_some(rank.below))
    }

    fn scored_key_of<S: Source>(&self, member: &str, source: &S) -> Result<Option<Vec<u8>>, S::Error> {
        let mut canon = Vec::new();
        canonical(member, &mut canon);
        let ordered = self.side.get(&canon, source)?.and_then(|value| value.get(..8)?.try_into().ok());
        Ok(ordered.map(|ordered: [u8; 8]| scored_key(&ordered, &canon)))
    }

    /// Calls `each` with the text of every member of a range: elements in order, or score and member.
    /// `each` answers `false` to stop. A list has no scores: it is given an empty one.
    pub fn visit<S: Source>(
        &self,
        range: &Range,
        from: End,
        source: &S,
        mut each: impl FnMut(&str, &str) -> bool,
    ) -> Result<(), S::Error> {
        let (first, end) = self.ranks(range, source)?;
        if first >= end {
            return Ok(());
        }
        let count = (end - first) as usize;
        let mut show = |item: &Item<'_>| match self.family {
            Family::Sorted => {
                let (score, member) = scored(item);
                each(score, member)
            }
            _ => each("", std::str::from_utf8(item.value).unwrap_or_default()),
        };
        let tree = if matches!(self.family, Family::Set | Family::Map) { &self.side } else { &self.main };
        match from {
            End::Front => {
                for item in tree.ascend(first, source).take(count) {
                    if !show(&item?) {
                        break;
                    }
                }
            }
            End::Back => {
                for item in tree.descend(end, source).take(count) {
                    if !show(&item?) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// A range as ranks, the end exclusive.
    fn ranks<S: Source>(&self, range: &Range, source: &S) -> Result<(u64, u64), S::Error> {
        let len = self.len();
        match *range {
            Range::Ranks { start, end } => {
                let rank = |index: i64| match index {
                    0.. => index.unsigned_abs().min(len),
                    _ => len.saturating_sub(index.unsigned_abs()),
                };
                Ok((rank(start), end.map_or(len, rank)))
            }
            Range::Scores { min, max } if min <= max => {
                let low = json::ordered_f64(min);
                let first = self.main.rank(&low, source)?.below;
                // Behind every member of the highest score: the next score there is.
                let end = match u64::from_be_bytes(json::ordered_f64(max)).checked_add(1) {
                    Some(above) => self.main.rank(&above.to_be_bytes(), source)?.below,
                    None => len,
                };
                Ok((first, end))
            }
            Range::Scores { .. } => Ok((0, 0)),
        }
    }
}

fn write_scored(item: &Item<'_>, out: &mut Vec<u8>) {
    let (score, member) = scored(item);
    out.push(b'[');
    out.extend_from_slice(score.as_bytes());
    out.push(b',');
    out.extend_from_slice(member.as_bytes());
    out.push(b']');
}
