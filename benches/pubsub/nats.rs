//! NATS JetStream as a process, and clients of its text protocol.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::Instant;

use super::link::{self, Figure};
use super::process::{Process, connect, free_port, on_processor};

pub struct Server {
    _process: Process,
    _data: tempfile::TempDir,
    port: u16,
}

impl Server {
    /// `None` when `NATS_SERVER` names no binary, or one that cannot do it (2.9 does not sync always). `synced`: every message is synced before its ack.
    pub fn start(synced: bool) -> Option<Server> {
        let program = std::env::var("NATS_SERVER").ok()?;
        let data = tempfile::tempdir().expect("a scratch directory");
        let (port, config) = (free_port(), data.path().join("nats.conf"));
        let sync = if synced { "sync_interval: always" } else { "" };
        let text = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?}\n max_file: 20GB\n {sync} }}\n",
            data.path().join("js")
        );
        std::fs::write(&config, &text).expect("a file is written");
        let mut command = on_processor(0, &program);
        command.env("GOMAXPROCS", "1").arg("-c").arg(config).stdout(Stdio::null()).stderr(Stdio::null());
        let mut process = Process::spawn(command);
        if !process.lives() {
            eprintln!("this NATS server does not know {config:?}", config = text.trim());
            return None;
        }
        let server = Server { _process: process, _data: data, port };
        let stream = r#"{"name":"S","subjects":["s.>"],"storage":"file","retention":"limits","max_msgs":-1,"max_bytes":-1,"num_replicas":1,"discard":"old"}"#;
        server.api("$JS.API.STREAM.CREATE.S", stream);
        Some(server)
    }

    fn connect(&self) -> (TcpStream, BufReader<TcpStream>) {
        let mut socket = connect(self.port);
        let mut reader = BufReader::with_capacity(1 << 20, socket.try_clone().expect("a socket is cloned"));
        let mut line = String::new();
        reader.read_line(&mut line).expect("the server greets");
        let hello = b"CONNECT {\"verbose\":false,\"pedantic\":false,\"headers\":true,\"no_responders\":true}\r\nPING\r\n";
        socket.write_all(hello).expect("the server reads");
        line.clear();
        reader.read_line(&mut line).expect("the server answers");
        assert!(line.starts_with("PONG"), "{line}");
        (socket, reader)
    }

    /// Asks for something of JetStream; it is slow to come up, so this asks again for a while.
    fn api(&self, subject: &str, body: &str) {
        let mut last = String::new();
        for _ in 0..100 {
            let (mut socket, mut reader) = self.connect();
            let ask = format!("SUB inbox 1\r\nPUB {subject} inbox {}\r\n{body}\r\n", body.len());
            socket.write_all(ask.as_bytes()).expect("the server reads");
            last.clear();
            reader.read_line(&mut last).expect("the server answers");
            let bytes = last.trim_end().rsplit(' ').next().and_then(|text| text.parse().ok()).unwrap_or(0);
            let mut answer = vec![0; bytes];
            reader.read_exact(&mut answer).expect("the server answers");
            last = String::from_utf8_lossy(&answer).into_owned();
            if last.contains("\"type\"") && !last.contains("\"error\"") {
                return;
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        panic!("{subject}: {last}");
    }
}

pub struct Publisher {
    socket: TcpStream,
    message: Vec<u8>,
}

impl Publisher {
    pub fn new(server: &Server, number: usize) -> Publisher {
        let (mut socket, _) = server.connect();
        socket.write_all(format!("SUB acks{number} 1\r\n").as_bytes()).expect("the server reads");
        let message = format!("PUB s.a acks{number} 64\r\n{}\r\n", "x".repeat(64)).into_bytes();
        Publisher { socket, message }
    }
}

impl link::Publisher for Publisher {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.message);
    }

    fn acks(&mut self, input: &[u8]) -> (usize, usize) {
        messages(input)
    }
}

/// Whole messages at the start of `input`: their number and bytes.
fn messages(input: &[u8]) -> (usize, usize) {
    let (mut count, mut at) = (0, 0);
    while let Some(end) = input[at..].iter().position(|byte| *byte == b'\n') {
        let line = &input[at..at + end];
        if !line.starts_with(b"MSG ") {
            assert!(
                line.starts_with(b"PING") || line.starts_with(b"PONG"),
                "{}",
                String::from_utf8_lossy(line)
            );
            at += end + 1;
            continue;
        }
        let length = line.trim_ascii_end().rsplit(|byte| *byte == b' ').next().unwrap_or_default();
        let length: usize =
            std::str::from_utf8(length).ok().and_then(|text| text.parse().ok()).expect("a length");
        let next = at + end + 1 + length + 2;
        if next > input.len() {
            break;
        }
        count += 1;
        at = next;
    }
    (count, at)
}

/// Receives `count` stored messages through a push consumer that acknowledges none.
pub fn replay(server: &Server, count: usize) -> Figure {
    let (mut socket, reader) = server.connect();
    socket.write_all(b"SUB deliver 1\r\n").expect("the server reads");
    let begun = Instant::now();
    let consumer = r#"{"stream_name":"S","config":{"deliver_subject":"deliver","deliver_policy":"all","ack_policy":"none","replay_policy":"instant"}}"#;
    server.api("$JS.API.CONSUMER.CREATE.S", consumer);
    let (mut input, mut filled, mut came) = (vec![0; 1 << 20], reader.buffer().len(), 0);
    input[..filled].copy_from_slice(reader.buffer());
    while came < count {
        let read = socket.read(&mut input[filled..]).expect("the server sends");
        assert!(read > 0, "the server hung up");
        filled += read;
        let (some, bytes) = messages(&input[..filled]);
        input.copy_within(bytes..filled, 0);
        filled -= bytes;
        came += some;
    }
    Figure { per_second: count as f64 / begun.elapsed().as_secs_f64(), latency_us: None }
}
