//! What goes wrong and when: a plan the test writes down, and counters of what really happened.

use std::io;
use std::path::Path;

use rustix::io::Errno;

use super::op::OpKind;

/// A way in which a call fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// EIO, nothing done. A sync that fails so loses what it should have made durable, as Linux
    /// does: the pages count as clean, are still read, and no later sync writes them.
    Io,
    /// ENOSPC, nothing done; a sync loses its pages as with `Io`.
    NoSpace,
    /// A write stops after so many bytes and then fails with EIO. Strikes writes only.
    ShortWrite {
        /// Bytes that were written.
        kept_bytes: u64,
    },
    /// A sync fails with EIO, but by the toss of a coin some of its pages are durable. Strikes syncs only.
    LossySync {
        /// Decides which.
        seed: u64,
    },
    /// A sync returns success and does nothing: a disk that lies, or an engine that forgot the call.
    /// With it a test shows that it would notice. Strikes syncs only.
    LyingSync,
}

impl Failure {
    fn can_strike(self, kind: OpKind) -> bool {
        match self {
            Failure::Io | Failure::NoSpace => true,
            Failure::ShortWrite { .. } => kind == OpKind::Write,
            Failure::LossySync { .. } | Failure::LyingSync => matches!(kind, OpKind::Sync | OpKind::SyncDir),
        }
    }

    /// The error the caller sees, as the system would give it.
    pub(super) fn error(self) -> io::Error {
        match self {
            Failure::NoSpace => Errno::NOSPC.into(),
            _ => Errno::IO.into(),
        }
    }
}

/// One line of the plan: which failure, at which calls.
#[derive(Debug, Clone)]
pub struct Fault {
    failure: Failure,
    kind: Option<OpKind>,
    path_part: Option<String>,
    skip: u64,
    times: u64,
}

impl Fault {
    /// Strikes the next call it can strike, once.
    pub fn new(failure: Failure) -> Self {
        Self { failure, kind: None, path_part: None, skip: 0, times: 1 }
    }

    /// Only calls of this kind.
    pub fn on(self, kind: OpKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// Only files and directories whose path contains `part`.
    pub fn in_path(self, part: &str) -> Self {
        Self { path_part: Some(part.to_owned()), ..self }
    }

    /// Lets so many matching calls pass first.
    pub fn skip(self, calls: u64) -> Self {
        Self { skip: calls, ..self }
    }

    /// Strikes so many matching calls in a row; `u64::MAX` until [`SimDisk::heal`](super::SimDisk::heal).
    pub fn times(self, calls: u64) -> Self {
        Self { times: calls, ..self }
    }

    fn matches(&self, kind: OpKind, path: &Path) -> bool {
        let part_matches = |part: &String| path.to_string_lossy().contains(part.as_str());
        self.failure.can_strike(kind)
            && self.kind.is_none_or(|wanted| wanted == kind)
            && self.path_part.as_ref().is_none_or(part_matches)
    }
}

/// The faults still to come, in the order they were injected.
#[derive(Debug, Default)]
pub(super) struct Plan {
    faults: Vec<Fault>,
}

impl Plan {
    pub(super) fn add(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn clear(&mut self) {
        self.faults.clear();
    }

    /// Tells every line of a call; the first line that is due strikes it.
    pub(super) fn strike(&mut self, kind: OpKind, path: &Path) -> Option<Failure> {
        let mut struck = None;
        for fault in &mut self.faults {
            if !fault.matches(kind, path) {
                continue;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
            } else if struck.is_none() && fault.times > 0 {
                fault.times = if fault.times == u64::MAX { u64::MAX } else { fault.times - 1 };
                struck = Some(fault.failure);
            }
        }
        self.faults.retain(|fault| fault.times > 0);
        struck
    }
}

/// What happened on a disk since it was made. A test whose faults stay at zero has tested nothing.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    calls: [u64; OpKind::COUNT],
    /// Calls that failed by the plan with EIO, syncs excluded.
    pub io_errors: u64,
    /// Calls that failed for want of room, by the plan or by the capacity.
    pub no_space: u64,
    /// Writes that stopped half way by the plan.
    pub short_writes: u64,
    /// Syncs that failed by the plan.
    pub failed_syncs: u64,
    /// Syncs that returned success and did nothing.
    pub lying_syncs: u64,
    /// Syncs that ran the hook of [`SimDisk::on_sync`](super::SimDisk::on_sync).
    pub slow_syncs: u64,
    /// Pieces of files damaged by [`SimDisk::damage`](super::SimDisk::damage).
    pub damaged: u64,
    /// Calls refused because the machine had stopped.
    pub refused: u64,
}

impl Counters {
    /// Calls of one kind, failed ones included, refused ones not.
    pub fn calls(&self, kind: OpKind) -> u64 {
        self.calls[kind as usize]
    }

    /// All calls, failed ones included, refused ones not.
    pub fn all_calls(&self) -> u64 {
        self.calls.iter().sum()
    }

    /// All faults: everything counted here that a healthy disk does not do.
    pub fn faults(&self) -> u64 {
        let planned =
            self.io_errors + self.no_space + self.short_writes + self.failed_syncs + self.lying_syncs;
        planned + self.slow_syncs + self.damaged + self.refused
    }

    pub(super) fn count_call(&mut self, kind: OpKind) {
        self.calls[kind as usize] += 1;
    }

    pub(super) fn count_failure(&mut self, failure: Failure, kind: OpKind) {
        let is_sync = matches!(kind, OpKind::Sync | OpKind::SyncDir);
        let counter = match failure {
            Failure::LyingSync => &mut self.lying_syncs,
            _ if is_sync => &mut self.failed_syncs,
            Failure::NoSpace => &mut self.no_space,
            Failure::ShortWrite { .. } => &mut self.short_writes,
            _ => &mut self.io_errors,
        };
        *counter += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strikes(plan: &mut Plan, calls: &[(OpKind, &str)]) -> Vec<usize> {
        let struck = |(kind, path): &(OpKind, &str)| plan.strike(*kind, Path::new(path)).is_some();
        let struck: Vec<bool> = calls.iter().map(struck).collect();
        (0..calls.len()).filter(|index| struck[*index]).collect()
    }

    #[test]
    fn a_fault_strikes_where_and_when_it_was_planned() {
        let calls = [OpKind::Write, OpKind::Sync, OpKind::Write, OpKind::Read, OpKind::Write]
            .map(|kind| (kind, "/a"));
        let cases = [
            (Fault::new(Failure::Io), vec![0]),
            (Fault::new(Failure::Io).skip(3), vec![3]),
            (Fault::new(Failure::Io).on(OpKind::Write).skip(1).times(2), vec![2, 4]),
            (Fault::new(Failure::Io).in_path("b").times(u64::MAX), vec![]),
            (Fault::new(Failure::Io).in_path("a").times(u64::MAX), vec![0, 1, 2, 3, 4]),
            (Fault::new(Failure::LyingSync), vec![1]),
            (Fault::new(Failure::ShortWrite { kept_bytes: 1 }).skip(2), vec![4]),
        ];
        for (fault, expected) in cases {
            let mut plan = Plan::default();
            plan.add(fault.clone());
            assert_eq!(strikes(&mut plan, &calls), expected, "{fault:?}");
        }
    }

    #[test]
    fn lines_of_a_plan_count_for_themselves() {
        let mut plan = Plan::default();
        plan.add(Fault::new(Failure::Io).skip(1));
        plan.add(Fault::new(Failure::NoSpace).skip(2));
        let write = |plan: &mut Plan| plan.strike(OpKind::Write, Path::new("/a"));
        let struck: Vec<Option<Failure>> = (0..4).map(|_| write(&mut plan)).collect();
        assert_eq!(struck, [None, Some(Failure::Io), Some(Failure::NoSpace), None]);
    }
}
