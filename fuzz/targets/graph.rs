//! Any request's commands have an order in which each stands behind what it refers to, or there is none and it is told
//! so; whatever the names and arguments are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mpreg::protocol::{Request, parse};
use mpreg::rpc::graph::{Error, Node, Plan};
use mpreg::rpc::version::{Constraint, Version};

fuzz_target!(|message: &[u8]| {
    let Ok(Request::Rpc(request)) = parse(message) else { return };
    for command in &request.commands {
        if let Some(text) = command.version_constraint {
            let _ = text.decode().parse::<Constraint>();
            let _ = text.decode().parse::<Version>();
        }
    }
    let names: Vec<_> = request.commands.iter().map(|command| command.name.decode()).collect();
    let nodes: Vec<Node<'_>> = request
        .commands
        .iter()
        .zip(&names)
        .map(|(command, name)| Node { name, args: command.args, kwargs: command.kwargs })
        .collect();
    match Plan::new(&nodes) {
        Ok(plan) => check(&nodes, &plan),
        Err(Error::Empty) => assert!(nodes.is_empty()),
        Err(Error::Cycle(shown)) => assert!(nodes.len() > 1 && !shown.is_empty() || names.iter().any(|name| name.is_empty())),
        Err(error) => panic!("{error}: the parser bounds the number of commands"),
    }
});

/// Each name runs once; a whole string that is a name stands behind it.
fn check(nodes: &[Node<'_>], plan: &Plan) {
    let mut level_of = std::collections::HashMap::new();
    for (level, commands) in plan.levels().enumerate() {
        for &command in commands {
            assert!(level_of.insert(nodes[command].name, level).is_none(), "a name runs twice");
        }
    }
    assert_eq!(level_of.len(), plan.command_count());
    assert!(nodes.iter().all(|node| level_of.contains_key(node.name)), "a name does not run");
    for commands in plan.levels() {
        for &command in commands {
            let node = &nodes[command];
            let Ok(args) = serde_json::from_str::<serde_json::Value>(node.args) else { continue };
            each_string(&args, &mut |text| {
                if text != node.name
                    && let Some(level) = level_of.get(text)
                {
                    assert!(level < &level_of[node.name], "{text} does not run before {}", node.name);
                }
            });
        }
    }
}

fn each_string(value: &serde_json::Value, see: &mut impl FnMut(&str)) {
    match value {
        serde_json::Value::String(text) => see(text),
        serde_json::Value::Array(elements) => elements.iter().for_each(|element| each_string(element, see)),
        serde_json::Value::Object(members) => members.values().for_each(|member| each_string(member, see)),
        _ => {}
    }
}
