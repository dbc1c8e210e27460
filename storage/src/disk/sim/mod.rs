//! The faulty disk in memory: what a test of durability runs on instead of a machine to pull the
//! plug of.
//!
//! It keeps two states. Reads see the *current* one. The *durable* one is what a power cut leaves
//! for certain; between the two stand the pending changes, each of which a cut lets through or not:
//!
//! ```text
//!   write_at, set_len          pending pages of the file     sync_data   durable pages
//!   ------------------------>  [p3][p4][len][p3]  -------------------->  p0 p1 p2 ...
//!   create, rename, remove     pending names                 sync_dir    durable names
//!   ------------------------>  [+new][a -> b]     -------------------->  /wal/a
//! ```
//!
//! - A pending write is one unit per 4 KiB page; units survive independently, in any order.
//! - Names and content are independent: a synced file without a synced directory may have no name.
//! - A failed sync leaves its units neither pending nor durable, as Linux does.
//! - Everything is deterministic: the same calls and seeds give the same bytes and errors.
//!
//! Rooms of it: `pages` (bytes), `content` and `names` (current, durable, pending), `machine` (both
//! together, replayable), `crash` (outcomes of a cut), `fault` (what fails when), `trace`.
//! A whole run is checked as `trace` shows; to die in the middle of one, use
//! [`SimDisk::stop_after_ops`] and then [`SimDisk::crash_image`].

mod chance;
mod content;
mod crash;
mod fault;
mod file;
mod machine;
mod names;
mod op;
mod pages;
#[cfg(test)]
mod tests;
mod trace;
mod world;

pub use chance::{SimClock, SimRng};
pub use crash::{CrashSpec, Keep, Pending};
pub use fault::{Counters, Failure, Fault};
pub use op::{FileId, Op, OpKind, SyncEnd};
pub use trace::{Replay, Trace};

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;

use super::{Disk, DiskFile, DiskLock, OpenMode};
use file::{SimFile, SimLock};
use machine::Machine;
use names::Node;
use world::World;

/// Room on a disk that was given no capacity: 1 TiB.
const CAPACITY_BYTES_DEFAULT: u64 = 1 << 40;

/// A disk in memory that loses, tears and fails as the test plans. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    shared: Arc<Shared>,
}

/// Called with the path when a call begins, without a lock.
type Hook = Arc<dyn Fn(&Path) + Send + Sync>;

/// What clones, open files and locks of one disk have in common.
struct Shared {
    world: Mutex<World>,
    capacity_bytes: AtomicU64,
    sync_hook: Mutex<Option<Hook>>,
    read_hook: Mutex<Option<Hook>>,
}

/// Harm to the medium itself, see [`SimDisk::damage`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// One bit turns over.
    FlipBit {
        /// Byte of the file.
        offset: u64,
        /// Bit of the byte, 0 to 7.
        bit: u8,
    },
    /// 4 KiB, or what the file has of them, become zeros.
    ZeroPage {
        /// First byte.
        offset: u64,
    },
    /// The 4 KiB at `from` appear at `to` as well: a write that went to the wrong place.
    Misdirect {
        /// Where the bytes belong.
        from: u64,
        /// Where they also went.
        to: u64,
    },
    /// These bytes stand at `offset`.
    Overwrite {
        /// First byte.
        offset: u64,
        /// The bytes; those beyond the end of the file are left out.
        bytes: Vec<u8>,
    },
}

impl SimDisk {
    /// An empty disk with an empty directory `/`.
    pub fn new() -> Self {
        Self::from_machine(Machine::new())
    }

    fn from_machine(machine: Machine) -> Self {
        let world = Mutex::new(World::new(machine));
        let capacity_bytes = AtomicU64::new(CAPACITY_BYTES_DEFAULT);
        let (sync_hook, read_hook) = (Mutex::new(None), Mutex::new(None));
        Self { shared: Arc::new(Shared { world, capacity_bytes, sync_hook, read_hook }) }
    }

    /// Number of changes so far, which is the number of the next one. Reads and failed calls that
    /// changed nothing have none.
    pub fn op_count(&self) -> u64 {
        self.shared.world.lock().machine.op_count()
    }

    /// Lets `ops` more changes happen and then stops the machine: every later call fails. Calls that
    /// are in the middle of a slow sync fail, too.
    pub fn stop_after_ops(&self, ops: u64) {
        let mut world = self.shared.world.lock();
        world.stop_at = Some(world.machine.op_count().saturating_add(ops));
    }

    /// The disk as a power cut at this moment leaves it: whole, healthy, unlocked, nothing pending.
    /// This disk is not changed.
    pub fn crash_image(&self, spec: &CrashSpec) -> SimDisk {
        Self::from_machine(self.shared.world.lock().machine.after_crash(spec))
    }

    /// How much a power cut now could take away.
    pub fn pending(&self) -> Pending {
        self.shared.world.lock().machine.pending()
    }

    /// Begins to write down every change, forgetting an earlier trace.
    pub fn start_trace(&self) {
        let mut world = self.shared.world.lock();
        world.trace = Some(Trace::new(world.machine.clone()));
    }

    /// A copy of the trace so far; `None` when none was started.
    pub fn trace(&self) -> Option<Trace> {
        self.shared.world.lock().trace.clone()
    }

    /// Adds a line to the plan of what goes wrong.
    pub fn inject(&self, fault: Fault) {
        self.shared.world.lock().plan.add(fault);
    }

    /// Forgets all faults that have not struck.
    pub fn heal(&self) {
        self.shared.world.lock().plan.clear();
    }

    /// Sets the size of the disk. What is on it stays, also when that is more: then nothing new fits.
    /// `0` fills it up; overwriting, cutting and removing go on.
    pub fn set_capacity_bytes(&self, bytes: u64) {
        // SeqCst, like every access in the simulation: plain to reason about, speed does not matter.
        self.shared.capacity_bytes.store(bytes, Ordering::SeqCst);
    }

    /// Room taken by files that have a name, in whole pages; holes take none.
    pub fn used_bytes(&self) -> u64 {
        self.shared.world.lock().machine.used_bytes()
    }

    /// Calls `hook` with the path when a sync of a file or directory begins, before it covers
    /// anything: to move a clock, to really sleep, or to write in the middle of a sync.
    pub fn on_sync(&self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        *self.shared.sync_hook.lock() = Some(Arc::new(hook));
    }

    /// Calls `hook` with the path when bytes of a file are about to be read: to write in the middle of
    /// somebody else's read.
    pub fn on_read(&self, hook: impl Fn(&Path) + Send + Sync + 'static) {
        *self.shared.read_hook.lock() = Some(Arc::new(hook));
    }

    /// Counters since the disk was made.
    pub fn counters(&self) -> Counters {
        self.shared.world.lock().counters
    }

    /// The current content of a file; `None` when there is none of that name. Not a counted call,
    /// and possible when the machine has stopped.
    pub fn read_file(&self, path: &Path) -> Option<Vec<u8>> {
        let world = self.shared.world.lock();
        world.machine.file_at(path).map(|(_, content)| content.current.to_vec())
    }

    /// Paths of all files, sorted.
    pub fn files(&self) -> Vec<PathBuf> {
        let world = self.shared.world.lock();
        let files = world.machine.names.nodes().filter(|(_, node)| *node != Node::Dir);
        files.map(|(path, _)| path.to_path_buf()).collect()
    }

    /// Puts a durable file on the disk, with its directories: golden files, or a start for a test.
    pub fn place_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let dir = path.parent().unwrap_or(path);
        self.create_dir(dir)?;
        let file = self.open(path, OpenMode::Create)?;
        file.set_len(0)?;
        file.write_at(0, bytes)?;
        file.sync_data()?;
        self.sync_dir(dir)
    }

    /// Harms the file called `path`, in what is read and in what is durable. `InvalidInput` when the
    /// harm lies beyond the end of the file.
    pub fn damage(&self, path: &Path, damage: Damage) -> io::Result<()> {
        let mut world = self.shared.world.lock();
        let file = world.file_named(path)?;
        let content = world.machine.file(file).ok_or_else(world::forgotten)?;
        let (offset, mut bytes) = damage.in_file(content.current.to_vec())?;
        bytes.truncate(content.current.len().saturating_sub(offset) as usize);
        world.counters.damaged += 1;
        world.apply(Op::Damage { file, offset, bytes: Arc::from(bytes) });
        Ok(())
    }
}

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl Damage {
    /// Where it changes a file with this content, and into what.
    fn in_file(self, content: Vec<u8>) -> io::Result<(u64, Vec<u8>)> {
        let outside =
            || io::Error::new(io::ErrorKind::InvalidInput, "the damage is beyond the end of the file");
        let page_at = |offset: u64| {
            let start = usize::try_from(offset).map_err(|_| outside())?;
            let rest = content.get(start..).filter(|rest| !rest.is_empty()).ok_or_else(outside)?;
            Ok::<_, io::Error>(rest[..rest.len().min(pages::PAGE_BYTES)].to_vec())
        };
        match self {
            Damage::FlipBit { offset, bit } => Ok((offset, vec![page_at(offset)?[0] ^ (1 << (bit & 7))])),
            Damage::ZeroPage { offset } => Ok((offset, vec![0; page_at(offset)?.len()])),
            Damage::Misdirect { from, to } => page_at(to).and(page_at(from)).map(|bytes| (to, bytes)),
            Damage::Overwrite { offset, bytes } => page_at(offset).map(|_| (offset, bytes)),
        }
    }
}

impl Shared {
    fn room_bytes(&self, world: &World) -> u64 {
        self.capacity_bytes.load(Ordering::SeqCst).saturating_sub(world.machine.used_bytes())
    }

    /// A sync covers what was done before it began, however long it takes.
    fn sync(&self, kind: OpKind, path: &Path, op: impl FnOnce(u64, SyncEnd) -> Op) -> io::Result<()> {
        let (struck, before) = {
            let mut world = self.world.lock();
            (world.admit(kind, path)?, world.machine.op_count())
        };
        let hook = self.sync_hook.lock().clone();
        if let Some(hook) = hook {
            hook(path);
            self.world.lock().counters.slow_syncs += 1;
        }
        let mut world = self.world.lock();
        world.check_running()?;
        world.end_sync(struck, |end| op(before, end))
    }
}

impl Debug for Shared {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let world = self.world.lock();
        out.debug_struct("SimDisk").field("op_count", &world.machine.op_count()).finish_non_exhaustive()
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut world = self.shared.world.lock();
        let file = if mode == OpenMode::Create && world.machine.names.find(path).is_none() {
            world.create(path)?
        } else {
            world.pass(OpKind::Open, path)?;
            world.file_named(path)?
        };
        world.add_handle(file);
        Ok(Arc::new(SimFile::new(&self.shared, file, path, mode != OpenMode::Read)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut world = self.shared.world.lock();
        world.pass(OpKind::Rename, from)?;
        let file = world.file_named(from)?;
        world.check_dir(to.parent().unwrap_or(to))?;
        if world.machine.names.find(to) == Some(Node::Dir) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if from != to {
            world.apply(Op::Rename { file, from: Arc::from(from), to: Arc::from(to) });
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut world = self.shared.world.lock();
        world.pass(OpKind::Remove, path)?;
        let file = world.file_named(path)?;
        world.apply(Op::Remove { file, path: Arc::from(path) });
        Ok(())
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut world = self.shared.world.lock();
        world.pass(OpKind::CreateDir, path)?;
        let mut above = path.ancestors().map(|dir| world.machine.names.find(dir));
        if above.any(|found| matches!(found, Some(Node::File(_)))) {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        if world.machine.names.find(path).is_none() {
            world.apply(Op::CreateDir(Arc::from(path)));
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut world = self.shared.world.lock();
        world.pass(OpKind::List, dir)?;
        world.check_dir(dir)?;
        let inside = world.machine.names.nodes().filter(|(path, _)| path.parent() == Some(dir));
        let names = inside.filter_map(|(path, _)| path.file_name());
        let mut names: Vec<String> = names.map(|name| name.to_string_lossy().into_owned()).collect();
        names.sort_unstable();
        Ok(names)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.shared.world.lock().check_dir(dir)?;
        let shown: Arc<Path> = Arc::from(dir);
        self.shared.sync(OpKind::SyncDir, dir, |before, end| Op::SyncDir { dir: shown, before, end })?;
        self.shared.world.lock().forget_unnamed();
        Ok(())
    }

    fn free_space(&self, _path: &Path) -> io::Result<u64> {
        let mut world = self.shared.world.lock();
        world.check_running()?;
        Ok(self.shared.room_bytes(&world))
    }

    fn total_space(&self, _path: &Path) -> io::Result<u64> {
        self.shared.world.lock().check_running()?;
        Ok(self.shared.capacity_bytes.load(Ordering::SeqCst))
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.shared.world.lock().take_lock(path)?;
        Ok(Box::new(SimLock::new(&self.shared, path)))
    }
}
