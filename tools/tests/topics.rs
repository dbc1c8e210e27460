//! `pub`, `sub` and `backlog` against the real server and its files.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, Output, Stdio};

use common::server::Server;
use common::{json, run, stderr};
use serde_json::Value;

/// Prints what is there and ends.
const TO_ITS_END: [&str; 4] = ["--idle", "500ms", "--format", "jsonl"];

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}", stderr(output));
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn payloads(output: &Output) -> Vec<Value> {
    lines(output).into_iter().map(|message| message["payload"].clone()).collect()
}

fn sub(server: &Server, arguments: &[&str]) -> Output {
    server.run(&[&["sub"], arguments, &TO_ITS_END[..]].concat())
}

/// A subscriber in the background, subscribed when this returns.
fn listen(server: &Server, arguments: &[&str]) -> Child {
    let mut command = server.command(&[&["sub"], arguments].concat());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stderr.take().unwrap()).lines();
    assert!(told.next().unwrap().unwrap().contains("subscribed"));
    std::thread::spawn(move || told.for_each(drop));
    child
}

fn publish(server: &Server, topic: &str, numbers: std::ops::Range<u32>) {
    let input: String = numbers.map(|number| format!("{number}\n")).collect();
    let output = server.run_with(&["pub", topic, "--lines"], &input);
    assert!(output.status.success(), "{}", stderr(&output));
}

#[test]
fn a_message_arrives_as_it_was_published() {
    let Some(server) = Server::start() else { return };
    let listener = listen(&server, &["orders.*", "--limit", "2", "--format", "jsonl"]);
    let sent = [
        "pub",
        "orders.new",
        r#"{"id":7,"price":1.50}"#,
        "--id",
        "m1",
        "--header",
        "priority=3",
        "--level",
        "strong",
    ];
    let ack = json(&server.run(&[&sent[..], &["--format", "json"]].concat()));
    assert_eq!((&ack["durability"], &ack["topic"]), (&"strong".into(), &"orders.new".into()));
    server.text(&["pub", "other", "1"]);
    server.text(&["pub", "orders.paid", "a text", "--string", "--level", "volatile"]);
    let received = listener.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&received.stdout).into_owned();
    assert!(text.contains(r#""payload":{"id":7,"price":1.50}"#), "byte for byte: {text}");
    let messages = lines(&received);
    assert_eq!((&messages[0]["message_id"], &messages[0]["headers"]["priority"]), (&"m1".into(), &3.into()));
    assert_eq!(messages[0]["offset"], ack["offset"]);
    assert_eq!((&messages[1]["payload"], &messages[1]["offset"]), (&"a text".into(), &Value::Null));
    assert_eq!(server.code(&["pub", "t", "no json"]), 2);
    assert_eq!(server.code(&["sub", "a.*", "--from", "soon"]), 2);
}

#[test]
fn a_subscription_begins_where_it_is_told() {
    let Some(server) = Server::start() else { return };
    publish(&server, "a.b", 0..700);
    let all: Vec<Value> = (0..700).map(Value::from).collect();
    let output = sub(&server, &["#", "--from", "earliest"]);
    assert!(payloads(&output) == all, "all of them, in order");
    let offset = lines(&output)[9]["offset"].as_str().unwrap().to_owned();
    assert_eq!(payloads(&sub(&server, &["a.#", "--from", &offset, "--limit", "5"])), all[10..15]);
    assert_eq!(payloads(&sub(&server, &["a.#", "--from", "1h"])), all);
    assert_eq!(payloads(&sub(&server, &["a.#", "--from", "2020-01-01T00:00:00Z"])), all);
    assert!(payloads(&sub(&server, &["a.#"])).is_empty());
    assert_eq!(server.text(&["sub", "a.#", "--from", "earliest", "--limit", "1", "--format", "raw"]), "0\n");
}

#[test]
fn a_durable_name_goes_on_where_it_was() {
    let Some(server) = Server::start() else { return };
    publish(&server, "t", 0..100);
    let durable = ["t", "--durable", "d", "--from", "earliest"];
    let first = sub(&server, &[&durable[..], &["--limit", "70"]].concat());
    assert_eq!(payloads(&first).len(), 70);
    let looked = sub(&server, &[&durable[..], &["--no-commit"]].concat());
    assert_eq!(payloads(&looked).len(), 30);
    // It survives the server.
    let address = server.address().to_owned();
    let Some(server) = Server::start_in(server.kill(), &address) else { return };
    assert_eq!(payloads(&sub(&server, &durable)), (70..100).map(Value::from).collect::<Vec<_>>());
    assert!(payloads(&sub(&server, &durable)).is_empty(), "what was printed is committed");
}

#[test]
fn a_subscriber_outlives_its_server_and_misses_nothing() {
    let Some(server) = Server::start() else { return };
    let mut listener = listen(&server, &["t", "--limit", "200", "--format", "raw"]);
    let mut received = BufReader::new(listener.stdout.take().unwrap()).lines();
    publish(&server, "t", 0..100);
    // It has received some when the server goes.
    assert_eq!(received.next().unwrap().unwrap(), "0");
    let address = server.address().to_owned();
    let Some(server) = Server::start_in(server.kill(), &address) else {
        listener.kill().unwrap();
        listener.wait().unwrap();
        return;
    };
    publish(&server, "t", 100..200);
    let numbers: Vec<u32> = received.map(|line| line.unwrap().parse().unwrap()).collect();
    assert_eq!(numbers, (1..200).collect::<Vec<_>>(), "each once and in order");
    assert!(listener.wait().unwrap().success());
}

#[test]
fn the_backlog_is_read_from_its_files() {
    let Some(server) = Server::start() else { return };
    publish(&server, "a.b", 0..50);
    publish(&server, "c", 50..60);
    // The last one says that what stands before it is durable: damage there is no torn tail.
    server.text(&["pub", "d", "60", "--level", "strong"]);
    server.text(&["pub", "d", "61"]);
    sub(&server, &["a.b", "--durable", "d", "--from", "earliest", "--limit", "3"]);
    let data = server.directory.path().join("data");
    let data = data.to_str().unwrap();
    let backlog = |arguments: &[&str]| run(&[&["backlog"], arguments, &["--data", data]].concat());
    let check = || {
        let topics = json(&backlog(&["topics", "--format", "json"]));
        let count = |row: &Value| (row["topic"].clone(), row["messages"].clone());
        let counts: Vec<_> = topics.as_array().unwrap().iter().map(count).collect();
        assert_eq!(counts, [("a.b".into(), 50.into()), ("c".into(), 10.into()), ("d".into(), 2.into())]);
        assert!(topics[0]["first_time_us"].as_u64() <= topics[0]["last_time_us"].as_u64());

        let replayed = backlog(&["replay", "#", "--format", "jsonl"]);
        assert_eq!(payloads(&replayed), (0..62).map(Value::from).collect::<Vec<_>>());
        let offset = lines(&replayed)[54]["offset"].as_str().unwrap().to_owned();
        let some = backlog(&["replay", "*", "--after", &offset, "--limit", "3", "--format", "jsonl"]);
        assert_eq!(payloads(&some), [55, 56, 57].map(Value::from));
        assert_eq!(backlog(&["replay", "--until", "2020-01-01T00:00:00Z"]).status.code(), Some(3));
        assert_eq!(payloads(&backlog(&["replay", "c", "--since", "1h", "--format", "jsonl"])).len(), 10);

        let report = json(&backlog(&["verify", "--format", "json"]));
        assert_eq!(report["messages"], 62, "{report}");
        assert!(report["commits"].as_u64().unwrap() > 0, "{report}");
    };
    check();
    // The same of a killed server.
    let directory = server.kill();
    let moved = directory.path().join("data");
    assert_eq!(moved.to_str().unwrap(), data);
    check();

    let segment = std::fs::read_dir(moved.join("wal/topics")).unwrap().map(|entry| entry.unwrap().path());
    let segment = segment.filter(|path| path.extension().is_some_and(|name| name == "seg")).min().unwrap();
    let mut bytes = std::fs::read(&segment).unwrap();
    let place = bytes.windows(5).position(|window| window == b"\"a.b\"").unwrap();
    bytes[place + 1] ^= 1;
    std::fs::write(&segment, bytes).unwrap();
    let output = backlog(&["verify"]);
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert_eq!(
        run(&["backlog", "topics", "--data", directory.path().to_str().unwrap()]).status.code(),
        Some(3)
    );
}
