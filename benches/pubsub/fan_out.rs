//! One publisher, a hundred subscribers: a node beside a bare tokio broadcast of the same frames.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::broadcast;

use super::link::{Figure, Publisher};
use super::ours;
use super::process::{Process, connect, free_port, on_processor};

const SUBSCRIBERS: usize = 100;
const MESSAGES: u64 = 50_000;
/// Messages the slowest subscriber may be behind.
const AHEAD: u64 = 2_000;
const CHUNK: u64 = 100;
/// What the yardstick has queued for a subscriber at most: never reached.
const QUEUE: usize = 1 << 15;

pub fn compare() {
    for level in ["volatile", "eventual"] {
        let (mut mine, mut bare) = (Vec::new(), Vec::new());
        for _ in 0..super::RUNS {
            mine.push(run_ours(level));
            bare.push(run_bare());
        }
        let (Some(ours), Some(bare)) = (Figure::median(mine), Figure::median(bare)) else { continue };
        let (ours, bare) = (ours.per_second, bare.per_second);
        println!(
            "RATIO pubsub/fan-out/{level} ours={ours:.0}/s bare={bare:.0}/s ratio={:.2} goal=0.7",
            ours / bare
        );
    }
}

fn run_ours(level: &str) -> Figure {
    let server = ours::Server::start(&[]);
    let subscriber = |number| {
        let mut socket = connect(server.port);
        let request = ours::subscribe(&format!("subscriber-{number:03}"), "bench.#", "latest");
        assert_eq!(ours::call(&mut socket, &request)["success"], true);
        socket
    };
    let subscribers = (0..SUBSCRIBERS).map(subscriber).collect();
    drive(ours::Publisher::new(&server, level, 0, 64), subscribers)
}

fn run_bare() -> Figure {
    let port = free_port();
    let program = std::env::current_exe().expect("this program has a path");
    let mut command = on_processor(0, program.to_str().expect("its path is text"));
    command.args(["yardstick", &port.to_string()]);
    let _process = Process::spawn(command);
    // The first one that connects publishes.
    let publisher = Bare::connect(port);
    drive(publisher, (0..SUBSCRIBERS).map(|_| connect(port)).collect())
}

/// Publishes to the yardstick what a node sends to its subscribers.
struct Bare {
    socket: TcpStream,
    frame: Vec<u8>,
}

impl Bare {
    fn connect(port: u16) -> Bare {
        let message = json!({"role": "pubsub-notification", "message": {"topic": "bench.topic",
            "payload": "x".repeat(64), "timestamp": 1_700_000_000.123, "message_id": "0000000001",
            "publisher": "publisher-0", "headers": {}, "routing_path": null, "current_hop": null},
            "offset": "1:10000", "u": "notification_0000000001_subscriber-001", "subscription_id": "subscriber-001"});
        Bare { socket: connect(port), frame: ours::frame(&message) }
    }
}

impl Publisher for Bare {
    fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    fn write(&mut self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.frame);
    }

    fn acks(&mut self, input: &[u8]) -> (usize, usize) {
        (0, input.len())
    }
}

/// Publishes as fast as the slowest subscriber takes it; deliveries a second.
fn drive(mut publisher: impl Publisher, subscribers: Vec<TcpStream>) -> Figure {
    let taken: Vec<AtomicU64> = subscribers.iter().map(|_| AtomicU64::new(0)).collect();
    // Acks must be read, or the publisher's own connection becomes the slow one.
    let mut acks = publisher.socket().try_clone().expect("a socket is cloned");
    std::thread::spawn(move || {
        let mut sink = vec![0; 1 << 16];
        while acks.read(&mut sink).is_ok_and(|read| read > 0) {}
    });
    std::thread::scope(|scope| {
        scope.spawn(|| receive(subscribers, &taken));
        warm(&mut publisher, &taken);
        let begun = Instant::now();
        publish(&mut publisher, &taken, CHUNK, MESSAGES);
        let deliveries = (MESSAGES - CHUNK) * SUBSCRIBERS as u64;
        Figure { per_second: deliveries as f64 / begun.elapsed().as_secs_f64(), latency_us: None }
    })
}

/// Publishes until everybody has got something: some may not have been there at first.
fn warm(publisher: &mut impl Publisher, taken: &[AtomicU64]) {
    std::thread::sleep(std::time::Duration::from_millis(200));
    publish(publisher, taken, 0, CHUNK);
}

fn publish(publisher: &mut impl Publisher, taken: &[AtomicU64], mut sent: u64, until: u64) {
    let slowest = || taken.iter().map(|count| count.load(Ordering::Relaxed)).min().unwrap_or(0);
    let mut out = Vec::new();
    while slowest() < until {
        if sent == until || sent - slowest() > AHEAD {
            std::thread::sleep(std::time::Duration::from_micros(200));
            continue;
        }
        out.clear();
        (0..CHUNK).for_each(|_| publisher.write(&mut out));
        publisher.socket().write_all(&out).expect("the server reads");
        sent += CHUNK;
    }
}

/// Counts what every subscriber gets, on one thread, until all have got everything.
fn receive(subscribers: Vec<TcpStream>, taken: &[AtomicU64]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(futures_util::future::join_all(subscribers.into_iter().zip(taken).map(
        |(socket, taken)| async move {
            socket.set_nonblocking(true).expect("a socket takes its options");
            let mut socket = tokio::net::TcpStream::from_std(socket).expect("a socket");
            let (mut input, mut filled) = (vec![0; 1 << 16], 0);
            while taken.load(Ordering::Relaxed) < MESSAGES {
                let read = socket.read(&mut input[filled..]).await.expect("the server sends");
                assert!(read > 0, "the server hung up");
                filled += read;
                let (some, bytes) = ours::frames(&input[..filled], |_| ());
                input.copy_within(bytes..filled, 0);
                filled -= bytes;
                taken.fetch_add(some as u64, Ordering::Relaxed);
            }
        },
    )));
}

/// What the publisher sends, frame by frame through a broadcast channel to every other connection.
pub fn yardstick(port: u16) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async move {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
        let (sender, _) = broadcast::channel::<bytes::Bytes>(QUEUE);
        let (publisher, _) = listener.accept().await.expect("a publisher comes");
        tokio::spawn(read_frames(publisher, sender.clone()));
        loop {
            let (socket, _) = listener.accept().await.expect("a subscriber comes");
            socket.set_nodelay(true).expect("a socket takes its options");
            tokio::spawn(write_frames(socket, sender.subscribe()));
        }
    });
}

async fn read_frames(mut socket: tokio::net::TcpStream, sender: broadcast::Sender<bytes::Bytes>) {
    let mut input = bytes::BytesMut::with_capacity(1 << 18);
    while socket.read_buf(&mut input).await.is_ok_and(|read| read > 0) {
        while let Some(head) = input.first_chunk::<4>() {
            let length = 4 + u32::from_be_bytes(*head) as usize;
            if input.len() < length {
                break;
            }
            let _ = sender.send(input.split_to(length).freeze());
        }
        tokio::task::yield_now().await;
    }
}

async fn write_frames(mut socket: tokio::net::TcpStream, mut receiver: broadcast::Receiver<bytes::Bytes>) {
    let mut out = Vec::with_capacity(1 << 16);
    while let Ok(frame) = receiver.recv().await {
        out.clear();
        out.extend_from_slice(&frame);
        while out.len() < 1 << 16
            && let Ok(frame) = receiver.try_recv()
        {
            out.extend_from_slice(&frame);
        }
        if socket.write_all(&out).await.is_err() {
            return;
        }
    }
}
