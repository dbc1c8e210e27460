//! `log`: what stands in the log, frame by frame or record by record, and what comes to stand there.

mod follow;

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use mpreg_storage::log::Look;
use mpreg_storage::record::{KeyParts, Lsn, Op, Records};
use serde::Serialize;

use crate::failure::{Failure, Outcome};
use crate::files::{DataDirectory, Frame, damaged_record, visit};
use crate::output::{self, Format};

/// Frames printed when nobody says how many.
const FRAMES_DEFAULT: usize = 1000;

/// Print frames and records of the log by position.
#[derive(Args)]
pub struct Arguments {
    /// The data directory.
    #[arg(long, env = "MPREG_DATA")]
    data: PathBuf,
    /// First lsn to print; default: the oldest, or with --follow the next one.
    #[arg(long)]
    from: Option<u64>,
    /// Last lsn to print.
    #[arg(long, default_value_t = u64::MAX)]
    to: u64,
    /// Print the records of each frame, too.
    #[arg(long)]
    records: bool,
    /// At most this many frames; default 1000, with --follow no limit.
    #[arg(long)]
    limit: Option<usize>,
    /// Go on with what is written from now on, until interrupted. JSON is then one line a frame.
    #[arg(long, short)]
    follow: bool,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// One frame. The JSON keys are stable.
#[derive(Serialize)]
struct FrameRow {
    segment: u64,
    offset: u64,
    index: u64,
    term: u64,
    first_lsn: u64,
    last_lsn: u64,
    count: u32,
    time_us: u64,
    body_bytes: usize,
    /// Highest lsn known durable when the frame was written.
    durable_lsn: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    records: Vec<RecordRow>,
}

/// One record. The JSON keys are stable.
#[derive(Serialize)]
struct RecordRow {
    lsn: u64,
    operation: &'static str,
    key: String,
    value_bytes: usize,
    expires_us: Option<u64>,
    origin: u32,
}

/// Runs `log`.
pub fn run(arguments: &Arguments) -> Outcome {
    let directory = DataDirectory::open(&arguments.data)?;
    if arguments.follow {
        return print_new(arguments, &directory);
    }
    let (rows, ending) = directory.observe(|observed| {
        let rows = frames(arguments, &directory, &observed.look)?;
        Ok((rows, directory.ending(&observed.look)))
    })?;
    if arguments.format == Format::Json {
        return output::json(&rows).map_err(Failure::from);
    }
    print_frames(&rows)?;
    eprintln!("log: {ending}");
    Ok(())
}

/// Prints frames as they come.
fn print_new(arguments: &Arguments, directory: &DataDirectory) -> Outcome {
    let first = match arguments.from {
        Some(lsn) => Lsn(lsn),
        None => directory.observe(|observed| Ok(observed.look.last_lsn.plus(1)))?,
    };
    let mut left = arguments.limit.unwrap_or(usize::MAX);
    eprintln!("log: following from lsn {first}; interrupt to stop");
    follow::follow(directory, first, |frame| {
        if frame.frame.head.first_lsn.0 > arguments.to || left == 0 {
            return Ok(false);
        }
        let row = row(arguments, frame)?;
        left -= 1;
        if arguments.format == Format::Json {
            output::json_line(&row)?
        } else {
            print_line(&row)?
        }
        Ok(left > 0 && row.last_lsn < arguments.to)
    })
}

/// A frame without columns: how wide they would have to be is not known yet.
fn print_line(row: &FrameRow) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    let (time, place) = (output::time(row.time_us), format!("{}@{}", row.segment, row.offset));
    writeln!(out, "{time} {place} lsn {} to {}, {} bytes", row.first_lsn, row.last_lsn, row.body_bytes)?;
    for record in &row.records {
        writeln!(out, "  {} {} {} {} bytes", record.lsn, record.operation, record.key, record.value_bytes)?;
    }
    out.flush()
}

fn frames(arguments: &Arguments, directory: &DataDirectory, look: &Look) -> Result<Vec<FrameRow>, Failure> {
    let mut rows = Vec::new();
    visit(&directory.log_path(), look, Lsn(arguments.from.unwrap_or(0)), |frame| {
        if frame.frame.head.first_lsn.0 > arguments.to
            || rows.len() == arguments.limit.unwrap_or(FRAMES_DEFAULT)
        {
            return Ok(false);
        }
        rows.push(row(arguments, &frame)?);
        Ok(true)
    })?;
    Ok(rows)
}

fn row(arguments: &Arguments, frame: &Frame<'_>) -> Result<FrameRow, Failure> {
    let head = &frame.frame.head;
    Ok(FrameRow {
        segment: frame.segment.0,
        offset: frame.frame.offset,
        index: head.index,
        term: head.term,
        first_lsn: head.first_lsn.0,
        last_lsn: frame.frame.last_lsn().0,
        count: head.count,
        time_us: head.time_us,
        body_bytes: frame.frame.body.len(),
        durable_lsn: frame.frame.durable.0,
        records: if arguments.records { records(arguments, frame)? } else { Vec::new() },
    })
}

fn records(arguments: &Arguments, frame: &Frame<'_>) -> Result<Vec<RecordRow>, Failure> {
    let first = frame.frame.head.first_lsn.0;
    let mut rows = Vec::new();
    for (lsn, record) in (first..).zip(Records::new(frame.frame.body)) {
        let record = record.map_err(|error| damaged_record(frame.segment.0, frame.frame.offset, &error))?;
        if !(arguments.from.unwrap_or(0)..=arguments.to).contains(&lsn) {
            continue;
        }
        let (value_bytes, expires_us) = match record.op {
            Op::Put(put) => (put.value.len(), (put.expires_us != 0).then_some(put.expires_us)),
            Op::Expire(expire) => (0, Some(expire.expires_us)),
            Op::Update(update) => (update.value.len(), (update.expires_us != 0).then_some(update.expires_us)),
            Op::Touch(touch) => (0, Some(touch.expires_us)),
            Op::Change(change) => (change.payload.len(), None),
            Op::Batch(batch) => (batch.body.len(), None),
            _ => (0, None),
        };
        let (operation, key) = (record.op.name(), record.op.key().map_or_else(String::new, key_text));
        rows.push(RecordRow { lsn, operation, key, value_bytes, expires_us, origin: record.origin });
    }
    Ok(rows)
}

/// `namespace:identifier:version`, or the bytes when they are no key.
pub fn key_text(key: &[u8]) -> String {
    match KeyParts::decode(key) {
        Ok(parts) => format!("{}:{}:{}", parts.namespace, parts.identifier, parts.version),
        Err(_) => key.escape_ascii().to_string(),
    }
}

fn print_frames(rows: &[FrameRow]) -> std::io::Result<()> {
    let mut lines = Vec::new();
    for row in rows {
        lines.push(vec![
            format!("{}@{}", row.segment, row.offset),
            row.first_lsn.to_string(),
            row.last_lsn.to_string(),
            row.body_bytes.to_string(),
            row.durable_lsn.to_string(),
            output::time(row.time_us),
        ]);
        for record in &row.records {
            let (lsn, bytes) = (record.lsn.to_string(), record.value_bytes.to_string());
            lines.push(vec![format!("  {} {}", record.operation, record.key), lsn, String::new(), bytes]);
        }
    }
    output::table(&["segment@offset", "first lsn", "last lsn", "bytes", "durable lsn", "time"], &lines)
}
