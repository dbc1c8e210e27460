//! `invalidate` and `query`: entries by pattern or tag.

use clap::Args;
use mpreg::client::{Request, Status};
use serde::Deserialize;

use super::connection::AtLevel;
use super::{Format, Session, failure, show};
use crate::failure::{Failure, Kind, Outcome};

#[derive(Args)]
pub struct Invalidate {
    /// A glob, tried against ns:id:version, ns:id, ns.id and ns.
    #[arg(required_unless_present = "tags", conflicts_with = "tags")]
    pattern: Option<String>,
    /// A tag; may come several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// What depends on it goes, too. Not with tags: the server follows dependencies of what a pattern finds.
    #[arg(long, conflicts_with = "tags")]
    cascade: bool,
    /// Why, for whoever reads the events.
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    level: AtLevel,
}

impl Invalidate {
    pub fn run(&self, session: &Session) -> Outcome {
        let mut request = match &self.pattern {
            Some(pattern) => Request::invalidate(pattern),
            None => Request::invalidate_tags(&self.tags),
        };
        request = request.level(self.level.get());
        if self.cascade {
            request = request.cascade();
        }
        if let Some(reason) = &self.reason {
            request = request.reason(reason);
        }
        let reply = session.ask(&request)?;
        let what = self.pattern.clone().unwrap_or_else(|| self.tags.join(", "));
        if session.format == Format::Json {
            return show::reply(session, &what, &reply);
        }
        let reply = reply.check().map_err(failure)?;
        if reply.status() == Status::Miss {
            return Err(Failure::new(Kind::NotFound, format!("{what}: no entry matches")));
        }
        let count = reply.namespace().map_err(failure)?.count;
        Ok(show::line(&format!("{count} entries removed"))?)
    }
}

#[derive(Args)]
pub struct Query {
    /// The namespace.
    namespace: String,
    /// A glob on the identifier.
    #[arg(default_value = "*")]
    pattern: String,
}

impl Query {
    pub fn run(&self, session: &Session) -> Outcome {
        let reply = session.ask(&Request::query(&self.namespace, &self.pattern))?;
        let what = format!("{}:{}", self.namespace, self.pattern);
        if session.format != Format::Table {
            return show::reply(session, &what, &reply);
        }
        let reply = reply.check().map_err(failure)?;
        let keys: Vec<Text> = reply.entry().map_err(failure)?.map(|entry| entry.value).unwrap_or_default();
        for Text(key) in &keys {
            show::line(key)?;
        }
        if keys.is_empty() {
            return Err(Failure::new(Kind::NotFound, format!("{what}: no key matches")));
        }
        Ok(())
    }
}

#[derive(Deserialize)]
struct Text(String);
