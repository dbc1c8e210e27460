//! The table of structure operations: family and name, with every alias, to the verb and what it needs.

use mpreg_storage::json::{Number, Reader};

use super::fields::StructureFields;
use super::members::{SCORED, UPDATES, Updates, Values};
use super::{
    Combine, CounterVerb, ListVerb, MapVerb, QueueVerb, Scored, SetVerb, SortedSetVerb, StackVerb, Strings,
    Structure, Verb,
};
use crate::protocol::Error;
use crate::protocol::cache::numbers::{literal, position};
use crate::protocol::cache::{KeyText, Metadata};
use crate::protocol::limits::TOP_DEFAULT;

const VALUES: &str = "structure_operation.values";
const FIELDS: &str = "structure_operation.fields";

impl<'a> StructureFields<'a> {
    /// The operation, once it is known that everything it needs is there.
    pub(in crate::protocol::cache) fn into_structure(
        mut self,
        key: KeyText<'a>,
        metadata: Option<Box<Metadata<'a>>>,
    ) -> Result<Structure<'a>, Error> {
        let family = self.family.take().ok_or(Error::Missing("structure_operation.structure_type"))?;
        let name = self.operation.take().ok_or(Error::Missing("structure_operation.operation"))?;
        let verb = match &*family {
            "set" => self.set_verb(&name).map(Verb::Set),
            "list" => self.list_verb(&name).map(Verb::List),
            "map" => self.map_verb(&name).map(Verb::Map),
            "sorted_set" => self.sorted_set_verb(&name).map(Verb::SortedSet),
            "counter" => self.counter_verb(&name).map(Verb::Counter),
            "queue" => self.queue_verb(&name).map(Verb::Queue),
            "stack" => self.stack_verb(&name).map(Verb::Stack),
            other => Err(Error::unknown("structure_operation.structure_type", other)),
        };
        let create_if_missing = self.create_if_missing.unwrap_or(true);
        Ok(Structure { key, verb: verb?, create_if_missing, metadata })
    }

    fn set_verb(&mut self, name: &str) -> Result<SetVerb<'a>, Error> {
        Ok(match name {
            "add" => SetVerb::Add(self.some_values()?),
            "remove" => SetVerb::Remove(self.some_values()?),
            "contains" => SetVerb::Contains(self.some_values()?),
            "members" => SetVerb::Members,
            "size" => SetVerb::Size,
            "union" => self.combine(Combine::Union)?,
            "intersection" => self.combine(Combine::Intersection)?,
            "difference" => self.combine(Combine::Difference)?,
            "clear" => SetVerb::Clear,
            other => return Err(unknown(other)),
        })
    }

    fn list_verb(&self, name: &str) -> Result<ListVerb<'a>, Error> {
        Ok(match name {
            "append" => ListVerb::Append(self.some_values()?),
            "prepend" => ListVerb::Prepend(self.some_values()?),
            "insert" => ListVerb::Insert { index: self.some_index()?, values: self.some_values()? },
            "pop_front" => ListVerb::PopFront { count: self.count_or(1) },
            "pop_back" => ListVerb::PopBack { count: self.count_or(1) },
            "pop" => self.pop()?,
            "get" => ListVerb::Get { index: self.some_index()? },
            "get_range" | "slice" => ListVerb::GetRange(self.range.span()),
            "remove" => ListVerb::Remove(self.some_values()?),
            "length" | "size" => ListVerb::Length,
            "clear" => ListVerb::Clear,
            other => return Err(unknown(other)),
        })
    }

    fn map_verb(&self, name: &str) -> Result<MapVerb<'a>, Error> {
        Ok(match name {
            "set_field" | "set" => MapVerb::SetFields(self.some_updates(false)?),
            "get_fields" => MapVerb::GetFields { fields: self.some_fields()?, bare: false },
            "get" => {
                let fields = self.some_fields()?;
                MapVerb::GetFields { fields, bare: fields.len() == 1 }
            }
            "remove_fields" | "delete" => MapVerb::RemoveFields(self.some_fields()?),
            "increment_field" => self.increment_field()?,
            "contains" => MapVerb::Contains(self.some_fields()?),
            "keys" => MapVerb::Keys,
            "values" => MapVerb::Values,
            "items" => MapVerb::Items,
            "size" => MapVerb::Size,
            "clear" => MapVerb::Clear,
            other => return Err(unknown(other)),
        })
    }

    fn sorted_set_verb(&self, name: &str) -> Result<SortedSetVerb<'a>, Error> {
        Ok(match name {
            "add_scored" | "add" => SortedSetVerb::Add(self.some_scored(name)?),
            "remove" => SortedSetVerb::Remove(self.some_values()?),
            "get_score" | "score" => SortedSetVerb::Score(self.one_value()?),
            "rank" => SortedSetVerb::Rank(self.one_value()?),
            "pop_min" => SortedSetVerb::PopMin { count: self.count_or(1) },
            "pop_max" => SortedSetVerb::PopMax { count: self.count_or(1) },
            "get_top" => SortedSetVerb::Top { limit: self.count_or(TOP_DEFAULT) },
            "get_bottom" => SortedSetVerb::Bottom { limit: self.count_or(TOP_DEFAULT) },
            "get_range" => self.sorted_range(false)?,
            "range" => self.sorted_range(true)?,
            "size" => SortedSetVerb::Size,
            "clear" => SortedSetVerb::Clear,
            other => return Err(unknown(other)),
        })
    }

    fn counter_verb(&self, name: &str) -> Result<CounterVerb<'a>, Error> {
        Ok(match name {
            "increment" => CounterVerb::Increment(self.number_or("1")?),
            "decrement" => CounterVerb::Decrement(self.number_or("1")?),
            "set" => CounterVerb::Set(self.number_or("0")?),
            "get" => CounterVerb::Get,
            "reset" => CounterVerb::Reset,
            other => return Err(unknown(other)),
        })
    }

    fn queue_verb(&self, name: &str) -> Result<QueueVerb<'a>, Error> {
        Ok(match name {
            "enqueue" => QueueVerb::Enqueue(self.some_values()?),
            "dequeue" => QueueVerb::Dequeue { count: self.count_or(1) },
            "peek" => QueueVerb::Peek,
            "size" => QueueVerb::Size,
            "clear" => QueueVerb::Clear,
            other => return Err(unknown(other)),
        })
    }

    fn stack_verb(&self, name: &str) -> Result<StackVerb<'a>, Error> {
        Ok(match name {
            "push" => StackVerb::Push(self.some_values()?),
            "pop" => StackVerb::Pop { count: self.count_or(1) },
            "peek" => StackVerb::Peek,
            "size" => StackVerb::Size,
            "clear" => StackVerb::Clear,
            other => return Err(unknown(other)),
        })
    }

    fn combine(&mut self, how: Combine) -> Result<SetVerb<'a>, Error> {
        if self.others.is_empty() {
            return Err(Error::Missing("structure_operation.options.other_sets"));
        }
        Ok(SetVerb::Combine { how, others: std::mem::take(&mut self.others) })
    }

    fn pop(&self) -> Result<ListVerb<'a>, Error> {
        let count = self.count_or(1);
        match self.index {
            None => Ok(ListVerb::PopBack { count }),
            Some(_) if count == 1 => Ok(ListVerb::PopAt { index: self.some_index()? }),
            Some(_) => {
                Err(Error::Range { path: "structure_operation.limit", wanted: "1 where there is an index" })
            }
        }
    }

    fn increment_field(&self) -> Result<MapVerb<'a>, Error> {
        if self.updates.is_some() {
            return self.some_updates(true).map(MapVerb::IncrementFields);
        }
        let fields = self.fields.ok_or(Error::Missing(FIELDS))?.into_strings(FIELDS)?;
        let field = fields.only().ok_or(Error::Range { path: FIELDS, wanted: "one field" })?;
        Ok(MapVerb::IncrementField { field, by: self.number_of_value("1")? })
    }

    fn sorted_range(&self, bare: bool) -> Result<SortedSetVerb<'a>, Error> {
        let range = self.range;
        let by_score = range.min_score.is_some() || range.max_score.is_some();
        let by_rank = range.start.is_some() || range.end.is_some();
        if by_score && by_rank {
            let path = "structure_operation.range_spec";
            return Err(Error::Range { path, wanted: "either scores or places" });
        }
        if by_score {
            let (min, max) = (range.min_score, range.max_score);
            return Ok(SortedSetVerb::RangeByScore { min, max, bare });
        }
        Ok(SortedSetVerb::RangeByRank { span: range.span(), bare })
    }

    fn some_values(&self) -> Result<Values<'a>, Error> {
        self.values().ok_or(Error::Missing(VALUES))
    }

    fn one_value(&self) -> Result<&'a str, Error> {
        self.some_values()?.only().ok_or(Error::Range { path: VALUES, wanted: "one value" })
    }

    /// `fields`, or the values where those are all strings.
    fn some_fields(&self) -> Result<Strings<'a>, Error> {
        match (self.fields, self.values()) {
            (Some(fields), _) => fields.into_strings(FIELDS),
            (None, Some(values)) => values.into_strings(VALUES),
            (None, None) => Err(Error::Missing(FIELDS)),
        }
    }

    fn some_updates(&self, steps: bool) -> Result<Updates<'a>, Error> {
        let updates = self.updates.map(|text| Updates::new(text, steps)).transpose()?;
        updates.flatten().ok_or(Error::Missing(UPDATES))
    }

    /// `scored_values`; or `values`, which all get the one `score`, default 0 for `add`.
    fn some_scored(&self, name: &str) -> Result<Scored<'a>, Error> {
        if let Some(scored) = self.scored {
            return Ok(Scored::Each(scored));
        }
        match (self.values(), self.score) {
            (Some(values), Some(score)) => Ok(Scored::Same { values, score }),
            (Some(values), None) if name == "add" => Ok(Scored::Same { values, score: literal("0") }),
            (None, Some(_)) => Err(Error::Missing(VALUES)),
            _ => Err(Error::Missing(SCORED)),
        }
    }

    fn some_index(&self) -> Result<i64, Error> {
        const PATH: &str = "structure_operation.index";
        position(self.index.ok_or(Error::Missing(PATH))?, PATH)
    }

    fn count_or(&self, default: u64) -> u64 {
        self.limit.or(self.count).unwrap_or(default)
    }

    /// The one number among the values, or `default`.
    fn number_of_value(&self, default: &'static str) -> Result<Number<'a>, Error> {
        match self.values() {
            Some(_) => {
                let wanted = Error::Range { path: VALUES, wanted: "a number" };
                Reader::new(self.one_value()?).number(VALUES).map_err(|_| wanted)
            }
            None => Ok(literal(default)),
        }
    }

    /// The same for a counter, where `index` is another way to say it.
    fn number_or(&self, default: &'static str) -> Result<Number<'a>, Error> {
        match (self.values(), self.index) {
            (None, Some(step)) => Ok(step),
            _ => self.number_of_value(default),
        }
    }
}

fn unknown(operation: &str) -> Error {
    Error::unknown("structure_operation.operation", operation)
}
