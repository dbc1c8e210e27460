//! Verbs that only read, inside a batch: they see what the operations before them have done.

use std::cell::RefCell;

use mpreg_storage::record::Lsn;
use mpreg_storage::store::{Error, Look, Members as Source, Seen};
use mpreg_storage::structure::{Family, Structure as Members};

use super::read::{Read, Reader};
use super::{Told, combined_keys, converted, family, render, write_told};
use crate::protocol::Error as Refused;
use crate::protocol::cache::{SetVerb, Status, Structure, Verb};

/// One reading verb.
pub(in crate::cache) struct StructureLook<'a> {
    asked: &'a Structure<'a>,
    wanted: Family,
    others: Vec<Vec<u8>>,
    came: RefCell<Option<(Told, Vec<u8>)>>,
}

impl<'a> StructureLook<'a> {
    pub(in crate::cache) fn new(asked: &'a Structure<'a>) -> Result<StructureLook<'a>, Refused> {
        let wanted = family(asked.verb.family()).unwrap_or(Family::List);
        Ok(StructureLook { asked, wanted, others: combined_keys(asked)?, came: RefCell::default() })
    }

    /// Appends the members of the result; answers its status.
    pub(in crate::cache) fn write(&self, operation_id: &[u8; 36], out: &mut Vec<u8>) -> Status {
        match &*self.came.borrow() {
            None => Status::Miss,
            Some((told, value)) => {
                write_told(told, value, operation_id, out);
                told.status.unwrap_or(Status::Hit)
            }
        }
    }

    pub(in crate::cache) fn asked(&self) -> &'a Structure<'a> {
        self.asked
    }
}

impl Look for StructureLook<'_> {
    fn others(&self) -> &[Vec<u8>] {
        &self.others
    }

    fn look(&self, seen: &[Seen], source: &Source<'_>) -> Result<(), Error> {
        self.came.take();
        let mut value = Vec::new();
        let told = read_seen(self.asked, self.wanted, seen, source, &mut value)?;
        self.came.replace(Some((told, value)));
        Ok(())
    }
}

/// Runs a reading verb over what was seen of its key and of the keys it is combined with.
pub(super) fn read_seen(
    asked: &Structure<'_>,
    wanted: Family,
    seen: &[Seen],
    source: &Source<'_>,
    value: &mut Vec<u8>,
) -> Result<Told, Error> {
    let lsn = seen.iter().map(|seen| seen.lsn).max().unwrap_or_default();
    let mut sets = Vec::with_capacity(seen.len());
    for seen in seen {
        sets.push(members_of(seen, wanted, source)?);
    }
    let exists = sets.first().is_some_and(Option::is_some);
    if !exists && !matches!(asked.verb, Verb::Set(SetVerb::Combine { .. })) {
        value.extend_from_slice(b"null");
        return Ok(Told { lsn, status: Some(Status::Miss), ..Told::default() });
    }
    // What is not there has no members, but it may be combined with what is.
    let mut sets = sets.into_iter().map(|set| set.unwrap_or(Members::new(wanted, 0, Lsn::ZERO)));
    let own = sets.next().unwrap_or(Members::new(wanted, 0, Lsn::ZERO));
    let others: Vec<Members> = sets.collect();
    // Members of others are read whole; what is missing of them is loaded through their own cells.
    others.iter().try_for_each(|other| other.load(&source.of(other)))?;
    let Read { missing, members } =
        Reader { structure: &own, source: &source.of(&own), out: value }.read(&asked.verb, &others)?;
    let status = Some(if missing { Status::Miss } else { Status::Hit });
    Ok(Told { lsn, status, size: own.len(), exists, members, ..Told::default() })
}

/// What was seen as members of this family; `None` when nothing was. A plain value is read as it is.
fn members_of(seen: &Seen, wanted: Family, source: &Source<'_>) -> Result<Option<Members>, Error> {
    match (&seen.entry, &seen.structure) {
        (None, _) => Ok(None),
        (_, Some(structure)) if structure.family() == wanted => Ok(Some(structure.clone())),
        (_, Some(structure)) => {
            let mut text = Vec::new();
            render(structure, &source.of(structure), &mut text)?;
            converted(wanted, &text).map(Some)
        }
        (Some(entry), None) => converted(wanted, entry.value()).map(Some),
    }
}
