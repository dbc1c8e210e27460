//! Stores for benches: in a folder of their own on the disk that `TMPDIR` names, gone with the value.

use std::path::Path;

use mpreg_storage::store::{Level, Operation, Options, Store};
use tempfile::TempDir;

use super::{json_value, key};

/// A store and its folder. The store goes first.
pub struct Scratch {
    pub store: Store,
    pub dir: TempDir,
}

impl Scratch {
    /// A store with defaults, changed by `adjust`.
    pub fn new(adjust: impl FnOnce(&mut Options)) -> Scratch {
        let dir = scratch_dir();
        Scratch { store: open(dir.path(), adjust), dir }
    }

    /// A store that never checkpoints by itself during a burst of up to 256 MiB of dirty entries.
    pub fn for_bursts() -> Scratch {
        Scratch::new(|options| {
            options.memory_bytes = 2 << 30;
            options.checkpoint_bytes = Some(256 << 20);
            options.checkpoint_interval_us = 3_600_000_000;
        })
    }
}

pub fn scratch_dir() -> TempDir {
    tempfile::tempdir().expect("TMPDIR can be written")
}

pub fn open(dir: &Path, adjust: impl FnOnce(&mut Options)) -> Store {
    let mut options = Options::new(dir);
    adjust(&mut options);
    Store::open(options).expect("a store opens")
}

/// One put of the usual sizes, acknowledged at `level`.
pub fn put(store: &Store, number: usize, level: Level) {
    store.put(&key(number), &json_value(number), level).expect("a put succeeds");
}

/// Puts `numbers` eventually, 16 to a hand-over. `value` makes the value.
pub fn load<'n, V: AsRef<[u8]>>(
    store: &Store,
    numbers: impl IntoIterator<Item = &'n u32>,
    value: impl Fn(usize) -> V,
) {
    let mut last = None;
    for (at, &number) in numbers.into_iter().enumerate() {
        let (key, value) = (key(number as usize), value(number as usize));
        let operation = Operation::Put { key: &key, value: value.as_ref(), ttl_us: None, extras: b"" };
        let outcome = store.stage_blocking(&operation).expect("a put is staged");
        last = Some(outcome.outcome.lsn);
        if at % 16 == 15 {
            store.hand_over(outcome.outcome.lsn).expect("a batch is handed over");
        }
    }
    last.into_iter().for_each(|lsn| store.hand_over(lsn).expect("a batch is handed over"));
}
