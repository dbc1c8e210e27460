//! A node that runs: its addresses, its store, its end.

use std::hash::{BuildHasher, RandomState};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mpreg_storage::store::Store;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::desk::Desk;
use super::error::Error;
use super::topics;
use crate::cache::Cache;
use crate::config::Config;
use crate::events::{EventStream, EventsFrom, StoreEvents};
use crate::global_cache::{self, GlobalCacheConfiguration, GlobalCacheManager};
use crate::limits::WORKER_LEASE_STEP_MS;
use crate::pubsub::{Backlog, Hub};
use crate::rpc::function::Prepared;
use crate::rpc::identity::Identity;
use crate::rpc::version::Version;
use crate::rpc::{self, Rpc, Setup};
use crate::session::{self, Door};
use crate::transport::budget::Budget;
use crate::transport::listener::accept_all;
use crate::transport::origin::Origins;
use crate::transport::slots::Slots;

/// How often a public listener without authentication is warned about.
const WARNING_PERIOD: Duration = Duration::from_secs(60);
/// How often an idle node looks whether its store is still well.
const HEALTH_PERIOD: Duration = Duration::from_millis(500);
/// Larger than any size class of the allocators we know, so that it comes and goes as pages.
const NUDGE_BYTES: usize = 8 * 1024 * 1024;

/// A running node. Dropping it stops listening and waits for nothing: call [`Running::shutdown`].
#[derive(Debug)]
pub struct Running {
    store: Store,
    addresses: Vec<SocketAddr>,
    slots: Arc<Slots>,
    door: Arc<Door<Desk>>,
    cache: Arc<Cache>,
    hub: Arc<Hub>,
    rpc: Arc<Rpc>,
    failure: watch::Receiver<Option<String>>,
    drain_timeout: Duration,
    tasks: Tasks,
}

/// Tasks that end with the node.
#[derive(Debug, Default)]
struct Tasks(Vec<AbortHandle>);

impl Tasks {
    fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.0.push(tokio::spawn(task).abort_handle());
    }

    fn stop(&self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

impl Drop for Tasks {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Running {
    /// A node over an open store that does not listen yet.
    pub(super) fn new(store: Store, backlog: Arc<dyn Backlog>, config: &Config) -> Running {
        let (sender, failure) = watch::channel(None);
        // Any number that differs from start to start will do; the standard hasher is seeded with one.
        let process = RandomState::new().hash_one(std::process::id());
        let sender = Arc::new(sender);
        let mut tasks = Tasks::default();
        tasks.spawn(watch_health(store.clone(), Arc::clone(&sender)));
        let events = StoreEvents::new(store.clone(), &config.cluster_id, config.events_values);
        let hub = Hub::new(backlog, Some(Arc::new(events)), topics::rules(config));
        tasks.spawn(Arc::clone(&hub).run_courier());
        tasks.spawn(Arc::clone(&hub).run_follower());
        let cache = Cache::new(store.clone(), config.level, process)
            .invalidate_all(config.allow_invalidate_all)
            .announced_by(Arc::new(topics::HubAnnouncer(Arc::clone(&hub))));
        let cache = Arc::new(cache);
        let slots = Slots::new(config.connections_max, config.connections_per_address_max);
        let identity = Identity::new(
            store.node_id().to_owned(),
            config.cluster_id.clone(),
            config.resources.clone(),
            config.advertised_urls.clone(),
        );
        let rpc = Rpc::new(Setup {
            identity,
            store: store.clone(),
            bus: Arc::new(topics::HubBus(Arc::clone(&hub))),
            slots: Arc::clone(&slots),
            timeout: config.rpc_timeout,
            memory_bytes: config.memory_bytes,
        });
        tasks.spawn(watch_leases(Arc::clone(&rpc)));
        let desk = Desk::new(Arc::clone(&cache), Arc::clone(&hub), Arc::clone(&rpc), sender);
        let budget = Budget::new(config.request_memory_bytes);
        let origins = Origins::new(&config.origins);
        Running {
            store,
            cache,
            addresses: Vec::new(),
            slots,
            rpc,
            door: Arc::new(Door::new(desk, budget, origins, config.message_bytes_max)),
            hub,
            failure,
            drain_timeout: config.drain_timeout,
            tasks,
        }
    }

    /// Begins to accept connections.
    pub(super) fn serve(&mut self, listener: TcpListener) -> Result<(), Error> {
        let address = listener.local_addr().map_err(|error| Error::Internal(error.to_string()))?;
        let (door, slots) = (Arc::clone(&self.door), Arc::clone(&self.slots));
        if !address.ip().to_canonical().is_loopback() {
            self.tasks.spawn(warn_of(address));
        }
        self.tasks.spawn(accept_all(listener, slots, move |stream, slot| {
            session::serve(Arc::clone(&door), stream, slot)
        }));
        self.addresses.push(address);
        self.rpc.identity().add_address(address);
        Ok(())
    }

    /// Registers a function of the program.
    pub(super) fn register(&self, prepared: Prepared) -> Result<(), rpc::Error> {
        self.rpc.register(prepared)
    }

    /// Forgets a function of the program; calls that run go on. `false` when there is none of this name and version.
    pub fn remove_function(&self, name: &str, version: Version) -> bool {
        self.rpc.unregister(name, version)
    }

    /// Workers connected now.
    #[must_use]
    pub fn workers(&self) -> usize {
        self.rpc.workers.workers()
    }

    /// The first address listened on, with the port that was chosen.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        *self.addresses.first().expect("a node listens somewhere")
    }

    /// All addresses listened on.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Where clients connect: `ws://address:port`.
    #[must_use]
    pub fn url(&self) -> String {
        let mut address = self.addr();
        if address.ip().is_unspecified() {
            // Nobody can dial "any address"; this machine can be dialled from here.
            let loopback =
                if address.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
            address.set_ip(loopback);
        }
        format!("ws://{address}")
    }

    /// The store, for use from inside the process.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// The cache of this node for the program it is embedded in, without a connection.
    ///
    /// # Errors
    /// The configuration asks for tiers that need other nodes.
    pub fn cache_manager(
        &self,
        configuration: GlobalCacheConfiguration,
    ) -> Result<GlobalCacheManager, global_cache::Error> {
        GlobalCacheManager::over(Arc::clone(&self.cache), configuration)
    }

    /// What happens to the cache, from a place on: every change once and in order, also across restarts.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn events(&self, from: EventsFrom) -> Result<EventStream, mpreg_storage::store::Error> {
        EventStream::new(&self.store, from)
    }

    /// Pub/sub in numbers.
    #[must_use]
    pub fn topic_stats(&self) -> crate::pubsub::Stats {
        self.hub.stats()
    }

    /// Connections open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.slots.open()
    }

    /// Resolves with the cause when the store has failed for good; the node should then end, and its process
    /// too, since what was not acknowledged is only known to the disk.
    pub async fn failed(&self) -> String {
        let mut failure = self.failure.clone();
        match failure.wait_for(Option::is_some).await {
            Ok(told) => told.clone().unwrap_or_default(),
            // The door holds the sender as long as this node exists.
            Err(_) => std::future::pending().await,
        }
    }

    /// Stops: no new connections, those there are finish what they have sent (at most
    /// [`Config::drain_timeout`](crate::config::Config)), then the store is checkpointed and closed.
    ///
    /// # Errors
    /// The store failed while it was closed; what was acknowledged is safe in the log all the same.
    pub async fn shutdown(self) -> Result<(), Error> {
        self.tasks.stop();
        self.slots.stop_all();
        if tokio::time::timeout(self.drain_timeout, self.slots.drained()).await.is_err() {
            tracing::warn!(connections = self.slots.open(), "connections did not finish in time");
        }
        let store = self.store.clone();
        let closed = tokio::task::spawn_blocking(move || store.close()).await;
        Ok(closed.map_err(|error| Error::Internal(error.to_string()))??)
    }
}

/// A session notices a failed store when it waits for it; a background sync that fails is noticed here.
async fn watch_health(store: Store, failure: Arc<watch::Sender<Option<String>>>) {
    let mut period = tokio::time::interval(HEALTH_PERIOD);
    let mut told = None;
    loop {
        period.tick().await;
        nudge_allocator();
        let trouble = store.trouble();
        if trouble != told {
            match &trouble {
                Some(trouble) => tracing::warn!(%trouble, "the store needs attention"),
                None => tracing::info!("the store is well again"),
            }
            told = trouble;
        }
        if let Some(cause) = store.failure() {
            failure.send_replace(Some(cause));
            return;
        }
    }
}

/// Workers that fall silent are taken out.
async fn watch_leases(rpc: Arc<Rpc>) {
    let mut period = tokio::time::interval(Duration::from_millis(WORKER_LEASE_STEP_MS));
    loop {
        period.tick().await;
        rpc.expire_workers();
    }
}

/// mimalloc gives freed pages back to the system when their time is up **and** somebody frees another page: what a
/// checkpoint or a burst of reads used would stay resident for as long as the node idles after it. The bytes are never
/// touched, so this costs a few microseconds.
fn nudge_allocator() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(NUDGE_BYTES)));
}

async fn warn_of(address: SocketAddr) {
    let mut period = tokio::time::interval(WARNING_PERIOD);
    loop {
        period.tick().await;
        tracing::warn!(%address, "insecure: other machines can read and write everything here without authentication");
    }
}
