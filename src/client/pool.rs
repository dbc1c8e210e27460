//! Several connections, each made anew when it is lost or old.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Client, Endpoints, Error};

/// How many connections, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolOptions {
    /// Connections at most; they are made as they are needed. Default 4.
    pub size: usize,
    /// A connection of this age is given to nobody any more; calls on it are finished. Default 30 min.
    pub max_lifetime: Duration,
}

impl Default for PoolOptions {
    fn default() -> PoolOptions {
        PoolOptions { size: 4, max_lifetime: Duration::from_secs(30 * 60) }
    }
}

/// Connections to one or more nodes. Clones share them.
///
/// ```
/// # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use mpreg::client::{Endpoints, Pool, PoolOptions};
///
/// # let dir = tempfile::tempdir()?;
/// # let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
/// let pool = Pool::new(Endpoints::new([node.url()])?, PoolOptions { size: 2, ..PoolOptions::default() });
/// pool.client().await?.put(("users", "ada"), &1).await?;
///
/// // A read may be repeated: it is, when its connection is lost on the way.
/// let value: Option<u32> = pool.retry(|client| async move { client.get(("users", "ada")).await }).await?;
/// assert_eq!(value, Some(1));
/// # drop(pool);
/// # node.shutdown().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Pool {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    endpoints: Endpoints,
    max_lifetime: Duration,
    slots: Vec<Mutex<Option<Slot>>>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Slot {
    client: Client,
    opened: Instant,
}

impl Pool {
    /// A pool that connects when somebody needs it to. A size of 0 counts as 1.
    #[must_use]
    pub fn new(endpoints: Endpoints, options: PoolOptions) -> Pool {
        let slots = (0..options.size.max(1)).map(|_| Mutex::default()).collect();
        let (max_lifetime, turn) = (options.max_lifetime, AtomicUsize::new(0));
        Pool { shared: Arc::new(Shared { endpoints, max_lifetime, slots, turn }) }
    }

    /// A connection that is neither lost nor old, the next one in turn; connects if need be.
    ///
    /// Errors: no node answers within the patience of the [`Endpoints`].
    pub async fn client(&self) -> Result<Client, Error> {
        let shared = &*self.shared;
        // Relaxed: turns need not be fair to the last one.
        let turn = shared.turn.fetch_add(1, Ordering::Relaxed) % shared.slots.len();
        // Held while connecting: who comes meanwhile waits for the same connection, and makes no other.
        let mut slot = shared.slots[turn].lock().await;
        if let Some(Slot { client, opened }) = &*slot
            && !client.is_lost()
            && opened.elapsed() < shared.max_lifetime
        {
            return Ok(client.clone());
        }
        let client = shared.endpoints.connect().await?;
        *slot = Some(Slot { client: client.clone(), opened: Instant::now() });
        Ok(client)
    }

    /// Does what may be repeated without harm (reads, numbered writes, calls of idempotent functions), again on another
    /// connection while the one before is lost on the way, within the patience of the [`Endpoints`].
    pub async fn retry<T, F>(&self, mut operation: impl FnMut(Client) -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let begin = Instant::now();
        let mut pauses = self.shared.endpoints.pauses();
        loop {
            let error = match operation(self.client().await?).await {
                Err(error @ Error::Lost { .. }) => error,
                other => return other,
            };
            let pause = pauses.next();
            if begin.elapsed().saturating_add(pause) > self.shared.endpoints.give_up_after() {
                return Err(error);
            }
            tokio::time::sleep(pause).await;
        }
    }
}
