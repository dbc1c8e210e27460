//! A subscription as it is asked for.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text};
use mpreg_storage::record::{EventId, Position};

use super::{Offset, read_offset, read_subscription_id};
use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::{DURABLE_NAME_BYTES_MAX, PATTERNS_MAX};

/// Seconds of backlog when a client names none.
const BACKLOG_SECONDS: f64 = 300.0;

/// A `pubsub-subscribe`.
#[derive(Debug, Clone, PartialEq)]
pub struct Subscribe<'a> {
    /// Chosen by the client: a JSON string with its quotes.
    pub id: &'a str,
    /// What it wants.
    pub patterns: Vec<PatternText<'a>>,
    /// Microseconds of backlog wanted; 0: none.
    pub backlog_us: u64,
    /// Where to begin, if it is said; it then counts and not `backlog_us`.
    pub start: Option<Start>,
    /// Name under which its position is kept.
    pub durable: Option<Cow<'a, str>>,
    /// Whether all subscriptions of that name share the messages.
    pub shared: bool,
}

/// A pattern as it is asked for, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PatternText<'a> {
    /// Its text.
    pub text: Cow<'a, str>,
    /// Whether wildcards in it are literal.
    pub exact: bool,
}

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With what is published from now on.
    Latest,
    /// With the oldest message kept.
    Earliest,
    /// Behind this message, or this event; what is in the other log begins with what is new.
    After(Offset),
    /// Behind this message, and behind this event of the cache.
    AfterBoth(Position, EventId),
    /// With what was received at this time or later, in microseconds since 1970.
    Since(u64),
}

#[derive(Debug, Default)]
struct Members<'a> {
    id: Option<Text<'a>>,
    patterns: Vec<PatternText<'a>>,
    no_backlog: bool,
    backlog_seconds: Option<f64>,
    start: Option<Start>,
    durable: Option<Cow<'a, str>>,
    shared: bool,
}

impl<'a> Subscribe<'a> {
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Subscribe<'a>, Error> {
        let mut members = Members::default();
        let mut fields = Fields::open(reader, "subscription")?;
        while let Some(name) = fields.next()? {
            members.read_member(&name, &mut fields)?;
        }
        members.subscribe()
    }
}

impl<'a> Members<'a> {
    fn read_member(&mut self, name: &str, fields: &mut Fields<'_, 'a>) -> Result<(), Error> {
        match name {
            "subscription_id" => self.id = fields.string(0, "subscription.subscription_id")?,
            "patterns" => {
                let patterns = fields.enter(1, "subscription.patterns")?.map(read_patterns);
                self.patterns = patterns.transpose()?.unwrap_or_default();
            }
            "get_backlog" => self.no_backlog = fields.boolean(2, "subscription.get_backlog")? == Some(false),
            "backlog_seconds" => {
                let seconds = fields.number(3, "subscription.backlog_seconds")?;
                self.backlog_seconds = seconds.map(|seconds| seconds.to_f64());
            }
            "start" => self.start = fields.enter(4, "subscription.start")?.map(read_start).transpose()?,
            "durable" => self.durable = fields.string(5, "subscription.durable")?.map(Text::decode),
            "shared" => self.shared = fields.boolean(6, "subscription.shared")? == Some(true),
            _ => fields.pass()?,
        }
        Ok(())
    }

    fn subscribe(self) -> Result<Subscribe<'a>, Error> {
        let id = read_subscription_id(self.id)?;
        if self.patterns.is_empty() {
            return Err(Error::Missing("subscription.patterns"));
        }
        if let Some(name) = &self.durable
            && !(1..=DURABLE_NAME_BYTES_MAX).contains(&name.len())
        {
            return Err(Error::Range { path: "subscription.durable", wanted: "a name of 1 to 128 bytes" });
        }
        if self.shared && self.durable.is_none() {
            return Err(Error::Missing("subscription.durable"));
        }
        let seconds = self.backlog_seconds.unwrap_or(BACKLOG_SECONDS);
        let backlog_us = if self.no_backlog { 0 } else { micros(seconds) };
        let Members { patterns, start, durable, shared, .. } = self;
        Ok(Subscribe { id, patterns, backlog_us, start, durable, shared })
    }
}

/// Negative seconds are none, and more than there are is all there are.
fn micros(seconds: f64) -> u64 {
    (seconds * 1e6) as u64
}

fn read_patterns<'a>(reader: &mut Reader<'a>) -> Result<Vec<PatternText<'a>>, Error> {
    let mut patterns = Vec::new();
    let mut elements = reader.array("subscription.patterns")?;
    while elements.next(reader)? {
        if patterns.len() == PATTERNS_MAX {
            let (size, size_max) = (PATTERNS_MAX + 1, PATTERNS_MAX);
            return Err(Error::TooLarge { what: "subscription.patterns", size, size_max });
        }
        patterns.push(read_pattern(reader)?);
    }
    Ok(patterns)
}

/// `{"pattern":"a.*","exact_match":false}`, or the bare text.
fn read_pattern<'a>(reader: &mut Reader<'a>) -> Result<PatternText<'a>, Error> {
    const PATH: &str = "subscription.patterns.pattern";
    if reader.clone().object(PATH).is_err() {
        return Ok(PatternText { text: reader.string(PATH)?.decode(), exact: false });
    }
    let (mut text, mut exact) = (None, false);
    let mut fields = Fields::open(reader, "subscription.patterns")?;
    while let Some(name) = fields.next()? {
        match &*name {
            "pattern" => text = fields.string(0, PATH)?.map(Text::decode),
            "exact_match" => {
                exact = fields.boolean(1, "subscription.patterns.exact_match")? == Some(true);
            }
            _ => fields.pass()?,
        }
    }
    Ok(PatternText { text: text.ok_or(Error::Missing(PATH))?, exact })
}

/// `"latest"`, `"earliest"`, `{"offset":"epoch:offset"}` or `{"time":seconds}`.
fn read_start(reader: &mut Reader<'_>) -> Result<Start, Error> {
    const PATH: &str = "subscription.start";
    if reader.clone().object(PATH).is_err() {
        return match &*reader.string(PATH)?.decode() {
            "latest" => Ok(Start::Latest),
            "earliest" => Ok(Start::Earliest),
            other => Err(Error::unknown(PATH, other)),
        };
    }
    let (mut start, mut event) = (None, None);
    let mut fields = Fields::open(reader, PATH)?;
    while let Some(name) = fields.next()? {
        match &*name {
            "offset" => {
                let offset = fields.string(0, "subscription.start.offset")?;
                let offset = offset.map(|text| read_offset(text, "subscription.start.offset")).transpose()?;
                start = offset.map(Start::After).or(start);
            }
            "event_offset" => {
                const PATH: &str = "subscription.start.event_offset";
                event = fields.string(2, PATH)?.map(|text| read_offset(text, PATH)).transpose()?;
            }
            "time" => {
                let time = fields.number(1, "subscription.start.time")?;
                start = time.map(|time| Start::Since(micros(time.to_f64()))).or(start);
            }
            _ => fields.pass()?,
        }
    }
    let start = match (start, event) {
        (Some(Start::After(Offset::Message(position))), Some(Offset::Event(id))) => {
            Some(Start::AfterBoth(position, id))
        }
        (None, Some(event @ Offset::Event(_))) => Some(Start::After(event)),
        (start, None) => start,
        (_, Some(_)) => {
            let wanted = "the offset of an event, beside that of a message";
            return Err(Error::Range { path: "subscription.start.event_offset", wanted });
        }
    };
    start.ok_or(Error::Missing("subscription.start.offset or time"))
}
