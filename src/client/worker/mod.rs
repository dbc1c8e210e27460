//! Serving functions: what this program can do, everybody can call.
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::client::{Client, Endpoints, Failure, Function, Worker};
//!
//! # let dir = tempfile::tempdir()?;
//! # let node = mpreg::Node::new(dir.path()).listen("127.0.0.1:0".parse()?).start().await?;
//! let mean = Function::new("stats.mean", |(numbers,): (Vec<f64>,)| async move {
//!     if numbers.is_empty() {
//!         return Err(Failure::new("ValueError", "no numbers"));
//!     }
//!     Ok(numbers.iter().sum::<f64>() / numbers.len() as f64)
//! });
//! let mean = mean.describe("Mean of numbers.").parameters(["numbers"]).idempotent();
//! let worker = Worker::new(Endpoints::new([node.url()])?).function(mean);
//! let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
//! let (ready, registered) = tokio::sync::oneshot::channel();
//! let worker = worker.on_ready(move || ready.send(()).unwrap_or_default());
//! let serving = tokio::spawn(worker.run_until(async { stopped.await.unwrap_or_default() }));
//! registered.await?;
//!
//! let client = Client::connect(&node.url()).await?;
//! assert_eq!(client.call::<f64>("stats.mean", &([1, 2],)).await?, 1.5);
//!
//! // Calls under way are finished first.
//! stop.send(()).unwrap_or_default();
//! serving.await??;
//! # drop(client);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```

mod function;
mod serving;

use std::future::Future;
use std::time::Duration;

pub use function::{Failure, Function, Invocation, Parameter};
use serving::Serving;

use super::{Endpoints, Error};

/// Serves functions over a connection of its own, made anew when it is lost.
#[must_use = "a worker does nothing until it runs"]
pub struct Worker {
    endpoints: Endpoints,
    name: Option<String>,
    max_in_flight: Option<u32>,
    lease: Duration,
    drain: Duration,
    functions: Vec<Function>,
    ready: Option<Box<dyn FnOnce() + Send + Sync>>,
}

impl std::fmt::Debug for Worker {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Worker").field("functions", &self.functions).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker without functions.
    pub fn new(endpoints: Endpoints) -> Worker {
        Worker {
            endpoints,
            name: None,
            max_in_flight: None,
            lease: Duration::from_secs(15),
            drain: Duration::from_secs(30),
            functions: Vec::new(),
            ready: None,
        }
    }

    /// What the worker calls itself, for people.
    pub fn name(self, name: impl Into<String>) -> Worker {
        Worker { name: Some(name.into()), ..self }
    }

    /// Calls it takes at once. Default: what the node thinks right, 16.
    pub fn max_in_flight(self, calls: u32) -> Worker {
        Worker { max_in_flight: Some(calls), ..self }
    }

    /// How long it may be silent before the node takes it for lost; heartbeats are sent three times as often. Default 15 s.
    pub fn lease(self, lease: Duration) -> Worker {
        Worker { lease, ..self }
    }

    /// How long a stop waits for calls under way. Default 30 s.
    pub fn drain(self, drain: Duration) -> Worker {
        Worker { drain, ..self }
    }

    /// One more function.
    pub fn function(mut self, function: Function) -> Worker {
        self.functions.push(function);
        self
    }

    /// Called once the functions are registered for the first time.
    pub fn on_ready(self, ready: impl FnOnce() + Send + Sync + 'static) -> Worker {
        Worker { ready: Some(Box::new(ready)), ..self }
    }

    /// Serves for ever, however often the connection is lost.
    ///
    /// Errors: the node refuses the functions, or no node answers for longer than [`Backoff::give_up_after`](super::Backoff).
    pub async fn run(self) -> Result<(), Error> {
        self.run_until(std::future::pending()).await
    }

    /// Serves until `stop` is ready; then takes the functions back and finishes the calls under way.
    pub async fn run_until(mut self, stop: impl Future<Output = ()>) -> Result<(), Error> {
        let mut stop = std::pin::pin!(stop);
        let mut ready = self.ready.take();
        let mut pauses = self.endpoints.pauses();
        loop {
            let serving = tokio::select! {
                serving = Serving::begin(&self) => serving,
                () = &mut stop => return Ok(()),
            };
            let mut serving = match serving {
                Ok(serving) => serving,
                // The connection went away between connecting and registering.
                Err(Error::Lost { .. } | Error::TimedOut { .. }) => {
                    tokio::time::sleep(pauses.next()).await;
                    continue;
                }
                Err(error) => return Err(error),
            };
            if let Some(ready) = ready.take() {
                ready();
            }
            tokio::select! {
                () = serving.serve() => {}
                () = &mut stop => {
                    serving.finish(self.drain).await;
                    return Ok(());
                }
            }
            if serving.answered() {
                pauses.reset();
            }
            tokio::time::sleep(pauses.next()).await;
        }
    }
}
