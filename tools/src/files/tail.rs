//! The log above the table's checkpoint: what a server would replay, and what the table lacks.

use std::collections::BTreeMap;
use std::path::Path;

use mpreg_storage::log::Look;
use mpreg_storage::record::{Lsn, Op, Records};

use super::frames;
use crate::failure::{Failure, Kind};

/// The newest operation of every key the tail touches.
#[derive(Debug, Default)]
pub struct Tail {
    /// By encoded key; `None` when the newest operation removed it.
    pub entries: BTreeMap<Box<[u8]>, Option<TailEntry>>,
    /// Records in it.
    pub records: u64,
}

/// An entry as the log has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TailEntry {
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
        let entry = match op {
            Op::Put(put) => Some(TailEntry {
                lsn,
                created_us: put.created_us,
                expires_us: put.expires_us,
                value: put.value.into(),
                extras: put.extras.into(),
            }),
            Op::Delete(_) | Op::Expire(_) => None,
            other => {
                return Err(Failure::new(Kind::Error, format!("operation {} is unknown here", other.name())));
            }
        };
        self.entries.insert(op.key().into(), entry);
        Ok(())
    }
}

/// A record that does not decode although its frame verifies.
pub fn damaged_record(segment: u64, offset: u64, error: &impl std::fmt::Display) -> Failure {
    Failure::new(Kind::Damage, format!("log: segment {segment} frame at offset {offset}: {error}"))
}
