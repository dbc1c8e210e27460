//! The built-in functions: two echoes, and what the node knows about itself and its functions.
//!
//! | file | functions |
//! |---|---|
//! | `cluster` | `list_peers`, `cluster_map`, `cluster_map_v2` |
//! | `functions` | `rpc_list`, `rpc_describe`, `rpc_describe_local`, `rpc_report` |
//! | `query` | `catalog_query`, `catalog_watch` |
//! | `namespaces` | `namespace_status`, `namespace_policy_*` |
//! | `policy` | which namespaces who may see |
//! | `fields` | reading their arguments |
//!
//! Members that would be null or empty are left out, except where the protocol has them always.

mod cluster;
mod fields;
mod functions;
mod namespaces;
mod policy;
mod query;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mpreg_storage::json::Reader;
use serde_json::{Map, Value, json};

pub(crate) use fields::Fields;
pub(super) use policy::Policy;

use super::Rpc;
use super::function::{Bound, Code, Declaration, Failure, Function, Kind, Parameter, Type};

/// A function that answers from what the node knows. Short; never waits.
pub(crate) type Builtin = fn(&Rpc, &Fields) -> Result<String, Failure>;

/// What the load metrics of a node are made of.
#[derive(Debug, Default)]
pub(super) struct Counts {
    messages: AtomicU64,
}

impl Counts {
    pub(super) fn add(&self, messages: u64) {
        // Relaxed here and below: a statistic.
        self.messages.fetch_add(messages, Ordering::Relaxed);
    }

    fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }
}

/// All built-in functions.
pub(super) fn builtins() -> Vec<Function> {
    let discovery: [(&str, &str, Builtin); 16] = [
        ("list_peers", "Lists the other nodes of the cluster.", cluster::list_peers),
        ("cluster_map", "Shows the nodes of the cluster.", cluster::cluster_map),
        ("cluster_map_v2", "Shows the nodes of the cluster that fit, page by page.", cluster::cluster_map_v2),
        ("catalog_query", "Lists entries of the catalog.", query::catalog_query),
        (
            "catalog_watch",
            "Names the topic where changes of the catalog are published.",
            query::catalog_watch,
        ),
        ("rpc_list", "Lists functions.", functions::rpc_list),
        ("rpc_describe", "Describes functions with their parameters.", functions::rpc_describe),
        ("rpc_describe_local", "Describes functions of this node.", functions::rpc_describe),
        ("rpc_report", "Counts functions by namespace, cluster and tag.", functions::rpc_report),
        ("namespace_status", "Tells whether a viewer may see a namespace.", namespaces::status),
        ("namespace_policy_validate", "Checks rules of the namespace policy.", namespaces::validate),
        ("namespace_policy_apply", "Replaces the namespace policy.", namespaces::apply),
        ("namespace_policy_export", "Shows the namespace policy.", namespaces::export),
        ("namespace_policy_audit", "Lists what was done to the namespace policy.", namespaces::audit),
        ("resolver_cache_stats", "Tells that this node is no resolver.", resolver_cache_stats),
        ("resolver_resync", "Tells that this node is no resolver.", resolver_resync),
    ];
    let payload = || {
        let given = |name: &str, kind| Parameter {
            name: name.to_owned(),
            kind,
            of: Some(Type::Name("object".to_owned())),
            required: Some(false),
            default: (kind == Kind::PositionalOrKeyword).then_some(Value::Null),
            doc: String::new(),
        };
        vec![given("payload", Kind::PositionalOrKeyword), given("fields", Kind::VarKeyword)]
    };
    let mut functions: Vec<Function> = discovery
        .into_iter()
        .map(|(name, doc, code)| builtin(name, doc, payload(), Code::Builtin(code)))
        .collect();
    functions.push(builtin(
        "echo",
        "Returns its argument.",
        vec![any("arg", Kind::default())],
        Code::Quick(Arc::new(echo)),
    ));
    let all = vec![any("args", Kind::VarPositional)];
    functions.push(builtin("echos", "Returns its arguments as a list.", all, Code::Quick(Arc::new(echos))));
    functions
}

fn any(name: &str, kind: Kind) -> Parameter {
    let required = Some(kind == Kind::PositionalOrKeyword);
    Parameter { name: name.to_owned(), kind, of: None, required, default: None, doc: String::new() }
}

fn builtin(name: &str, doc: &str, parameters: Vec<Parameter>, code: Code) -> Function {
    let declaration = Declaration {
        name: name.to_owned(),
        doc: doc.to_owned(),
        parameters,
        tags: vec!["builtin".to_owned()],
        ..Declaration::default()
    };
    let function = Function::new(&declaration, code);
    let function = function.expect("the declarations of built-in functions hold together");
    Function { builtin: true, ..function }
}

/// The element of a checked JSON array that has one.
pub(super) fn single_element(array: &str) -> Option<&str> {
    let mut reader = Reader::new(array);
    let mut elements = reader.array("args").ok()?;
    let first = if elements.next(&mut reader).ok()? { reader.raw().ok()? } else { return None };
    (!elements.next(&mut reader).ok()?).then_some(first)
}

fn echo(args: &str, kwargs: &str) -> Result<String, Failure> {
    if kwargs == "{}"
        && let Some(argument) = single_element(args)
    {
        return Ok(argument.to_owned());
    }
    let names = ["arg".to_owned()];
    Bound::new("echo", &names, args, kwargs)?.text(0).map(str::to_owned)
}

fn echos(args: &str, kwargs: &str) -> Result<String, Failure> {
    // Only to refuse keywords: the array of arguments is the result.
    Bound::new("echos", &[], "[]", kwargs)?;
    Ok(args.to_owned())
}

fn resolver_cache_stats(rpc: &Rpc, _: &Fields) -> Result<String, Failure> {
    Ok(json!({"enabled": false, "generated_at": rpc.now_s(), "entry_counts": {}}).to_string())
}

fn resolver_resync(rpc: &Rpc, _: &Fields) -> Result<String, Failure> {
    let error = "resolver_mode_disabled";
    Ok(json!({"enabled": false, "generated_at": rpc.now_s(), "resynced": false, "error": error}).to_string())
}

impl Rpc {
    /// The wall time in seconds since 1970.
    fn now_s(&self) -> f64 {
        self.now_us() as f64 / 1e6
    }
}

/// Adds a member unless it is nothing.
fn optional(members: &mut Map<String, Value>, name: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        members.insert(name.to_owned(), value.into());
    }
}

/// The JSON object that `json!` made.
fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        other => unreachable!("made as an object, is {other}"),
    }
}
