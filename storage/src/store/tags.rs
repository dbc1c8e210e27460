//! Tags: everything that carries one becomes invisible with one record; the rows go in the background.

use parking_lot::Mutex;

use super::error::Error;
use super::operation::Outcome;
use super::{Shared, Store};
use crate::memory::EntryRef;
use crate::record::op::{HideTag, RECORD_OVERHEAD_BYTES, Remove};
use crate::record::{Cause, Lsn, Op};
use crate::table::{TAG, each_mark, mark_of};

/// Rows looked at per step of housekeeping.
const ROWS_PER_STEP: usize = 512;
/// How long after a pass over a tag's rows the next one begins, in microseconds.
const PASS_INTERVAL_US: u64 = 500_000;

/// Where the removal of hidden rows stands.
#[derive(Debug, Default)]
pub(super) struct Reclaimer {
    tag: Option<(Box<[u8]>, Lsn)>,
    after: Option<Box<[u8]>>,
    /// Rows met in this pass that were written before the tag was hidden.
    old_rows: u64,
    next_us: u64,
}

impl Store {
    /// Hides every entry that carries `tag`: one record, however many there are. Also answers how many that were.
    /// `details` is a JSON object for whoever follows the log. Like [`Store::stage`] otherwise.
    pub fn stage_hide_tag(&self, tag: &str, details: &str) -> Result<(Outcome, u64), Error> {
        let pipeline = &self.shared.pipeline;
        let tag = tag.as_bytes();
        let (mut inner, now) = pipeline.admit(RECORD_OVERHEAD_BYTES + tag.len() + details.len())?;
        let table = pipeline.table.snapshot();
        // Under the lock no checkpoint freezes or thaws.
        let moved = inner.dirty.marks.moved(tag, table.position().lsn);
        let stored = if moved.reset { 0 } else { table.tag_count(tag)? };
        let count = stored.saturating_add_signed(moved.count);
        let time_us = now.time_us;
        if count == 0 {
            let outcome = Outcome { lsn: Lsn::ZERO, changed: false, time_us, expires_us: 0 };
            return Ok((outcome, 0));
        }
        let hide = HideTag { tag, details: details.as_bytes(), hidden_us: time_us };
        let lsn = pipeline.stage(&mut inner, now, &Op::HideTag(hide));
        Ok((Outcome { lsn, changed: true, time_us, expires_us: 0 }, count))
    }
}

impl Shared {
    /// Removes some rows of a hidden tag, as logged operations; forgets the tag once none is left.
    pub(super) fn reclaim_tags(&self, reclaimer: &Mutex<Reclaimer>) -> Result<(), Error> {
        let mut reclaimer = reclaimer.lock();
        let monotonic_us = self.pipeline.clock.monotonic_us();
        if monotonic_us < reclaimer.next_us {
            return Ok(());
        }
        let checkpoint = self.pipeline.checkpoint_lsn();
        if reclaimer.tag.is_none() {
            // Below its record everything that carries the tag must be in the index.
            let mut hidden = self.pipeline.hidden.list();
            hidden.retain(|(_, lsn)| *lsn <= checkpoint);
            reclaimer.tag = hidden.into_iter().next();
            (reclaimer.after, reclaimer.old_rows) = (None, 0);
        }
        let Some((tag, hidden)) = reclaimer.tag.clone() else {
            reclaimer.next_us = monotonic_us + PASS_INTERVAL_US;
            return Ok(());
        };
        let mark = mark_of(TAG, &tag);
        let snapshot = self.pipeline.table.snapshot();
        let keys = snapshot.marked(&mark, reclaimer.after.as_deref(), ROWS_PER_STEP)?;
        for key in &keys {
            let old = snapshot.read(key, |fields| fields.lsn < hidden)?;
            if old == Some(true) {
                reclaimer.old_rows += 1;
                self.reclaim(key, &mark, hidden)?;
            }
        }
        let staged = self.pipeline.inner.lock().core.staged();
        self.pipeline.hand_over(staged)?;
        if keys.len() == ROWS_PER_STEP {
            reclaimer.after = keys.into_iter().next_back();
            return Ok(());
        }
        if reclaimer.old_rows == 0 {
            let mut inner = self.pipeline.inner.lock();
            // It may have been hidden anew meanwhile.
            if self.pipeline.hidden.list().iter().any(|(other, lsn)| *other == tag && *lsn == hidden) {
                self.pipeline.hidden.remove(&tag);
                inner.dirty.marks.done_hiding(&tag);
            }
        }
        reclaimer.tag = None;
        reclaimer.next_us = monotonic_us + PASS_INTERVAL_US;
        Ok(())
    }

    /// Logs the removal of `key` if its current version is one that is hidden.
    fn reclaim(&self, key: &[u8], mark: &[u8], hidden: Lsn) -> Result<(), Error> {
        let pipeline = &self.pipeline;
        let token = pipeline.memory.fill_token(key);
        let current = match pipeline.memory.peek(key) {
            Some(entry) => Some(entry),
            None => pipeline.table.read(key, |fields| EntryRef::detached(key, &fields))?,
        };
        let Some(entry) = current.filter(|entry| entry.kind().is_stored() && entry.lsn() < hidden) else {
            return Ok(());
        };
        let mut carries = false;
        each_mark(entry.extras(), |other| carries |= other == mark);
        if !carries {
            return Ok(());
        }
        let (mut inner, now) = pipeline.admit(RECORD_OVERHEAD_BYTES + key.len())?;
        if pipeline.memory.unchanged(token, key) {
            let remove = Remove { key, removed_us: now.time_us, cause: Cause::Tag as u8 };
            pipeline.stage(&mut inner, now, &Op::Remove(remove));
        }
        Ok(())
    }
}
