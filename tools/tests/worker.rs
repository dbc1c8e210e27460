//! `worker`, `call`, `functions` and `describe` against the real server: programs as functions.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use std::io::{BufRead, BufReader};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use common::server::Server;
use common::{json, stderr};

/// Longer than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);

/// A running `mpreg-tools worker`; killed when dropped.
struct Worker(Child);

impl Worker {
    /// Starts one and waits until it serves.
    fn start(server: &Server, arguments: &[&str], script: &str) -> Worker {
        let program = ["--", "sh", "-c", script];
        let mut command = server.command(&[&["worker"], arguments, &program[..]].concat());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.next().unwrap().unwrap();
        assert!(first.starts_with("serving"), "{first}");
        std::thread::spawn(move || lines.for_each(drop));
        Worker(child)
    }

    fn terminate(mut self) -> ExitStatus {
        let id = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.0.wait().unwrap()
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Answers with the line it got, and its own process.
const ECHO: &str =
    r#"while read -r line; do printf '{"result":{"got":%s,"process":%s}}\n' "$line" "$$"; done"#;
/// Does what its one argument says, in plain lines.
const OBEDIENT: &str = r#"while read -r line; do case "$line" in
    '"die"') exit 3;; '"hang"') sleep 100;; '"nonsense"') echo oops;; '"wait"') sleep 1; echo $$;; *) echo $$;; esac; done"#;

#[test]
fn a_program_is_a_function_with_a_description() {
    let Some(server) = Server::start() else { return };
    let describing =
        ["--doc", "Gives it back.", "--parameter", "text", "--tag", "test", "--function-version", "1.2.0"];
    let worker = Worker::start(&server, &[&["text.echo"], &describing[..]].concat(), ECHO);
    let arguments = ["call", "text.echo", "1.0", "{\"a\": \"b\\n\"}", "--arg", "k=[1]"];
    let result = json(&server.run(&arguments));
    assert_eq!(result["got"]["args"], serde_json::json!([1.0, {"a": "b\n"}]));
    assert_eq!((&result["got"]["kwargs"]["k"][0], &result["got"]["version"]), (&1.into(), &"1.2.0".into()));
    let reply = json(&server.run(&["call", "text.echo", "x", "--string", "--format", "json"]));
    assert_eq!(reply["r"]["\u{1}"]["got"]["args"][0], "x");

    let listed = server.text(&["functions", "ECHO", "--tag", "test"]);
    assert!(listed.contains("text.echo") && listed.contains("Gives it back."), "{listed}");
    let described = server.text(&["describe", "text.echo"]);
    assert!(described.contains("text.echo(text") && described.contains("version 1.2.0"), "{described}");
    assert_eq!(
        json(&server.run(&["describe", "text.echo", "--format", "json"]))[0]["spec"]["tags"][0],
        "test"
    );
    assert_eq!(server.code(&["call", "text.echo", "1", "--function-version", ">=2.0.0"]), 3);
    assert_eq!(server.code(&["describe", "nobody"]), 3);
    assert_eq!(server.code(&["functions", "nobody"]), 3);

    assert!(worker.terminate().success());
    let output = server.run(&["call", "text.echo", "1"]);
    assert_eq!(output.status.code(), Some(3), "it is gone with its worker: {}", stderr(&output));
}

#[test]
fn processes_run_side_by_side_and_are_used_again() {
    let Some(server) = Server::start() else { return };
    let _worker = Worker::start(&server, &["f", "--plain", "--processes", "2"], OBEDIENT);
    let call = |what: &str| server.text(&["call", "f", what, "--string"]);
    assert_eq!(call("a"), call("b"), "one process serves one call after the other");
    let waiting =
        || server.command(&["call", "f", "wait", "--string"]).stdout(Stdio::piped()).spawn().unwrap();
    let ids = [waiting(), waiting()].map(|child| child.wait_with_output().unwrap().stdout);
    assert_ne!(ids[0], ids[1], "two calls at once are on two processes");
}

#[test]
fn a_process_that_fails_fails_its_call_only() {
    let Some(server) = Server::start() else { return };
    let _worker = Worker::start(&server, &["f", "--plain", "--time-limit", "500ms"], OBEDIENT);
    let fail = |what: &str| {
        let output = server.run(&["call", "f", what, "--string"]);
        assert_eq!(output.status.code(), Some(1));
        stderr(&output)
    };
    let first = server.text(&["call", "f", "x", "--string"]);
    let begin = Instant::now();
    assert!(fail("hang").contains("TimeoutError"));
    assert!(begin.elapsed() < PATIENCE);
    let second = server.text(&["call", "f", "x", "--string"]);
    assert_ne!(first, second, "it was started anew");
    let died = fail("die");
    assert!(died.contains("WorkerDied") && died.contains('3'), "{died}");
    assert_ne!(server.text(&["call", "f", "x", "--string"]), second);
    assert!(fail("nonsense").contains("oops"));
    let output = server.run(&["call", "f"]);
    assert!(stderr(&output).contains("TypeError"), "{}", stderr(&output));
}

#[test]
fn a_stop_finishes_what_is_under_way() {
    let Some(server) = Server::start() else { return };
    let worker = Worker::start(&server, &["f", "--plain"], OBEDIENT);
    let waiting = server.command(&["call", "f", "wait", "--string"]).stdout(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(worker.terminate().success());
    assert!(waiting.wait_with_output().unwrap().status.success(), "it was finished first");
}

#[test]
fn a_worker_outlives_its_server() {
    let Some(server) = Server::start() else { return };
    let _worker = Worker::start(&server, &["f", "--plain"], OBEDIENT);
    let address = server.address().to_owned();
    let directory = server.kill();
    let Some(server) = Server::start_in(directory, &address) else { return };
    let begin = Instant::now();
    while server.code(&["call", "f", "1"]) != 0 {
        assert!(begin.elapsed() < PATIENCE, "it has not come back");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_cannot_be_served_is_said_at_once() {
    let Some(server) = Server::start() else { return };
    let output = server.run(&["worker", "f", "--", "/nowhere/program"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/nowhere/program"), "{}", stderr(&output));
    let output = server.run(&["worker", "echo", "--", "cat"]);
    assert_eq!(output.status.code(), Some(1), "the server's own name: {}", stderr(&output));
    let nobody = ["worker", "f", "--url", "tcp://127.0.0.1:1", "--", "cat"];
    assert_eq!(server.code(&nobody), 5);
}
