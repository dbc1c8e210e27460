//! RPC as clients see it: the compatibility checklist of the protocol, on both transports, against a whole node.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "support/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use mpreg::Node;
use mpreg::rpc::Failure;
use serde_json::{Value, json};
use tokio::sync::Notify;
use wire::{PATIENCE, Peer, TRANSPORTS, start};

/// Functions of the guide, in several versions.
fn guide(node: Node) -> Node {
    node.function("fibonacci")
        .id("math.fibonacci")
        .version("1.2.0")
        .quick_handler(|n: u64| (0..n).fold((0_u64, 1_u64), |(a, b), _| (b, a + b)).0)
        .function("fibonacci")
        .id("math.fibonacci")
        .version("2.0.0")
        .quick_handler(|_: u64| "version 2")
        .function("process_data")
        .handler(|data: Vec<i64>| json!({"total": data.iter().sum::<i64>(), "count": data.len()}))
        .function("analyze")
        .async_handler(|data: Value| async move {
            tokio::time::sleep(Duration::from_millis(5)).await;
            data["total"].as_i64().unwrap_or(-1) * 2
        })
        .function("summarize")
        .quick_handler(|number: i64| format!("the answer is {number}"))
        .function("train")
        .resources(["gpu", "large"])
        .quick_handler(|| "trained")
        .function("fail")
        .handler(|message: String| -> Result<(), Failure> { Err(Failure::new("CustomError", message)) })
        .function("panic")
        .async_handler(
            |message: String| async move { if message.is_empty() { 1 } else { panic!("{message}") } },
        )
        .function("sleep")
        .async_handler(|ms: u64| async move { tokio::time::sleep(Duration::from_millis(ms)).await })
}

/// What the Python client sends for `call(fun, *args)`: every default spelled out.
fn python_call(u: &str, fun: &str, args: Value) -> Value {
    json!({"role": "rpc", "cmds": [{"name": fun, "fun": fun, "args": args, "kwargs": {}, "locs": [],
        "function_id": null, "version_constraint": null, "target_cluster": null, "routing_topic": null}],
        "u": u, "return_intermediate_results": false, "intermediate_result_callback_topic": null,
        "include_execution_summary": false, "debug_mode": false})
}

#[tokio::test]
async fn echoes_of_the_checklist() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        for (args, result) in [
            (json!([1]), json!(1)),
            (json!([{"a": 1}]), json!({"a": 1})),
            (json!(["x.y"]), json!("x.y")),
            (json!(["echo"]), json!("echo")),
            (json!([null]), json!(null)),
        ] {
            let reply = peer.call(&python_call("01J", "echo", args)).await;
            let expected = json!({"role": "rpc-response", "u": "01J", "r": {"echo": result}, "error": null,
                "intermediate_results": [], "execution_summary": null});
            assert_eq!(reply, expected, "{transport}");
        }
        assert_eq!(peer.run("echos", json!([1, 2])).await.unwrap(), json!([1, 2]));
        assert_eq!(peer.run("echos", json!([])).await.unwrap(), json!([]));
        assert_eq!(peer.run_with("echo", json!([]), json!({"arg": 1.0})).await.unwrap().to_string(), "1.0");
        let text =
            r#"{"role":"rpc","u":"k","cmds":[{"name":"e","fun":"echo","args":[{"z":1,"a":1.0,"m":[ ]}]}]}"#;
        peer.send_text(text).await;
        let reply = peer.receive().await;
        assert_eq!(reply["r"]["e"]["a"].to_string(), "1.0", "a float stays one");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn the_chain_of_the_guide_and_its_levels() {
    let (running, _dir) = start(guide).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let chain = json!([
            {"name": "step1", "fun": "process_data", "args": [[1, 2, 3]]},
            {"name": "step2", "fun": "analyze", "args": ["step1"]},
            {"name": "final", "fun": "summarize", "args": ["step2"]},
        ]);
        assert_eq!(peer.rpc("c", chain).await["r"], json!({"final": "the answer is 12"}));
        let parallel = json!([
            {"name": "early", "fun": "echo", "args": [1]},
            {"name": "a", "fun": "echo", "args": [{"user": {"id": 7}, "list": [1]}]},
            {"name": "left", "fun": "echo", "args": ["a.user.id"]},
            {"name": "right", "fun": "echo", "args": [], "kwargs": {"arg": "a.user"}},
            {"name": "missing", "fun": "echos", "args": ["a.user.name", "a.list.0", "left", "b"]},
        ]);
        let reply = peer.rpc("p", parallel).await;
        assert_eq!(reply["r"], json!({"missing": ["a.user.name", "a.list.0", 7, "b"]}));
        let leaves = json!([
            {"name": "early", "fun": "echo", "args": [1]},
            {"name": "a", "fun": "echo", "args": [2]},
            {"name": "left", "fun": "echo", "args": ["a"]},
            {"name": "right", "fun": "echo", "args": [["a"]]},
        ]);
        assert_eq!(peer.rpc("l", leaves).await["r"], json!({"left": 2, "right": [2]}), "no early leaf");
        let twice =
            json!([{"name": "x", "fun": "echo", "args": [1]}, {"name": "x", "fun": "echo", "args": [2]}]);
        assert_eq!(peer.rpc("t", twice).await["r"], json!({"x": 2}), "the last one counts");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn errors_have_their_codes() {
    let (running, _dir) = start(guide).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let not_found = peer.rpc("q2", json!([{"name": "n", "fun": "nope"}])).await;
        assert_eq!(
            not_found,
            json!({"role": "rpc-response", "u": "q2", "r": null, "error": {"code": 1001,
                "message": "Command not found", "details": "Command not found: nope", "type": "CommandNotFound"},
                "intermediate_results": [], "execution_summary": null})
        );
        let cases = [
            (json!({"fun": "fibonacci", "args": [1], "function_id": "other"}), 1001),
            (json!({"fun": "fibonacci", "args": [1], "version_constraint": ">=3"}), 1001),
            (json!({"fun": "echo", "args": [1], "locs": ["gpu"]}), 1001),
            (json!({"fun": "train", "locs": ["gpu", "fpga"]}), 1001),
            (json!({"fun": "echo", "args": [1], "target_cluster": "elsewhere"}), 1001),
            (json!({"fun": "fibonacci", "args": [1], "version_constraint": "^1.0"}), 1003),
            (json!({"fun": "fibonacci", "args": []}), 1003),
            (json!({"fun": "fibonacci", "args": [1, 2]}), 1003),
            (json!({"fun": "fibonacci", "args": ["x"]}), 1003),
            (json!({"fun": "fibonacci", "args": [], "kwargs": {"m": 1}}), 1003),
            (json!({"fun": "echo", "args": []}), 1003),
            (json!({"fun": "echo", "args": [1, 2]}), 1003),
            (json!({"fun": "echo", "args": [1], "kwargs": {"arg": 1}}), 1003),
            (json!({"fun": "echos", "args": [1], "kwargs": {"arg": 1}}), 1003),
            (json!({"fun": "fail", "args": ["why"]}), 1003),
            (json!({"fun": "panic", "args": ["on purpose"]}), 1003),
        ];
        for (mut command, code) in cases {
            command["name"] = "n".into();
            let reply = peer.rpc("e", json!([command])).await;
            assert_eq!(
                (&reply["error"]["code"], &reply["r"]),
                (&json!(code), &Value::Null),
                "{command} {reply}"
            );
            assert_eq!(reply["intermediate_results"], json!([]));
        }
        let failed = peer.rpc("f", json!([{"name": "n", "fun": "fail", "args": ["why"]}])).await;
        assert_eq!(failed["error"]["details"], "CustomError: why");
        assert_eq!(failed["error"]["type"], "CustomError");
        assert_eq!(peer.rpc("e", json!([])).await["error"]["code"], 1003, "no commands");
        let circle =
            json!([{"name": "a", "fun": "echo", "args": ["b"]}, {"name": "b", "fun": "echo", "args": ["a"]}]);
        assert_eq!(peer.rpc("e", circle).await["error"]["code"], 1003);
        let partly =
            json!([{"name": "a", "fun": "echo", "args": [1]}, {"name": "b", "fun": "fail", "args": ["a"]}]);
        assert_eq!(peer.rpc("e", partly).await["r"], Value::Null);
        let unknown = peer.call(&json!({"role": "moon", "u": "m"})).await;
        assert_eq!((&unknown["error"]["code"], &unknown["u"]), (&json!(1004), &json!("m")));
        let malformed = peer.call(&json!({"role": "rpc", "u": "m", "cmds": 5})).await;
        assert_eq!((&malformed["error"]["code"], &malformed["u"]), (&json!(1005), &json!("m")));
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn constraints_ids_and_resources_select() {
    let (running, _dir) = start(guide).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        for (constraint, result) in [
            (json!(">=1.0.0,<2.0.0"), json!(55)),
            (json!("==1.2"), json!(55)),
            (json!("v1.2"), json!(55)),
            (json!(" ( version >= 1.0 , < 2 ) "), json!(55)),
            (json!(">1.2.0"), json!("version 2")),
            (json!(""), json!("version 2")),
            (json!(null), json!("version 2")),
        ] {
            let command = json!([{"name": "fibonacci", "fun": "fibonacci", "args": [10],
                "function_id": "math.fibonacci", "version_constraint": constraint}]);
            assert_eq!(peer.rpc("v", command).await["r"], json!({"fibonacci": result}), "{constraint}");
        }
        let train =
            json!([{"name": "t", "fun": "train", "locs": ["large", "gpu"], "target_cluster": "mpreg"}]);
        assert_eq!(peer.rpc("v", train).await["r"], json!({"t": "trained"}));
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn intermediate_results_and_summary_have_every_member() {
    let (running, _dir) = start(guide).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        // Once on the spot, once as a task.
        for slow in ["echo", "analyze"] {
            let commands = json!([
                {"name": "a", "fun": "echo", "args": [{"total": 4}]},
                {"name": "b", "fun": "echo", "args": [1]},
                {"name": "c", "fun": slow, "args": ["a"]},
            ]);
            let mut request = json!({"role": "rpc", "u": "i", "cmds": commands});
            request["return_intermediate_results"] = true.into();
            request["include_execution_summary"] = true.into();
            let reply = peer.call(&request).await;
            let c = if slow == "echo" { json!({"total": 4}) } else { json!(8) };
            assert_eq!(reply["r"], json!({"c": c}));
            let levels = reply["intermediate_results"].as_array().unwrap();
            assert_eq!(levels.len(), 2);
            for (index, level) in levels.iter().enumerate() {
                assert_eq!(level["request_id"], "i");
                assert_eq!(level["level_index"], index);
                assert_eq!(level["completed_levels"], index + 1);
                assert_eq!(level["total_levels"], 2);
                assert!(level["timestamp"].as_f64().unwrap() > 1.6e9);
                assert!(level["execution_time_ms"].is_f64());
                assert_eq!(level.as_object().unwrap().len(), 8);
            }
            assert_eq!(levels[0]["level_results"], json!({"a": {"total": 4}, "b": 1}));
            assert_eq!(levels[1]["level_results"], json!({"c": c}));
            assert_eq!(levels[1]["accumulated_results"], json!({"a": {"total": 4}, "b": 1, "c": c}));
            let summary = &reply["execution_summary"];
            assert_eq!(summary["request_id"], "i");
            assert_eq!(summary["total_levels"], 2);
            assert_eq!(summary["parallel_commands_executed"], 3);
            assert_eq!(summary["cross_cluster_hops"], 0);
            assert_eq!(summary["level_execution_times"].as_array().unwrap().len(), 2);
            let bottleneck = summary["bottleneck_level_index"].as_u64().unwrap() as usize;
            let times = summary["level_execution_times"].as_array().unwrap();
            assert!(times.iter().all(|time| time.as_f64() <= times[bottleneck].as_f64()));
            assert!(summary["total_execution_time_ms"].is_f64() && summary["average_level_time_ms"].is_f64());
            assert_eq!(summary.as_object().unwrap().len(), 8);
        }
        let mut failing =
            json!({"role": "rpc", "u": "i", "cmds": [{"name": "n", "fun": "fail", "args": ["x"]}]});
        failing["return_intermediate_results"] = true.into();
        assert_eq!(peer.call(&failing).await["intermediate_results"], json!([]), "only the error");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn slow_requests_time_out_and_overtake_nobody() {
    let (running, _dir) =
        start(|node| guide(node).configure(|config| config.rpc_timeout = Duration::from_millis(300))).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let sleep = |u: &str, ms: u64| json!({"role": "rpc", "u": u, "cmds": [{"name": "s", "fun": "sleep", "args": [ms]}]});
        peer.send(&sleep("slow", 60_000)).await;
        peer.send(&sleep("quick", 5)).await;
        peer.send(&python_call("now", "echo", json!([1]))).await;
        let mut order = Vec::new();
        for _ in 0..3 {
            let reply = peer.receive().await;
            order.push(reply["u"].as_str().unwrap().to_owned());
            if reply["u"] == "slow" {
                assert_eq!(reply["error"]["code"], 1004);
                assert_eq!(reply["error"]["message"], "RPC execution timed out after 0.3 seconds");
            }
        }
        assert_eq!(order, ["now", "quick", "slow"], "replies leave when they are ready");
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn one_request_id_twice_is_two_requests() {
    let (running, _dir) = start(guide).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let sleep = |ms: u64| json!({"role": "rpc", "u": "same", "cmds": [{"name": ms.to_string(), "fun": "sleep", "args": [ms]}]});
        peer.send(&sleep(30)).await;
        peer.send(&sleep(1)).await;
        let replies = [peer.receive().await, peer.receive().await];
        assert_eq!(replies[0]["r"], json!({"1": null}));
        assert_eq!(replies[1]["r"], json!({"30": null}));
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_level_runs_at_once() {
    let meeting = Arc::new(tokio::sync::Barrier::new(4));
    let (running, _dir) = start(|node| {
        node.function("meet").async_handler(move |number: i64| {
            let meeting = Arc::clone(&meeting);
            async move {
                meeting.wait().await;
                number
            }
        })
    })
    .await;
    let mut peer = Peer::connect(&running, "tcp").await;
    let commands: Vec<Value> =
        (0..4).map(|number| json!({"name": format!("m{number}"), "fun": "meet", "args": [number]})).collect();
    assert_eq!(peer.rpc("m", json!(commands)).await["r"], json!({"m0": 0, "m1": 1, "m2": 2, "m3": 3}));
    running.shutdown().await.unwrap();
}

/// Tells when a call's future is dropped.
struct Dropped(Arc<Notify>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

#[tokio::test]
async fn a_call_ends_with_its_connection_and_with_the_first_failure() {
    let (started, dropped) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (begun, ended) = (Arc::clone(&started), Arc::clone(&dropped));
    let (running, _dir) = start(|node| {
        guide(node).function("hang").async_handler(move || {
            let (begun, guard) = (Arc::clone(&begun), Dropped(Arc::clone(&ended)));
            async move {
                let _guard = guard;
                begun.notify_one();
                std::future::pending::<()>().await
            }
        })
    })
    .await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        peer.send(&python_call("h", "hang", json!([]))).await;
        started.notified().await;
        drop(peer);
        tokio::time::timeout(PATIENCE, dropped.notified()).await.expect("cancelled when the client goes");
        let mut peer = Peer::connect(&running, transport).await;
        let commands = json!([{"name": "h", "fun": "hang"}, {"name": "f", "fun": "fail", "args": ["x"]}]);
        assert_eq!(peer.rpc("h", commands).await["error"]["details"], "CustomError: x");
        tokio::time::timeout(PATIENCE, dropped.notified()).await.expect("cancelled by the failure beside it");
        started.notified().await;
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn results_do_not_grow_beyond_all_bounds() {
    let (running, _dir) = start(|node| node).await;
    let mut peer = Peer::connect(&running, "tcp").await;
    // Each doubles the one before: 2^60 bytes if nobody stopped it.
    let doubling: Vec<Value> = (0..60)
        .map(|n: i32| json!({"name": format!("d{n}"), "fun": "echos", "args": if n == 0 { json!([1]) } else { json!([format!("d{}", n - 1), format!("d{}", n - 1)]) }}))
        .collect();
    let reply = peer.rpc("d", json!(doubling)).await;
    assert_eq!(reply["error"]["code"], 1003, "{reply}");
    let large = "x".repeat(1 << 20);
    let mut wide: Vec<Value> = vec![json!({"name": "w", "fun": "echo", "args": [large]})];
    wide.extend((0..30).map(|n| json!({"name": format!("w{n}"), "fun": "echo", "args": ["w"]})));
    assert_eq!(peer.rpc("w", json!(wide)).await["error"]["code"], 1003, "a reply of 30 MiB");
    assert_eq!(peer.run("echo", json!([1])).await.unwrap(), 1, "the connection goes on");
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_thousand_commands_in_a_row() {
    let (running, _dir) = start(|node| node).await;
    for transport in TRANSPORTS {
        let mut peer = Peer::connect(&running, transport).await;
        let row: Vec<Value> = (0..1000)
            .map(|n: i32| json!({"name": format!("c{n}"), "fun": "echo", "args": [if n == 0 { json!(5) } else { json!(format!("c{}", n - 1)) }]}))
            .collect();
        assert_eq!(peer.rpc("r", json!(row)).await["r"], json!({"c999": 5}));
    }
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn functions_come_and_go_while_the_node_runs() {
    let (running, _dir) = start(|node| node).await;
    let mut peer = Peer::connect(&running, "ws").await;
    assert_eq!(peer.run("late", json!([1])).await.unwrap_err()["code"], 1001);
    running.function("late").version("1.1").quick_handler(|n: i64| n + 1).unwrap();
    assert!(running.function("late").version("1.1").quick_handler(|n: i64| n).is_err(), "taken");
    assert!(running.function("echo").quick_handler(|n: i64| n).is_err(), "a built-in one stays");
    assert!(running.function("bad").version("x").quick_handler(|| 1).is_err());
    assert_eq!(peer.run("late", json!([1])).await.unwrap(), 2);
    assert!(running.remove_function("late", "1.1".parse().unwrap()));
    assert!(!running.remove_function("late", "1.1".parse().unwrap()));
    assert!(!running.remove_function("echo", "1".parse().unwrap()));
    assert_eq!(peer.run("late", json!([1])).await.unwrap_err()["code"], 1001);
    running.shutdown().await.unwrap();
    let dir = tempfile::tempdir().unwrap();
    let twice = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
    let twice = twice.function("f").quick_handler(|| 1).function("f").quick_handler(|| 2);
    assert!(twice.start().await.unwrap_err().to_string().contains("registered already"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pure_functions_run_once_and_their_results_last() {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = |node: Node, version: &str| {
        let runs = Arc::clone(&runs);
        node.function("slow_square")
            .version(version)
            .parameters(["n"])
            .pure(None)
            .depends_on(["math:table:v1.0.0"])
            .handler(move |n: i64| -> Result<i64, Failure> {
                runs.fetch_add(1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(50));
                if n < 0 { Err(Failure::new("RangeError", "negative")) } else { Ok(n * n) }
            })
    };
    let dir = tempfile::tempdir().unwrap();
    let node = |version: &str| {
        let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap());
        counted(node.configure(|config| config.free_bytes_min = Some(0)), version)
    };
    let running = node("1.0").start().await.unwrap();
    let mut callers = Vec::new();
    for number in 0..100 {
        let mut peer = Peer::connect(&running, TRANSPORTS[number % 2]).await;
        callers.push(tokio::spawn(async move { peer.run("slow_square", json!([12])).await }));
    }
    for caller in callers {
        assert_eq!(caller.await.unwrap().unwrap(), 144);
    }
    assert_eq!(runs.load(Ordering::SeqCst), 1, "one flight");
    let mut peer = Peer::connect(&running, "tcp").await;
    assert_eq!(peer.run("slow_square", json!([12])).await.unwrap(), 144);
    let spaced =
        r#"{"role":"rpc","u":"s","cmds":[{"name":"\u0001","fun":"slow_square","args":[ 12 ],"kwargs":{ }}]}"#;
    peer.send_text(spaced).await;
    assert_eq!(peer.receive().await["r"]["\u{1}"], 144);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "a hit never calls the function");
    let graph = json!([{"name": "a", "fun": "echo", "args": [12]}, {"name": "b", "fun": "slow_square", "args": ["a"]}]);
    assert_eq!(peer.rpc("g", graph).await["r"], json!({"b": 144}));
    assert_eq!(runs.load(Ordering::SeqCst), 1, "references are resolved first");
    assert!(peer.run("slow_square", json!([-1])).await.is_err());
    assert!(peer.run("slow_square", json!([-1])).await.is_err());
    assert_eq!(runs.load(Ordering::SeqCst), 3, "failures are not kept");
    running.shutdown().await.unwrap();

    let running = node("1.0").start().await.unwrap();
    let mut peer = Peer::connect(&running, "ws").await;
    assert_eq!(peer.run("slow_square", json!([12])).await.unwrap(), 144);
    assert_eq!(runs.load(Ordering::SeqCst), 3, "kept through a restart");
    running.shutdown().await.unwrap();

    let running = node("1.1").start().await.unwrap();
    let mut peer = Peer::connect(&running, "ws").await;
    assert_eq!(peer.run("slow_square", json!([12])).await.unwrap(), 144);
    assert_eq!(runs.load(Ordering::SeqCst), 4, "a new version begins afresh");
    running.shutdown().await.unwrap();
}

#[tokio::test]
async fn kept_results_are_entries_of_the_cache() {
    use mpreg_storage::record::{Extras, Key};
    use sha2::{Digest, Sha256};
    let (running, _dir) = start(|node| {
        node.function("add")
            .parameters(["a", "b"])
            .pure(Duration::from_secs(60))
            .depends_on(["n:i:v1.0.0"])
            .quick_handler(|a: i64, b: i64| a + b)
    })
    .await;
    let mut peer = Peer::connect(&running, "tcp").await;
    assert_eq!(peer.run_with("add", json!([1]), json!({"b": 2})).await.unwrap(), 3);
    let canonical = r#"["add","add","1.0.0",[1],{"b":2}]"#;
    let digest: String =
        Sha256::digest(canonical).iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let key = Key::new("rpc.results", &digest).unwrap();
    let entry = running.store().get(key.as_bytes()).unwrap().expect("where the protocol says it is");
    assert_eq!(entry.value(), b"3");
    let extras = Extras::decode(entry.fields().extras).unwrap();
    assert_eq!(extras.dependencies, r#"["n:i:v1.0.0"]"#);
    assert!(extras.computation_cost_ms > 0.0);
    assert!(entry.fields().expires_us > 0);
    // Whoever invalidates the entry makes the function run again.
    let poisoned = b"\"not three\"";
    running.store().put(key.as_bytes(), poisoned, mpreg_storage::store::Level::Eventual).unwrap();
    assert_eq!(peer.run_with("add", json!([1]), json!({"b": 2})).await.unwrap(), "not three");
    running.store().delete(key.as_bytes(), mpreg_storage::store::Level::Eventual).unwrap();
    assert_eq!(peer.run_with("add", json!([1]), json!({"b": 2})).await.unwrap(), 3);
    running.shutdown().await.unwrap();
}
