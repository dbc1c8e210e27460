//! The typed commands against the real server: what they print, and how they end.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use common::server::Server;
use common::{json, stderr};

#[test]
fn one_entry_from_its_put_to_its_end() {
    let Some(server) = Server::start() else { return };
    assert_eq!(server.code(&["get", "n", "a"]), 3);
    let text = r#"{"x":1.0,"big":9007199254740993,"z":[],"a":null}"#;
    let put =
        ["put", "n", "a", text, "--ttl", "90s", "--tag", "t", "--depends-on", "m:x", "--level", "strong"];
    let reply = json(&server.run(&[&put[..], &["--format", "json"]].concat()));
    assert_eq!((&reply["durability"], &reply["entry"]["ttl_seconds"]), (&"strong".into(), &90.0.into()));
    // Byte for byte: no number and no order of members is touched on the way.
    assert_eq!(server.raw(&["get", "n", "a"]), text);
    let reply = json(&server.run(&["get", "n", "a", "--level", "strong", "--format", "json"]));
    assert_eq!(reply["entry"]["key"]["tags"][0], "t");
    assert_eq!(reply["entry"]["dependencies"][0], "m:x:v1.0.0");
    let table = server.text(&["get", "n", "a"]);
    assert!(table.contains("durability") && table.contains(text), "{table}");
    assert_eq!(server.code(&["get", "n", "a", "--key-version", "v2.0.0"]), 3, "another version, another key");
    assert_eq!(server.code(&["del", "n", "a"]), 0);
    assert_eq!(server.code(&["del", "n", "a"]), 3);
}

#[test]
fn values_come_from_arguments_texts_and_stdin() {
    let Some(server) = Server::start() else { return };
    assert_eq!(server.raw(&["put", "n", "a", "-5"]), "-5");
    assert_eq!(server.raw(&["put", "n", "a", "say \"hi\"", "--string"]), r#""say \"hi\"""#);
    let output = server.run_with(&["put", "n", "a", "-"], "[1,\n2]\n");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(server.raw(&["get", "n", "a"]), "[1,\n2]");
    let output = server.run(&["put", "n", "a", "hello"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--string"), "{}", stderr(&output));
    assert_eq!(server.code(&["put", "n", "a"]), 2, "a value is needed");
    assert_eq!(server.code(&["put", "", "a", "1"]), 1, "the server refuses it");
    let low = ["put", "n", "price", "-1", "--constraint", r#"{"constraint_type":"min_value","value":0}"#];
    let output = server.run(&low);
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert_eq!(server.code(&["get", "n", "price"]), 3);
}

#[test]
fn atomics_say_what_was_there_and_a_condition_is_exit_4() {
    let Some(server) = Server::start() else { return };
    assert_eq!(server.raw(&["atomic", "inc", "n", "c", "5"]), "5");
    assert_eq!(server.raw(&["atomic", "dec", "n", "c", "-2"]), "7");
    assert_eq!(server.code(&["atomic", "inc", "n", "none", "--only-existing"]), 3);
    assert_eq!(server.raw(&["atomic", "increment", "n", "i", "1.5", "--initial", "-10"]), "-8.5");
    let lock =
        |owner: &str| server.run(&["atomic", "test-and-set", "n", "lock", owner, "--string", "--ttl", "30s"]);
    assert!(lock("me").status.success());
    let output = lock("you");
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"me\""), "it shows who has it");
    assert_eq!(server.raw(&["atomic", "compare-and-swap", "n", "lock", "2", "--expect", "\"me\""]), "2");
    assert_eq!(server.raw(&["atomic", "append", "n", "list", "[1,2]"]), "[1,2]");
    assert_eq!(server.raw(&["atomic", "prepend", "n", "list", "0"]), "[0,1,2]");
    assert_eq!(server.code(&["atomic", "inc", "n", "c", "1", "--if", r#"{"value":{"$lt":7}}"#]), 4);
    assert_eq!(server.code(&["atomic", "extend-ttl", "n", "none", "5s"]), 3);
    assert_eq!(server.code(&["atomic", "extend-ttl", "n", "c", "5s"]), 0);
    for _ in 0..3 {
        assert_eq!(server.raw(&["atomic", "inc", "n", "once", "--client", "t", "--seq", "1"]), "1");
    }
}

#[test]
fn structures_of_every_kind() {
    let Some(server) = Server::start() else { return };
    let cases: [(&[&str], &str); 20] = [
        (&["set", "add", "n", "set", "\"a\"", "2", "\"a\""], "true"),
        (&["set", "members", "n", "set"], "[\"a\",2]"),
        (&["set", "add", "n", "other", "2", "3"], "true"),
        (&["set", "union", "n", "set", "--other", "n:other"], "[\"a\",2,3]"),
        (&["list", "append", "n", "list", "a", "b", "c", "--string"], "2"),
        (&["list", "get", "n", "list", "--index", "-1"], "\"c\""),
        (&["list", "get_range", "n", "list", "--start", "1", "--end", "3"], "[\"b\",\"c\"]"),
        (&["list", "pop_front", "n", "list", "--limit", "2"], "[\"a\",\"b\"]"),
        (&["map", "set", "n", "map", "--set", "a=1.0", "--set", "b.c=\"x=y\""], "2"),
        (&["map", "get_fields", "n", "map", "--field", "a", "--field", "b.c"], r#"{"a":1.0,"b.c":"x=y"}"#),
        (&["map", "increment_field", "n", "map", "-3", "--field", "a"], "-2.0"),
        (&["sorted_set", "add", "n", "z", "\"ada\"", "\"bob\"", "--score", "-2.5"], "2"),
        (&["sorted_set", "add", "n", "z", "\"cy\"", "--score", "7"], "1"),
        (&["sorted_set", "get_range", "n", "z", "--min", "0"], r#"[{"value":"cy","score":7.0}]"#),
        (&["sorted_set", "rank", "n", "z", "\"cy\""], "2"),
        (&["counter", "increment", "n", "count", "5"], "5"),
        (&["queue", "enqueue", "n", "queue", "1", "2"], "1"),
        (&["queue", "dequeue", "n", "queue"], "1"),
        (&["stack", "push", "n", "stack", "1", "2"], "1"),
        (&["stack", "pop", "n", "stack"], "2"),
    ];
    for (arguments, expected) in cases {
        assert_eq!(server.raw(&[&["struct"], arguments].concat()), expected, "{arguments:?}");
    }
    assert_eq!(server.code(&["struct", "stack", "pop", "n", "nothing"]), 3);
    let output = server.run(&["struct", "set", "add", "n", "map", "1"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("Wrong type for set"), "{}", stderr(&output));
    assert_eq!(server.code(&["struct", "heap", "add", "n", "a", "1"]), 2);
}

#[test]
fn namespaces_are_listed_cleared_and_carried_over() {
    let Some(server) = Server::start() else { return };
    for identifier in ["a1", "a2", "b1"] {
        server.text(&["put", "n", identifier, "1", "--tag", identifier]);
    }
    assert_eq!(server.text(&["ns", "keys", "n", "--pattern", "a*"]), "a1\tv1.0.0\ta1\na2\tv1.0.0\ta2\n");
    assert_eq!(server.text(&["ns", "count", "n"]), "3\n");
    assert_eq!(server.text(&["query", "n", "?1"]), "n:a1:v1.0.0\nn:b1:v1.0.0\n");
    assert!(server.text(&["ns", "stats", "n"]).contains("entry_count"));
    let file = server.directory.path().join("backup.json");
    server.text(&["ns", "backup", "n", file.to_str().unwrap(), "--compressed"]);
    assert_eq!(server.text(&["ns", "clear", "n", "--pattern", "a*", "--dry-run"]), "2\n");
    let output = server.run(&["ns", "clear", "n"]);
    assert_eq!(output.status.code(), Some(2), "nobody can be asked: {}", stderr(&output));
    assert_eq!(server.text(&["ns", "count", "n"]), "3\n");
    assert_eq!(server.text(&["ns", "clear", "n", "--yes", "--max", "2"]), "2 entries deleted\n");
    assert_eq!(server.text(&["ns", "keys", "n"]), "b1\tv1.0.0\tb1\n", "the oldest go first");
    let restore = ["ns", "restore", "n", file.to_str().unwrap(), "--merge", "skip-existing"];
    assert_eq!(server.text(&restore), "2 entries restored, 1 left as they were\n");
    assert_eq!(server.code(&["ns", "keys", "nobody"]), 3);
}

#[test]
fn invalidations_count_what_they_remove() {
    let Some(server) = Server::start() else { return };
    server.text(&["put", "ml.models", "a", "1", "--tag", "t"]);
    server.text(&["put", "n", "b", "1", "--tag", "t"]);
    server.text(&["put", "n", "c", "1", "--depends-on", "n:b"]);
    assert_eq!(server.text(&["invalidate", "ml.*"]), "1 entries removed\n");
    assert_eq!(server.code(&["invalidate", "ml.*"]), 3);
    assert_eq!(server.code(&["invalidate", "--tag", "t", "--cascade"]), 2);
    assert_eq!(server.text(&["invalidate", "n.b", "--cascade"]), "2 entries removed\n");
    server.text(&["put", "n", "d", "1", "--tag", "t"]);
    assert_eq!(server.text(&["invalidate", "--tag", "t"]), "1 entries removed\n");
    assert_eq!(server.code(&["invalidate", "*"]), 1, "everything is not removed by accident");
    assert_eq!(server.code(&["invalidate"]), 2);
}

#[test]
fn a_lease_is_granted_filled_and_given_back() {
    let Some(server) = Server::start() else { return };
    let ask = |key: &str| json(&server.run(&["get", "n", key, "--lease", "60s", "--format", "json"]));
    let granted = ask("a");
    assert_eq!(granted["lease"]["state"], "granted");
    assert_eq!(ask("a")["lease"]["state"], "filling");
    let token = granted["lease"]["token"].to_string();
    assert_eq!(server.code(&["put", "n", "a", "1", "--fill", "1"]), 4, "a token of nobody");
    assert_eq!(server.raw(&["put", "n", "a", "2", "--fill", &token]), "2");
    let token = ask("b")["lease"]["token"].to_string();
    assert_eq!(server.code(&["get", "n", "b", "--give-up", &token]), 3);
    assert_eq!(ask("b")["lease"]["state"], "granted");
}

#[test]
fn a_batch_happens_whole_or_not_at_all() {
    let Some(server) = Server::start() else { return };
    let put = r#"{"operation":"put","key":{"namespace":"n","identifier":"a"},"value":1}"#;
    let increment = |least: u32| {
        format!(
            r#"{{"operation":"atomic","key":{{"namespace":"n","identifier":"b"}},"atomic_operation":{{"operation_type":"increment","conditions":{{"value":{{"$gte":{least}}}}}}}}}"#
        )
    };
    server.text(&["put", "n", "b", "4"]);
    let output = server.run_with(&["batch"], &format!("{put}\n\n{}\n", increment(5)));
    assert_eq!(output.status.code(), Some(4), "{}", stderr(&output));
    assert_eq!(server.code(&["get", "n", "a"]), 3, "nothing of it happened");
    let output = server.run_with(&["batch", "--level", "strong"], &format!("{put}\n{}\n", increment(4)));
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
    assert_eq!((server.raw(&["get", "n", "a"]), server.raw(&["get", "n", "b"])), ("1".into(), "5".into()));
    let output = server.run_with(&["batch"], &format!("{put}\nnonsense"));
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("line 2"), "{}", stderr(&output));
}

#[test]
fn a_server_that_is_not_there_is_exit_5() {
    let output = common::run(&["get", "n", "a", "--url", "tcp://127.0.0.1:1"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    assert!(stderr(&output).contains("mpreg serve"), "{}", stderr(&output));
    assert_eq!(common::run(&["get", "n", "a", "--url", "nonsense"]).status.code(), Some(2));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", silent.local_addr().unwrap());
    let output = common::run(&["get", "n", "a", "--url", &url, "--timeout", "0.3"]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
}
