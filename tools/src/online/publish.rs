//! `pub`: publish messages.

use std::collections::VecDeque;
use std::io::BufRead;

use clap::{Args, ValueEnum};
use mpreg::client::{Answer, Durability, Publish, Published};
use serde::Serialize;
use serde_json::Value;

use super::value::{self, assignment};
use super::{Format, Session, failure, show};
use crate::failure::{Failure, Outcome};
use crate::output::grouped;

/// Lines under way at once.
const IN_FLIGHT_MAX: usize = 500;

#[derive(Args)]
pub struct Arguments {
    /// The topic.
    topic: String,
    /// The payload as JSON; - reads it from stdin.
    #[arg(allow_negative_numbers = true, required_unless_present = "lines", conflicts_with = "lines")]
    payload: Option<String>,
    /// Every line of stdin is a payload.
    #[arg(long)]
    lines: bool,
    /// Payloads are texts, to be published as they stand.
    #[arg(long)]
    string: bool,
    /// How safe it must be before it is acknowledged and told; default: what the topic has.
    #[arg(long, value_enum)]
    level: Option<LevelName>,
    /// A header, its value as JSON or else a text; may come several times.
    #[arg(long = "header", value_name = "NAME=VALUE", value_parser = assignment)]
    headers: Vec<(String, String)>,
    /// Id of the message; the server chooses one otherwise.
    #[arg(long, conflicts_with = "lines")]
    id: Option<String>,
    /// Who publishes it.
    #[arg(long, default_value = "mpreg-tools")]
    publisher: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum LevelName {
    /// Delivered, not stored.
    Volatile,
    /// Handed to the operating system.
    Eventual,
    /// On disk.
    Strong,
}

/// What the server says to a message. The JSON keys are stable.
#[derive(Serialize)]
struct Row<'a> {
    topic: &'a str,
    offset: Option<&'a str>,
    durability: Option<&'static str>,
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        if self.lines {
            return self.publish_lines(session);
        }
        let text = value::read(self.payload.as_deref().unwrap_or("-"), self.string)?;
        let mut message = self.message(&text)?;
        if let Some(id) = &self.id {
            message = message.id(id);
        }
        let published = session.wait(session.client.publish_with(&message))?;
        let row = self.row(&published);
        if session.format == Format::Json {
            return Ok(crate::output::json_line(&row)?);
        }
        let durability = row.durability.unwrap_or_default();
        Ok(show::line(&format!("{} {} {durability}", self.topic, row.offset.unwrap_or("-")))?)
    }

    /// Publishes line by line, many at once and in order. The first failure ends it.
    fn publish_lines(&self, session: &Session) -> Outcome {
        let mut count = 0;
        let published: Outcome = session.block_on(async {
            let mut under_way: VecDeque<Answer> = VecDeque::new();
            for (number, line) in std::io::stdin().lock().lines().enumerate() {
                let text = value::read_text(&line?, self.string)
                    .map_err(|error| Failure::usage(format!("line {}: {error}", number + 1)))?;
                let message = self.message(&text)?;
                if under_way.len() == IN_FLIGHT_MAX
                    && let Some(oldest) = under_way.pop_front()
                {
                    finish(oldest).await?;
                    count += 1;
                }
                under_way.push_back(session.client.submit(&message).await.map_err(failure)?);
            }
            for publishing in under_way {
                finish(publishing).await?;
                count += 1;
            }
            Ok(())
        });
        eprintln!("{} messages published", grouped(count));
        published
    }

    fn message(&self, payload: &serde_json::value::RawValue) -> Result<Publish, Failure> {
        let mut message = Publish::new(&self.topic, payload).map_err(failure)?.publisher(&self.publisher);
        if let Some(level) = self.level {
            message = message.durability(match level {
                LevelName::Volatile => Durability::Volatile,
                LevelName::Eventual => Durability::Eventual,
                LevelName::Strong => Durability::Strong,
            });
        }
        for (name, text) in &self.headers {
            let value = serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()));
            message = message.header(name, value);
        }
        Ok(message)
    }

    fn row<'a>(&'a self, published: &'a Published) -> Row<'a> {
        let durability = published.durability.map(|durability| match durability {
            Durability::Volatile => "volatile",
            Durability::Eventual => "eventual",
            Durability::Strong => "strong",
        });
        Row { topic: &self.topic, offset: published.offset.as_deref(), durability }
    }
}

async fn finish(publishing: Answer) -> Outcome {
    let reply = publishing.reply().await.map_err(failure)?;
    Published::read(&reply).map(drop).map_err(failure)
}
