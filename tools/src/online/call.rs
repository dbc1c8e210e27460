//! `call`, `functions`, `describe`: what there is to call, and calling it.

use std::time::Duration;

use clap::Args;
use mpreg::client::{Command, FunctionFilter, Graph, Results};
use serde_json::Value;

use super::value::{self, assignment};
use super::{Format, Session, failure, show};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;

/// Name of the one command, which no argument equals by chance.
const LONE: &str = "\u{1}";

#[derive(Args)]
pub struct Call {
    /// The function.
    function: String,
    /// Positional arguments, as JSON; - reads one from stdin.
    #[arg(allow_negative_numbers = true)]
    args: Vec<String>,
    /// An argument by name; may come several times.
    #[arg(long = "arg", short = 'a', value_name = "NAME=JSON", value_parser = assignment)]
    kwargs: Vec<(String, String)>,
    /// The arguments are texts, to be taken as they stand.
    #[arg(long)]
    string: bool,
    /// The versions it may have: '>=1.0.0,<2.0.0'.
    #[arg(long, value_name = "CONSTRAINT")]
    function_version: Option<String>,
    /// The id it must have.
    #[arg(long)]
    function_id: Option<String>,
    /// A resource it must have; may come several times.
    #[arg(long = "resource", value_name = "RESOURCE")]
    resources: Vec<String>,
    /// How long to wait for the result, whatever --timeout says of other answers.
    #[arg(long, value_name = "TIME", value_parser = value::duration, default_value = "40s")]
    within: Duration,
}

impl Call {
    pub fn run(&self, session: &Session) -> Outcome {
        let graph = Graph::new().command(LONE, self.command()?);
        let client = session.client.with_timeout(self.within);
        if session.format == Format::Json {
            let reply = session.wait(client.send(&graph))?;
            show::line(reply.get())?;
            return Results::read(reply).map(drop).map_err(failure);
        }
        let results = session.wait(client.run(&graph))?;
        let result: Option<Box<serde_json::value::RawValue>> = results.get(LONE).map_err(failure)?;
        Ok(show::line(result.as_ref().map_or("null", |result| result.get()))?)
    }

    fn command(&self) -> Result<Command, Failure> {
        let mut command = Command::new(&self.function).resources(&self.resources);
        for text in &self.args {
            command = command.arg(&value::read(text, self.string)?).map_err(failure)?;
        }
        for (name, text) in &self.kwargs {
            command = command.kwarg(name, &value::read(text, self.string)?).map_err(failure)?;
        }
        if let Some(constraint) = &self.function_version {
            command = command.version(constraint);
        }
        if let Some(id) = &self.function_id {
            command = command.function_id(id);
        }
        Ok(command)
    }
}

#[derive(Args)]
pub struct Functions {
    /// Only functions with this text in name, namespace, summary or id, in any case.
    query: Option<String>,
    /// Only this namespace and those below.
    #[arg(long)]
    namespace: Option<String>,
    /// Only with this tag; may come several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only with this resource; may come several times.
    #[arg(long = "resource", value_name = "RESOURCE")]
    resources: Vec<String>,
}

impl Functions {
    pub fn run(&self, session: &Session) -> Outcome {
        let filter = FunctionFilter {
            query: self.query.clone(),
            namespace: self.namespace.clone(),
            tags: self.tags.clone(),
            resources: self.resources.clone(),
            ..FunctionFilter::default()
        };
        let found = session.wait(session.client.functions(&filter))?;
        if session.format != Format::Table {
            output::json(&found)?;
        } else if !found.is_empty() {
            let row = |function: &Value| {
                let text = |path: &str| function.pointer(path).map(plain).unwrap_or_default();
                let labels = [plain(&function["tags"]), plain(&function["resources"])].join(" ");
                vec![
                    text("/identity/name"),
                    text("/identity/version"),
                    text("/summary/summary"),
                    labels.trim().to_owned(),
                ]
            };
            let rows: Vec<_> = found.iter().map(row).collect();
            output::left_table(&["function", "version", "summary", "tags, resources"], &rows)?;
        }
        if found.is_empty() { Err(Failure::new(Kind::NotFound, "no such function")) } else { Ok(()) }
    }
}

#[derive(Args)]
pub struct Describe {
    /// The function.
    function: String,
    /// Only these versions: '>=1.0.0,<2.0.0'.
    #[arg(long, value_name = "CONSTRAINT")]
    function_version: Option<String>,
}

impl Describe {
    pub fn run(&self, session: &Session) -> Outcome {
        let filter = FunctionFilter {
            function_name: Some(self.function.clone()),
            version_constraint: self.function_version.clone(),
            ..FunctionFilter::default()
        };
        let found = session.wait(session.client.describe(&filter))?;
        if session.format != Format::Table {
            output::json(&found)?;
        } else {
            for function in &found {
                show::line(&description(function))?;
            }
        }
        if found.is_empty() {
            return Err(Failure::new(Kind::NotFound, format!("no function {}", self.function)));
        }
        Ok(())
    }
}

/// A text without quotes, a list with spaces between.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(plain).collect::<Vec<_>>().join(" "),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Signature, words and labels of a function.
fn description(function: &Value) -> String {
    let spec = &function["spec"];
    let parameters = spec["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let names: Vec<_> = parameters.iter().map(parameter).collect();
    let (name, version) = (plain(&function["identity"]["name"]), plain(&function["identity"]["version"]));
    let returns = plain(&spec["return_spec"]["type_spec"]["display"]);
    let mut lines =
        vec![format!("{name}({}) -> {returns}", names.join(", ")), format!("  version {version}")];
    let doc = &spec["doc"];
    for text in [plain(&doc["summary"]), plain(&doc["description"]), plain(&doc["return_doc"])] {
        lines.extend(text.lines().map(|line| format!("  {line}")));
    }
    for parameter in parameters {
        let doc = plain(&parameter["doc"]);
        if !doc.is_empty() {
            lines.push(format!("  {}: {doc}", plain(&parameter["name"])));
        }
    }
    for label in ["tags", "resources"] {
        let text = plain(&function[label]);
        if !text.is_empty() {
            lines.push(format!("  {label}: {text}"));
        }
    }
    lines.join("\n")
}

/// `name: type = default`.
fn parameter(parameter: &Value) -> String {
    let mut text = plain(&parameter["name"]);
    let kind = plain(&parameter["type_spec"]["display"]);
    if !kind.is_empty() {
        text = format!("{text}: {kind}");
    }
    let default = &parameter["default"];
    if default["has_default"] == true {
        let shown = if default["json_value"].is_null() {
            plain(&default["repr_value"])
        } else {
            default["json_value"].to_string()
        };
        text = format!("{text} = {}", if shown.is_empty() { "null".to_owned() } else { shown });
    } else if parameter["required"] == false {
        text.push('?');
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_description_is_readable() {
        let function = json!({"identity": {"name": "stats.mean", "version": "1.2.0"}, "tags": ["math"], "resources": [],
            "spec": {"doc": {"summary": "Mean of numbers.", "description": ""}, "return_spec": {"type_spec": {"display": "number"}},
                "parameters": [
                    {"name": "numbers", "type_spec": {"display": "array"}, "required": true, "doc": "What is averaged."},
                    {"name": "weight", "type_spec": {"display": ""}, "required": false,
                     "default": {"has_default": true, "encoding": "json", "json_value": 1.5}}]}});
        let expected = "stats.mean(numbers: array, weight = 1.5) -> number\n  version 1.2.0\n  Mean of numbers.\n  numbers: What is averaged.\n  tags: math";
        assert_eq!(description(&function), expected);
    }
}
