//! Looking at every row: does it decode, does the expiry index agree both ways, do the sums.

use std::ops::Bound;

use crate::limits::VERIFY_PROBLEMS_MAX;

use super::schema;
use super::snapshot::{Row, split_mark};
use super::{Error, Snapshot};

/// What a walk over one snapshot found.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VerifyReport {
    /// Rows of entries looked at.
    pub entries: u64,
    /// Rows of the expiry index looked at.
    pub expiring: u64,
    /// Bytes of keys and rows.
    pub stored_bytes: u64,
    /// The largest lsn of any row.
    pub lsn_max: u64,
    /// What is wrong, up to `VERIFY_PROBLEMS_MAX` lines: which row, and what about it.
    pub problems: Vec<String>,
    /// How many problems there are in all.
    pub problem_count: u64,
}

impl VerifyReport {
    /// True when nothing is wrong.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    fn problem(&mut self, what: impl FnOnce() -> String) {
        self.problem_count += 1;
        if self.problems.len() < VERIFY_PROBLEMS_MAX {
            self.problems.push(what());
        }
    }
}

impl Snapshot {
    /// Walks every row. `progress` is told the rows done so far, after each. An error means that the
    /// walk could not go on (disk, damaged page); what it found about rows is in the report.
    pub fn verify(&self, mut progress: impl FnMut(u64)) -> Result<VerifyReport, Error> {
        let mut report = VerifyReport::default();
        for row in self.range(Bound::Unbounded, Bound::Unbounded)? {
            self.verify_entry(&row?, &mut report)?;
            progress(report.entries);
        }
        for mark in self.marks()? {
            self.verify_mark(&mark?, &mut report)?;
            progress(report.entries + report.expiring);
        }
        self.verify_sums(&mut report)?;
        Ok(report)
    }

    fn verify_entry(&self, row: &Row, report: &mut VerifyReport) -> Result<(), Error> {
        report.entries += 1;
        report.stored_bytes += (row.key().len() + row.row_bytes()) as u64;
        let key = row.key().escape_ascii();
        if crate::record::KeyParts::decode(row.key()).is_err() {
            report.problem(|| format!("row of key {key}: not an encoded key"));
        }
        let fields = match row.fields() {
            Ok(fields) => fields,
            Err(error) => {
                report.problem(|| error.to_string());
                return Ok(());
            }
        };
        report.lsn_max = report.lsn_max.max(fields.lsn.0);
        if fields.lsn > self.position().lsn {
            let (lsn, position) = (fields.lsn, self.position().lsn);
            report.problem(|| format!("row of key {key}: lsn {lsn} is above the checkpoint {position}"));
        }
        if fields.expires_us != 0 {
            let mut mark = Vec::new();
            schema::expiry_key(fields.expires_us, row.key(), &mut mark);
            if !self.has_mark(&mark)? {
                report.problem(|| format!("row of key {key}: expires but is not in the expiry index"));
            }
        }
        Ok(())
    }

    fn verify_mark(&self, mark: &[u8], report: &mut VerifyReport) -> Result<(), Error> {
        report.expiring += 1;
        let (expires_us, key) = match split_mark(mark) {
            Ok(parts) => parts,
            Err(error) => {
                report.problem(|| error.to_string());
                return Ok(());
            }
        };
        let stored = match self.read(key, |fields| fields.expires_us) {
            Ok(stored) => stored,
            // The walk over the entries has reported this row already.
            Err(Error::Corrupt { .. } | Error::NewerFormat { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        if stored != Some(expires_us) {
            let key = key.escape_ascii();
            report.problem(|| {
                format!("expiry row of key {key}: index says {expires_us}, the entry says {stored:?}")
            });
        }
        Ok(())
    }

    fn verify_sums(&self, report: &mut VerifyReport) -> Result<(), Error> {
        let sums = [
            ("entries", self.entries()?, report.entries),
            ("expiry rows", self.expiring()?, report.expiring),
            ("stored bytes", self.counters.stored_bytes, report.stored_bytes),
        ];
        for (what, counted, found) in sums {
            if counted != found {
                report.problem(|| format!("{what}: counter says {counted}, found {found}"));
            }
        }
        Ok(())
    }
}
