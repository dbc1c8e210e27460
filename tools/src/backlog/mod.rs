//! `backlog`: the messages a data directory keeps, from its files alone, beside a server or at rest.

mod replay;
mod topics;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use mpreg_storage::record::Position;
use mpreg_storage::record::message::Entry;
use mpreg_storage::topics::{Error, Pattern, ReadOnlyTopics};
use mpreg_storage::{log, write};

use crate::failure::{Failure, Kind, Outcome};
use crate::files::{DataDirectory, ReadOnlyDisk};

/// How often files that a server changes are looked at again until they fit together.
const ATTEMPTS_MAX: usize = 20;

/// Look into the backlog of published messages; nothing is changed.
#[derive(Args)]
pub struct Arguments {
    /// The data directory.
    #[arg(long, env = "MPREG_DATA", global = true, default_value = "mpreg-data")]
    data: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// Topics with their messages, bytes, and first and last time.
    Topics(topics::Topics),
    /// Print messages.
    Replay(replay::Replay),
    /// Read every message and check every checksum; exit code 7 on damage.
    Verify(verify::Verify),
}

impl Arguments {
    /// Runs `backlog`.
    pub fn run(&self) -> Outcome {
        let backlog = Backlog::open(&self.data)?;
        match &self.what {
            What::Topics(topics) => topics.print(&backlog),
            What::Replay(replay) => replay.print(&backlog),
            What::Verify(verify) => verify.print(&backlog),
        }
    }
}

/// The backlog of a data directory.
struct Backlog {
    directory: DataDirectory,
    path: PathBuf,
}

impl Backlog {
    fn open(data: &Path) -> Result<Backlog, Failure> {
        let directory = DataDirectory::open(data)?;
        let path = data.join("wal/topics");
        if !path.is_dir() {
            let reason = format!("{} has no backlog: there is no wal/topics", data.display());
            return Err(Failure::new(Kind::NotFound, reason));
        }
        Ok(Backlog { directory, path })
    }

    /// Calls `each` for every record, oldest first and each once, until it says to stop with false. Beside a server
    /// segments go while they are read: then it begins again behind what was shown, and what fails in the same words twice
    /// running is damage.
    fn visit(
        &self,
        mut each: impl FnMut(Position, &Entry<'_>) -> Result<bool, Failure>,
    ) -> Result<ReadOnlyTopics, Failure> {
        let mut shown = None;
        let mut last = None;
        for _ in 0..ATTEMPTS_MAX {
            let failure = match self.visit_once(&mut shown, &mut each) {
                Ok(topics) => return Ok(topics),
                Err(Stop::Theirs(failure)) => return Err(failure),
                Err(Stop::Ours(error)) => topics_failure(&error),
            };
            let text = failure.to_string();
            if !self.directory.is_live() || last.as_ref() == Some(&text) {
                return Err(failure);
            }
            last = Some(text);
        }
        Err(Failure::new(Kind::Error, "the files change faster than they can be read; try again"))
    }

    fn visit_once(
        &self,
        shown: &mut Option<Position>,
        each: &mut impl FnMut(Position, &Entry<'_>) -> Result<bool, Failure>,
    ) -> Result<ReadOnlyTopics, Stop> {
        let topics = ReadOnlyTopics::open(Arc::new(ReadOnlyDisk), &self.path).map_err(Stop::Ours)?;
        let mut records = topics.records();
        while let Some((position, entry)) = records.next().map_err(Stop::Ours)? {
            if shown.is_some_and(|shown| position <= shown) {
                continue;
            }
            *shown = Some(position);
            if !each(position, &entry).map_err(Stop::Theirs)? {
                break;
            }
        }
        Ok(topics)
    }
}

/// Why a walk ended early.
enum Stop {
    /// The files.
    Ours(Error),
    /// Whoever was shown a record.
    Theirs(Failure),
}

/// Damage is exit code 7, anything else 1.
fn topics_failure(error: &Error) -> Failure {
    let damaged = matches!(
        error,
        Error::Corrupt { .. }
            | Error::Record { .. }
            | Error::Write(write::Error::Log(log::Error::Corrupt { .. } | log::Error::Missing { .. }))
    );
    Failure::new(if damaged { Kind::Damage } else { Kind::Error }, error)
}

/// Patterns of which one must match; none is all.
fn patterns(texts: &[String]) -> Result<Vec<Pattern>, Failure> {
    texts.iter().map(|text| Pattern::new(text).map_err(Failure::usage)).collect()
}

fn wants(patterns: &[Pattern], topic: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(topic))
}
