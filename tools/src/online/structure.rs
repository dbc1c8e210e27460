//! `struct`: one operation on a structure, in the protocol's words.

use clap::Args;
use mpreg::client::{Range, Request, Structure};
use serde_json::value::RawValue;

use super::connection::AtLevel;
use super::entry::Numbered;
use super::key::KeyArguments;
use super::value::{self, Json, assignment};
use super::{Session, failure, show};
use crate::failure::{Failure, Outcome};

/// Verbs by kind, for --help and completion.
pub const VERBS: [(&str, &str); 7] = [
    ("set", "add remove contains members size union intersection difference clear"),
    ("list", "append prepend insert pop_front pop_back pop get get_range remove length clear"),
    ("map", "set get get_fields remove_fields increment_field contains keys values items size clear"),
    (
        "sorted_set",
        "add add_scored remove score rank get_top get_bottom get_range range pop_min pop_max size clear",
    ),
    ("counter", "increment decrement set get reset"),
    ("queue", "enqueue dequeue peek size clear"),
    ("stack", "push pop peek size clear"),
];

#[derive(Args)]
#[command(after_help = help())]
pub struct Arguments {
    /// Kind of structure.
    #[arg(value_parser = VERBS.map(|(kind, _)| kind))]
    kind: String,
    /// What to do.
    verb: String,
    #[command(flatten)]
    key: KeyArguments,
    /// Values it works on, as JSON; - reads one from stdin.
    #[arg(allow_negative_numbers = true)]
    values: Vec<String>,
    /// The values are texts, to be taken as they stand.
    #[arg(long)]
    string: bool,
    /// A field of a map; may come several times.
    #[arg(long = "field", value_name = "FIELD")]
    fields: Vec<String>,
    /// What a field of a map becomes; may come several times.
    #[arg(long = "set", value_name = "FIELD=JSON", value_parser = assignment)]
    updates: Vec<(String, String)>,
    /// The score of all values.
    #[arg(long, allow_negative_numbers = true)]
    score: Option<f64>,
    /// A place in a list; negative ones count from the end.
    #[arg(long, allow_negative_numbers = true)]
    index: Option<i64>,
    /// First place of a range.
    #[arg(long, allow_negative_numbers = true)]
    start: Option<i64>,
    /// Place behind the last of a range.
    #[arg(long, allow_negative_numbers = true)]
    end: Option<i64>,
    /// Lowest score of a range.
    #[arg(long, allow_negative_numbers = true)]
    min: Option<f64>,
    /// Highest score of a range.
    #[arg(long, allow_negative_numbers = true)]
    max: Option<f64>,
    /// At most so many.
    #[arg(long)]
    limit: Option<u64>,
    /// Another set, as NAMESPACE:IDENTIFIER or NAMESPACE:IDENTIFIER:VERSION; may come several times.
    #[arg(long = "other", value_name = "KEY")]
    others: Vec<String>,
    /// A structure that is not there is not made.
    #[arg(long)]
    only_existing: bool,
    #[command(flatten)]
    level: AtLevel,
    #[command(flatten)]
    numbered: Numbered,
}

fn help() -> String {
    let lines = VERBS.map(|(kind, verbs)| format!("  {kind:<10} {verbs}"));
    format!("Verbs:\n{}", lines.join("\n"))
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        let request = Request::structure(self.key.get(), self.operation()?).level(self.level.get());
        let reply = session.ask(&self.numbered.apply(request))?;
        show::reply(session, &self.key.to_string(), &reply)
    }

    fn operation(&self) -> Result<Structure, Failure> {
        let mut operation = Structure::new(&self.kind, &self.verb).fields(&self.fields).others(&self.others);
        for text in &self.values {
            operation = operation.value(&value::read(text, self.string)?).map_err(failure)?;
        }
        if !self.updates.is_empty() {
            operation = operation.updates(&self.field_updates()?).map_err(failure)?;
        }
        if let Some(score) = self.score {
            operation = operation.score(score);
        }
        if let Some(index) = self.index {
            operation = operation.index(index);
        }
        if let Some(limit) = self.limit {
            operation = operation.limit(limit);
        }
        if self.only_existing {
            operation = operation.only_existing();
        }
        let (min_score, max_score) = (self.min, self.max);
        Ok(operation.range(Range { start: self.start, end: self.end, min_score, max_score }))
    }

    /// The object of `--set`, its values as they were written.
    fn field_updates(&self) -> Result<Box<RawValue>, Failure> {
        let mut text = String::from("{");
        for (field, value) in &self.updates {
            let value = if self.string {
                value::read(value, true)?
            } else {
                value.parse::<Json>().map_err(Failure::usage)?.0
            };
            let comma = if text.len() > 1 { "," } else { "" };
            let field = serde_json::to_string(field).map_err(Failure::usage)?;
            text.push_str(&format!("{comma}{field}:{}", value.get()));
        }
        text.push('}');
        RawValue::from_string(text).map_err(Failure::usage)
    }
}
