//! What do RPCs cost beside the cheapest thing a connection can ask for, and how many calls a second go through a
//! worker?
//!
//! A whole node and its client in one process, one TCP connection, requests pipelined. Ratios of one run count;
//! `mpreg-tools bench compare --op echo` and `--op graph` set the server beside the bare yardstick.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use mpreg::Node;
use serde_json::Value;

const ROUNDS: usize = 7;
const DEPTHS: [usize; 2] = [1, 16];
const ROUND: Duration = Duration::from_millis(300);
const WORKER_IN_FLIGHT: usize = 50;
const FUNCTIONS: usize = 10_000;

/// A blocking client that sends whole batches and counts the replies.
struct Client {
    socket: TcpStream,
    input: Vec<u8>,
    filled: usize,
}

impl Client {
    fn connect(address: std::net::SocketAddr) -> Client {
        let socket = TcpStream::connect(address).expect("the node listens");
        socket.set_nodelay(true).expect("a socket takes its options");
        Client { socket, input: vec![0; 1 << 20], filled: 0 }
    }

    fn send(&mut self, frames: &[u8]) {
        self.socket.write_all(frames).expect("the node reads");
    }

    /// Reads until `count` messages have come, each shown to `each`; `false` when the node hangs up before.
    fn receive(&mut self, mut count: usize, mut each: impl FnMut(&[u8])) -> bool {
        while count > 0 {
            let mut at = 0;
            while let Some(head) = self.input[at..self.filled].first_chunk::<4>() {
                let end = at + 4 + u32::from_be_bytes(*head) as usize;
                if end > self.filled {
                    break;
                }
                each(&self.input[at + 4..end]);
                count = count.saturating_sub(1);
                at = end;
            }
            self.input.copy_within(at..self.filled, 0);
            self.filled -= at;
            if count > 0 {
                if self.filled == self.input.len() {
                    self.input.resize(2 * self.filled, 0);
                }
                let read = self.socket.read(&mut self.input[self.filled..]).expect("the node answers");
                if read == 0 {
                    return false;
                }
                self.filled += read;
            }
        }
        true
    }

    fn call(&mut self, message: &str) -> Value {
        self.send(&frame(message));
        let mut reply = Value::Null;
        let came = self.receive(1, |text| reply = serde_json::from_slice(text).expect("a reply is JSON"));
        assert!(came, "the node hung up");
        reply
    }

    /// Microseconds a request, `depth` at a time.
    fn measure(&mut self, request: &[u8], depth: usize) -> f64 {
        let batch = request.repeat(depth);
        let (begun, mut count) = (Instant::now(), 0);
        while begun.elapsed() < ROUND {
            self.send(&batch);
            self.receive(depth, |_| ());
            count += depth;
        }
        begun.elapsed().as_secs_f64() * 1e6 / count as f64
    }
}

fn frame(text: &str) -> Vec<u8> {
    let mut frame = u32::try_from(text.len()).expect("a short message").to_be_bytes().to_vec();
    frame.extend_from_slice(text.as_bytes());
    frame
}

/// A request as clients write it, its role first.
fn rpc(commands: &[String]) -> String {
    format!(r#"{{"role":"rpc","u":"bench-0001","cmds":[{}]}}"#, commands.join(","))
}

fn command(name: &str, fun: &str, args: &str) -> String {
    format!(
        r#"{{"name":"{name}","fun":"{fun}","args":{args},"kwargs":{{}},"locs":[],"function_id":null,"version_constraint":null,"target_cluster":null}}"#
    )
}

fn single(fun: &str, args: &str) -> String {
    rpc(&[command(fun, fun, args)])
}

/// Ten commands in three levels.
fn graph() -> String {
    let mut commands: Vec<String> =
        (0..5).map(|n| command(&format!("a{n}"), "echo", &format!(r#"[{{"n":{n}}}]"#))).collect();
    let refer = |n: i32| format!(r#"["a{n}","a{}"]"#, n + 1);
    commands.extend((0..3).map(|n| command(&format!("b{n}"), "echos", &refer(n))));
    commands.extend((0..2).map(|n| command(&format!("c{n}"), "echo", &format!(r#"["b{n}"]"#))));
    rpc(&commands)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}

/// Both in turns, medians, one line.
fn tell(client: &mut Client, name: &str, goal: &str, ours: &str, yardstick: &str) {
    let (ours, yardstick) = (frame(ours), frame(yardstick));
    for depth in DEPTHS {
        let (mut left, mut right) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            left.push(client.measure(&ours, depth));
            right.push(client.measure(&yardstick, depth));
        }
        let (left, right) = (median(left), median(right));
        println!(
            "RATIO rpc/{name}/depth{depth}/us ours={left:.2} yardstick={right:.2} ratio={:.2} goal={goal}",
            left / right
        );
    }
}

/// A worker that returns its argument, until the node hangs up.
fn work(address: std::net::SocketAddr) {
    let mut client = Client::connect(address);
    let in_flight = 2 * WORKER_IN_FLIGHT;
    let register = format!(
        r#"{{"role":"rpc-register","u":"r","functions":[{{"name":"remote"}}],"max_in_flight":{in_flight}}}"#
    );
    assert_eq!(client.call(&register)["r"]["registered"], 1);
    std::thread::spawn(move || {
        let mut results = Vec::new();
        loop {
            let mut ids: Vec<String> = Vec::new();
            let came = client.receive(1, |text| {
                let text = std::str::from_utf8(text).expect("messages are UTF-8");
                let id = text.split("\"u\":\"").nth(1).and_then(|rest| rest.split('"').next());
                ids.push(id.expect("an invocation has an id").to_owned());
            });
            if !came {
                return;
            }
            results.clear();
            for id in ids {
                let text = format!(r#"{{"role":"rpc-result","u":"{id}","result":[1,2,3]}}"#);
                results.extend_from_slice(&u32::try_from(text.len()).expect("short").to_be_bytes());
                results.extend_from_slice(text.as_bytes());
            }
            if client.socket.write_all(&results).is_err() {
                return;
            }
        }
    });
}

/// Seconds of processor time this process has used.
fn processor_time() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let ticks: u64 = text
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split(' ')
        .skip(12)
        .take(2)
        .filter_map(|field| field.parse::<u64>().ok())
        .sum();
    ticks as f64 / 100.0
}

/// Calls a second through the worker, so many in flight.
fn worker_rate(client: &mut Client) -> f64 {
    let request = frame(&single("remote", "[[1,2,3]]"));
    client.send(&request.repeat(WORKER_IN_FLIGHT));
    let (begun, mut answered) = (Instant::now(), 0);
    while begun.elapsed() < 3 * ROUND {
        let mut came = 0;
        client.receive(1, |reply| {
            assert!(!reply.windows(8).any(|window| window == b"\"r\":null"), "a call failed");
            came += 1;
        });
        client.send(&request.repeat(came));
        answered += came;
    }
    let rate = f64::from(u32::try_from(answered).expect("few")) / begun.elapsed().as_secs_f64();
    client.receive(WORKER_IN_FLIGHT, |_| ());
    rate
}

/// Milliseconds of a page of 200 functions, the 99th percentile of two hundred.
fn page_p99(client: &mut Client) -> f64 {
    let mut times = Vec::new();
    for page in 0..200 {
        let offset = page * 200 % FUNCTIONS;
        let token = format!("{offset}:200");
        let request = single("rpc_list", &format!(r#"[{{"page_token":"{token}"}}]"#));
        let (request, mut reply) = (frame(&request), Vec::new());
        let begun = Instant::now();
        client.send(&request);
        client.receive(1, |text| reply.extend_from_slice(text));
        times.push(begun.elapsed().as_secs_f64() * 1e3);
        let reply: Value = serde_json::from_slice(&reply).expect("a reply is JSON");
        assert_eq!(reply["r"]["rpc_list"]["items"].as_array().map(Vec::len), Some(200));
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| times[times.len() * percent / 100];
    println!(
        "rpc/list_page_of_200/ms p50={:.2} p90={:.2} p99={:.2} max={:.2}",
        at(50),
        at(90),
        at(99),
        times[times.len() - 1]
    );
    at(99)
}

fn main() {
    // `cargo test --benches` and `--list` only want to know that it builds.
    if std::env::args().any(|argument| argument == "--test" || argument == "--list") {
        return;
    }
    let dir = tempfile::tempdir().expect("a directory");
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let node = runtime.block_on(async {
        let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().expect("an address"));
        let node = node.configure(|config| config.free_bytes_min = Some(0));
        let node =
            node.function("pure").pure(None).quick_handler(|numbers: Vec<f64>| numbers.iter().sum::<f64>());
        node.function("own").quick_handler(|a: i64, b: i64| a + b).start().await.expect("the node starts")
    });
    let mut client = Client::connect(node.addr());
    let key = r#"{"namespace":"bench","identifier":"session_123","version":"v1.0.0"}"#;
    let cache = |operation: &str, rest: &str| {
        format!(r#"{{"role":"cache-request","u":"bench-0001","operation":"{operation}","key":{key}{rest}}}"#)
    };
    let get = cache("get", "");
    assert_eq!(client.call(&cache("put", r#","value":6.0"#))["status"], "hit");

    let echo = single("echo", r#"[{"n":1}]"#);
    let kept = single("pure", "[[1.5,2.0,2.5]]");
    let own = single("own", "[1,2]");
    assert_eq!(client.call(&kept)["r"]["pure"], 6.0);
    tell(&mut client, "echo_vs_get", "-", &echo, &get);
    tell(&mut client, "graph10_vs_echo", "<=3", &graph(), &echo);
    tell(&mut client, "kept_vs_get", "<=1.3", &kept, &get);
    tell(&mut client, "rust_function_vs_echo", "-", &own, &echo);

    work(node.addr());
    let (before, begun) = (processor_time(), Instant::now());
    let rates: Vec<f64> = (0..ROUNDS).map(|_| worker_rate(&mut client)).collect();
    let calls = median(rates.clone()) * begun.elapsed().as_secs_f64();
    let best = rates.iter().copied().fold(0.0, f64::max);
    println!(
        "RATIO rpc/worker/calls_per_second ours={:.0} best={best:.0} goal=>=60000 cpu_us_per_call={:.1} (node, caller and worker)",
        median(rates),
        (processor_time() - before) * 1e6 / calls
    );

    for number in 0..FUNCTIONS {
        let added = node.function(&format!("many.ns{}.f{number}", number % 50)).quick_handler(|a: i64| a);
        added.expect("its name is its own");
    }
    println!("RATIO rpc/list_page_of_200/p99_ms ours={:.2} goal=<5", page_p99(&mut client));
    drop(client);
    runtime.block_on(node.shutdown()).expect("the node stops");
}
