//! `structure`: sets, lists, maps, sorted sets, counters, queues and stacks.
//!
//! | file | job |
//! |---|---|
//! | `command` | verbs of the protocol to commands of the engine |
//! | `counter` | counters, which are plain numbers |
//! | `look` | verbs that only read, inside a batch and outside |
//! | `read` | verbs that only read |

mod command;
mod counter;
mod look;
mod read;

use mpreg_storage::json::write;
use mpreg_storage::record::Lsn;
use mpreg_storage::store::{Creation, Done, Error, Found, MemberSource, Members as Source, Operation, Seen};
use mpreg_storage::structure::{Answer, Family, Refusal, Structure as Members, replacement};

use crate::cache::{Clerk, Desk, Patience, head, reached, timed};
use crate::protocol::Error as Refused;
use crate::protocol::cache::{
    Code, Counts, Failure, KeyText, ListVerb, MapVerb, Metadata, QueueVerb, Reply, SetVerb, SortedSetVerb,
    StackVerb, Status, Structure, StructureResult, Verb,
};
use crate::session::{self, Step};
pub(super) use command::{Arguments, Lists, family};
pub(super) use counter::Count;
pub(super) use look::StructureLook;

/// What an answer tells beside its value.
#[derive(Debug, Default)]
pub(super) struct Told {
    lsn: Lsn,
    pub(super) status: Option<Status>,
    size: u64,
    exists: bool,
    added: Option<u64>,
    removed: Option<u64>,
    members: Vec<bool>,
}

impl Desk<'_> {
    pub(super) fn structure(
        &mut self,
        asked: &Structure<'_>,
        key: &[u8],
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let told = match &asked.verb {
            Verb::Counter(verb) => return self.counter(asked, verb, key, reply),
            verb if verb.writes() => self.change(asked, key),
            _ => match combined_keys(asked) {
                Ok(others) => self.look(asked, key, &others),
                Err(error) => return self.refuse(&error, reply),
            },
        };
        match told {
            Ok((told, value)) => self.tell(&told, &value, reply),
            Err(Error::Cold) => Step::Cold,
            Err(error) if error.is_busy() => Step::Busy,
            Err(error) => self.fail_structure(asked, &error, reply),
        }
    }

    /// Runs a writing verb.
    fn change(&mut self, asked: &Structure<'_>, key: &[u8]) -> Result<(Told, Vec<u8>), Error> {
        let arguments = Arguments::of(&asked.verb);
        let lists = arguments.lists();
        let (Some(family), Some(command)) = (family(asked.verb.family()), lists.command(&asked.verb)) else {
            return Err(Error::Refused(Refusal::Index { index: 0, len: 0 }));
        };
        let extras = creation_extras(asked).unwrap_or_default();
        let operation = Operation::Structure { key, family, command, create: creation(asked, &extras) };
        let done = self.stage(&operation)?;
        let mut value = Vec::new();
        let told = told_of(&asked.verb, &done, &mut value);
        Ok((told, value))
    }

    /// Runs a verb that only reads.
    fn look(&self, asked: &Structure<'_>, key: &[u8], others: &[Vec<u8>]) -> Result<(Told, Vec<u8>), Error> {
        let wanted = family(asked.verb.family()).unwrap_or(Family::List);
        loop {
            let looked = self.look_once(asked, key, others, wanted);
            match looked {
                // Changed between the look at the structure and the look at its cells.
                Err(error) if error.is_stale() && self.patience == Patience::Blocking => {}
                Err(error) if error.is_stale() => return Err(Error::Cold),
                looked => return looked,
            }
        }
    }

    fn look_once(
        &self,
        asked: &Structure<'_>,
        key: &[u8],
        others: &[Vec<u8>],
        wanted: Family,
    ) -> Result<(Told, Vec<u8>), Error> {
        let store = &self.cache.store;
        let seen = if others.is_empty() {
            vec![Seen::from(self.found(key)?)]
        } else {
            // Several keys are seen at one instant, so that what changes them together is seen whole or not at all.
            let keys: Vec<&[u8]> = std::iter::once(key).chain(others.iter().map(|key| &key[..])).collect();
            match self.patience {
                Patience::None => store.glance(&keys)?,
                Patience::Blocking => store.glance_blocking(&keys)?,
            }
        };
        let source = match self.patience {
            Patience::None => Source::none(),
            Patience::Blocking => store.members(),
        };
        let mut value = Vec::new();
        let told = look::read_seen(asked, wanted, &seen, &source, &mut value)?;
        Ok((told, value))
    }

    fn found(&self, key: &[u8]) -> Result<Found, Error> {
        match self.patience {
            Patience::None => self.cache.store.peek(key, self.clerk.now_us),
            Patience::Blocking => self.cache.store.find(key),
        }
    }

    /// The JSON text of a structure.
    pub(super) fn render(&self, structure: &Members, out: &mut Vec<u8>) -> Result<(), Error> {
        let source = match self.patience {
            Patience::None => Source::none(),
            Patience::Blocking => self.cache.store.members(),
        };
        render(structure, &source.of(structure), out)
    }

    fn tell(&mut self, told: &Told, value: &[u8], reply: &mut session::Reply<'_>) -> Step {
        let strong = self.is_strong();
        reply.seen.saw(told.lsn, strong);
        let writes = self.request_writes();
        self.clerk.tally.structures += 1;
        let Clerk { ids, mark, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        let operation_id = head.operation_id;
        let status = told.status.unwrap_or(Status::Hit);
        let level = (status == Status::Hit).then_some(crate::protocol::cache::Level::L1);
        let durability = Some(if writes { reached(strong) } else { self.cache.durability(told.lsn, strong) });
        Reply { status, level, durability, ..timed(head, mark) }
            .write_with(reply.out, |out| write_told(told, value, operation_id, out));
        Step::Done
    }

    fn request_writes(&self) -> bool {
        match &self.request.command {
            crate::protocol::cache::Command::Structure(structure) => structure.verb.writes(),
            _ => true,
        }
    }

    pub(super) fn fail_structure(
        &mut self,
        asked: &Structure<'_>,
        error: &Error,
        reply: &mut session::Reply<'_>,
    ) -> Step {
        let Error::Refused(refusal) = error else { return self.fail(error, reply) };
        let (code, message) = named(asked, refusal);
        let Clerk { ids, now_us, .. } = &mut *self.clerk;
        let head = head(self.request, ids, *now_us);
        let operation_id = head.operation_id;
        let result =
            StructureResult { exists: true, error_message: Some(&message), ..StructureResult::default() };
        Reply::failure(head, Status::Error, Failure { message: &message, code })
            .write_with(reply.out, |out| result.write_failure(operation_id, out));
        Step::Done
    }
}

/// Appends the result of a structure operation.
fn write_told(told: &Told, value: &[u8], operation_id: &[u8; 36], out: &mut Vec<u8>) {
    let counts = match (told.added, told.removed) {
        (Some(added), _) => Counts::Added(added),
        (_, Some(removed)) => Counts::Removed(removed),
        _ if told.members.is_empty() => Counts::None,
        _ => Counts::Members(&told.members),
    };
    let result = StructureResult { counts, size: told.size, exists: told.exists, error_message: None };
    let begun = StructureResult::begin(true, out);
    out.extend_from_slice(value);
    result.end(begun, operation_id, out);
}

/// The result of a writing verb inside a batch: status and members.
pub(super) fn write_done(verb: &Verb<'_>, done: &Done, operation_id: &[u8; 36], out: &mut Vec<u8>) -> Status {
    let mut value = Vec::new();
    let told = told_of(verb, done, &mut value);
    write_told(&told, &value, operation_id, out);
    told.status.unwrap_or(Status::Hit)
}

/// What a refusal is called on the wire.
pub(super) fn named(asked: &Structure<'_>, refusal: &Refusal) -> (Code, String) {
    match refusal {
        Refusal::WrongFamily { .. } | Refusal::Mismatch(_) => {
            (Code::WrongType, asked.verb.family().wrong_type().to_owned())
        }
        Refusal::Number { fault: mpreg_storage::json::NumberFault::NotNumeric, .. } => {
            (Code::WrongType, refusal.to_string())
        }
        Refusal::TooLarge { .. } => (Code::TooLarge, refusal.to_string()),
        Refusal::Index { .. } => (Code::BadRequest, "Invalid index".to_owned()),
        _ => (Code::BadRequest, refusal.to_string()),
    }
}

/// The keys a set is combined with, encoded.
fn combined_keys(asked: &Structure<'_>) -> Result<Vec<Vec<u8>>, Refused> {
    let Verb::Set(SetVerb::Combine { others, .. }) = &asked.verb else { return Ok(Vec::new()) };
    let encoded = |key: &KeyText<'_>| {
        let mut out = Vec::new();
        key.encode_into(&mut out).map(|()| out)
    };
    others.iter().map(encoded).collect()
}

/// Appends the JSON text of a structure.
pub(super) fn render(structure: &Members, source: &MemberSource<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
    let bytes_max = mpreg_storage::limits::VALUE_BYTES_MAX;
    if structure.write_text(out, bytes_max, source)? {
        return Ok(());
    }
    Err(Error::TooLarge { what: "the value", bytes: out.len(), bytes_max })
}

fn converted(family: Family, text: &[u8]) -> Result<Members, Error> {
    let text = std::str::from_utf8(text).unwrap_or("null");
    let payload = replacement(family, text)?;
    Ok(Members::from_payload(family, 0, Lsn::ZERO, &payload)?)
}

/// Status, counts and value of what a writing verb did.
fn told_of(verb: &Verb<'_>, done: &Done, value: &mut Vec<u8>) -> Told {
    let exists = done.previous.is_some();
    let lsn = done.outcome.lsn;
    let Some((answer, size)) = &done.structure else {
        // Absent, and nothing that could be put in.
        let empty = empty_answer(verb);
        value.extend_from_slice(empty.as_bytes());
        return Told { lsn, status: Some(Status::Miss), ..Told::default() };
    };
    let mut told = Told { lsn, status: Some(Status::Hit), size: *size, exists, ..Told::default() };
    show(verb, answer, &mut told, value);
    told
}

/// The value of a removal or an empty pop on a key that is not there.
fn empty_answer(verb: &Verb<'_>) -> &'static str {
    match verb {
        Verb::Set(SetVerb::Remove(_))
        | Verb::List(ListVerb::Remove(_))
        | Verb::SortedSet(SortedSetVerb::Remove(_)) => "false",
        Verb::Map(MapVerb::RemoveFields(_)) => "0",
        Verb::Set(SetVerb::Clear)
        | Verb::List(ListVerb::Clear)
        | Verb::Map(MapVerb::Clear)
        | Verb::SortedSet(SortedSetVerb::Clear)
        | Verb::Queue(QueueVerb::Clear)
        | Verb::Stack(StackVerb::Clear) => "true",
        _ => "null",
    }
}

fn show(verb: &Verb<'_>, answer: &Answer, told: &mut Told, value: &mut Vec<u8>) {
    let flag = |flag: bool| if flag { &b"true"[..] } else { b"false" };
    let any = answer.count > 0;
    match verb {
        Verb::Set(SetVerb::Add(_)) => {
            told.added = Some(answer.count);
            value.extend_from_slice(b"true");
        }
        Verb::Set(SetVerb::Remove(_)) => {
            told.removed = Some(answer.count);
            told.status = Some(if any { Status::Hit } else { Status::Miss });
            value.extend_from_slice(flag(any));
        }
        Verb::List(ListVerb::Remove(_)) | Verb::SortedSet(SortedSetVerb::Remove(_)) => {
            told.removed = Some(answer.count);
            told.status = Some(if any { Status::Hit } else { Status::Miss });
            value.extend_from_slice(flag(any));
        }
        Verb::List(ListVerb::Append(_))
        | Verb::Queue(QueueVerb::Enqueue(_))
        | Verb::Stack(StackVerb::Push(_)) => {
            write::unsigned(value, told.size.saturating_sub(1));
        }
        Verb::List(ListVerb::Prepend(_)) => write::unsigned(value, 0),
        Verb::List(ListVerb::Insert { index, .. }) => {
            // A negative index counted from the end as it was.
            let before = told.size.saturating_sub(answer.count);
            let at =
                if *index < 0 { before.saturating_sub(index.unsigned_abs()) } else { index.unsigned_abs() };
            write::unsigned(value, at);
        }
        Verb::List(ListVerb::PopFront { count } | ListVerb::PopBack { count })
        | Verb::Queue(QueueVerb::Dequeue { count })
        | Verb::Stack(StackVerb::Pop { count }) => popped(answer, *count, told, value),
        Verb::List(ListVerb::PopAt { .. }) => popped(answer, 1, told, value),
        Verb::SortedSet(SortedSetVerb::PopMin { count } | SortedSetVerb::PopMax { count }) => {
            popped_scored(answer, *count, told, value);
        }
        Verb::Map(MapVerb::SetFields(_)) => write::unsigned(value, answer.count),
        Verb::Map(MapVerb::RemoveFields(_)) => {
            told.removed = Some(answer.count);
            told.status = Some(if any { Status::Hit } else { Status::Miss });
            write::unsigned(value, answer.count);
        }
        Verb::Map(MapVerb::IncrementField { .. }) => {
            value.extend_from_slice(answer.values.last().map_or("null", |number| number).as_bytes());
        }
        Verb::Map(MapVerb::IncrementFields(updates)) => {
            value.push(b'{');
            for (at, ((field, _), number)) in updates.iter().zip(&answer.values).enumerate() {
                if at > 0 {
                    value.push(b',');
                }
                value.extend_from_slice(field.quoted().as_bytes());
                value.push(b':');
                value.extend_from_slice(number.as_bytes());
            }
            value.push(b'}');
        }
        Verb::SortedSet(SortedSetVerb::Add(_)) => {
            told.added = Some(answer.count);
            write::unsigned(value, answer.count);
        }
        _ => value.extend_from_slice(b"true"),
    }
}

fn popped(answer: &Answer, asked: u64, told: &mut Told, value: &mut Vec<u8>) {
    match (answer.values.as_slice(), asked) {
        ([], _) => {
            told.status = Some(Status::Miss);
            value.extend_from_slice(b"null");
        }
        ([only], 1) => value.extend_from_slice(only.as_bytes()),
        (all, _) => {
            value.push(b'[');
            value.extend_from_slice(all.join(",").as_bytes());
            value.push(b']');
        }
    }
}

/// Elements popped from a sorted set stand as `[score,member]`; replies show `{"value","score"}`.
fn popped_scored(answer: &Answer, asked: u64, told: &mut Told, value: &mut Vec<u8>) {
    let shown = answer.values.iter().filter_map(|pair| {
        let (score, member) = pair.strip_prefix('[')?.strip_suffix(']')?.split_once(',')?;
        Some(format!(r#"{{"value":{member},"score":{score}}}"#))
    });
    let shown = Answer { count: answer.count, values: shown.collect() };
    popped(&shown, asked, told, value);
}

/// Encoded metadata of a structure that is made.
pub(super) fn creation_extras(asked: &Structure<'_>) -> Result<Vec<u8>, Refused> {
    let mut extras = Vec::new();
    match asked.metadata.as_deref() {
        Some(metadata) => metadata.encode_into(asked.key.tags, &mut extras)?,
        None => Metadata::default().encode_into(asked.key.tags, &mut extras)?,
    }
    Ok(extras)
}

/// What a structure is made with, unless it shall not be made.
pub(super) fn creation<'e>(asked: &Structure<'_>, extras: &'e [u8]) -> Option<Creation<'e>> {
    let ttl = asked.metadata.as_deref().and_then(|metadata| metadata.ttl);
    asked.create_if_missing.then_some(Creation { ttl_us: ttl.map(|ttl| ttl.micros), extras })
}

/// The result of a counter inside a batch: status and members.
pub(super) fn write_counted(
    count: &Count<'_>,
    done: &Done,
    operation_id: &[u8; 36],
    out: &mut Vec<u8>,
) -> Status {
    match count.told(done) {
        Ok((told, value)) => {
            write_told(&told, &value, operation_id, out);
            told.status.unwrap_or(Status::Hit)
        }
        Err((_, message)) => {
            StructureResult { error_message: Some(&message), ..StructureResult::default() }
                .write_failure(operation_id, out);
            Status::Error
        }
    }
}
