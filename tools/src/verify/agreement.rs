//! Do log and table agree? What the newest record of a key at or below the checkpoint says is what the
//! table must hold, because the table is exactly the effect of everything up to there.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use mpreg_storage::record::{Lsn, Op, StructureHead};
use mpreg_storage::state::Place;
use mpreg_storage::table::Snapshot;

use crate::failure::Failure;
use crate::files::table_failure;
use crate::log::key_text;

/// Disagreements listed one by one; the rest is counted.
const LISTED_MAX: usize = 20;

/// What the log says each key is.
#[derive(Default)]
pub struct Agreement {
    newest: HashMap<Box<[u8]>, Said>,
}

/// A put, or the removal of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Put { lsn: Lsn, digest: u64 },
    Gone { lsn: Lsn },
}

impl Agreement {
    /// One record at or below the checkpoint, in order.
    pub fn take(&mut self, lsn: Lsn, op: &Op<'_>) {
        for (part, op) in (0u16..).zip(op.parts()) {
            self.take_part(Place { lsn, part }, &op);
        }
    }

    fn take_part(&mut self, place: Place, op: &Op<'_>) {
        let Some(key) = op.key() else { return };
        let lsn = place.lsn;
        let said = match op {
            Op::Put(put) => Said::Put { lsn, digest: digest(put.value, put.expires_us) },
            Op::Update(update) => Said::Put { lsn, digest: digest(update.value, update.expires_us) },
            Op::Change(change) if change.id == 0 => {
                let head = StructureHead { family: change.family, id: place.structure_id() };
                Said::Put { lsn, digest: digest(&head.encode(), change.expires_us) }
            }
            // Members are in cells; the entry stays as it is.
            Op::Change(_) => return,
            // The value it belongs to may be in a record that is gone.
            Op::Touch(_) => {
                self.newest.remove(key);
                return;
            }
            _ => Said::Gone { lsn },
        };
        match self.newest.get_mut(key) {
            Some(known) => *known = said,
            None => drop(self.newest.insert(key.into(), said)),
        }
    }

    /// Keys that can be compared.
    pub fn keys(&self) -> u64 {
        self.newest.len() as u64
    }

    /// Compares every key and appends what differs to `problems`.
    pub fn compare(&self, snapshot: &Snapshot, problems: &mut Vec<String>) -> Result<(), Failure> {
        let mut keys: Vec<_> = self.newest.iter().collect();
        keys.sort_unstable_by_key(|(key, _)| *key);
        let mut unlisted = 0;
        for (key, said) in keys {
            let read = |fields: mpreg_storage::record::EntryFields<'_>| Said::Put {
                lsn: fields.lsn,
                digest: digest(fields.value, fields.expires_us),
            };
            let held = match snapshot.read(key, read) {
                Ok(held) => held,
                // The walk over the table has reported this row.
                Err(mpreg_storage::table::Error::Corrupt { .. }) => continue,
                Err(error) => return Err(table_failure(error)),
            };
            let Some(problem) = disagreement(*said, held) else { continue };
            if problems.len() < LISTED_MAX {
                problems.push(format!("key {}: {problem}", key_text(key)));
            } else {
                unlisted += 1;
            }
        }
        if unlisted > 0 {
            problems.push(format!("{unlisted} more keys disagree"));
        }
        Ok(())
    }
}

fn disagreement(said: Said, held: Option<Said>) -> Option<String> {
    match (said, held) {
        (Said::Gone { .. }, None) => None,
        (said, Some(held)) if said == held => None,
        (Said::Put { lsn, .. }, None) => Some(format!("the log puts it at lsn {lsn}, the table lacks it")),
        (Said::Gone { lsn }, Some(_)) => Some(format!("the log removes it at lsn {lsn}, the table has it")),
        (Said::Put { lsn, .. }, Some(Said::Put { lsn: other, .. })) if lsn == other => {
            Some(format!("lsn {lsn} is another value in the log than in the table"))
        }
        (Said::Put { lsn, .. }, Some(Said::Put { lsn: other, .. } | Said::Gone { lsn: other })) => {
            Some(format!("the log's newest put is lsn {lsn}, the table has lsn {other}"))
        }
    }
}

/// Told apart well enough for a check; never stored.
fn digest(value: &[u8], expires_us: u64) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    expires_us.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_disagreement_has_words() {
        let put = |lsn, digest| Said::Put { lsn: Lsn(lsn), digest };
        let gone = Said::Gone { lsn: Lsn(9) };
        assert_eq!(disagreement(put(1, 1), Some(put(1, 1))), None);
        assert_eq!(disagreement(gone, None), None);
        let differ = [
            (put(1, 1), None, "lacks it"),
            (gone, Some(put(1, 1)), "the table has it"),
            (put(1, 1), Some(put(1, 2)), "another value"),
            (put(2, 1), Some(put(1, 1)), "lsn 2, the table has lsn 1"),
        ];
        for (said, held, words) in differ {
            let text = disagreement(said, held).unwrap();
            assert!(text.contains(words), "{text}");
        }
    }
}
