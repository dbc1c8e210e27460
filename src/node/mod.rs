//! A whole node inside a tokio program.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! let dir = tempfile::tempdir()?;
//! let running = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
//!
//! let mut stream = tokio::net::TcpStream::connect(running.addr()).await?;
//! stream.write_all(b"\0\0\0\x04PING").await?;
//! let mut answer = [0; 8];
//! stream.read_exact(&mut answer).await?;
//! assert_eq!(&answer, b"\0\0\0\x04PONG");
//!
//! running.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod desk;
mod error;
mod functions;
mod invalidation;
mod running;
mod topics;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use mpreg_storage::store::{Options, Store};
use tokio::net::TcpListener;

pub use error::Error;
pub use running::Running;

use crate::config::Config;
use crate::rpc::function::Prepared;

/// A node that has not started.
#[derive(Debug, Clone, Default)]
pub struct Node {
    config: Config,
    store: Option<Store>,
    functions: Vec<Prepared>,
}

impl Node {
    /// A node with the defaults and its data in `dir`, which is created when absent.
    #[must_use]
    pub fn new(dir: impl AsRef<Path>) -> Node {
        Node::with_config(Config { dir: dir.as_ref().into(), ..Config::default() })
    }

    /// A node with this configuration.
    #[must_use]
    pub fn with_config(config: Config) -> Node {
        Node { config, store: None, functions: Vec::new() }
    }

    /// Listens on `address` instead of the default; port 0 lets the system choose.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Node {
        self.config.listen = vec![address];
        self
    }

    /// Serves a store that is open already, whatever the configuration says of stores. [`Running::shutdown`] closes
    /// it.
    #[must_use]
    pub fn over(mut self, store: Store) -> Node {
        self.store = Some(store);
        self
    }

    /// Changes anything else.
    #[must_use]
    pub fn configure(mut self, change: impl FnOnce(&mut Config)) -> Node {
        change(&mut self.config);
        self
    }

    /// Opens the store, recovers it and listens. Must run inside a tokio runtime with I/O and time; a
    /// multi-threaded one serves best, since a sync may block a worker.
    ///
    /// # Errors
    /// The store cannot be opened, an address is not free, it is public without
    /// [`Config::insecure`](crate::config::Config), or a function's declaration does not hold together.
    pub async fn start(self) -> Result<Running, Error> {
        let config = self.config;
        config.check()?;
        let store = match self.store {
            Some(store) => store,
            None => open_store(&config).await?,
        };
        let mut listeners = Vec::new();
        for &address in &config.listen {
            let listener = TcpListener::bind(address).await;
            listeners.push(listener.map_err(|source| Error::Listen { address, source })?);
        }
        let Some(topics) = store.topics().cloned() else {
            return Err(Error::Internal("the store was opened without the backlog of topics".to_owned()));
        };
        let mut running = Running::new(store, Arc::new(topics), &config);
        for function in self.functions {
            running.register(function)?;
        }
        for listener in listeners {
            running.serve(listener)?;
        }
        Ok(running)
    }
}

async fn open_store(config: &Config) -> Result<Store, Error> {
    let options = store_options(config);
    let opened = tokio::task::spawn_blocking(move || Store::open(options)).await;
    Ok(opened.map_err(|error| Error::Internal(error.to_string()))??)
}

fn store_options(config: &Config) -> Options {
    let us = |time: std::time::Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
    let mut options = Options::new(&config.dir);
    let pressing = u128::from(config.memory_bytes) * u128::from(config.pressure_permille) / 1000;
    options.memory_bytes = u64::try_from(pressing).expect("a part of 64 bits");
    options.entries_max = config.entries_max;
    options.both_bounds = config.both_bounds;
    options.policy = config.policy;
    options.segment_bytes = config.segment_bytes;
    options.sync_interval_us = us(config.sync_interval);
    options.checkpoint_bytes = config.checkpoint_bytes;
    options.checkpoint_interval_us = us(config.checkpoint_interval);
    options.unsynced_bytes_max = config.unsynced_bytes_max;
    options.unsynced_age_us_max = us(config.unsynced_age_max);
    options.table_cache_bytes =
        config.table_cache_bytes.map(|bytes| usize::try_from(bytes).unwrap_or(usize::MAX));
    options.free_bytes_min = config.free_bytes_min;
    options.sweep_interval_us = us(config.sweep_interval);
    options.feed_age_us = us(config.events_age_max);
    options.feed_bytes_max = config.events_bytes_max;
    options.event_values = config.events_values;
    options.topics = Some(topics::options(config));
    options.scrub_interval_us = us(config.scrub_interval);
    options
}
