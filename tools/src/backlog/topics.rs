//! Topics with their figures.

use std::collections::BTreeMap;

use clap::Args;
use mpreg_storage::record::message::Entry;
use serde::Serialize;

use super::{Backlog, patterns, wants};
use crate::failure::{Failure, Kind, Outcome};
use crate::output::{self, Format, grouped};

/// Topics and what is kept of them.
#[derive(Args)]
pub(super) struct Topics {
    /// Only topics that match: * stands for one part between dots, # for any number of them.
    patterns: Vec<String>,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Figures of a topic. The JSON keys are stable.
#[derive(Serialize)]
struct Row {
    topic: String,
    messages: u64,
    bytes: u64,
    first_time_us: u64,
    last_time_us: u64,
    last_offset: String,
}

impl Topics {
    pub(super) fn print(&self, backlog: &Backlog) -> Outcome {
        let patterns = patterns(&self.patterns)?;
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        backlog.visit(|position, entry| {
            let Entry::Message(message) = entry else { return Ok(true) };
            if !rows.contains_key(message.topic) {
                if !wants(&patterns, message.topic) {
                    return Ok(true);
                }
                let topic = message.topic.to_owned();
                let (first_time_us, last_offset) = (message.time_us, String::new());
                let row = Row { topic, messages: 0, bytes: 0, first_time_us, last_time_us: 0, last_offset };
                rows.insert(message.topic.to_owned(), row);
            }
            let Some(row) = rows.get_mut(message.topic) else { return Ok(true) };
            row.messages += 1;
            row.bytes += message.message.len() as u64;
            row.last_time_us = message.time_us;
            row.last_offset = position.to_string();
            Ok(true)
        })?;
        let rows: Vec<Row> = rows.into_values().collect();
        print_rows(&rows, self.format)?;
        if rows.is_empty() {
            return Err(Failure::new(Kind::NotFound, "no message is kept"));
        }
        Ok(())
    }
}

fn print_rows(rows: &[Row], format: Format) -> std::io::Result<()> {
    if format == Format::Json {
        return output::json(&rows);
    }
    let line = |row: &Row| {
        let [first, last] = [row.first_time_us, row.last_time_us].map(output::time);
        vec![
            row.topic.clone(),
            grouped(row.messages),
            grouped(row.bytes),
            first,
            last,
            row.last_offset.clone(),
        ]
    };
    let lines: Vec<_> = rows.iter().map(line).collect();
    output::table(&["topic", "messages", "bytes", "first", "last", "last offset"], &lines)
}
