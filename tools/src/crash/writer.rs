//! One connection that writes without pause and keeps its books, and reads them back after a restart.

use std::collections::{HashMap, VecDeque};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use anyhow::Context;
use mpreg::client::{Client, Error, Level, Outcome, WriteOptions};
use serde::{Deserialize, Serialize};

use super::ledger::{KeyNumber, Ledger, State, Verdict};
use crate::random::Random;

/// Namespace of everything written here.
const NAMESPACE: &str = "crash";
/// Operations read back at once.
const READ_DEPTH: usize = 128;
/// One operation in this many deletes.
const DELETE_ONE_IN: u64 = 8;

/// A write number that no write gets.
const NOBODYS_WRITE: u64 = u64::MAX;

/// What is stored: enough to know the write again, and padding that must come back whole.
#[derive(Serialize, Deserialize)]
struct Stored {
    write: u64,
    padding: String,
}

/// Acknowledgements of one writer.
#[derive(Debug, Clone, Copy, Default)]
pub struct Acknowledged {
    pub strong: u64,
    pub eventual: u64,
    /// Sent, and without an answer when the server died.
    pub unanswered: u64,
    /// Refused by the server.
    pub rejected: u64,
}

/// A connection's writer; its books survive the server's lives.
pub struct Writer {
    number: usize,
    ledger: Ledger,
    random: Random,
    keys: u64,
    depth: usize,
    value_bytes_max: u64,
    pub acknowledged: Acknowledged,
}

type Call = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

impl Writer {
    /// Writer `number` of a run; `keys` and `value_bytes_max` are its own.
    pub fn new(number: usize, seed: u64, keys: u64, depth: usize, value_bytes_max: u64) -> Writer {
        let random = Random::split(seed, number as u64);
        let (ledger, acknowledged) = (Ledger::default(), Acknowledged::default());
        Writer { number, ledger, random, keys, depth, value_bytes_max, acknowledged }
    }

    /// Its place in the run.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Which transport this writer uses: both are tortured.
    pub fn scheme(&self) -> &'static str {
        if self.number.is_multiple_of(2) { "tcp" } else { "ws" }
    }

    /// Writes until the connection breaks, as it does when the server is killed.
    pub async fn write_until_lost(&mut self, client: &Client) -> anyhow::Result<()> {
        let mut under_way: VecDeque<(Level, Call)> = VecDeque::new();
        loop {
            while under_way.len() < self.depth {
                let (level, mut call) = self.next_call(client);
                // The first poll sends it: operations reach the server in the order of the books.
                let first = poll_fn(|context| Poll::Ready(call.as_mut().poll(context))).await;
                let call = match first {
                    Poll::Ready(outcome) => Box::pin(std::future::ready(outcome)),
                    Poll::Pending => call,
                };
                under_way.push_back((level, call));
            }
            let Some((level, call)) = under_way.pop_front() else { continue };
            match call.await {
                Ok(()) => self.acknowledge(level),
                Err(error) if error.outcome() == Outcome::Rejected => {
                    self.ledger.reject_oldest();
                    self.acknowledged.rejected += 1;
                }
                Err(Error::Lost { .. }) => {
                    self.acknowledged.unanswered += 1 + under_way.len() as u64;
                    return Ok(());
                }
                Err(error) => return Err(error).with_context(|| format!("writer {}", self.number)),
            }
        }
    }

    fn acknowledge(&mut self, level: Level) {
        self.ledger.acknowledge_oldest();
        match level {
            Level::Strong => self.acknowledged.strong += 1,
            Level::Eventual => self.acknowledged.eventual += 1,
        }
    }

    /// Chooses an operation, enters it in the books and prepares its call.
    fn next_call(&mut self, client: &Client) -> (Level, Call) {
        let key = self.random.below(self.keys);
        let level = if self.random.below(2) == 0 { Level::Strong } else { Level::Eventual };
        let options = WriteOptions::default().level(level);
        let (client, identifier) = (client.clone(), self.identifier(key));
        if self.random.below(DELETE_ONE_IN) == 0 {
            self.ledger.sent(key, None);
            let call =
                async move { client.delete_with((NAMESPACE, identifier.as_str()), options).await.map(drop) };
            return (level, Box::pin(call));
        }
        let write = self.ledger.next_write();
        self.ledger.sent(key, Some(write));
        let stored = Stored { write, padding: self.padding(key, write) };
        let call = async move {
            client.put_with((NAMESPACE, identifier.as_str()), &stored, options).await.map(drop)
        };
        (level, Box::pin(call))
    }

    fn identifier(&self, key: KeyNumber) -> String {
        format!("{}-{key}", self.number)
    }

    /// Letters that follow from the write alone, so that they can be checked later.
    fn padding(&self, key: KeyNumber, write: u64) -> String {
        let mut random = Random::split(write, key << 8 | self.number as u64);
        let length = random.below(self.value_bytes_max.max(1));
        (0..length).map(|_| char::from(b'a' + (random.next() % 26) as u8)).collect()
    }

    /// Reads every key that was ever written and judges what is there.
    pub async fn read_back(&mut self, client: &Client) -> anyhow::Result<Verdict> {
        let mut seen = HashMap::new();
        for keys in self.ledger.keys().chunks(READ_DEPTH) {
            let calls: Vec<_> = keys.iter().map(|&key| self.spawn_get(client, key)).collect();
            for (&key, call) in keys.iter().zip(calls) {
                let stored = call.await?.with_context(|| format!("reading {}", self.identifier(key)))?;
                seen.insert(key, self.checked(key, stored));
            }
        }
        Ok(self.ledger.judge(&seen))
    }

    fn spawn_get(
        &self,
        client: &Client,
        key: KeyNumber,
    ) -> tokio::task::JoinHandle<Result<Option<Stored>, Error>> {
        let (client, identifier) = (client.clone(), self.identifier(key));
        tokio::spawn(async move { client.get((NAMESPACE, identifier.as_str())).await })
    }

    /// Which write this is; one that comes back with other bytes is none of ours.
    fn checked(&self, key: KeyNumber, stored: Option<Stored>) -> State {
        let stored = stored?;
        if stored.padding == self.padding(key, stored.write) {
            return Some(stored.write);
        }
        eprintln!("{} holds write {} with other bytes than were written", self.identifier(key), stored.write);
        Some(NOBODYS_WRITE)
    }
}
