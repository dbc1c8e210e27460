//! Kills a server again and again while it is being written to, and counts what was lost.
//!
//! ```text
//! start -> read everything back, judge -> write on all connections -> kill -9 -> start ...
//! ```
//!
//! One life in eight is cut short before the server is ready: recovery must survive a crash, too.
//! SIGKILL does not lose the page cache, so this proves the promise for killed processes, at both
//! levels: nothing acknowledged is lost. A power cut needs other tools.

mod ledger;
mod writer;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use clap::Args;
use mpreg::client::Client;
use serde::Serialize;
use tokio::task::JoinSet;

use crate::failure::{Failure, Kind, Outcome};
use crate::output::{self, Format, grouped};
use crate::progress::Progress;
use crate::random::{Random, fresh_seed};
use crate::server::{Server, mpreg_binary};
use ledger::Verdict;
use writer::Writer;

/// One life in this many is ended before the server is ready.
const CUT_SHORT_ONE_IN: u64 = 8;
/// Shortest and longest time of writing before a kill, in milliseconds.
const LIFE_MS: (u64, u64) = (10, 600);
/// Longest time a server may live whose start is cut short, in milliseconds.
const CUT_SHORT_MS_MAX: u64 = 60;

/// Kill a server (kill -9) in a loop with writes in flight and print what was lost.
#[derive(Args)]
pub struct Arguments {
    /// Data directory for the server, on the disk to test; it must not exist or be empty.
    #[arg(long)]
    data: PathBuf,
    /// The `mpreg` binary; default: the one beside this program.
    #[arg(long)]
    server: Option<PathBuf>,
    /// How often to kill.
    #[arg(long, default_value_t = 50)]
    kills: u64,
    /// Stop after this many seconds, even if fewer kills were done.
    #[arg(long)]
    seconds: Option<u64>,
    /// Connections, in turn over TCP and WebSocket.
    #[arg(long, short, default_value_t = 8)]
    connections: usize,
    /// Operations each connection has under way.
    #[arg(long, short, default_value_t = 16)]
    depth: usize,
    /// Keys of each connection.
    #[arg(long, default_value_t = 500)]
    keys: u64,
    /// Longest value, in bytes; lengths are random.
    #[arg(long, default_value_t = 2000)]
    value_bytes_max: u64,
    /// Seed of a run to do again.
    #[arg(long)]
    seed: Option<u64>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// The result. The JSON keys are stable.
#[derive(Debug, Default, Serialize)]
struct Report {
    seed: u64,
    kills: u64,
    kills_before_ready: u64,
    acknowledged_strong: u64,
    acknowledged_eventual: u64,
    unanswered: u64,
    rejected: u64,
    keys_read_back: u64,
    unacknowledged_but_there: u64,
    lost: u64,
    holes: u64,
    restart_ms_median: u64,
    restart_ms_max: u64,
    seconds: f64,
}

/// Runs the loop; exit code 7 when anything acknowledged was lost.
pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.connections == 0 || arguments.depth == 0 || arguments.depth > 512 || arguments.keys == 0 {
        return Err(Failure::usage("--connections, --depth (up to 512) and --keys must be above 0"));
    }
    require_fresh(&arguments.data)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(Torture::new(arguments)?.run())?;
    print(arguments.format, &report)?;
    if report.lost + report.holes > 0 {
        let (lost, holes) = (report.lost, report.holes);
        let reason = format!(
            "{lost} acknowledged operations lost, {holes} holes; --seed {} repeats the load",
            report.seed
        );
        return Err(Failure::new(Kind::Damage, reason));
    }
    if report.acknowledged_strong == 0 || report.acknowledged_eventual == 0 {
        return Err(Failure::new(Kind::Error, "nothing was acknowledged, so nothing was tested"));
    }
    Ok(())
}

fn require_fresh(data: &Path) -> Result<(), Failure> {
    match std::fs::read_dir(data).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(Failure::usage(format!(
            "{} is not empty; crash tests need a fresh directory",
            data.display()
        ))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::from(anyhow::Error::from(error).context(data.display().to_string()))),
    }
}

/// One run of the loop.
struct Torture<'a> {
    arguments: &'a Arguments,
    binary: PathBuf,
    random: Random,
    writers: Vec<Writer>,
    report: Report,
    restarts_ms: Vec<u64>,
}

impl<'a> Torture<'a> {
    fn new(arguments: &'a Arguments) -> anyhow::Result<Torture<'a>> {
        let seed = arguments.seed.unwrap_or_else(fresh_seed);
        let writer =
            |number| Writer::new(number, seed, arguments.keys, arguments.depth, arguments.value_bytes_max);
        Ok(Torture {
            arguments,
            binary: mpreg_binary(arguments.server.as_deref())?,
            random: Random::split(seed, u64::MAX),
            writers: (0..arguments.connections).map(writer).collect(),
            report: Report { seed, ..Report::default() },
            restarts_ms: Vec::new(),
        })
    }

    async fn run(mut self) -> anyhow::Result<Report> {
        let begin = Instant::now();
        let end = self.arguments.seconds.map(|seconds| begin + Duration::from_secs(seconds));
        let progress = Progress::start(&format!("crash, seed {}", self.report.seed), self.arguments.kills);
        while self.report.kills < self.arguments.kills && end.is_none_or(|end| Instant::now() < end) {
            self.one_life().await.with_context(|| format!("after {} kills", self.report.kills))?;
            self.report.kills += 1;
            progress.at(self.report.kills);
            if self.report.lost + self.report.holes > 0 {
                break;
            }
        }
        // The last kill is judged like every other.
        let server = self.start()?;
        self.read_back(&self.connect(&server).await?).await?;
        progress.end(&format!("{} kills", self.report.kills));
        self.summed_up(begin.elapsed())
    }

    async fn one_life(&mut self) -> anyhow::Result<()> {
        if self.report.kills > 0 && self.random.below(CUT_SHORT_ONE_IN) == 0 {
            let life = Duration::from_millis(self.random.below(CUT_SHORT_MS_MAX));
            self.report.kills_before_ready += 1;
            return Server::start_and_kill(self.command(), life);
        }
        let server = self.start()?;
        let clients = self.connect(&server).await?;
        self.read_back(&clients).await?;
        let life = Duration::from_millis(LIFE_MS.0 + self.random.below(LIFE_MS.1 - LIFE_MS.0));
        self.write_and_kill(clients, server, life).await
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--data"]).arg(&self.arguments.data);
        command
    }

    fn start(&mut self) -> anyhow::Result<Server> {
        let begin = Instant::now();
        let server = Server::start_quiet(self.command())?;
        self.restarts_ms.push(begin.elapsed().as_millis() as u64);
        Ok(server)
    }

    async fn connect(&self, server: &Server) -> anyhow::Result<Vec<Client>> {
        let (_, address) = server.url.split_once("://").context("the server's URL has no scheme")?;
        let mut clients = Vec::new();
        for writer in &self.writers {
            clients.push(Client::connect(&format!("{}://{address}", writer.scheme())).await?);
        }
        Ok(clients)
    }

    async fn read_back(&mut self, clients: &[Client]) -> anyhow::Result<()> {
        for (writer, client) in self.writers.iter_mut().zip(clients) {
            let Verdict { keys, lost, holes, survived_unacknowledged } = writer.read_back(client).await?;
            self.report.keys_read_back += keys;
            self.report.lost += lost;
            self.report.holes += holes;
            self.report.unacknowledged_but_there += survived_unacknowledged;
        }
        Ok(())
    }

    /// All writers at full speed; the kill comes in the middle of it.
    async fn write_and_kill(
        &mut self,
        clients: Vec<Client>,
        server: Server,
        life: Duration,
    ) -> anyhow::Result<()> {
        let mut tasks = JoinSet::new();
        for (mut writer, client) in self.writers.drain(..).zip(clients) {
            tasks.spawn(async move {
                let outcome = writer.write_until_lost(&client).await;
                (writer, outcome)
            });
        }
        tokio::time::sleep(life).await;
        // Dropping kills with SIGKILL and waits for the body.
        drop(server);
        let mut failed = None;
        while let Some(finished) = tasks.join_next().await {
            let (writer, outcome) = finished.context("a writer panicked")?;
            self.writers.push(writer);
            failed = failed.or(outcome.err());
        }
        self.writers.sort_by_key(Writer::number);
        failed.map_or(Ok(()), Err)
    }

    fn summed_up(mut self, took: Duration) -> anyhow::Result<Report> {
        for writer in &self.writers {
            self.report.acknowledged_strong += writer.acknowledged.strong;
            self.report.acknowledged_eventual += writer.acknowledged.eventual;
            self.report.unanswered += writer.acknowledged.unanswered;
            self.report.rejected += writer.acknowledged.rejected;
        }
        self.restarts_ms.sort_unstable();
        let Some(&slowest) = self.restarts_ms.last() else { bail!("the server was never started") };
        self.report.restart_ms_max = slowest;
        self.report.restart_ms_median = self.restarts_ms[self.restarts_ms.len() / 2];
        self.report.seconds = took.as_secs_f64();
        Ok(self.report)
    }
}

fn print(format: Format, report: &Report) -> std::io::Result<()> {
    if format == Format::Json {
        return output::json(report);
    }
    let line = |name: &str, figure: u64| vec![name.to_owned(), grouped(figure)];
    let rows = [
        vec!["seed".to_owned(), report.seed.to_string()],
        line("kills", report.kills),
        line("  of them before ready", report.kills_before_ready),
        line("acknowledged strong", report.acknowledged_strong),
        line("acknowledged eventual", report.acknowledged_eventual),
        line("unanswered at a kill", report.unanswered),
        line("  of them there afterwards", report.unacknowledged_but_there),
        line("rejected", report.rejected),
        line("keys read back", report.keys_read_back),
        line("restart, median ms", report.restart_ms_median),
        line("restart, slowest ms", report.restart_ms_max),
        line("LOST", report.lost),
        line("HOLES", report.holes),
    ];
    output::table(&["crash", ""], &rows)
}
