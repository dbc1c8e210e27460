//! `WriteCore`: the order of things as a single-threaded state machine.
//!
//! Events come in (`stage`, `end_write`, `end_sync`, `end_checkpoint`), actions go out
//! ([`Write`], [`Sync`], [`Checkpoint`]). It owns the positions and decides what may happen next; it
//! never touches a file, a clock or a thread, so a simulation drives it exactly as the store does.
//!
//! ```text
//! retired <= previous checkpoint <= checkpoint <= durable <= written < next
//! ```

use crate::log::{FrameBuffer, FrameHead};
use crate::record::Lsn;

/// Bounds the core holds. All sizes bytes, all times microseconds.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Acknowledged but unsynced log bytes above which writes wait. Default 64 MiB.
    pub unsynced_bytes_max: u64,
    /// Age of the oldest unsynced byte above which writes wait. Default 1 s.
    pub unsynced_age_us_max: u64,
    /// Dirty bytes (memory not yet checkpointed) above which writes wait.
    pub dirty_bytes_max: u64,
    /// Dirty bytes that start a checkpoint.
    pub checkpoint_bytes: u64,
    /// Age of the oldest dirty entry that starts a checkpoint.
    pub checkpoint_interval_us: u64,
    /// Staged bytes at which the stager hands over itself instead of waiting for its batch to end.
    pub batch_bytes_max: usize,
}

/// Where the log stands. Each is the last position it names, except `next`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Positions {
    /// First position not yet used.
    pub next: Lsn,
    /// Handed to the OS.
    pub written: Lsn,
    /// Synced. On one node this is also *committed*.
    pub durable: Lsn,
    /// In L2, with everything before it.
    pub checkpoint: Lsn,
    /// The checkpoint before that: the log is kept above it, so that one lost L2 commit can be replayed.
    pub checkpoint_before: Lsn,
}

/// Why a write cannot be staged now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The log failed; the store must be reopened.
    Poisoned,
    /// The staged batch is full: hand it over first.
    BatchFull,
    /// Too much is unsynced: wait until `durable` moves.
    Unsynced,
    /// Too much is dirty: wait for the checkpoint.
    Dirty,
}

/// Action: append this frame to the log with one write, then report with `end_write`.
#[derive(Debug)]
pub struct Write {
    /// Its head.
    pub head: FrameHead,
    /// Its records.
    pub frame: FrameBuffer,
}

impl Write {
    /// Position of its last record.
    #[must_use]
    pub fn last_lsn(&self) -> Lsn {
        self.head.first_lsn.plus(u64::from(self.head.count) - 1)
    }
}

/// Action: sync the log, then report with `end_sync`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sync {
    /// What was written when the sync was decided.
    pub written: Lsn,
}

/// Action: fold everything dirty through this position into L2, then report with `end_checkpoint`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Checkpoint {
    /// Inclusive.
    pub through: Lsn,
    /// Frame that holds `through`.
    pub index: u64,
    /// Its term.
    pub term: u64,
    /// State time then.
    pub time_us: u64,
    /// Hybrid logical clock then.
    pub hlc: u64,
}

/// What recovery found; the core continues from here.
#[derive(Debug, Clone, Copy)]
pub struct Start {
    /// Last position in the log, all of it durable.
    pub last: Lsn,
    /// Index of the last frame.
    pub index: u64,
    /// Term of the last frame.
    pub term: u64,
    /// Checkpoint of L2.
    pub checkpoint: Lsn,
    /// Largest time in log or checkpoint.
    pub time_us: u64,
    /// Largest hybrid logical clock in log or checkpoint.
    pub hlc: u64,
}

/// See the module.
#[derive(Debug)]
pub struct WriteCore {
    bounds: Bounds,
    positions: Positions,
    term: u64,
    index: u64,
    time_us: u64,
    hlc: u64,
    batch: FrameBuffer,
    batch_count: u32,
    spare: FrameBuffer,
    /// Body bytes of the frame being written.
    writing_bytes: usize,
    writing: bool,
    syncing: Option<Sync>,
    sync_began_us: u64,
    checkpointing: Option<Checkpoint>,
    unsynced_bytes: u64,
    unsynced_bytes_at_sync: u64,
    unsynced_since_us: Option<u64>,
    dirty_bytes: u64,
    frozen_bytes: u64,
    dirty_since_us: Option<u64>,
    /// A checkpoint is due whatever the size and age of what is dirty.
    overdue: bool,
    poisoned: bool,
}

impl WriteCore {
    /// A core that continues after `start`.
    #[must_use]
    pub fn new(bounds: Bounds, start: Start) -> WriteCore {
        let positions = Positions {
            next: start.last.plus(1),
            written: start.last,
            durable: start.last,
            checkpoint: start.checkpoint,
            checkpoint_before: start.checkpoint,
        };
        WriteCore {
            bounds,
            positions,
            term: start.term.max(1),
            index: start.index,
            time_us: start.time_us,
            hlc: start.hlc,
            batch: FrameBuffer::new(),
            batch_count: 0,
            spare: FrameBuffer::new(),
            writing_bytes: 0,
            writing: false,
            syncing: None,
            sync_began_us: 0,
            checkpointing: None,
            unsynced_bytes: 0,
            unsynced_bytes_at_sync: 0,
            unsynced_since_us: None,
            dirty_bytes: 0,
            frozen_bytes: 0,
            dirty_since_us: None,
            overdue: false,
            poisoned: false,
        }
    }

    /// Where the log stands.
    #[must_use]
    pub fn positions(&self) -> Positions {
        self.positions
    }

    /// Last position given out.
    #[must_use]
    pub fn staged(&self) -> Lsn {
        self.positions.next.prev()
    }

    /// True when staged records wait for a write.
    #[must_use]
    pub fn has_batch(&self) -> bool {
        self.batch_count > 0
    }

    /// Whether the log has failed.
    #[must_use]
    pub fn is_poisoned(&self) -> bool {
        self.poisoned
    }

    /// Bytes of records staged or being written, which the log must have room for.
    #[must_use]
    pub fn pending_bytes(&self) -> usize {
        self.batch.len() + self.writing_bytes
    }

    /// Bytes in memory that L2 does not hold yet.
    #[must_use]
    pub fn dirty_bytes(&self) -> u64 {
        self.dirty_bytes + self.frozen_bytes
    }

    /// Log bytes handed to the OS and not yet synced.
    #[must_use]
    pub fn unsynced_bytes(&self) -> u64 {
        self.unsynced_bytes
    }

    /// State time: the largest of wall time and everything logged, so that a clock stepping back
    /// never revives an expired entry.
    pub fn advance_time(&mut self, wall_us: u64) -> u64 {
        self.time_us = self.time_us.max(wall_us);
        self.time_us
    }

    /// Whether a write may be staged now.
    pub fn admit(&self, monotonic_us: u64) -> Result<(), Refusal> {
        if self.poisoned {
            return Err(Refusal::Poisoned);
        }
        if self.batch.len() >= self.bounds.batch_bytes_max || self.batch_count == u32::MAX {
            return Err(Refusal::BatchFull);
        }
        let age_us = self.unsynced_since_us.map_or(0, |since| monotonic_us.saturating_sub(since));
        // What is staged will be acknowledged before anyone asks again, so it counts, too.
        let at_risk_bytes = self.unsynced_bytes + self.pending_bytes() as u64;
        if at_risk_bytes >= self.bounds.unsynced_bytes_max || age_us >= self.bounds.unsynced_age_us_max {
            return Err(Refusal::Unsynced);
        }
        if self.dirty_bytes() >= self.bounds.dirty_bytes_max {
            return Err(Refusal::Dirty);
        }
        Ok(())
    }

    /// Gives the next position to one record; the caller appends its bytes to the returned body.
    /// Call [`WriteCore::admit`] first.
    pub fn stage(&mut self) -> (Lsn, &mut Vec<u8>) {
        let lsn = self.positions.next;
        self.positions.next = lsn.plus(1);
        self.batch_count += 1;
        (lsn, self.batch.tail())
    }

    /// Counts memory that became dirty with the record just staged.
    pub fn add_dirty(&mut self, bytes: u64, monotonic_us: u64) {
        self.dirty_bytes += bytes;
        self.dirty_since_us.get_or_insert(monotonic_us);
    }

    /// The staged batch as one frame, unless there is none or a write is under way.
    pub fn begin_write(&mut self) -> Option<Write> {
        if self.batch_count == 0 || self.writing || self.poisoned {
            return None;
        }
        self.writing = true;
        self.index += 1;
        self.hlc = (self.hlc + 1).max((self.time_us / 1000) << 16);
        let count = std::mem::take(&mut self.batch_count);
        let head = FrameHead {
            term: self.term,
            index: self.index,
            first_lsn: Lsn(self.positions.next.0 - u64::from(count)),
            count,
            time_us: self.time_us,
            hlc: self.hlc,
        };
        let frame = std::mem::replace(&mut self.batch, std::mem::take(&mut self.spare));
        self.writing_bytes = frame.len();
        Some(Write { head, frame })
    }

    /// The OS has the frame, or the write failed and the log with it.
    pub fn end_write(&mut self, write: Write, succeeded: bool, monotonic_us: u64) {
        debug_assert!(self.writing, "end_write without begin_write");
        self.writing = false;
        if !succeeded {
            self.poisoned = true;
            return;
        }
        self.positions.written = write.last_lsn();
        self.unsynced_bytes += std::mem::take(&mut self.writing_bytes) as u64;
        self.unsynced_since_us.get_or_insert(monotonic_us);
        self.recycle(write.frame);
    }

    /// Keeps one emptied buffer for the next batch, unless it grew out of all proportion.
    fn recycle(&mut self, mut frame: FrameBuffer) {
        const KEPT_BYTES_MAX: usize = 4 << 20;
        if frame.len() <= KEPT_BYTES_MAX {
            frame.clear();
            self.spare = frame;
        }
    }

    /// A sync of everything written, unless there is nothing to sync or one is under way.
    pub fn begin_sync(&mut self, monotonic_us: u64) -> Option<Sync> {
        let due = self.positions.written > self.positions.durable;
        if !due || self.syncing.is_some() || self.poisoned {
            return None;
        }
        let sync = Sync { written: self.positions.written };
        self.syncing = Some(sync);
        self.sync_began_us = monotonic_us;
        self.unsynced_bytes_at_sync = self.unsynced_bytes;
        Some(sync)
    }

    /// Whether a sync is under way.
    #[must_use]
    pub fn is_syncing(&self) -> bool {
        self.syncing.is_some()
    }

    /// The sync returned: everything through `durable` survives power loss. `None`: it failed, which
    /// is final, because the kernel has marked the lost pages clean.
    pub fn end_sync(&mut self, durable: Option<Lsn>) {
        let sync = self.syncing.take().expect("end_sync follows begin_sync");
        let Some(durable) = durable else {
            self.poisoned = true;
            return;
        };
        assert!(
            durable >= sync.written,
            "a sync covers what was written before it: {durable} < {}",
            sync.written
        );
        self.positions.durable = self.positions.durable.max(durable);
        let all = self.positions.durable >= self.positions.written;
        // A sync may cover more than was written when it was decided; with nothing left to sync the rest
        // would stay counted, and hold writers, for ever.
        let synced_bytes = if all { self.unsynced_bytes } else { self.unsynced_bytes_at_sync };
        self.unsynced_bytes -= synced_bytes.min(self.unsynced_bytes);
        self.unsynced_since_us = if all { None } else { Some(self.sync_began_us) };
    }

    /// Counts what recovery replayed, and makes a checkpoint of it due at once: the next start then has
    /// little to replay, and the segments of earlier lives can go.
    pub fn add_replayed(&mut self, bytes: u64, monotonic_us: u64) {
        if bytes > 0 {
            self.add_dirty(bytes, monotonic_us);
            self.overdue = true;
        }
    }

    /// Whether enough is dirty, or old enough, for a checkpoint.
    #[must_use]
    pub fn checkpoint_due(&self, monotonic_us: u64) -> bool {
        let age_us = self.dirty_since_us.map_or(0, |since| monotonic_us.saturating_sub(since));
        let due =
            self.dirty_bytes >= self.bounds.checkpoint_bytes || age_us >= self.bounds.checkpoint_interval_us;
        due && self.dirty_bytes() > 0 && self.checkpointing.is_none() && !self.poisoned
    }

    /// Freezes what is dirty: everything staged so far, unless nothing is or a checkpoint is under
    /// way. The caller freezes its dirty list under the same lock.
    pub fn begin_checkpoint(&mut self) -> Option<Checkpoint> {
        let through = self.staged();
        if through <= self.positions.checkpoint || self.checkpointing.is_some() || self.poisoned {
            return None;
        }
        let index = self.index + u64::from(self.batch_count > 0);
        let checkpoint = Checkpoint { through, index, term: self.term, time_us: self.time_us, hlc: self.hlc };
        self.checkpointing = Some(checkpoint);
        self.frozen_bytes += std::mem::take(&mut self.dirty_bytes);
        self.dirty_since_us = None;
        self.overdue = false;
        Some(checkpoint)
    }

    /// L2 holds the checkpoint, or it failed and everything stays dirty.
    pub fn end_checkpoint(&mut self, succeeded: bool, monotonic_us: u64) {
        let checkpoint = self.checkpointing.take().expect("end_checkpoint follows begin_checkpoint");
        if succeeded {
            assert!(checkpoint.through <= self.positions.durable, "L2 must not run ahead of the log");
            self.positions.checkpoint_before = self.positions.checkpoint;
            self.positions.checkpoint = checkpoint.through;
            self.frozen_bytes = 0;
        } else {
            self.dirty_bytes += std::mem::take(&mut self.frozen_bytes);
            self.dirty_since_us = Some(monotonic_us);
        }
    }

    /// The log failed outside of a write or a sync.
    pub fn poison(&mut self) {
        self.poisoned = true;
    }
}
