//! What was done to a simulated disk, and the disk rebuilt as it was after each step of it.
//!
//! A test runs its work once with the trace on, notes [`SimDisk::op_count`] at every promise it was
//! given, and then walks the trace: after each operation it takes the images a power cut could have
//! left there and checks in each that the promises made so far hold.
//!
//! ```
//! use mpreg_storage::disk::{Disk, DiskFile, OpenMode, SimDisk};
//!
//! # fn main() -> std::io::Result<()> {
//! let disk = SimDisk::new();
//! disk.start_trace();
//! let file = disk.open("/log".as_ref(), OpenMode::Create)?;
//! disk.sync_dir("/".as_ref())?;
//! file.write_at(0, b"promised")?;
//! file.sync_data()?;
//! let promised_at = disk.op_count();
//!
//! let trace = disk.trace().expect("the trace was started");
//! let mut replay = trace.replay();
//! while replay.step().is_some() {
//!     for spec in replay.specs(1, 8) {
//!         let found = replay.image(&spec).read_file("/log".as_ref());
//!         assert!(replay.op_count() < promised_at || found.as_deref() == Some(b"promised"));
//!     }
//! }
//! # Ok(())
//! # }
//! ```

use super::SimDisk;
use super::crash::{CrashSpec, Pending};
use super::machine::Machine;
use super::op::Op;

/// The operations done to a disk since [`SimDisk::start_trace`], and the state before them.
#[derive(Debug, Clone)]
pub struct Trace {
    base: Machine,
    ops: Vec<Op>,
}

impl Trace {
    pub(super) fn new(base: Machine) -> Self {
        Self { base, ops: Vec::new() }
    }

    pub(super) fn push(&mut self, op: Op) {
        self.ops.push(op);
    }

    /// The operations, oldest first. The first has the number [`SimDisk::op_count`] gave when the
    /// trace was started.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// A disk that stands before the first operation.
    pub fn replay(&self) -> Replay<'_> {
        Replay { machine: self.base.clone(), rest: self.ops.iter() }
    }
}

/// A disk that goes through a trace step by step. A step costs what the operation did, an image a
/// few reference counts a file plus the pages it changes.
#[derive(Debug, Clone)]
pub struct Replay<'trace> {
    machine: Machine,
    rest: std::slice::Iter<'trace, Op>,
}

impl<'trace> Replay<'trace> {
    /// Does the next operation and tells which it was; `None` at the end of the trace.
    pub fn step(&mut self) -> Option<&'trace Op> {
        let op = self.rest.next()?;
        self.machine.apply(op);
        Some(op)
    }

    /// What [`SimDisk::op_count`] of the traced disk was here: a promise noted at this count or a
    /// lower one had been given.
    pub fn op_count(&self) -> u64 {
        self.machine.op_count()
    }

    /// How much a power cut here could take away.
    pub fn pending(&self) -> Pending {
        self.machine.pending()
    }

    /// The outcomes worth trying here, see [`CrashSpec::spread`]. Each step draws others.
    pub fn specs(&self, seed: u64, each_max: usize) -> Vec<CrashSpec> {
        CrashSpec::spread(self.pending(), seed ^ self.op_count().rotate_left(32), each_max)
    }

    /// The disk as a power cut here leaves it.
    pub fn image(&self, spec: &CrashSpec) -> SimDisk {
        SimDisk::from_machine(self.machine.after_crash(spec))
    }
}
