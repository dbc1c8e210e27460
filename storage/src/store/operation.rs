//! What a caller wants done, and what became of it.

use super::look::Look;
use super::witness::Witness;
use crate::memory::EntryRef;
use crate::record::{Cause, EntryFields, Lsn};
use crate::structure::{Answer, Command, Family};

/// Decides what becomes of an entry from what it is. Called under the store's lock: short, no I/O, no waiting; and
/// again when the entry was not in memory or has changed.
pub trait Update {
    /// `current`: what is there and visible, its value as JSON text, of a structure as well; `None` when there is
    /// nothing. `now_us`: state time.
    fn decide(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Verdict;

    /// Told before each [`Update::decide`]: the position of what says what is there, also where nothing is visible.
    fn sees(&self, _observed: Lsn) {}

    /// By how many bytes the value may grow beyond what is there.
    fn grows_by(&self) -> usize;
}

/// What becomes of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It stays as it is.
    Keep,
    /// It gets a new version.
    Store(NewVersion),
    /// It expires then; 0 = never. A structure keeps its members.
    Touch {
        /// Microseconds since 1970 UTC.
        expires_us: u64,
        /// For the log.
        cause: Cause,
    },
    /// It goes.
    Remove(Cause),
}

/// A version computed from another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewVersion {
    /// JSON text within the limits.
    pub value: Vec<u8>,
    /// Encoded metadata.
    pub extras: Vec<u8>,
    /// `None`: now.
    pub created_us: Option<u64>,
    /// 0 = never.
    pub expires_us: u64,
    /// For the log.
    pub cause: Cause,
}

/// What a caller wants done.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Operation<'a> {
    /// Store a value, replacing value, expiry and metadata.
    Put {
        /// Encoded key.
        key: &'a [u8],
        /// JSON text; kept byte for byte.
        value: &'a [u8],
        /// Time to live in microseconds; `None` = for ever.
        ttl_us: Option<u64>,
        /// Encoded metadata; empty when all default.
        extras: &'a [u8],
    },
    /// Remove a key.
    Delete {
        /// Encoded key.
        key: &'a [u8],
    },
    /// Remove a key for another reason than a plain delete.
    Remove {
        /// Encoded key.
        key: &'a [u8],
        /// For the log.
        cause: Cause,
    },
    /// Compute a version from the one before.
    Update {
        /// Encoded key.
        key: &'a [u8],
        /// How.
        update: &'a dyn Update,
    },
    /// Change nothing, and read at this operation's place in the order.
    Look {
        /// Encoded key.
        key: &'a [u8],
        /// Who reads.
        look: &'a dyn Look,
    },
    /// Change a list, set, map or sorted set; a value of the fitting JSON type becomes one.
    Structure {
        /// Encoded key.
        key: &'a [u8],
        /// What the key holds, or will.
        family: Family,
        /// What to do.
        command: Command<'a>,
        /// What a key that is absent gets its structure with; `None`: it stays absent.
        create: Option<Creation<'a>>,
    },
    /// Any other, seen by somebody.
    Witnessed {
        /// What to do; not another one of this kind.
        operation: &'a Operation<'a>,
        /// Who sees what that changes.
        witness: &'a dyn Witness,
    },
}

/// How the entry of a new structure is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Creation<'a> {
    /// Time to live in microseconds; `None` = for ever.
    pub ttl_us: Option<u64>,
    /// Encoded metadata; empty when all default.
    pub extras: &'a [u8],
}

impl<'a> Operation<'a> {
    /// The operation itself, and who sees it.
    pub(super) fn unwrapped(&self) -> (&Operation<'a>, Option<&'a dyn Witness>) {
        match self {
            Operation::Witnessed { operation, witness } => (operation, Some(*witness)),
            other => (other, None),
        }
    }

    /// The key it acts on.
    #[must_use]
    pub fn key(&self) -> &'a [u8] {
        match self {
            Operation::Put { key, .. }
            | Operation::Delete { key }
            | Operation::Remove { key, .. }
            | Operation::Update { key, .. }
            | Operation::Look { key, .. }
            | Operation::Structure { key, .. } => key,
            Operation::Witnessed { operation, .. } => operation.key(),
        }
    }

    /// The keys it needs to know: its own, and those a look reads beside it.
    pub fn keys(&self) -> impl Iterator<Item = &'a [u8]> {
        let others = match *self.unwrapped().0 {
            Operation::Look { look, .. } => look.others(),
            _ => &[],
        };
        std::iter::once(self.key()).chain(others.iter().map(|key| &key[..]))
    }
}

impl std::fmt::Debug for Operation<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self {
            Operation::Put { .. } => "Put",
            Operation::Delete { .. } => "Delete",
            Operation::Remove { .. } => "Remove",
            Operation::Update { .. } => "Update",
            Operation::Look { .. } => "Look",
            Operation::Structure { .. } => "Structure",
            Operation::Witnessed { .. } => "Witnessed",
        };
        f.debug_tuple(name).field(&self.key().escape_ascii().to_string()).finish()
    }
}

/// What an operation did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// Position of its record; for an operation that changed nothing, of the version that said so.
    pub lsn: Lsn,
    /// Whether something was stored, changed or removed.
    pub changed: bool,
    /// State time of the operation, microseconds since 1970 UTC.
    pub time_us: u64,
    /// Expiry of what is stored afterwards; 0 = never.
    pub expires_us: u64,
}

/// What an operation did, with what it leaves to tell.
#[derive(Debug, Clone)]
pub struct Done {
    /// See there.
    pub outcome: Outcome,
    /// What was there before, if it was visible.
    pub previous: Option<EntryRef>,
    /// Of a structure: what the command found and did, and its members afterwards.
    pub structure: Option<(Answer, u64)>,
}
