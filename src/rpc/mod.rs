//! RPC: for now the two functions clients probe with, `echo` and `echos`, in single commands.
//!
//! Whole graphs of commands, registries and workers come with the RPC issue; a request that would need them gets
//! an error, never a result that ignores part of it.

pub mod graph;
mod names;
mod resolve;
pub mod version;

use mpreg_storage::json::Text;

use crate::protocol::rpc::{
    Command, EXECUTION_FAILED, Failure, Request, write_failure, write_not_found, write_success,
};

/// Answers one request into `out`.
pub(crate) fn answer(request: &Request<'_>, out: &mut Vec<u8>) {
    let failed = |details: &str, out: &mut Vec<u8>| {
        let (code, message) = (EXECUTION_FAILED, "RPC execution failed");
        write_failure(out, request.u, &Failure { code, message, details: Some(details), kind: "ValueError" });
    };
    let command = match request.commands.as_slice() {
        [command] => command,
        [] => return failed("cmds is empty", out),
        _ => return failed("this server runs single commands only for now", out),
    };
    if request.return_intermediate_results || request.include_execution_summary {
        return failed(
            "intermediate results and execution summaries are not supported by this server yet",
            out,
        );
    }
    let fun = command.fun.decode();
    if !is_ours(command) {
        return write_not_found(out, request.u, &fun);
    }
    match call(&fun, command) {
        Ok(result) => write_success(out, request.u, [(command.name.quoted(), result.as_bytes())]),
        Err(details) => failed(&details, out),
    }
}

/// Whether a function of this node can be meant: its name, id, version, resources and cluster all fit.
fn is_ours(command: &Command<'_>) -> bool {
    let fun = command.fun.decode();
    let same_id = command.function_id.is_none_or(|id| id.decode() == fun);
    // Versions are a later issue's; without an understanding of a constraint only its absence can be promised.
    let any_version = command.version_constraint.is_none_or(|version| version.decode().is_empty());
    matches!(&*fun, "echo" | "echos")
        && same_id
        && any_version
        && is_empty_list(command.locs)
        && command.target_cluster.is_none()
}

fn is_empty_list(list: &str) -> bool {
    list.bytes().all(|byte| matches!(byte, b'[' | b']') || byte.is_ascii_whitespace())
}

fn call(fun: &str, command: &Command<'_>) -> Result<String, String> {
    let mut arguments = command.arguments();
    let mut keywords = command.keywords();
    if fun == "echo" && arguments.is_empty() && keywords.len() == 1 && Text::decode(keywords[0].0) == "arg" {
        arguments.push(keywords.remove(0).1);
    }
    if let Some((name, _)) = keywords.first() {
        return Err(format!("{fun}() got an unexpected keyword argument '{}'", Text::decode(*name)));
    }
    match (fun, arguments.as_slice()) {
        ("echo", [argument]) => Ok((*argument).to_owned()),
        ("echo", _) => Err(format!("echo() takes 1 argument, {} were given", arguments.len())),
        _ => Ok(format!("[{}]", arguments.join(","))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::{Request as Any, parse};
    use serde_json::{Value, json};

    fn ask(commands: Value) -> Value {
        let message = json!({"role": "rpc", "u": "u1", "cmds": commands}).to_string();
        let Ok(Any::Rpc(request)) = parse(message.as_bytes()) else { panic!("an rpc request") };
        let mut out = Vec::new();
        answer(&request, &mut out);
        let reply: Value = serde_json::from_slice(&out).unwrap();
        assert_eq!((&reply["u"], &reply["role"]), (&json!("u1"), &json!("rpc-response")));
        reply
    }

    fn one(fun: &str, arguments: Value) -> Value {
        ask(
            json!([{"name": "n", "fun": fun, "args": arguments, "kwargs": {}, "locs": [], "function_id": null}]),
        )
    }

    #[test]
    fn echoes_come_back_exactly() {
        assert_eq!(one("echo", json!([1]))["r"], json!({"n": 1}));
        assert_eq!(one("echo", json!([{"a": 1.0}]))["r"], json!({"n": {"a": 1.0}}));
        assert_eq!(one("echo", json!(["echo"]))["r"], json!({"n": "echo"}));
        assert_eq!(one("echos", json!([1, "x"]))["r"], json!({"n": [1, "x"]}));
        assert_eq!(one("echos", json!([]))["r"], json!({"n": []}));
        let by_name = json!([{"name": "n", "fun": "echo", "args": [], "kwargs": {"arg": 5}}]);
        assert_eq!(ask(by_name)["r"], json!({"n": 5}));
    }

    #[test]
    fn everything_else_is_an_error_with_its_code() {
        assert_eq!(one("nope", json!([]))["error"]["code"], 1001);
        assert_eq!(one("echo", json!([]))["error"]["code"], 1003);
        assert_eq!(ask(json!([]))["error"]["code"], 1003);
        let single = json!({"name": "n", "fun": "echo", "args": [1]});
        assert_eq!(ask(json!([single, single]))["error"]["code"], 1003);
        let with = |name: &str, value: Value| {
            let mut command = single.clone();
            command[name] = value;
            ask(json!([command]))["error"]["code"].clone()
        };
        assert_eq!(with("locs", json!(["gpu"])), 1001);
        assert_eq!(with("target_cluster", json!("far")), 1001);
        assert_eq!(with("function_id", json!("other")), 1001);
        assert_eq!(with("version_constraint", json!(">=1.0.0")), 1001);
        assert_eq!(with("kwargs", json!({"x": 1})), 1003);
        assert_eq!(with("kwargs", json!({"arg": 1})), 1003, "given twice");
    }
}
