//! `mpreg demo`: the guide's two demonstrations against a node of their own, in a directory that goes with them.
//!
//! Every step tells what it did and what came of it, and fails the command when that is not what it should be.

mod cache;
mod integrations;
mod peer;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::ValueEnum;

use crate::node::{Node, Running};
use peer::Peer;

/// Which demonstration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Demo {
    /// Values, structures, locks, tags, lives, and a restart
    Cache,
    /// Cache, publish/subscribe and RPC together
    Integrations,
}

/// Runs a demonstration to its end.
pub(super) fn run(demo: Demo) -> anyhow::Result<ExitCode> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting threads")?;
    let scratch = Scratch::new()?;
    runtime.block_on(async {
        match demo {
            Demo::Cache => cache::run(&scratch.dir).await,
            Demo::Integrations => integrations::run(&scratch.dir).await,
        }
    })?;
    tell("done", "everything came out as it should")?;
    Ok(ExitCode::SUCCESS)
}

/// A directory of the demonstration's own, removed with it.
struct Scratch {
    dir: PathBuf,
}

impl Scratch {
    fn new() -> anyhow::Result<Scratch> {
        let dir = std::env::temp_dir().join(format!("mpreg-demo-{}", std::process::id()));
        std::fs::create_dir(&dir).with_context(|| format!("creating {}", dir.display()))?;
        Ok(Scratch { dir })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is left to the system, whose directory it is.
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}

/// A node in `dir`, on a port the system chooses. A small disk is no reason to refuse a demonstration.
fn node(dir: &Path) -> Node {
    let node = Node::new(dir).listen(([127, 0, 0, 1], 0).into());
    node.configure(|config| {
        config.free_bytes_min = Some(0);
        config.sweep_interval = std::time::Duration::from_millis(50);
        config.checkpoint_interval = std::time::Duration::from_millis(200);
    })
}

async fn start(dir: &Path) -> anyhow::Result<(Running, Peer)> {
    let running = node(dir).start().await?;
    let peer = Peer::connect(&running).await?;
    tell("node", &format!("{} serves {}", running.url(), dir.display()))?;
    Ok((running, peer))
}

/// One line of the demonstration.
fn tell(step: &str, what: &str) -> anyhow::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{step:<24} {what}").context("writing to stdout")
}

/// A step that must have come out like this.
fn check(step: &str, holds: bool, what: &str) -> anyhow::Result<()> {
    if !holds {
        bail!("{step}: unexpectedly {what}");
    }
    tell(step, what)
}
