//! What is asked of a structure, and how a command becomes a resolved change.

use super::convert::Mismatch;
use super::{Family, Structure, Verb};
use crate::json;
use crate::limits::{ECHO_BYTES_MAX, ITEM_BYTES_MAX};
use crate::tree::Source;

/// One end of an ordered structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The first element, the lowest score.
    Front,
    /// The last element, the highest score.
    Back,
}

/// What happens to one field of a map.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldChange<'a> {
    /// It gets this value, a JSON text.
    Set(&'a str),
    /// This number, a JSON text, is added to it; an absent field counts as 0.
    Increment(&'a str),
}

/// A command that changes a structure. Values and members are JSON texts, fields decoded strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Command<'a> {
    /// List: behind the last.
    PushBack(&'a [&'a str]),
    /// List: before the first, keeping their order.
    PushFront(&'a [&'a str]),
    /// List: before the element at `index`; negative counts from the end, the length appends.
    Insert {
        /// Where.
        index: i64,
        /// What.
        values: &'a [&'a str],
    },
    /// List: take elements from an end.
    Pop {
        /// Which end.
        end: End,
        /// How many at most.
        count: u64,
    },
    /// List: take the element at `index`; negative counts from the end.
    PopAt {
        /// Where.
        index: i64,
    },
    /// List: remove the first occurrence of each.
    RemoveValues(&'a [&'a str]),
    /// Set: members.
    Add(&'a [&'a str]),
    /// Set and sorted set: members.
    Discard(&'a [&'a str]),
    /// Map: fields, in order. A field with dots that is no literal field is a path into nested objects.
    SetFields(&'a [(&'a str, FieldChange<'a>)]),
    /// Map: fields.
    RemoveFields(&'a [&'a str]),
    /// Sorted set: score and member texts.
    Score(&'a [(&'a str, &'a str)]),
    /// Sorted set: take members from an end.
    PopScored {
        /// Which end.
        end: End,
        /// How many at most.
        count: u64,
    },
    /// Any: remove all members.
    Clear,
}

/// What a command found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Members added, removed or written.
    pub count: u64,
    /// Popped elements, or the new numbers of incremented fields, as JSON texts in order. Elements popped from a
    /// sorted set are `[score,member]`.
    pub values: Vec<String>,
}

/// A command made definite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// What is done; `None`: nothing changes.
    pub verb: Option<Verb>,
    /// For the log.
    pub payload: Vec<u8>,
    /// For the caller.
    pub answer: Answer,
}

impl Resolved {
    /// A change by `verb`, unless nothing was counted.
    pub(super) fn counted(verb: Verb, payload: Vec<u8>, answer: Answer) -> Resolved {
        let verb = (answer.count > 0).then_some(verb);
        Resolved { verb, payload, answer }
    }
}

/// Why a command cannot be carried out; nothing was changed.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// Members that are not in memory could not be had.
    #[error(transparent)]
    Cells(E),
    /// The command does not fit what is there.
    #[error(transparent)]
    Refused(Refusal),
}

/// Why a command does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The command is for another family.
    #[error("Wrong type for {}", wanted.name())]
    WrongFamily {
        /// What the command is for.
        wanted: Family,
    },
    /// The value under the key is none of this family.
    #[error(transparent)]
    Mismatch(#[from] Mismatch),
    /// An index that no element has.
    #[error("Invalid index")]
    Index {
        /// As asked.
        index: i64,
        /// Elements there are.
        len: u64,
    },
    /// A field cannot be counted up.
    #[error("field {field:?}: {fault}")]
    Number {
        /// Which.
        field: String,
        /// Why.
        fault: json::NumberFault,
    },
    /// A path leads through something that is no object, or grows too deep.
    #[error("field {field:?}: {fault}")]
    Path {
        /// Which.
        field: String,
        /// Why.
        fault: json::EditFault,
    },
    /// Something would grow too large.
    #[error("{field:?}: {bytes} bytes, the limit is {bytes_max}")]
    TooLarge {
        /// Which.
        field: String,
        /// What it would have.
        bytes: usize,
        /// What it may have.
        bytes_max: usize,
    },
}

impl<E> From<E> for Error<E> {
    fn from(error: E) -> Error<E> {
        Error::Cells(error)
    }
}

/// Refuses what no tree takes: a change must not fail once its record is in the log.
pub(super) fn bounded<E>(shown: &str, bytes: usize) -> Result<(), Error<E>> {
    if bytes <= ITEM_BYTES_MAX {
        return Ok(());
    }
    let field = shown[..shown.floor_char_boundary(ECHO_BYTES_MAX)].to_owned();
    Err(Error::Refused(Refusal::TooLarge { field, bytes, bytes_max: ITEM_BYTES_MAX }))
}

impl Structure {
    /// Makes a command definite. Only reads; what the change will touch is in memory afterwards.
    pub fn resolve<S: Source>(&self, command: &Command<'_>, source: &S) -> Result<Resolved, Error<S::Error>> {
        self.expect(command)?;
        match *command {
            Command::PushBack(values) => self.resolve_insert(self.len(), values, source),
            Command::PushFront(values) => self.resolve_insert(0, values, source),
            Command::Insert { index, values } => self.resolve_insert(self.place(index)?, values, source),
            Command::Pop { end, count } => self.resolve_pop(end, count, source),
            Command::PopAt { index } => self.resolve_pop_at(index, source),
            Command::RemoveValues(values) => self.resolve_remove_values(values, source),
            Command::Add(members) => self.resolve_add(members, source),
            Command::Discard(members) => self.resolve_discard(members, source),
            Command::SetFields(changes) => self.resolve_set_fields(changes, source),
            Command::RemoveFields(fields) => self.resolve_remove_fields(fields, source),
            Command::Score(pairs) => self.resolve_score(pairs, source),
            Command::PopScored { end, count } => self.resolve_pop_scored(end, count, source),
            Command::Clear => {
                let answer = Answer { count: self.len(), ..Answer::default() };
                Ok(Resolved::counted(Verb::Replace, Vec::new(), answer))
            }
        }
    }

    fn expect<E>(&self, command: &Command<'_>) -> Result<(), Error<E>> {
        let wanted = command.family(self.family);
        if wanted == self.family { Ok(()) } else { Err(Error::Refused(Refusal::WrongFamily { wanted })) }
    }
}

impl Command<'_> {
    /// Whether the command can put something into an empty structure.
    #[must_use]
    pub fn adds(&self) -> bool {
        matches!(
            self,
            Command::PushBack(_)
                | Command::PushFront(_)
                | Command::Insert { .. }
                | Command::Add(_)
                | Command::SetFields(_)
                | Command::Score(_)
        )
    }

    /// Upper bound of the payload's bytes, apart from values that nested fields stand in.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        let texts = |texts: &[&str]| texts.iter().map(|text| text.len() + 16).sum::<usize>();
        let pairs = |pairs: &[(&str, &str)]| pairs.iter().map(|(a, b)| a.len() + b.len() + 8).sum::<usize>();
        let change = |(field, change): &(&str, FieldChange<'_>)| match change {
            FieldChange::Set(value) => field.len() + value.len() + 8,
            FieldChange::Increment(_) => field.len() + 64,
        };
        16 + match self {
            Command::PushBack(values)
            | Command::PushFront(values)
            | Command::Insert { values, .. }
            | Command::RemoveValues(values)
            | Command::Add(values)
            | Command::Discard(values)
            | Command::RemoveFields(values) => texts(values),
            Command::SetFields(changes) => changes.iter().map(change).sum(),
            Command::Score(scored) => pairs(scored),
            Command::Pop { .. } | Command::PopAt { .. } | Command::PopScored { .. } | Command::Clear => 16,
        }
    }

    /// The family the command is for; `own` where several have it.
    fn family(&self, own: Family) -> Family {
        match self {
            Command::PushBack(_)
            | Command::PushFront(_)
            | Command::Insert { .. }
            | Command::Pop { .. }
            | Command::PopAt { .. }
            | Command::RemoveValues(_) => Family::List,
            Command::Discard(_) if own == Family::Sorted => Family::Sorted,
            Command::Add(_) | Command::Discard(_) => Family::Set,
            Command::SetFields(_) | Command::RemoveFields(_) => Family::Map,
            Command::Score(_) | Command::PopScored { .. } => Family::Sorted,
            Command::Clear => own,
        }
    }
}
