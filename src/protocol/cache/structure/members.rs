//! What a structure operation works on, borrowed: many members are one text and their number, and are walked when
//! they are needed. Nothing here allocates, however many there are.

use mpreg_storage::json::{Number, Reader, Text};

use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::MEMBERS_MAX;

/// Path of `field_updates`, for errors.
pub(super) const UPDATES: &str = "structure_operation.field_updates";
/// Path of the numbers in it.
const UPDATE_VALUE: &str = "structure_operation.field_updates.value";
/// Path of `scored_values`.
pub(super) const SCORED: &str = "structure_operation.scored_values";

/// One or more JSON values, in the order of the message; at most [`MEMBERS_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Values<'a> {
    /// The array, or the one value itself.
    text: &'a str,
    count: usize,
    is_array: bool,
}

impl<'a> Values<'a> {
    /// The one value `text`, checked.
    pub(super) fn single(text: &'a str) -> Values<'a> {
        Values { text, count: 1, is_array: false }
    }

    /// Reads a member that is an array; absent, null and empty are the same.
    pub(in crate::protocol::cache) fn read(
        fields: &mut Fields<'_, 'a>,
        number: u32,
        path: &'static str,
    ) -> Result<Option<Values<'a>>, Error> {
        let Some(text) = fields.raw_array(number, path)? else { return Ok(None) };
        let mut reader = Reader::new(text);
        let mut elements = reader.array(path)?;
        let mut count = 0;
        while elements.next(&mut reader)? {
            reader.raw()?;
            count += 1;
        }
        check_count(count, path)?;
        Ok(Some(Values { text, count, is_array: true }))
    }

    /// How many there are; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(self) -> usize {
        self.count
    }

    /// Their exact texts.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut reader = Reader::new(self.text);
        let mut single = (!self.is_array).then_some(self.text);
        // The text was checked when the request was read, so no error ends the walk early.
        let mut elements = if self.is_array { reader.array("").ok() } else { None };
        std::iter::from_fn(move || {
            let Some(elements) = &mut elements else { return single.take() };
            if elements.next(&mut reader).ok()? { reader.raw().ok() } else { None }
        })
    }

    /// The value, if there is exactly one.
    #[must_use]
    pub fn only(self) -> Option<&'a str> {
        if self.count == 1 { self.iter().next() } else { None }
    }

    /// The same as strings, if they all are.
    pub(in crate::protocol::cache) fn into_strings(self, path: &'static str) -> Result<Strings<'a>, Error> {
        let all = self.iter().all(|text| text.starts_with('"'));
        if all { Ok(Strings(self)) } else { Err(Error::Range { path, wanted: "strings" }) }
    }
}

/// One or more JSON strings: fields of a map, or tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Strings<'a>(Values<'a>);

impl<'a> Strings<'a> {
    /// How many there are; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(self) -> usize {
        self.0.len()
    }

    /// The strings, not yet decoded.
    pub fn iter(self) -> impl Iterator<Item = Text<'a>> {
        self.0.iter().filter_map(|text| Reader::new(text).string("").ok())
    }

    /// The string, if there is exactly one.
    #[must_use]
    pub fn only(self) -> Option<Text<'a>> {
        if self.len() == 1 { self.iter().next() } else { None }
    }
}

/// What becomes of one field of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update<'a> {
    /// It holds this JSON text.
    Store(&'a str),
    /// It grows by this.
    Add(Number<'a>),
}

/// `field_updates`: fields of a map and what becomes of them, in the order of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Updates<'a> {
    /// The object.
    text: &'a str,
    count: usize,
    /// A bare number is a step, not a value (`increment_field`).
    steps: bool,
}

impl<'a> Updates<'a> {
    /// Checks the object `text`; `steps` when all of it must be numbers to add.
    pub(super) fn new(text: &'a str, steps: bool) -> Result<Option<Updates<'a>>, Error> {
        let mut reader = Reader::new(text);
        let mut members = reader.object(UPDATES)?;
        let mut count = 0;
        while members.next(&mut reader)?.is_some() {
            Update::new(reader.raw()?, steps)?;
            count += 1;
        }
        check_count(count, UPDATES)?;
        Ok((count > 0).then_some(Updates { text, count, steps }))
    }

    /// How many there are; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(self) -> usize {
        self.count
    }

    /// Each field's name, not yet decoded, with its update. A name may come twice; both count, in order.
    pub fn iter(self) -> impl Iterator<Item = (Text<'a>, Update<'a>)> {
        let mut reader = Reader::new(self.text);
        let mut members = reader.object("").ok();
        std::iter::from_fn(move || {
            let name = members.as_mut()?.next(&mut reader).ok()??;
            Some((name, Update::new(reader.raw().ok()?, self.steps).ok()?))
        })
    }
}

impl<'a> Update<'a> {
    /// What the member value `text`, checked, means.
    fn new(text: &'a str, step: bool) -> Result<Update<'a>, Error> {
        if text.starts_with('{')
            && let Some(by) = increment(text)?
        {
            return add(by, UPDATE_VALUE, "a number");
        }
        if step { add(text, UPDATES, "numbers") } else { Ok(Update::Store(text)) }
    }
}

/// The update that adds the number `text`.
fn add<'a>(text: &'a str, path: &'static str, wanted: &'static str) -> Result<Update<'a>, Error> {
    Reader::new(text).number(path).map(Update::Add).map_err(|_| Error::Range { path, wanted })
}

/// The `value` of `{"operation":"increment","value":n}`; `None` for any other object, which is a value to store.
fn increment(text: &str) -> Result<Option<&str>, Error> {
    let mut reader = Reader::new(text);
    let mut members = reader.object(UPDATES)?;
    let (mut operation, mut by) = (None, None);
    while let Some(name) = members.next(&mut reader)? {
        match &*name.decode() {
            "operation" => operation = Some(reader.raw()?),
            "value" => by = Some(reader.raw()?),
            _ => return Ok(None),
        }
    }
    match operation {
        Some("\"increment\"") => by.ok_or(Error::Missing(UPDATE_VALUE)).map(Some),
        _ => Ok(None),
    }
}

/// Members of a sorted set with their scores, in the order of the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scored<'a> {
    /// `scored_values`.
    Each(ScoredValues<'a>),
    /// `values` that all get the same score.
    Same {
        /// The members.
        values: Values<'a>,
        /// Their score.
        score: Number<'a>,
    },
}

/// `scored_values`, checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScoredValues<'a>(Values<'a>);

impl<'a> ScoredValues<'a> {
    /// Reads the member; absent, null and empty are the same. Each must be an object with a value and a score.
    pub(super) fn read(fields: &mut Fields<'_, 'a>, number: u32) -> Result<Option<ScoredValues<'a>>, Error> {
        let Some(reader) = fields.enter(number, SCORED)? else { return Ok(None) };
        let mut ahead = reader.clone();
        let mut elements = ahead.array(SCORED)?;
        let mut count = 0;
        while elements.next(&mut ahead)? {
            read_scored(&mut ahead)?;
            count += 1;
        }
        check_count(count, SCORED)?;
        let text = reader.raw()?;
        Ok((count > 0).then_some(ScoredValues(Values { text, count, is_array: true })))
    }
}

impl<'a> Scored<'a> {
    /// How many there are; never 0.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(self) -> usize {
        match self {
            Scored::Each(ScoredValues(values)) | Scored::Same { values, .. } => values.len(),
        }
    }

    /// Each score with its member's exact JSON text.
    pub fn iter(self) -> impl Iterator<Item = (Number<'a>, &'a str)> {
        let (values, same) = match self {
            Scored::Each(ScoredValues(values)) => (values, None),
            Scored::Same { values, score } => (values, Some(score)),
        };
        values.iter().filter_map(move |text| match same {
            Some(score) => Some((score, text)),
            None => read_scored(&mut Reader::new(text)).ok(),
        })
    }
}

/// One element of `scored_values`. The member may be null, as any member may.
fn read_scored<'a>(reader: &mut Reader<'a>) -> Result<(Number<'a>, &'a str), Error> {
    let mut fields = Fields::open(reader, SCORED)?;
    let (mut score, mut value) = (None, None);
    while let Some(name) = fields.next()? {
        match &*name {
            "value" | "member" => value = Some(fields.raw(0, "structure_operation.scored_values.value")?),
            "score" => score = fields.number(1, "structure_operation.scored_values.score")?,
            _ => fields.pass()?,
        }
    }
    let value = value.ok_or(Error::Missing("structure_operation.scored_values.value"))?;
    let score = score.ok_or(Error::Missing("structure_operation.scored_values.score"))?;
    Ok((score, value.unwrap_or("null")))
}

fn check_count(count: usize, what: &'static str) -> Result<(), Error> {
    if count > MEMBERS_MAX {
        return Err(Error::TooLarge { what, size: count, size_max: MEMBERS_MAX });
    }
    Ok(())
}
