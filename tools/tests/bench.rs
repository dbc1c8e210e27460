//! `bench` counts what really happened: hits, misses and errors, over both transports.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Stdio};

use common::{json, run, stderr, tools};

/// A yardstick in a process of its own.
struct Yardstick(Child, String);

impl Yardstick {
    fn start(transport: &str) -> Yardstick {
        let mut command =
            tools(&["bench", "yardstick", "serve", "--transport", transport, "--reply-bytes", "300"]);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        Yardstick(child, line.trim().strip_prefix("MPREG_URL=").expect("the URL comes first").to_owned())
    }
}

impl Drop for Yardstick {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// Serves one connection: the `n`th get is answered with `statuses[n % 3]`, pipelined or not.
fn scripted(statuses: [&'static str; 3], keep_ids: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("tcp://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        for status in statuses.iter().cycle() {
            let Ok(u) = next_u(&mut socket) else { return };
            let u = if keep_ids { u } else { "b--99999999".to_owned() };
            let reply = format!(r#"{{"role":"cache-response","u":"{u}","status":"{status}"}}"#);
            socket.write_all(&(reply.len() as u32).to_be_bytes()).unwrap();
            socket.write_all(reply.as_bytes()).unwrap();
        }
    });
    url
}

fn next_u(socket: &mut TcpStream) -> std::io::Result<String> {
    let mut head = [0; 4];
    socket.read_exact(&mut head)?;
    let mut request = vec![0; u32::from_be_bytes(head) as usize];
    socket.read_exact(&mut request)?;
    let request: serde_json::Value = serde_json::from_slice(&request)?;
    Ok(request["u"].as_str().unwrap().to_owned())
}

#[test]
fn yardsticks_answer_every_request() {
    for transport in ["tcp", "ws"] {
        let server = Yardstick::start(transport);
        for op in ["get", "mixed", "strong-put"] {
            let output = run(&[
                "bench",
                "--url",
                &server.1,
                "--op",
                op,
                "--any-id",
                "--count",
                "5000",
                "--depth",
                "16",
                "-c",
                "7",
                "--threads",
                "2",
                "--keys",
                "100",
                "--preload",
                "--format",
                "json",
            ]);
            assert!(output.status.success(), "{}", stderr(&output));
            let row = &json(&output)[0];
            assert_eq!(row["counts"]["hits"], 5000, "{transport} {op}");
            assert_eq!((&row["mean_reply_bytes"], &row["operation"]), (&300.into(), &op.into()));
            assert!(row["latency"]["p50_us"].as_f64().unwrap() > 0.0);
        }
    }
}

#[test]
fn the_open_loop_keeps_its_rate() {
    let server = Yardstick::start("tcp");
    let output = run(&[
        "bench", "--url", &server.1, "--any-id", "--rate", "2000", "--count", "1000", "--keys", "10", "-c",
        "4", "--format", "json",
    ]);
    let row = &json(&output)[0];
    assert_eq!(row["counts"]["hits"], 1000);
    // Never faster than asked: a thousand at two thousand a second take half a second.
    assert!(row["seconds"].as_f64().unwrap() > 0.49, "{row}");
}

#[test]
fn errors_are_counted_and_fail_the_run() {
    let url = scripted(["hit", "miss", "error"], true);
    let output = run(&[
        "bench", "--url", &url, "-c", "1", "--depth", "4", "--count", "300", "--keys", "10", "--format",
        "json",
    ]);
    let counts = &json(&output)[0]["counts"];
    assert_eq!(
        (&counts["hits"], &counts["misses"], &counts["errors"]),
        (&100.into(), &100.into(), &100.into())
    );
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("100 of 300 replies are errors"), "{}", stderr(&output));
}

#[test]
fn a_reply_with_a_foreign_id_is_an_error() {
    let url = scripted(["hit"; 3], false);
    let output =
        run(&["bench", "--url", &url, "-c", "1", "--count", "10", "--keys", "10", "--format", "json"]);
    assert_eq!(json(&output)[0]["counts"]["errors"], 10);
}

#[test]
fn nobody_there_is_exit_5_and_bad_flags_are_exit_2() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let output = run(&["bench", "--url", &format!("tcp://127.0.0.1:{port}")]);
    assert_eq!(output.status.code(), Some(5), "{}", stderr(&output));
    for bad in [
        &["--theta", "1.5"][..],
        &["--depth", "0"],
        &["--url", "http://x"],
        &["--op", "fly"],
        &["--rate", "0"],
    ] {
        let output = run(&[&["bench"], bad].concat());
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {}", stderr(&output));
    }
}
