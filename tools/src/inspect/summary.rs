//! The directory as a whole.

use serde::Serialize;

use super::Contents;
use crate::failure::{Failure, Outcome};
use crate::files::table_failure;
use crate::output::{self, Format, grouped};

/// The JSON keys are stable.
#[derive(Serialize)]
struct Summary {
    node_id: String,
    server_running: bool,
    checkpoint_lsn: u64,
    checkpoint_time_us: u64,
    table_entries: u64,
    table_expiring: u64,
    table_file_bytes: u64,
    log_segments: usize,
    log_file_bytes: u64,
    log_first_lsn: u64,
    log_last_lsn: u64,
    log_durable_lsn: u64,
    log_epoch: u64,
    log_ending: String,
    tail_records: u64,
    tail_keys: usize,
}

/// Prints the summary.
pub(super) fn print(contents: &Contents, format: Format) -> Outcome {
    let summary = summary(contents)?;
    if format == Format::Json {
        return output::json(&summary).map_err(Failure::from);
    }
    let line = |name: &str, text: String| vec![name.to_owned(), text];
    let rows = [
        line("node id", summary.node_id),
        line("server", if summary.server_running { "running" } else { "not running" }.to_owned()),
        line("checkpoint lsn", grouped(summary.checkpoint_lsn)),
        line("checkpoint time", output::time(summary.checkpoint_time_us)),
        line("table entries", grouped(summary.table_entries)),
        line("  of them with a ttl", grouped(summary.table_expiring)),
        line("table file bytes", grouped(summary.table_file_bytes)),
        line("log segments", grouped(summary.log_segments as u64)),
        line("log file bytes", grouped(summary.log_file_bytes)),
        line("log first lsn", grouped(summary.log_first_lsn)),
        line("log last lsn", grouped(summary.log_last_lsn)),
        line("  known durable", grouped(summary.log_durable_lsn)),
        line("log epoch", summary.log_epoch.to_string()),
        line("records above checkpoint", grouped(summary.tail_records)),
        line("  keys they touch", grouped(summary.tail_keys as u64)),
    ];
    output::table(&["summary", ""], &rows)?;
    eprintln!("log: {}", summary.log_ending);
    Ok(())
}

fn summary(contents: &Contents) -> Result<Summary, Failure> {
    let (look, position) = (&contents.look, contents.snapshot.position());
    Ok(Summary {
        node_id: contents.directory.node_id.clone(),
        server_running: contents.directory.is_live(),
        checkpoint_lsn: position.lsn.0,
        checkpoint_time_us: position.time_us,
        table_entries: contents.snapshot.entries().map_err(table_failure)?,
        table_expiring: contents.snapshot.expiring().map_err(table_failure)?,
        table_file_bytes: contents.directory.table_bytes(),
        log_segments: look.segments.len(),
        log_file_bytes: look.segments.iter().map(|segment| segment.file_bytes).sum(),
        log_first_lsn: look.segments.first().map_or(0, |segment| segment.first_lsn.0),
        log_last_lsn: look.last_lsn.0,
        log_durable_lsn: look.durable.0,
        log_epoch: look.epoch.0,
        log_ending: contents.directory.ending(look),
        tail_records: contents.tail.records,
        tail_keys: contents.tail.entries.len(),
    })
}
