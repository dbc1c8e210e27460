//! Logs go to stderr: for people on a terminal, as JSON lines otherwise. Never values, never tokens.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::time::SystemTime;

use crate::config::Config;

/// Starts logging for the process.
pub(super) fn start(config: &Config) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&config.log_filter)
        .with_context(|| format!("log.filter is {:?}", config.log_filter))?;
    let pretty = match config.log_format.as_str() {
        "pretty" => true,
        "json" => false,
        _ => std::io::stderr().is_terminal(),
    };
    let logs =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_timer(SystemTime);
    let started = if pretty {
        let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        logs.with_ansi(colours).try_init()
    } else {
        logs.json().flatten_event(true).try_init()
    };
    started.map_err(|error| anyhow::anyhow!("logging cannot start: {error}"))
}
