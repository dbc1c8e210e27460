//! A data directory as the tools see it: read-only, beside a running server or at rest.
//!
//! ```text
//! FORMAT NODE_ID LOCK     what it is, and whether somebody has it
//! l2/store.redb           the table: everything up to its checkpoint
//! wal/main/*.seg          the log: everything above that, and some below
//! ```
//!
//! The table's snapshot is taken before the log is looked at, so that what the snapshot lacks is in the
//! log: segments are retired only below a checkpoint that is in the table.

mod copied;
mod disk;
mod frames;
mod overlay;
mod tail;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use mpreg_storage::disk::{Disk, DiskLock, OsDisk};
use mpreg_storage::log::{self, Look};
use mpreg_storage::store::{FORMAT_VERSION, FORMAT_VERSION_MIN};
use mpreg_storage::table::{self, ReadOnlyTable, Snapshot};

pub use disk::ReadOnlyDisk;
pub use frames::{Frame, visit};
pub use overlay::OverlayDisk;
pub use tail::{Tail, TailEntry, damaged_record};

use crate::failure::{Failure, Kind};

/// Name of the log that holds the store's records.
const MAIN: &str = "main";
/// How often a live directory is read again until it fits together.
const ATTEMPTS_MAX: usize = 20;
const FORMAT_PREFIX: &str = "mpreg-data ";

/// An open data directory.
pub struct DataDirectory {
    path: PathBuf,
    /// 32 hexadecimal digits.
    pub node_id: String,
    /// Held while nobody else has the directory, so that no server starts meanwhile.
    lock: Option<Box<dyn DiskLock>>,
    table: ReadOnlyTable,
}

impl DataDirectory {
    /// Opens `path`. Exit code 3 when there is nothing, 7 when the table is damaged.
    pub fn open(path: &Path) -> Result<DataDirectory, Failure> {
        let format = text_of(path, "FORMAT")?;
        let version = format.trim().strip_prefix(FORMAT_PREFIX).and_then(|rest| rest.parse::<u32>().ok());
        if !version.is_some_and(|version| (FORMAT_VERSION_MIN..=FORMAT_VERSION).contains(&version)) {
            let found = format.trim();
            let reason = format!(
                "{}: FORMAT says {found:?}, this build reads formats {FORMAT_VERSION_MIN} to {FORMAT_VERSION}",
                path.display()
            );
            return Err(Failure::new(Kind::Error, reason));
        }
        let node_id = text_of(path, "NODE_ID")?.trim().to_owned();
        let lock = if path.join("LOCK").exists() { OsDisk.lock(&path.join("LOCK")).ok() } else { None };
        let table =
            ReadOnlyTable::open(Arc::new(OsDisk), &path.join("l2/store.redb")).map_err(table_failure)?;
        Ok(DataDirectory { path: path.to_owned(), node_id, lock, table })
    }

    /// Whether a server has the directory right now.
    pub fn is_live(&self) -> bool {
        self.lock.is_none()
    }

    /// The table.
    pub fn table(&self) -> &ReadOnlyTable {
        &self.table
    }

    /// The table as its newest checkpoint left it.
    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.table.snapshot().map_err(table_failure)
    }

    /// Length of the table's file.
    pub fn table_bytes(&self) -> u64 {
        std::fs::metadata(self.path.join("l2/store.redb")).map_or(0, |meta| meta.len())
    }

    /// Directory of the main log.
    pub fn log_path(&self) -> PathBuf {
        self.path.join("wal").join(MAIN)
    }

    /// Takes a snapshot, looks at the log and lets `read` use both.
    ///
    /// Beside a server both move on meanwhile: segments are retired under the reader, and the newest
    /// frame may be half-written. So everything is read again, from a fresh snapshot, until it fits
    /// together; what fails in the same words twice running is damage and no coincidence.
    pub fn observe<T>(&self, mut read: impl FnMut(Observed) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            let failure = match self.observe_once().and_then(&mut read) {
                Ok(found) => return Ok(found),
                Err(failure) => failure,
            };
            let text = failure.to_string();
            if !self.is_live() || last.as_ref() == Some(&text) {
                return Err(failure);
            }
            last = Some(text);
        }
        Err(Failure::new(Kind::Error, "the files change faster than they can be read; try again"))
    }

    fn observe_once(&self) -> Result<Observed, Failure> {
        let snapshot = self.snapshot()?;
        let look = log::look(&ReadOnlyDisk, &self.log_path(), MAIN, snapshot.position().lsn);
        Ok(Observed { snapshot, look: look.map_err(log_failure)? })
    }

    /// How the log ends, in words.
    pub fn ending(&self, look: &Look) -> String {
        if self.is_live() {
            return format!("being written, read up to lsn {}", look.last_lsn);
        }
        look.ending.to_string()
    }
}

/// Table and log of one moment, the table first.
pub struct Observed {
    /// The table as a checkpoint left it.
    pub snapshot: Snapshot,
    /// The log, which goes on from there.
    pub look: Look,
}

fn text_of(directory: &Path, name: &str) -> Result<String, Failure> {
    let path = directory.join(name);
    match std::fs::read_to_string(&path) {
        Ok(text) => Ok(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Failure::new(
            Kind::NotFound,
            format!("{} is no data directory: it has no {name}", directory.display()),
        )),
        Err(error) => Err(Failure::from(anyhow::Error::from(error).context(path.display().to_string()))),
    }
}

/// Damage is exit code 7, anything else 1.
pub fn table_failure(error: table::Error) -> Failure {
    let kind = if matches!(error, table::Error::Corrupt { .. }) { Kind::Damage } else { Kind::Error };
    Failure::new(kind, error)
}

/// Damage is exit code 7, anything else 1.
pub fn log_failure(error: log::Error) -> Failure {
    let damaged = matches!(error, log::Error::Corrupt { .. } | log::Error::Missing { .. });
    Failure::new(if damaged { Kind::Damage } else { Kind::Error }, error)
}

/// The wall clock, for expiry, in microseconds since 1970 UTC.
pub fn now_us() -> Result<u64, Failure> {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let since = since.context("the clock stands before 1970")?;
    Ok(since.as_micros() as u64)
}
