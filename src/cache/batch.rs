//! `batch`: several operations as one record, all or none; and numbered writes, which happen once however often they
//! are sent: the answer is kept in the same record as the write.

use std::borrow::Cow;
use std::cell::RefCell;

use mpreg_storage::memory::EntryRef;
use mpreg_storage::record::{Extras, Key, Lsn};
use mpreg_storage::store::{
    BatchError, Batched, Done, Error as StoreError, Look, Members, Once, Operation as StoreOperation, Seen,
};

use crate::cache::atomic::{Came, Run, is_negative, verdict_of, write_came};
use crate::cache::constraints::parse_constraints;
use crate::cache::failure::named;
use crate::cache::notify::Notice;
use crate::cache::put::shown_ttl;
use crate::cache::structure::{self, Arguments, Count, Lists, StructureLook};
use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::limits::RETRY_KEPT_US;
use crate::protocol::Error;
use crate::protocol::cache::{
    Batch, BatchResult, Client, Code, Command, EntryReply, Failure, KeyText, Put, Reply, Status, Verb,
};
use crate::session::{self, Step};

/// Namespace of the answers that are kept.
const NAMESPACE: &str = "mpreg.retry";

/// One operation of a batch, prepared.
enum Part<'a> {
    Get {
        key: &'a KeyText<'a>,
        encoded: Vec<u8>,
        look: EntryLook,
    },
    Put {
        put: &'a Put<'a>,
        key: Vec<u8>,
        ttl_us: Option<u64>,
        extras: Vec<u8>,
    },
    Delete(Vec<u8>),
    Atomic {
        run: Run<'a>,
        key: Vec<u8>,
    },
    Counter {
        count: Count<'a>,
        key: Vec<u8>,
    },
    Structure {
        asked: &'a crate::protocol::cache::Structure<'a>,
        key: Vec<u8>,
        arguments: Arguments<'a>,
        extras: Vec<u8>,
    },
    /// A verb that only reads.
    Read {
        look: StructureLook<'a>,
        key: Vec<u8>,
    },
}

/// A get in a batch: the text of a structure, if it is one.
#[derive(Default)]
struct EntryLook {
    text: RefCell<Option<Vec<u8>>>,
}

impl Look for EntryLook {
    fn look(&self, seen: &[Seen], members: &Members<'_>) -> Result<(), StoreError> {
        self.text.take();
        if let Some(structure) = seen.first().and_then(|seen| seen.structure.as_ref()) {
            let mut text = Vec::new();
            structure::render(structure, &members.of(structure), &mut text)?;
            self.text.replace(Some(text));
        }
        Ok(())
    }
}

impl<'a> Part<'a> {
    fn new(command: &'a Command<'a>, desk: &mut Desk<'_>) -> Result<Part<'a>, Error> {
        let encoded = |key: &KeyText<'_>| {
            let mut out = Vec::new();
            key.encode_into(&mut out).map(|()| out)
        };
        Ok(match command {
            Command::Get(key) => Part::Get { key, encoded: encoded(key)?, look: EntryLook::default() },
            Command::Delete(key) => Part::Delete(encoded(key)?),
            Command::Put(put) => {
                let violations = parse_constraints(put.constraints)?.violations(put.value);
                if !violations.is_empty() {
                    let why = format!("Constraint violation: {}", violations.join("; "));
                    return Err(Error::Invalid { path: "constraints", why });
                }
                let life = desk.prepare(put)?;
                let extras = desk.clerk.extras.clone();
                Part::Put { put, key: encoded(&put.key)?, ttl_us: life.ttl_us, extras }
            }
            Command::Atomic(atomic) => Part::Atomic { run: Run::new(atomic)?, key: encoded(&atomic.key)? },
            Command::Structure(asked) => match &asked.verb {
                Verb::Counter(verb) => {
                    Part::Counter { count: Count::new(asked, verb), key: encoded(&asked.key)? }
                }
                verb if verb.writes() => {
                    let extras = structure::creation_extras(asked)?;
                    let (key, arguments) = (encoded(&asked.key)?, Arguments::of(verb));
                    Part::Structure { asked, key, arguments, extras }
                }
                _ => Part::Read { look: StructureLook::new(asked)?, key: encoded(&asked.key)? },
            },
            _ => return Err(Error::NotSupported("this operation in a batch is")),
        })
    }

    fn lists(&self) -> Option<Lists<'_>> {
        match self {
            Part::Structure { arguments, .. } => Some(arguments.lists()),
            _ => None,
        }
    }

    fn operation<'o>(&'o self, lists: Option<&'o Lists<'o>>) -> Option<StoreOperation<'o>> {
        Some(match self {
            Part::Get { encoded, look, .. } => StoreOperation::Look { key: encoded, look },
            Part::Read { look, key } => StoreOperation::Look { key, look },
            Part::Put { put, key, ttl_us, extras } => {
                StoreOperation::Put { key, value: put.value.as_bytes(), ttl_us: *ttl_us, extras }
            }
            Part::Delete(key) => StoreOperation::Delete { key },
            Part::Atomic { run, key } => StoreOperation::Update { key, update: run },
            Part::Counter { count, key } => StoreOperation::Update { key, update: count },
            Part::Structure { asked, key, extras, .. } => StoreOperation::Structure {
                key,
                family: structure::family(asked.verb.family())?,
                command: lists?.command(&asked.verb)?,
                create: structure::creation(asked, extras),
            },
        })
    }

    /// How the operation ended; `Err` gives the batch up.
    fn status(&self, done: &Done) -> Result<Status, Status> {
        match self {
            Part::Get { .. } => {
                let found = done.previous.as_ref().is_some_and(|entry| !is_negative(&entry.fields()));
                Ok(if found { Status::Hit } else { Status::Miss })
            }
            Part::Put { .. } => Ok(Status::Hit),
            Part::Delete(_) => Ok(if done.outcome.changed { Status::Hit } else { Status::Miss }),
            Part::Atomic { run, .. } => {
                let (status, _) = verdict_of(&run.came.borrow());
                if status.is_success() { Ok(status) } else { Err(status) }
            }
            Part::Counter { count, .. } => match count.told(done) {
                Ok((told, _)) => Ok(told.status.unwrap_or(Status::Hit)),
                Err(_) => Err(Status::Error),
            },
            // A miss of what only reads is an answer.
            Part::Structure { .. } | Part::Read { .. } => Ok(Status::Hit),
        }
    }

    /// Appends the members of the operation's result; answers its status.
    fn write(&self, done: &Done, operation_id: &[u8; 36], out: &mut Vec<u8>) -> Status {
        match self {
            Part::Get { key, look, .. } => {
                let text = look.text.borrow();
                write_found(key, done.previous.as_ref(), text.as_deref(), out)
            }
            Part::Atomic { run, .. } => {
                let came = run.came.borrow();
                write_came(&came, operation_id, out);
                verdict_of(&came).0
            }
            Part::Counter { count, .. } => structure::write_counted(count, done, operation_id, out),
            Part::Structure { asked, .. } => structure::write_done(&asked.verb, done, operation_id, out),
            Part::Read { look, .. } => look.write(operation_id, out),
            Part::Put { .. } | Part::Delete(_) => self.status(done).unwrap_or(Status::Error),
        }
    }
}

/// Appends the entry of a get; `text` is what it shows of a structure.
fn write_found(
    key: &KeyText<'_>,
    entry: Option<&EntryRef>,
    text: Option<&[u8]>,
    out: &mut Vec<u8>,
) -> Status {
    let Some(entry) = entry.filter(|entry| !is_negative(&entry.fields())) else { return Status::Miss };
    let fields = entry.fields();
    let extras = Extras::decode(fields.extras).unwrap_or_default();
    let shown = EntryReply {
        namespace: &key.namespace,
        identifier: &key.identifier,
        version: &key.version,
        value: text.unwrap_or(fields.value),
        created_us: fields.created_us,
        access_count: fields.access_count.into(),
        last_access_us: fields.last_access_us,
        ttl_us: shown_ttl(fields.created_us, fields.expires_us, &extras),
        extras,
        include_metadata: true,
    };
    shown.write_into(out);
    Status::Hit
}

impl Desk<'_> {
    pub(super) fn batch(&mut self, batch: &Batch<'_>, reply: &mut session::Reply<'_>) -> Step {
        let mut parts = Vec::with_capacity(batch.operations.len());
        for (index, command) in batch.operations.iter().enumerate() {
            match Part::new(command, self) {
                Ok(part) => parts.push(part),
                Err(error) => {
                    let error = Error::InBatch { index, error: Box::new(error) };
                    return self.refuse(&error, reply);
                }
            }
        }
        self.run(&batch.operations, &parts, true, reply)
    }

    /// A single write that carries its sender's number.
    pub(super) fn numbered(&mut self, command: &Command<'_>, reply: &mut session::Reply<'_>) -> Step {
        if let Command::Batch(batch) = command {
            return self.batch(batch, reply);
        }
        match Part::new(command, self) {
            Ok(part) => self.run(std::slice::from_ref(command), &[part], false, reply),
            Err(error) => self.refuse(&error, reply),
        }
    }

    fn run(
        &mut self,
        commands: &[Command<'_>],
        parts: &[Part<'_>],
        is_batch: bool,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let lists: Vec<Option<Lists<'_>>> = parts.iter().map(Part::lists).collect();
        let operations: Option<Vec<StoreOperation<'_>>> =
            parts.iter().zip(&lists).map(|(part, lists)| part.operation(lists.as_ref())).collect();
        let Some(operations) = operations else {
            return self.refuse(&Error::NotSupported("this operation in a batch is"), reply);
        };
        let notices: Result<Vec<Option<Notice<'_>>>, Error> =
            commands.iter().map(|command| Notice::of(&self.request.options, command)).collect();
        let notices = match notices {
            Ok(notices) => notices,
            Err(error) => return self.refuse(&error, reply),
        };
        if let Some(announcer) = &self.cache.announcer
            && notices.iter().flatten().any(Notice::is_announced)
        {
            announcer.expect();
        }
        let told = operations.iter().zip(&notices).map(|(operation, notice)| match notice {
            None => *operation,
            Some(witness) => StoreOperation::Witnessed { operation, witness },
        });
        let operations: Vec<StoreOperation<'_>> = told.collect();
        let judge = |done: &[Done]| {
            for (index, (part, done)) in parts.iter().zip(done).enumerate() {
                // Alone, an operation that does not apply is an answer like another; among others it gives all up.
                if is_batch && part.status(done).is_err() {
                    return Err(BatchError { index, error: StoreError::GivenUp });
                }
            }
            Ok(())
        };
        let operation_id = *self.clerk.ids.next_id();
        let answer = |done: &[Done]| {
            let mut out = Vec::new();
            let status = write_answer(commands, parts, done, is_batch, &operation_id, &mut out);
            kept(status, &out)
        };
        let key = match self.request.client.as_deref().map(retry_key).transpose() {
            Ok(key) => key,
            Err(error) => return self.refuse(&error.into(), reply),
        };
        let once =
            key.as_ref().map(|key| Once { key: key.as_bytes(), ttl_us: RETRY_KEPT_US, answer: &answer });
        let store = &self.cache.store;
        let staged = match (&once, self.patience) {
            (None, Patience::None) => store.stage_batch(&operations, &judge).map(Batched::Done),
            (None, Patience::Blocking) => store.stage_batch_blocking(&operations, &judge).map(Batched::Done),
            (Some(once), Patience::None) => store.stage_once(&operations, &judge, once),
            (Some(once), Patience::Blocking) => store.stage_once_blocking(&operations, &judge, once),
        };
        match staged {
            Ok(Batched::Done(batch)) => {
                let mut out = Vec::new();
                let status = write_answer(commands, parts, &batch.done, is_batch, &operation_id, &mut out);
                let time_us = batch.done.first().map_or(self.clerk.now_us, |done| done.outcome.time_us);
                self.tell_answer(status, &out, batch.lsn, time_us, false, &operation_id, reply)
            }
            Ok(Batched::Before(entry)) => self.tell_before(&entry, &operation_id, reply),
            Err(failed) => self.give_batch_up(commands, parts, failed, &operation_id, reply),
        }
    }

    fn give_batch_up(
        &mut self,
        commands: &[Command<'_>],
        parts: &[Part<'_>],
        failed: BatchError,
        operation_id: &[u8; 36],
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let BatchError { index, error } = failed;
        let came = match &parts[index.min(parts.len() - 1)] {
            Part::Atomic { run, .. } => Some(run.came.borrow().clone()).filter(|came| *came != Came::Open),
            _ => None,
        };
        let refused = came.as_ref().map(verdict_of).filter(|(status, _)| !status.is_success());
        match (&error, &refused) {
            (StoreError::Cold, _) if self.patience == Patience::None => return Step::Cold,
            (error, _) if error.is_busy() => return Step::Busy,
            (error, None)
                if error.is_fatal()
                    || commands.len() == 1 && !matches!(self.request.command, Command::Batch(_)) =>
            {
                return self.fail_part(&parts[0], error, reply);
            }
            _ => {}
        }
        let (status, (message, code)) = match refused {
            Some((status, why)) => (status, why.unwrap_or((String::new(), Code::Conflict))),
            None => {
                let (code, message) = self.name_part(&parts[index.min(parts.len() - 1)], &error);
                (Status::Error, (message, code))
            }
        };
        let message = format!("operation {index}: {message}");
        let operation = commands[index.min(commands.len() - 1)].operation();
        let Clerk { ids, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        Reply::failure(head, status, Failure { message: &message, code }).write_with(reply.out, |out| {
            BatchResult::write_failure(index, operation, status, out, |out| {
                if let Some(came) = &came {
                    write_came(came, operation_id, out);
                }
            });
        });
        Step::Done
    }

    fn name_part(&self, part: &Part<'_>, error: &StoreError) -> (Code, String) {
        match (part, error) {
            (Part::Structure { asked, .. }, StoreError::Refused(refusal)) => structure::named(asked, refusal),
            (Part::Read { look, .. }, StoreError::Refused(refusal)) => {
                structure::named(look.asked(), refusal)
            }
            (Part::Counter { count, .. }, StoreError::GivenUp) => {
                count.refused().unwrap_or((Code::Internal, "the counter could not be changed".to_owned()))
            }
            (_, error) => named(error),
        }
    }

    fn fail_part(&mut self, part: &Part<'_>, error: &StoreError, reply: &mut session::Reply<'_>) -> Step {
        match part {
            Part::Structure { asked, .. } => self.fail_structure(asked, error, reply),
            _ => self.fail(error, reply),
        }
    }

    /// Answers a repeated write with what was answered the first time.
    fn tell_before(
        &mut self,
        entry: &EntryRef,
        operation_id: &[u8; 36],
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let text: Cow<'_, str> = String::from_utf8_lossy(entry.value());
        let status = match mpreg_storage::json::member(&text, "status") {
            Some("\"miss\"") => Status::Miss,
            Some("\"conflict\"") => Status::Conflict,
            Some("\"error\"") => Status::Error,
            _ => Status::Hit,
        };
        let members = mpreg_storage::json::member(&text, "members").unwrap_or("{}");
        let inner = members.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or_default();
        let mut out = Vec::new();
        if !inner.is_empty() {
            out.push(b',');
            out.extend_from_slice(inner.as_bytes());
        }
        self.tell_answer(status, &out, entry.lsn(), self.clerk.now_us, true, operation_id, reply)
    }

    #[expect(clippy::too_many_arguments, reason = "each is a part of the one reply")]
    fn tell_answer(
        &mut self,
        status: Status,
        members: &[u8],
        lsn: Lsn,
        time_us: u64,
        replayed: bool,
        operation_id: &[u8; 36],
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(lsn, strong);
        let Clerk { ids, mark, .. } = &mut *self.clerk;
        let head = crate::protocol::cache::Head { operation_id, ..head(self.request, ids, time_us) };
        let durability = status.is_success().then(|| reached(strong));
        let notes = crate::protocol::cache::Notes { replayed, ..Default::default() };
        let failure = match status {
            Status::Conflict => Some(Failure { message: "Conflict", code: Code::Conflict }),
            Status::Error => Some(Failure { message: "not done", code: Code::BadRequest }),
            _ => None,
        };
        Reply { status, durability, failure, notes: replayed.then_some(&notes), ..timed(head, mark) }
            .write_with(reply.out, |out| out.extend_from_slice(members));
        Step::Done
    }
}

/// Appends the members that tell what became of the operations.
fn write_answer(
    commands: &[Command<'_>],
    parts: &[Part<'_>],
    done: &[Done],
    is_batch: bool,
    operation_id: &[u8; 36],
    out: &mut Vec<u8>,
) -> Status {
    if !is_batch {
        return match (parts.first(), done.first()) {
            (Some(part), Some(done)) => part.write(done, operation_id, out),
            _ => Status::Miss,
        };
    }
    let mut result = BatchResult::begin(out);
    for ((command, part), done) in commands.iter().zip(parts).zip(done) {
        let mut members = Vec::new();
        let status = part.write(done, operation_id, &mut members);
        result.push(command.operation(), status, out, |out| out.extend_from_slice(&members));
    }
    result.end(out);
    Status::Hit
}

/// An answer as it is kept: `{"status":..,"members":{..}}`. One too long for a value is refused by the store, and the
/// write with it: a repetition could not be answered.
fn kept(status: Status, members: &[u8]) -> Vec<u8> {
    let mut out = format!(r#"{{"status":"{}","members":{{"#, status.as_str()).into_bytes();
    out.extend_from_slice(members.strip_prefix(b",").unwrap_or(members));
    out.extend_from_slice(b"}}");
    out
}

fn retry_key(client: &Client<'_>) -> Result<Key, mpreg_storage::record::key::Error> {
    Key::with_version(NAMESPACE, &client.id, &format!("s{}", client.seq))
}
