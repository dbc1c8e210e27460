//! `sub`: messages of topics, as they come.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use clap::Args;
use mpreg::client::{Backoff, Endpoints, Event, Gap, Message, Place, Start, Subscriber, Subscription};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::value::duration;
use super::{Format, Session, failure};
use crate::failure::{Failure, Kind, Outcome};
use crate::output;

/// Messages printed before they are committed although more are waiting.
const COMMIT_EVERY: u64 = 64;

#[derive(Args)]
pub struct Arguments {
    /// Patterns: * stands for one part between dots, # for any number of them.
    #[arg(required = true)]
    patterns: Vec<String>,
    /// Where to begin: latest, earliest, an offset (1:42, behind it), a time (2026-11-25T08:00:00Z) or how long ago (5m).
    #[arg(long, default_value = "latest", value_parser = beginning)]
    from: Start,
    /// Name under which the server keeps how far this has come; what is printed is committed.
    #[arg(long, value_name = "NAME")]
    durable: Option<String>,
    /// All who use the durable name share its messages.
    #[arg(long, requires = "durable")]
    shared: bool,
    /// Commit nothing.
    #[arg(long, requires = "durable")]
    no_commit: bool,
    /// End after so many messages.
    #[arg(long)]
    limit: Option<u64>,
    /// End when nothing has come for so long.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    idle: Option<Duration>,
}

/// A message. The JSON keys are stable.
#[derive(Serialize)]
pub struct Row<'a> {
    pub topic: &'a str,
    pub offset: Option<&'a str>,
    pub message_id: &'a str,
    pub publisher: &'a str,
    pub timestamp: f64,
    pub headers: Value,
    pub payload: &'a RawValue,
}

/// What is missing. The JSON keys are stable.
#[derive(Serialize)]
struct GapRow<'a> {
    gap: GapBounds<'a>,
}

#[derive(Serialize)]
struct GapBounds<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    count: Option<u64>,
}

/// Where a subscription begins, in words.
fn beginning(text: &str) -> Result<Start, String> {
    match text {
        "latest" => return Ok(Start::Latest),
        "earliest" => return Ok(Start::Earliest),
        _ => {}
    }
    if text.split(':').count() >= 2 && text.split(':').all(|part| part.parse::<u64>().is_ok()) {
        return Ok(Start::After(Place::after(text)));
    }
    if let Ok(time) = humantime::parse_rfc3339_weak(text) {
        return Ok(Start::Time(time));
    }
    let wanted = "it is latest, earliest, an offset such as 1:42, a time such as 2026-11-25T08:00:00Z, or how long ago";
    duration(text).map(Start::Ago).map_err(|_| wanted.to_owned())
}

impl Arguments {
    pub fn run(&self, session: &Session) -> Outcome {
        session.block_on(async {
            tokio::select! {
                outcome = self.print(session) => outcome,
                _ = tokio::signal::ctrl_c() => Err(Failure::new(Kind::Interrupted, "interrupted")),
            }
        })
    }

    async fn print(&self, session: &Session) -> Outcome {
        let mut subscriber =
            Subscriber::open(endpoints(session)?, self.subscription()).await.map_err(failure)?;
        eprintln!("subscribed; interrupt to stop");
        let (mut printed, mut uncommitted) = (0, None::<Message>);
        while self.limit.is_none_or(|limit| printed < limit) {
            // What was printed is committed as soon as nothing more is there, and now and then before.
            let ready = match printed % COMMIT_EVERY {
                0 => None,
                _ => tokio::time::timeout(Duration::ZERO, subscriber.next()).await.ok(),
            };
            let event = match ready {
                Some(event) => event,
                None => {
                    self.commit(&mut subscriber, &mut uncommitted).await?;
                    match self.wait(&mut subscriber).await {
                        Some(event) => event,
                        None => break,
                    }
                }
            };
            match event.map_err(failure)? {
                Event::Message(message) => {
                    print_message(session.format, &message)?;
                    printed += 1;
                    uncommitted = Some(message);
                }
                Event::Gap(gap) => print_gap(session.format, &gap)?,
            }
        }
        self.commit(&mut subscriber, &mut uncommitted).await?;
        subscriber.close().await.map_err(failure)
    }

    fn subscription(&self) -> Subscription {
        let subscription = Subscription::new(&self.patterns).start(self.from.clone());
        match &self.durable {
            Some(name) if self.shared => subscription.shared(name),
            Some(name) => subscription.durable(name),
            None => subscription,
        }
    }

    /// The next event; `None` when none comes for too long.
    async fn wait(&self, subscriber: &mut Subscriber) -> Option<Result<Event, mpreg::client::Error>> {
        match self.idle {
            Some(idle) => tokio::time::timeout(idle, subscriber.next()).await.ok(),
            None => Some(subscriber.next().await),
        }
    }

    /// Commits the last message printed, unless that was done.
    async fn commit(&self, subscriber: &mut Subscriber, uncommitted: &mut Option<Message>) -> Outcome {
        match uncommitted.take() {
            Some(message) if self.durable.is_some() && !self.no_commit && message.offset.is_some() => {
                io::stdout().flush()?;
                subscriber.commit(&message).await.map_err(failure)
            }
            _ => Ok(()),
        }
    }
}

/// The session's server, waited for without end once it has answered.
fn endpoints(session: &Session) -> Result<Endpoints, Failure> {
    let connection = &session.connection;
    let never = Backoff { give_up_after: Duration::MAX, ..Backoff::default() };
    let endpoints = Endpoints::new([connection.url.clone()]).map_err(failure)?;
    Ok(endpoints.options(connection.options()).backoff(never))
}

fn print_message(format: Format, message: &Message) -> io::Result<()> {
    let since = message.published.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let headers = message.headers.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    let row = Row {
        topic: &message.topic,
        offset: message.offset.as_deref(),
        message_id: &message.id,
        publisher: &message.publisher,
        timestamp: since.as_secs_f64(),
        headers: Value::Object(headers),
        payload: &message.payload,
    };
    print_row(format, since.as_micros() as u64, &row)
}

/// One message in the way of `format`; `time_us` is what people are shown.
pub fn print_row(format: Format, time_us: u64, row: &Row<'_>) -> io::Result<()> {
    match format {
        Format::Json => output::json_line(row),
        Format::Raw => print_line(row.payload.get()),
        Format::Table => {
            let offset = row.offset.unwrap_or("-");
            print_line(&format!("{} {offset} {} {}", output::time(time_us), row.topic, row.payload.get()))
        }
    }
}

/// Gaps are for whoever reads the messages; where there is no room for them they go to stderr.
fn print_gap(format: Format, gap: &Gap) -> io::Result<()> {
    let bounds = GapBounds { from: gap.from.as_deref(), to: gap.to.as_deref(), count: gap.count };
    if format == Format::Json {
        return output::json_line(&GapRow { gap: bounds });
    }
    let count = bounds.count.map_or("some".to_owned(), |count| count.to_string());
    let span = [bounds.from, bounds.to].map(|offset| offset.unwrap_or("?")).join(" to ");
    eprintln!("gap: {count} messages did not come, {span}");
    Ok(())
}

fn print_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}")?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_are_told_apart() {
        assert_eq!(beginning("latest").unwrap(), Start::Latest);
        assert_eq!(beginning("1:42").unwrap(), Start::After(Place::after("1:42")));
        assert_eq!(beginning("1:42:0").unwrap(), Start::After(Place::after("1:42:0")));
        assert_eq!(beginning("5m").unwrap(), Start::Ago(Duration::from_secs(300)));
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        assert_eq!(beginning("2023-11-14T22:13:20Z").unwrap(), Start::Time(time));
        assert!(beginning("soon").unwrap_err().contains("earliest"));
    }
}
