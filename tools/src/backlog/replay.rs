//! Messages of the backlog, printed.

use std::time::{Duration, SystemTime};

use clap::Args;
use mpreg_storage::record::Position;
use mpreg_storage::record::message::{Entry, Message};
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::{Backlog, patterns, wants};
use crate::failure::{Failure, Kind, Outcome};
use crate::online::{Format, Row, duration, print_row};

/// Messages, oldest first.
#[derive(Args)]
pub(super) struct Replay {
    /// Only topics that match: * stands for one part between dots, # for any number of them.
    patterns: Vec<String>,
    /// Only behind this offset: 1:42.
    #[arg(long, value_name = "OFFSET")]
    after: Option<Position>,
    /// Only what was received then or later: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<u64>,
    /// Only what was received before: a time, or how long ago.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<u64>,
    /// At most so many.
    #[arg(long)]
    limit: Option<u64>,
    /// How to print: json is one line a message.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// A message object, as far as it is printed.
#[derive(Deserialize)]
struct Object<'a> {
    #[serde(borrow)]
    payload: &'a RawValue,
    #[serde(default)]
    message_id: String,
    #[serde(default)]
    publisher: String,
    #[serde(default)]
    timestamp: f64,
    #[serde(default)]
    headers: Value,
}

/// A time in microseconds since 1970, given as such or as how long ago.
fn moment(text: &str) -> Result<u64, String> {
    let time = match humantime::parse_rfc3339_weak(text) {
        Ok(time) => time,
        Err(_) => {
            let ago = duration(text)
                .map_err(|_| "it is a time such as 2026-11-25T08:00:00Z, or how long ago: 5m")?;
            SystemTime::now().checked_sub(ago).unwrap_or(SystemTime::UNIX_EPOCH)
        }
    };
    let since: Duration = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(since.as_micros() as u64)
}

impl Replay {
    pub(super) fn print(&self, backlog: &Backlog) -> Outcome {
        let patterns = patterns(&self.patterns)?;
        let mut printed = 0;
        let limit = self.limit.unwrap_or(u64::MAX);
        backlog.visit(|position, entry| {
            let Entry::Message(message) = entry else { return Ok(true) };
            if printed < limit && self.takes(position, message) && wants(&patterns, message.topic) {
                self.print_message(position, message)?;
                printed += 1;
            }
            Ok(printed < limit)
        })?;
        if printed == 0 {
            return Err(Failure::new(Kind::NotFound, "no message matches"));
        }
        Ok(())
    }

    fn takes(&self, position: Position, message: &Message<'_>) -> bool {
        self.after.is_none_or(|after| position > after)
            && self.since.is_none_or(|since| message.time_us >= since)
            && self.until.is_none_or(|until| message.time_us < until)
    }

    fn print_message(&self, position: Position, message: &Message<'_>) -> Outcome {
        let damaged = |error: serde_json::Error| {
            Failure::new(Kind::Damage, format!("message at {position} is no message object: {error}"))
        };
        let object: Object<'_> = serde_json::from_slice(message.message).map_err(damaged)?;
        let offset = position.to_string();
        let row = Row {
            topic: message.topic,
            offset: Some(&offset),
            message_id: &object.message_id,
            publisher: &object.publisher,
            timestamp: object.timestamp,
            headers: object.headers,
            payload: object.payload,
        };
        Ok(print_row(self.format, message.time_us, &row)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_times_or_ages() {
        assert_eq!(moment("1970-01-01T00:00:01.5Z"), Ok(1_500_000));
        let hour_ago = moment("1h").unwrap();
        assert!(hour_ago.abs_diff(moment("3600").unwrap()) < 10_000_000);
        assert!(moment("soon").is_err());
    }
}
