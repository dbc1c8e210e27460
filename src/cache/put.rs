//! `put`: stage, and show what was stored. The value was validated when the message was parsed.

use mpreg_storage::record::Extras;
use mpreg_storage::store::{Error as StoreError, Operation, Outcome};

use crate::cache::constraints::parse_constraints;
use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::protocol::Error;
use crate::protocol::cache::{
    Code, Durability, EntryReply, Failure, Lease, Level, Notes, Put, Reply, Status,
};
use crate::session::{self, Step};

/// The life a put grants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Life {
    /// Until the entry goes; `None` = never.
    pub(super) ttl_us: Option<u64>,
    /// As replies show it.
    shown_us: Option<u64>,
}

impl Desk<'_> {
    pub(super) fn put(&mut self, put: &Put<'_>, key: &[u8], reply: &mut session::Reply<'_>) -> Step {
        let life = match self.prepare(put) {
            Ok(life) => life,
            Err(error) => return self.refuse(&error, reply),
        };
        if put.constraints.is_some()
            && let Some(step) = self.check_constraints(put, reply)
        {
            return step;
        }
        if let Some(Lease::Fill { token }) = self.request.options.lease {
            return self.fill(put, key, life, token, reply);
        }
        // What is to be told must be in the log, as what is to be found by its marks must be in L2.
        let durable = self.notice.is_some() || has_marks(&self.clerk.extras);
        let volatile = !self.request.options.levels.has(Level::L2) && !durable;
        let outcome = match self.stage_put(put, key, life, volatile) {
            Ok(outcome) => outcome,
            Err(StoreError::Cold) => return Step::Cold,
            Err(error) if error.is_busy() => return Step::Busy,
            Err(error) => return self.fail(&error, reply),
        };
        self.tell_put(put, life, outcome, volatile, reply)
    }

    /// Encodes the metadata of a put into the clerk's buffer and works out its life.
    pub(super) fn prepare(&mut self, put: &Put<'_>) -> Result<Life, Error> {
        let extras = &mut self.clerk.extras;
        extras.clear();
        put.encode_extras_into(extras)?;
        let metadata = &put.metadata;
        let mut ttl_us = metadata.ttl.map(|ttl| ttl.micros);
        let plain = put.ttl_config.is_none()
            && !metadata.negative
            && metadata.stale_while_revalidate_us == 0
            && metadata.stale_if_error_us == 0;
        if plain {
            return Ok(Life { ttl_us, shown_us: ttl_us });
        }
        if let (Some(config), Some(ttl)) = (&put.ttl_config, &mut ttl_us)
            && config.jitter_percent > 0.0
        {
            *ttl = spread(*ttl, config.jitter_percent, self.clerk.ids.next_id());
        }
        let windows = [metadata.stale_while_revalidate_us, metadata.stale_if_error_us];
        let longest_us = windows.into_iter().max().unwrap_or(0);
        let encoded = std::mem::take(&mut self.clerk.extras);
        let extras = Extras {
            negative: metadata.negative,
            fresh_us: if longest_us > 0 { ttl_us.unwrap_or(0) } else { 0 },
            revalidate_us: windows[0],
            error_us: windows[1],
            slide_us: match &put.ttl_config {
                Some(config) if config.refresh_on_access => ttl_us.unwrap_or(0),
                _ => 0,
            },
            ..Extras::decode(&encoded).unwrap_or_default()
        };
        extras.encode_into(&mut self.clerk.extras)?;
        Ok(Life { ttl_us: ttl_us.map(|ttl_us| ttl_us.saturating_add(longest_us)), shown_us: ttl_us })
    }

    fn stage_put(
        &mut self,
        put: &Put<'_>,
        key: &[u8],
        life: Life,
        volatile: bool,
    ) -> Result<Outcome, StoreError> {
        let (store, extras, ttl_us) = (&self.cache.store, &self.clerk.extras, life.ttl_us);
        let value = put.value.as_bytes();
        match self.patience {
            Patience::None if volatile => store.stage_volatile(key, value, ttl_us, extras),
            Patience::Blocking if volatile => store.stage_volatile_blocking(key, value, ttl_us, extras),
            Patience::None if self.notice.is_none() => store.stage_put(key, value, ttl_us, extras),
            _ => {
                let operation = Operation::Put { key, value, ttl_us, extras };
                self.stage(&operation).map(|done| done.outcome)
            }
        }
    }

    pub(super) fn tell_put(
        &mut self,
        put: &Put<'_>,
        life: Life,
        outcome: Outcome,
        volatile: bool,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(outcome.lsn, strong);
        let levels = self.request.options.levels;
        let Clerk { ids, extras, mark, tally, .. } = &mut *self.clerk;
        tally.puts += 1;
        let shown = EntryReply {
            namespace: &put.key.namespace,
            identifier: &put.key.identifier,
            version: &put.key.version,
            value: put.value.as_bytes(),
            created_us: outcome.time_us,
            access_count: 0,
            last_access_us: outcome.time_us,
            ttl_us: life.shown_us,
            extras: Extras::decode(extras).unwrap_or_default(),
            include_metadata: self.request.options.include_metadata,
        };
        let durability = Some(if volatile { Durability::Volatile } else { reached(strong) });
        let level = Some(if levels.has(Level::L1) || volatile { Level::L1 } else { Level::L2 });
        let head = head(self.request, ids, outcome.time_us);
        Reply { level, durability, entry: Some(shown), ..timed(head, mark) }.write_into(reply.out);
        Step::Done
    }

    /// Refuses a value that breaks its constraints.
    #[cold]
    fn check_constraints(&mut self, put: &Put<'_>, reply: &mut session::Reply<'_>) -> Option<Step> {
        let checks = match parse_constraints(put.constraints) {
            Ok(checks) => checks,
            Err(error) => return Some(self.refuse(&error, reply)),
        };
        let violations = checks.violations(put.value);
        if violations.is_empty() {
            return None;
        }
        let Clerk { ids, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        let notes = Notes { constraint_violations: &violations, ..Notes::default() };
        let failure = Failure { message: "Constraint violation", code: Code::Constraint };
        Reply { notes: Some(&notes), ..Reply::failure(head, Status::Error, failure) }.write_into(reply.out);
        Some(Step::Done)
    }
}

/// Whether L2 must be able to find the entry by its tags or dependencies.
fn has_marks(extras: &[u8]) -> bool {
    let extras = Extras::decode(extras).unwrap_or_default();
    extras.tags != Extras::default().tags || extras.dependencies != Extras::default().dependencies
}

/// A life spread by up to so many percent in both directions; `id` is a fresh operation id, whose bytes differ from
/// one put to the next.
fn spread(ttl_us: u64, percent: f64, id: &[u8; 36]) -> u64 {
    let mixed = id.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        let hash = (hash ^ u64::from(byte)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        hash ^ hash >> 29
    });
    // The upper bits as a number from -1 to 1.
    let part = (mixed >> 11) as f64 / (1_u64 << 52) as f64 - 1.0;
    let spread = ttl_us as f64 * (1.0 + part * percent / 100.0);
    (spread as u64).max(1)
}

/// The life of an entry as replies show it.
pub(super) fn shown_ttl(created_us: u64, expires_us: u64, extras: &Extras<'_>) -> Option<u64> {
    match (extras.fresh_us, extras.slide_us) {
        _ if expires_us == 0 => None,
        (0, 0) => Some(expires_us.saturating_sub(created_us)),
        (0, slide_us) => Some(slide_us),
        (fresh_us, _) => Some(fresh_us),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_life_stays_within_its_percentage_and_varies() {
        let mut lives = std::collections::HashSet::new();
        for number in 0..200 {
            let id: [u8; 36] = format!("{number:036}").into_bytes().try_into().unwrap();
            let life = spread(1_000_000, 10.0, &id);
            assert!((900_000..=1_100_000).contains(&life), "{life}");
            lives.insert(life);
        }
        assert!(lives.len() > 150);
    }

    #[test]
    fn the_shown_life_is_the_one_asked_for() {
        assert_eq!(shown_ttl(5, 0, &Extras::default()), None);
        assert_eq!(shown_ttl(5, 105, &Extras::default()), Some(100));
        assert_eq!(shown_ttl(5, 305, &Extras { fresh_us: 100, ..Extras::default() }), Some(100));
        assert_eq!(shown_ttl(5, 305, &Extras { slide_us: 200, ..Extras::default() }), Some(200));
    }
}
