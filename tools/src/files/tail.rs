//! The log above the table's checkpoint: what a server would replay, and what the table lacks.

use std::collections::BTreeMap;
use std::path::Path;

use mpreg_storage::log::Look;
use mpreg_storage::record::{EntryKind, Lsn, Op, Records, StructureHead};
use mpreg_storage::state::Place;

use super::frames;
use crate::failure::{Failure, Kind};

/// The newest operation of every key the tail touches.
#[derive(Debug, Default)]
pub struct Tail {
    /// By encoded key; `None` when the newest operation removed it.
    pub entries: BTreeMap<Box<[u8]>, Option<TailEntry>>,
    /// Position and expiry of keys whose life was changed while their entry is in the table.
    pub touched: BTreeMap<Box<[u8]>, (Lsn, u64)>,
    /// Records in it.
    pub records: u64,
}

/// An entry as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailEntry {
    pub kind: EntryKind,
    pub lsn: Lsn,
    pub created_us: u64,
    /// 0 is never.
    pub expires_us: u64,
    pub value: Box<[u8]>,
    pub extras: Box<[u8]>,
}

impl Tail {
    /// Reads the tail into memory; a server bounds it by its dirty limit.
    pub fn read(directory: &Path, look: &Look, checkpoint: Lsn) -> Result<Tail, Failure> {
        let mut tail = Tail::default();
        frames::visit(directory, look, checkpoint.plus(1), |frame| {
            let mut lsn = frame.frame.head.first_lsn;
            for record in Records::new(frame.frame.body) {
                let record =
                    record.map_err(|error| damaged_record(frame.segment.0, frame.frame.offset, &error))?;
                if lsn > checkpoint {
                    tail.take(lsn, &record.op)?;
                }
                lsn = lsn.plus(1);
            }
            Ok(true)
        })?;
        Ok(tail)
    }

    fn take(&mut self, lsn: Lsn, op: &Op<'_>) -> Result<(), Failure> {
        self.records += 1;
        for (part, op) in (0u16..).zip(op.parts()) {
            self.take_part(Place { lsn, part }, &op)?;
        }
        Ok(())
    }

    fn take_part(&mut self, place: Place, op: &Op<'_>) -> Result<(), Failure> {
        let Some(key) = op.key() else { return Ok(()) };
        let lsn = place.lsn;
        let entry = match op {
            Op::Put(put) => Some(TailEntry {
                kind: EntryKind::Value,
                lsn,
                created_us: put.created_us,
                expires_us: put.expires_us,
                value: put.value.into(),
                extras: put.extras.into(),
            }),
            Op::Update(update) => Some(TailEntry {
                kind: EntryKind::Value,
                lsn,
                created_us: update.created_us,
                expires_us: update.expires_us,
                value: update.value.into(),
                extras: update.extras.into(),
            }),
            Op::Change(change) if change.id == 0 => Some(TailEntry {
                kind: EntryKind::Structure,
                lsn,
                created_us: change.created_us,
                expires_us: change.expires_us,
                value: StructureHead { family: change.family, id: place.structure_id() }.encode().into(),
                extras: change.extras.into(),
            }),
            // Members are in cells; the entry stays.
            Op::Change(_) => return Ok(()),
            Op::Touch(touch) => {
                if let Some(Some(entry)) = self.entries.get_mut(key) {
                    (entry.lsn, entry.expires_us) = (lsn, touch.expires_us);
                } else {
                    self.touched.insert(key.into(), (lsn, touch.expires_us));
                }
                return Ok(());
            }
            Op::Delete(_) | Op::Expire(_) | Op::Remove(_) => None,
            other => {
                return Err(Failure::new(Kind::Error, format!("operation {} is unknown here", other.name())));
            }
        };
        self.touched.remove(key);
        self.entries.insert(key.into(), entry);
        Ok(())
    }
}

/// A record that does not decode although its frame verifies.
pub fn damaged_record(segment: u64, offset: u64, error: &impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Damage, format!("log: segment {segment} frame at offset {offset}: {error}"))
}
