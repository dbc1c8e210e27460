//! Promises of the table, one file each. Everything runs on the real disk in a temporary folder
//! except `crashes` and `faults`, which run on the simulated one.

mod basics;
mod crashes;
mod faults;
mod filters;
mod golden;
mod model;
mod other_process;
mod verification;

use std::collections::BTreeMap;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::disk::OsDisk;
use crate::record::{EntryKind, Key, Lsn};

/// A folder with one table in it.
struct Place {
    _dir: TempDir,
    path: PathBuf,
}

impl Place {
    fn new() -> Place {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("l2").join("store.redb");
        Place { _dir: dir, path }
    }

    fn open(&self) -> Table {
        Table::open(Arc::new(OsDisk), &self.path, Options::default()).unwrap()
    }
}

/// An owned version of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    lsn: u64,
    expires_us: u64,
    value: Vec<u8>,
    extras: Vec<u8>,
}

impl Version {
    fn plain(lsn: u64, value: &[u8]) -> Version {
        Version { lsn, expires_us: 0, value: value.to_vec(), extras: Vec::new() }
    }

    fn expiring(lsn: u64, expires_us: u64) -> Version {
        Version { expires_us, ..Version::plain(lsn, b"1") }
    }

    fn fields(&self) -> EntryFields<'_> {
        EntryFields {
            kind: EntryKind::Value,
            lsn: Lsn(self.lsn),
            created_us: 1_000,
            expires_us: self.expires_us,
            access_count: 0,
            last_access_us: 1_000,
            value: &self.value,
            extras: &self.extras,
        }
    }

    fn of(fields: EntryFields<'_>) -> Version {
        Version {
            lsn: fields.lsn.0,
            expires_us: fields.expires_us,
            value: fields.value.to_vec(),
            extras: fields.extras.to_vec(),
        }
    }
}

fn key(number: u64) -> Vec<u8> {
    Key::new("ns", &format!("key{number:08}")).unwrap().as_bytes().to_vec()
}

/// The changes as a caller of [`Table::checkpoint`] sees them: key, and the version or a removal.
type Batch = Vec<(Vec<u8>, Option<Version>)>;

impl Change for (Vec<u8>, Option<Version>) {
    fn key(&self) -> &[u8] {
        &self.0
    }

    fn fields(&self) -> Option<EntryFields<'_>> {
        self.1.as_ref().map(Version::fields)
    }
}

fn at(lsn: u64) -> CheckpointPosition {
    CheckpointPosition { lsn: Lsn(lsn), index: lsn / 2, ..CheckpointPosition::default() }
}

fn checkpoint_of(lsn: u64, batch: &Batch) -> Checkpoint<'_, (Vec<u8>, Option<Version>)> {
    Checkpoint { position: at(lsn), entries: batch, cells: &[], drops: &[], tags: &[], hidden: None }
}

/// Checkpoints `batch` at `lsn`.
fn fold(table: &Table, lsn: u64, batch: &Batch) -> CheckpointSummary {
    table.checkpoint(&checkpoint_of(lsn, batch)).unwrap()
}

/// The rows a test expects, by key.
type Model = BTreeMap<Vec<u8>, Version>;

/// Does to a map what a checkpoint does to the table.
fn fold_model(model: &mut Model, batch: &Batch) {
    for (key, version) in batch {
        match version {
            Some(version) => model.insert(key.clone(), version.clone()),
            None => model.remove(key),
        };
    }
}

fn rows_of(table: &Table) -> Model {
    let snapshot = table.snapshot();
    let rows = snapshot.range(Bound::Unbounded, Bound::Unbounded).unwrap();
    let owned = |row: Row| (row.key().to_vec(), Version::of(row.fields().unwrap()));
    rows.map(|row| owned(row.unwrap())).collect()
}

fn read(table: &Table, key: &[u8]) -> Option<Version> {
    table.read(key, Version::of).unwrap()
}

fn assert_sound(table: &Table) {
    let report = table.snapshot().verify(|_| ()).unwrap();
    assert!(report.is_sound(), "{:#?}", report.problems);
}
