//! `atomic`: reading and writing one entry in one step. What comes out is decided here, under the store's lock; the
//! record carries only that.

use std::cell::RefCell;

use mpreg_storage::json::{self, Conditions, EditFault, Facts};
use mpreg_storage::record::{Cause, EntryFields, Extras};
use mpreg_storage::store::{Done, Error as StoreError, NewVersion, Operation, Update, Verdict};

use crate::cache::constraints::{Checks, parse_constraints};
use crate::cache::put::shown_ttl;
use crate::cache::{Clerk, Desk, head, reached, timed};
use crate::protocol::Error;
use crate::protocol::cache::{
    Atomic, AtomicKind, AtomicResult, Code, EntryReply, Failure, Level, Reply, Status,
};
use crate::session::{self, Step};

/// What an atomic operation came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum Came {
    /// It has not been decided.
    #[default]
    Open,
    /// Applied.
    Applied { old: Option<Vec<u8>>, new: Shown },
    /// The comparison or a condition does not hold; the value as it is.
    Conflict { current: Option<Vec<u8>>, message: String },
    /// The key is not there and shall not be made.
    Missing,
    /// It cannot be done with what is there.
    Failed { current: Option<Vec<u8>>, code: Code, message: String },
    /// The new value breaks constraints.
    Violated { current: Option<Vec<u8>>, violations: Vec<String> },
}

/// An entry as it is afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    value: Vec<u8>,
    extras: Vec<u8>,
    created_us: u64,
    expires_us: u64,
}

/// One atomic operation with all that can be prepared before the lock is taken.
pub(super) struct Run<'a> {
    atomic: &'a Atomic<'a>,
    conditions: Conditions,
    checks: Checks,
    /// Metadata of a new value, encoded; `None` keeps what is stored.
    extras: Option<Vec<u8>>,
    pub(super) came: RefCell<Came>,
}

impl<'a> Run<'a> {
    pub(super) fn new(atomic: &'a Atomic<'a>) -> Result<Run<'a>, Error> {
        let conditions = match atomic.conditions {
            None => Conditions::default(),
            Some(text) => Conditions::parse(text).map_err(|fault| Error::Invalid {
                path: "atomic_operation.conditions",
                why: fault.to_string(),
            })?,
        };
        let mut encoded = Vec::new();
        let extras = match &atomic.metadata {
            Some(metadata) => {
                metadata.encode_into(atomic.key.tags, &mut encoded)?;
                Some(encoded)
            }
            None if atomic.key.tags.is_some() => {
                crate::protocol::cache::Metadata::default().encode_into(atomic.key.tags, &mut encoded)?;
                Some(encoded)
            }
            None => None,
        };
        let checks = parse_constraints(atomic.constraints)?;
        Ok(Run { atomic, conditions, checks, extras, came: RefCell::default() })
    }

    fn is_new_value(&self) -> bool {
        matches!(self.atomic.kind, AtomicKind::TestAndSet | AtomicKind::CompareAndSwap)
    }

    fn judge(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Result<(Verdict, Came), Came> {
        // What was put as absent is absent.
        let current = current.filter(|fields| !is_negative(fields));
        let old = || current.map(|fields| fields.value.to_vec());
        self.conditions
            .check(&facts(current, now_us))
            .map_err(|unmet| Came::Conflict { current: old(), message: unmet.to_string() })?;
        if self.atomic.kind == AtomicKind::ExtendTtl {
            return self.extend(current, now_us);
        }
        let value = self.compute(current)?;
        let text = std::str::from_utf8(&value).unwrap_or("null");
        let violations = self.checks.violations(text);
        if !violations.is_empty() {
            return Err(Came::Violated { current: old(), violations });
        }
        let kept = current.filter(|_| !self.is_new_value());
        let ttl_us = self.atomic.ttl.map(|ttl| ttl.micros);
        let expires_us = match ttl_us {
            Some(ttl_us) => now_us.saturating_add(ttl_us.max(1)),
            None => kept.map_or(0, |fields| fields.expires_us),
        };
        let extras = self.extras.clone();
        let extras = extras.unwrap_or_else(|| kept.map_or(Vec::new(), |fields| fields.extras.to_vec()));
        let created_us = kept.map_or(now_us, |fields| fields.created_us);
        let version = NewVersion {
            value: value.clone(),
            extras: extras.clone(),
            created_us: Some(created_us),
            expires_us,
            cause: cause(self.atomic.kind),
        };
        let new = Shown { value, extras, created_us, expires_us };
        Ok((Verdict::Store(version), Came::Applied { old: old(), new }))
    }

    fn extend(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Result<(Verdict, Came), Came> {
        let Some(fields) = current else { return Err(Came::Missing) };
        let by_us = self.atomic.ttl.map_or(1, |ttl| ttl.micros);
        let from_us = if fields.expires_us == 0 { now_us } else { fields.expires_us };
        let expires_us = from_us.saturating_add(by_us);
        let new = Shown {
            value: fields.value.to_vec(),
            extras: fields.extras.to_vec(),
            created_us: fields.created_us,
            expires_us,
        };
        let came = Came::Applied { old: Some(fields.value.to_vec()), new };
        Ok((Verdict::Touch { expires_us, cause: Cause::ExtendTtl }, came))
    }

    /// The new value's text.
    fn compute(&self, current: Option<&EntryFields<'_>>) -> Result<Vec<u8>, Came> {
        let text = current.map(|fields| std::str::from_utf8(fields.value).unwrap_or("null"));
        let new = self.atomic.new.unwrap_or("null");
        if self.is_new_value() {
            let equal = match (self.atomic.expected, text) {
                (None, None) => true,
                (Some(expected), Some(text)) => json::equal(expected, text),
                _ => false,
            };
            let message = || self.atomic.kind.conflict().to_owned();
            return if equal {
                Ok(new.as_bytes().to_vec())
            } else {
                Err(Came::Conflict { current: text.map(|text| text.as_bytes().to_vec()), message: message() })
            };
        }
        if text.is_none() && self.atomic.create_if_missing == Some(false) {
            return Err(Came::Missing);
        }
        let start = text.or(self.atomic.initial);
        let failed = |code, message: String| Came::Failed {
            current: text.map(|text| text.as_bytes().to_vec()),
            code,
            message,
        };
        let mut out = Vec::new();
        let by = self.atomic.by.text();
        match self.atomic.kind {
            AtomicKind::Increment => json::add(start.unwrap_or("0"), by, &mut out),
            AtomicKind::Decrement => json::subtract(start.unwrap_or("0"), by, &mut out),
            kind => {
                let joined = if kind == AtomicKind::Append {
                    json::append(start, new, &mut out)
                } else {
                    json::prepend(start, new, &mut out)
                };
                return match joined {
                    Ok(()) => Ok(out),
                    Err(EditFault::Incompatible) => {
                        Err(failed(Code::WrongType, "Incompatible types for append/prepend".to_owned()))
                    }
                    Err(fault) => Err(failed(Code::TooLarge, fault.to_string())),
                };
            }
        }
        .map_err(|fault| {
            let not_numeric = fault == json::NumberFault::NotNumeric;
            let code = if not_numeric { Code::WrongType } else { Code::BadRequest };
            failed(code, fault.to_string())
        })?;
        Ok(out)
    }
}

impl Update for Run<'_> {
    fn decide(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        let (verdict, came) = self.judge(current, now_us).unwrap_or_else(|came| (Verdict::Keep, came));
        *self.came.borrow_mut() = came;
        verdict
    }

    fn grows_by(&self) -> usize {
        let new = self.atomic.new.map_or(32, str::len);
        let initial = self.atomic.initial.map_or(0, str::len);
        new + initial + self.extras.as_ref().map_or(0, Vec::len) + 64
    }
}

/// Whether an entry says that there is nothing.
pub(super) fn is_negative(fields: &EntryFields<'_>) -> bool {
    !fields.extras.is_empty() && Extras::decode(fields.extras).is_ok_and(|extras| extras.negative)
}

/// What conditions are checked against.
pub(super) fn facts<'f>(current: Option<&EntryFields<'f>>, now_us: u64) -> Facts<'f> {
    let Some(fields) = current else { return Facts::ABSENT };
    Facts {
        exists: true,
        access_count: fields.access_count.into(),
        ttl_remaining_us: (fields.expires_us != 0).then(|| fields.expires_us.saturating_sub(now_us)),
        age_us: now_us.saturating_sub(fields.created_us),
        size_bytes: fields.value.len() as u64,
        value: std::str::from_utf8(fields.value).ok(),
    }
}

fn cause(kind: AtomicKind) -> Cause {
    match kind {
        AtomicKind::TestAndSet => Cause::TestAndSet,
        AtomicKind::CompareAndSwap => Cause::CompareAndSwap,
        AtomicKind::Increment => Cause::Increment,
        AtomicKind::Decrement => Cause::Decrement,
        AtomicKind::Append => Cause::Append,
        AtomicKind::Prepend => Cause::Prepend,
        AtomicKind::ExtendTtl => Cause::ExtendTtl,
    }
}

impl Desk<'_> {
    pub(super) fn atomic(&mut self, atomic: &Atomic<'_>, key: &[u8], reply: &mut session::Reply<'_>) -> Step {
        let run = match Run::new(atomic) {
            Ok(run) => run,
            Err(error) => return self.refuse(&error, reply),
        };
        let operation = Operation::Update { key, update: &run };
        let staged = self.stage(&operation);
        let done = match staged {
            Ok(done) => done,
            Err(StoreError::Cold) => return Step::Cold,
            Err(error) if error.is_busy() => return Step::Busy,
            Err(error) => return self.fail(&error, reply),
        };
        self.tell_atomic(atomic, &run.came.borrow(), &done, reply)
    }

    pub(super) fn tell_atomic(
        &mut self,
        atomic: &Atomic<'_>,
        came: &Came,
        done: &Done,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(done.outcome.lsn, strong);
        self.clerk.tally.atomics += 1;
        let include_metadata = self.request.options.include_metadata;
        let Clerk { ids, mark, .. } = &mut *self.clerk;
        let head = head(self.request, ids, done.outcome.time_us);
        let operation_id = head.operation_id;
        let (status, failure) = verdict_of(came);
        let entry = entry_of(atomic, came, include_metadata, done);
        let durability = failure.is_none().then(|| match status {
            Status::Miss => self.cache.durability(done.outcome.lsn, strong),
            _ => reached(strong),
        });
        let level = entry.as_ref().map(|_| Level::L1);
        let failure = failure.as_ref().map(|(message, code)| Failure { message, code: *code });
        let shown = Reply { status, level, durability, entry, failure, ..timed(head, mark) };
        shown.write_with(reply.out, |out| write_came(came, operation_id, out));
        Step::Done
    }
}

/// Status, and what to say where there is no success.
pub(super) fn verdict_of(came: &Came) -> (Status, Option<(String, Code)>) {
    match came {
        Came::Applied { .. } => (Status::Hit, None),
        Came::Missing | Came::Open => (Status::Miss, None),
        Came::Conflict { message, .. } => (Status::Conflict, Some((message.clone(), Code::Conflict))),
        Came::Failed { message, code, .. } => (Status::Error, Some((message.clone(), *code))),
        Came::Violated { .. } => (Status::Error, Some(("Constraint violation".to_owned(), Code::Constraint))),
    }
}

fn entry_of<'e>(
    atomic: &'e Atomic<'_>,
    came: &'e Came,
    include_metadata: bool,
    done: &Done,
) -> Option<EntryReply<'e>> {
    let Came::Applied { new, .. } = came else { return None };
    let extras = Extras::decode(&new.extras).unwrap_or_default();
    let ttl_is_float = match atomic.ttl {
        Some(ttl) => ttl.is_float,
        None => extras.ttl_is_float,
    };
    Some(EntryReply {
        namespace: &atomic.key.namespace,
        identifier: &atomic.key.identifier,
        version: &atomic.key.version,
        value: &new.value,
        created_us: new.created_us,
        access_count: 0,
        last_access_us: done.outcome.time_us,
        ttl_us: match atomic.ttl {
            Some(ttl) if atomic.kind != AtomicKind::ExtendTtl => Some(ttl.micros),
            _ => shown_ttl(new.created_us, new.expires_us, &extras),
        },
        extras: Extras { ttl_is_float, ..extras },
        include_metadata,
    })
}

/// Appends the `atomic_result` of an outcome.
pub(super) fn write_came(came: &Came, operation_id: &[u8; 36], out: &mut Vec<u8>) {
    let result = match came {
        Came::Applied { old, new } => AtomicResult::applied(old.as_deref(), &new.value),
        Came::Conflict { current, message } | Came::Failed { current, message, .. } => {
            AtomicResult::refused(current.as_deref(), message)
        }
        Came::Violated { current, violations } => AtomicResult {
            constraint_violations: violations,
            ..AtomicResult::refused(current.as_deref(), "Constraint violation")
        },
        Came::Missing | Came::Open => AtomicResult::default(),
    };
    result.write_into(operation_id, out);
}
