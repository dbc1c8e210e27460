//! A node as a process, and clients of it over TCP frames.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

use serde_json::{Value, json};

use super::link::{self, Figure};
use super::process::{Process, connect, on_processor};

pub struct Server {
    process: Process,
    data: tempfile::TempDir,
    settings: Vec<String>,
    pub port: u16,
}

impl Server {
    /// Starts a node whose topics keep everything.
    pub fn start(settings: &[&str]) -> Server {
        let data = tempfile::tempdir().expect("a scratch directory");
        let settings: Vec<String> =
            ["topics.messages=100000000", "topics.bytes=16GiB", "storage.free_min=0B"]
                .iter()
                .chain(settings)
                .flat_map(|setting| ["--set".to_owned(), (*setting).to_owned()])
                .collect();
        let (process, port) = spawn(&data, &settings);
        Server { process, data, settings, port }
    }

    pub fn kill(&mut self) {
        self.process.kill();
    }

    pub fn start_again(&mut self) {
        (self.process, self.port) = spawn(&self.data, &self.settings);
    }

    pub fn backlog_bytes(&self) -> u64 {
        let mut socket = connect(self.port);
        let reply = call(&mut socket, &json!({"role": "cache-request", "u": "1", "operation": "stats"}));
        reply["entry"]["value"]["topics_statistics"]["backlog_bytes"].as_u64().expect("a number of bytes")
    }
}

fn spawn(data: &tempfile::TempDir, settings: &[String]) -> (Process, u16) {
    let mut command = on_processor(0, env!("CARGO_BIN_EXE_mpreg"));
    command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(data.path()).args(settings);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    let mut process = Process::spawn(command);
    let mut lines = BufReader::new(process.stdout()).lines().map_while(Result::ok);
    let mut port = None;
    for line in lines.by_ref() {
        if let Some(url) = line.trim().strip_prefix("MPREG_URL=") {
            port = url.trim_end_matches('/').rsplit(':').next().and_then(|text| text.parse().ok());
        }
        if line.contains("ready") {
            break;
        }
    }
    std::thread::spawn(move || lines.for_each(drop));
    (process, port.expect("the banner names the address"))
}

pub fn frame(message: &Value) -> Vec<u8> {
    let text = message.to_string();
    let mut frame = u32::try_from(text.len()).expect("a short message").to_be_bytes().to_vec();
    frame.extend_from_slice(text.as_bytes());
    frame
}

pub fn call(socket: &mut TcpStream, message: &Value) -> Value {
    socket.write_all(&frame(message)).expect("the node reads");
    let mut head = [0; 4];
    socket.read_exact(&mut head).expect("the node answers");
    let mut body = vec![0; u32::from_be_bytes(head) as usize];
    socket.read_exact(&mut body).expect("the node answers");
    serde_json::from_slice(&body).expect("a reply is JSON")
}

/// Publishes messages as the Python client writes them, numbered in place.
pub struct Publisher {
    socket: TcpStream,
    template: Vec<u8>,
    /// Where the ten digits of a number stand.
    digits: Vec<usize>,
    next: u64,
}

const DIGITS: &str = "0000000000";

impl Publisher {
    pub fn new(server: &Server, level: &str, number: usize, payload: usize) -> Publisher {
        Publisher::on(server, level, "bench.topic", number, payload)
    }

    pub fn on(server: &Server, level: &str, topic: &str, number: usize, payload: usize) -> Publisher {
        let text = format!(
            r#"{{"role":"pubsub-publish","message":{{"topic":"{topic}","payload":"{}","timestamp":1700000000.123,"message_id":"{DIGITS}","publisher":"publisher-{number}","headers":{{}},"routing_path":null,"current_hop":null}},"u":"{DIGITS}","options":{{"consistency_level":"{level}"}}}}"#,
            "x".repeat(payload)
        );
        let mut template = u32::try_from(text.len()).expect("short").to_be_bytes().to_vec();
        let digits = text.match_indices(DIGITS).map(|(at, _)| at + 4).collect();
        template.extend_from_slice(text.as_bytes());
        Publisher { socket: connect(server.port), template, digits, next: number as u64 * 100_000_000 }
    }
}

impl link::Publisher for Publisher {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        self.next += 1;
        let mut number = [b'0'; DIGITS.len()];
        let mut rest = self.next;
        for digit in number.iter_mut().rev() {
            *digit = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        for &at in &self.digits {
            self.template[at..at + number.len()].copy_from_slice(&number);
        }
        out.extend_from_slice(&self.template);
    }

    fn acks(&mut self, input: &[u8]) -> (usize, usize) {
        const YES: &[u8] = br#","success":true"#;
        const YES_AT: usize = 48;
        frames(input, |text| {
            assert_eq!(&text[YES_AT..YES_AT + YES.len()], YES, "{}", String::from_utf8_lossy(text))
        })
    }
}

/// Whole frames at the start of `input`, each shown to `each`: their number and bytes.
pub fn frames(input: &[u8], mut each: impl FnMut(&[u8])) -> (usize, usize) {
    let (mut count, mut at) = (0, 0);
    while let Some(head) = input[at..].first_chunk::<4>() {
        let end = at + 4 + u32::from_be_bytes(*head) as usize;
        let Some(text) = input.get(at + 4..end) else { break };
        each(text);
        count += 1;
        at = end;
    }
    (count, at)
}

pub fn subscribe(id: &str, pattern: &str, start: &str) -> Value {
    json!({"role": "pubsub-subscribe", "u": "s", "subscription": {"subscription_id": id, "subscriber": "bench",
           "patterns": [{"pattern": pattern, "exact_match": false}], "created_at": 1, "start": start}})
}

/// Receives `count` stored messages as one new subscriber.
pub fn replay(server: &Server, count: usize) -> Figure {
    let mut socket = connect(server.port);
    let begun = Instant::now();
    assert_eq!(call(&mut socket, &subscribe("replay", "bench.topic", "earliest"))["success"], true);
    let (mut input, mut filled, mut came) = (vec![0; 1 << 20], 0, 0);
    while came < count {
        let read = socket.read(&mut input[filled..]).expect("the node sends");
        assert!(read > 0, "the node hung up");
        filled += read;
        let (some, bytes) = frames(&input[..filled], |_| ());
        input.copy_within(bytes..filled, 0);
        filled -= bytes;
        came += some;
    }
    Figure { per_second: count as f64 / begun.elapsed().as_secs_f64(), latency_us: None }
}
