//! Graphs of commands and what they come to.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Command;
use crate::client::Error;
use crate::client::cache::RpcError;

/// Commands that run level by level: whatever names no other command first, all at once.
#[derive(Debug, Clone, Serialize)]
#[must_use = "a graph does nothing until it is run"]
pub struct Graph {
    role: &'static str,
    cmds: Vec<Command>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    return_intermediate_results: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    intermediate_result_callback_topic: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    include_execution_summary: bool,
}

impl Default for Graph {
    fn default() -> Graph {
        Graph::new()
    }
}

impl Graph {
    /// A graph without commands.
    pub fn new() -> Graph {
        Graph {
            role: "rpc",
            cmds: Vec::new(),
            return_intermediate_results: false,
            intermediate_result_callback_topic: None,
            include_execution_summary: false,
        }
    }

    /// One more command. In arguments of the others `name` stands for its result, and `name.field` for a member of it.
    pub fn command(mut self, name: impl Into<String>, command: Command) -> Graph {
        self.cmds.push(command.named(name.into()));
        self
    }

    /// Results of all levels come back, not only those of the last one.
    pub fn all_levels(self) -> Graph {
        Graph { return_intermediate_results: true, ..self }
    }

    /// Each level is published to this topic as it is done. Goes with [`Graph::all_levels`].
    pub fn progress_topic(self, topic: impl Into<String>) -> Graph {
        Graph { intermediate_result_callback_topic: Some(topic.into()), ..self.all_levels() }
    }

    /// Times come back.
    pub fn summary(self) -> Graph {
        Graph { include_execution_summary: true, ..self }
    }
}

/// What a graph came to.
#[derive(Debug, Clone)]
pub struct Results {
    text: Box<RawValue>,
    last: HashMap<String, Box<RawValue>>,
    /// Every level, when they were asked for.
    pub levels: Vec<Level>,
    /// Times, when they were asked for.
    pub summary: Option<Summary>,
}

/// One level of a graph.
#[derive(Debug, Clone, Deserialize)]
pub struct Level {
    /// From 0.
    pub level_index: usize,
    /// Results of its commands.
    pub level_results: HashMap<String, Box<RawValue>>,
    /// How long it took.
    pub execution_time_ms: f64,
}

/// Times of a graph.
#[derive(Debug, Clone, Deserialize)]
pub struct Summary {
    /// From the first to the last level.
    pub total_execution_time_ms: f64,
    /// Of each level.
    pub level_execution_times: Vec<f64>,
    /// The slowest level.
    pub bottleneck_level_index: usize,
    /// Commands run.
    pub parallel_commands_executed: usize,
}

#[derive(Deserialize)]
struct Response {
    r: Option<HashMap<String, Box<RawValue>>>,
    error: Option<RpcError>,
    #[serde(default)]
    intermediate_results: Vec<Level>,
    execution_summary: Option<Summary>,
}

impl Results {
    /// Takes a reply as it came from [`Client::send`](crate::client::Client::send).
    pub fn read(text: Box<RawValue>) -> Result<Results, Error> {
        let response: Response = serde_json::from_str(text.get()).map_err(Error::Decode)?;
        if let Some(error) = response.error {
            return Err(error.into());
        }
        Ok(Results {
            last: response.r.unwrap_or_default(),
            levels: response.intermediate_results,
            summary: response.execution_summary,
            text,
        })
    }

    /// The result of a command; `None` when it is not of the last level and the others were not asked for.
    pub fn get<R: DeserializeOwned>(&self, name: &str) -> Result<Option<R>, Error> {
        let of_levels = || self.levels.iter().find_map(|level| level.level_results.get(name));
        let found = self.last.get(name).or_else(of_levels);
        found.map(|text| serde_json::from_str(text.get())).transpose().map_err(Error::Decode)
    }

    /// The whole reply as JSON text.
    #[must_use]
    pub fn text(&self) -> &str {
        self.text.get()
    }
}
