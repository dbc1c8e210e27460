//! Opening: what the indexes vouch for is not read again; what stands above them is.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::background::Threads;
use super::catalogue::Catalogue;
use super::error::Error;
use super::gate::Gate;
use super::index::{self, File, INDEX_VERSION, Index, Memory, index_name, parse_index_name};
use super::keeping::Keeping;
use super::options::Options;
use super::shelf::{Chapter, Open, Shelf};
use super::subscriptions::Subscriptions;
use super::{Shared, Shelving, Topics};
use crate::disk::{Disk, OpenMode};
use crate::log::{self, Held, Log, Opened, Step};
use crate::record::{Epoch, Lsn, SegmentId};
use crate::write::core::{Bounds, Start, WriteCore};
use crate::write::journal::Journal;
use crate::write::recovery::Machine;

/// Name of the log in its headers.
pub(super) const LOG_NAME: &str = "topics";

/// Whatever keeps the data directory locked.
pub(super) type Guard = Arc<dyn std::fmt::Debug + Send + Sync>;

impl Topics {
    /// Opens the backlog in `dir`, creating it when absent. The caller holds the lock of the data directory; `guard`
    /// keeps it for as long as any handle or cursor lives.
    ///
    /// # Errors
    /// Damage at or below the highest position known durable is reported with its place and nothing is opened.
    ///
    /// # Cost
    /// Header and topic table of each index, and every record that is in no index: at most two segments after an
    /// unclean stop, nothing after a clean one.
    pub fn open(
        machine: &Machine,
        dir: &Path,
        options: Options,
        guard: Option<Guard>,
    ) -> Result<Topics, Error> {
        let options = options.checked()?;
        machine.disk.create_dir(dir).map_err(Error::io("making", dir))?;
        let found = FoundIndexes::take(&*machine.disk, dir)?;
        let log_options = log::Options {
            name: LOG_NAME.to_owned(),
            segment_bytes: options.segment_bytes,
            ..log::Options::default()
        };
        let disk = Arc::clone(&machine.disk);
        let (log, opened) = Log::open(disk, &*machine.rng, dir, &log_options, found.vouched(), Epoch(0))?;
        let shared = shared(machine, dir, options, (log, opened), found, guard)?;
        let threads = shared.options.threads.then(|| Arc::new(Threads::start(&shared)));
        Ok(Topics { shared, threads })
    }
}

/// The index files of a directory that verify.
#[derive(Debug, Default)]
pub(super) struct FoundIndexes {
    files: Vec<(SegmentId, File)>,
    /// Those of an older format, and what they vouch for: everything but that is made again from their segments.
    older: Vec<(SegmentId, Lsn)>,
}

impl FoundIndexes {
    /// Opens every index file. One that does not verify is left out: it will be made again.
    pub fn take(disk: &dyn Disk, dir: &Path) -> Result<FoundIndexes, Error> {
        let names = disk.list(dir).map_err(Error::io("listing", dir))?;
        let mut found = FoundIndexes::default();
        for id in names.iter().filter_map(|name| parse_index_name(name)) {
            let path = dir.join(index_name(id));
            let map = disk.open(&path, OpenMode::Read).and_then(|file| file.map());
            match File::open(map.map_err(Error::io("opening", &path))?) {
                Ok(file) => found.files.push((id, file)),
                Err(index::Fault::Broken) => {}
                Err(index::Fault::Older(vouched)) => found.older.push((id, vouched)),
                Err(index::Fault::Newer(version)) => {
                    return Err(Error::Newer { path, version, supported: INDEX_VERSION });
                }
            }
        }
        Ok(found)
    }

    /// Everything through here was durable, and what is not there of it was retired.
    pub fn vouched(&self) -> Lsn {
        let files = self.files.iter().map(|(_, file)| file.vouched());
        files.chain(self.older.iter().map(|(_, vouched)| *vouched)).max().unwrap_or_default()
    }

    /// The segments there is a file for.
    fn ids(&self) -> BTreeSet<SegmentId> {
        let files = self.files.iter().map(|(id, _)| *id);
        files.chain(self.older.iter().map(|(id, _)| *id)).collect()
    }

    /// The index of this segment, if it is there and whole.
    fn take_of(&mut self, held: &Held) -> Option<File> {
        let at = self.files.iter().position(|(id, file)| *id == held.id() && file.is_of(held))?;
        Some(self.files.swap_remove(at).1).filter(File::lists_verify)
    }
}

fn shared(
    machine: &Machine,
    dir: &Path,
    options: Options,
    (log, opened): (Log, Opened),
    mut found: FoundIndexes,
    guard: Option<Guard>,
) -> Result<Arc<Shared>, Error> {
    let files = found.ids();
    let (shelf, subscriptions) = shelve(&log, &options, &mut found)?;
    let last = opened.next_lsn.prev();
    let time_us = opened.last_seen.time_us.max(last_time_us(&shelf));
    let start = Start {
        last,
        index: opened.next_index.saturating_sub(1),
        term: opened.last_seen.term,
        checkpoint: last,
        time_us,
        hlc: opened.last_seen.hlc,
    };
    let core = WriteCore::new(bounds(&options), start);
    let position = shelf.position(last);
    let follower = Shelving { gate: Gate::new(shelf, last) };
    let journal = Journal::new(log, Arc::clone(&machine.clock), core, follower);
    Ok(Arc::new(Shared {
        journal,
        subscriptions,
        machine: machine.clone(),
        dir: dir.to_owned(),
        epoch: opened.epoch,
        found: position,
        opened,
        keeping: Mutex::new(Keeping::new(files)),
        full: AtomicBool::new(false),
        trouble: Mutex::new(None),
        _guard: guard,
        options,
    }))
}

fn last_time_us(shelf: &Shelf) -> u64 {
    let sealed = shelf.sealed.back().map_or(0, |newest| newest.index().last_time_us());
    sealed.max(shelf.open.index.last_time_us())
}

/// Puts every segment on the shelf, and replays the commits.
fn shelve(log: &Log, options: &Options, found: &mut FoundIndexes) -> Result<(Shelf, Subscriptions), Error> {
    let mut held = log.held();
    let active = held.pop().expect("an open log has an active segment");
    let limits = options.clone();
    let mut catalogue = Catalogue::new(Box::new(move |topic| limits.limits_of(topic)));
    let subscriptions = Subscriptions::default();
    let mut sealed = std::collections::VecDeque::new();
    for held in held {
        let index = match found.take_of(&held) {
            Some(file) => {
                let index = Index::File(file);
                catalogue.add_sealed(&index);
                index
            }
            None => {
                let memory = scan(&held, &mut catalogue)?;
                catalogue.seal(&memory);
                Index::Memory(memory)
            }
        };
        index.commits().into_iter().for_each(|commit| subscriptions.replay(commit));
        sealed.push_back(Arc::new(Chapter::new(held, index)));
    }
    let index = scan(&active, &mut catalogue)?;
    index.commits().iter().cloned().for_each(|commit| subscriptions.replay(commit));
    let open = Open::new(active, index);
    Ok((Shelf { sealed, open, catalogue }, subscriptions))
}

/// Indexes a segment by reading it, every frame verified.
fn scan(held: &Held, catalogue: &mut Catalogue) -> Result<Memory, Error> {
    let mut memory = Memory::default();
    let mut scan = held.scan()?;
    while scan.offset() < held.end() {
        match scan.advance()? {
            Step::Frame => {}
            Step::Footer => return Err(scan.corrupt(log::envelope::Fault::Zeros).into()),
            Step::Fault(fault) => return Err(scan.corrupt(fault).into()),
        }
        let Some(frame) = scan.frame() else { break };
        let added = memory.add_frame(&frame.head, frame.offset, frame.body, catalogue);
        added.map_err(|source| Error::Record { lsn: frame.head.first_lsn, source })?;
    }
    Ok(memory)
}

fn bounds(options: &Options) -> Bounds {
    Bounds {
        unsynced_bytes_max: options.unsynced_bytes_max,
        unsynced_age_us_max: options.unsynced_age_us_max,
        // Nothing is ever dirty here.
        dirty_bytes_max: u64::MAX,
        checkpoint_bytes: u64::MAX,
        checkpoint_interval_us: u64::MAX,
        batch_bytes_max: 1 << 20,
    }
}
