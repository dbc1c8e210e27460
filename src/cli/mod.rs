//! The command line of the binary `mpreg`.
//!
//! Data goes to stdout, everything else to stderr. Exit codes: 0 ok, 1 error, 2 usage or configuration, 7 damage
//! found, 130 stopped by a second signal.

mod args;
mod demo;
mod logging;
mod serve;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use clap::{CommandFactory, Parser};

use crate::config::{Config, Problems};
use args::{Arguments, Command, ConfigCommand, ServeArguments};

/// Something failed.
const EXIT_ERROR: u8 = 1;
/// The command line or the configuration is wrong.
const EXIT_USAGE: u8 = 2;
/// Stored bytes are damaged.
const EXIT_DAMAGE: u8 = 7;
/// Stopped by a second signal.
const EXIT_INTERRUPTED: u8 = 130;

/// Runs the command line `arguments`, the program's name first. The value is the process's exit code.
#[must_use]
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let parsed = match Arguments::try_parse_from(arguments) {
        Ok(parsed) => parsed,
        Err(error) => {
            // Help and version arrive here too, with code 0; printing fails only with a closed stdout.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(EXIT_USAGE));
        }
    };
    let ran = match parsed.command {
        None => serve::run(&parsed.serve),
        Some(Command::Serve(arguments)) => serve::run(&arguments),
        Some(Command::Config { command }) => config(&command),
        Some(Command::Demo { demo }) => demo::run(demo),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut Arguments::command(), "mpreg", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man) => manual(),
        Some(Command::Version) => print(&format!("mpreg {}\n", env!("CARGO_PKG_VERSION"))),
    };
    ran.unwrap_or_else(|error| {
        eprintln!("mpreg: {error:#}");
        ExitCode::from(exit_code(&error))
    })
}

fn exit_code(error: &anyhow::Error) -> u8 {
    if error.is::<Problems>() {
        EXIT_USAGE
    } else if error.downcast_ref().is_some_and(crate::node::Error::is_damage) {
        EXIT_DAMAGE
    } else {
        EXIT_ERROR
    }
}

fn print(text: &str) -> anyhow::Result<ExitCode> {
    io::stdout().write_all(text.as_bytes()).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}

fn config(command: &ConfigCommand) -> anyhow::Result<ExitCode> {
    match command {
        ConfigCommand::Print { origin, serve } => {
            let layers = serve.layers()?;
            Config::from_layers(&layers)?;
            print(&layers.to_toml(*origin))
        }
        ConfigCommand::Check { origin, serve } => {
            let layers = serve.layers()?;
            let checked = Config::from_layers(&layers);
            if *origin {
                print(&layers.to_toml(true))?;
            }
            checked?;
            eprintln!("the configuration is fine");
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn manual() -> anyhow::Result<ExitCode> {
    clap_mangen::Man::new(Arguments::command()).render(&mut io::stdout()).context("writing to stdout")?;
    Ok(ExitCode::SUCCESS)
}

impl ServeArguments {
    /// The configuration these flags ask for.
    fn config(&self) -> anyhow::Result<Config> {
        Ok(Config::from_layers(&self.layers()?)?)
    }
}
