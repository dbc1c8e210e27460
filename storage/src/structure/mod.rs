//! Structures: lists, sets, maps and sorted sets whose members are reached one by one.
//!
//! ```text
//! entry in L1 / L2:  key -> family, id
//! structure          id  -> root cell (cell 0) + one or two trees of cells
//!
//! family   main tree                                   side tree
//! list     by rank:      -> element text               -
//! set      member        -> sequence                   sequence -> member text
//! map      field         -> sequence, value text       sequence -> field
//! sorted   score, member -> score text, member text    member   -> score
//! ```
//!
//! Members are compared as JSON values: keys of trees hold their canonical form, values the text that was given.
//! Sets and maps remember the order of insertion by a sequence number; overwriting a field keeps its place.
//!
//! A command is *resolved* first: which members are really new, which text was popped, at which ranks. That takes
//! only reads. The resolved [`Verb`] with its payload is what stands in the log, and [`Structure::apply`] is all
//! that recovery knows. Reads and changes meet members that are not in memory through the tree's `Source`: one that
//! has nothing makes them fail before anything was changed, one that reads L2 loads them.

mod apply;
mod command;
mod convert;
pub mod hot;
mod list;
mod map;
pub mod payload;
mod persist;
mod read;
mod set;
mod sorted;

pub use apply::ApplyError;
pub use command::{Answer, Command, End, Error, FieldChange, Refusal, Resolved};
pub use convert::{Mismatch, replacement};
pub use hot::{Frozen, Hot, Structures};
pub use persist::{MalformedRoot, ROOT_CELL};
pub use read::Range;

use crate::record::Lsn;
use crate::tree::{Cells, Tree};

/// What a structure is. The numbers are on disk: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Family {
    /// Elements by rank; queues and stacks are lists.
    List = 1,
    /// Members without repeats, in order of insertion.
    Set = 2,
    /// Fields with values, in order of insertion.
    Map = 3,
    /// Members by score, then by member.
    Sorted = 4,
}

impl Family {
    /// The family with this number, if there is one.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Family> {
        [Family::List, Family::Set, Family::Map, Family::Sorted]
            .into_iter()
            .find(|family| *family as u8 == number)
    }

    /// The name of the protocol.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Family::List => "list",
            Family::Set => "set",
            Family::Map => "map",
            Family::Sorted => "sorted_set",
        }
    }
}

/// What a resolved change does. The numbers are on disk: never renumber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Verb {
    /// The whole content; makes a new structure. Payload: as the family's adding verb takes it.
    Replace = 1,
    /// List: texts at a rank. Payload: rank, texts.
    Insert = 2,
    /// List: runs of elements. Payload: rank and count of each run, applied one after the other.
    RemoveRuns = 3,
    /// Set: member texts that are not there. Payload: texts.
    Add = 4,
    /// Set and sorted set: members that are there. Payload: texts.
    Discard = 5,
    /// Map: fields with new values. Payload: field, value text, ...
    SetFields = 6,
    /// Map: fields that are there. Payload: fields.
    RemoveFields = 7,
    /// Sorted set: members with their scores, new or changed. Payload: score text, member text, ...
    Score = 8,
}

impl Verb {
    /// The verb with this number, if there is one.
    #[must_use]
    pub fn from_u8(number: u8) -> Option<Verb> {
        use Verb::{Add, Discard, Insert, RemoveFields, RemoveRuns, Replace, Score, SetFields};
        [Replace, Insert, RemoveRuns, Add, Discard, SetFields, RemoveFields, Score]
            .into_iter()
            .find(|verb| *verb as u8 == number)
    }

    /// A word for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verb::Replace => "replace",
            Verb::Insert => "insert",
            Verb::RemoveRuns => "remove_runs",
            Verb::Add => "add",
            Verb::Discard => "discard",
            Verb::SetFields => "set_fields",
            Verb::RemoveFields => "remove_fields",
            Verb::Score => "score",
        }
    }
}

/// One structure. A clone costs O(1), shares everything and never changes.
#[derive(Debug, Clone)]
pub struct Structure {
    family: Family,
    id: u64,
    /// The record that changed it last.
    lsn: Lsn,
    /// Sequence of the next member of a set or map.
    next_sequence: u64,
    cells: Cells,
    main: Tree,
    side: Tree,
}

impl Structure {
    /// An empty one.
    #[must_use]
    pub fn new(family: Family, id: u64, lsn: Lsn) -> Structure {
        Structure {
            family,
            id,
            lsn,
            next_sequence: 0,
            cells: persist::fresh_cells(),
            main: Tree::new(),
            side: Tree::new(),
        }
    }

    /// What it is.
    #[must_use]
    pub fn family(&self) -> Family {
        self.family
    }

    /// Its number, unique in a store for ever.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The record that changed it last.
    #[must_use]
    pub fn lsn(&self) -> Lsn {
        self.lsn
    }

    /// Members.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.main.len()
    }

    /// True when it has no members.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.main.len() == 0
    }

    /// Bytes of members and bookkeeping, whether in memory or not.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.main.bytes() + self.side.bytes()
    }
}
