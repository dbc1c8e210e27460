//! What is known of a key at the moment a write is decided.

use super::error::Error;
use super::{Shared, Store};
use crate::limits::ROOM_WAIT_US_MAX;
use crate::memory::{EntryRef, FillToken};
use crate::record::{EntryFields, EntryKind, Lsn};

/// What L2 said of a key, with the token taken before it was asked.
#[derive(Debug, Clone)]
pub(super) struct FromTable {
    pub(super) key: Box<[u8]>,
    pub(super) token: FillToken,
    pub(super) entry: Option<EntryRef>,
}

/// The version of a key that a write meets.
#[derive(Debug, Clone)]
pub(super) enum Known {
    /// Nothing that anybody can see. `observed` is the position of what says so, `Lsn::ZERO` when that is L2.
    Absent { observed: Lsn },
    /// This one, visible.
    Present(EntryRef),
}

impl Known {
    pub(super) fn entry(&self) -> Option<&EntryRef> {
        match self {
            Known::Absent { .. } => None,
            Known::Present(entry) => Some(entry),
        }
    }

    /// The position of what was seen.
    pub(super) fn observed(&self) -> Lsn {
        match self {
            Known::Absent { observed } => *observed,
            Known::Present(entry) => entry.lsn(),
        }
    }
}

impl Shared {
    /// The position of what hides a version from readers at `now_us`; `None` when they see it.
    pub(super) fn hidden_by(&self, fields: &EntryFields<'_>, now_us: u64) -> Option<Lsn> {
        let gone =
            fields.kind == EntryKind::Tombstone || (fields.expires_us != 0 && now_us > fields.expires_us);
        if gone {
            return Some(fields.lsn);
        }
        self.pipeline.hidden.lsn_of(fields.extras, fields.lsn)
    }

    /// What a write at `now_us` meets. Exact under the core lock. [`Error::Cold`] when L2 must be asked first.
    pub(super) fn known(&self, key: &[u8], now_us: u64, from_table: &[FromTable]) -> Result<Known, Error> {
        let pipeline = &self.pipeline;
        let entry = match pipeline.memory.peek(key) {
            Some(entry) => Some(entry),
            None if !pipeline.table.may_hold(key) => None,
            None => match from_table.iter().find(|told| *told.key == *key) {
                Some(told) if pipeline.memory.unchanged(told.token, key) => told.entry.clone(),
                _ => return Err(Error::Cold),
            },
        };
        Ok(match entry {
            None => Known::Absent { observed: Lsn::ZERO },
            Some(entry) => match self.hidden_by(&entry.fields(), now_us) {
                Some(observed) => Known::Absent { observed },
                None => Known::Present(entry),
            },
        })
    }

    /// Asks L2 for a key, expired rows included, and keeps what it says in memory where that fits.
    pub(super) fn ask_table(&self, key: &[u8]) -> Result<FromTable, Error> {
        let pipeline = &self.pipeline;
        let token = pipeline.memory.fill_token(key);
        let entry = match pipeline.memory.peek(key) {
            Some(entry) => Some(entry),
            None => pipeline.table.read(key, |fields| {
                pipeline.memory.fill(token, key, &fields);
                EntryRef::detached(key, &fields)
            })?,
        };
        Ok(FromTable { key: key.into(), token, entry })
    }
}

impl Store {
    /// Repeats an attempt at a write until it is neither cold nor busy. Blocks: asks L2 for the keys, waits for room
    /// for at most [`ROOM_WAIT_US_MAX`]. `warm` brings into memory what the attempt needs beside its keys.
    pub(super) fn persist<T>(
        &self,
        keys: &[&[u8]],
        warm: impl Fn(&Store) -> Result<(), Error>,
        mut attempt: impl FnMut(&[FromTable]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let clock = &self.shared.pipeline.clock;
        let deadline_us = clock.monotonic_us().saturating_add(ROOM_WAIT_US_MAX);
        let mut told: Vec<FromTable> = Vec::new();
        loop {
            match attempt(&told) {
                Err(error) if error.is_busy() && clock.monotonic_us() < deadline_us => {
                    self.shared.wait_room()?;
                }
                Err(Error::Cold) if clock.monotonic_us() < deadline_us => {
                    told = keys.iter().map(|key| self.shared.ask_table(key)).collect::<Result<_, _>>()?;
                    warm(self)?;
                }
                Err(Error::Cramped { bytes }) if clock.monotonic_us() < deadline_us => {
                    self.shared.pipeline.log.reserve(bytes).map_err(crate::write::pipeline::no_space)?;
                }
                done => return done,
            }
        }
    }
}
