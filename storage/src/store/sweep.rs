//! The sweeper: removes what has expired, as logged operations.
//!
//! Readers hide expired entries by themselves; the sweeper only gives their room back and tells the
//! feed. It walks the expiry index of L2 with a cursor, so an entry becomes a candidate with the
//! first checkpoint after it was written, and each candidate is looked at once per pass.

use super::Shared;
use super::error::Error;
use crate::limits::EVENT_VALUE_BYTES_MAX;
use crate::record::op::{self, Batch, Expire, Notice, RECORD_OVERHEAD_BYTES};
use crate::record::{EntryFields, EntryKind, Op};

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
            Some(entry) => Some((entry.kind(), entry.expires_us(), self.kept(&entry.fields()))),
            None => {
                pipeline.table.read(key, |fields| (fields.kind, fields.expires_us, self.kept(&fields)))?
            }
        };
        let Some((_, _, old)) =
            current.filter(|(kind, expires, _)| kind.is_stored() && *expires == expires_us)
        else {
            return Ok(());
        };
        let old_bytes = old.as_ref().map_or(0, |old| old.len() + 2 * RECORD_OVERHEAD_BYTES);
        let (mut inner, now) = pipeline.admit(RECORD_OVERHEAD_BYTES + key.len() + old_bytes)?;
        if pipeline.memory.unchanged(token, key) && now.time_us > expires_us {
            let expire = Op::Expire(Expire { key, expires_us, removed_us: now.time_us });
            match old {
                None => pipeline.stage(&mut inner, now, &expire),
                Some(old) => {
                    let flags = if old.is_empty() { Notice::TOO_LARGE } else { Notice::OLD_KNOWN };
                    let notice = Op::Notice(Notice { old: &old, new: b"", details: b"", flags });
                    let mut body = Vec::new();
                    op::encode_into(0, &expire, &mut body);
                    op::encode_into(0, &notice, &mut body);
                    pipeline.stage(&mut inner, now, &Op::Batch(Batch { body: &body, count: 2 }))
                }
            };
        }
        Ok(())
    }

    /// The value of an entry where it is to be kept with its removal; nothing of it where it is too long, or a
    /// structure, whose members may be anywhere.
    fn kept(&self, fields: &EntryFields<'_>) -> Option<Vec<u8>> {
        let fits = fields.kind == EntryKind::Value && fields.value.len() <= EVENT_VALUE_BYTES_MAX;
        self.options.event_values.then(|| if fits { fields.value.to_vec() } else { Vec::new() })
    }
}
