//! `ns`: work on a whole namespace.

use std::fs;
use std::io::{BufWriter, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use mpreg::client::{Merge, Namespace, NamespaceOutcome, Reply, Request};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::value::Json;
use super::{Format, Session, failure, show};
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{self, grouped};

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Delete what matches, the oldest first.
    Clear(Clear),
    /// Add up: entries, bytes, ages, reads.
    Stats(Stats),
    /// List keys by identifier, then version.
    Keys(Keys),
    /// Count entries.
    Count(Choice),
    /// Write entries to a file, as one JSON document of the protocol.
    Backup(Backup),
    /// Read entries from such a file.
    Restore(Restore),
}

/// Which entries.
#[derive(Args)]
struct Choice {
    /// The namespace; those below it in name are not included.
    namespace: String,
    /// Only identifiers that match: * is any run of characters, ? one.
    #[arg(long)]
    pattern: Option<String>,
    /// Only entries that satisfy this, as JSON: '{"age_seconds":{"$gt":3600}}'.
    #[arg(long = "if", value_name = "JSON")]
    conditions: Option<Json>,
}

impl Choice {
    fn apply(&self, mut operation: Namespace) -> Result<Namespace, Failure> {
        if let Some(pattern) = &self.pattern {
            operation = operation.pattern(pattern);
        }
        match &self.conditions {
            Some(conditions) => operation.only_if(&conditions.0).map_err(failure),
            None => Ok(operation),
        }
    }
}

#[derive(Args)]
struct Clear {
    #[command(flatten)]
    choice: Choice,
    /// At most so many.
    #[arg(long)]
    max: Option<u64>,
    /// Only count them.
    #[arg(long)]
    dry_run: bool,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

#[derive(Args)]
struct Stats {
    #[command(flatten)]
    choice: Choice,
    /// By version and level, with the largest entries.
    #[arg(long)]
    detailed: bool,
}

#[derive(Args)]
struct Keys {
    #[command(flatten)]
    choice: Choice,
    /// At most so many keys; without it all are listed, in several steps.
    #[arg(long)]
    limit: Option<u64>,
    /// Leave out so many before the first.
    #[arg(long, default_value_t = 0)]
    offset: u64,
}

#[derive(Args)]
struct Backup {
    #[command(flatten)]
    choice: Choice,
    /// Where to; - is stdout.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// As base64 of gzip.
    #[arg(long)]
    compressed: bool,
}

#[derive(Args)]
struct Restore {
    /// Where the entries go, whatever namespace they came from.
    namespace: String,
    /// What `ns backup` wrote; - is stdin.
    #[arg(default_value = "-")]
    file: PathBuf,
    /// What becomes of keys that are there.
    #[arg(long, value_enum, default_value_t)]
    merge: MergeName,
}

/// Names of merge strategies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum MergeName {
    /// What is read wins.
    #[default]
    Overwrite,
    /// What is there stays.
    SkipExisting,
    /// The later one wins.
    Newest,
}

impl From<MergeName> for Merge {
    fn from(name: MergeName) -> Merge {
        match name {
            MergeName::Overwrite => Merge::Overwrite,
            MergeName::SkipExisting => Merge::SkipExisting,
            MergeName::Newest => Merge::Newest,
        }
    }
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        match &self.verb {
            Verb::Clear(clear) => clear.run(session),
            Verb::Stats(stats) => stats.run(session),
            Verb::Keys(keys) => keys.run(session),
            Verb::Count(choice) => {
                let (reply, outcome) = ask(session, choice, Namespace::count(&choice.namespace))?;
                print(session, &reply, || show::line(&outcome.count.to_string()))
            }
            Verb::Backup(backup) => backup.run(session),
            Verb::Restore(restore) => restore.run(session),
        }
    }
}

/// Sends the operation; what the server refuses is a failure.
fn ask(
    session: &Session,
    choice: &Choice,
    operation: Namespace,
) -> Result<(Reply, NamespaceOutcome), Failure> {
    let request = Request::namespace(choice.apply(operation)?);
    let reply = session.ask(&request)?.check().map_err(failure)?;
    let outcome = reply.namespace().map_err(failure)?;
    Ok((reply, outcome))
}

/// The reply for programs, or whatever `people` prints.
fn print(session: &Session, reply: &Reply, people: impl FnOnce() -> std::io::Result<()>) -> Outcome {
    if session.format == Format::Json {
        show::line(reply.text())?
    } else {
        people()?
    }
    Ok(())
}

impl Clear {
    fn run(&self, session: &Session) -> Outcome {
        let mut operation = Namespace::clear(&self.choice.namespace);
        if let Some(max) = self.max {
            operation = operation.limit(max);
        }
        if self.dry_run || !self.yes {
            let (reply, outcome) = ask(session, &self.choice, operation.clone().dry_run())?;
            if self.dry_run {
                return print(session, &reply, || show::line(&outcome.count.to_string()));
            }
            let question =
                format!("delete {} entries of namespace {}?", grouped(outcome.count), self.choice.namespace);
            output::confirm(&question)?;
        }
        self.clear_all(session, &operation)
    }

    /// The server works for some seconds at a time, so that nobody waits: it is asked until nothing is left.
    fn clear_all(&self, session: &Session, operation: &Namespace) -> Outcome {
        let mut cleared = 0;
        loop {
            let mut step = operation.clone();
            if let Some(max) = self.max {
                step = step.limit(max - cleared);
            }
            let (reply, outcome) = ask(session, &self.choice, step)?;
            cleared += outcome.count;
            let enough = self.max.is_some_and(|max| cleared >= max);
            if !outcome.has_more || outcome.count == 0 || enough {
                return print(session, &reply, || show::line(&format!("{cleared} entries deleted")));
            }
        }
    }
}

impl Stats {
    fn run(&self, session: &Session) -> Outcome {
        let mut operation = Namespace::statistics(&self.choice.namespace);
        if self.detailed {
            operation = operation.detailed();
        }
        let (reply, _) = ask(session, &self.choice, operation)?;
        if session.format == Format::Json {
            return Ok(show::line(reply.text())?);
        }
        #[derive(Deserialize)]
        struct Result {
            namespace_result: serde_json::Map<String, serde_json::Value>,
        }
        let result: Result = serde_json::from_str(reply.text()).map_err(anyhow::Error::from)?;
        let known = ["success", "operation_type", "error_message", "operation_id", "pattern", "namespace"];
        let members = result.namespace_result.into_iter();
        let members = members.filter(|(name, _)| !known.contains(&name.as_str()));
        let rows: Vec<_> = members.map(|(name, value)| vec![name, value.to_string()]).collect();
        Ok(output::table(&[&self.choice.namespace, ""], &rows)?)
    }
}

impl Keys {
    fn run(&self, session: &Session) -> Outcome {
        let mut offset = self.offset;
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut any = false;
        loop {
            let page = Namespace::keys(&self.choice.namespace).offset(offset).limit(left.min(KEYS_AT_ONCE));
            let (reply, outcome) = ask(session, &self.choice, page)?;
            any |= outcome.count > 0;
            print(session, &reply, || self.print_keys(&outcome))?;
            left = left.saturating_sub(outcome.count);
            match outcome.next_offset.filter(|_| outcome.has_more && left > 0) {
                Some(next) => offset = next,
                None if any => return Ok(()),
                None => {
                    let reason = format!("no key in namespace {}", self.choice.namespace);
                    return Err(Failure::new(Kind::NotFound, reason));
                }
            }
        }
    }

    fn print_keys(&self, outcome: &NamespaceOutcome) -> std::io::Result<()> {
        let mut out = BufWriter::new(std::io::stdout().lock());
        for key in &outcome.keys {
            write!(out, "{}\t{}", key.identifier, key.version)?;
            writeln!(out, "\t{}", key.tags.join(","))?;
        }
        out.flush()
    }
}

/// Keys of one step of a listing.
const KEYS_AT_ONCE: u64 = 10_000;

impl Backup {
    fn run(&self, session: &Session) -> Outcome {
        let mut operation = Namespace::backup(&self.choice.namespace);
        if self.compressed {
            operation = operation.compressed();
        }
        let (_, outcome) = ask(session, &self.choice, operation)?;
        let data = outcome.data.ok_or_else(|| anyhow::anyhow!("the server sent no data"))?;
        if self.file.as_os_str() == "-" {
            show::line(data.get())?;
        } else {
            fs::write(&self.file, data.get())?;
        }
        eprintln!("{} entries written; `dump` takes namespaces of any size", grouped(outcome.count));
        Ok(())
    }
}

impl Restore {
    fn run(&self, session: &Session) -> Outcome {
        let text = if self.file.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin().lock())?
        } else {
            fs::read_to_string(&self.file)?
        };
        let data = RawValue::from_string(text).map_err(Failure::usage)?;
        let operation = Namespace::restore(&self.namespace, &data, self.merge.into()).map_err(failure)?;
        let reply = session.ask(&Request::namespace(operation))?.check().map_err(failure)?;
        let outcome = reply.namespace().map_err(failure)?;
        print(session, &reply, || {
            let (restored, skipped) = (grouped(outcome.count), grouped(outcome.skipped_count));
            show::line(&format!("{restored} entries restored, {skipped} left as they were"))
        })
    }
}
