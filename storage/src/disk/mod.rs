//! The seams between the engine and the machine: [`Disk`], [`Clock`] and [`Rng`].
//!
//! Everything the engine knows of files, time and chance goes through these traits, so that a test
//! can lose unsynced writes, tear them, fail a sync, fill the disk or step the clock, and replay
//! the run from a seed. The real implementations are [`OsDisk`], [`OsClock`] and [`OsRng`].

mod mapping;
mod os;
mod os_time;
#[cfg(any(test, feature = "sim"))]
mod sim;
mod slow;

pub use os::OsDisk;
pub use os_time::{OsClock, OsRng};
#[cfg(any(test, feature = "sim"))]
pub use sim::{
    Counters, CrashSpec, Damage, Failure, Fault, FileId, Keep, Op, OpKind, Pending, Replay, SimClock,
    SimDisk, SimRng, SyncEnd, Trace,
};
pub use slow::SlowSyncDisk;

use std::fmt::Debug;
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OpenMode {
    /// Must exist; reads only.
    Read,
    /// Must exist; reads and writes.
    ReadWrite,
    /// Reads and writes; created empty when absent, never truncated.
    Create,
}

/// A place that holds files. Paths are absolute or relative to the process, as the caller gave them.
///
/// *Durable* means: survives a power cut. A write is durable after [`DiskFile::sync_data`] of its
/// file returned; the existence of a file under a name is durable after [`Disk::sync_dir`] of its
/// directory returned. Nothing else promises anything.
pub trait Disk: Send + Sync + Debug + 'static {
    /// Opens a file.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;
    /// Renames a file, replacing the target. Durable after `sync_dir` of the target's directory.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Creates a directory and its parents; no error when it exists. What it created is durable
    /// when it returns: directories are made once in the life of a store, so nobody needs to sync.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// `ErrorKind::PermissionDenied` for a directory that others than its owner may write to: they could change
    /// what is stored behind the store's back. On a disk that only this process sees there are no others.
    fn check_private(&self, _dir: &Path) -> io::Result<()> {
        Ok(())
    }
    /// File and directory names directly in `dir`, sorted.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Makes the names in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Bytes an unprivileged writer may still use on the file system that holds `path`.
    fn free_space(&self, path: &Path) -> io::Result<u64>;
    /// Bytes of the file system that holds `path`.
    fn total_space(&self, path: &Path) -> io::Result<u64>;
    /// Takes the exclusive lock file `path` (created when absent) until the guard is dropped or the
    /// process dies. `ErrorKind::WouldBlock` when another process holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>>;
}

/// An open file. All offsets and lengths are bytes. Calls may come from several threads.
pub trait DiskFile: Send + Sync + Debug {
    /// Length of the file.
    fn len(&self) -> io::Result<u64>;
    /// True when the file holds no byte.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }
    /// Fills `out` from `offset`; `UnexpectedEof` when the file ends before.
    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file when needed.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Cuts the file or extends it with zeros.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// fdatasync. A failure is final: the caller must never sync this file again and believe it.
    fn sync_data(&self) -> io::Result<()>;
    /// The first `bytes` of the file, which stay valid while the guard lives. Only for bytes that no longer
    /// change and are not cut off (sealed segments, the frames of one that still grows): the real disk maps
    /// them. `UnexpectedEof` when the file ends before.
    fn map_first(&self, bytes: u64) -> io::Result<Box<dyn MappedBytes>>;
    /// [`map_first`](DiskFile::map_first) of the whole file.
    fn map(&self) -> io::Result<Box<dyn MappedBytes>> {
        self.map_first(self.len()?)
    }
    /// The operating system's handle of this file, for byte range locks between the processes that
    /// share it; `None` on a disk that only this process sees.
    fn lock_handle(&self) -> io::Result<Option<std::fs::File>> {
        Ok(None)
    }
}

/// Bytes of a file that no longer change.
pub trait MappedBytes: Deref<Target = [u8]> + Send + Sync + Debug {}

/// Guard of an exclusive lock file.
pub trait DiskLock: Send + Sync + Debug {}

/// Time. Monotonic time runs the timers; wall time is only data.
pub trait Clock: Send + Sync + Debug + 'static {
    /// Microseconds since 1970-01-01 UTC; may jump either way.
    fn wall_us(&self) -> u64;
    /// [`Clock::wall_us`] to within a few milliseconds, never ahead of it: what the system noted at its last tick, and
    /// several times cheaper to ask for.
    fn coarse_wall_us(&self) -> u64 {
        self.wall_us()
    }
    /// Microseconds since an arbitrary start; never goes back.
    fn monotonic_us(&self) -> u64;
}

/// Chance: salts and ids. Not for secrets.
pub trait Rng: Send + Sync + Debug + 'static {
    /// The next 64 random bits.
    fn next_u64(&self) -> u64;
}
