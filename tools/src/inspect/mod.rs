//! `inspect`: what a data directory holds, from its files alone.

mod entry;
mod keys;
mod summary;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use mpreg_storage::log::Look;
use mpreg_storage::table::Snapshot;

use crate::failure::{Failure, Outcome};
use crate::files::{DataDirectory, Observed, Tail};
use crate::output::Format;

/// Look into a data directory, also beside a running server; nothing is changed.
#[derive(Args)]
pub struct Arguments {
    /// The data directory.
    #[arg(long, env = "MPREG_DATA", global = true, default_value = "mpreg-data")]
    data: PathBuf,
    /// How to print.
    #[arg(long, value_enum, default_value_t, global = true)]
    format: Format,
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// The directory as a whole: checkpoint, log, sizes (the default).
    Summary,
    /// Namespaces with their keys, sizes and times to live; or the keys of one.
    Keys(keys::Keys),
    /// One entry: value, position, durability and the tier that holds it.
    Entry(entry::Entry),
}

/// Runs `inspect`.
pub fn run(arguments: &Arguments) -> Outcome {
    let contents = Contents::read(&arguments.data)?;
    match &arguments.what {
        None | Some(What::Summary) => summary::print(&contents, arguments.format),
        Some(What::Keys(keys)) => keys.print(&contents, arguments.format),
        Some(What::Entry(entry)) => entry.print(&contents, arguments.format),
    }
}

/// Table and log of one moment.
struct Contents {
    directory: DataDirectory,
    snapshot: Snapshot,
    look: Look,
    tail: Tail,
}

impl Contents {
    fn read(data: &Path) -> Result<Contents, Failure> {
        let directory = DataDirectory::open(data)?;
        let (observed, tail) = directory.observe(|observed| {
            let checkpoint = observed.snapshot.position().lsn;
            let tail = Tail::read(&directory.log_path(), &observed.look, checkpoint)?;
            Ok((observed, tail))
        })?;
        let Observed { snapshot, look } = observed;
        Ok(Contents { directory, snapshot, look, tail })
    }
}
