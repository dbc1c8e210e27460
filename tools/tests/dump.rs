//! `dump` and `load`: what goes out comes in again, lives, tags and structures included.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use std::collections::BTreeMap;
use std::path::Path;

use common::server::Server;
use common::{json, run, stderr};
use serde_json::Value;

/// One of everything that must survive the way.
fn fill(server: &Server) {
    server.text(&["put", "a", "plain", r#"{"x":1.0,"z":[1,2.50]}"#, "--cost-ms", "7.5"]);
    server.text(&[
        "put",
        "a",
        "tagged",
        "1",
        "--tag",
        "t",
        "--depends-on",
        "b:set",
        "--key-version",
        "v2.0.0",
    ]);
    server.text(&["put", "a", "mortal", "1", "--ttl", "1h"]);
    server.text(&["put", "a", "sliding", "1", "--ttl", "2h", "--sliding"]);
    let windows = ["--stale-while-revalidate", "30s", "--stale-if-error", "1h"];
    server.text(&[&["put", "a", "windows", "1", "--ttl", "10m"], &windows[..]].concat());
    server.text(&["put", "a", "odd \u{1}\"name\"\u{2}é", "\"text\""]);
    server.text(&["struct", "set", "add", "b", "set", "\"x\"", "2", "1.0"]);
    server.text(&["struct", "list", "append", "b", "list", "1", "[2]", "null"]);
    server.text(&["struct", "map", "set", "b", "map", "--set", "a=1", "--set", "b.c=2"]);
    server.text(&["struct", "sorted_set", "add", "b", "sorted", "\"low\"", "--score", "-1.5"]);
    server.text(&["struct", "sorted_set", "add", "b", "sorted", "\"high\"", "--score", "3"]);
    server.text(&["struct", "counter", "increment", "c.d", "counter", "41"]);
}

/// Entry lines by key, without what reading changes.
fn entries(dump: &str) -> BTreeMap<String, Value> {
    let lines: Vec<Value> = dump.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (head, foot) = (lines.first().unwrap(), lines.last().unwrap());
    assert_eq!((&head["format"], &foot["end"]), (&"mpreg-dump".into(), &true.into()));
    assert_eq!(foot["entries"], lines.len() as u64 - 2);
    let entry = |line: &Value| {
        let mut line = line.clone();
        for name in ["access_count", "last_access_time"] {
            line.as_object_mut().unwrap().remove(name);
        }
        (line["key"].to_string(), line)
    };
    lines[1..lines.len() - 1].iter().map(entry).collect()
}

fn files(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.insert(path.display().to_string(), std::fs::read(path).unwrap());
        }
    }
    found
}

#[test]
fn everything_comes_back_over_the_wire_and_from_the_files() {
    let Some(server) = Server::start() else { return };
    fill(&server);
    let dump = server.text(&["dump"]);
    let before = entries(&dump);
    assert_eq!(before.len(), 11, "{before:?}");

    // What a killed server leaves is read with recovery and all, and not touched.
    let directory = server.kill();
    let data = directory.path().join("data");
    let untouched = files(&data);
    let output = run(&["dump", "--data", data.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(entries(std::str::from_utf8(&output.stdout).unwrap()), before);
    assert!(files(&data) == untouched, "the dump wrote to the files");

    let Some(other) = Server::start() else { return };
    let output = other.run_with(&["load"], &dump);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("11 loaded"), "{}", stderr(&output));
    assert_eq!(entries(&other.text(&["dump"])), before);

    // They are what they were, not only their texts.
    assert_eq!(other.raw(&["struct", "sorted_set", "rank", "b", "sorted", "\"high\""]), "1");
    assert_eq!(other.raw(&["struct", "set", "contains", "b", "set", "1"]), "true");
    assert_eq!(other.raw(&["struct", "counter", "increment", "c.d", "counter"]), "42");
    assert_eq!(other.text(&["invalidate", "b:set", "--cascade"]), "2 entries removed\n");
    let left = json(&other.run(&["get", "a", "sliding", "--format", "json"]));
    assert_eq!(left["entry"]["ttl_seconds"].as_f64(), Some(7200.0));
}

#[test]
fn namespaces_are_chosen_renamed_and_merged() {
    let Some(server) = Server::start() else { return };
    fill(&server);
    let dump = server.text(&["dump", "a", "c.d", "--pattern", "*t*"]);
    let keys: Vec<String> =
        entries(&dump).into_values().map(|entry| entry["key"]["identifier"].to_string()).collect();
    assert_eq!(keys, ["\"counter\"", "\"mortal\"", "\"tagged\""]);
    assert_eq!(server.code(&["dump", "nobody"]), 3);

    let file = server.directory.path().join("dump.jsonl");
    server.text(&["dump", "--output", file.to_str().unwrap()]);
    let file = file.to_str().unwrap();
    server.text(&["load", file, "--only", "b", "--into", "copy"]);
    assert_eq!(server.text(&["ns", "count", "copy"]), "4\n");
    assert_eq!(server.raw(&["struct", "list", "get_range", "copy", "list"]), "[1,[2],null]");

    server.text(&["put", "a", "plain", "\"newer\""]);
    server.text(&["load", file, "--merge", "newest"]);
    assert_eq!(server.raw(&["get", "a", "plain"]), "\"newer\"");
    server.text(&["load", file, "--merge", "skip-existing"]);
    assert_eq!(server.raw(&["get", "a", "plain"]), "\"newer\"");
    server.text(&["load", file, "--dry-run"]);
    assert_eq!(server.raw(&["get", "a", "plain"]), "\"newer\"");
    server.text(&["load", file]);
    assert_eq!(server.raw(&["get", "a", "plain"]), r#"{"x":1.0,"z":[1,2.50]}"#);
}

#[test]
fn many_and_large_entries_go_in_parts() {
    let Some(server) = Server::start() else { return };
    let mut lines = String::from("{\"format\":\"mpreg-dump\",\"version\":1,\"created_at\":1}\n");
    for number in 0..2500 {
        // Every fifth hundred is large, so that parts end by bytes, too.
        let size = if number % 500 == 0 { 3_000_000 } else { 50 };
        let value = "x".repeat(size);
        lines.push_str(&format!(
            "{{\"key\":{{\"namespace\":\"n\",\"identifier\":\"{number:05}\"}},\"value\":\"{value}\",\"creation_time\":1.5}}\n"
        ));
    }
    lines.push_str("{\"end\":true,\"entries\":2500}\n");
    let output = server.run_with(&["load"], &lines);
    assert!(output.status.success(), "{}", stderr(&output));
    let dump = server.text(&["dump", "n"]);
    let identifiers: Vec<u32> = dump.lines().skip(1).filter_map(identifier).collect();
    assert_eq!(identifiers, (0..2500).collect::<Vec<_>>(), "each once and in order");
}

fn identifier(line: &str) -> Option<u32> {
    let (_, rest) = line.split_once("\"identifier\":\"")?;
    rest.get(..5)?.parse().ok()
}

#[test]
fn what_is_no_whole_dump_is_said_to_be_none() {
    let Some(server) = Server::start() else { return };
    server.text(&["put", "n", "a", "1"]);
    let dump = server.text(&["dump"]);
    let cut = dump.rsplit_once("{\"end\"").unwrap().0;
    assert_eq!(server.run_with(&["load"], cut).status.code(), Some(7));
    assert_eq!(
        server.run_with(&["load"], &dump.replace("\"entries\":1", "\"entries\":2")).status.code(),
        Some(7)
    );
    let output = server.run_with(&["load"], &dump.replace("\"value\"", "\"valu"));
    assert_eq!(output.status.code(), Some(7));
    assert!(stderr(&output).contains("line 2"), "{}", stderr(&output));
    assert_eq!(server.run_with(&["load"], "{}").status.code(), Some(2));
    assert_eq!(server.run_with(&["load"], "").status.code(), Some(2));
    let newer = dump.replace("\"version\":1,\"created", "\"version\":9,\"created");
    assert_eq!(server.run_with(&["load"], &newer).status.code(), Some(2));
}

#[test]
fn a_directory_that_a_server_has_is_left_alone() {
    let Some(server) = Server::start() else { return };
    let data = server.directory.path().join("data");
    let output = run(&["dump", "--data", data.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("a server has it"), "{}", stderr(&output));
    let nothing = server.directory.path();
    assert_eq!(run(&["dump", "--data", nothing.to_str().unwrap()]).status.code(), Some(3));
}
