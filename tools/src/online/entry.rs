//! `get`, `put`, `del`.

use std::time::Duration;

use clap::Args;
use mpreg::client::Request;

use super::connection::AtLevel;
use super::key::KeyArguments;
use super::value::{self, Json, duration};
use super::{Session, failure, show};
use crate::failure::Outcome;

#[derive(Args)]
pub struct Get {
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    level: AtLevel,
    /// If there is nothing, ask to be the one who fills it within this time.
    #[arg(long, value_name = "TIME", value_parser = duration, conflicts_with = "give_up")]
    lease: Option<Duration>,
    /// Give a lease back: the value could not be computed.
    #[arg(long, value_name = "TOKEN")]
    give_up: Option<u64>,
}

impl Get {
    pub fn run(&self, session: &Session) -> Outcome {
        let mut request = Request::get(self.key.get()).level(self.level.get());
        if let Some(ttl) = self.lease {
            request = request.lease(ttl);
        }
        if let Some(token) = self.give_up {
            request = request.give_up(token);
        }
        show::reply(session, &self.key.to_string(), &session.ask(&request)?)
    }
}

#[derive(Args)]
pub struct Put {
    #[command(flatten)]
    key: KeyArguments,
    /// The value as JSON; - reads it from stdin.
    #[arg(allow_negative_numbers = true, required_unless_present = "negative")]
    value: Option<String>,
    /// The value is a text, to be stored as it stands.
    #[arg(long)]
    string: bool,
    #[command(flatten)]
    level: AtLevel,
    #[command(flatten)]
    life: Life,
    /// A tag by which the entry can be invalidated; may come several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A key the value was computed from, as NAMESPACE:IDENTIFIER or NAMESPACE:IDENTIFIER:VERSION; may come several times.
    #[arg(long = "depends-on", value_name = "KEY")]
    depends_on: Vec<String>,
    /// What computing the value cost, in milliseconds.
    #[arg(long)]
    cost_ms: Option<f64>,
    /// A constraint the value must satisfy, as JSON; may come several times.
    #[arg(long = "constraint", value_name = "JSON")]
    constraints: Vec<Json>,
    /// In memory only.
    #[arg(long)]
    volatile: bool,
    /// Remember that there is no such thing.
    #[arg(long, conflicts_with_all = ["value", "string"])]
    negative: bool,
    /// The lease this value was computed for.
    #[arg(long, value_name = "TOKEN")]
    fill: Option<u64>,
    #[command(flatten)]
    numbered: Numbered,
}

/// How long an entry lives.
#[derive(Args)]
struct Life {
    /// How long the entry lives: 90s, 5m, 1h.
    #[arg(long, value_parser = duration)]
    ttl: Option<Duration>,
    /// Every read makes its life start anew.
    #[arg(long, requires = "ttl")]
    sliding: bool,
    /// Spread its life by up to so many percent.
    #[arg(long, requires = "ttl")]
    jitter_percent: Option<f64>,
    /// How long after its end the value may be read while somebody computes it anew.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "ttl")]
    stale_while_revalidate: Option<Duration>,
    /// How long after its end the value may be read because it cannot be computed.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "ttl")]
    stale_if_error: Option<Duration>,
}

impl Life {
    fn apply<'a>(&self, mut request: Request<'a>) -> Request<'a> {
        request = request.ttl(self.ttl);
        if self.sliding {
            request = request.sliding();
        }
        if let Some(percent) = self.jitter_percent {
            request = request.jitter_percent(percent);
        }
        if let Some(window) = self.stale_while_revalidate {
            request = request.stale_while_revalidate(window);
        }
        if let Some(window) = self.stale_if_error {
            request = request.stale_if_error(window);
        }
        request
    }
}

/// A write that may be repeated.
#[derive(Args)]
pub struct Numbered {
    /// Name of the client whose write this is; it is applied once, however often it is sent.
    #[arg(long, requires = "seq")]
    client: Option<String>,
    /// Number of the write among those of its client.
    #[arg(long, requires = "client")]
    seq: Option<u64>,
}

impl Numbered {
    pub fn apply<'a>(&self, request: Request<'a>) -> Request<'a> {
        match (&self.client, self.seq) {
            (Some(id), Some(seq)) => request.numbered(id, seq),
            _ => request,
        }
    }
}

impl Put {
    pub fn run(&self, session: &Session) -> Outcome {
        let value = self.value.as_deref().map(|text| value::read(text, self.string)).transpose()?;
        let mut request = match &value {
            Some(value) => Request::put_raw(self.key.get(), value),
            None => Request::put_negative(self.key.get()),
        };
        request = self.numbered.apply(self.life.apply(request)).level(self.level.get());
        if !self.tags.is_empty() {
            request = request.tags(&self.tags);
        }
        if !self.depends_on.is_empty() {
            request = request.depends_on(&self.depends_on);
        }
        if let Some(cost) = self.cost_ms {
            request = request.cost_ms(cost);
        }
        for constraint in &self.constraints {
            request = request.constraint(&constraint.0).map_err(failure)?;
        }
        if self.volatile {
            request = request.volatile();
        }
        if let Some(token) = self.fill {
            request = request.fill(token);
        }
        show::reply(session, &self.key.to_string(), &session.ask(&request)?)
    }
}

#[derive(Args)]
pub struct Delete {
    #[command(flatten)]
    key: KeyArguments,
    #[command(flatten)]
    level: AtLevel,
    /// What depends on it goes, too.
    #[arg(long)]
    cascade: bool,
    #[command(flatten)]
    numbered: Numbered,
}

impl Delete {
    pub fn run(&self, session: &Session) -> Outcome {
        let mut request = self.numbered.apply(Request::delete(self.key.get()).level(self.level.get()));
        if self.cascade {
            request = request.cascade();
        }
        show::reply(session, &self.key.to_string(), &session.ask(&request)?)
    }
}
