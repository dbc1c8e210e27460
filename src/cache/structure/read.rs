//! Verbs that only read, over a structure at one instant.

use std::collections::HashSet;

use mpreg_storage::json::{self, write};
use mpreg_storage::store::Error;
use mpreg_storage::structure::{End, Error as StructureError, Range, Structure};
use mpreg_storage::tree::Source;

use crate::limits::MESSAGE_BYTES_MAX;
use crate::protocol::cache::{
    Combine, ListVerb, MapVerb, QueueVerb, SetVerb, SortedSetVerb, Span, StackVerb, Verb,
};

/// What reading came to; the value itself has been written.
#[derive(Debug, Default)]
pub(super) struct Read {
    /// There was nothing to show: the value is null.
    pub(super) missing: bool,
    /// Of a set, whether each value asked about is a member.
    pub(super) members: Vec<bool>,
}

/// Where members come from and the value goes to.
pub(super) struct Reader<'a, S> {
    pub(super) structure: &'a Structure,
    pub(super) source: &'a S,
    pub(super) out: &'a mut Vec<u8>,
}

impl<S: Source> Reader<'_, S>
where
    Error: From<S::Error>,
{
    /// Writes the value a verb asks for. `others`: what a set is combined with.
    pub(super) fn read(&mut self, verb: &Verb<'_>, others: &[Structure]) -> Result<Read, Error> {
        let all = Range::Ranks { start: 0, end: None };
        match *verb {
            Verb::Set(SetVerb::Contains(values)) => self.contains(values.iter()),
            Verb::Set(SetVerb::Members) => self.texts(&all, End::Front, u64::MAX, Show::Bare),
            Verb::Set(SetVerb::Combine { how, .. }) => self.combine(how, others),
            Verb::List(ListVerb::Get { index }) => {
                let element = self.structure.get(index, self.source).map_err(store_error)?;
                self.out.extend_from_slice(element.as_bytes());
                Ok(Read::default())
            }
            Verb::List(ListVerb::GetRange(span)) => {
                self.texts(&ranks(span), End::Front, u64::MAX, Show::Bare)
            }
            Verb::Queue(QueueVerb::Peek) => self.peek(0),
            Verb::Stack(StackVerb::Peek) => self.peek(self.structure.len().wrapping_sub(1)),
            Verb::Map(ref verb) => self.map(verb),
            Verb::SortedSet(ref verb) => self.sorted(verb),
            // The rest asks for the size.
            _ => {
                write::unsigned(self.out, self.structure.len());
                Ok(Read::default())
            }
        }
    }

    fn missing(&mut self) -> Result<Read, Error> {
        self.out.extend_from_slice(b"null");
        Ok(Read { missing: true, ..Read::default() })
    }

    fn text(&mut self, text: Option<&str>) -> Result<Read, Error> {
        let Some(text) = text else { return self.missing() };
        self.out.extend_from_slice(text.as_bytes());
        Ok(Read::default())
    }

    fn flag(&mut self, flag: bool) {
        self.out.extend_from_slice(if flag { b"true" } else { b"false" });
    }

    fn contains<'v>(&mut self, values: impl Iterator<Item = &'v str>) -> Result<Read, Error> {
        let mut members = Vec::new();
        for value in values {
            members.push(self.structure.contains(value, self.source)?);
        }
        self.flag(members.iter().all(|member| *member));
        Ok(Read { members, ..Read::default() })
    }

    fn peek(&mut self, rank: u64) -> Result<Read, Error> {
        if self.structure.is_empty() {
            return self.missing();
        }
        let index = i64::try_from(rank).unwrap_or(i64::MAX);
        let element = self.structure.get(index, self.source).map_err(store_error)?;
        self.text(Some(&element))
    }

    fn map(&mut self, verb: &MapVerb<'_>) -> Result<Read, Error> {
        match *verb {
            MapVerb::GetFields { fields, bare } => {
                if bare && let Some(field) = fields.only() {
                    let value = self.structure.field_at(&field.decode(), self.source)?;
                    return self.text(value.as_deref());
                }
                self.fields(fields.iter().map(|field| field.decode().into_owned()))
            }
            MapVerb::Contains(fields) => {
                let mut all = true;
                for field in fields.iter() {
                    all &= self.structure.field_at(&field.decode(), self.source)?.is_some();
                }
                self.flag(all);
                Ok(Read::default())
            }
            MapVerb::Keys => self.pairs(|name, _, out| write::string(out, name)),
            MapVerb::Values => self.pairs(|_, value, out| out.extend_from_slice(value.as_bytes())),
            MapVerb::Items => self.pairs(|name, value, out| {
                out.push(b'[');
                write::string(out, name);
                out.push(b',');
                out.extend_from_slice(value.as_bytes());
                out.push(b']');
            }),
            _ => {
                write::unsigned(self.out, self.structure.len());
                Ok(Read::default())
            }
        }
    }

    fn fields(&mut self, fields: impl Iterator<Item = String>) -> Result<Read, Error> {
        let start = self.out.len();
        self.out.push(b'{');
        let mut any = false;
        for field in fields {
            let Some(value) = self.structure.field_at(&field, self.source)? else { continue };
            if std::mem::replace(&mut any, true) {
                self.out.push(b',');
            }
            write::string(self.out, &field);
            self.out.push(b':');
            self.out.extend_from_slice(value.as_bytes());
            bounded(self.out, start)?;
        }
        if !any {
            self.out.truncate(start);
            return self.missing();
        }
        self.out.push(b'}');
        Ok(Read::default())
    }

    fn pairs(&mut self, mut show: impl FnMut(&str, &str, &mut Vec<u8>)) -> Result<Read, Error> {
        let start = self.out.len();
        let mut names = Vec::new();
        self.structure.visit(&Range::Ranks { start: 0, end: None }, End::Front, self.source, |_, name| {
            names.push(name.to_owned());
            true
        })?;
        self.out.push(b'[');
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self.out.push(b',');
            }
            let value = self.structure.field(name, self.source)?.unwrap_or_else(|| "null".to_owned());
            show(name, &value, self.out);
            bounded(self.out, start)?;
        }
        self.out.push(b']');
        Ok(Read::default())
    }

    fn sorted(&mut self, verb: &SortedSetVerb<'_>) -> Result<Read, Error> {
        let all = Range::Ranks { start: 0, end: None };
        match *verb {
            SortedSetVerb::Score(member) => {
                let score = self.structure.score(member, self.source)?;
                self.text(score.as_deref())
            }
            SortedSetVerb::Rank(member) => match self.structure.rank(member, self.source)? {
                None => self.missing(),
                Some(rank) => {
                    write::unsigned(self.out, rank);
                    Ok(Read::default())
                }
            },
            SortedSetVerb::Top { limit } => self.texts(&all, End::Back, limit, Show::Scored),
            SortedSetVerb::Bottom { limit } => self.texts(&all, End::Front, limit, Show::Scored),
            SortedSetVerb::RangeByScore { min, max, bare } => {
                let range = Range::Scores { min: min.unwrap_or(f64::MIN), max: max.unwrap_or(f64::MAX) };
                self.texts(&range, End::Front, u64::MAX, Show::of(bare))
            }
            SortedSetVerb::RangeByRank { span, bare } => {
                self.texts(&ranks(span), End::Front, u64::MAX, Show::of(bare))
            }
            _ => {
                write::unsigned(self.out, self.structure.len());
                Ok(Read::default())
            }
        }
    }

    /// Members of a range as an array.
    fn texts(&mut self, range: &Range, from: End, limit: u64, show: Show) -> Result<Read, Error> {
        let start = self.out.len();
        self.out.push(b'[');
        let (mut shown, mut fits) = (0, true);
        let out = &mut *self.out;
        self.structure.visit(range, from, self.source, |score, member| {
            if shown == limit {
                return false;
            }
            if shown > 0 {
                out.push(b',');
            }
            shown += 1;
            show.write(score, member, out);
            fits = out.len() - start <= MESSAGE_BYTES_MAX;
            fits
        })?;
        self.out.push(b']');
        bounded(self.out, start)?;
        Ok(Read::default())
    }

    fn combine(&mut self, how: Combine, others: &[Structure]) -> Result<Read, Error> {
        let start = self.out.len();
        let mut seen = HashSet::new();
        let mut first = true;
        self.out.push(b'[');
        let own = members(self.structure, self.source)?;
        let rest: Vec<Vec<String>> =
            others.iter().map(|other| members(other, self.source)).collect::<Result<_, _>>()?;
        let canonical: Vec<HashSet<Vec<u8>>> =
            rest.iter().map(|members| members.iter().map(|member| canon(member)).collect()).collect();
        let united = rest.iter().flatten().filter(|_| how == Combine::Union);
        for member in own.iter().chain(united) {
            let form = canon(member);
            let wanted = match how {
                Combine::Union => true,
                Combine::Intersection => canonical.iter().all(|other| other.contains(&form)),
                Combine::Difference => !canonical.iter().any(|other| other.contains(&form)),
            };
            if wanted && seen.insert(form) {
                if !std::mem::take(&mut first) {
                    self.out.push(b',');
                }
                self.out.extend_from_slice(member.as_bytes());
                bounded(self.out, start)?;
            }
        }
        self.out.push(b']');
        Ok(Read::default())
    }
}

/// How a member is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Show {
    Bare,
    Scored,
}

impl Show {
    fn of(bare: bool) -> Show {
        if bare { Show::Bare } else { Show::Scored }
    }

    fn write(self, score: &str, member: &str, out: &mut Vec<u8>) {
        if self == Show::Bare {
            return out.extend_from_slice(member.as_bytes());
        }
        out.extend_from_slice(br#"{"value":"#);
        out.extend_from_slice(member.as_bytes());
        out.extend_from_slice(br#","score":"#);
        out.extend_from_slice(score.as_bytes());
        out.push(b'}');
    }
}

fn ranks(span: Span) -> Range {
    Range::Ranks { start: span.start, end: span.end }
}

fn members<S: Source>(set: &Structure, source: &S) -> Result<Vec<String>, Error>
where
    Error: From<S::Error>,
{
    let mut members = Vec::new();
    set.visit(&Range::Ranks { start: 0, end: None }, End::Front, source, |_, member| {
        members.push(member.to_owned());
        true
    })?;
    Ok(members)
}

fn canon(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    if json::canonical(text, &mut out).is_err() {
        out = text.as_bytes().to_vec();
    }
    out
}

/// No reply may be larger than a message.
fn bounded(out: &[u8], start: usize) -> Result<(), Error> {
    let bytes = out.len() - start;
    let bytes_max = MESSAGE_BYTES_MAX;
    if bytes > bytes_max { Err(Error::TooLarge { what: "the result", bytes, bytes_max }) } else { Ok(()) }
}

/// An engine's error of a read that may also be refused.
pub(super) fn store_error<E>(error: StructureError<E>) -> Error
where
    Error: From<E>,
{
    match error {
        StructureError::Cells(error) => error.into(),
        StructureError::Refused(refusal) => Error::Refused(refusal),
    }
}
