//! Loading a dump into a server.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use mpreg::client::{Merge, Namespace};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{FORMAT, Foot, Head, VERSION};
use crate::failure::{Failure, Kind, Outcome};
use crate::online::{Connection, MergeName, Session};
use crate::output::grouped;

/// Entries sent together at most.
const ENTRIES_AT_ONCE: usize = 500;
/// Bytes of entries from which on they are sent.
const BYTES_AT_ONCE: usize = 2 * 1024 * 1024;

/// Read entries that `dump` wrote into a server.
#[derive(Args)]
pub struct Load {
    /// What `dump` wrote; without it stdin.
    file: Option<PathBuf>,
    /// What becomes of keys that are there.
    #[arg(long, value_enum, default_value_t)]
    merge: MergeName,
    /// Only entries of this namespace; may come several times.
    #[arg(long = "only", value_name = "NAMESPACE")]
    only: Vec<String>,
    /// Put all entries into this namespace, whatever they came from.
    #[arg(long, value_name = "NAMESPACE")]
    into: Option<String>,
    /// Read all of it and send nothing.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    connection: Connection,
}

/// A line of a dump.
#[derive(Deserialize)]
#[serde(untagged)]
enum Line {
    Entry { key: KeyOfLine },
    Foot(Foot),
}

#[derive(Deserialize)]
struct KeyOfLine {
    namespace: String,
}

/// Entries on their way, all of one namespace.
#[derive(Default)]
struct Parcel {
    namespace: String,
    entries: Vec<Box<RawValue>>,
    bytes: usize,
}

/// The data of a restore.
#[derive(Serialize)]
struct Data<'a> {
    format: &'static str,
    version: u32,
    namespace: &'a str,
    entries: &'a [Box<RawValue>],
}

#[derive(Default)]
struct Counts {
    read: u64,
    loaded: u64,
    skipped: u64,
}

impl Load {
    /// Runs `load`.
    pub fn run(&self) -> Outcome {
        let input: Box<dyn BufRead> = match &self.file {
            None => Box::new(BufReader::new(std::io::stdin())),
            Some(path) => Box::new(BufReader::new(File::open(path)?)),
        };
        let session = if self.dry_run { None } else { Some(self.connection.open()?) };
        let mut counts = Counts::default();
        let read = self.read(input, session.as_ref(), &mut counts);
        let Counts { read: entries, loaded, skipped } = counts;
        let (entries, loaded, skipped) = (grouped(entries), grouped(loaded), grouped(skipped));
        eprintln!("{entries} entries read, {loaded} loaded, {skipped} left as they were or past their end");
        read
    }

    fn read(&self, input: Box<dyn BufRead>, session: Option<&Session>, counts: &mut Counts) -> Outcome {
        let mut lines = input.lines().enumerate();
        let head = lines.next().map(|(_, line)| line).transpose()?.unwrap_or_default();
        check_head(&head)?;
        let mut parcel = Parcel::default();
        let mut foot = None;
        for (number, line) in lines {
            let line = line?;
            let place = |error: serde_json::Error| {
                Failure::new(Kind::Damage, format!("line {} is no entry: {error}", number + 1))
            };
            match serde_json::from_str(&line).map_err(place)? {
                Line::Foot(found) => foot = Some(found),
                Line::Entry { key } => {
                    counts.read += 1;
                    if !self.only.is_empty() && !self.only.contains(&key.namespace) {
                        continue;
                    }
                    let namespace = self.into.clone().unwrap_or(key.namespace);
                    if parcel.is_full(&namespace) {
                        self.send(&mut parcel, session, counts)?;
                    }
                    parcel.add(namespace, RawValue::from_string(line).map_err(place)?);
                }
            }
        }
        self.send(&mut parcel, session, counts)?;
        match foot {
            Some(foot) if foot.end && foot.entries == counts.read => Ok(()),
            _ => Err(Failure::new(
                Kind::Damage,
                "the dump does not end as it should: it is not whole. What was read of it is loaded",
            )),
        }
    }

    fn send(&self, parcel: &mut Parcel, session: Option<&Session>, counts: &mut Counts) -> Outcome {
        let parcel = std::mem::take(parcel);
        let Some(session) = session.filter(|_| !parcel.entries.is_empty()) else { return Ok(()) };
        let data = Data {
            format: "mpreg-namespace-backup",
            version: 1,
            namespace: &parcel.namespace,
            entries: &parcel.entries,
        };
        let merge: Merge = self.merge.into();
        let operation =
            Namespace::restore(&parcel.namespace, &data, merge).map_err(crate::online::failure)?;
        let outcome = session.wait(session.client.namespace(operation))?;
        counts.loaded += outcome.count;
        counts.skipped += outcome.skipped_count;
        Ok(())
    }
}

impl Parcel {
    fn is_full(&self, namespace: &str) -> bool {
        self.namespace != namespace || self.entries.len() >= ENTRIES_AT_ONCE || self.bytes >= BYTES_AT_ONCE
    }

    fn add(&mut self, namespace: String, entry: Box<RawValue>) {
        self.namespace = namespace;
        self.bytes += entry.get().len();
        self.entries.push(entry);
    }
}

fn check_head(line: &str) -> Outcome {
    match serde_json::from_str::<Head>(line) {
        Ok(head) if head.format == FORMAT && head.version == VERSION => Ok(()),
        Ok(head) if head.format == FORMAT => Err(Failure::usage(format!(
            "the dump is of version {}, this build reads version {VERSION}",
            head.version
        ))),
        _ => Err(Failure::usage("this is no dump: its first line does not say so")),
    }
}
