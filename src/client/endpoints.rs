//! Several nodes, and patience: who is asked next when one does not answer, and when.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use super::endpoint::Endpoint;
use super::{Client, ConnectOptions, Error};

/// Where to connect, in order of preference, and how patiently. Clones share which one answered last.
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mpreg::client::Endpoints;
///
/// # let dir = tempfile::tempdir()?;
/// # let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
/// // Nobody listens at the first: the second is asked.
/// let endpoints = Endpoints::new(["tcp://127.0.0.1:1", &node.url()])?;
/// let client = endpoints.connect().await?;
/// assert_eq!(client.echo::<_, u8>(&1).await?, 1);
/// # drop(client);
/// # node.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Endpoints {
    urls: Arc<[String]>,
    options: ConnectOptions,
    backoff: Backoff,
    /// Index of the one that answered last.
    last: Arc<AtomicUsize>,
}

/// How long to wait between attempts, and when to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second round of attempts; doubles from round to round. Default 50 ms.
    pub first: Duration,
    /// No pause is longer. Default 5 s.
    pub longest: Duration,
    /// After this the last error is the answer. Default 1 min; [`Duration::MAX`] never gives up.
    pub give_up_after: Duration,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff {
            first: Duration::from_millis(50),
            longest: Duration::from_secs(5),
            give_up_after: Duration::from_secs(60),
        }
    }
}

impl Endpoints {
    /// One or more nodes, the preferred one first.
    ///
    /// Errors: [`Error::Url`] for a URL this client cannot use, or when there is none.
    pub fn new<U: Into<String>>(urls: impl IntoIterator<Item = U>) -> Result<Endpoints, Error> {
        let urls: Arc<[String]> = urls.into_iter().map(Into::into).collect();
        if urls.is_empty() {
            return Err(Error::Url { url: String::new(), why: "there must be at least one".to_owned() });
        }
        for url in urls.iter() {
            Endpoint::parse(url)?;
        }
        let last = Arc::new(AtomicUsize::new(0));
        Ok(Endpoints { urls, options: ConnectOptions::default(), backoff: Backoff::default(), last })
    }

    /// With these time-outs.
    #[must_use]
    pub fn options(self, options: ConnectOptions) -> Endpoints {
        Endpoints { options, ..self }
    }

    /// With this patience.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Endpoints {
        Endpoints { backoff, ..self }
    }

    /// Connects to the first that answers, beginning with the one that did last time. When none does, waits and tries again,
    /// until the patience is at its end; then the error is that of the last attempt.
    pub async fn connect(&self) -> Result<Client, Error> {
        let begin = Instant::now();
        let mut pauses = Pauses::new(self.backoff);
        loop {
            let error = match self.connect_once().await {
                Ok(client) => return Ok(client),
                Err(error) => error,
            };
            let pause = pauses.next();
            if begin.elapsed().saturating_add(pause) > self.backoff.give_up_after {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Each node once.
    async fn connect_once(&self) -> Result<Client, Error> {
        let first = self.last.load(Ordering::Relaxed);
        let mut failed = None;
        for step in 0..self.urls.len() {
            let index = (first + step) % self.urls.len();
            match Client::connect_with(&self.urls[index], self.options).await {
                Ok(client) => {
                    // Relaxed: a hint where to begin, and nothing else.
                    self.last.store(index, Ordering::Relaxed);
                    return Ok(client);
                }
                Err(error) => failed = Some(error),
            }
        }
        Err(failed.expect("there is at least one URL"))
    }

    pub(super) fn give_up_after(&self) -> Duration {
        self.backoff.give_up_after
    }

    pub(super) fn pauses(&self) -> Pauses {
        Pauses::new(self.backoff)
    }
}

/// Pauses that grow, each spread by a quarter in both directions so that clients of one lost node do not come back as one.
#[derive(Debug)]
pub(super) struct Pauses {
    backoff: Backoff,
    next: Duration,
    spread: RandomState,
    count: u64,
}

impl Pauses {
    fn new(backoff: Backoff) -> Pauses {
        Pauses { backoff, next: backoff.first, spread: RandomState::new(), count: 0 }
    }

    /// The next pause.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.next.min(self.backoff.longest);
        self.next = self.next.saturating_mul(2).min(self.backoff.longest);
        self.count += 1;
        let mut chance = self.spread.build_hasher();
        chance.write_u64(self.count);
        let part = (chance.finish() % 1000) as f64 / 2000.0 + 0.75;
        pause.mul_f64(part)
    }

    /// It went well: the next pause is the first one again.
    pub(super) fn reset(&mut self) {
        self.next = self.backoff.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_are_spread() {
        let ms = Duration::from_millis;
        let backoff = Backoff { first: ms(100), longest: ms(400), ..Backoff::default() };
        let mut pauses = Pauses::new(backoff);
        for around in [100, 200, 400, 400] {
            let pause = pauses.next();
            assert!(pause >= ms(around * 3 / 4) && pause <= ms(around * 5 / 4), "{pause:?} of {around}");
        }
        pauses.reset();
        assert!(pauses.next() <= ms(125));
        let mut others: Vec<_> = (0..20).map(|_| Pauses::new(backoff).next()).collect();
        others.dedup();
        assert!(others.len() > 10, "they differ from client to client");
    }

    #[tokio::test]
    async fn patience_ends_with_the_last_error() {
        assert!(matches!(Endpoints::new(Vec::<String>::new()), Err(Error::Url { .. })));
        assert!(matches!(Endpoints::new(["tcp://h:1", "nonsense"]), Err(Error::Url { .. })));
        let give_up_after = Duration::from_millis(200);
        let backoff = Backoff { first: Duration::from_millis(20), give_up_after, ..Backoff::default() };
        let endpoints = Endpoints::new(["tcp://127.0.0.1:1"]).unwrap().backoff(backoff);
        let begin = Instant::now();
        assert!(matches!(endpoints.connect().await, Err(Error::Connect { .. })));
        assert!(begin.elapsed() > Duration::from_millis(15), "it was tried more than once");
    }
}
