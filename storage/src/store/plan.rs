//! From operations to resolved records, under the core lock.
//!
//! A planner looks at what is there, decides, and *emits* records: a single operation is staged at once; in a batch
//! records gather in one body, and what they do is kept beside the state (an [`Overlay`]) for the operations behind
//! them, so that the whole can still be given up.

use std::collections::HashMap;

use super::Shared;
use super::error::Error;
use super::known::{FromTable, Known};
use super::operation::{Done, NewVersion, Operation, Outcome, Update, Verdict};
use crate::limits::{BATCH_BYTES_MAX, EXTRAS_BYTES_MAX, VALUE_BYTES_MAX};
use crate::memory::EntryRef;
use crate::record::op::{self, Batch, Delete, Put, Remove, Touch};
use crate::record::{Cause, EntryFields, Lsn, Op};
use crate::state::{self, Place};
use crate::structure::Structure;
use crate::write::pipeline::{Inner, Now};

/// What the operations of a batch have done so far, for those behind them.
#[derive(Debug, Default)]
pub(super) struct Overlay {
    pub(super) entries: HashMap<Box<[u8]>, EntryRef>,
    pub(super) structures: HashMap<u64, Structure>,
    /// The records.
    body: Vec<u8>,
    count: u32,
}

/// Decides under the core lock.
pub(super) struct Planner<'a> {
    pub(super) shared: &'a Shared,
    pub(super) inner: &'a mut Inner,
    pub(super) now: Now,
    pub(super) from_table: &'a [FromTable],
    /// In a batch.
    pub(super) overlay: Option<Overlay>,
}

impl Planner<'_> {
    /// Plans one operation and emits its records. What is witnessed must be in a batch.
    pub(super) fn plan(&mut self, operation: &Operation<'_>) -> Result<Done, Error> {
        match operation.unwrapped() {
            (operation, None) if !self.shared.options.event_values => self.plan_plain(operation),
            (operation, witness) => self.plan_witnessed(operation, witness),
        }
    }

    pub(super) fn plan_plain(&mut self, operation: &Operation<'_>) -> Result<Done, Error> {
        match *operation {
            Operation::Put { key, value, ttl_us, extras } => self.put(key, value, ttl_us, extras),
            Operation::Delete { key } => self.remove(key, Cause::Plain),
            Operation::Remove { key, cause } => self.remove(key, cause),
            Operation::Update { key, update } => self.update(key, update),
            Operation::Look { key, look } => self.look_at(key, look),
            Operation::Structure { key, family, command, create } => {
                self.structure(key, family, &command, create)
            }
            Operation::Witnessed { .. } => Err(Error::GivenUp),
        }
    }

    fn put(&mut self, key: &[u8], value: &[u8], ttl_us: Option<u64>, extras: &[u8]) -> Result<Done, Error> {
        // What is there is of interest only where its marks must be taken back.
        let marked = self.inner.dirty.marks.any() || !extras.is_empty();
        let previous = if marked { self.known(key)?.entry().cloned() } else { None };
        let time_us = self.now.time_us;
        let expires_us = ttl_us.map_or(0, |ttl_us| time_us.saturating_add(ttl_us.max(1)));
        let put = Put { key, value, extras, created_us: time_us, expires_us };
        let lsn = self.emit(&Op::Put(put))?;
        Ok(self.done(lsn, expires_us, previous))
    }

    fn remove(&mut self, key: &[u8], cause: Cause) -> Result<Done, Error> {
        let known = self.known(key)?;
        let Known::Present(entry) = known else { return Ok(self.unchanged(&known)) };
        let removed_us = self.now.time_us;
        let op = match cause {
            Cause::Plain => Op::Delete(Delete { key, deleted_us: removed_us }),
            cause => Op::Remove(Remove { key, removed_us, cause: cause as u8 }),
        };
        let lsn = self.emit(&op)?;
        Ok(self.done(lsn, 0, Some(entry)))
    }

    fn update(&mut self, key: &[u8], update: &dyn Update) -> Result<Done, Error> {
        let known = self.known(key)?;
        update.sees(known.observed());
        let verdict = match known.entry() {
            None => update.decide(None, self.now.time_us),
            Some(entry) => {
                let mut text = Vec::new();
                let fields = self.shown(entry, &mut text)?;
                update.decide(Some(&fields), self.now.time_us)
            }
        };
        match verdict {
            Verdict::Keep => Ok(self.unchanged(&known)),
            // What nobody sees any more is not brought back.
            Verdict::Touch { .. } if known.entry().is_none() => Ok(self.unchanged(&known)),
            Verdict::Store(version) => self.store(key, &version, known),
            Verdict::Touch { expires_us, cause } => {
                let touched_us = self.now.time_us;
                let touch = Touch { key, expires_us, touched_us, cause: cause as u8 };
                let lsn = self.emit(&Op::Touch(touch))?;
                Ok(self.done(lsn, expires_us, known.entry().cloned()))
            }
            Verdict::Remove(cause) => self.remove(key, cause),
        }
    }

    fn store(&mut self, key: &[u8], version: &NewVersion, known: Known) -> Result<Done, Error> {
        bounded("value", &version.value, VALUE_BYTES_MAX)?;
        bounded("extras", &version.extras, EXTRAS_BYTES_MAX)?;
        let update = op::Update {
            key,
            value: &version.value,
            extras: &version.extras,
            created_us: version.created_us.unwrap_or(self.now.time_us),
            expires_us: version.expires_us,
            updated_us: self.now.time_us,
            cause: version.cause as u8,
        };
        let lsn = self.emit(&Op::Update(update))?;
        Ok(self.done(lsn, version.expires_us, known.entry().cloned()))
    }

    /// Keeps the answer of a batch. One that no entry has room for gives the batch up.
    pub(super) fn keep(&mut self, key: &[u8], value: &[u8], expires_us: u64) -> Result<Lsn, Error> {
        bounded("answer to be kept", value, VALUE_BYTES_MAX)?;
        let time_us = self.now.time_us;
        self.emit(&Op::Update(op::Update {
            key,
            value,
            extras: b"",
            created_us: time_us,
            expires_us,
            updated_us: time_us,
            cause: Cause::Internal as u8,
        }))
    }

    /// An entry with its value as JSON text, whatever it is.
    fn shown<'e>(&mut self, entry: &'e EntryRef, text: &'e mut Vec<u8>) -> Result<EntryFields<'e>, Error> {
        let fields = entry.fields();
        let Some(head) = fields.structure() else { return Ok(fields) };
        self.render(head.id, text)?;
        Ok(EntryFields { value: text, ..fields })
    }

    /// What is there of a key, the operations before this one included.
    pub(super) fn known(&self, key: &[u8]) -> Result<Known, Error> {
        let now_us = self.now.time_us;
        let Some(entry) = self.overlay.as_ref().and_then(|overlay| overlay.entries.get(key)) else {
            return self.shared.known(key, now_us, self.from_table);
        };
        Ok(match self.shared.hidden_by(&entry.fields(), now_us) {
            Some(observed) => Known::Absent { observed },
            None => Known::Present(entry.clone()),
        })
    }

    /// The number that a structure made by the next record gets.
    pub(super) fn next_place(&self) -> Place {
        let part = self.overlay.as_ref().map_or(0, |overlay| overlay.count);
        Place { lsn: self.inner.core.positions().next, part: u16::try_from(part).unwrap_or(u16::MAX) }
    }

    /// Logs a record and applies it; in a batch, puts it with the others.
    pub(super) fn emit(&mut self, op: &Op<'_>) -> Result<Lsn, Error> {
        let place = self.next_place();
        if let Some(overlay) = &mut self.overlay {
            op::encode_into(0, op, &mut overlay.body);
            overlay.count += 1;
            bounded("batch", &overlay.body, BATCH_BYTES_MAX)?;
            return self.lay_over(place, op).map(|()| place.lsn);
        }
        let pipeline = &self.shared.pipeline;
        let needed = self.inner.core.pending_bytes() + op::encoded_bytes_max(op);
        if !pipeline.log.has_room(needed as u64) {
            // A structure that is converted shows its size only now.
            return Err(Error::Cramped { bytes: needed as u64 });
        }
        Ok(pipeline.stage(self.inner, self.now, op))
    }

    /// Two records that belong together.
    pub(super) fn emit_both(&mut self, first: &Op<'_>, second: &Op<'_>) -> Result<Lsn, Error> {
        if self.overlay.is_some() {
            self.emit(first)?;
            return self.emit(second);
        }
        let mut body = Vec::new();
        op::encode_into(0, first, &mut body);
        op::encode_into(0, second, &mut body);
        bounded("batch", &body, BATCH_BYTES_MAX)?;
        self.emit(&Op::Batch(Batch { body: &body, count: 2 }))
    }

    /// Ends a batch: all of its records as one.
    pub(super) fn commit(mut self) -> Result<Lsn, Error> {
        let overlay = self.overlay.take().unwrap_or_default();
        let next = self.inner.core.positions().next;
        match overlay.count {
            0 => Ok(next.prev()),
            1 if let Some(Ok(only)) = op::Records::new(&overlay.body).next() => self.emit(&only.op),
            _ => self.emit(&Op::Batch(Batch { body: &overlay.body, count: overlay.count })),
        }
    }

    fn lay_over(&mut self, place: Place, op: &Op<'_>) -> Result<(), Error> {
        let overlay = self.overlay.take().unwrap_or_default();
        let mut view = super::overlay::OverlayView { shared: self.shared, overlay };
        let applied = state::apply_at(place, op, &mut view);
        self.overlay = Some(view.overlay);
        applied
    }

    pub(super) fn done(&self, lsn: Lsn, expires_us: u64, previous: Option<EntryRef>) -> Done {
        let outcome = Outcome { lsn, changed: true, time_us: self.now.time_us, expires_us };
        Done { outcome, previous, structure: None }
    }

    pub(super) fn unchanged(&self, known: &Known) -> Done {
        let entry = known.entry();
        let outcome = Outcome {
            lsn: known.observed(),
            changed: false,
            time_us: self.now.time_us,
            expires_us: entry.map_or(0, |entry| entry.expires_us()),
        };
        Done { outcome, previous: entry.cloned(), structure: None }
    }
}

/// Log bytes an operation may need, from what is in memory now.
pub(super) fn log_bytes(shared: &Shared, operation: &Operation<'_>) -> usize {
    let there = |key: &[u8]| {
        let entry = shared.pipeline.memory.peek(key);
        entry.map_or(0, |entry| entry.value().len() + entry.extras().len())
    };
    let payload = match operation {
        Operation::Put { value, extras, .. } => value.len() + extras.len(),
        Operation::Delete { .. } | Operation::Remove { .. } | Operation::Look { .. } => 0,
        Operation::Witnessed { operation, .. } => {
            log_bytes(shared, operation) + 2 * there(operation.key()) + op::RECORD_OVERHEAD_BYTES
        }
        Operation::Update { key, update } => there(key) + update.grows_by(),
        // A value that becomes a structure is logged whole, each element with its length.
        Operation::Structure { key, command, create, .. } => {
            let extras = create.map_or(0, |create| create.extras.len());
            3 * there(key) + command.payload_bytes() + extras
        }
    };
    operation.key().len() * 2 + payload + 3 * op::RECORD_OVERHEAD_BYTES
}

pub(super) fn bounded(what: &'static str, bytes: &[u8], bytes_max: usize) -> Result<(), Error> {
    let bytes = bytes.len();
    if bytes > bytes_max { Err(Error::TooLarge { what, bytes, bytes_max }) } else { Ok(()) }
}
