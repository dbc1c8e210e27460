//! One request made ready: its commands with their functions, and the order they run in.

use std::borrow::Cow;
use std::sync::Arc;

use mpreg_storage::json::{Reader, Text};

use super::function::{Code, Failure, Function};
use super::graph::{self, Node, Plan};
use super::names::Names;
use super::registry::{Registry, Selector};
use super::version::Constraint;
use crate::protocol::rpc::{Command, Request};

/// A command with the function that will run it.
#[derive(Debug)]
pub(super) struct Task<'a> {
    pub(super) name: Cow<'a, str>,
    /// The name as it stood in the message, with its quotes.
    pub(super) label: Cow<'a, str>,
    pub(super) args: Cow<'a, str>,
    pub(super) kwargs: Cow<'a, str>,
    /// What whoever runs it must have.
    pub(super) resources: Vec<String>,
    pub(super) function: Arc<Function>,
}

/// What the reply shall hold besides results.
#[derive(Debug, Clone, Default)]
pub(super) struct Wishes {
    pub(super) intermediate: bool,
    pub(super) summary: bool,
    /// Each level is published here.
    pub(super) topic: Option<String>,
}

/// A request ready to run.
#[derive(Debug)]
pub(super) struct Job<'a> {
    /// The quoted request id.
    pub(super) u: Cow<'a, str>,
    pub(super) tasks: Vec<Task<'a>>,
    pub(super) plan: Plan,
    pub(super) wishes: Wishes,
}

/// A function a command will run, with the resources it asks for.
#[derive(Debug)]
pub(super) struct Chosen {
    pub(super) function: Arc<Function>,
    resources: Vec<String>,
}

/// The functions of a request's commands, in their order.
pub(super) fn choose(
    request: &Request<'_>,
    cluster_id: &str,
    registry: &Registry,
) -> Result<Vec<Chosen>, Failure> {
    let chosen = |command: &Command<'_>| {
        let resources = strings(command.locs);
        let function = select(command, cluster_id, &resources, registry)?;
        Ok(Chosen { function, resources })
    };
    request.commands.iter().map(chosen).collect()
}

impl<'a> Job<'a> {
    /// Orders the commands, for each of which a function has been chosen. Nothing has run when this fails.
    pub(super) fn new(request: &Request<'a>, chosen: Vec<Chosen>) -> Result<Job<'a>, Failure> {
        let names: Vec<Cow<'a, str>> = request.commands.iter().map(|command| command.name.decode()).collect();
        let nodes: Vec<Node<'_>> = request.commands.iter().zip(&names).map(node).collect();
        let plan = Plan::new(&nodes).map_err(refusal)?;
        let task = |((command, name), chosen): ((&Command<'a>, Cow<'a, str>), Chosen)| Task {
            name,
            label: Cow::Borrowed(command.name.quoted()),
            args: Cow::Borrowed(command.args),
            kwargs: Cow::Borrowed(command.kwargs),
            resources: chosen.resources,
            function: chosen.function,
        };
        let tasks = request.commands.iter().zip(names).zip(chosen).map(task).collect();
        // As upstream, a topic alone does nothing.
        let topic =
            request.intermediate_result_callback_topic.filter(|_| request.return_intermediate_results);
        let wishes = Wishes {
            intermediate: request.return_intermediate_results,
            summary: request.include_execution_summary,
            topic: topic.map(|topic| topic.decode().into_owned()),
        };
        Ok(Job { u: Cow::Borrowed(request.u), tasks, plan, wishes })
    }

    /// The same, no longer borrowing from its message.
    pub(super) fn into_owned(self) -> Job<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        let task = |task: Task<'a>| Task {
            name: owned(task.name),
            label: owned(task.label),
            args: owned(task.args),
            kwargs: owned(task.kwargs),
            resources: task.resources,
            function: task.function,
        };
        Job {
            u: owned(self.u),
            tasks: self.tasks.into_iter().map(task).collect(),
            plan: self.plan,
            wishes: self.wishes,
        }
    }

    /// Whether all of it can run where the request is read.
    pub(super) fn is_quick(&self) -> bool {
        let quick =
            |task: &Task<'_>| matches!(task.function.code, Code::Quick(_)) && task.function.memo.is_none();
        self.wishes.topic.is_none() && self.tasks.iter().all(quick)
    }

    /// The names of the commands, to find references with.
    pub(super) fn names(&self) -> Names<'_> {
        Names::new(self.tasks.iter().map(|task| &*task.name).collect())
    }

    /// Memory it keeps.
    pub(super) fn bytes(&self) -> usize {
        let task = |task: &Task<'_>| {
            task.args.len() + task.kwargs.len() + 2 * task.name.len() + size_of::<Task<'_>>()
        };
        self.u.len() + self.tasks.iter().map(task).sum::<usize>()
    }
}

fn node<'n>((command, name): (&Command<'n>, &'n Cow<'_, str>)) -> Node<'n> {
    Node { name, args: command.args, kwargs: command.kwargs }
}

fn refusal(error: graph::Error) -> Failure {
    Failure::value(error.to_string())
}

/// The function a command means.
fn select(
    command: &Command<'_>,
    cluster_id: &str,
    resources: &[String],
    registry: &Registry,
) -> Result<Arc<Function>, Failure> {
    let name = command.fun.decode();
    let constraint = match command.version_constraint {
        None => Constraint::default(),
        Some(text) => {
            text.decode().parse().map_err(|error: super::version::Error| Failure::value(error.to_string()))?
        }
    };
    if command.target_cluster.is_some_and(|cluster| cluster.decode() != cluster_id) {
        return Err(Failure::not_found(&name));
    }
    let function_id = command.function_id.map(Text::decode);
    let wanted = Selector { name: &name, function_id: function_id.as_deref(), constraint, resources };
    registry.select(&wanted).ok_or_else(|| Failure::not_found(&name))
}

/// The elements of a checked JSON array of strings.
pub(super) fn strings(array: &str) -> Vec<String> {
    let mut found = Vec::new();
    if array == "[]" {
        return found;
    }
    let mut reader = Reader::new(array);
    // The text was checked when the message was read, so no error ends the walk early.
    let Ok(mut elements) = reader.array("locs") else { return found };
    while let Ok(true) = elements.next(&mut reader) {
        let Ok(text) = reader.string("locs") else { break };
        found.push(text.decode().into_owned());
    }
    found
}
