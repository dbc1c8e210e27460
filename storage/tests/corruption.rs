//! Promise: bytes that changed on the disk are reported with their place, or harm nothing; never is
//! something else served, and never does a damaged directory open as an empty one.
//!
//! Bits of sealed segments, pages zeroed or misdirected, and files cut short, in the log and in L2.
//! `CORRUPTION_FLIPS` (default 400 a case) lengthens it; `CORRUPTION_SEED` replays one.
#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "a test may")]

mod support;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use mpreg_storage::disk::{CrashSpec, Damage, Disk, OpenMode, SimDisk, SimRng};
use mpreg_storage::record::{Key, Lsn, Op};
use mpreg_storage::store::{Error, Level};
use mpreg_storage::{log, write};
use support::{Life, Replay, key, number};

const TABLE: &str = "/data/l2/store.redb";
type State = BTreeMap<Key, Vec<u8>>;

/// A store whose data is spread over several segments, all of it acknowledged `strong`.
struct Filled {
    disk: SimDisk,
    state: State,
    last: Lsn,
}

#[derive(Clone, Copy, PartialEq)]
enum Stop {
    /// Everything is in the log only.
    Killed,
    /// Everything is in L2, and the log is kept above the checkpoint before.
    Checkpointed,
    /// As `Checkpointed`, and L2 was written several times.
    Churned,
}

fn filled(stop: Stop) -> Filled {
    let disk = SimDisk::new();
    // Seed 3: segments of 8 KiB.
    let life = Life::begin(&disk, 3).unwrap();
    let (rng, mut state, mut last) = (SimRng::new(9), State::new(), Lsn::ZERO);
    for round in 0..90u64 {
        let key = key(rng.below(40));
        if rng.below(5) == 0 {
            let deleted = life.store.delete(key.as_bytes(), Level::Strong).unwrap();
            (last, _) = (last.max(deleted.lsn), state.remove(&key));
            continue;
        }
        let width = usize::try_from(rng.below(900)).unwrap();
        let value = format!("\"{round:0width$}\"").into_bytes();
        last = life.store.put(key.as_bytes(), &value, Level::Strong).unwrap().lsn;
        state.insert(key, value);
        if stop == Stop::Churned && round % 20 == 0 {
            life.store.checkpoint().unwrap();
        }
    }
    match stop {
        Stop::Killed => assert_eq!(life.store.checkpoint_lsn(), Lsn::ZERO),
        Stop::Checkpointed | Stop::Churned => life.store.close().unwrap(),
    }
    Filled { disk, state, last }
}

/// Segment files that hold frames, oldest first, without the newest: nothing vouches for its last frame.
fn sealed(disk: &SimDisk) -> Vec<(PathBuf, u64)> {
    let mut segments: Vec<(PathBuf, u64)> = Vec::new();
    for path in disk.files().into_iter().filter(|path| path.extension().is_some_and(|end| end == "seg")) {
        let bytes = disk.read_file(&path).unwrap();
        let footer_at = bytes.len() - 96;
        if let Some(end) = bytes[96..footer_at].iter().rposition(|byte| *byte != 0) {
            segments.push((path, 96 + end as u64 + 1));
        }
    }
    segments.pop();
    segments
}

#[derive(Debug, Default)]
struct Tally {
    cases: u64,
    reported: u64,
    placed: u64,
    unharmed: u64,
    panics: u64,
    wrong: Vec<String>,
}

impl Tally {
    fn print(&self, name: &str) {
        let Tally { cases, reported, placed, unharmed, panics, wrong } = self;
        println!(
            "corruption {name} cases={cases} reported={reported} with_place={placed} unharmed={unharmed} panics={panics} violations={}",
            wrong.len()
        );
        assert!(*cases > 10, "too few cases");
        assert!(wrong.is_empty(), "{}", wrong.iter().take(8).cloned().collect::<Vec<_>>().join("\n"));
    }

    /// Opens and reads everything: right, or an error.
    fn judge(&mut self, image: &SimDisk, want: &State, what: &str, place: Option<(u64, u64)>) {
        self.cases += 1;
        let found = catch_unwind(AssertUnwindSafe(|| read_all(image)));
        match found {
            Ok(Ok(state)) if state == *want => self.unharmed += 1,
            Ok(Ok(state)) => {
                self.wrong.push(format!("{what}: {} entries served, {} are right", state.len(), want.len()));
            }
            Ok(Err(error)) => self.error(&error, what, place),
            Err(_) => {
                self.panics += 1;
                self.wrong.push(format!("{what}: panicked"));
            }
        }
    }

    fn error(&mut self, error: &Error, what: &str, place: Option<(u64, u64)>) {
        self.reported += 1;
        let Some((segment, offset)) = place else { return };
        if let Error::Write(write::Error::Log(log::Error::Corrupt { segment: told, offset: at, .. })) = error
        {
            // The frame's beginning, at or in front of the damaged byte.
            self.placed += u64::from(told.0 == segment && *at <= offset);
            if told.0 == segment && *at > offset && *at + 96 < 8192 {
                self.wrong.push(format!("{what}: told of offset {at}"));
            }
        }
    }
}

fn read_all(image: &SimDisk) -> Result<State, Error> {
    let life = Life::begin(image, 4)?;
    let scanned = life.state()?;
    for number in 0..40 {
        let found = life.store.get(key(number).as_bytes())?;
        assert_eq!(
            found.as_ref().map(|entry| entry.value()),
            scanned.get(&key(number)).map(|value| &value[..]),
            "get and scan differ"
        );
    }
    Ok(scanned)
}

fn id_of(path: &Path) -> u64 {
    path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok()).unwrap()
}

fn image_of(filled: &Filled) -> SimDisk {
    filled.disk.crash_image(&CrashSpec::NOTHING)
}

fn seed() -> u64 {
    number("CORRUPTION_SEED", 1)
}

fn replay(test: &str) -> Replay {
    Replay(format!("CORRUPTION_SEED={} cargo test -p mpreg-storage --test corruption {test}", seed()))
}

#[test]
fn a_bit_of_a_sealed_segment_is_reported_by_the_start_that_needs_it() {
    let _replay = replay("a_bit_of");
    let filled = filled(Stop::Killed);
    let (rng, mut tally, segments) = (SimRng::new(seed()), Tally::default(), sealed(&filled.disk));
    assert!(segments.len() >= 3, "the data is spread over too few segments");
    for _ in 0..number("CORRUPTION_FLIPS", 400) {
        let (path, end) = &segments[rng.below(segments.len() as u64) as usize];
        let (offset, bit) = (96 + rng.below(end - 96), rng.below(8) as u8);
        let image = image_of(&filled);
        image.damage(path, Damage::FlipBit { offset, bit }).unwrap();
        let what = format!("{} offset {offset} bit {bit}", path.display());
        tally.judge(&image, &filled.state, &what, Some((id_of(path), offset)));
    }
    tally.print("start");
    assert!(tally.placed * 10 > tally.cases * 9, "only the padding may go unnoticed: {tally:?}");
}

/// What the feed reads, folded into a state; the number of records.
fn feed(life: &Life, from: Lsn) -> Result<(State, u64), Error> {
    let (mut state, mut records) = (State::new(), 0);
    let mut feed = life.store.feed(from);
    while let Some(frame) = feed.next_frame()? {
        for record in frame.records() {
            let (lsn, record) = record?;
            records += 1;
            assert_eq!(lsn, from.plus(records - 1), "the feed skipped a position");
            match record.op {
                Op::Put(put) => state.insert(Key::from_bytes(put.key).unwrap(), put.value.to_vec()),
                Op::Delete(delete) => state.remove(&Key::from_bytes(delete.key).unwrap()),
                _ => None,
            };
        }
    }
    Ok((state, records))
}

#[test]
fn a_bit_below_the_checkpoint_is_reported_by_the_read_that_meets_it() {
    let _replay = replay("a_bit_below");
    let filled = filled(Stop::Checkpointed);
    let (rng, mut tally, segments) = (SimRng::new(seed()), Tally::default(), sealed(&filled.disk));
    assert!(segments.len() >= 3, "the data is spread over too few segments");
    for _ in 0..number("CORRUPTION_FLIPS", 400) / 2 {
        let (path, end) = &segments[rng.below(segments.len() as u64) as usize];
        let (offset, bit) = (96 + rng.below(end - 96), rng.below(8) as u8);
        let image = image_of(&filled);
        image.damage(path, Damage::FlipBit { offset, bit }).unwrap();
        let what = format!("{} offset {offset} bit {bit}", path.display());
        // Nothing below the checkpoint is needed to serve.
        let life = Life::begin(&image, 4).unwrap();
        assert_eq!(life.state().unwrap(), filled.state, "{what}");
        tally.cases += 1;
        match feed(&life, Lsn(1)) {
            Ok((state, records)) if state == filled.state && records == filled.last.0 => tally.unharmed += 1,
            Ok((_, records)) => tally.wrong.push(format!("{what}: the feed gave {records} wrong records")),
            Err(error) => tally.error(&error, &what, Some((id_of(path), offset))),
        }
    }
    tally.print("feed");
    assert!(tally.placed * 10 > tally.cases * 9, "only the padding may go unnoticed: {tally:?}");
}

#[test]
fn zeroed_and_misdirected_pages_of_the_log_are_reported() {
    let _replay = replay("zeroed_and");
    let filled = filled(Stop::Killed);
    let (rng, mut tally, segments) = (SimRng::new(seed()), Tally::default(), sealed(&filled.disk));
    assert!(segments.len() >= 3, "the data is spread over too few segments");
    for (path, end) in &segments {
        for to in (0..*end).step_by(4096) {
            let misdirected = (0..6).map(|_| Damage::Misdirect { from: 4096 * rng.below(2), to });
            for damage in misdirected.chain([Damage::ZeroPage { offset: to }]) {
                let image = image_of(&filled);
                image.damage(path, damage.clone()).unwrap();
                if image.read_file(path) == filled.disk.read_file(path) {
                    continue;
                }
                tally.judge(&image, &filled.state, &format!("{} {damage:?}", path.display()), None);
            }
        }
    }
    tally.print("log pages");
    assert_eq!(tally.unharmed, 0, "a damaged page went unnoticed: {tally:?}");
}

fn cut(image: &SimDisk, path: &Path, len: u64) {
    let file = image.open(path, OpenMode::ReadWrite).unwrap();
    file.set_len(len).unwrap();
    file.sync_data().unwrap();
}

#[test]
fn a_file_cut_short_is_reported() {
    let _replay = replay("a_file_cut");
    let rng = SimRng::new(seed());
    for (stop, name) in [(Stop::Killed, "cut log"), (Stop::Churned, "cut L2")] {
        let (filled, mut tally) = (filled(stop), Tally::default());
        let paths = match stop {
            Stop::Killed => sealed(&filled.disk).into_iter().map(|(path, _)| path).collect(),
            _ => vec![PathBuf::from(TABLE)],
        };
        for path in &paths {
            let bytes = filled.disk.read_file(path).unwrap().len() as u64;
            let edges = [0, 1, 95, 96, 4096, 8192, bytes - 4096, bytes - 1];
            let inside = (0..24).map(|_| rng.below(bytes));
            for len in edges.into_iter().chain(inside).filter(|len| *len < bytes) {
                let image = image_of(&filled);
                cut(&image, path, len);
                tally.judge(&image, &filled.state, &format!("{} cut to {len}", path.display()), None);
            }
        }
        tally.print(name);
        assert!(stop != Stop::Killed || tally.unharmed == 0, "{tally:?}");
    }
}

#[test]
fn damage_in_l2_is_reported_or_harmless() {
    let _replay = replay("damage_in_l2");
    let (filled, table) = (filled(Stop::Churned), Path::new(TABLE));
    let (rng, mut tally) = (SimRng::new(seed()), Tally::default());
    let bytes = filled.disk.read_file(table).unwrap();
    let used: Vec<u64> = (0..bytes.len() as u64)
        .step_by(4096)
        .filter(|page| bytes[*page as usize..][..4096].iter().any(|byte| *byte != 0))
        .collect();
    let any = || used[rng.below(used.len() as u64) as usize];
    for case in 0..number("CORRUPTION_FLIPS", 400) {
        let damage = match case % 4 {
            0 => Damage::ZeroPage { offset: any() },
            1 => Damage::Misdirect { from: any(), to: any() },
            _ => Damage::FlipBit { offset: any() + rng.below(4096), bit: rng.below(8) as u8 },
        };
        let image = image_of(&filled);
        image.damage(table, damage.clone()).unwrap();
        tally.judge(&image, &filled.state, &format!("L2 {damage:?}"), None);
    }
    tally.print("L2");
}

/// A file that is gone is not a reason to begin anew.
#[test]
fn a_directory_that_lost_a_file_never_opens_with_less() {
    let mut tally = Tally::default();
    for stop in [Stop::Killed, Stop::Checkpointed, Stop::Churned] {
        let filled = filled(stop);
        // Where the log alone holds the data, nothing but itself vouches for its newest segment.
        let mut paths: Vec<PathBuf> = sealed(&filled.disk).into_iter().map(|(path, _)| path).collect();
        if stop != Stop::Killed {
            paths.extend(filled.disk.files().into_iter().filter(|path| path.starts_with("/data/wal")));
        }
        paths.push(PathBuf::from(TABLE));
        for path in paths {
            let image = image_of(&filled);
            image.remove(&path).unwrap();
            image.sync_dir(path.parent().unwrap()).unwrap();
            tally.judge(&image, &filled.state, &format!("{} removed", path.display()), None);
        }
    }
    tally.print("removed files");
}
