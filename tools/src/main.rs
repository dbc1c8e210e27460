//! `mpreg-tools`: inspect, verify, measure and torture an MPREG node.
//!
//! Rooms: `online` asks a running server, `dump` carries data out and in, `worker` serves programs, `bench` measures servers over the wire, `crash` kills them,
//! `inspect`, `log`, `backlog` and `verify` read data directories through `files`. Shared by all: `failure` (exit codes), `output`
//! (table or JSON on stdout), `progress` (stderr), `random` (seeds), `server` (child processes).

mod backlog;
mod bench;
mod crash;
mod dump;
mod failure;
mod files;
mod inspect;
mod log;
mod online;
mod output;
mod progress;
mod random;
mod server;
mod verify;
mod worker;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Inspect, verify, measure and torture an MPREG node and its data directory.
#[derive(Parser)]
#[command(version, propagate_version = true, after_help = failure::EXIT_CODES_HELP)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Backlog(backlog::Arguments),
    /// Measure a server: throughput and latency under a chosen load.
    Bench(Box<bench::Arguments>),
    Crash(crash::Arguments),
    Dump(dump::Dump),
    Inspect(inspect::Arguments),
    Load(dump::Load),
    Log(log::Arguments),
    Verify(verify::Arguments),
    Worker(Box<worker::Arguments>),
    #[command(flatten)]
    Online(Box<online::Online>),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let outcome = match arguments.command {
        Command::Backlog(arguments) => arguments.run(),
        Command::Bench(arguments) => bench::run(*arguments),
        Command::Crash(arguments) => crash::run(&arguments),
        Command::Dump(dump) => dump.run(),
        Command::Load(load) => load.run(),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Log(arguments) => log::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Worker(arguments) => arguments.run(),
        Command::Online(online) => online.run(),
    };
    failure::report(outcome)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_flags_hold_together() {
        super::Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_says_what_it_does() {
        let mut told = std::collections::HashSet::new();
        for command in super::Arguments::command().get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            assert!(!about.is_empty() && told.insert(about.clone()), "{}: {about:?}", command.get_name());
        }
    }
}
