//! An open file and a held lock of a simulated disk.

use std::fmt::{self, Debug, Formatter};
use std::io;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use crate::disk::{DiskFile, DiskLock, MappedBytes};

use super::Shared;
use super::fault::Failure;
use super::op::{FileId, Op, OpKind};
use super::pages::Pages;
use super::world::{World, forgotten};

/// An open file. It stays readable and writable when its name is removed.
pub(super) struct SimFile {
    shared: Arc<Shared>,
    file: FileId,
    path: Arc<Path>,
    writable: bool,
}

impl SimFile {
    pub(super) fn new(shared: &Arc<Shared>, file: FileId, path: &Path, writable: bool) -> Self {
        Self { shared: shared.clone(), file, path: Arc::from(path), writable }
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.writable {
            return Ok(());
        }
        Err(io::Error::new(io::ErrorKind::PermissionDenied, "the file is open for reading"))
    }

    fn content<'world>(&self, world: &'world World) -> io::Result<&'world Pages> {
        world.machine.file(self.file).map(|content| &content.current).ok_or_else(forgotten)
    }
}

impl Debug for SimFile {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.debug_struct("SimFile").field("path", &self.path).field("file", &self.file).finish()
    }
}

impl Drop for SimFile {
    fn drop(&mut self) {
        self.shared.world.lock().drop_handle(self.file);
    }
}

impl DiskFile for SimFile {
    fn len(&self) -> io::Result<u64> {
        let mut world = self.shared.world.lock();
        world.pass(OpKind::Read, &self.path)?;
        self.content(&world).map(Pages::len)
    }

    fn read_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let hook = self.shared.read_hook.lock().clone();
        if let Some(hook) = hook {
            hook(&self.path);
        }
        let mut world = self.shared.world.lock();
        world.pass(OpKind::Read, &self.path)?;
        let content = self.content(&world)?;
        if content.read(offset, out) {
            return Ok(());
        }
        let what = format!("read {} bytes at {offset} of {}", out.len(), content.len());
        Err(io::Error::new(io::ErrorKind::UnexpectedEof, what))
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        let mut world = self.shared.world.lock();
        let struck = world.admit(OpKind::Write, &self.path)?;
        let room_bytes = self.shared.room_bytes(&world);
        match struck {
            None => world.write(self.file, offset, bytes, room_bytes),
            Some(failure) => {
                if let Failure::ShortWrite { kept_bytes } = failure {
                    let kept = (bytes.len() as u64).min(kept_bytes) as usize;
                    world.write(self.file, offset, &bytes[..kept], room_bytes)?;
                }
                Err(failure.error())
            }
        }
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.check_writable()?;
        let mut world = self.shared.world.lock();
        world.pass(OpKind::SetLen, &self.path)?;
        world.set_len(self.file, len)
    }

    fn sync_data(&self) -> io::Result<()> {
        let file = self.file;
        self.shared.sync(OpKind::Sync, &self.path, |before, end| Op::Sync { file, before, end })
    }

    fn map_first(&self, bytes: u64) -> io::Result<Box<dyn MappedBytes>> {
        let mut mapped = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
        self.read_at(0, &mut mapped)?;
        Ok(Box::new(SimMapping { bytes: mapped }))
    }

    fn map(&self) -> io::Result<Box<dyn MappedBytes>> {
        let mut world = self.shared.world.lock();
        world.pass(OpKind::Read, &self.path)?;
        Ok(Box::new(SimMapping { bytes: self.content(&world)?.to_vec() }))
    }
}

/// A copy: whoever maps bytes has promised that they no longer change.
#[derive(Debug)]
struct SimMapping {
    bytes: Vec<u8>,
}

impl Deref for SimMapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}

impl MappedBytes for SimMapping {}

/// A held lock.
#[derive(Debug)]
pub(super) struct SimLock {
    shared: Arc<Shared>,
    path: Arc<Path>,
}

impl SimLock {
    pub(super) fn new(shared: &Arc<Shared>, path: &Path) -> Self {
        Self { shared: shared.clone(), path: Arc::from(path) }
    }
}

impl Drop for SimLock {
    fn drop(&mut self) {
        self.shared.world.lock().give_back_lock(&self.path);
    }
}

impl DiskLock for SimLock {}
