//! Verbs of the protocol to commands of the engine.

use std::borrow::Cow;

use mpreg_storage::structure::{Command, End, Family, FieldChange};

use crate::protocol::cache::{
    CounterVerb, Family as WireFamily, ListVerb, MapVerb, QueueVerb, Scored, SetVerb, SortedSetVerb,
    StackVerb, Strings, Update, Updates, Values, Verb,
};

/// What a writing verb needs, taken out of the message so that the engine can borrow it.
#[derive(Debug, Default)]
pub(in crate::cache) struct Arguments<'a> {
    values: Vec<&'a str>,
    fields: Vec<Cow<'a, str>>,
    changes: Vec<(Cow<'a, str>, Change<'a>)>,
    scored: Vec<(&'a str, &'a str)>,
}

#[derive(Debug, Clone, Copy)]
enum Change<'a> {
    Set(&'a str),
    Add(&'a str),
}

/// The engine's name of a family; a counter is a plain number.
pub(in crate::cache) fn family(family: WireFamily) -> Option<Family> {
    match family {
        WireFamily::Set => Some(Family::Set),
        WireFamily::List | WireFamily::Queue | WireFamily::Stack => Some(Family::List),
        WireFamily::Map => Some(Family::Map),
        WireFamily::SortedSet => Some(Family::Sorted),
        WireFamily::Counter => None,
    }
}

impl<'a> Arguments<'a> {
    /// The arguments of a verb.
    pub(in crate::cache) fn of(verb: &Verb<'a>) -> Arguments<'a> {
        let mut arguments = Arguments::default();
        match verb {
            Verb::Set(SetVerb::Add(values) | SetVerb::Remove(values))
            | Verb::List(
                ListVerb::Append(values)
                | ListVerb::Prepend(values)
                | ListVerb::Remove(values)
                | ListVerb::Insert { values, .. },
            )
            | Verb::SortedSet(SortedSetVerb::Remove(values))
            | Verb::Queue(QueueVerb::Enqueue(values))
            | Verb::Stack(StackVerb::Push(values)) => arguments.take_values(*values),
            Verb::SortedSet(SortedSetVerb::Add(scored)) => arguments.take_scored(*scored),
            Verb::Map(MapVerb::RemoveFields(fields)) => arguments.take_fields(*fields),
            Verb::Map(MapVerb::SetFields(updates) | MapVerb::IncrementFields(updates)) => {
                arguments.take_updates(*updates);
            }
            Verb::Map(MapVerb::IncrementField { field, by }) => {
                arguments.changes.push((field.decode(), Change::Add(by.text())));
            }
            _ => {}
        }
        arguments
    }

    fn take_values(&mut self, values: Values<'a>) {
        self.values = values.iter().collect();
    }

    fn take_fields(&mut self, fields: Strings<'a>) {
        self.fields = fields.iter().map(|field| field.decode()).collect();
    }

    fn take_scored(&mut self, scored: Scored<'a>) {
        self.scored = scored.iter().map(|(score, member)| (score.text(), member)).collect();
    }

    fn take_updates(&mut self, updates: Updates<'a>) {
        let change = |update| match update {
            Update::Store(value) => Change::Set(value),
            Update::Add(by) => Change::Add(by.text()),
        };
        self.changes = updates.iter().map(|(field, update)| (field.decode(), change(update))).collect();
    }

    /// Lists of borrowed texts, which a command points into.
    pub(in crate::cache) fn lists(&self) -> Lists<'_> {
        let change = |change: &Change<'a>| match *change {
            Change::Set(value) => FieldChange::Set(value),
            Change::Add(by) => FieldChange::Increment(by),
        };
        Lists {
            values: &self.values,
            fields: self.fields.iter().map(|field| &**field).collect(),
            changes: self.changes.iter().map(|(field, to)| (&**field, change(to))).collect(),
            scored: &self.scored,
        }
    }
}

/// See [`Arguments::lists`].
#[derive(Debug)]
pub(in crate::cache) struct Lists<'a> {
    values: &'a [&'a str],
    fields: Vec<&'a str>,
    changes: Vec<(&'a str, FieldChange<'a>)>,
    scored: &'a [(&'a str, &'a str)],
}

impl Lists<'_> {
    /// The command of a writing verb; `None` for those of counters and those that only read.
    pub(in crate::cache) fn command(&self, verb: &Verb<'_>) -> Option<Command<'_>> {
        let pop = |end, count| Command::Pop { end, count };
        Some(match *verb {
            Verb::Set(SetVerb::Add(_)) => Command::Add(self.values),
            Verb::Set(SetVerb::Remove(_)) | Verb::SortedSet(SortedSetVerb::Remove(_)) => {
                Command::Discard(self.values)
            }
            Verb::List(ListVerb::Append(_))
            | Verb::Queue(QueueVerb::Enqueue(_))
            | Verb::Stack(StackVerb::Push(_)) => Command::PushBack(self.values),
            Verb::List(ListVerb::Prepend(_)) => Command::PushFront(self.values),
            Verb::List(ListVerb::Insert { index, .. }) => Command::Insert { index, values: self.values },
            Verb::List(ListVerb::PopFront { count }) | Verb::Queue(QueueVerb::Dequeue { count }) => {
                pop(End::Front, count)
            }
            Verb::List(ListVerb::PopBack { count }) | Verb::Stack(StackVerb::Pop { count }) => {
                pop(End::Back, count)
            }
            Verb::List(ListVerb::PopAt { index }) => Command::PopAt { index },
            Verb::List(ListVerb::Remove(_)) => Command::RemoveValues(self.values),
            Verb::Map(
                MapVerb::SetFields(_) | MapVerb::IncrementField { .. } | MapVerb::IncrementFields(_),
            ) => Command::SetFields(&self.changes),
            Verb::Map(MapVerb::RemoveFields(_)) => Command::RemoveFields(&self.fields),
            Verb::SortedSet(SortedSetVerb::Add(_)) => Command::Score(self.scored),
            Verb::SortedSet(SortedSetVerb::PopMin { count }) => Command::PopScored { end: End::Front, count },
            Verb::SortedSet(SortedSetVerb::PopMax { count }) => Command::PopScored { end: End::Back, count },
            Verb::Set(SetVerb::Clear)
            | Verb::List(ListVerb::Clear)
            | Verb::Map(MapVerb::Clear)
            | Verb::SortedSet(SortedSetVerb::Clear)
            | Verb::Queue(QueueVerb::Clear)
            | Verb::Stack(StackVerb::Clear) => Command::Clear,
            Verb::Counter(
                CounterVerb::Increment(_)
                | CounterVerb::Decrement(_)
                | CounterVerb::Set(_)
                | CounterVerb::Get
                | CounterVerb::Reset,
            )
            | Verb::Set(_)
            | Verb::List(_)
            | Verb::Map(_)
            | Verb::SortedSet(_)
            | Verb::Queue(_)
            | Verb::Stack(_) => return None,
        })
    }
}
