//! `atomic`: read and write one entry in one step.

use std::time::Duration;

use clap::{Args, Subcommand};
use mpreg::client::{Atomic, Error, Request};

use super::connection::AtLevel;
use super::entry::Numbered;
use super::key::KeyArguments;
use super::value::{self, Json, duration};
use super::{Session, failure, show};
use crate::failure::Outcome;

#[derive(Args)]
pub struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Add a number; a missing entry counts as 0.
    #[command(visible_alias = "inc")]
    Increment(Step),
    /// Subtract a number; a missing entry counts as 0.
    #[command(visible_alias = "dec")]
    Decrement(Step),
    /// Put text behind a text, or a value (all of an array) behind a list.
    Append(Addition),
    /// Put text before a text, or a value (all of an array) before a list.
    Prepend(Addition),
    /// Store a value if the entry equals another, or if there is none.
    TestAndSet(Swap),
    /// The same under the protocol's other name.
    CompareAndSwap(Swap),
    /// Move the end of the entry's life.
    ExtendTtl(Extension),
}

/// What all of them can be told.
#[derive(Args)]
struct More {
    #[command(flatten)]
    level: AtLevel,
    /// How long the new value lives.
    #[arg(long, value_parser = duration)]
    ttl: Option<Duration>,
    /// Conditions as JSON: '{"value":{"$gte":2}}', '{"if_exists":true}'.
    #[arg(long = "if", value_name = "JSON")]
    conditions: Option<Json>,
    /// A constraint the new value must satisfy, as JSON; may come several times.
    #[arg(long = "constraint", value_name = "JSON")]
    constraints: Vec<Json>,
    #[command(flatten)]
    numbered: Numbered,
}

#[derive(Args)]
struct Step {
    #[command(flatten)]
    key: KeyArguments,
    /// By how much.
    #[arg(default_value = "1", allow_negative_numbers = true)]
    by: Json,
    /// What a missing entry counts as.
    #[arg(long, value_name = "JSON", allow_negative_numbers = true)]
    initial: Option<Json>,
    /// A missing entry stays missing.
    #[arg(long)]
    only_existing: bool,
    #[command(flatten)]
    more: More,
}

#[derive(Args)]
struct Addition {
    #[command(flatten)]
    key: KeyArguments,
    /// What is added, as JSON; - reads it from stdin.
    #[arg(allow_negative_numbers = true)]
    value: String,
    /// It is a text, to be added as it stands.
    #[arg(long)]
    string: bool,
    /// A missing entry stays missing.
    #[arg(long)]
    only_existing: bool,
    #[command(flatten)]
    more: More,
}

#[derive(Args)]
struct Swap {
    #[command(flatten)]
    key: KeyArguments,
    /// The new value as JSON; - reads it from stdin.
    #[arg(allow_negative_numbers = true)]
    new: String,
    /// The new value is a text, to be stored as it stands.
    #[arg(long)]
    string: bool,
    /// What the entry must equal, as JSON; left out: there must be no entry.
    #[arg(long, value_name = "JSON", default_value = "null", allow_negative_numbers = true)]
    expect: Json,
    #[command(flatten)]
    more: More,
}

#[derive(Args)]
struct Extension {
    #[command(flatten)]
    key: KeyArguments,
    /// By how long.
    #[arg(value_parser = duration)]
    by: Duration,
    #[command(flatten)]
    level: AtLevel,
    #[command(flatten)]
    numbered: Numbered,
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        match &self.verb {
            Verb::Increment(step) => step.run(session, Atomic::increment(&step.by.0)),
            Verb::Decrement(step) => step.run(session, Atomic::decrement(&step.by.0)),
            Verb::Append(addition) => addition.run(session, Atomic::append),
            Verb::Prepend(addition) => addition.run(session, Atomic::prepend),
            Verb::TestAndSet(swap) => swap.run(session, Atomic::test_and_set),
            Verb::CompareAndSwap(swap) => swap.run(session, Atomic::compare_and_swap),
            Verb::ExtendTtl(extension) => {
                let operation = Atomic::extend_ttl(extension.by);
                let request = Request::atomic(extension.key.get(), operation).level(extension.level.get());
                let request = extension.numbered.apply(request);
                show::reply(session, &extension.key.to_string(), &session.ask(&request)?)
            }
        }
    }
}

type Raw = serde_json::value::RawValue;

impl Step {
    fn run(&self, session: &Session, operation: Result<Atomic, Error>) -> Outcome {
        let mut operation = operation.map_err(failure)?;
        if let Some(initial) = &self.initial {
            operation = operation.initial(&initial.0).map_err(failure)?;
        }
        self.more.run(session, &self.key, operation, self.only_existing)
    }
}

impl Addition {
    fn run(&self, session: &Session, make: impl Fn(&Raw) -> Result<Atomic, Error>) -> Outcome {
        let value = value::read(&self.value, self.string)?;
        self.more.run(session, &self.key, make(&value).map_err(failure)?, self.only_existing)
    }
}

impl Swap {
    fn run(&self, session: &Session, make: impl Fn(&Raw, &Raw) -> Result<Atomic, Error>) -> Outcome {
        let new = value::read(&self.new, self.string)?;
        self.more.run(session, &self.key, make(&self.expect.0, &new).map_err(failure)?, false)
    }
}

impl More {
    fn run(
        &self,
        session: &Session,
        key: &KeyArguments,
        mut operation: Atomic,
        only_existing: bool,
    ) -> Outcome {
        if only_existing {
            operation = operation.only_existing();
        }
        if let Some(ttl) = self.ttl {
            operation = operation.ttl(ttl);
        }
        if let Some(conditions) = &self.conditions {
            operation = operation.only_if(&conditions.0).map_err(failure)?;
        }
        let mut request = Request::atomic(key.get(), operation).level(self.level.get());
        for constraint in &self.constraints {
            request = request.constraint(&constraint.0).map_err(failure)?;
        }
        let reply = session.ask(&self.numbered.apply(request))?;
        show::reply(session, &key.to_string(), &reply)
    }
}
