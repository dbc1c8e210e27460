//! Commands to a running server, one module for each family. The shell runs the same ones over one connection.
//!
//! ```text
//! arguments -> Typed -> client::Request -> server -> client::Reply -> show (table, JSON, raw) and exit code
//! ```
//!
//! A JSON answer is the server's reply as the protocol has it. A miss is exit code 3, a condition that does not hold 4.

mod atomic;
mod batch;
mod call;
mod connection;
mod entry;
mod key;
mod namespace;
mod publish;
mod removal;
mod show;
mod stats;
mod structure;
mod subscribe;
mod value;

use clap::{ArgMatches, Args as _, FromArgMatches, Subcommand};

pub use connection::{Connection, Format, Session, failure};
pub use namespace::MergeName;
pub use subscribe::{Row, print_row};
pub use value::duration;

use crate::failure::Outcome;

/// What can be asked of a server.
#[derive(Subcommand)]
pub enum Typed {
    /// Read one entry.
    Get(entry::Get),
    /// Store one entry, over whatever was there.
    Put(entry::Put),
    /// Remove one entry.
    Del(entry::Delete),
    /// Read and write one entry in one step.
    Atomic(atomic::Arguments),
    /// Work on a set, list, map, sorted set, counter, queue or stack.
    Struct(structure::Arguments),
    /// Run several operations, all or none.
    Batch(batch::Arguments),
    /// Work on a whole namespace.
    Ns(namespace::Arguments),
    /// Remove entries by pattern or tag.
    Invalidate(removal::Invalidate),
    /// List keys by pattern.
    Query(removal::Query),
    /// Show the server's statistics.
    Stats(stats::Arguments),
    /// Publish a message, or one for each line of stdin.
    Pub(publish::Arguments),
    /// Print messages of topics as they come.
    Sub(subscribe::Arguments),
    /// Call a function.
    Call(call::Call),
    /// List functions.
    Functions(call::Functions),
    /// Describe a function.
    Describe(call::Describe),
}

impl Typed {
    /// Does it over an open session.
    pub fn run(&self, session: &Session) -> Outcome {
        match self {
            Typed::Get(get) => get.run(session),
            Typed::Put(put) => put.run(session),
            Typed::Del(delete) => delete.run(session),
            Typed::Atomic(arguments) => arguments.run(session),
            Typed::Struct(arguments) => arguments.run(session),
            Typed::Batch(arguments) => arguments.run(session),
            Typed::Ns(arguments) => arguments.run(session),
            Typed::Invalidate(invalidate) => invalidate.run(session),
            Typed::Query(query) => query.run(session),
            Typed::Stats(arguments) => arguments.run(session),
            Typed::Pub(arguments) => arguments.run(session),
            Typed::Sub(arguments) => arguments.run(session),
            Typed::Call(call) => call.run(session),
            Typed::Functions(functions) => functions.run(session),
            Typed::Describe(describe) => describe.run(session),
        }
    }
}

/// A typed command with the flags that say which server it is for.
pub struct Online {
    typed: Typed,
    connection: Connection,
}

impl Online {
    /// Connects and does it.
    pub fn run(&self) -> Outcome {
        self.typed.run(&self.connection.open()?)
    }
}

// The shell parses the same commands without these flags, so they are added here and not in each of them.
impl FromArgMatches for Online {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Online, clap::Error> {
        let typed = Typed::from_arg_matches(matches)?;
        let (_, own) = matches.subcommand().expect("a typed command is a subcommand");
        Ok(Online { typed, connection: Connection::from_arg_matches(own)? })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Online::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Subcommand for Online {
    fn augment_subcommands(command: clap::Command) -> clap::Command {
        let typed = Typed::augment_subcommands(clap::Command::new(""));
        let with_flags = typed.get_subcommands().cloned().map(Connection::augment_args);
        command.subcommands(with_flags)
    }

    fn augment_subcommands_for_update(command: clap::Command) -> clap::Command {
        Online::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        Typed::has_subcommand(name)
    }
}
