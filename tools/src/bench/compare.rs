//! Ours and a peer in turns: only ratios of one session count, and machines drift, so both sides are
//! measured alternately and the medians are compared.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use serde::Serialize;
use tempfile::TempDir;

use super::arguments::{Compare, Load, Peer};
use super::plan::{Limit, Plan, Target, Transport};
use super::{round, show::Row};
use crate::failure::{Failure, Outcome};
use crate::output::{self, Format, grouped};
use crate::progress::Progress;
use crate::server::{self, Server};

/// Operations that tell how long our replies are.
const PROBE_OPERATIONS: u64 = 2_000;

/// The figures of one transport and depth. The JSON keys are stable.
#[derive(Debug, Serialize)]
struct Cell {
    operation: &'static str,
    transport: &'static str,
    depth: usize,
    connections: usize,
    peer: String,
    ours_per_second: f64,
    peer_per_second: f64,
    ratio: f64,
    ours_p50_us: f64,
    peer_p50_us: f64,
    ours_p99_us: f64,
    peer_p99_us: f64,
    /// Processor time of the server for one operation; absent when it was not started here.
    ours_cpu_us: Option<f64>,
    peer_cpu_us: Option<f64>,
    reply_bytes: u64,
    ours_rounds: Vec<f64>,
    peer_rounds: Vec<f64>,
}

/// Runs every transport and depth asked for and prints the table.
pub fn run(compare: &Compare) -> Outcome {
    if compare.rounds == 0 || compare.depths.is_empty() || compare.transport.is_empty() {
        return Err(Failure::usage("--rounds, --depths and --transport must not be empty"));
    }
    if let Some(cpu) = compare.load.pin {
        server::pin_this_thread(cpu)?;
    }
    let scratch = match &compare.data {
        Some(path) => TempDir::new_in(path),
        None => TempDir::new(),
    };
    let scratch = scratch.context("cannot create a directory for the servers' data")?;
    let ours = OurServer::start(compare, scratch.path())?;
    let mut cells = Vec::new();
    for &transport in &compare.transport {
        for &depth in &compare.depths {
            cells.push(cell(compare, &ours, transport, depth, scratch.path())?);
        }
    }
    print(compare.format, &cells).map_err(Failure::from)
}

/// Our server: started here, or one that was running before.
struct OurServer {
    target: Target,
    child: Option<Server>,
}

impl OurServer {
    fn start(compare: &Compare, scratch: &Path) -> Result<OurServer, Failure> {
        let child = match &compare.url {
            Some(_) => None,
            None => {
                let mut command = Command::new(server::mpreg_binary(compare.server.as_deref())?);
                command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(scratch.join("mpreg"));
                Some(Server::start(command, compare.pin_server)?)
            }
        };
        let url =
            compare.url.as_ref().or(child.as_ref().map(|child| &child.url)).expect("one of the two is there");
        let ours = OurServer { target: Target::parse(url).map_err(Failure::usage)?, child };
        let plan = ours.plan(&compare.load, Transport::Tcp, 1)?;
        if compare.load.preload || plan.operation.reads() {
            round::preload(&plan)?;
        }
        Ok(ours)
    }

    fn plan(&self, load: &Load, transport: Transport, depth: usize) -> Result<Plan, Failure> {
        let load = Load { depth, ..load.clone() };
        load.plan(&self.target.over(transport).url()).map_err(Failure::usage)
    }
}

/// The other side: a yardstick or a Redis, and the load that suits it.
struct PeerServer {
    plan: Plan,
    child: Option<Server>,
}

fn cell(
    compare: &Compare,
    ours: &OurServer,
    transport: Transport,
    depth: usize,
    scratch: &Path,
) -> Result<Cell, Failure> {
    let plan = ours.plan(&compare.load, transport, depth)?;
    // The first round of ours tells how long its replies are; it is not counted.
    let probe = Plan { warmup: Duration::ZERO, limit: Limit::Operations(PROBE_OPERATIONS), ..plan.clone() };
    let reply_bytes = measured(&probe, None)?.row.mean_reply_bytes as usize;
    let peer = match compare.peer {
        Peer::Yardstick => yardstick(compare, &plan, reply_bytes)?,
        Peer::Redis => redis(compare, &plan, scratch)?,
    };
    let progress = Progress::start(&plan.title(), compare.rounds as u64);
    let (mut our_samples, mut peer_samples) = (Vec::new(), Vec::new());
    for number in 0..compare.rounds {
        our_samples.push(measured(&plan, ours.child.as_ref())?);
        peer_samples.push(measured(&peer.plan, peer.child.as_ref())?);
        progress.at(number as u64 + 1);
    }
    progress.end(&format!("{} rounds each", compare.rounds));
    Ok(summary(&our_samples, &peer_samples))
}

/// One measurement; with the server's processor time when it is a child of ours.
fn measured(plan: &Plan, child: Option<&Server>) -> Result<Sample, Failure> {
    let (before, begin) = (child.map(Server::cpu_time), Instant::now());
    let measured = round::measure(plan, &|_| ())?;
    super::refuse_errors(&measured)?;
    let operations = measured.per_second() * begin.elapsed().as_secs_f64();
    let used = child.zip(before).map(|(child, before)| child.cpu_time().saturating_sub(before));
    Ok(Sample {
        row: Row::new(plan, &measured),
        cpu_us: used.map(|used| used.as_secs_f64() * 1e6 / operations.max(1.0)),
    })
}

struct Sample {
    row: Row,
    /// Of the server, for one operation.
    cpu_us: Option<f64>,
}

fn yardstick(compare: &Compare, plan: &Plan, reply_bytes: usize) -> Result<PeerServer, Failure> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["bench", "yardstick", "serve", "--transport", plan.target.transport.scheme()]);
    command.args([
        "--reply-bytes",
        &reply_bytes.to_string(),
        "--threads",
        &compare.server_threads.to_string(),
    ]);
    let child = Server::start(command, compare.pin_server)?;
    let target = Target::parse(&child.url).map_err(Failure::usage)?;
    Ok(PeerServer { plan: Plan { target, replies_in_order: false, ..plan.clone() }, child: Some(child) })
}

fn redis(compare: &Compare, plan: &Plan, scratch: &Path) -> Result<PeerServer, Failure> {
    let child = match &compare.redis_url {
        Some(_) => None,
        None => {
            // A fresh directory each time: a Redis that loads an old log answers with errors.
            let directory = TempDir::new_in(scratch).context("cannot create Redis's directory")?.keep();
            let port = free_port()?;
            let mut command = Command::new(&compare.redis_server);
            command
                .args(["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--dir"])
                .arg(directory);
            command.args([
                "--appendonly",
                "yes",
                "--appendfsync",
                "always",
                "--auto-aof-rewrite-percentage",
                "0",
            ]);
            Some(Server::start_silent(command, compare.pin_server, &format!("127.0.0.1:{port}"))?)
        }
    };
    let url = compare
        .redis_url
        .as_ref()
        .or(child.as_ref().map(|child| &child.url))
        .expect("one of the two is there");
    let plan = Plan { target: Target::parse(url).map_err(Failure::usage)?, ..plan.clone() };
    if plan.operation.reads() {
        round::preload(&plan)?;
    }
    Ok(PeerServer { plan, child })
}

/// A port nobody has right now; Redis cannot choose one itself.
fn free_port() -> std::io::Result<u16> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn summary(ours: &[Sample], peer: &[Sample]) -> Cell {
    let all = |samples: &[Sample], figure: fn(&Sample) -> f64| samples.iter().map(figure).collect::<Vec<_>>();
    let median_of = |samples: &[Sample], figure| median(all(samples, figure));
    let rate = |sample: &Sample| sample.row.operations_per_second;
    let p50 = |sample: &Sample| sample.row.latency_seen.p50_us;
    let p99 = |sample: &Sample| sample.row.latency_seen.p99_us;
    let cpu = |samples: &[Sample]| {
        samples.iter().map(|sample| sample.cpu_us).collect::<Option<Vec<_>>>().map(median)
    };
    let first = &ours[0].row;
    Cell {
        operation: first.operation,
        transport: first.transport,
        depth: first.depth,
        connections: first.connections,
        peer: peer[0].row.target.clone(),
        ours_per_second: median_of(ours, rate),
        peer_per_second: median_of(peer, rate),
        ratio: median_of(ours, rate) / median_of(peer, rate),
        ours_p50_us: median_of(ours, p50),
        peer_p50_us: median_of(peer, p50),
        ours_p99_us: median_of(ours, p99),
        peer_p99_us: median_of(peer, p99),
        ours_cpu_us: cpu(ours),
        peer_cpu_us: cpu(peer),
        reply_bytes: first.mean_reply_bytes,
        ours_rounds: all(ours, rate),
        peer_rounds: all(peer, rate),
    }
}

/// The middle one; of an even number the mean of the two middle ones. 0 of none.
fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    let middle = figures.len() / 2;
    match figures.len() {
        0 => 0.0,
        length if length % 2 == 1 => figures[middle],
        _ => (figures[middle - 1] + figures[middle]) / 2.0,
    }
}

fn print(format: Format, cells: &[Cell]) -> std::io::Result<()> {
    if format == Format::Json {
        return output::json(&cells);
    }
    let heads = [
        "what",
        "conns",
        "depth",
        "ours op/s",
        "peer op/s",
        "ratio",
        "ours p50 us",
        "peer p50",
        "ours p99",
        "peer p99",
        "ours cpu us",
        "peer cpu",
    ];
    let cpu = |figure: Option<f64>| figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.2}"));
    let line = |cell: &Cell| {
        vec![
            format!("{} {} / {}", cell.transport, cell.operation, cell.peer.split(':').next().unwrap_or("")),
            cell.connections.to_string(),
            cell.depth.to_string(),
            grouped(cell.ours_per_second as u64),
            grouped(cell.peer_per_second as u64),
            format!("{:.2}", cell.ratio),
            format!("{:.0}", cell.ours_p50_us),
            format!("{:.0}", cell.peer_p50_us),
            format!("{:.0}", cell.ours_p99_us),
            format!("{:.0}", cell.peer_p99_us),
            cpu(cell.ours_cpu_us),
            cpu(cell.peer_cpu_us),
        ]
    };
    output::table(&heads, &cells.iter().map(line).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![]), 0.0);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
    }
}
