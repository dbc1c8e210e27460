//! Applying resolved changes: the only writer of members, on the live path and in recovery alike.

use super::payload::{Items, Malformed};
use super::set::canonical;
use super::sorted::{number, scored_key, scored_value, spelled};
use super::{Family, Structure, Verb};
use crate::json;
use crate::record::Lsn;
use crate::tree::{self, Edit, Source};

/// Why a resolved change cannot be applied. On the live path neither can happen: resolving has loaded what the
/// change touches and written the payload.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError<E> {
    /// Cells could not be had.
    #[error(transparent)]
    Cells(E),
    /// The payload is not one.
    #[error(transparent)]
    Payload(Malformed),
    /// The verb is for another family, or makes a structure.
    #[error("a {family:?} does not know {verb:?}")]
    Verb {
        /// What the structure is.
        family: Family,
        /// What was to be done.
        verb: Verb,
    },
}

/// What a change of a tree needs beside the tree; a macro, because it borrows one field of `self`.
macro_rules! edit {
    ($self:ident, $source:ident) => {
        Edit { cells: &mut $self.cells, stamp: $self.lsn.0, source: $source }
    };
}

impl<E> From<E> for ApplyError<E> {
    fn from(error: E) -> ApplyError<E> {
        ApplyError::Cells(error)
    }
}

impl Structure {
    /// A structure with the content of a [`Verb::Replace`].
    pub fn from_payload(
        family: Family,
        id: u64,
        lsn: Lsn,
        payload: &[u8],
    ) -> Result<Structure, ApplyError<tree::Error>> {
        let mut structure = Structure::new(family, id, lsn);
        let verb = match family {
            Family::List => {
                structure.insert(0, Items::new(payload), &tree::NoSource)?;
                return Ok(structure);
            }
            Family::Set => Verb::Add,
            Family::Map => Verb::SetFields,
            Family::Sorted => Verb::Score,
        };
        structure.apply(lsn, verb, payload, &tree::NoSource)?;
        Ok(structure)
    }

    /// Applies a resolved change.
    pub fn apply<S: Source>(
        &mut self,
        lsn: Lsn,
        verb: Verb,
        payload: &[u8],
        source: &S,
    ) -> Result<(), ApplyError<S::Error>> {
        self.lsn = lsn;
        let mut items = Items::new(payload);
        match (self.family, verb) {
            (Family::List, Verb::Insert) => {
                let rank = items.number().map_err(ApplyError::Payload)?;
                self.insert(rank, items, source)
            }
            (Family::List, Verb::RemoveRuns) => self.remove_runs(items, source),
            (Family::Set, Verb::Add) => self.add(items, source),
            (Family::Set | Family::Sorted, Verb::Discard) => self.discard(items, source),
            (Family::Map, Verb::SetFields) => self.set_fields(items, source),
            (Family::Map, Verb::RemoveFields) => self.remove_fields(items, source),
            (Family::Sorted, Verb::Score) => self.set_scores(items, source),
            (family, verb) => Err(ApplyError::Verb { family, verb }),
        }
    }

    fn insert<S: Source>(
        &mut self,
        rank: u64,
        mut items: Items<'_>,
        source: &S,
    ) -> Result<(), ApplyError<S::Error>> {
        for rank in rank.. {
            if items.is_done() {
                break;
            }
            let value = items.text().map_err(ApplyError::Payload)?.as_bytes();
            self.main.insert_at(rank.min(self.main.len()), value, &mut edit!(self, source))?;
        }
        Ok(())
    }

    fn remove_runs<S: Source>(
        &mut self,
        mut items: Items<'_>,
        source: &S,
    ) -> Result<(), ApplyError<S::Error>> {
        while !items.is_done() {
            let (rank, count) =
                (items.number().map_err(ApplyError::Payload)?, items.number().map_err(ApplyError::Payload)?);
            for _ in 0..count.min(self.main.len()) {
                self.main.remove_at(rank, &mut edit!(self, source))?;
            }
        }
        Ok(())
    }

    fn add<S: Source>(&mut self, mut items: Items<'_>, source: &S) -> Result<(), ApplyError<S::Error>> {
        let mut canon = Vec::new();
        while !items.is_done() {
            let member = items.text().map_err(ApplyError::Payload)?;
            canonical(member, &mut canon);
            let sequence = self.take_sequence();
            self.main.insert(&canon, &sequence, &mut edit!(self, source))?;
            self.side.insert(&sequence, member.as_bytes(), &mut edit!(self, source))?;
        }
        Ok(())
    }

    fn discard<S: Source>(&mut self, mut items: Items<'_>, source: &S) -> Result<(), ApplyError<S::Error>> {
        let mut canon = Vec::new();
        while !items.is_done() {
            canonical(items.text().map_err(ApplyError::Payload)?, &mut canon);
            if self.family == Family::Sorted {
                self.unscore(&canon, source)?;
                self.side.remove(&canon, &mut edit!(self, source))?;
            } else if let Some(sequence) = first_bytes(self.main.get(&canon, source)?) {
                self.main.remove(&canon, &mut edit!(self, source))?;
                self.side.remove(&sequence, &mut edit!(self, source))?;
            }
        }
        Ok(())
    }

    fn set_fields<S: Source>(
        &mut self,
        mut items: Items<'_>,
        source: &S,
    ) -> Result<(), ApplyError<S::Error>> {
        let mut value = Vec::new();
        while !items.is_done() {
            let (field, text) =
                (items.text().map_err(ApplyError::Payload)?, items.text().map_err(ApplyError::Payload)?);
            let next = self.next_sequence.to_be_bytes();
            let known = self.main.insert_with(field.as_bytes(), &mut edit!(self, source), |old| {
                value.clear();
                value.extend_from_slice(&first_bytes(old).unwrap_or(next));
                value.extend_from_slice(text.as_bytes());
                &value
            })?;
            if !known {
                self.next_sequence += 1;
                self.side.insert(&next, field.as_bytes(), &mut edit!(self, source))?;
            }
        }
        Ok(())
    }

    fn remove_fields<S: Source>(
        &mut self,
        mut items: Items<'_>,
        source: &S,
    ) -> Result<(), ApplyError<S::Error>> {
        while !items.is_done() {
            let field = items.text().map_err(ApplyError::Payload)?.as_bytes();
            if let Some(sequence) = first_bytes(self.main.get(field, source)?) {
                self.main.remove(field, &mut edit!(self, source))?;
                self.side.remove(&sequence, &mut edit!(self, source))?;
            }
        }
        Ok(())
    }

    fn set_scores<S: Source>(
        &mut self,
        mut items: Items<'_>,
        source: &S,
    ) -> Result<(), ApplyError<S::Error>> {
        let (mut canon, mut value) = (Vec::new(), Vec::new());
        while !items.is_done() {
            let (score, member) =
                (items.text().map_err(ApplyError::Payload)?, items.text().map_err(ApplyError::Payload)?);
            canonical(member, &mut canon);
            let ordered = json::ordered_f64(number(score));
            let old = self.side.insert(&canon, &ordered, &mut edit!(self, source))?;
            if let Some(old) = first_bytes(old.as_deref()) {
                self.main.remove(&scored_key(&old, &canon), &mut edit!(self, source))?;
            }
            scored_value(&spelled(score), member, &mut value);
            self.main.insert(&scored_key(&ordered, &canon), &value, &mut edit!(self, source))?;
        }
        Ok(())
    }

    /// Takes a member of a sorted set out of the order by score.
    fn unscore<S: Source>(&mut self, canon: &[u8], source: &S) -> Result<(), ApplyError<S::Error>> {
        if let Some(ordered) = first_bytes(self.side.get(canon, source)?) {
            let key = scored_key(&ordered, canon);
            self.main.remove(&key, &mut edit!(self, source))?;
        }
        Ok(())
    }

    fn take_sequence(&mut self) -> [u8; 8] {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        sequence.to_be_bytes()
    }
}

/// The eight bytes every value of a member tree begins with.
fn first_bytes(value: Option<&[u8]>) -> Option<[u8; 8]> {
    value?.first_chunk().copied()
}
