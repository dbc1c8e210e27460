//! `dump` and `load`: entries as JSON lines, from a server or from a data directory at rest, and into a server.
//!
//! ```text
//! {"format":"mpreg-dump","version":1,"created_at":1700000000.5}
//! {"key":{...},"value":...,"metadata":{...},"creation_time":..,"last_access_time":..,"access_count":..,"expires_at":..|null}
//! ...
//! {"end":true,"entries":2}
//! ```
//!
//! The lines between the first and the last are entries as the protocol's `backup` has them: lives, tags, dependencies
//! and structures survive the way. Namespaces are taken in parts, so that nobody waits for it; entries
//! written meanwhile may or may not be in it. A dump without its last line is not whole, and `load` says so.

mod directory;
mod load;
mod take;

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use clap::Args;
use serde::{Deserialize, Serialize};

pub use load::Load;

use crate::failure::{Failure, Outcome};
use crate::files::now_us;
use crate::online::{Connection, Session};
use crate::output::grouped;

const FORMAT: &str = "mpreg-dump";
const VERSION: u32 = 1;

/// Write entries of a server, or of a data directory at rest, as JSON lines.
#[derive(Args)]
pub struct Dump {
    /// Namespaces to take; none named: all.
    namespaces: Vec<String>,
    /// Only identifiers that match: * is any run of characters, ? one.
    #[arg(long)]
    pattern: Option<String>,
    /// Where to; without it stdout.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Read this data directory, which no server may have, instead of asking a server. Nothing in it is changed.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    #[command(flatten)]
    connection: Connection,
}

/// The first line.
#[derive(Serialize, Deserialize)]
struct Head {
    format: String,
    version: u32,
    created_at: f64,
}

/// The last line.
#[derive(Serialize, Deserialize)]
struct Foot {
    end: bool,
    entries: u64,
}

impl Dump {
    /// Runs `dump`.
    pub fn run(&self) -> Outcome {
        match &self.data {
            None => self.take(&self.connection.open()?),
            Some(data) => {
                let served = directory::Served::start(data, &self.connection)?;
                let outcome = self.take(served.session());
                served.stop();
                outcome
            }
        }
    }

    fn take(&self, session: &Session) -> Outcome {
        let out: Box<dyn Write> = match &self.output {
            None => Box::new(io::stdout().lock()),
            Some(path) => Box::new(File::create(path)?),
        };
        let mut out = BufWriter::new(out);
        let head = Head { format: FORMAT.to_owned(), version: VERSION, created_at: now_us()? as f64 / 1e6 };
        write_line(&mut out, &head)?;
        let taken = take::everything(session, &self.namespaces, self.pattern.as_deref(), &mut out)?;
        write_line(&mut out, &Foot { end: true, entries: taken.entries })?;
        out.flush()?;
        eprintln!("{} entries of {} namespaces", grouped(taken.entries), grouped(taken.namespaces));
        match taken.too_large.as_slice() {
            [] => Ok(()),
            keys => {
                let reason = format!(
                    "{} entries are too large for a message and missing: {}",
                    keys.len(),
                    keys.join(", ")
                );
                Err(anyhow::anyhow!(reason).into())
            }
        }
    }
}

fn write_line<T: Serialize>(out: &mut impl Write, line: &T) -> Result<(), Failure> {
    serde_json::to_writer(&mut *out, line).map_err(io::Error::from)?;
    Ok(out.write_all(b"\n")?)
}
