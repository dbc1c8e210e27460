//! Looks: operations that change nothing, decided in line with others. In a batch a look shows what the operations
//! before it have done, structures and their members included, before anybody else sees any of it.

use super::error::Error;
use super::known::{FromTable, Known};
use super::operation::{Done, Outcome};
use super::plan::Planner;
use super::{Found, Store};
use crate::memory::EntryRef;
use crate::record::Lsn;
use crate::structure::Structure;
use crate::table::CellSource;
use crate::tree::{NoSource, Source};

/// Reads keys at one instant. Called under the store's lock: short, no I/O, no waiting; and again when something was not
/// in memory, so what an earlier call gathered is to be forgotten.
pub trait Look {
    /// Encoded keys that are shown beside the operation's own.
    fn others(&self) -> &[Vec<u8>] {
        &[]
    }

    /// `seen`: the operation's own key, then the others in order. Members that are not in memory come from `members`, whose
    /// errors are passed on. An error gives a batch up.
    fn look(&self, seen: &[Seen], members: &Members<'_>) -> Result<(), Error>;
}

/// What a look finds under one key.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The visible entry, if there is one.
    pub entry: Option<EntryRef>,
    /// Of a structure: what it holds.
    pub structure: Option<Structure>,
    /// Position of what says so.
    pub lsn: Lsn,
}

/// Where members of structures come from that are not in memory.
#[derive(Debug)]
pub struct Members<'a> {
    /// Under the lock nothing is loaded.
    store: Option<&'a Store>,
}

impl Members<'_> {
    /// Nothing is loaded: what is not in memory is [`Error::Cold`].
    #[must_use]
    pub fn none() -> Members<'static> {
        Members { store: None }
    }

    /// The source of one structure's cells.
    #[must_use]
    pub fn of(&self, structure: &Structure) -> MemberSource<'_> {
        let id = structure.id();
        // What was made of a plain value for this look alone has no cells.
        let store = self.store.filter(|_| id != 0);
        MemberSource { cells: store.map(|store| (store, store.cells(id))), id }
    }
}

/// See [`Members::of`]. What was loaded through it counts against the memory of structures when it goes.
#[derive(Debug)]
pub struct MemberSource<'a> {
    cells: Option<(&'a Store, CellSource<'a>)>,
    id: u64,
}

impl Drop for MemberSource<'_> {
    fn drop(&mut self) {
        if let Some((store, cells)) = &self.cells {
            store.count_loaded(cells, self.id);
        }
    }
}

impl Source for MemberSource<'_> {
    type Error = Error;

    fn cell(&self, cell: u32, stamp: u64) -> Result<Vec<u8>, Error> {
        match &self.cells {
            Some((_, cells)) => Ok(cells.cell(cell, stamp)?),
            None => Ok(NoSource.cell(cell, stamp)?),
        }
    }
}

impl Planner<'_> {
    pub(super) fn look_at(&mut self, key: &[u8], look: &dyn Look) -> Result<Done, Error> {
        let keys = std::iter::once(key).chain(look.others().iter().map(|key| &key[..]));
        let seen = keys.map(|key| self.seen(key)).collect::<Result<Vec<_>, _>>()?;
        look.look(&seen, &Members::none())?;
        let lsn = seen.iter().map(|seen| seen.lsn).max().unwrap_or_default();
        let entry = seen.into_iter().next().and_then(|seen| seen.entry);
        let expires_us = entry.as_ref().map_or(0, |entry| entry.expires_us());
        let outcome = Outcome { lsn, changed: false, time_us: self.now.time_us, expires_us };
        Ok(Done { outcome, previous: entry, structure: None })
    }

    fn seen(&self, key: &[u8]) -> Result<Seen, Error> {
        seen(&self.known(key)?, |id| self.look(id, |structure| Ok(structure.clone())))
    }
}

fn seen(known: &Known, structure: impl FnOnce(u64) -> Result<Structure, Error>) -> Result<Seen, Error> {
    let entry = known.entry().cloned();
    let head = entry.as_ref().and_then(|entry| entry.fields().structure());
    let structure = head.map(|head| structure(head.id)).transpose()?;
    let lsn = known.observed().max(structure.as_ref().map_or(Lsn::ZERO, Structure::lsn));
    Ok(Seen { entry, structure, lsn })
}

impl Store {
    /// Several keys at one instant: of a batch that changes more than one of them all is seen or nothing. Like
    /// [`Store::peek`] otherwise. Cost: the core lock, held for a look-up a key.
    pub fn glance(&self, keys: &[&[u8]]) -> Result<Vec<Seen>, Error> {
        self.glance_told(keys, &[])
    }

    /// [`Store::glance`] that reads L2 where it must. Blocks.
    pub fn glance_blocking(&self, keys: &[&[u8]]) -> Result<Vec<Seen>, Error> {
        let warm = |store: &Store| keys.iter().try_for_each(|key| store.find(key).map(drop));
        self.persist(keys, warm, |told| self.glance_told(keys, told))
    }

    fn glance_told(&self, keys: &[&[u8]], told: &[FromTable]) -> Result<Vec<Seen>, Error> {
        let pipeline = &self.shared.pipeline;
        let now_us = self.now_us();
        let _inner = pipeline.inner.lock();
        let view = |id| pipeline.structures.get(id).map(|hot| hot.view()).ok_or(Error::Cold);
        keys.iter().map(|key| seen(&self.shared.known(key, now_us, told)?, view)).collect()
    }

    /// Brings into memory what a look will need, as far as the state of now tells. Blocks.
    pub(super) fn warm_look(&self, key: &[u8], look: &dyn Look) -> Result<(), Error> {
        let mut seen = Vec::new();
        for key in std::iter::once(key).chain(look.others().iter().map(|key| &key[..])) {
            seen.push(self.find(key)?.into());
        }
        look.look(&seen, &self.members())
    }

    /// Members from the cells of their structures. What is asked through it may block.
    #[must_use]
    pub fn members(&self) -> Members<'_> {
        Members { store: Some(self) }
    }
}

impl From<Found> for Seen {
    fn from(found: Found) -> Seen {
        match found {
            Found::Absent(lsn) => Seen { entry: None, structure: None, lsn },
            Found::Value(entry) => Seen { lsn: entry.lsn(), entry: Some(entry), structure: None },
            Found::Structure(entry, structure) => {
                let lsn = structure.lsn().max(entry.lsn());
                Seen { entry: Some(entry), structure: Some(structure), lsn }
            }
        }
    }
}
