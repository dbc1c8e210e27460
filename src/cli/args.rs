//! Arguments and flags, from which help, completions and manual follow.

use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use super::demo::Demo;
use crate::config::{Layers, Origin};

/// Read when it exists, before `--config`.
const SYSTEM_FILE: &str = "/etc/mpreg/mpreg.toml";

/// A durable, storage-first cache server that speaks the MPREG protocol
#[derive(Debug, Parser)]
#[command(name = "mpreg", version, args_conflicts_with_subcommands = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) serve: ServeArguments,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Serve (also without a command)
    Serve(ServeArguments),
    /// Show or check the configuration
    Config {
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Show what a node does, on one of its own that goes with the demonstration
    Demo {
        /// Which demonstration
        demo: Demo,
    },
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the manual page
    Man,
    /// Print the version
    Version,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print the configuration as a file that would give it
    Print {
        /// Tell where each value comes from
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        serve: ServeArguments,
    },
    /// Report every problem of the configuration; exit code 2 if there is one
    Check {
        /// Print each value and where it comes from too
        #[arg(long)]
        origin: bool,
        #[command(flatten)]
        serve: ServeArguments,
    },
}

/// Flags of `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeArguments {
    /// Address to listen on, may be repeated; port 0 chooses one [default: 127.0.0.1:9001]
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Vec<String>,
    /// Data directory [default: mpreg-data]
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Listen beyond loopback although nobody has to authenticate
    #[arg(long)]
    insecure: bool,
    /// What is logged: error, warn, info, debug, trace, or a filter [default: info]
    #[arg(long, value_name = "FILTER")]
    log: Option<String>,
    /// Any setting by its name, may be repeated: --set memory.limit=1GiB
    #[arg(long, value_name = "SECTION.KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
}

fn assignment(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected SECTION.KEY=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

impl ServeArguments {
    /// Defaults, files, environment and these flags, not checked yet. Fails only on files that cannot be read.
    pub(super) fn layers(&self) -> anyhow::Result<Layers> {
        let mut layers = Layers::new();
        let system = Path::new(SYSTEM_FILE);
        if system.exists() {
            read_file(&mut layers, system)?;
        }
        if let Some(path) = &self.config {
            read_file(&mut layers, path)?;
        }
        // Variables that are not text cannot be ours.
        let texts = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        layers.environment(texts);
        self.lay_flags(&mut layers);
        Ok(layers)
    }

    fn lay_flags(&self, layers: &mut Layers) {
        let flag = |name: &str| Origin::Flag(name.to_owned());
        for (name, value) in &self.set {
            layers.set(name, value, flag("--set"));
        }
        if !self.listen.is_empty() {
            layers.set("server.listen", self.listen.join(","), flag("--listen"));
        }
        if let Some(dir) = &self.data {
            layers.set("storage.dir", dir.to_string_lossy(), flag("--data"));
        }
        if self.insecure {
            layers.set("server.insecure", "true", flag("--insecure"));
        }
        if let Some(filter) = &self.log {
            layers.set("log.filter", filter, flag("--log"));
        }
    }
}

fn read_file(layers: &mut Layers, path: &Path) -> anyhow::Result<()> {
    let text =
        std::fs::read_to_string(path).with_context(|| format!("configuration file {}", path.display()))?;
    layers.toml(path, &text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_holds_together() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn flags_work_with_and_without_the_command() {
        for line in [
            &["mpreg", "--data", "/d", "--set", "memory.limit=1GiB"][..],
            &["mpreg", "serve", "--data", "/d"],
        ] {
            let parsed = Arguments::try_parse_from(line).unwrap();
            let serve = match parsed.command {
                Some(Command::Serve(serve)) => serve,
                _ => parsed.serve,
            };
            assert_eq!(serve.data.as_deref(), Some(Path::new("/d")));
        }
        assert!(Arguments::try_parse_from(["mpreg", "--set", "x"]).is_err());
        assert!(Arguments::try_parse_from(["mpreg", "--data", "/d", "version"]).is_err());
    }
}
