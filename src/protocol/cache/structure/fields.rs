//! `structure_operation` as it stands in the message, before it is known what its operation needs.

use std::borrow::Cow;

use mpreg_storage::json::{Number, Reader, Text};

use super::Span;
use super::members::{ScoredValues, UPDATES, Values};
use crate::protocol::Error;
use crate::protocol::cache::KeyText;
use crate::protocol::cache::key::{OTHER_SET, read_references};
use crate::protocol::cache::numbers::{position, read_positive};
use crate::protocol::fields::Fields;
use crate::protocol::limits::OTHER_SETS_MAX;

/// Path of the other sets, for errors.
const OTHER_SETS: &str = "structure_operation.options.other_sets";

#[derive(Default)]
pub(in crate::protocol::cache) struct StructureFields<'a> {
    pub(super) family: Option<Cow<'a, str>>,
    pub(super) operation: Option<Cow<'a, str>>,
    pub(super) values: Option<Values<'a>>,
    /// `value` or `member`: stands in where there are no `values`.
    pub(super) value: Option<Values<'a>>,
    pub(super) fields: Option<Values<'a>>,
    /// An object, not looked into yet.
    pub(super) updates: Option<&'a str>,
    pub(super) scored: Option<ScoredValues<'a>>,
    /// A position, or the step of a counter.
    pub(super) index: Option<Number<'a>>,
    pub(super) range: Range,
    pub(super) limit: Option<u64>,
    /// Stands in where there is no `limit`.
    pub(super) count: Option<u64>,
    pub(super) score: Option<Number<'a>>,
    pub(super) create_if_missing: Option<bool>,
    pub(super) others: Vec<KeyText<'a>>,
}

/// `range_spec`.
#[derive(Clone, Copy, Default)]
pub(super) struct Range {
    pub(super) start: Option<i64>,
    pub(super) end: Option<i64>,
    pub(super) min_score: Option<f64>,
    pub(super) max_score: Option<f64>,
}

impl Range {
    /// The positions it names.
    pub(super) fn span(self) -> Span {
        Span { start: self.start.unwrap_or(0), end: self.end }
    }

    fn read(reader: &mut Reader<'_>) -> Result<Range, Error> {
        let mut range = Range::default();
        let mut fields = Fields::open(reader, "structure_operation.range_spec")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "start" => {
                    const PATH: &str = "structure_operation.range_spec.start";
                    range.start = fields.number(0, PATH)?.map(|start| position(start, PATH)).transpose()?;
                }
                "end" => {
                    const PATH: &str = "structure_operation.range_spec.end";
                    range.end = fields.number(1, PATH)?.map(|end| position(end, PATH)).transpose()?;
                }
                "min_score" => {
                    let number = fields.number(2, "structure_operation.range_spec.min_score")?;
                    range.min_score = number.map(Number::to_f64);
                }
                "max_score" => {
                    let number = fields.number(3, "structure_operation.range_spec.max_score")?;
                    range.max_score = number.map(Number::to_f64);
                }
                _ => fields.pass()?,
            }
        }
        Ok(range)
    }
}

impl<'a> StructureFields<'a> {
    /// Reads the object at which `reader` stands.
    pub(in crate::protocol::cache) fn read(reader: &mut Reader<'a>) -> Result<StructureFields<'a>, Error> {
        let mut found = StructureFields::default();
        let mut fields = Fields::open(reader, "structure_operation")?;
        while let Some(name) = fields.next()? {
            found.read_member(&name, &mut fields)?;
        }
        Ok(found)
    }

    fn read_member(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "structure_type" => {
                self.family = fields.string(0, "structure_operation.structure_type")?.map(Text::decode);
            }
            "operation" => {
                self.operation = fields.string(1, "structure_operation.operation")?.map(Text::decode);
            }
            "values" => self.values = Values::read(fields, 2, "structure_operation.values")?,
            "fields" => self.fields = Values::read(fields, 3, "structure_operation.fields")?,
            "field_updates" => self.updates = fields.raw_object(4, UPDATES)?,
            "scored_values" => self.scored = ScoredValues::read(fields, 5)?,
            "index" => self.index = fields.number(6, "structure_operation.index")?,
            "range_spec" => {
                let entered = fields.enter(7, "structure_operation.range_spec")?;
                self.range = entered.map(Range::read).transpose()?.unwrap_or_default();
            }
            "limit" => self.limit = read_positive(fields, 8, "structure_operation.limit")?,
            "options" => {
                let entered = fields.enter(9, "structure_operation.options")?;
                entered.map_or(Ok(()), |reader| self.read_options(reader))?;
            }
            "value" => self.read_single(fields.raw(10, "structure_operation.value")?),
            "member" => self.read_single(fields.raw(11, "structure_operation.member")?),
            "score" => self.score = fields.number(12, "structure_operation.score")?,
            "count" => self.count = read_positive(fields, 13, "structure_operation.count")?,
            _ => fields.pass()?,
        }
        Ok(())
    }

    fn read_single(&mut self, text: Option<&'a str>) {
        self.value = text.map(Values::single).or(self.value);
    }

    fn read_options(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        let mut fields = Fields::open(reader, "structure_operation.options")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "create_if_missing" => {
                    const PATH: &str = "structure_operation.options.create_if_missing";
                    self.create_if_missing = fields.boolean(0, PATH)?;
                }
                "other_sets" => {
                    let Some(reader) = fields.enter(1, OTHER_SETS)? else { continue };
                    read_references(reader, &OTHER_SET, |key| {
                        if self.others.len() == OTHER_SETS_MAX {
                            let (size, size_max) = (OTHER_SETS_MAX + 1, OTHER_SETS_MAX);
                            return Err(Error::TooLarge { what: OTHER_SETS, size, size_max });
                        }
                        self.others.push(key);
                        Ok(())
                    })?;
                }
                _ => fields.pass()?,
            }
        }
        Ok(())
    }

    /// `values`, or the scalar that stands for one of them.
    pub(super) fn values(&self) -> Option<Values<'a>> {
        self.values.or(self.value)
    }
}
