//! Functions served by connected workers: what a caller may rely on while workers come, go, die and misbehave.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/wire.rs"]
mod wire;

use std::time::{Duration, Instant};

use mpreg::Running;
use serde_json::{Value, json};
use wire::{Peer, TRANSPORTS, start};

/// A worker that has registered these functions.
async fn worker(running: &Running, transport: &str, functions: Value, terms: Value) -> Peer {
    let mut peer = Peer::connect(running, transport).await;
    let mut message = json!({"role": "rpc-register", "u": "reg", "functions": functions});
    for (name, value) in terms.as_object().unwrap() {
        message[name] = value.clone();
    }
    let reply = peer.call(&message).await;
    assert_eq!(reply["error"], Value::Null, "{reply}");
    assert_eq!(reply["r"]["registered"], functions.as_array().unwrap().len());
    peer
}

/// The next invocation, which must be one.
async fn invoked(peer: &mut Peer) -> Value {
    let message = peer.receive().await;
    assert_eq!(message["role"], "rpc-invoke", "{message}");
    message
}

fn result(invocation: &Value, value: Value) -> Value {
    json!({"role": "rpc-result", "u": invocation["u"], "result": value})
}

fn call(u: &str, fun: &str, args: Value) -> Value {
    json!({"role": "rpc", "u": u, "cmds": [{"name": "n", "fun": fun, "args": args}]})
}

#[tokio::test]
async fn a_call_goes_to_the_worker_and_its_result_comes_back() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let functions = json!([{"name": "py.mean", "version": "2.1", "doc": "Mean of numbers.",
            "parameters": [{"name": "numbers", "type": "array[number]"}], "returns": "number"}]);
        let mut worker = worker(&running, transport, functions, json!({})).await;
        let mut caller = Peer::connect(&running, transport).await;
        caller.send(&call("c", "py.mean", json!([[1, 2.0]]))).await;
        let invocation = invoked(&mut worker).await;
        let timeout_ms = invocation["timeout_ms"].as_u64().unwrap();
        assert!((29_000..=30_000).contains(&timeout_ms), "{timeout_ms}");
        assert_eq!(
            invocation,
            json!({"role": "rpc-invoke", "u": invocation["u"], "fun": "py.mean", "function_id": "py.mean",
                "version": "2.1.0", "args": [[1, 2.0]], "kwargs": {}, "timeout_ms": timeout_ms})
        );
        worker.send(&result(&invocation, json!({"mean": 1.5}))).await;
        assert_eq!(caller.receive().await["r"], json!({"n": {"mean": 1.5}}));
        caller.send(&call("c", "py.mean", json!([["x"]]))).await;
        let invocation = invoked(&mut worker).await;
        let error = json!({"type": "TypeError", "message": "not a number"});
        worker.send(&json!({"role": "rpc-result", "u": invocation["u"], "error": error})).await;
        let failed = caller.receive().await;
        assert_eq!(failed["error"]["code"], 1003);
        assert_eq!(
            (&failed["error"]["details"], &failed["error"]["type"]),
            (&json!("TypeError: not a number"), &json!("TypeError"))
        );
        let described = caller.run("rpc_describe", json!([{"function_name": "py.mean"}])).await.unwrap();
        assert_eq!(described["items"][0]["spec"]["parameters"][0]["type_spec"]["display"], "array[number]");
        // Part of a graph like any other function.
        let graph = json!([{"name": "a", "fun": "echo", "args": [[3]]}, {"name": "b", "fun": "py.mean", "args": ["a"]}]);
        caller.send(&json!({"role": "rpc", "u": "g", "cmds": graph})).await;
        let invocation = invoked(&mut worker).await;
        assert_eq!(invocation["args"], json!([[3]]));
        worker.send(&result(&invocation, json!(3))).await;
        assert_eq!(caller.receive().await["r"], json!({"b": 3}));
        drop(worker);
        gone(&running).await;
        assert_eq!(caller.run("py.mean", json!([[1]])).await.unwrap_err()["code"], 1001, "at once");
    }
    running.shutdown().await.unwrap();
}

/// Waits until no worker is left.
async fn gone(running: &Running) {
    let begun = Instant::now();
    while running.workers() > 0 {
        assert!(begun.elapsed() < wire::PATIENCE, "workers stay");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_worker_that_dies_mid_call_is_an_error_or_another_try() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let once = json!([{"name": "once"}, {"name": "again", "idempotent": true}]);
        let mut first = worker(&running, transport, once.clone(), json!({})).await;
        let mut caller = Peer::connect(&running, transport).await;
        caller.send(&call("c", "once", json!([]))).await;
        invoked(&mut first).await;
        let begun = Instant::now();
        drop(first);
        let lost = caller.receive().await;
        assert_eq!((&lost["error"]["code"], &lost["error"]["type"]), (&json!(1003), &json!("WorkerLost")));
        assert!(begun.elapsed() < Duration::from_secs(5), "no hang");
        gone(&running).await;

        // Declared idempotent: another worker does it; without another, nobody is left.
        let mut first = worker(&running, transport, once.clone(), json!({})).await;
        caller.send(&call("c", "again", json!([1]))).await;
        invoked(&mut first).await;
        let mut second = worker(&running, transport, once.clone(), json!({})).await;
        drop(first);
        let invocation = invoked(&mut second).await;
        assert_eq!(invocation["args"], json!([1]));
        second.send(&result(&invocation, json!("done"))).await;
        assert_eq!(caller.receive().await["r"], json!({"n": "done"}));
        caller.send(&call("c", "again", json!([2]))).await;
        invoked(&mut second).await;
        drop(second);
        assert_eq!(caller.receive().await["error"]["code"], 1001);
        gone(&running).await;
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn workers_are_kept_busy_alike_and_no_more_than_they_take() {
    let (running, _dir) = start(|node| node).await;
    let functions = json!([{"name": "f"}]);
    let mut small = worker(&running, "ws", functions.clone(), json!({"max_in_flight": 1})).await;
    let mut large = worker(&running, "tcp", functions, json!({"max_in_flight": 2})).await;
    let mut caller = Peer::connect(&running, "tcp").await;
    for number in 0..5 {
        caller.send(&call(&number.to_string(), "f", json!([number]))).await;
    }
    let first = invoked(&mut small).await;
    let (second, third) = (invoked(&mut large).await, invoked(&mut large).await);
    assert!(small.silent().await && large.silent().await, "the others wait");
    small.send(&result(&first, first["args"].clone())).await;
    let fourth = invoked(&mut small).await;
    assert_eq!(fourth["args"], json!([3]), "first come, first served");
    large.send(&result(&third, third["args"].clone())).await;
    let fifth = invoked(&mut large).await;
    small.send(&result(&fourth, fourth["args"].clone())).await;
    for invocation in [&second, &fifth] {
        large.send(&result(invocation, invocation["args"].clone())).await;
    }
    let mut answered = Vec::new();
    for _ in 0..5 {
        let reply = caller.receive().await;
        assert_eq!(reply["r"]["n"], json!([reply["u"].as_str().unwrap().parse::<i64>().unwrap()]));
        answered.push(reply["u"].as_str().unwrap().to_owned());
    }
    answered.sort_unstable();
    assert_eq!(answered, ["0", "1", "2", "3", "4"]);
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn calls_in_line_are_turned_away_when_the_last_worker_goes() {
    let (running, _dir) = start(|node| node).await;
    let mut only =
        worker(&running, "tcp", json!([{"name": "f", "idempotent": true}]), json!({"max_in_flight": 1}))
            .await;
    let mut caller = Peer::connect(&running, "ws").await;
    for number in 0..3 {
        caller.send(&call(&number.to_string(), "f", json!([]))).await;
    }
    invoked(&mut only).await;
    drop(only);
    for _ in 0..3 {
        assert_eq!(caller.receive().await["error"]["code"], 1001);
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_silent_worker_loses_its_lease_and_a_heartbeat_keeps_it() {
    let (running, _dir) = start(|node| node).await;
    let functions = json!([{"name": "f"}]);
    let mut worker = worker(&running, "ws", functions, json!({"lease_ms": 1})).await;
    let mut caller = Peer::connect(&running, "tcp").await;
    caller.send(&call("c", "f", json!([]))).await;
    let invocation = invoked(&mut worker).await;
    // The shortest lease is a second; heartbeats carry it over two.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        let beat = worker.call(&json!({"role": "rpc-heartbeat", "u": "h"})).await;
        assert_eq!(beat["r"], json!({"lease_ms": 1000}));
    }
    worker.send(&result(&invocation, json!(1))).await;
    assert_eq!(caller.receive().await["r"], json!({"n": 1}));
    caller.send(&call("c", "f", json!([]))).await;
    let invocation = invoked(&mut worker).await;
    let lost = caller.receive().await;
    assert_eq!(lost["error"]["type"], "WorkerLost", "{lost}");
    assert_eq!(running.workers(), 0);
    let late = worker.call(&json!({"role": "rpc-heartbeat", "u": "h"})).await;
    assert_eq!((&late["error"]["code"], &late["u"]), (&json!(1001), &json!("h")));
    // What it says about the old call is ignored, and it may come back.
    worker.send(&result(&invocation, json!(2))).await;
    let again = worker.call(&json!({"role": "rpc-register", "u": "r", "functions": [{"name": "f"}]})).await;
    assert_eq!(again["r"]["registered"], 1);
    caller.send(&call("c", "f", json!([]))).await;
    let invocation = invoked(&mut worker).await;
    worker.send(&result(&invocation, json!(3))).await;
    assert_eq!(caller.receive().await["r"], json!({"n": 3}));
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_worker_is_told_when_nobody_waits_any_more() {
    let (running, _dir) =
        start(|node| node.configure(|config| config.rpc_timeout = Duration::from_millis(200))).await;
    let mut worker = worker(&running, "tcp", json!([{"name": "f"}]), json!({"max_in_flight": 1})).await;
    let mut caller = Peer::connect(&running, "ws").await;
    caller.send(&call("c", "f", json!([]))).await;
    let invocation = invoked(&mut worker).await;
    assert_eq!(caller.receive().await["error"]["code"], 1004);
    let cancel = worker.receive().await;
    assert_eq!(cancel, json!({"role": "rpc-cancel", "u": invocation["u"]}));
    // Its place is taken until it answers.
    caller.send(&call("d", "f", json!([]))).await;
    assert!(worker.silent().await);
    worker.send(&result(&invocation, json!(null))).await;
    let invocation = invoked(&mut worker).await;
    worker.send(&result(&invocation, json!(null))).await;
    assert_eq!(caller.receive().await["r"], json!({"n": null}));
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn bad_results_and_registrations_are_errors() {
    let (running, _dir) = start(|node| node.function("mine").quick_handler(|| 1)).await;
    for transport in TRANSPORTS {
        let mut worker = worker(&running, transport, json!([{"name": "f"}]), json!({})).await;
        let mut caller = Peer::connect(&running, transport).await;
        caller.send(&call("c", "f", json!([]))).await;
        let invocation = invoked(&mut worker).await;
        let deep = format!(
            r#"{{"role":"rpc-result","u":{},"result":{}1{}}}"#,
            invocation["u"],
            "[".repeat(99),
            "]".repeat(99)
        );
        worker.send_text(&deep).await;
        assert_eq!(
            caller.receive().await["error"]["type"],
            "BadResult",
            "nobody waits for what cannot be read"
        );
        assert_eq!(worker.receive().await["error"]["code"], 1005);
        // Results nobody asked for, and of somebody else's calls.
        worker.send(&json!({"role": "rpc-result", "u": "i999999", "result": 1})).await;
        worker.send(&json!({"role": "rpc-result", "u": "x", "result": 1})).await;
        caller.send(&call("c", "f", json!([]))).await;
        let invocation = invoked(&mut worker).await;
        let mut other = Peer::connect(&running, transport).await;
        other.send(&result(&invocation, json!("stolen"))).await;
        assert_eq!(other.run("echo", json!([1])).await.unwrap(), 1);
        worker.send(&result(&invocation, json!("right"))).await;
        assert_eq!(caller.receive().await["r"], json!({"n": "right"}));
        for functions in [
            json!([{"name": "echo"}]),
            json!([{"name": "mine"}]),
            json!([{"name": "new"}, {"name": "other", "function_id": "f"}]),
            json!([{"name": ""}]),
            json!([{"version": "1"}]),
            json!([{"name": "new", "version": "x"}]),
            json!([5]),
        ] {
            let reply = worker.call(&json!({"role": "rpc-register", "u": "r", "functions": functions})).await;
            assert_eq!(reply["error"]["code"], 1003, "{functions} {reply}");
        }
        assert_eq!(caller.run("new", json!([])).await.unwrap_err()["code"], 1001, "all or nothing");
        let heartbeat = caller.call(&json!({"role": "rpc-heartbeat", "u": "h"})).await;
        assert_eq!(heartbeat["error"]["code"], 1001, "not a worker");
        drop(worker);
        gone(&running).await;
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn functions_are_taken_back_one_by_one_and_together() {
    let (running, _dir) = start(|node| node).await;
    let functions = json!([{"name": "f"}, {"name": "g"}, {"name": "g", "version": "2"}, {"name": "h"}]);
    let mut worker = worker(&running, "ws", functions, json!({})).await;
    let mut caller = Peer::connect(&running, "tcp").await;
    let reply =
        worker.call(&json!({"role": "rpc-unregister", "u": "u", "functions": ["g", "nothing"]})).await;
    assert_eq!(reply["r"], json!({"unregistered": 2}));
    assert_eq!(caller.run("g", json!([])).await.unwrap_err()["code"], 1001);
    caller.send(&call("c", "f", json!([]))).await;
    let invocation = invoked(&mut worker).await;
    let reply = worker.call(&json!({"role": "rpc-unregister", "u": "u"})).await;
    assert_eq!(reply["r"], json!({"unregistered": 2}));
    worker.send(&result(&invocation, json!("still"))).await;
    assert_eq!(caller.receive().await["r"], json!({"n": "still"}), "what runs is finished");
    assert_eq!(caller.run("f", json!([])).await.unwrap_err()["code"], 1001);
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn calls_go_to_workers_that_have_what_they_need() {
    let (running, _dir) = start(|node| node).await;
    let mut plain = worker(&running, "tcp", json!([{"name": "f"}]), json!({})).await;
    let mut gpu = worker(&running, "tcp", json!([{"name": "f", "resources": ["gpu"]}]), json!({})).await;
    let mut disk = worker(&running, "tcp", json!([{"name": "f", "resources": ["disk"]}]), json!({})).await;
    let mut caller = Peer::connect(&running, "ws").await;
    let with =
        |locs: Value| json!({"role": "rpc", "u": "c", "cmds": [{"name": "n", "fun": "f", "locs": locs}]});
    for _ in 0..3 {
        caller.send(&with(json!(["gpu"]))).await;
        let invocation = invoked(&mut gpu).await;
        gpu.send(&result(&invocation, json!("gpu"))).await;
        assert_eq!(caller.receive().await["r"], json!({"n": "gpu"}));
    }
    assert!(plain.silent().await && disk.silent().await);
    assert_eq!(caller.call(&with(json!(["gpu", "disk"]))).await["error"]["code"], 1001, "none has both");
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn pure_functions_of_workers_are_kept() {
    let (running, _dir) = start(|node| node).await;
    let functions = json!([{"name": "f", "pure": true, "ttl_seconds": 60}]);
    let mut worker = worker(&running, "tcp", functions, json!({})).await;
    let mut caller = Peer::connect(&running, "ws").await;
    caller.send(&call("c", "f", json!([1]))).await;
    let invocation = invoked(&mut worker).await;
    worker.send(&result(&invocation, json!({"b": 1.0, "a": [ ]}))).await;
    assert_eq!(caller.receive().await["r"]["n"], json!({"b": 1.0, "a": []}));
    for _ in 0..3 {
        assert_eq!(caller.run("f", json!([1])).await.unwrap(), json!({"b": 1.0, "a": []}));
    }
    assert!(worker.silent().await, "a hit never calls the function");
    running.shutdown().await.unwrap();
}

/// A worker that answers, dawdles or dies, as its numbers fall.
async fn unreliable(running: std::sync::Arc<Running>, mut seed: u64) {
    let mut next = move || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        seed >> 33
    };
    for round in 0.. {
        let functions = json!([{"name": "f"}, {"name": "g", "idempotent": true}]);
        let transport = TRANSPORTS[round % 2];
        let mut peer = worker(&running, transport, functions, json!({"max_in_flight": 4})).await;
        for _ in 0..next() % 60 {
            let Some(message) = peer.try_receive().await else { return };
            // What it has not answered it gives up when it is told that nobody waits; else its places would all be
            // taken soon, and nothing but time-outs come of it.
            if message["role"] == "rpc-cancel" || next() % 10 > 0 {
                peer.send(&result(&message, message["args"][0].clone())).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_every_call_ends_within_its_limit_whoever_dies() {
    let (running, _dir) =
        start(|node| node.configure(|config| config.rpc_timeout = Duration::from_millis(500))).await;
    let running = std::sync::Arc::new(running);
    let workers: Vec<_> =
        (0..4).map(|seed| tokio::spawn(unreliable(std::sync::Arc::clone(&running), seed))).collect();
    let mut callers = Vec::new();
    for caller in 0..8_usize {
        let running = std::sync::Arc::clone(&running);
        callers.push(tokio::spawn(async move {
            let (mut results, mut errors) = (0, 0);
            for round in 0..150_usize {
                let mut peer = Peer::connect(&running, TRANSPORTS[(caller + round) % 2]).await;
                for number in 0..4 {
                    peer.send(&call(
                        &number.to_string(),
                        if number % 2 == 0 { "f" } else { "g" },
                        json!([number]),
                    ))
                    .await;
                }
                // Now and then a caller goes without waiting.
                if round % 5 == 0 {
                    continue;
                }
                let begun = Instant::now();
                for _ in 0..4 {
                    let reply = peer.receive().await;
                    let code = reply["error"]["code"].as_i64();
                    assert!(matches!(code, None | Some(1001 | 1003 | 1004)), "{reply}");
                    if code.is_none() {
                        assert_eq!(reply["r"]["n"].to_string(), reply["u"].as_str().unwrap());
                        results += 1;
                    } else {
                        errors += 1;
                    }
                }
                assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
            }
            (results, errors)
        }));
    }
    let (mut results, mut errors) = (0, 0);
    for caller in callers {
        let (more_results, more_errors) = caller.await.unwrap();
        results += more_results;
        errors += more_errors;
    }
    println!("{results} results, {errors} errors");
    assert!(results > 300 && errors > 10, "{results} results and {errors} errors prove little");
    workers.iter().for_each(tokio::task::JoinHandle::abort);
    gone(&running).await;
}
