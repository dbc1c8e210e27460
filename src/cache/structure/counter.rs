//! Counters: plain numbers under the names of structures.

use std::cell::RefCell;

use mpreg_storage::json;
use mpreg_storage::record::{Cause, EntryFields};
use mpreg_storage::store::{Done, Error, Found, NewVersion, Operation, Update, Verdict};

use super::Told;
use crate::cache::Desk;
use crate::protocol::cache::{Code, CounterVerb, Status, Structure};
use crate::session::{self, Step};

/// Why a counter is not counted.
type Refused = (Code, String);
/// What to tell of a counter, and its value.
type Counted = Result<(Told, Vec<u8>), Refused>;
/// The new number, if there is one.
type Number = Result<Option<Vec<u8>>, Refused>;

/// One change of a counter.
pub(in crate::cache) struct Count<'a> {
    verb: CounterVerb<'a>,
    create: bool,
    ttl_us: Option<u64>,
    extras: Vec<u8>,
    came: RefCell<Number>,
}

impl<'a> Count<'a> {
    pub(in crate::cache) fn new(asked: &Structure<'a>, verb: &CounterVerb<'a>) -> Count<'a> {
        let mut extras = Vec::new();
        let metadata = asked.metadata.as_deref();
        let encoded = match metadata {
            Some(metadata) => metadata.encode_into(asked.key.tags, &mut extras),
            None => crate::protocol::cache::Metadata::default().encode_into(asked.key.tags, &mut extras),
        };
        if encoded.is_err() {
            extras.clear();
        }
        Count {
            verb: *verb,
            create: asked.create_if_missing,
            ttl_us: metadata.and_then(|metadata| metadata.ttl).map(|ttl| ttl.micros),
            extras,
            came: RefCell::new(Ok(None)),
        }
    }

    fn next(&self, current: &str) -> Result<Vec<u8>, json::NumberFault> {
        let mut out = Vec::new();
        match self.verb {
            CounterVerb::Increment(by) => json::add(current, by.text(), &mut out)?,
            CounterVerb::Decrement(by) => json::subtract(current, by.text(), &mut out)?,
            // What is there must be a number all the same.
            CounterVerb::Set(to) => {
                json::add(current, "0", &mut Vec::new())?;
                out.extend_from_slice(to.text().as_bytes());
            }
            CounterVerb::Reset | CounterVerb::Get => {
                json::add(current, "0", &mut Vec::new())?;
                out.push(b'0');
            }
        }
        Ok(out)
    }

    fn judge(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Result<Verdict, (Code, String)> {
        let reads = matches!(self.verb, CounterVerb::Get);
        if current.is_none() && (reads || !self.create) {
            *self.came.borrow_mut() = Ok(None);
            return Ok(Verdict::Keep);
        }
        let text = current.map_or("0", |fields| std::str::from_utf8(fields.value).unwrap_or("null"));
        let value = self.next(text).map_err(|fault| match fault {
            json::NumberFault::NotNumeric => (Code::WrongType, "Wrong type for counter".to_owned()),
            fault => (Code::BadRequest, fault.to_string()),
        })?;
        if reads {
            *self.came.borrow_mut() = Ok(Some(text.as_bytes().to_vec()));
            return Ok(Verdict::Keep);
        }
        *self.came.borrow_mut() = Ok(Some(value.clone()));
        let fresh_us = self.ttl_us.map_or(0, |ttl_us| now_us.saturating_add(ttl_us));
        Ok(Verdict::Store(NewVersion {
            value,
            extras: current.map_or_else(|| self.extras.clone(), |fields| fields.extras.to_vec()),
            created_us: current.map(|fields| fields.created_us),
            expires_us: current.map_or(fresh_us, |fields| fields.expires_us),
            cause: Cause::Counter,
        }))
    }

    /// Why it could not be counted, if that was tried.
    pub(in crate::cache) fn refused(&self) -> Option<Refused> {
        self.came.borrow().clone().err()
    }

    /// The result of a counter's change, for whoever writes it: the error, or what to tell.
    pub(in crate::cache) fn told(&self, done: &Done) -> Counted {
        let exists = done.previous.is_some();
        let value = self.came.borrow().clone()?;
        let status = Some(if value.is_some() { Status::Hit } else { Status::Miss });
        let size = u64::from(value.is_some());
        let told = Told { lsn: done.outcome.lsn, status, size, exists, ..Told::default() };
        Ok((told, value.unwrap_or_else(|| b"null".to_vec())))
    }
}

impl Update for Count<'_> {
    fn decide(&self, current: Option<&EntryFields<'_>>, now_us: u64) -> Verdict {
        self.judge(current, now_us).unwrap_or_else(|refused| {
            *self.came.borrow_mut() = Err(refused);
            Verdict::Keep
        })
    }

    fn grows_by(&self) -> usize {
        64 + self.extras.len()
    }
}

impl Desk<'_> {
    pub(super) fn counter(
        &mut self,
        asked: &Structure<'_>,
        verb: &CounterVerb<'_>,
        key: &[u8],
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let answered = match verb {
            CounterVerb::Get => self.count(key),
            verb => self.count_up(asked, verb, key),
        };
        match answered {
            Ok(Ok((told, value))) => self.tell(&told, &value, reply),
            Ok(Err((code, message))) => self.tell_failure(code, &message, reply),
            Err(Error::Cold) => Step::Cold,
            Err(error) if error.is_busy() => Step::Busy,
            Err(error) => self.fail(&error, reply),
        }
    }

    fn count_up(
        &mut self,
        asked: &Structure<'_>,
        verb: &CounterVerb<'_>,
        key: &[u8],
    ) -> Result<Counted, Error> {
        let count = Count::new(asked, verb);
        let operation = Operation::Update { key, update: &count };
        let done = self.stage(&operation)?;
        Ok(count.told(&done))
    }

    fn count(&self, key: &[u8]) -> Result<Counted, Error> {
        let (lsn, value) = match self.found(key)? {
            Found::Absent(lsn) => {
                let told = Told { lsn, status: Some(Status::Miss), ..Told::default() };
                return Ok(Ok((told, b"null".to_vec())));
            }
            Found::Structure(..) => return Ok(Err((Code::WrongType, "Wrong type for counter".to_owned()))),
            Found::Value(entry) => (entry.lsn(), entry.value().to_vec()),
        };
        let number = json::add(std::str::from_utf8(&value).unwrap_or("null"), "0", &mut Vec::new());
        if number.is_err() {
            return Ok(Err((Code::WrongType, "Wrong type for counter".to_owned())));
        }
        Ok(Ok((Told { lsn, size: 1, exists: true, ..Told::default() }, value)))
    }
}
