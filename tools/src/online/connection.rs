//! Which server, and how its answers are shown.

use std::future::Future;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mpreg::client::{Client, ConnectOptions, Error, Level, Reply, Request};
use tokio::runtime::Runtime;

use crate::failure::{Failure, Kind};

// Flags of every command to a server. No doc comment: it would become the description of each of them.
#[derive(Args, Clone)]
pub struct Connection {
    /// The server, as ws://host:port or tcp://host:port.
    #[arg(long, env = "MPREG_URL", default_value = "tcp://127.0.0.1:9001", global = true)]
    pub url: String,
    /// How long to wait for the connection and for each answer.
    #[arg(long, value_parser = super::value::duration, default_value = "10s", global = true)]
    pub timeout: Duration,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t, global = true)]
    pub format: Format,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Default)]
pub enum Format {
    /// For people.
    #[default]
    Table,
    /// The server's reply, one JSON document on one line; of messages one line each.
    #[value(alias = "jsonl")]
    Json,
    /// Only the value, as JSON text.
    Raw,
}

/// Names of levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LevelName {
    /// Write: handed to the operating system. Read: the newest value.
    Eventual,
    /// Write: on disk. Read: only what is on disk.
    Strong,
}

impl From<LevelName> for Level {
    fn from(name: LevelName) -> Level {
        match name {
            LevelName::Eventual => Level::Eventual,
            LevelName::Strong => Level::Strong,
        }
    }
}

/// The level of one request.
#[derive(Args, Clone, Copy)]
pub struct AtLevel {
    /// When a write is acknowledged, which values a read may see; default: the server's.
    #[arg(long, value_enum)]
    level: Option<LevelName>,
}

impl AtLevel {
    /// As the client has it.
    pub fn get(self) -> Option<Level> {
        self.level.map(Level::from)
    }
}

impl Connection {
    /// Connects.
    pub fn open(&self) -> Result<Session, Failure> {
        // One more thread keeps the connection alive while nobody asks anything.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let client = runtime.block_on(Client::connect_with(&self.url, self.options())).map_err(failure)?;
        Ok(Session { runtime, client, format: self.format, connection: self.clone() })
    }

    /// The time-outs.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions { connect_timeout: self.timeout, call_timeout: self.timeout }
    }
}

/// An open connection.
pub struct Session {
    runtime: Runtime,
    /// The connection itself.
    pub client: Client,
    /// How answers are printed.
    pub format: Format,
    /// How it was opened.
    pub connection: Connection,
}

impl Session {
    /// Waits for what the client does.
    pub fn wait<T>(&self, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Failure> {
        self.runtime.block_on(doing).map_err(failure)
    }

    /// Waits for anything, on the session's threads.
    pub fn block_on<T>(&self, doing: impl Future<Output = T>) -> T {
        self.runtime.block_on(doing)
    }

    /// The same with the error as the client has it.
    pub fn try_wait<T>(&self, doing: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
        self.runtime.block_on(doing)
    }

    /// Sends a cache request; whatever the server says is a reply.
    pub fn ask(&self, request: &Request<'_>) -> Result<Reply, Failure> {
        self.wait(async { Reply::new(self.client.send(request).await?) })
    }
}

/// What an error of the client means for the caller of a command.
pub fn failure(error: Error) -> Failure {
    let text = anyhow::Error::from(error);
    let kind = match text.downcast_ref::<Error>() {
        Some(Error::Url { .. } | Error::Encode(_)) => Kind::Usage,
        Some(Error::Connect { .. }) => {
            let hint =
                "is a server running there? `mpreg serve` starts one, --url or MPREG_URL names another";
            return Failure::new(Kind::Unreachable, format!("{text:#}; {hint}"));
        }
        Some(Error::Lost { .. } | Error::TimedOut { .. }) => Kind::Unreachable,
        Some(Error::Node { status, code, .. }) => kind_of(status, code),
        _ => Kind::Error,
    };
    Failure::new(kind, format!("{text:#}"))
}

/// The exit code for a status and a code of the server.
fn kind_of(status: &str, code: &str) -> Kind {
    match (status, code) {
        ("conflict", _) | (_, "CACHE_CONFLICT" | "CACHE_CONSTRAINT") => Kind::Condition,
        ("timeout", _) | (_, "CACHE_UNAVAILABLE" | "CACHE_OVERLOADED" | "503" | "1004") => Kind::Unreachable,
        (_, "CACHE_DENIED" | "CACHE_UNAUTHENTICATED" | "401" | "403") => Kind::Denied,
        (_, "1001") => Kind::NotFound,
        _ => Kind::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_have_the_exit_code_of_what_can_be_done_about_them() {
        let node = |status: &str, code: &str| {
            let (status, code) = (status.to_owned(), code.to_owned());
            failure(Error::Node { status, code, message: String::new() }).kind()
        };
        assert_eq!(node("error", "CACHE_BAD_REQUEST"), Kind::Error);
        assert_eq!(node("conflict", ""), Kind::Condition);
        assert_eq!(node("error", "CACHE_CONSTRAINT"), Kind::Condition);
        assert_eq!(node("timeout", ""), Kind::Unreachable);
        assert_eq!(node("error", "1001"), Kind::NotFound);
        assert_eq!(node("error", "403"), Kind::Denied);
        assert_eq!(failure(Error::TimedOut { after: Duration::ZERO }).kind(), Kind::Unreachable);
    }
}
