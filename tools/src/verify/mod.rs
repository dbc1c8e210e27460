//! `verify`: reads everything in a data directory and checks that it holds together.
//!
//! 1. The table: every page checksum (at rest only), every row, the expiry index, the sums.
//! 2. The log: where it ends and why, every frame's checksum and chain, every record.
//! 3. Both: for each key, the newest record at or below the checkpoint is what the table holds.
//!
//! The third check reaches as far back as the log does: older records are retired.

mod agreement;

use std::path::PathBuf;

use clap::Args;
use mpreg_storage::log::Look;
use mpreg_storage::record::{Lsn, Records};
use mpreg_storage::table::Snapshot;
use serde::Serialize;

use crate::failure::{Failure, Kind, Outcome};
use crate::files::{self, DataDirectory, Frame, Observed};
use crate::output::{self, Format, grouped};
use crate::progress::Progress;
use agreement::Agreement;

/// Rows between two looks of the progress bar.
const ROWS_PER_TICK: u64 = 10_000;

/// Check every checksum of log and table, and that they agree. Exit code 7 on damage.
#[derive(Args)]
pub struct Arguments {
    /// The data directory.
    #[arg(long, env = "MPREG_DATA", default_value = "mpreg-data")]
    data: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// What was read and what is wrong with it. The JSON keys are stable.
#[derive(Debug, Default, Serialize)]
struct Report {
    server_running: bool,
    table_pages_checked: bool,
    table_rows: u64,
    table_expiry_rows: u64,
    log_segments: usize,
    log_frames: u64,
    log_records: u64,
    log_body_bytes: u64,
    log_ending: String,
    keys_compared: u64,
    /// Where and what, one line each.
    problems: Vec<String>,
}

/// Runs `verify`.
pub fn run(arguments: &Arguments) -> Outcome {
    let report = report(arguments)?;
    match arguments.format {
        Format::Json => output::json(&report)?,
        Format::Table => print(&report)?,
    }
    match report.problems.as_slice() {
        [] => Ok(()),
        [first, ..] => {
            let count = report.problems.len();
            Err(Failure::new(
                Kind::Damage,
                format!("{count} problems in {}, the first: {first}", arguments.data.display()),
            ))
        }
    }
}

fn report(arguments: &Arguments) -> Result<Report, Failure> {
    // Damage is what this command is for: a report like any other.
    let directory = match DataDirectory::open(&arguments.data) {
        Ok(directory) => directory,
        Err(failure) => return damage_only(Report::default(), failure),
    };
    let mut report = Report { server_running: directory.is_live(), ..Report::default() };
    check_pages(&directory, &mut report);
    let checked = directory.observe(|observed| {
        let mut report = Report::default();
        check_table(&observed.snapshot, &mut report)?;
        check_log(&directory, &observed, &mut report)?;
        Ok(report)
    });
    match checked {
        Ok(checked) => Ok(report.joined(checked)),
        Err(failure) => damage_only(report, failure),
    }
}

impl Report {
    /// What was found before, and everything a complete check found.
    fn joined(self, checked: Report) -> Report {
        let problems = [self.problems, checked.problems].concat();
        let Report { server_running, table_pages_checked, .. } = self;
        Report { server_running, table_pages_checked, problems, ..checked }
    }
}

/// Damage ends a check and is reported; any other failure ends the command.
fn damage_only(mut report: Report, failure: Failure) -> Result<Report, Failure> {
    if failure.kind() != Kind::Damage {
        return Err(failure);
    }
    report.problems.push(failure.to_string());
    Ok(report)
}

/// A server's own writes would look like damage, so its pages are left to it.
fn check_pages(directory: &DataDirectory, report: &mut Report) {
    if directory.is_live() {
        return;
    }
    report.table_pages_checked = true;
    if let Err(error) = directory.table().check_pages() {
        report.problems.push(error.to_string());
    }
}

fn check_table(snapshot: &Snapshot, report: &mut Report) -> Result<(), Failure> {
    let progress = Progress::start("table", snapshot.entries().map_err(files::table_failure)?);
    let verified = snapshot.verify(|rows| {
        if rows.is_multiple_of(ROWS_PER_TICK) {
            progress.at(rows);
        }
    });
    let verified = verified.map_err(files::table_failure)?;
    report.table_rows = verified.entries;
    report.table_expiry_rows = verified.expiring;
    progress.end(&format!("{} rows", verified.entries));
    let unseen = verified.problem_count - verified.problems.len() as u64;
    report.problems.extend(verified.problems.into_iter().map(|problem| format!("table: {problem}")));
    if unseen > 0 {
        report.problems.push(format!("table: {unseen} more problems"));
    }
    Ok(())
}

fn check_log(directory: &DataDirectory, observed: &Observed, report: &mut Report) -> Result<(), Failure> {
    let Observed { snapshot, look } = observed;
    report.log_segments = look.segments.len();
    report.log_ending = directory.ending(look);
    let progress = Progress::start("log", look.segments.iter().map(|segment| segment.frames_end).sum());
    let mut agreement = Agreement::default();
    let checkpoint = snapshot.position().lsn;
    let outcome = read_log(directory, look, report, &mut agreement, checkpoint, &progress);
    progress.end(&format!("{} frames", report.log_frames));
    outcome?;
    report.keys_compared = agreement.keys();
    agreement.compare(snapshot, &mut report.problems)
}

fn read_log(
    directory: &DataDirectory,
    look: &Look,
    report: &mut Report,
    agreement: &mut Agreement,
    checkpoint: Lsn,
    progress: &Progress,
) -> Result<(), Failure> {
    files::visit(&directory.log_path(), look, Lsn::ZERO, |frame| {
        report.log_frames += 1;
        report.log_body_bytes += frame.frame.body.len() as u64;
        progress.at(report.log_body_bytes);
        read_records(&frame, report, |lsn, op| {
            if lsn <= checkpoint {
                agreement.take(lsn, op);
            }
        })?;
        Ok(true)
    })
}

fn read_records(
    frame: &Frame<'_>,
    report: &mut Report,
    mut each: impl FnMut(Lsn, &mpreg_storage::record::Op<'_>),
) -> Result<(), Failure> {
    let (segment, offset) = (frame.segment.0, frame.frame.offset);
    let mut lsn = frame.frame.head.first_lsn;
    for record in Records::new(frame.frame.body) {
        let record = record.map_err(|error| files::damaged_record(segment, offset, &error))?;
        each(lsn, &record.op);
        report.log_records += 1;
        lsn = lsn.plus(1);
    }
    if lsn != frame.frame.last_lsn().plus(1) {
        let (found, expected) = (lsn.0 - frame.frame.head.first_lsn.0, frame.frame.head.count);
        let what = format!("the body holds {found} records, the head says {expected}");
        return Err(files::damaged_record(segment, offset, &what));
    }
    Ok(())
}

fn print(report: &Report) -> std::io::Result<()> {
    let line = |name: &str, text: String| vec![name.to_owned(), text];
    let pages = if report.table_pages_checked { "checked" } else { "not checked beside a server" };
    let rows = [
        line("table pages", pages.to_owned()),
        line("table rows", grouped(report.table_rows)),
        line("expiry rows", grouped(report.table_expiry_rows)),
        line("log segments", grouped(report.log_segments as u64)),
        line("log frames", grouped(report.log_frames)),
        line("log records", grouped(report.log_records)),
        line("log body bytes", grouped(report.log_body_bytes)),
        line("keys compared", grouped(report.keys_compared)),
        line("problems", grouped(report.problems.len() as u64)),
    ];
    output::table(&["verify", ""], &rows)?;
    if !report.log_ending.is_empty() {
        eprintln!("log: {}", report.log_ending);
    }
    report.problems.iter().for_each(|problem| println!("{problem}"));
    Ok(())
}
