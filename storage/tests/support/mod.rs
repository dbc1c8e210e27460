//! A store on the faulty disk, a model beside it, and the judge that compares them.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "each test file uses its part")]

pub mod crash;
pub mod halves;
pub mod survivors;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use mpreg_storage::disk::Rng as _;
use mpreg_storage::disk::{SimClock, SimDisk, SimRng};
use mpreg_storage::record::{Epoch, Key, Lsn};
use mpreg_storage::store::{Error, Level, Operation, Options, Store};
use mpreg_storage::write::recovery::Machine;

/// Wall time the simulations begin at.
pub const WALL_US: u64 = 1_700_000_000_000_000;
/// Few keys, so that they are overwritten and deleted often.
pub const KEYS: u64 = 12;

/// What is in the store after each position, kept as the changes themselves.
#[derive(Debug, Default, Clone)]
pub struct History {
    /// `(lsn, key, value or deletion)`, ascending.
    pub changes: Vec<(Lsn, Key, Option<Vec<u8>>)>,
}

impl History {
    /// The state after everything through `last`.
    pub fn state_at(&self, last: Lsn) -> BTreeMap<Key, Vec<u8>> {
        let mut state = BTreeMap::new();
        for (_, key, value) in self.changes.iter().take_while(|(lsn, ..)| *lsn <= last) {
            match value {
                Some(value) => state.insert(key.clone(), value.clone()),
                None => state.remove(key),
            };
        }
        state
    }
}

/// A promise, with the number of disk operations that had happened when it was given.
#[derive(Debug, Clone, Copy)]
pub struct Ack {
    pub op_count: u64,
    pub lsn: Lsn,
    pub level: Level,
    pub epoch: Epoch,
}

/// One life of a store.
#[derive(Debug)]
pub struct Life {
    pub disk: SimDisk,
    pub clock: Arc<SimClock>,
    pub store: Store,
}

pub fn key(number: u64) -> Key {
    Key::new("sim", &format!("key-{number:03}")).unwrap()
}

/// A number from the environment: how tests are lengthened and replayed.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// The seeds of a run: `<name>_SEED` alone, or `<name>_SEEDS` of them from 1 on.
pub fn seeds(name: &str, default: u64) -> std::ops::Range<u64> {
    match std::env::var(format!("{name}_SEED")) {
        Ok(text) => text.parse().map(|seed| seed..seed + 1).expect("a seed is a number"),
        Err(_) => 1..1 + number(&format!("{name}_SEEDS"), default),
    }
}

/// Prints how to replay a seed when the test that holds it panics.
pub struct Replay(pub String);

impl Drop for Replay {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("replay with: {}", self.0);
        }
    }
}

/// Small everything, no threads.
pub fn options(disk: &SimDisk, clock: &Arc<SimClock>, seed: u64) -> Options {
    let machine =
        Machine { disk: Arc::new(disk.clone()), clock: clock.clone(), rng: Arc::new(SimRng::new(seed)) };
    let mut options = Options::new(Path::new("/data"));
    options.machine = machine;
    options.threads = false;
    // The backlog is a log of its own and has tests of its own (`topics`); here it would only add to the operations.
    options.topics = None;
    // Full segments and frames with a file of their own happen, too.
    options.segment_bytes = (8 << 10) << (seed % 3);
    options.memory_bytes = 1 << 20;
    options.table_cache_bytes = Some(1 << 20);
    options.checkpoint_bytes = Some(64 << 10);
    options.free_bytes_min = Some(0);
    // Both ways to start: L2 verified page by page, and trusted as a large one is.
    options.table_check_bytes_max *= 1 - seed % 2;
    options
}

impl Life {
    pub fn begin(disk: &SimDisk, seed: u64) -> Result<Life, Error> {
        Life::resume(disk, &Arc::new(SimClock::new(WALL_US)), seed)
    }

    /// A further life under a clock that ran on.
    pub fn resume(disk: &SimDisk, clock: &Arc<SimClock>, seed: u64) -> Result<Life, Error> {
        let store = Store::open(options(disk, clock, seed))?;
        Ok(Life { disk: disk.clone(), clock: Arc::clone(clock), store })
    }

    /// Everything visible, read by a scan.
    pub fn state(&self) -> Result<BTreeMap<Key, Vec<u8>>, Error> {
        let page = self.store.scan(b"", None, usize::MAX)?;
        Ok(page.rows.into_iter().map(|row| (Key::from_bytes(&row.key).unwrap(), row.value)).collect())
    }
}

/// A seeded run of puts, deletes, checkpoints and steps; says what it did and what was promised.
pub fn work(
    life: &Life,
    rng: &SimRng,
    steps: u64,
    history: &mut History,
    acks: &mut Vec<Ack>,
) -> Result<(), Error> {
    for _ in 0..steps {
        life.clock.advance_us(1 + rng.below(3_000));
        match rng.below(20) {
            0 => drop(life.store.checkpoint()?),
            1 => life.store.step()?,
            2 => life.store.drop_clean(),
            choice => one_write(life, rng, choice, history, acks)?,
        }
    }
    Ok(())
}

fn one_write(
    life: &Life,
    rng: &SimRng,
    choice: u64,
    history: &mut History,
    acks: &mut Vec<Ack>,
) -> Result<(), Error> {
    let key = key(rng.below(KEYS));
    let level = if rng.below(3) == 0 { Level::Strong } else { Level::Eventual };
    let length = if rng.below(8) == 0 { rng.below(9_000) } else { rng.below(90) };
    let value =
        format!("\"{:0width$}\"", rng.next_u64(), width = usize::try_from(length).unwrap()).into_bytes();
    let operation = if choice < 6 {
        Operation::Delete { key: key.as_bytes() }
    } else {
        Operation::Put { key: key.as_bytes(), value: &value, ttl_us: None, extras: b"" }
    };
    let ticket = life.store.submit(&operation, level)?;
    let outcome = ticket.outcome();
    if outcome.changed {
        let value = matches!(operation, Operation::Put { .. }).then_some(value);
        history.changes.push((outcome.lsn, key, value));
    }
    ticket.wait()?;
    acks.push(Ack { op_count: life.disk.op_count(), lsn: outcome.lsn, level, epoch: life.store.epoch() });
    Ok(())
}

/// Opens an image and judges it. `promised`: the recovered prefix must reach this far. Returns how
/// far it reached.
pub fn judge(
    image: &SimDisk,
    history: &History,
    promised: Lsn,
    epoch: Epoch,
    seed: u64,
) -> Result<Lsn, String> {
    let life = Life::begin(image, seed).map_err(|error| format!("does not open: {error}"))?;
    let last = life.store.recovered().last;
    if last < promised {
        return Err(format!("lost acknowledged writes: recovered through {last}, promised {promised}"));
    }
    let state = life.state().map_err(|error| format!("cannot be read: {error}"))?;
    if state != history.state_at(last) {
        let want = history.state_at(last);
        let wrong: Vec<_> =
            want.keys().chain(state.keys()).filter(|key| want.get(*key) != state.get(*key)).collect();
        return Err(format!("state through {last} is not the prefix; wrong keys: {wrong:?}"));
    }
    for (key, value) in &state {
        let found = life.store.get(key.as_bytes()).map_err(|error| format!("get {key}: {error}"))?;
        if found.as_ref().map(|entry| entry.value()) != Some(value) {
            return Err(format!("get {key} differs from the scan"));
        }
    }
    if last < history.changes.last().map_or(Lsn::ZERO, |change| change.0) && life.store.epoch() <= epoch {
        return Err(format!("positions above {last} of epoch {epoch} would be used again"));
    }
    // The recovered store must serve: a strong put that a second power cut keeps.
    let value = br#""after""#;
    life.store
        .put(key(999).as_bytes(), value, Level::Strong)
        .map_err(|error| format!("cannot be written: {error}"))?;
    let again = life.disk.crash_image(&mpreg_storage::disk::CrashSpec::NOTHING);
    let second = Life::begin(&again, seed + 1).map_err(|error| format!("second start: {error}"))?;
    let mut want = history.state_at(last);
    want.insert(key(999), value.to_vec());
    if second.state().map_err(|error| format!("second read: {error}"))? != want {
        return Err(format!("the second start differs, first recovered through {last}"));
    }
    Ok(last)
}
