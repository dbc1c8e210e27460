//! A disk whose syncs take longer: puts the latency of an ordinary SSD or hard disk under a server
//! that runs on a fast one, so that "a slow sync never stalls readers" can be measured.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Disk, DiskFile, DiskLock, MappedBytes, OpenMode};

/// Any disk, but `sync_data` returns only after an extra delay. Everything else passes through.
#[derive(Debug)]
pub struct SlowSyncDisk {
    inner: Arc<dyn Disk>,
    delay: Duration,
}

impl SlowSyncDisk {
    /// Adds `delay` to every `sync_data` of files opened through this value. The calling thread
    /// sleeps, as it would in the system call.
    pub fn new(inner: Arc<dyn Disk>, delay: Duration) -> Self {
        Self { inner, delay }
    }
}

impl Disk for SlowSyncDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let inner = self.inner.open(path, mode)?;
        Ok(Arc::new(SlowSyncFile { inner, delay: self.delay }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.inner.remove(path)
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir(path)
    }

    fn check_private(&self, dir: &Path) -> io::Result<()> {
        self.inner.check_private(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.inner.list(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.inner.sync_dir(dir)
    }

    fn free_space(&self, path: &Path) -> io::Result<u64> {
        self.inner.free_space(path)
    }

    fn total_space(&self, path: &Path) -> io::Result<u64> {
        self.inner.total_space(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn DiskLock>> {
        self.inner.lock(path)
    }
}

#[derive(Debug)]
struct SlowSyncFile {
    inner: Arc<dyn DiskFile>,
    delay: Duration,
}

impl DiskFile for SlowSyncFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read_at(offset, out)
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.inner.write_at(offset, bytes)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()?;
        thread::sleep(self.delay);
        Ok(())
    }

    fn map_first(&self, bytes: u64) -> io::Result<Box<dyn MappedBytes>> {
        self.inner.map_first(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{Clock, OpKind, OsClock, SimDisk};

    #[test]
    fn only_the_sync_of_a_file_waits() {
        let delay = Duration::from_millis(20);
        let sim = SimDisk::new();
        let disk = SlowSyncDisk::new(Arc::new(sim.clone()), delay);
        let file = disk.open("/log".as_ref(), OpenMode::Create).unwrap();
        file.write_at(0, b"record").unwrap();
        let clock = OsClock::new();
        file.sync_data().unwrap();
        assert!(Duration::from_micros(clock.monotonic_us()) >= delay);
        assert_eq!(sim.counters().calls(OpKind::Sync), 1);
        assert_eq!(sim.pending().content_units, 0);
        assert_eq!(&file.map().unwrap()[..], b"record");
    }
}
