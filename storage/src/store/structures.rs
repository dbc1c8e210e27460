//! Structures at the front door: changing them, reading them.

use std::sync::Arc;

use super::error::Error;
use super::known::Known;
use super::operation::{Creation, Done, Operation};
use super::plan::{Planner, bounded};
use super::{Shared, Store};
use crate::limits::{EVENT_VALUE_BYTES_MAX, EXTRAS_BYTES_MAX, VALUE_BYTES_MAX};
use crate::memory::EntryRef;
use crate::record::op::Change;
use crate::record::{Lsn, Op};
use crate::structure::{Answer, Command, Family, Hot, Resolved, Structure, Verb, replacement};
use crate::table::CellSource;
use crate::tree::{NoSource, Source};

/// What a reader of structures finds under a key.
#[derive(Debug, Clone)]
pub enum Found {
    /// Nothing; the position of what says so, `Lsn::ZERO` when that is L2.
    Absent(Lsn),
    /// A plain value.
    Value(EntryRef),
    /// A structure, with the entry that names it.
    Structure(EntryRef, Structure),
}

impl Planner<'_> {
    /// Plans a command on the structure of a key.
    pub(super) fn structure(
        &mut self,
        key: &[u8],
        family: Family,
        command: &Command<'_>,
        create: Option<Creation<'_>>,
    ) -> Result<Done, Error> {
        let known = self.known(key)?;
        let Known::Present(entry) = &known else {
            return match create {
                Some(create) if command.adds() => self.create(key, family, command, &create),
                _ => Ok(self.unchanged(&known)),
            };
        };
        match entry.fields().structure() {
            Some(head) if head.family == family as u8 => self.change(key, head.id, family, command, entry),
            _ => self.convert(key, family, command, entry),
        }
    }

    fn create(
        &mut self,
        key: &[u8],
        family: Family,
        command: &Command<'_>,
        create: &Creation<'_>,
    ) -> Result<Done, Error> {
        bounded("extras", create.extras, EXTRAS_BYTES_MAX)?;
        let empty = Structure::new(family, 0, Lsn::ZERO);
        let Resolved { payload, answer, .. } = empty.resolve(command, &NoSource)?;
        // The payload of an insertion begins with the rank, which a replacement does without.
        let payload = if family == Family::List { payload.get(8..).unwrap_or_default() } else { &payload };
        let time_us = self.now.time_us;
        let expires_us = create.ttl_us.map_or(0, |ttl_us| time_us.saturating_add(ttl_us.max(1)));
        let change = Change {
            key,
            payload,
            extras: create.extras,
            id: 0,
            created_us: time_us,
            expires_us,
            changed_us: time_us,
            family: family as u8,
            verb: Verb::Replace as u8,
        };
        let len = match command {
            Command::PushBack(_) | Command::PushFront(_) | Command::Insert { .. } => answer.count,
            _ => crate::structure::payload::count_texts(payload, family),
        };
        let lsn = self.emit(&Op::Change(change))?;
        Ok(Done { structure: Some((answer, len)), ..self.done(lsn, expires_us, None) })
    }

    fn change(
        &mut self,
        key: &[u8],
        id: u64,
        family: Family,
        command: &Command<'_>,
        entry: &EntryRef,
    ) -> Result<Done, Error> {
        let (resolved, lsn, len) = self.look(id, |structure| {
            let resolved = structure.resolve(command, &NoSource)?;
            Ok((resolved, structure.lsn(), structure.len()))
        })?;
        let Resolved { verb, payload, answer } = resolved;
        let Some(verb) = verb else {
            let mut done = self.unchanged(&Known::Present(entry.clone()));
            done.outcome.lsn = done.outcome.lsn.max(lsn);
            return Ok(Done { structure: Some((answer, len)), ..done });
        };
        let written = if verb == Verb::Replace { 0 } else { id };
        let lsn = self.emit(&self.change_of(key, written, entry, family, verb, &payload))?;
        let len = if verb == Verb::Replace { 0 } else { self.look(id, |structure| Ok(structure.len()))? };
        Ok(Done { structure: Some((answer, len)), ..self.done(lsn, entry.expires_us(), Some(entry.clone())) })
    }

    /// A value, or a structure of another family, becomes one of this family before the command is carried out.
    fn convert(
        &mut self,
        key: &[u8],
        family: Family,
        command: &Command<'_>,
        entry: &EntryRef,
    ) -> Result<Done, Error> {
        let mut rendered = Vec::new();
        let text = match entry.fields().structure() {
            None => entry.value(),
            Some(head) => {
                self.render(head.id, &mut rendered)?;
                &rendered
            }
        };
        let text = std::str::from_utf8(text).unwrap_or("null");
        let content = replacement(family, text)?;
        let place = self.next_place();
        let converted = Structure::from_payload(family, place.structure_id(), place.lsn, &content)?;
        let Resolved { verb, payload, answer } = converted.resolve(command, &NoSource)?;
        let Some(verb) = verb else {
            let done = self.unchanged(&Known::Present(entry.clone()));
            return Ok(Done { structure: Some((answer, converted.len())), ..done });
        };
        let (lsn, len) = if verb == Verb::Replace {
            (self.emit(&self.change_of(key, 0, entry, family, verb, b""))?, 0)
        } else {
            let mut after = converted;
            let id = after.id();
            after.apply(place.lsn, verb, &payload, &NoSource)?;
            let first = self.change_of(key, 0, entry, family, Verb::Replace, &content);
            let second = self.change_of(key, id, entry, family, verb, &payload);
            (self.emit_both(&first, &second)?, after.len())
        };
        Ok(Done { structure: Some((answer, len)), ..self.done(lsn, entry.expires_us(), Some(entry.clone())) })
    }

    /// A change that leaves the entry's age, expiry and metadata as they are.
    fn change_of<'c>(
        &self,
        key: &'c [u8],
        id: u64,
        entry: &'c EntryRef,
        family: Family,
        verb: Verb,
        payload: &'c [u8],
    ) -> Op<'c> {
        Op::Change(Change {
            key,
            payload,
            // Only the record that makes the structure writes its entry.
            extras: if id == 0 { entry.extras() } else { b"" },
            id,
            created_us: entry.created_us(),
            expires_us: entry.expires_us(),
            changed_us: self.now.time_us,
            family: family as u8,
            verb: verb as u8,
        })
    }

    /// Shows a structure as the operations before this one leave it.
    pub(super) fn look<R>(
        &self,
        id: u64,
        look: impl FnOnce(&Structure) -> Result<R, Error>,
    ) -> Result<R, Error> {
        if let Some(structure) = self.overlay.as_ref().and_then(|overlay| overlay.structures.get(&id)) {
            return look(structure);
        }
        let hot = self.shared.pipeline.structures.get(id).ok_or(Error::Cold)?;
        hot.look(look)
    }

    /// The JSON text of a structure.
    pub(super) fn render(&self, id: u64, out: &mut Vec<u8>) -> Result<(), Error> {
        self.look(id, |structure| render(structure, out, &NoSource))
    }
}

/// What warming came to. The attempt itself tells what is wrong with a command, and what was replaced meanwhile is met
/// by it, too.
fn stale_or_refused(warmed: Result<(), Error>) -> Result<(), Error> {
    match warmed {
        Err(error) if error.is_request() || error.is_stale() => Ok(()),
        warmed => warmed,
    }
}

fn render<S: Source>(structure: &Structure, out: &mut Vec<u8>, source: &S) -> Result<(), Error>
where
    Error: From<S::Error>,
{
    if structure.write_text(out, VALUE_BYTES_MAX, source)? {
        return Ok(());
    }
    Err(Error::TooLarge { what: "value", bytes: out.len(), bytes_max: VALUE_BYTES_MAX })
}

impl Store {
    /// What a key holds, as far as memory knows: no I/O. [`Error::Cold`] when L2 must be asked: [`Store::find`].
    /// Members of the structure may still be in their cells: see [`Store::cells`].
    pub fn peek(&self, key: &[u8], now_us: u64) -> Result<Found, Error> {
        let pipeline = &self.shared.pipeline;
        let entry = match pipeline.get_whole(key, now_us) {
            Some(entry) => entry,
            None if pipeline.table.may_hold(key) => return Err(Error::Cold),
            None => return Ok(Found::Absent(Lsn::ZERO)),
        };
        let found = self.found(entry, now_us, |id| pipeline.structures.get(id).ok_or(Error::Cold))?;
        // A structure whose entry was replaced meanwhile may not be the one that was there last.
        let current = || pipeline.peek_whole(key);
        if self.is_current(&found, current) { Ok(found) } else { Err(Error::Cold) }
    }

    /// What a key holds. Blocks for reads of L2.
    pub fn find(&self, key: &[u8]) -> Result<Found, Error> {
        loop {
            let now_us = self.now_us();
            let Some(entry) = self.get(key)? else {
                return match self.peek(key, now_us) {
                    Ok(Found::Absent(lsn)) => Ok(Found::Absent(lsn)),
                    Err(Error::Cold) => Ok(Found::Absent(Lsn::ZERO)),
                    _ => continue,
                };
            };
            let found = match self.found(entry, now_us, |id| self.shared.load(id)) {
                // Replaced between the look at the entry and the look at its cells.
                Err(Error::Cold) => continue,
                found => found?,
            };
            let again = self.get(key)?;
            if self.is_current(&found, || again) {
                return Ok(found);
            }
        }
    }

    fn found(
        &self,
        entry: EntryRef,
        now_us: u64,
        hot: impl FnOnce(u64) -> Result<Arc<Hot>, Error>,
    ) -> Result<Found, Error> {
        let fields = entry.fields();
        if let Some(observed) = self.shared.hidden_by(&fields, now_us) {
            return Ok(Found::Absent(observed));
        }
        match fields.structure() {
            None => Ok(Found::Value(entry)),
            Some(head) => {
                let hot = hot(head.id)?;
                let mut structure = hot.view();
                // Changed in place by a batch, whose rest may still be to come.
                while self.shared.pipeline.is_partial(structure.lsn()) {
                    self.shared.pipeline.wait_whole();
                    structure = hot.view();
                }
                Ok(Found::Structure(entry, structure))
            }
        }
    }

    fn is_current(&self, found: &Found, current: impl FnOnce() -> Option<EntryRef>) -> bool {
        let Found::Structure(_, structure) = found else { return true };
        let head = current().and_then(|entry| entry.fields().structure());
        head.is_some_and(|head| head.id == structure.id())
    }

    /// The cells of a structure, for reads of members that are not in memory. Blocks. A structure that was found a
    /// while ago may be of an earlier time than its cells: an error then says so, and the key is to be found anew.
    #[must_use]
    pub fn cells(&self, id: u64) -> CellSource<'_> {
        CellSource::new(&self.shared.pipeline.table, id)
    }

    /// Counts what a source has read for a structure against the memory of structures.
    pub fn count_loaded(&self, source: &CellSource<'_>, id: u64) {
        let structures = &self.shared.pipeline.structures;
        if let Some(hot) = structures.get(id) {
            structures.grew(&hot, source.loaded_bytes());
        }
    }

    /// Brings into memory what an operation on a structure will touch. Blocks.
    pub(super) fn warm(&self, operation: &Operation<'_>) -> Result<(), Error> {
        let (operation, witness) = operation.unwrapped();
        if let Operation::Look { key, look } = *operation {
            return stale_or_refused(self.warm_look(key, look));
        }
        let Found::Structure(_, structure) = self.find(operation.key())? else { return Ok(()) };
        let witnessed = witness.is_some() || self.shared.options.event_values;
        if witnessed && structure.bytes() <= EVENT_VALUE_BYTES_MAX as u64 {
            return self.warm_whole(operation.key());
        }
        let source = self.cells(structure.id());
        let warmed = match operation {
            Operation::Structure { family, command, .. } if *family == structure.family() => {
                structure.resolve(command, &source).map(|_| ()).map_err(Error::from)
            }
            Operation::Structure { .. } | Operation::Update { .. } => {
                render(&structure, &mut Vec::new(), &source)
            }
            _ => Ok(()),
        };
        self.count_loaded(&source, structure.id());
        stale_or_refused(warmed)
    }

    /// Brings the whole structure of a key into memory. Blocks.
    pub(super) fn warm_whole(&self, key: &[u8]) -> Result<(), Error> {
        let Found::Structure(_, structure) = self.find(key)? else { return Ok(()) };
        let source = self.cells(structure.id());
        let loaded = structure.load(&source).map_err(Error::from);
        self.count_loaded(&source, structure.id());
        match loaded {
            Err(error) if error.is_stale() => Ok(()),
            loaded => loaded,
        }
    }

    /// Changes the structure of a key, as [`Store::stage`] does; also tells what the command found.
    pub fn stage_structure(
        &self,
        key: &[u8],
        family: Family,
        command: Command<'_>,
        create: Option<Creation<'_>>,
    ) -> Result<(Done, Answer, u64), Error> {
        let done = self.stage(&Operation::Structure { key, family, command, create })?;
        let (answer, len) = done.structure.clone().unwrap_or_default();
        Ok((done, answer, len))
    }
}

impl Shared {
    /// A structure in memory, loaded when it is not. [`Error::Cold`] when it has no cells: its entry has been replaced.
    pub(super) fn load(&self, id: u64) -> Result<Arc<Hot>, Error> {
        let pipeline = &self.pipeline;
        loop {
            if let Some(hot) = pipeline.structures.get(id) {
                return Ok(hot);
            }
            // One loads, the others wait: only so can nobody change and let go of it in between.
            if let Some(_flight) = self.flights.board(&id.to_be_bytes()) {
                let loaded = crate::write::structures::load(&pipeline.structures, &pipeline.table, id)?;
                return loaded.ok_or(Error::Cold);
            }
        }
    }

    /// Lets clean structures go while there are too many.
    pub(super) fn shrink_structures(&self) {
        const SHARDS_AT_A_TIME: usize = 128;
        for _ in 0..SHARDS_AT_A_TIME {
            if !self.pipeline.structures.is_crowded() {
                return;
            }
            let _inner = self.pipeline.inner.lock();
            self.pipeline.structures.make_room();
        }
    }
}
