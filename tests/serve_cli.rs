//! The real binary from start to stop: banner, lock, signals, exit codes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::json;
use support::{Server, signal};

#[test]
fn the_banner_tells_what_a_newcomer_needs() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let banner = server.banner.join("\n");
    let url = format!("MPREG_URL=ws://127.0.0.1:{}", server.port);
    for part in [
        env!("CARGO_PKG_VERSION"),
        dir.path().to_str().unwrap(),
        "recovered 0 records",
        "listening",
        &url,
        "ready",
    ] {
        assert!(banner.contains(part), "{part:?} in {banner}");
    }
    assert_eq!(server.terminate(), Some(0));
}

#[test]
fn sigterm_answers_what_was_sent_checkpoints_and_exits_0() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let mut client = server.connect();
    for n in 0..100 {
        assert_eq!(client.put(&format!("k{n}"), &json!(n), "eventual").unwrap()["status"], "hit");
    }
    assert_eq!(server.terminate(), Some(0));
    let again = Server::start(dir.path(), &[]);
    assert!(again.banner.join("\n").contains("recovered 0 records"), "a clean stop leaves nothing to replay");
    let mut client = again.connect();
    assert_eq!(client.get("k7").unwrap()["entry"]["value"], 7);
    signal(again.pid(), "INT");
    assert_eq!(again.wait(), Some(0));
}

#[test]
fn a_second_server_on_the_same_data_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let _first = Server::start(dir.path(), &[]);
    let second = Command::new(env!("CARGO_BIN_EXE_mpreg"))
        .args(["serve", "--listen", "127.0.0.1:0", "--data"])
        .arg(dir.path())
        .output()
        .unwrap();
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(1), "{told}");
    assert!(told.contains("in use") && told.contains(dir.path().to_str().unwrap()), "{told}");
    assert!(second.stdout.is_empty(), "no banner");
}

#[test]
fn a_data_directory_that_others_may_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    assert_eq!(Server::start(&data, &[]).terminate(), Some(0));
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&data), mode(&data.join("l2/store.redb"))), (0o700, 0o600));
    for exposed in [data.join("wal/main"), data.clone()] {
        std::fs::set_permissions(&exposed, std::fs::Permissions::from_mode(0o777)).unwrap();
        let refused = Command::new(env!("CARGO_BIN_EXE_mpreg"))
            .args(["--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .output()
            .unwrap();
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("mode 777") && told.contains("chmod go-w"), "{told}");
        std::fs::set_permissions(&exposed, std::fs::Permissions::from_mode(0o700)).unwrap();
    }
    assert_eq!(Server::start(&data, &[]).terminate(), Some(0));
}

#[test]
fn a_taken_address_is_named() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = Server::start(one.path(), &[]);
    let address = format!("127.0.0.1:{}", first.port);
    let second = Command::new(env!("CARGO_BIN_EXE_mpreg"))
        .args(["--listen", &address, "--data"])
        .arg(two.path())
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert!(String::from_utf8(second.stderr).unwrap().contains(&format!("cannot listen on {address}")));
}

#[test]
fn a_second_signal_stops_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpreg"))
        .args(["--listen", "127.0.0.1:0", "--data"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = out.by_ref().find(|line| line.starts_with("MPREG_URL=")).unwrap();
    assert!(out.any(|line| line == "ready"));
    // A peer that never closes keeps the drain going: the farewell of the server waits for it.
    let mut client = support::Client::connect(url.rsplit(':').next().unwrap().parse().unwrap());
    assert_eq!(client.get("none").unwrap()["status"], "miss");
    let mut logs = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    signal(child.id(), "TERM");
    assert!(logs.any(|line| line.contains("stopping")));
    signal(child.id(), "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(130));
    drop(client);
}

#[test]
fn logs_are_json_lines_without_values() {
    let dir = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_mpreg"))
        .args(["--listen", "127.0.0.1:0", "--log", "trace", "--data"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let url = out.by_ref().find(|line| line.starts_with("MPREG_URL=")).unwrap();
    let mut client = support::Client::connect(url.rsplit(':').next().unwrap().parse().unwrap());
    client.put("k", &json!("a-secret-value"), "strong").unwrap();
    drop(client);
    signal(child.id(), "TERM");
    let output = child.wait_with_output().unwrap();
    let logs = String::from_utf8(output.stderr).unwrap();
    assert!(!logs.contains("a-secret-value"));
    let ours = logs.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    assert!(ours.into_iter().any(|line| line["message"] == "accepted" && line["connection"] == 0));
}
