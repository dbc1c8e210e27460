//! `mpreg serve`: start, banner, wait for a signal or a failure, stop.

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::args::ServeArguments;
use super::{EXIT_INTERRUPTED, logging};
use crate::config::Config;
use crate::limits::BLOCKING_THREADS_MAX;
use crate::node::{Node, Running};

/// How long blocking work left over after a stop may hold up the exit.
const LEFTOVERS: Duration = Duration::from_millis(200);

/// Serves until a signal stops it.
pub(super) fn run(arguments: &ServeArguments) -> anyhow::Result<ExitCode> {
    let config = arguments.config()?;
    logging::start(&config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("starting threads")?;
    let served = runtime.block_on(serve(config));
    runtime.shutdown_timeout(LEFTOVERS);
    served
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    // Before the start, so that a signal during a long recovery is not lost on the default handler.
    let mut stop = StopSignals::new()?;
    let starting = Node::with_config(config.clone()).start();
    let running = tokio::select! {
        started = starting => started?,
        name = stop.next() => {
            eprintln!("mpreg: {name} while starting: stopping at once");
            std::process::exit(i32::from(EXIT_INTERRUPTED));
        }
    };
    banner(&running, &config).context("writing the banner to stdout")?;
    tokio::select! {
        name = stop.next() => tracing::info!(signal = name, connections = running.connections(), "stopping"),
        cause = running.failed() => {
            tracing::error!(%cause, "the store has failed, stopping");
            bail!("the store has failed: {cause}");
        }
    }
    tokio::select! {
        stopped = running.shutdown() => stopped.context("closing the store")?,
        name = stop.next() => {
            eprintln!("mpreg: {name} again: stopping at once, nothing acknowledged is lost");
            // Exits without unwinding the runtime: whatever blocks must not hold this up.
            std::process::exit(i32::from(EXIT_INTERRUPTED));
        }
    }
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// SIGTERM and SIGINT.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn new() -> anyhow::Result<StopSignals> {
        let listen = |kind| signal(kind).context("listening to signals");
        Ok(StopSignals {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Tells on stdout what was started. Scripts read `MPREG_URL=` and wait for `ready`.
fn banner(running: &Running, config: &Config) -> io::Result<()> {
    let recovered = running.store().recovered();
    let dir = std::path::absolute(&config.dir).unwrap_or_else(|_| config.dir.clone());
    let mut out = io::stdout().lock();
    writeln!(out, "mpreg {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "data      {}", dir.display())?;
    writeln!(
        out,
        "recovered {} records above the checkpoint at {}, last position {}, in {:.1} ms",
        recovered.records,
        recovered.checkpoint,
        recovered.last,
        recovered.took_us as f64 / 1000.0
    )?;
    for address in running.addresses() {
        writeln!(out, "listening {address} (ws, tcp)")?;
    }
    writeln!(out, "MPREG_URL={}", running.url())?;
    writeln!(out, "ready")?;
    out.flush()
}
