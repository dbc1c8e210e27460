//! `batch`: several operations, all or none.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use clap::Args;
use mpreg::client::{Level, Reply, Status};
use serde::Serialize;
use serde_json::value::RawValue;

use super::connection::AtLevel;
use super::value::Json;
use super::{Format, Session, failure, show};
use crate::failure::{Failure, Outcome};

#[derive(Args)]
pub struct Arguments {
    /// Operations as the protocol has them, one JSON object on each line; - is stdin.
    #[arg(default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    level: AtLevel,
}

#[derive(Serialize)]
struct Message {
    role: &'static str,
    operation: &'static str,
    operations: Vec<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    options: Option<Options>,
}

#[derive(Serialize)]
struct Options {
    consistency_level: &'static str,
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        let operations = self.operations()?;
        let options = self.level.get().map(|level| Options {
            consistency_level: if level == Level::Strong { "strong" } else { "eventual" },
        });
        let message = Message { role: "cache-request", operation: "batch", operations, options };
        let reply = session.wait(async { Reply::new(session.client.send(&message).await?) })?;
        let done = matches!(reply.status(), Status::Hit | Status::Partial);
        if session.format == Format::Json || !done {
            return show::reply(session, "batch", &reply);
        }
        for result in reply.batch().map_err(failure)? {
            show::line(result.text())?;
        }
        Ok(())
    }

    fn operations(&self) -> Result<Vec<Box<RawValue>>, Failure> {
        let input: Box<dyn BufRead> = if self.file.as_os_str() == "-" {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(BufReader::new(std::fs::File::open(&self.file)?))
        };
        let mut operations = Vec::new();
        for (number, line) in input.lines().enumerate() {
            let line = line?;
            if line.trim().is_empty() {
                continue;
            }
            let json: Result<Json, String> = line.parse();
            let json = json.map_err(|error| Failure::usage(format!("line {}: {error}", number + 1)))?;
            operations.push(json.0);
        }
        Ok(operations)
    }
}
