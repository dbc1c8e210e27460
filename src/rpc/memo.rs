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

use super::function::{Failure, Memo, hex};

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
        // Whether the key is there already is asked of L2 where memory does not know: one read of a cached page.
        match self.stage_blocking(&put) {
            Ok(outcome) => Shelf::hand_over(self, outcome.outcome.lsn),
            Err(error) => tracing::debug!(%error, "a result of a pure function is not kept"),
        }
    }

    fn hand_over(&self, lsn: Lsn) {
        // A store that has failed is found out by whoever needs it; the result itself is right.
        let _ = Store::hand_over(self, lsn);
    }
}

/// The key of a call's result.
pub(super) fn key(memo: &Memo, args: &str, kwargs: &str) -> Key {
    let mut digest = Sha256::new();
    digest.update(&memo.prefix);
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
    pub(super) fn look(&self, memo: &Memo, args: &str, kwargs: &str) -> Option<(String, Lsn)> {
        match self.shelf.look(key(memo, args, kwargs).as_bytes()) {
            Look::Hit(result, lsn) => Some((result, lsn)),
            Look::Miss | Look::Cold => None,
        }
    }

    /// The kept result, or what `run` comes to, which is then kept.
    pub(super) async fn get_or_run<F>(
        &self,
        memo: &Memo,
        (args, kwargs): (&str, &str),
        run: impl FnOnce() -> F,
    ) -> Result<String, Failure>
    where
        F: Future<Output = Result<String, Failure>>,
    {
        let key = key(memo, args, kwargs);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rpc::function::{Code, Declaration, Function};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// A shelf of nothing but memory, that may forget and be cold.
    #[derive(Debug, Default)]
    struct Board {
        kept: Mutex<HashMap<Vec<u8>, String>>,
        cold: std::sync::atomic::AtomicBool,
        keeps: std::sync::atomic::AtomicBool,
        handed_over: AtomicUsize,
    }

    impl Shelf for Board {
        fn look(&self, key: &[u8]) -> Look {
            match self.kept.lock().unwrap().get(key) {
                Some(_) if self.cold.load(Ordering::SeqCst) => Look::Cold,
                Some(text) => Look::Hit(text.clone(), Lsn(7)),
                None => Look::Miss,
            }
        }

        fn fetch(&self, key: &[u8]) -> Option<String> {
            self.kept.lock().unwrap().get(key).cloned()
        }

        fn keep(&self, key: &[u8], result: &str, _: &Memo, _: Duration) {
            if self.keeps.load(Ordering::SeqCst) {
                self.kept.lock().unwrap().insert(key.to_vec(), result.to_owned());
            }
        }

        fn hand_over(&self, lsn: Lsn) {
            self.handed_over.store(usize::try_from(lsn.0).unwrap(), Ordering::SeqCst);
        }
    }

    fn memo(value: Value) -> Memo {
        let declaration: Declaration = serde_json::from_value(value).unwrap();
        Function::new(&declaration, Code::Workers(0)).unwrap().memo.unwrap()
    }

    fn pure(version: &str) -> Memo {
        memo(serde_json::json!({"name": "f", "version": version, "pure": true}))
    }

    struct Stage {
        memos: Arc<Memos>,
        board: Arc<Board>,
        runs: Arc<AtomicUsize>,
        go: Arc<tokio::sync::Notify>,
    }

    impl Stage {
        fn new(keeps: bool) -> Stage {
            let board = Arc::new(Board::default());
            board.keeps.store(keeps, Ordering::SeqCst);
            let memos = Arc::new(Memos::new(Arc::clone(&board) as Arc<dyn Shelf>));
            Stage { memos, board, runs: Arc::default(), go: Arc::default() }
        }

        /// A call that runs until it is let go.
        fn call(
            &self,
            outcome: Result<&'static str, &'static str>,
        ) -> tokio::task::JoinHandle<Result<String, Failure>> {
            let (memos, runs, go) = (Arc::clone(&self.memos), Arc::clone(&self.runs), Arc::clone(&self.go));
            tokio::spawn(async move {
                let memo = pure("1");
                let run = || async {
                    runs.fetch_add(1, Ordering::SeqCst);
                    go.notified().await;
                    outcome.map(str::to_owned).map_err(Failure::value)
                };
                memos.get_or_run(&memo, ("[1]", "{}"), run).await
            })
        }

        async fn settle(&self) {
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }

        fn runs(&self) -> usize {
            self.runs.load(Ordering::SeqCst)
        }
    }

    #[test]
    fn keys_depend_on_what_is_called_and_not_on_how_it_is_written() {
        let same = |args: &str, kwargs: &str| key(&pure("1"), args, kwargs);
        let plain = same(r#"[{"a":1,"b":"x"}]"#, "{}");
        assert_eq!(plain, same(r#" [ { "b" : "x" , "a" : 1 } ] "#, "{ }"));
        assert_eq!(plain, same(r#"[{"a":1,"b":"\u0078"}]"#, "{}"));
        assert_ne!(plain, same(r#"[{"a":1.0,"b":"x"}]"#, "{}"), "a float is another argument");
        assert_ne!(plain, same(r#"[{"a":2,"b":"x"}]"#, "{}"));
        assert_ne!(same("[1]", "{}"), same("[]", r#"{"a":1}"#));
        assert_ne!(same("[1]", "{}"), key(&pure("1.0.1"), "[1]", "{}"));
        let other = memo(serde_json::json!({"name": "f", "function_id": "g", "pure": true}));
        assert_ne!(same("[1]", "{}"), key(&other, "[1]", "{}"));
        assert_eq!(same("[1]", "{}").parts().namespace, "rpc.results");
        assert_eq!(same("[1]", "{}").parts().identifier.len(), 32);
    }

    #[test]
    fn the_short_way_to_the_canonical_form_is_the_long_one() {
        for text in [
            "[]",
            "[1,-5,true,null]",
            r#"["plain text? no: spaces"]"#,
            r#"["véte",["e1"]]"#,
            "[1e5]",
            "[0.5]",
            r#"[{"a":1}]"#,
        ] {
            let long = serde_json::from_str::<Value>(text).unwrap().to_string();
            assert_eq!(canonical(text).unwrap_or_else(|| text.to_owned()), long, "{text}");
        }
        assert_eq!(canonical("[1,-5,true,null]"), None);
        assert_eq!(canonical(r#"["véte"]"#), None);
    }

    #[tokio::test]
    async fn many_at_once_run_once_even_when_nothing_is_kept() {
        let stage = Stage::new(false);
        let calls: Vec<_> = (0..100).map(|_| stage.call(Ok("5"))).collect();
        stage.settle().await;
        stage.go.notify_one();
        for call in calls {
            assert_eq!(call.await.unwrap(), Ok("5".to_owned()));
        }
        assert_eq!(stage.runs(), 1);
        assert!(stage.memos.flights().is_empty());
    }

    #[tokio::test]
    async fn when_the_first_goes_another_takes_its_place() {
        let stage = Stage::new(true);
        let first = stage.call(Ok("1"));
        stage.settle().await;
        let others: Vec<_> = (0..3).map(|_| stage.call(Ok("2"))).collect();
        stage.settle().await;
        first.abort();
        stage.settle().await;
        assert_eq!(stage.runs(), 2);
        stage.go.notify_one();
        for other in others {
            assert_eq!(other.await.unwrap(), Ok("2".to_owned()));
        }
        assert_eq!(stage.runs(), 2);
    }

    #[tokio::test]
    async fn failures_are_shared_and_not_kept() {
        let stage = Stage::new(true);
        let calls = [stage.call(Err("no")), stage.call(Err("no"))];
        stage.settle().await;
        stage.go.notify_one();
        for call in calls {
            assert_eq!(call.await.unwrap(), Err(Failure::value("no")));
        }
        assert_eq!(stage.runs(), 1);
        stage.go.notify_one();
        assert_eq!(stage.call(Ok("5")).await.unwrap(), Ok("5".to_owned()));
        stage.go.notify_one();
        assert_eq!(stage.call(Ok("null")).await.unwrap(), Ok("5".to_owned()), "kept now");
    }

    #[tokio::test]
    async fn what_is_kept_is_found_in_memory_and_behind_it() {
        let stage = Stage::new(true);
        stage.go.notify_one();
        stage.call(Ok("5")).await.unwrap().unwrap();
        assert_eq!(stage.memos.look(&pure("1"), "[1]", "{}"), Some(("5".to_owned(), Lsn(7))));
        assert_eq!(stage.call(Ok("6")).await.unwrap(), Ok("5".to_owned()));
        assert_eq!(stage.board.handed_over.load(Ordering::SeqCst), 7, "written before it is told");
        stage.board.cold.store(true, Ordering::SeqCst);
        assert_eq!(stage.memos.look(&pure("1"), "[1]", "{}"), None);
        assert_eq!(stage.call(Ok("6")).await.unwrap(), Ok("5".to_owned()));
        assert_eq!(stage.runs(), 1);
    }

    #[tokio::test]
    async fn null_is_not_kept() {
        let stage = Stage::new(true);
        for runs in 1..3 {
            stage.go.notify_one();
            assert_eq!(stage.call(Ok("null")).await.unwrap(), Ok("null".to_owned()));
            assert_eq!(stage.runs(), runs);
        }
    }
}
