//! Everything behind the lock of a simulated disk: the machine, its faults, counters and trace.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::fault::{Counters, Failure, Plan};
use super::machine::Machine;
use super::names::Node;
use super::op::{FileId, Op, OpKind, SyncEnd};
use super::trace::Trace;

/// Longest simulated file. Content lives in memory, so a wild offset must not take it all.
const FILE_BYTES_MAX: u64 = 1 << 32;

#[derive(Debug)]
pub(super) struct World {
    pub(super) machine: Machine,
    pub(super) plan: Plan,
    pub(super) counters: Counters,
    pub(super) trace: Option<Trace>,
    /// No operation gets this number or a higher one: the machine has stopped before it.
    pub(super) stop_at: Option<u64>,
    locked: BTreeSet<PathBuf>,
    handles: BTreeMap<FileId, usize>,
}

impl World {
    pub(super) fn new(machine: Machine) -> Self {
        Self {
            machine,
            plan: Plan::default(),
            counters: Counters::default(),
            trace: None,
            stop_at: None,
            locked: BTreeSet::new(),
            handles: BTreeMap::new(),
        }
    }

    /// Begins a call: refuses it when the machine has stopped, counts it, and asks the plan. What
    /// comes back is a failure that the call itself must act out.
    pub(super) fn admit(&mut self, kind: OpKind, path: &Path) -> io::Result<Option<Failure>> {
        self.check_running()?;
        self.counters.count_call(kind);
        let struck = self.plan.strike(kind, path);
        if let Some(failure) = struck {
            self.counters.count_failure(failure, kind);
        }
        Ok(struck)
    }

    /// Begins a call that fails as a whole or not at all.
    pub(super) fn pass(&mut self, kind: OpKind, path: &Path) -> io::Result<()> {
        match self.admit(kind, path)? {
            Some(failure) => Err(failure.error()),
            None => Ok(()),
        }
    }

    pub(super) fn check_running(&mut self) -> io::Result<()> {
        if self.stop_at.is_some_and(|stop_at| self.machine.op_count() >= stop_at) {
            self.counters.refused += 1;
            return Err(io::Error::other("the simulated machine has stopped"));
        }
        Ok(())
    }

    /// Does one operation, and writes it down when a trace runs.
    pub(super) fn apply(&mut self, op: Op) {
        self.machine.apply(&op);
        if let Some(trace) = &mut self.trace {
            trace.push(op);
        }
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<FileId> {
        self.pass(OpKind::Create, path)?;
        self.check_dir(path.parent().unwrap_or(path))?;
        let file = self.machine.next_file();
        self.apply(Op::Create { path: Arc::from(path), file });
        Ok(file)
    }

    pub(super) fn check_dir(&self, dir: &Path) -> io::Result<()> {
        match self.machine.names.find(dir) {
            Some(Node::Dir) => Ok(()),
            Some(Node::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(not_found(dir)),
        }
    }

    pub(super) fn file_named(&self, path: &Path) -> io::Result<FileId> {
        match self.machine.names.find(path) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found(path)),
        }
    }

    /// Writes what fits on the disk, and says whether that was all.
    pub(super) fn write(
        &mut self,
        file: FileId,
        offset: u64,
        bytes: &[u8],
        room_bytes: u64,
    ) -> io::Result<()> {
        check_end(offset.checked_add(bytes.len() as u64))?;
        let content = self.machine.file(file).ok_or_else(forgotten)?;
        let fitting = content.current.fitting_bytes(offset, bytes.len(), room_bytes);
        if fitting > 0 {
            self.apply(Op::Write { file, offset, bytes: Arc::from(&bytes[..fitting]) });
        }
        if fitting < bytes.len() {
            self.counters.count_failure(Failure::NoSpace, OpKind::Write);
            return Err(Failure::NoSpace.error());
        }
        Ok(())
    }

    pub(super) fn set_len(&mut self, file: FileId, len: u64) -> io::Result<()> {
        check_end(Some(len))?;
        self.apply(Op::SetLen { file, len });
        Ok(())
    }

    /// Ends a sync of a file or directory as `struck` wants it.
    pub(super) fn end_sync(
        &mut self,
        struck: Option<Failure>,
        op: impl FnOnce(SyncEnd) -> Op,
    ) -> io::Result<()> {
        let end = match struck {
            None => SyncEnd::Done,
            Some(Failure::LyingSync) => return Ok(()),
            Some(Failure::LossySync { seed }) => SyncEnd::Failed(Some(seed)),
            Some(_) => SyncEnd::Failed(None),
        };
        self.apply(op(end));
        struck.map_or(Ok(()), |failure| Err(failure.error()))
    }

    pub(super) fn take_lock(&mut self, path: &Path) -> io::Result<()> {
        self.check_running()?;
        if self.locked.contains(path) {
            return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds it"));
        }
        if self.machine.names.find(path).is_none() {
            self.create(path)?;
        }
        self.locked.insert(path.to_path_buf());
        Ok(())
    }

    pub(super) fn give_back_lock(&mut self, path: &Path) {
        self.locked.remove(path);
    }

    pub(super) fn add_handle(&mut self, file: FileId) {
        *self.handles.entry(file).or_default() += 1;
    }

    pub(super) fn drop_handle(&mut self, file: FileId) {
        if let Some(count) = self.handles.get_mut(&file) {
            *count -= 1;
            if *count == 0 {
                self.handles.remove(&file);
                self.forget_unnamed();
            }
        }
    }

    pub(super) fn forget_unnamed(&mut self) {
        self.machine.forget_unnamed(|file| self.handles.contains_key(&file));
    }
}

fn not_found(path: &Path) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no {}", path.display()))
}

/// A handle keeps its file, so this is a bug of the simulation and not of what it tests.
pub(super) fn forgotten() -> io::Error {
    io::Error::other("an open simulated file was forgotten")
}

fn check_end(end: Option<u64>) -> io::Result<()> {
    if end.is_some_and(|end| end <= FILE_BYTES_MAX) {
        return Ok(());
    }
    let what = format!("a simulated file holds at most {FILE_BYTES_MAX} bytes");
    Err(io::Error::new(io::ErrorKind::FileTooLarge, what))
}
