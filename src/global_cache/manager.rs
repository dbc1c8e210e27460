//! The manager: requests of the protocol, answered without a connection.

use std::hash::{BuildHasher, RandomState};
use std::path::Path;
use std::sync::{Arc, Mutex};

use mpreg_storage::store::{self, Level, Store};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::{CacheMetadata, CacheOptions, CacheResult, GlobalCacheConfiguration, GlobalCacheKey};
use crate::cache::{Cache, Clerk, Patience};
use crate::events::{EventStream, EventsFrom};
use crate::protocol::{Request, parse};
use crate::session::{Outbox, Reply, Seen, Step};

/// Why nothing came of it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration asks for tiers that need other nodes, and there are none.
    #[error("{what} needs other nodes, and none is configured")]
    NotConfigured {
        /// The setting.
        what: &'static str,
    },
    /// The store cannot be opened, or has failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// A value cannot be written as JSON, or is not what it was taken for.
    #[error("value: {0}")]
    Value(#[from] serde_json::Error),
    /// A thread has ended before its time.
    #[error("{0}")]
    Internal(String),
}

/// See the [module](super).
#[derive(Debug)]
pub struct GlobalCacheManager {
    cache: Arc<Cache>,
    /// Made once, so that an operation allocates little.
    clerk: Mutex<Clerk>,
    configuration: GlobalCacheConfiguration,
    /// Closed at the end.
    owned: bool,
}

impl GlobalCacheManager {
    /// Opens a cache of its own in `dir`, which is created when absent.
    ///
    /// # Errors
    /// `NotConfigured`; the store cannot be opened.
    pub async fn open(
        dir: impl AsRef<Path>,
        configuration: GlobalCacheConfiguration,
    ) -> Result<GlobalCacheManager, Error> {
        check(&configuration)?;
        let options = store::Options { topics: None, ..store::Options::new(dir) };
        let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
        let store = opened.map_err(|error| Error::Internal(error.to_string()))??;
        GlobalCacheManager::over_store(store, configuration)
    }

    /// A cache of its own over a store that is open already, with options of the caller's. The end closes it.
    ///
    /// # Errors
    /// `NotConfigured`.
    pub fn over_store(
        store: Store,
        configuration: GlobalCacheConfiguration,
    ) -> Result<GlobalCacheManager, Error> {
        let process = RandomState::new().hash_one(std::process::id());
        let cache = Arc::new(Cache::new(store, Level::Eventual, process));
        Ok(GlobalCacheManager { owned: true, ..GlobalCacheManager::over(cache, configuration)? })
    }

    /// A manager of a cache that others use as well.
    pub(crate) fn over(
        cache: Arc<Cache>,
        configuration: GlobalCacheConfiguration,
    ) -> Result<GlobalCacheManager, Error> {
        check(&configuration)?;
        let clerk = Mutex::new(cache.clerk());
        Ok(GlobalCacheManager { cache, clerk, configuration, owned: false })
    }

    /// What it was made with.
    #[must_use]
    pub fn configuration(&self) -> &GlobalCacheConfiguration {
        &self.configuration
    }

    /// Looks for an entry; `success` says whether it is there.
    ///
    /// # Errors
    /// The store has failed. What is refused is a result without success.
    pub async fn get(&self, key: &GlobalCacheKey, options: &CacheOptions) -> Result<CacheResult, Error> {
        self.run("get", Some(key), options, Map::new()).await
    }

    /// Stores a value, replacing value, life and metadata of what was there.
    ///
    /// # Errors
    /// As [`GlobalCacheManager::get`]; the value cannot be written as JSON.
    pub async fn put<T: Serialize + ?Sized>(
        &self,
        key: &GlobalCacheKey,
        value: &T,
        metadata: &CacheMetadata,
        options: &CacheOptions,
    ) -> Result<CacheResult, Error> {
        let mut members = Map::new();
        members.insert("value".to_owned(), serde_json::to_value(value)?);
        members.insert("metadata".to_owned(), metadata.to_json());
        self.run("put", Some(key), options, members).await
    }

    /// Removes an entry; `success` says whether it was there.
    ///
    /// # Errors
    /// As [`GlobalCacheManager::get`].
    pub async fn delete(&self, key: &GlobalCacheKey, options: &CacheOptions) -> Result<CacheResult, Error> {
        self.run("delete", Some(key), options, Map::new()).await
    }

    /// Removes every entry that matches a pattern such as `ml.*`, tried against `namespace:identifier:version`,
    /// `namespace:identifier`, `namespace.identifier` and `namespace`.
    ///
    /// # Errors
    /// As [`GlobalCacheManager::get`].
    pub async fn invalidate(&self, pattern: &str, options: &CacheOptions) -> Result<CacheResult, Error> {
        let mut members = Map::new();
        members.insert("pattern".to_owned(), pattern.into());
        self.run("invalidate", None, options, members).await
    }

    /// The statistics object of the protocol.
    ///
    /// # Errors
    /// As [`GlobalCacheManager::get`].
    pub async fn statistics(&self) -> Result<Value, Error> {
        let result = self.run("stats", None, &CacheOptions::default(), Map::new()).await?;
        Ok(result.entry.map_or(Value::Null, |entry| entry.value))
    }

    /// Any other operation of the protocol: `operation` with its members, such as `atomic_operation`,
    /// `structure_operation` or `namespace_operation`.
    ///
    /// # Errors
    /// As [`GlobalCacheManager::get`].
    pub async fn request(
        &self,
        operation: &str,
        key: Option<&GlobalCacheKey>,
        options: &CacheOptions,
        members: Map<String, Value>,
    ) -> Result<CacheResult, Error> {
        self.run(operation, key, options, members).await
    }

    /// What happens to the cache, from a place on.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn events(&self, from: EventsFrom) -> Result<EventStream, Error> {
        Ok(EventStream::new(&self.cache.store, from)?)
    }

    /// The end: a cache of its own is checkpointed and closed.
    ///
    /// # Errors
    /// The store failed; what was acknowledged is safe all the same.
    pub async fn shutdown(self) -> Result<(), Error> {
        if !self.owned {
            return Ok(());
        }
        let store = self.cache.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        Ok(closed.map_err(|error| Error::Internal(error.to_string()))??)
    }

    async fn run(
        &self,
        operation: &str,
        key: Option<&GlobalCacheKey>,
        options: &CacheOptions,
        mut members: Map<String, Value>,
    ) -> Result<CacheResult, Error> {
        members.insert("role".to_owned(), "cache-request".into());
        members.insert("u".to_owned(), "1".into());
        members.insert("operation".to_owned(), operation.into());
        members.insert("options".to_owned(), options.to_json(self.configuration.enable_l2_persistent));
        if let Some(key) = key {
            members.insert("key".to_owned(), key.to_json());
        }
        let text = json!(members).to_string();
        let quick = answer(&self.cache, &mut self.clerk(), &text, Patience::None)?;
        let (out, seen) = match quick {
            Some(answered) => answered,
            None => self.answer_blocking(text).await?,
        };
        self.settle(seen).await?;
        match serde_json::from_slice(&out)? {
            Value::Object(response) => Ok(CacheResult::of(response)),
            other => Err(Error::Internal(format!("the cache answers {other}"))),
        }
    }

    fn clerk(&self) -> std::sync::MutexGuard<'_, Clerk> {
        self.clerk.lock().expect("nothing panics while holding the clerk")
    }

    async fn answer_blocking(&self, text: String) -> Result<(Vec<u8>, Seen), Error> {
        let cache = Arc::clone(&self.cache);
        let answered = tokio::task::spawn_blocking(move || {
            answer(&cache, &mut cache.clerk(), &text, Patience::Blocking)
        });
        let answered = answered.await.map_err(|error| Error::Internal(error.to_string()))??;
        answered.ok_or_else(|| Error::Internal("writes outrun the disk".to_owned()))
    }

    /// Makes true what the answer claims, as a connection does before it sends one.
    async fn settle(&self, seen: Seen) -> Result<(), Error> {
        let store = &self.cache.store;
        store.hand_over(seen.observed)?;
        if seen.strong > store.durable_lsn() {
            store.durable(seen.strong).await.map_err(store::Error::from)?;
        }
        Ok(())
    }
}

/// Answers one request; `None`: it takes patience.
fn answer(
    cache: &Cache,
    clerk: &mut Clerk,
    text: &str,
    patience: Patience,
) -> Result<Option<(Vec<u8>, Seen)>, Error> {
    let request = match parse(text.as_bytes()) {
        Ok(Request::Cache(request)) => request,
        Ok(_) => return Err(Error::Internal("the request is none of the cache".to_owned())),
        Err(rejection) => {
            let mut out = Vec::new();
            clerk.begin(cache);
            rejection.write_into(clerk.now_us, &mut clerk.ids, &mut out);
            return Ok(Some((out, Seen::default())));
        }
    };
    let (mut out, mut seen) = (Vec::new(), Seen::default());
    let outbox = Outbox::detached();
    clerk.begin(cache);
    clerk.begin_run();
    let key = clerk.encode(&request);
    let mut reply = Reply { out: &mut out, seen: &mut seen, outbox: &outbox };
    let step = clerk.answer(cache, &request, &key, patience, &mut reply);
    clerk.end(cache);
    Ok((step == Step::Done).then_some((out, seen)))
}

fn check(configuration: &GlobalCacheConfiguration) -> Result<(), Error> {
    let asked = [
        ("enable_l3_distributed", configuration.enable_l3_distributed),
        ("enable_l4_federation", configuration.enable_l4_federation),
    ];
    match asked.into_iter().find(|(_, on)| *on) {
        Some((what, _)) => Err(Error::NotConfigured { what }),
        None => Ok(()),
    }
}
