//! Results of pure functions, kept in the cache under their arguments.
//!
//! The key is namespace `rpc.results`, identifier the first 32 hexadecimal digits of SHA-256 over the canonical JSON
//! (sorted, compact) of `[fun, function_id, version, args, kwargs]`, references resolved. The version is part of it,
//! so a new version of a function begins afresh. Entries are ordinary ones: they are durable, have a cost and
//! dependencies, and are read, invalidated and expired like any other.
//!
//! Calls of the same at the same time run once (*single flight*): the first runs, the others wait for its result. If
//! the first one's caller goes away, one of the others takes its place.

use std::collections::HashMap;
use std::fmt::Debug;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mpreg_storage::record::{Extras, Key, Lsn};
use mpreg_storage::store::{Operation, Read, Store};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::function::{Failure, Function, Memo, hex};

/// Where results are kept.
pub(super) const NAMESPACE: &str = "rpc.results";
/// Bytes of the digest that make the identifier; two digits each.
const DIGEST_BYTES: usize = 16;

/// What memory knows of a kept result.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// The result, and the position that must be *written* before it is told.
    Hit(String, Lsn),
    Miss,
    /// Not in memory; [`Shelf::fetch`] may find it.
    Cold,
}

/// Where results are kept, as far as this room knows: the cache.
pub(super) trait Shelf: Debug + Send + Sync {
    /// Looks into memory. Never waits.
    fn look(&self, key: &[u8]) -> Look;
    /// Looks everywhere. Blocks.
    fn fetch(&self, key: &[u8]) -> Option<String>;
    /// Keeps a result. When there is no room for it, it is not kept.
    fn keep(&self, key: &[u8], result: &str, memo: &Memo, cost: Duration);
    /// Everything up to `lsn` becomes *written*.
    fn hand_over(&self, lsn: Lsn);
}

impl Shelf for Store {
    fn look(&self, key: &[u8]) -> Look {
        let text = |entry: &mpreg_storage::memory::Entry| {
            let fields = entry.fields();
            (std::str::from_utf8(fields.value).map(str::to_owned), fields.lsn)
        };
        match self.read(key, self.now_us(), text) {
            Read::Hit((Ok(text), lsn)) => Look::Hit(text, lsn),
            Read::Hit((Err(_), _)) | Read::Miss { .. } => Look::Miss,
            Read::Cold => Look::Cold,
        }
    }

    fn fetch(&self, key: &[u8]) -> Option<String> {
        // What cannot be read is run again: a memo is never worth an error.
        let entry = Store::fetch(self, key).ok().flatten()?;
        String::from_utf8(entry.value().to_vec()).ok()
    }

    fn keep(&self, key: &[u8], result: &str, memo: &Memo, cost: Duration) {
        let mut extras = Vec::new();
        let described = Extras {
            computation_cost_ms: cost.as_secs_f64() * 1000.0,
            dependencies: &memo.dependencies,
            ..Extras::default()
        };
        if described.encode_into(&mut extras).is_err() {
            extras.clear();
        }
        let ttl_us = memo.ttl.map(|ttl| u64::try_from(ttl.as_micros()).unwrap_or(u64::MAX));
        let put = Operation::Put { key, value: result.as_bytes(), ttl_us, extras: &extras };
        match self.stage(&put) {
            Ok(outcome) => Shelf::hand_over(self, outcome.lsn),
            Err(error) => tracing::debug!(%error, "a result of a pure function is not kept"),
        }
    }

    fn hand_over(&self, lsn: Lsn) {
        // A store that has failed is found out by whoever needs it; the result itself is right.
        let _ = Store::hand_over(self, lsn);
    }
}

/// The key of a call's result.
pub(super) fn key(function: &Function, args: &str, kwargs: &str) -> Key {
    let mut digest = Sha256::new();
    let version = function.version.to_string();
    for (separator, name) in [("[", &function.name), (",", &function.function_id), (",", &version)] {
        digest.update(separator);
        digest.update(Value::from(name.as_str()).to_string());
    }
    for text in [args, kwargs] {
        digest.update(",");
        match canonical(text) {
            Some(text) => digest.update(text),
            None => digest.update(text),
        }
    }
    digest.update("]");
    let identifier = hex(&digest.finalize()[..DIGEST_BYTES]);
    Key::new(NAMESPACE, &identifier).expect("32 digits are an identifier")
}

/// The canonical form of a checked JSON text; `None` when it has it already.
fn canonical(text: &str) -> Option<String> {
    // Without objects, spaces, escapes, fractions and exponents there is one way to write a value. A string may look
    // like a fraction, which costs time and nothing else.
    let mut before = 0;
    let plain = text.bytes().all(|byte| {
        let fraction = matches!(byte, b'.' | b'e' | b'E') && u8::is_ascii_digit(&before);
        before = byte;
        !fraction && !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b'\\' | b':')
    });
    if plain {
        return None;
    }
    Some(serde_json::from_str::<Value>(text).map_or_else(|_| text.to_owned(), |value| value.to_string()))
}

/// What a call came to, for all who wait for it.
type Landed = Option<Result<Arc<str>, Failure>>;

/// Kept results and the calls under way for them.
#[derive(Debug)]
pub(super) struct Memos {
    shelf: Arc<dyn Shelf>,
    flights: Mutex<HashMap<Key, watch::Receiver<Landed>>>,
}

/// What to do about a key.
enum Boarding<'a> {
    /// Run the call and land.
    Lead(Flight<'a>),
    /// Somebody runs it.
    Follow(watch::Receiver<Landed>),
}

/// A call under way; dropping it without landing sends the others off to try for themselves.
struct Flight<'a> {
    memos: &'a Memos,
    key: Key,
    landed: watch::Sender<Landed>,
}

impl Memos {
    pub(super) fn new(shelf: Arc<dyn Shelf>) -> Memos {
        Memos { shelf, flights: Mutex::default() }
    }

    /// A result that memory holds, for callers that cannot wait: nothing may be told of it before its position is
    /// *written*.
    pub(super) fn look(&self, function: &Function, args: &str, kwargs: &str) -> Option<(String, Lsn)> {
        match self.shelf.look(key(function, args, kwargs).as_bytes()) {
            Look::Hit(result, lsn) => Some((result, lsn)),
            Look::Miss | Look::Cold => None,
        }
    }

    /// The kept result, or what `run` comes to, which is then kept.
    pub(super) async fn get_or_run<F>(
        &self,
        function: &Function,
        memo: &Memo,
        (args, kwargs): (&str, &str),
        run: impl FnOnce() -> F,
    ) -> Result<String, Failure>
    where
        F: Future<Output = Result<String, Failure>>,
    {
        let key = key(function, args, kwargs);
        loop {
            if let Some(kept) = self.kept(&key).await {
                return Ok(kept);
            }
            match self.board(&key) {
                Boarding::Lead(flight) => {
                    // Whoever led before may have landed between the look and the boarding.
                    if let Some(kept) = self.kept(&key).await {
                        flight.land(Ok(kept.as_str().into()));
                        return Ok(kept);
                    }
                    let begun = Instant::now();
                    let outcome = run().await;
                    if let Ok(result) = &outcome
                        && result != "null"
                    {
                        self.shelf.keep(key.as_bytes(), result, memo, begun.elapsed());
                    }
                    flight.land(outcome.as_deref().map(Arc::from).map_err(Clone::clone));
                    return outcome;
                }
                Boarding::Follow(mut flight) => {
                    if let Ok(landed) = flight.wait_for(Option::is_some).await
                        && let Some(outcome) = landed.clone()
                    {
                        return outcome.map(|result| result.as_ref().to_owned());
                    }
                }
            }
        }
    }

    async fn kept(&self, key: &Key) -> Option<String> {
        match self.shelf.look(key.as_bytes()) {
            Look::Hit(result, lsn) => {
                self.shelf.hand_over(lsn);
                Some(result)
            }
            Look::Miss => None,
            Look::Cold => {
                let (shelf, key) = (Arc::clone(&self.shelf), key.clone());
                tokio::task::spawn_blocking(move || shelf.fetch(key.as_bytes())).await.ok().flatten()
            }
        }
    }

    fn flights(&self) -> MutexGuard<'_, HashMap<Key, watch::Receiver<Landed>>> {
        self.flights.lock().expect("nothing panics while holding the flights")
    }

    fn board(&self, key: &Key) -> Boarding<'_> {
        let mut flights = self.flights();
        if let Some(flight) = flights.get(key) {
            return Boarding::Follow(flight.clone());
        }
        let (landed, waiting) = watch::channel(None);
        flights.insert(key.clone(), waiting);
        Boarding::Lead(Flight { memos: self, key: key.clone(), landed })
    }
}

impl Flight<'_> {
    fn land(self, outcome: Result<Arc<str>, Failure>) {
        self.landed.send_replace(Some(outcome));
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        // Before the sender goes: who then finds no flight looks again and leads.
        self.memos.flights().remove(&self.key);
    }
}
