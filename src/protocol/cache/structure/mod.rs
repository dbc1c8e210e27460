//! `structure`: sets, lists, maps, sorted sets, counters, queues and stacks.
//!
//! A message's family, operation (under any of its names) and parameters become one [`Verb`] that holds exactly
//! what it needs; what is missing is refused by name.
//!
//! | file | job |
//! |---|---|
//! | `members` | values, fields, updates and scored values, as borrowed text |
//! | `fields` | `structure_operation` as it stands in the message |
//! | `verbs` | the table of operations and their names |

mod fields;
mod members;
mod verbs;

use mpreg_storage::json::{Number, Text};

pub(super) use fields::StructureFields;
pub use members::{Scored, ScoredValues, Strings, Update, Updates, Values};

use super::{KeyText, Metadata};

/// A structure operation.
#[derive(Debug, PartialEq)]
pub struct Structure<'a> {
    /// On which entry.
    pub key: KeyText<'a>,
    /// What to do.
    pub verb: Verb<'a>,
    /// `options.create_if_missing`, default true.
    pub create_if_missing: bool,
    /// What the message says about a structure that is created; an existing one keeps its own.
    pub metadata: Option<Box<Metadata<'a>>>,
}

/// The kinds of structures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Members in the order of their insertion, each once.
    Set,
    /// Values at positions.
    List,
    /// Fields with values.
    Map,
    /// Members ordered by score, then member.
    SortedSet,
    /// A number.
    Counter,
    /// First in, first out.
    Queue,
    /// Last in, first out.
    Stack,
}

impl Family {
    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Family::Set => "set",
            Family::List => "list",
            Family::Map => "map",
            Family::SortedSet => "sorted_set",
            Family::Counter => "counter",
            Family::Queue => "queue",
            Family::Stack => "stack",
        }
    }

    /// What the protocol says about an entry that is something else.
    #[must_use]
    pub fn wrong_type(self) -> &'static str {
        match self {
            Family::Set => "Wrong type for set",
            Family::List => "Wrong type for list",
            Family::Map => "Wrong type for map",
            Family::SortedSet => "Wrong type for sorted_set",
            Family::Counter => "Wrong type for counter",
            Family::Queue => "Wrong type for queue",
            Family::Stack => "Wrong type for stack",
        }
    }
}

/// What to do with a structure.
#[derive(Debug, PartialEq)]
pub enum Verb<'a> {
    /// With a set.
    Set(SetVerb<'a>),
    /// With a list.
    List(ListVerb<'a>),
    /// With a map.
    Map(MapVerb<'a>),
    /// With a sorted set.
    SortedSet(SortedSetVerb<'a>),
    /// With a counter.
    Counter(CounterVerb<'a>),
    /// With a queue.
    Queue(QueueVerb<'a>),
    /// With a stack.
    Stack(StackVerb<'a>),
}

/// What to do with a set.
#[derive(Debug, PartialEq)]
pub enum SetVerb<'a> {
    /// Put all of them in.
    Add(Values<'a>),
    /// Take all of them out.
    Remove(Values<'a>),
    /// Are they in it?
    Contains(Values<'a>),
    /// All members.
    Members,
    /// How many?
    Size,
    /// With these other sets; nothing is stored.
    Combine {
        /// How.
        how: Combine,
        /// 1 to [`crate::protocol::limits::OTHER_SETS_MAX`]; without tags.
        others: Vec<KeyText<'a>>,
    },
    /// Leave it empty.
    Clear,
}

/// How sets are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Combine {
    /// In any.
    Union,
    /// In all.
    Intersection,
    /// In the first only.
    Difference,
}

/// What to do with a list. Positions that are negative count from the end.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ListVerb<'a> {
    /// Behind the last, in their order.
    Append(Values<'a>),
    /// Before the first, keeping their order.
    Prepend(Values<'a>),
    /// Before the one at `index`, in their order.
    Insert {
        /// Where.
        index: i64,
        /// What.
        values: Values<'a>,
    },
    /// Take the first ones.
    PopFront {
        /// How many, 1 or more; above 1 the answer is an array.
        count: u64,
    },
    /// Take the last ones (`pop` without index too).
    PopBack {
        /// How many, 1 or more; above 1 the answer is an array.
        count: u64,
    },
    /// Take the one at `index`.
    PopAt {
        /// Where.
        index: i64,
    },
    /// The one at `index`.
    Get {
        /// Where.
        index: i64,
    },
    /// Those in a range.
    GetRange(Span),
    /// Take out the first occurrence of each.
    Remove(Values<'a>),
    /// How many?
    Length,
    /// Leave it empty.
    Clear,
}

/// Positions from `start` to before `end`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first; negative counts from the end.
    pub start: i64,
    /// The first one behind; negative counts from the end; `None` is the end.
    pub end: Option<i64>,
}

/// What to do with a map. A dotted field is an existing literal key, otherwise a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum MapVerb<'a> {
    /// Write fields.
    SetFields(Updates<'a>),
    /// Read fields.
    GetFields {
        /// Which.
        fields: Strings<'a>,
        /// `get` with one field: the answer is its value, not an object.
        bare: bool,
    },
    /// Remove fields.
    RemoveFields(Strings<'a>),
    /// Add to one field; the answer is its new number.
    IncrementField {
        /// Which.
        field: Text<'a>,
        /// By how much; default 1.
        by: Number<'a>,
    },
    /// Add to several fields (all are [`Update::Add`]); the answer is an object.
    IncrementFields(Updates<'a>),
    /// Are all of these there?
    Contains(Strings<'a>),
    /// All names.
    Keys,
    /// All values.
    Values,
    /// All pairs.
    Items,
    /// How many?
    Size,
    /// Leave it empty.
    Clear,
}

/// What to do with a sorted set. A member is one exact JSON text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SortedSetVerb<'a> {
    /// Put all of them in; members that are there get the new score.
    Add(Scored<'a>),
    /// Take all of them out.
    Remove(Values<'a>),
    /// The score of a member.
    Score(&'a str),
    /// The place of a member, from 0, ascending.
    Rank(&'a str),
    /// Take those with the lowest scores; an extension.
    PopMin {
        /// How many, 1 or more; above 1 the answer is an array.
        count: u64,
    },
    /// Take those with the highest scores; an extension.
    PopMax {
        /// How many, 1 or more; above 1 the answer is an array.
        count: u64,
    },
    /// Those with the highest scores, highest first.
    Top {
        /// How many, 1 or more.
        limit: u64,
    },
    /// Those with the lowest scores, lowest first.
    Bottom {
        /// How many, 1 or more.
        limit: u64,
    },
    /// Those with scores between, both included, ascending.
    RangeByScore {
        /// `None` is without end.
        min: Option<f64>,
        /// `None` is without end.
        max: Option<f64>,
        /// `range`: members without their scores.
        bare: bool,
    },
    /// Those at places, ascending.
    RangeByRank {
        /// Which.
        span: Span,
        /// `range`: members without their scores.
        bare: bool,
    },
    /// How many?
    Size,
    /// Leave it empty.
    Clear,
}

/// What to do with a counter.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CounterVerb<'a> {
    /// Add, default 1.
    Increment(Number<'a>),
    /// Subtract, default 1.
    Decrement(Number<'a>),
    /// Become, default 0.
    Set(Number<'a>),
    /// The number.
    Get,
    /// Become 0.
    Reset,
}

/// What to do with a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum QueueVerb<'a> {
    /// To the back, in their order.
    Enqueue(Values<'a>),
    /// Take from the front.
    Dequeue {
        /// How many, 1 or more; above 1 the answer is an array.
        count: u64,
    },
    /// The front.
    Peek,
    /// How many?
    Size,
    /// Leave it empty.
    Clear,
}

/// What to do with a stack.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum StackVerb<'a> {
    /// On top, in their order.
    Push(Values<'a>),
    /// Take from the top.
    Pop {
        /// How many, 1 or more; above 1 the answer is an array, the top first.
        count: u64,
    },
    /// The top.
    Peek,
    /// How many?
    Size,
    /// Leave it empty.
    Clear,
}

impl Verb<'_> {
    /// Which kind of structure it works on.
    #[must_use]
    pub fn family(&self) -> Family {
        match self {
            Verb::Set(_) => Family::Set,
            Verb::List(_) => Family::List,
            Verb::Map(_) => Family::Map,
            Verb::SortedSet(_) => Family::SortedSet,
            Verb::Counter(_) => Family::Counter,
            Verb::Queue(_) => Family::Queue,
            Verb::Stack(_) => Family::Stack,
        }
    }

    /// Whether it may change the structure.
    #[must_use]
    pub fn writes(&self) -> bool {
        let reads = matches!(
            self,
            Verb::Set(SetVerb::Contains(_) | SetVerb::Members | SetVerb::Size | SetVerb::Combine { .. })
                | Verb::List(ListVerb::Get { .. } | ListVerb::GetRange(_) | ListVerb::Length)
                | Verb::Map(
                    MapVerb::GetFields { .. }
                        | MapVerb::Contains(_)
                        | MapVerb::Keys
                        | MapVerb::Values
                        | MapVerb::Items
                        | MapVerb::Size
                )
                | Verb::SortedSet(
                    SortedSetVerb::Score(_)
                        | SortedSetVerb::Rank(_)
                        | SortedSetVerb::Top { .. }
                        | SortedSetVerb::Bottom { .. }
                        | SortedSetVerb::RangeByScore { .. }
                        | SortedSetVerb::RangeByRank { .. }
                        | SortedSetVerb::Size
                )
                | Verb::Counter(CounterVerb::Get)
                | Verb::Queue(QueueVerb::Peek | QueueVerb::Size)
                | Verb::Stack(StackVerb::Peek | StackVerb::Size)
        );
        !reads
    }
}
