//! Every frame and every record of the backlog, read once.

use std::collections::BTreeMap;

use clap::Args;
use mpreg_storage::record::message::Entry;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::Backlog;
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{self, Format, grouped};
use crate::progress::Progress;

/// Reads everything.
#[derive(Args)]
pub(super) struct Verify {
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was read. The JSON keys are stable.
#[derive(Default, Serialize)]
struct Report {
    segments: usize,
    messages: u64,
    message_bytes: u64,
    commits: u64,
    first_offset: Option<String>,
    last_offset: Option<String>,
    ending: String,
}

impl Verify {
    pub(super) fn print(&self, backlog: &Backlog) -> Outcome {
        let progress = Progress::start("verifying the backlog", 0);
        let mut report = Report::default();
        let topics = backlog.visit(|position, entry| {
            report.first_offset.get_or_insert_with(|| position.to_string());
            report.last_offset = Some(position.to_string());
            match entry {
                Entry::Message(message) => {
                    check_text(message.message).map_err(|what| {
                        Failure::new(Kind::Damage, format!("message at {position}: {what}"))
                    })?;
                    report.messages += 1;
                    report.message_bytes += message.message.len() as u64;
                }
                _ => report.commits += 1,
            }
            Ok(true)
        })?;
        report.segments = topics.look().segments.len();
        report.ending = match backlog.directory.is_live() {
            true => format!("being written, read up to lsn {}", topics.look().last_lsn),
            false => topics.look().ending.to_string(),
        };
        progress.end("no damage");
        report.show(self.format)
    }
}

/// A frame that verifies holds what was written; that it was a message is checked all the same.
fn check_text(text: &[u8]) -> Result<(), String> {
    let object: Result<BTreeMap<String, IgnoredAny>, _> = serde_json::from_slice(text);
    object.map(drop).map_err(|error| error.to_string())
}

impl Report {
    fn show(&self, format: Format) -> Outcome {
        if format == Format::Json {
            return Ok(output::json(self)?);
        }
        let row = |name: &str, text: String| vec![name.to_owned(), text];
        let offset = |offset: &Option<String>| offset.clone().unwrap_or_else(|| "-".to_owned());
        let rows = [
            row("segments", grouped(self.segments as u64)),
            row("messages", grouped(self.messages)),
            row("message bytes", grouped(self.message_bytes)),
            row("commits", grouped(self.commits)),
            row("first offset", offset(&self.first_offset)),
            row("last offset", offset(&self.last_offset)),
            row("ending", self.ending.clone()),
        ];
        Ok(output::table(&["backlog", ""], &rows)?)
    }
}
