//! The real binary, driven over the real wire by the simplest client there is.
#![allow(clippy::unwrap_used, reason = "a test may")]
#![allow(dead_code, reason = "each test file uses its part")]

pub mod published;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

/// A running `mpreg serve`; killed when dropped.
pub struct Server {
    child: Child,
    pub port: u16,
    pub banner: Vec<String>,
}

impl Server {
    /// Starts the binary on a free port and waits until it says it is ready.
    pub fn start(dir: &Path, extra: &[&str]) -> Server {
        Server::try_start(dir, extra).unwrap_or_else(|banner| panic!("server did not start: {banner:?}"))
    }

    pub fn try_start(dir: &Path, extra: &[&str]) -> Result<Server, Vec<String>> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_mpreg"))
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(dir)
            .args(extra)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary is built");
        let mut lines = BufReader::new(child.stdout.take().expect("stdout is piped")).lines();
        let (mut banner, mut port) = (Vec::new(), None);
        while let Some(Ok(line)) = lines.next() {
            if let Some(url) = line.trim().strip_prefix("MPREG_URL=") {
                port = url.trim_end_matches('/').rsplit(':').next().and_then(|text| text.parse().ok());
            }
            let ready = line.contains("ready");
            banner.push(line);
            if ready && let Some(port) = port {
                // Keep draining, or the server blocks on a full pipe.
                std::thread::spawn(move || lines.for_each(drop));
                return Ok(Server { child, port, banner });
            }
        }
        let _ = child.wait();
        Err(banner)
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.port)
    }

    /// SIGKILL, and waits until the process is gone.
    pub fn kill(mut self) {
        self.child.kill().expect("the server still runs");
        self.child.wait().expect("it was ours");
    }

    /// SIGTERM; the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        signal(self.child.id(), "TERM");
        self.child.wait().expect("it was ours").code()
    }

    /// Waits for it to end by itself.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().expect("it was ours").code()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn signal(pid: u32, name: &str) {
    let status = Command::new("kill").args([format!("-{name}"), pid.to_string()]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -{name} {pid}");
}

/// A blocking client over TCP frames.
pub struct Client {
    pub socket: TcpStream,
    next: u64,
}

impl Client {
    pub fn connect(port: u16) -> Client {
        Client::try_connect(port).expect("the server listens")
    }

    pub fn try_connect(port: u16) -> std::io::Result<Client> {
        let socket = TcpStream::connect(("127.0.0.1", port))?;
        socket.set_nodelay(true).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        Ok(Client { socket, next: 0 })
    }

    pub fn send(&mut self, message: &Value) -> std::io::Result<()> {
        let body = message.to_string();
        let mut frame = u32::try_from(body.len()).unwrap().to_be_bytes().to_vec();
        frame.extend_from_slice(body.as_bytes());
        self.socket.write_all(&frame)
    }

    pub fn receive(&mut self) -> std::io::Result<Value> {
        let mut head = [0; 4];
        self.socket.read_exact(&mut head)?;
        let mut body = vec![0; u32::from_be_bytes(head) as usize];
        self.socket.read_exact(&mut body)?;
        serde_json::from_slice(&body).map_err(std::io::Error::other)
    }

    pub fn call(&mut self, message: &Value) -> std::io::Result<Value> {
        self.send(message)?;
        self.receive()
    }

    fn request(&mut self, operation: &str, id: &str, level: &str) -> Value {
        self.next += 1;
        json!({"role": "cache-request", "u": format!("t{}", self.next), "operation": operation,
               "key": {"namespace": "test", "identifier": id}, "options": {"consistency_level": level}})
    }

    pub fn put(&mut self, id: &str, value: &Value, level: &str) -> std::io::Result<Value> {
        let mut request = self.request("put", id, level);
        request["value"] = value.clone();
        self.call(&request)
    }

    pub fn get(&mut self, id: &str) -> std::io::Result<Value> {
        let request = self.request("get", id, "eventual");
        self.call(&request)
    }

    pub fn delete(&mut self, id: &str, level: &str) -> std::io::Result<Value> {
        let request = self.request("delete", id, level);
        self.call(&request)
    }
}

/// Writers that each own their keys and remember every promise, for tests that kill the server.
pub mod promises {
    use std::collections::HashMap;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Instant;

    use serde_json::json;

    use super::Client;

    /// One writer's memory: per key the newest acknowledged and the newest sent number.
    #[derive(Debug, Default)]
    pub struct Book {
        pub keys: HashMap<String, Promise>,
        pub acks: u64,
    }

    #[derive(Debug, Default, Clone)]
    pub struct Promise {
        pub sent: u64,
        pub strong: u64,
        /// Newest eventual acknowledgements with their time.
        pub eventual: Vec<(u64, Instant)>,
    }

    /// Writes counters to its own keys until the connection dies or `stop` is set.
    pub fn write(port: u16, writer: usize, mut from: u64, stop: &AtomicBool, book: &mut Book) {
        let mut client = Client::connect(port);
        while !stop.load(Ordering::Relaxed) {
            from += 1;
            let id = format!("w{writer}-{}", from % 50);
            let level = if from.is_multiple_of(3) { "strong" } else { "eventual" };
            let promise = book.keys.entry(id.clone()).or_default();
            promise.sent = from;
            let Ok(reply) = client.put(&id, &json!({"n": from}), level) else { return };
            assert_eq!(reply["status"], "hit", "{reply}");
            assert_eq!(reply["durability"], level, "{reply}");
            book.acks += 1;
            if level == "strong" {
                promise.strong = from;
                promise.eventual.clear();
            } else {
                promise.eventual.push((from, Instant::now()));
            }
        }
    }

    /// What a restarted server says about one book. `(strong lost, eventual acks lost)`.
    pub fn audit(client: &mut Client, book: &Book) -> (u64, Vec<Instant>) {
        let (mut strong_lost, mut eventual_lost) = (0, Vec::new());
        for (id, promise) in &book.keys {
            let reply = client.get(id).expect("the restarted server answers");
            let found = reply["entry"]["value"]["n"].as_u64().unwrap_or(0);
            assert!(found <= promise.sent, "{id} holds {found}, never sent beyond {}", promise.sent);
            strong_lost += u64::from(found < promise.strong);
            eventual_lost.extend(promise.eventual.iter().filter(|(n, _)| *n > found).map(|(_, at)| *at));
        }
        (strong_lost, eventual_lost)
    }
}
