//! Do gets notice strong puts on a disk whose sync takes 20 ms?
//!
//! A whole node over a store on the real disk with 20 ms more in every sync, gets and puts over TCP. Gets start on a
//! schedule (8 connections, one a millisecond each) whether or not the last one was answered, and count from when they
//! were due, so that a stall of 20 ms shows in every get it held up. Yardstick: the same gets without the
//! puts (durability: strong, `WRITERS` connections one by one). `SECS` is the length of each part.

#![allow(clippy::disallowed_methods)] // a bench measures real time

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mpreg::Node;
use mpreg_storage::disk::{OsDisk, SlowSyncDisk};
use mpreg_storage::store::{Options, Store};

const SYNC: Duration = Duration::from_millis(20);
const READERS: u64 = 8;
const PERIOD: Duration = Duration::from_millis(1);
const KEYS: u64 = 10_000;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A connection that waits for each reply.
struct Client(TcpStream);

impl Client {
    fn new(address: SocketAddr) -> Client {
        let stream = TcpStream::connect(address).expect("the node listens");
        stream.set_nodelay(true).expect("a socket option");
        Client(stream)
    }

    fn ask(&mut self, operation: &str, key: u64, rest: &str) {
        let message = format!(
            r#"{{"role":"cache-request","u":"u","operation":"{operation}","key":{{"namespace":"bench","identifier":"{key}"}}{rest}}}"#
        );
        let length = u32::try_from(message.len()).expect("a short message");
        let frame = [&length.to_be_bytes(), message.as_bytes()].concat();
        self.0.write_all(&frame).expect("the node reads");
        let mut head = [0; 4];
        self.0.read_exact(&mut head).expect("the node answers");
        let mut reply = vec![0; u32::from_be_bytes(head) as usize];
        self.0.read_exact(&mut reply).expect("the node answers");
        let reply = String::from_utf8_lossy(&reply);
        assert!(reply.contains(r#""status":"hit""#), "{reply}");
    }

    fn put(&mut self, key: u64, level: &str) {
        let value = "v".repeat(62);
        self.ask("put", key, &format!(r#","value":"{value}","options":{{"consistency_level":"{level}"}}"#));
    }
}

/// One reader's latencies in microseconds, from when each get was due.
fn read(address: SocketAddr, reader: u64, until: Instant) -> Vec<f64> {
    let mut client = Client::new(address);
    let mut latencies = Vec::new();
    let mut due = Instant::now() + PERIOD * reader as u32 / READERS as u32;
    while due < until {
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let key = (latencies.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15 + 2 * reader) % KEYS;
        client.ask("get", key, "");
        latencies.push(due.elapsed().as_secs_f64() * 1e6);
        due += PERIOD;
    }
    latencies
}

/// All readers for `SECS`; their latencies, sorted.
fn read_all(address: SocketAddr) -> Vec<f64> {
    let until = Instant::now() + Duration::from_secs(setting("SECS", 5));
    let readers: Vec<_> =
        (0..READERS).map(|reader| std::thread::spawn(move || read(address, reader, until))).collect();
    let mut all: Vec<f64> =
        readers.into_iter().flat_map(|reader| reader.join().expect("a reader ends")).collect();
    all.sort_by(f64::total_cmp);
    all
}

/// The same beside writers; also how many puts were acknowledged meanwhile.
fn read_beside_writers(address: SocketAddr) -> (Vec<f64>, u64) {
    let (stop, puts) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let writer = |writer: u64| {
        let (stop, puts) = (Arc::clone(&stop), Arc::clone(&puts));
        move || {
            let mut client = Client::new(address);
            while !stop.load(Ordering::Relaxed) {
                client.put(KEYS + writer, "strong");
                puts.fetch_add(1, Ordering::Relaxed);
            }
        }
    };
    let writers: Vec<_> =
        (0..setting("WRITERS", 32)).map(|number| std::thread::spawn(writer(number))).collect();
    // Until the store has noticed that syncs are slow here.
    std::thread::sleep(Duration::from_millis(500));
    puts.store(0, Ordering::Relaxed);
    let latencies = read_all(address);
    let acknowledged = puts.load(Ordering::Relaxed);
    stop.store(true, Ordering::Relaxed);
    writers.into_iter().for_each(|writer| writer.join().expect("a writer ends"));
    (latencies, acknowledged)
}

fn quantile(sorted: &[f64], per_mille: usize) -> f64 {
    sorted[(sorted.len() * per_mille / 1000).min(sorted.len() - 1)]
}

fn tell(name: &str, sorted: &[f64]) {
    let [p50, p99, p999] = [500, 990, 999].map(|per_mille| quantile(sorted, per_mille));
    println!("slow_sync/{name}: {} gets, p50 {p50:.0} us, p99 {p99:.0} us, p99.9 {p999:.0} us", sorted.len());
}

fn main() {
    if std::env::args().any(|word| word == "--test" || word == "--list") {
        return;
    }
    let dir = tempfile::tempdir().expect("TMPDIR can be written");
    let mut options = Options::new(dir.path());
    options.machine.disk = Arc::new(SlowSyncDisk::new(Arc::new(OsDisk), SYNC));
    let store = Store::open(options).expect("a store opens");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.expect("threads start");
    let node = Node::default().over(store).listen("127.0.0.1:0".parse().expect("an address"));
    let running = runtime.block_on(node.start()).expect("the node starts");
    let address = running.addr();
    let mut loader = Client::new(address);
    (0..KEYS).for_each(|key| loader.put(key, "eventual"));
    let rounds = setting("ROUNDS", 3).max(1);
    let mut ratios = Vec::new();
    for _ in 0..rounds {
        let alone = read_all(address);
        let (beside, puts) = read_beside_writers(address);
        tell("gets_alone", &alone);
        tell("gets_beside_puts", &beside);
        println!("slow_sync/puts: {puts} strong puts acknowledged meanwhile");
        ratios.push((quantile(&beside, 990), quantile(&alone, 990)));
    }
    ratios.sort_by(|left, right| (left.0 / left.1).total_cmp(&(right.0 / right.1)));
    let (beside, alone) = ratios[ratios.len() / 2];
    println!(
        "RATIO slow_sync/get_p99_us_beside_strong_puts ours={beside:.0} yardstick={alone:.0} ratio={:.2} goal=<=2",
        beside / alone
    );
    runtime.block_on(running.shutdown()).expect("a clean stop");
}
