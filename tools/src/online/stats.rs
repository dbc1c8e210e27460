//! `stats`: the server's own figures.

use clap::Args;
use mpreg::client::Request;
use serde_json::Value;

use super::{Format, Session, failure, show};
use crate::failure::Outcome;
use crate::output;

#[derive(Args)]
pub struct Arguments {
    /// Only figures whose name contains this.
    filter: Option<String>,
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        let reply = session.ask(&Request::stats())?;
        if session.format != Format::Table {
            return show::reply(session, "stats", &reply);
        }
        let reply = reply.check().map_err(failure)?;
        let figures: Value = reply.entry().map_err(failure)?.map_or(Value::Null, |entry| entry.value);
        let mut rows = Vec::new();
        flatten("", &figures, &mut rows);
        let wanted = self.filter.as_deref().unwrap_or_default();
        rows.retain(|row: &Vec<String>| row[0].contains(wanted));
        Ok(output::table(&["figure", ""], &rows)?)
    }
}

/// Members of members, by their names joined with dots.
fn flatten(path: &str, value: &Value, rows: &mut Vec<Vec<String>>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| flatten(&below(name), value, rows)),
        Value::Array(values) if values.iter().any(Value::is_object) => {
            values.iter().enumerate().for_each(|(at, value)| flatten(&below(&at.to_string()), value, rows));
        }
        other => rows.push(vec![path.to_owned(), other.to_string()]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_named_by_their_path() {
        let mut rows = Vec::new();
        flatten("", &serde_json::json!({"a": {"b": 1, "c": [2, 3]}, "d": [{"e": "f"}]}), &mut rows);
        let rows: Vec<_> = rows.iter().map(|row| format!("{}={}", row[0], row[1])).collect();
        assert_eq!(rows, ["a.b=1", "a.c=[2,3]", "d.0.e=\"f\""]);
    }
}
