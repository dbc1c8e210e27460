//! Results go to stdout, as a table for people or as JSON for programs. Everything else is stderr's.

use std::io::{self, IsTerminal, Write};

use clap::ValueEnum;
use comfy_table::{CellAlignment, Table, presets};
use serde::Serialize;

use crate::failure::{Failure, Kind, Outcome};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Format {
    /// Aligned columns.
    #[default]
    Table,
    /// One JSON document; its keys never change silently.
    Json,
}

/// Prints `value` as one JSON document with a line end.
pub fn json<T: Serialize>(value: &T) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    out.write_all(b"\n")
}

/// Prints `value` as one line of JSON.
pub fn json_line<T: Serialize>(value: &T) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, value)?;
    out.write_all(b"\n")?;
    out.flush()
}

/// Prints rows under `heads`. All columns but the first are aligned to the right, as figures are.
pub fn table(heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let mut table = filled(heads, rows);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    print(&table)
}

/// The same for words: all columns to the left.
pub fn left_table(heads: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    print(&filled(heads, rows))
}

fn filled(heads: &[&str], rows: &[Vec<String>]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(heads.to_vec());
    for row in rows {
        table.add_row(row.clone());
    }
    table
}

fn print(table: &Table) -> io::Result<()> {
    let text: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    io::stdout().lock().write_all(text.as_bytes())
}

/// Asks on the terminal; anything but yes ends the command. Without a terminal there is nobody to ask.
pub fn confirm(question: &str) -> Outcome {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(format!(
            "{question} nobody to ask: say --yes, or --dry-run to see first"
        )));
    }
    eprint!("{question} [y/N] ");
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Failure::new(Kind::Condition, "nothing was changed"))
}

/// `1234567` as `1,234,567`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The last moment that has four digits for its year.
const TIME_US_MAX: u64 = 253_402_300_799_999_999;

/// Microseconds since 1970 as UTC, with milliseconds. Times come from files: absurd ones are cut.
pub fn time(time_us: u64) -> String {
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_micros(time_us.min(TIME_US_MAX));
    humantime::format_rfc3339_millis(time).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        assert_eq!(grouped(0), "0");
        assert_eq!(grouped(999), "999");
        assert_eq!(grouped(1000), "1,000");
        assert_eq!(grouped(1_234_567), "1,234,567");
    }

    #[test]
    fn times_are_utc() {
        assert_eq!(time(1_700_000_000_123_456), "2023-11-14T22:13:20.123Z");
        assert_eq!(time(u64::MAX), "9999-12-31T23:59:59.999Z");
    }
}
