//! The sweeper: removes what has expired, as logged operations.
//!
//! Readers hide expired entries by themselves; the sweeper only gives their room back and tells the
//! feed. It walks the expiry index of L2 with a cursor, so an entry becomes a candidate with the
//! first checkpoint after it was written, and each candidate is looked at once per pass.

use super::Shared;
use super::error::Error;
use crate::record::Op;
use crate::record::op::{Expire, RECORD_HEAD_BYTES};

/// Candidates per step.
const CANDIDATES_MAX: usize = 512;

/// Where the sweeper stands in the expiry index.
#[derive(Debug, Default)]
pub(super) struct Sweeper {
    next_us: u64,
    /// Last candidate looked at.
    cursor: Option<(u64, Box<[u8]>)>,
}

impl Shared {
    /// One step; cheap when it is not time yet.
    pub(super) fn sweep(&self) -> Result<(), Error> {
        let mut sweeper = self.sweeper.lock();
        let monotonic_us = self.pipeline.clock.monotonic_us();
        if monotonic_us < sweeper.next_us {
            return Ok(());
        }
        let through_us = self.pipeline.now_us().saturating_sub(1);
        let snapshot = self.pipeline.table.snapshot();
        let after = sweeper.cursor.as_ref().map(|(expires_us, key)| (*expires_us, &key[..]));
        let candidates = snapshot.expired(through_us, after, CANDIDATES_MAX)?;
        for (expires_us, key) in &candidates {
            self.expire(key, *expires_us)?;
        }
        if candidates.len() < CANDIDATES_MAX {
            sweeper.next_us = monotonic_us + self.options.sweep_interval_us;
            sweeper.cursor = None;
        } else {
            sweeper.cursor = candidates.into_iter().next_back();
        }
        drop(sweeper);
        let staged = self.pipeline.inner.lock().core.staged();
        Ok(self.pipeline.hand_over(staged)?)
    }

    /// Logs the removal of `key` if its current version is the expired one.
    fn expire(&self, key: &[u8], expires_us: u64) -> Result<(), Error> {
        let pipeline = &self.pipeline;
        let token = pipeline.memory.fill_token(key);
        let current = match pipeline.memory.peek(key) {
            Some(entry) => Some((entry.kind(), entry.expires_us())),
            None => pipeline.table.read(key, |fields| (fields.kind, fields.expires_us))?,
        };
        if !current.is_some_and(|(kind, expires)| kind.is_stored() && expires == expires_us) {
            return Ok(());
        }
        let (mut inner, now) = pipeline.admit(RECORD_HEAD_BYTES + 40 + key.len())?;
        if pipeline.memory.unchanged(token, key) && now.time_us > expires_us {
            let expire = Expire { key, expires_us, removed_us: now.time_us };
            pipeline.stage(&mut inner, now, &Op::Expire(expire));
        }
        Ok(())
    }
}
