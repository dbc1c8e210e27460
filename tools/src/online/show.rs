//! Replies as people read them: what happened in two columns, the value below.

use std::io::{self, Write};

use mpreg::client::{Reply, Status};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Format, Session};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;

/// A reply as far as it is shown.
#[derive(Deserialize)]
struct Shown<'a> {
    durability: Option<&'a str>,
    cache_level: Option<&'a str>,
    #[serde(borrow)]
    entry: Option<Entry<'a>>,
    #[serde(borrow)]
    atomic_result: Option<AtomicResult<'a>>,
    #[serde(borrow)]
    structure_result: Option<StructureResult<'a>>,
    lease: Option<Value>,
    negative: Option<bool>,
    replayed: Option<bool>,
    error_message: Option<String>,
    error_code: Option<String>,
    constraint_violations: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct Entry<'a> {
    key: Value,
    #[serde(borrow)]
    value: &'a RawValue,
    creation_time: Option<f64>,
    access_count: Option<u64>,
    size_bytes: Option<u64>,
    ttl_seconds: Option<f64>,
    dependencies: Option<Value>,
}

#[derive(Deserialize)]
struct AtomicResult<'a> {
    #[serde(borrow)]
    old_value: Option<&'a RawValue>,
    #[serde(borrow)]
    current_value: Option<&'a RawValue>,
    #[serde(default)]
    constraint_violations: Vec<String>,
}

#[derive(Deserialize)]
struct StructureResult<'a> {
    #[serde(borrow)]
    value: &'a RawValue,
    size: Option<u64>,
    added: Option<u64>,
    removed: Option<u64>,
    members: Option<Value>,
}

/// Prints the reply to a request about `what` and says how the command ends.
pub fn reply(session: &Session, what: &str, reply: &Reply) -> Outcome {
    print(session.format, what, reply)?;
    outcome(what, reply)
}

/// Prints a reply in the session's format; what people need not see of a failure is left to its message.
fn print(format: Format, what: &str, reply: &Reply) -> Outcome {
    let shown: Shown<'_> = serde_json::from_str(reply.text()).map_err(anyhow::Error::from)?;
    match format {
        Format::Json => line(reply.text())?,
        Format::Raw => {
            if let Some(value) = shown.value() {
                line(value)?;
            }
        }
        Format::Table if matches!(reply.status(), Status::Error | Status::Timeout) => {}
        Format::Table => {
            output::table(&[what, ""], &shown.rows(reply.status()))?;
            if let Some(value) = shown.value() {
                line(value)?;
            }
        }
    }
    Ok(())
}

/// One line on stdout.
pub fn line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.write_all(b"\n")
}

/// The exit code a reply stands for, and the words that go with it.
fn outcome(what: &str, reply: &Reply) -> Outcome {
    let shown: Shown<'_> = serde_json::from_str(reply.text()).map_err(anyhow::Error::from)?;
    match reply.status() {
        Status::Hit | Status::Partial => Ok(()),
        Status::Miss if shown.negative == Some(true) => {
            Err(Failure::new(Kind::NotFound, format!("{what}: known to be absent")))
        }
        Status::Miss => Err(Failure::new(Kind::NotFound, format!("{what}: nothing there"))),
        Status::Conflict => {
            let why = shown.error_message.as_deref().unwrap_or("a condition does not hold");
            Err(Failure::new(Kind::Condition, format!("{what}: {why}")))
        }
        Status::Error | Status::Timeout => {
            let refusal = reply.clone().check().map(drop);
            let failure = refusal.map_err(super::failure).err();
            let failure = failure.ok_or_else(|| anyhow::anyhow!("an error without words"))?;
            let more = shown.violations().join("; ");
            let colon = if more.is_empty() { "" } else { ": " };
            Err(Failure::new(failure.kind(), format!("{what}: {failure}{colon}{more}")))
        }
    }
}

impl Shown<'_> {
    /// The one value the reply is about.
    fn value(&self) -> Option<&str> {
        let entry = self.entry.as_ref().map(|entry| entry.value);
        let atomic = self.atomic_result.as_ref().and_then(|result| result.current_value);
        let structure = self.structure_result.as_ref().map(|result| result.value);
        structure.or(atomic).or(entry).map(RawValue::get)
    }

    fn violations(&self) -> &[String] {
        let of_atomic = self.atomic_result.as_ref().map(|result| &result.constraint_violations);
        self.constraint_violations.as_ref().or(of_atomic).map_or(&[], Vec::as_slice)
    }

    fn rows(&self, status: Status) -> Vec<Vec<String>> {
        let mut rows = Rows::default();
        rows.add("status", Some(format!("{status:?}").to_lowercase()));
        rows.add("durability", self.durability.map(str::to_owned));
        rows.add("level", self.cache_level.map(str::to_owned));
        rows.add("lease", self.lease.as_ref().map(Value::to_string));
        rows.add("replayed", self.replayed.map(|replayed| replayed.to_string()));
        rows.add("message", self.error_message.clone());
        rows.add("code", self.error_code.clone());
        if let Some(entry) = &self.entry {
            entry.add_to(&mut rows);
        }
        if let Some(result) = &self.atomic_result {
            rows.add("before", result.old_value.map(|value| value.get().to_owned()));
        }
        if let Some(result) = &self.structure_result {
            rows.add("size", result.size.map(output::grouped));
            rows.add("added", result.added.map(output::grouped));
            rows.add("removed", result.removed.map(output::grouped));
            rows.add("members", result.members.as_ref().map(Value::to_string));
        }
        rows.0
    }
}

impl Entry<'_> {
    fn add_to(&self, rows: &mut Rows) {
        let created = self.creation_time.map(|seconds| output::time((seconds.max(0.0) * 1e6) as u64));
        rows.add("created", created);
        rows.add("ttl s", self.ttl_seconds.map(|ttl| ttl.to_string()));
        rows.add("reads", self.access_count.map(output::grouped));
        rows.add("value bytes", self.size_bytes.map(output::grouped));
        let some = |value: Option<&Value>| {
            value.filter(|value| value.as_array().is_some_and(|list| !list.is_empty())).map(Value::to_string)
        };
        rows.add("tags", some(self.key.get("tags")));
        rows.add("dependencies", some(self.dependencies.as_ref()));
    }
}

#[derive(Default)]
struct Rows(Vec<Vec<String>>);

impl Rows {
    fn add(&mut self, name: &str, text: Option<String>) {
        self.0.extend(text.map(|text| vec![name.to_owned(), text]));
    }
}
