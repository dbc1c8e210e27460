//! Leases: of many readers that miss, one computes the value, the others wait or take the old one.
//!
//! A lease is an entry of a namespace of the server's own, so it is logged, survives a restart and ends by its time
//! to live. It holds its fencing token, which grows for ever, and the version of the key it was granted over. Grants
//! are always `strong`.

use std::cell::Cell;

use mpreg_storage::json;
use mpreg_storage::memory::Entry;
use mpreg_storage::record::{Cause, EntryFields, Extras, Key, Lsn};
use mpreg_storage::store::{BatchError, Error as StoreError, Found, NewVersion, Operation, Update, Verdict};

use crate::cache::get::Hit;
use crate::cache::put::Life;
use crate::cache::{Clerk, Desk, Patience, head, timed};
use crate::protocol::cache::{
    Code, Durability, KeyText, LeaseReply, LeaseState, Level, Notes, Put, Reply, Status,
};
use crate::session::{self, Step};

/// Namespace of leases.
const NAMESPACE: &str = "mpreg.lease";

/// The key of the lease of a key: its three parts in one identifier.
fn lease_key(key: &KeyText<'_>) -> Result<Key, mpreg_storage::record::key::Error> {
    let name = format!("{}\u{1f}{}\u{1f}{}", key.namespace, key.identifier, key.version);
    Key::new(NAMESPACE, &name)
}

/// Token and version in a lease's value.
fn held(fields: &EntryFields<'_>) -> Option<(u64, u64)> {
    let text = std::str::from_utf8(fields.value).ok()?;
    let number = |name| json::member(text, name)?.parse().ok();
    Some((number("token")?, number("version")?))
}

/// Grants a lease where nobody holds one.
struct Grant {
    token: u64,
    version: u64,
    ttl_us: u64,
    granted: Cell<bool>,
}

impl Update for Grant {
    fn decide(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        self.granted.set(current.is_none());
        if current.is_some() {
            return Verdict::Keep;
        }
        Verdict::Store(NewVersion {
            value: format!(r#"{{"token":{},"version":{}}}"#, self.token, self.version).into_bytes(),
            extras: Vec::new(),
            created_us: None,
            expires_us: now_us.saturating_add(self.ttl_us),
            cause: Cause::Internal,
        })
    }

    fn grows_by(&self) -> usize {
        96
    }
}

/// Ends a lease that is held with this token.
struct End {
    token: u64,
    /// The version it was granted over, once it was found to be held.
    version: Cell<Option<u64>>,
}

impl Update for End {
    fn decide(&self, current: Option<&EntryFields<'_>>, _: u64) -> Verdict {
        let version =
            current.and_then(held).filter(|(token, _)| *token == self.token).map(|(_, version)| version);
        self.version.set(version);
        if version.is_some() { Verdict::Remove(Cause::Internal) } else { Verdict::Keep }
    }

    fn grows_by(&self) -> usize {
        0
    }
}

/// Stores the value a lease was granted for, if nobody wrote the key since.
struct Fill<'a> {
    end: &'a End,
    value: &'a [u8],
    extras: &'a [u8],
    ttl_us: Option<u64>,
    observed: Cell<u64>,
    stored: Cell<bool>,
}

impl Update for Fill<'_> {
    fn sees(&self, observed: Lsn) {
        self.observed.set(observed.0);
    }

    fn decide(&self, _: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        // A checkpoint forgets where a deletion stood, so what is seen may lie before what was seen then.
        let stored = self.end.version.get().is_some_and(|granted| self.observed.get() <= granted);
        self.stored.set(stored);
        if !stored {
            return Verdict::Keep;
        }
        Verdict::Store(NewVersion {
            value: self.value.to_vec(),
            extras: self.extras.to_vec(),
            created_us: None,
            expires_us: self.ttl_us.map_or(0, |ttl_us| now_us.saturating_add(ttl_us.max(1))),
            cause: Cause::Plain,
        })
    }

    fn grows_by(&self) -> usize {
        self.value.len() + self.extras.len()
    }
}

/// What a reader with a lease meets.
enum Met {
    Fresh,
    /// Past its life, or not there; the old entry where it may be shown.
    Gone {
        version: Lsn,
        stale: Option<mpreg_storage::memory::EntryRef>,
    },
    Negative(Lsn),
}

impl Desk<'_> {
    pub(super) fn get_leased(
        &mut self,
        key: &KeyText<'_>,
        encoded: &[u8],
        ttl_ms: u64,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let met = match self.meet(encoded, |extras| extras.revalidate_us) {
            Ok(met) => met,
            Err(StoreError::Cold) => return Step::Cold,
            Err(error) => return self.fail(&error, reply),
        };
        match met {
            Met::Fresh => self.get_plain(key, encoded, reply),
            Met::Negative(lsn) => self.miss_noting(lsn, true, reply),
            Met::Gone { version, stale } => {
                let lease = match lease_key(key) {
                    Ok(lease) => lease,
                    Err(error) => return self.refuse(&error.into(), reply),
                };
                let token = self.cache.next_token();
                let grant = Grant {
                    token,
                    version: version.0,
                    ttl_us: ttl_ms.saturating_mul(1000),
                    granted: Cell::new(false),
                };
                let operation = Operation::Update { key: lease.as_bytes(), update: &grant };
                let done = match self.stage(&operation) {
                    Ok(done) => done,
                    Err(StoreError::Cold) => return Step::Cold,
                    Err(error) if error.is_busy() => return Step::Busy,
                    Err(error) => return self.fail(&error, reply),
                };
                // Whoever is told of a lease, granted or held, must find it after a power cut.
                reply.seen.saw(done.outcome.lsn, true);
                let granted = grant.granted.get();
                let state = if granted { LeaseState::Granted } else { LeaseState::Filling };
                let told = LeaseReply { state, token: granted.then_some(token), stale: stale.is_some() };
                self.tell_lease(key, stale.as_deref(), version, told, reply)
            }
        }
    }

    /// The value could not be computed: the lease ends, and the old value may be shown once more.
    pub(super) fn give_up(
        &mut self,
        key: &KeyText<'_>,
        encoded: &[u8],
        token: u64,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let met = match self.meet(encoded, |extras| extras.error_us) {
            Ok(met) => met,
            Err(StoreError::Cold) => return Step::Cold,
            Err(error) => return self.fail(&error, reply),
        };
        let lease = match lease_key(key) {
            Ok(lease) => lease,
            Err(error) => return self.refuse(&error.into(), reply),
        };
        let end = End { token, version: Cell::new(None) };
        match self.stage(&Operation::Update { key: lease.as_bytes(), update: &end }) {
            Ok(done) => reply.seen.saw(done.outcome.lsn, true),
            Err(StoreError::Cold) => return Step::Cold,
            Err(error) if error.is_busy() => return Step::Busy,
            Err(error) => return self.fail(&error, reply),
        }
        match met {
            Met::Fresh => self.get_plain(key, encoded, reply),
            Met::Negative(lsn) => self.miss_noting(lsn, true, reply),
            Met::Gone { version, stale } => {
                let told = LeaseReply { state: LeaseState::None, token: None, stale: stale.is_some() };
                self.tell_lease(key, stale.as_deref(), version, told, reply)
            }
        }
    }

    /// A put under a lease: stored only while the token is the one that is held, and nobody wrote meanwhile.
    pub(super) fn fill(
        &mut self,
        put: &Put<'_>,
        key: &[u8],
        life: Life,
        token: u64,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let lease = match lease_key(&put.key) {
            Ok(lease) => lease,
            Err(error) => return self.refuse(&error.into(), reply),
        };
        let extras = self.clerk.extras.clone();
        let end = End { token, version: Cell::new(None) };
        let (value, ttl_us) = (put.value.as_bytes(), life.ttl_us);
        let fill = Fill {
            end: &end,
            value,
            extras: &extras,
            ttl_us,
            observed: Cell::new(0),
            stored: Cell::new(false),
        };
        let plain = Operation::Update { key, update: &fill };
        let fills = match &self.notice {
            None => plain,
            Some(witness) => Operation::Witnessed { operation: &plain, witness },
        };
        let operations = [Operation::Update { key: lease.as_bytes(), update: &end }, fills];
        let judge = |_: &[mpreg_storage::store::Done]| Ok(());
        let staged = match self.patience {
            Patience::None => self.cache.store.stage_batch(&operations, &judge),
            Patience::Blocking => self.cache.store.stage_batch_blocking(&operations, &judge),
        };
        let done = match staged {
            Ok(done) => done,
            Err(BatchError { error: StoreError::Cold, .. }) => return Step::Cold,
            Err(BatchError { error, .. }) if error.is_busy() => return Step::Busy,
            Err(BatchError { error, .. }) => return self.fail(&error, reply),
        };
        reply.seen.saw(done.lsn, true);
        if fill.stored.get()
            && let Some(last) = done.done.last()
        {
            return self.tell_put(put, life, last.outcome, false, reply);
        }
        let message = "the lease is not held any more: nothing was stored";
        self.tell_failure_as(Status::Conflict, Code::Conflict, message, reply)
    }

    fn meet(&self, encoded: &[u8], window: impl Fn(&Extras<'_>) -> u64) -> Result<Met, StoreError> {
        let now_us = self.clerk.now_us;
        let found = match self.patience {
            Patience::None => self.cache.store.peek(encoded, now_us)?,
            Patience::Blocking => self.cache.store.find(encoded)?,
        };
        let entry = match found {
            Found::Absent(version) => return Ok(Met::Gone { version, stale: None }),
            Found::Structure(..) => return Ok(Met::Fresh),
            Found::Value(entry) => entry,
        };
        let extras = Extras::decode(entry.extras()).unwrap_or_default();
        let fresh_until_us = entry.created_us().saturating_add(extras.fresh_us);
        let past = extras.fresh_us != 0 && now_us > fresh_until_us;
        let shown = past && !extras.negative && now_us <= fresh_until_us.saturating_add(window(&extras));
        let (version, negative) = (entry.lsn(), extras.negative);
        Ok(match (past, negative) {
            (false, true) => Met::Negative(version),
            (false, false) => Met::Fresh,
            (true, _) => Met::Gone { version, stale: shown.then_some(entry) },
        })
    }

    fn tell_lease(
        &mut self,
        key: &KeyText<'_>,
        stale: Option<&Entry>,
        version: Lsn,
        told: LeaseReply,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        if let Some(entry) = stale {
            let mut answer = Hit::new(self.cache, self.request, key, strong);
            answer.lease = Some(told);
            answer.write(entry, Level::L1, self.clerk, reply);
            return Step::Done;
        }
        reply.seen.saw(version, strong);
        self.clerk.tally.misses += 1;
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        let notes = Notes { lease: Some(told), ..Notes::default() };
        let durability = Some(Durability::Strong);
        Reply { status: Status::Miss, durability, notes: Some(&notes), ..timed(head, mark) }
            .write_into(reply.out);
        Step::Done
    }
}
