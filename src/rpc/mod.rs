//! RPC: requests are graphs of commands, commands call functions, functions come from anywhere.
//!
//! ```text
//! rpc ─> Job: find functions, plan levels ─┬─ all quick ─────> run here, reply in the batch
//!                                          └─ otherwise ─────> a task; the reply leaves when it is ready
//!          level by level: put results in the places of references, run what belongs together at once
//!                ├─ quick, blocking, async        Rust functions of the program that embeds the node
//!                ├─ builtin                       what the node knows about itself (`discovery`)
//!                ├─ workers                       connections that registered functions
//!                └─ memo                          results of pure functions, kept in the cache
//! ```
//!
//! Functions are declared on a node before its start or while it runs:
//!
//! ```
//! # #[tokio::main(flavor = "multi_thread", worker_threads = 2)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use mpreg::rpc::Failure;
//!
//! # let dir = tempfile::tempdir()?;
//! let node = mpreg::Node::new(dir.path())
//!     .listen("127.0.0.1:0".parse()?)
//!     .function("math.add")
//!     .version("1.0.0")
//!     .describe("Adds two numbers.")
//!     .parameters(["a", "b"])
//!     .quick_handler(|a: i64, b: i64| a + b)
//!     .function("math.divide")
//!     .parameters(["a", "b"])
//!     .handler(|a: f64, b: f64| -> Result<f64, Failure> {
//!         if b == 0.0 { Err(Failure::new("ZeroDivisionError", "b is 0")) } else { Ok(a / b) }
//!     })
//!     .start()
//!     .await?;
//!
//! let client = mpreg::client::Client::connect(&node.url()).await?;
//! let request = serde_json::json!({"role": "rpc", "cmds": [
//!     {"name": "sum", "fun": "math.add", "args": [1], "kwargs": {"b": 2}},
//!     {"name": "half", "fun": "math.divide", "args": ["sum", 2]},
//! ]});
//! assert_eq!(client.raw(request).await?["r"], serde_json::json!({"half": 1.5}));
//! # drop(client);
//! # node.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # Order
//! Replies of requests that run apart leave when they are ready, also before those of earlier requests (decision 22).
//! What they do to the cache or publish is ordered by nothing but their levels.

pub mod function;
pub mod graph;
pub mod version;

mod admission;
pub(crate) mod catalog;
mod discovery;
pub(crate) mod identity;
mod job;
mod ledger;
mod member;
mod memo;
mod names;
mod registry;
mod resolve;
mod run;
#[cfg(test)]
mod tests;
pub(crate) mod workers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mpreg_storage::store::Store;
use tokio::sync::Semaphore;
use tokio::time::Instant;

pub use function::Failure;
pub(crate) use member::Member;
pub use registry::Error as RegistryError;

use crate::limits::RPC_RUNNING_MAX;
use crate::protocol::rpc::{Request, write_success};
use crate::session::{Outbox, Reply, Seen, Step};
use crate::transport::slots::Slots;
use admission::Admission;
use catalog::{Bus, Catalog};
use discovery::Policy;
use function::{Function, Prepared};
use identity::Identity;
use job::{Chosen, Job};
use memo::Memos;
use version::Version;
use workers::Hub;

/// What the RPC of a node is made of.
#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) identity: Identity,
    pub(crate) store: Store,
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) slots: Arc<Slots>,
    /// How long a request may take.
    pub(crate) timeout: Duration,
    /// Memory of the cache.
    pub(crate) memory_bytes: u64,
}

/// The RPC of a node.
#[derive(Debug)]
pub(crate) struct Rpc {
    catalog: Arc<Catalog>,
    pub(crate) workers: Arc<Hub>,
    memos: Memos,
    policy: Policy,
    store: Store,
    slots: Arc<Slots>,
    timeout: Duration,
    memory_bytes: u64,
    running: Semaphore,
    admission: Arc<Admission>,
    counts: discovery::Counts,
}

impl Rpc {
    /// The RPC of a node, with its built-in functions.
    pub(crate) fn new(setup: Setup) -> Arc<Rpc> {
        let catalog = Arc::new(Catalog::new(setup.identity, setup.bus));
        let rpc = Rpc {
            workers: Hub::new(Arc::clone(&catalog)),
            catalog,
            memos: Memos::new(Arc::new(setup.store.clone())),
            policy: Policy::default(),
            store: setup.store,
            slots: setup.slots,
            timeout: setup.timeout,
            memory_bytes: setup.memory_bytes,
            running: Semaphore::new(RPC_RUNNING_MAX),
            admission: Arc::default(),
            counts: discovery::Counts::default(),
        };
        for function in discovery::builtins() {
            rpc.catalog.registry.add(function).expect("the built-in functions have names of their own");
        }
        Arc::new(rpc)
    }

    /// The wall time, microseconds since 1970.
    fn now_us(&self) -> u64 {
        self.store.now_us()
    }

    /// Who this node is.
    pub(crate) fn identity(&self) -> &Identity {
        &self.catalog.identity
    }

    /// Registers a Rust function.
    pub(crate) fn register(&self, prepared: Prepared) -> Result<(), Error> {
        let function = Function::new(&prepared.declaration, prepared.code)?;
        self.catalog.change(self.now_us(), |registry, delta| {
            delta.added.push(registry.add(function)?);
            Ok(())
        })
    }

    /// Forgets a Rust function; `false` when there is none, or it is not one of the program's own.
    pub(crate) fn unregister(&self, name: &str, version: Version) -> bool {
        self.catalog.change(self.now_us(), |registry, delta| {
            let foreign =
                |known: &Function| known.builtin || matches!(known.code, function::Code::Workers(_));
            if registry.version(name, version).is_none_or(|known| foreign(&known)) {
                return false;
            }
            delta.removed.extend(registry.remove(name, version));
            true
        })
    }

    /// What a new connection is: nobody in particular.
    pub(crate) fn member(self: &Arc<Rpc>) -> Member {
        Member::new(Arc::clone(self))
    }

    /// Takes out workers that have been silent for longer than their lease.
    pub(crate) fn expire_workers(&self) {
        self.workers.expire(self.now_us());
    }

    /// Counts messages a connection has handled.
    pub(crate) fn count_messages(&self, count: u64) {
        self.counts.add(count);
    }

    /// Answers a request: at once into `reply`, or later through its outbox.
    pub(crate) fn answer(self: &Arc<Rpc>, request: &Request<'_>, reply: &mut Reply<'_>) -> Step {
        if let Some((name, argument)) = plain_echo(request) {
            write_success(reply.out, request.u, [(name, argument.as_bytes())]);
            return Step::Done;
        }
        match self.begin(request, reply) {
            Ok(step) => step,
            Err(failure) => {
                failure.write_into(request.u, reply.out);
                Step::Done
            }
        }
    }

    fn begin(self: &Arc<Rpc>, request: &Request<'_>, reply: &mut Reply<'_>) -> Result<Step, Failure> {
        let chosen = job::choose(request, &self.identity().cluster_id, &self.catalog.registry)?;
        if self.answer_kept(request, &chosen, reply) {
            return Ok(Step::Done);
        }
        let job = Job::new(request, chosen)?;
        if job.is_quick() {
            run::run_quick(&job, self.now_us(), reply.out)?;
            return Ok(Step::Done);
        }
        self.spawn(job.into_owned(), reply.outbox)?;
        Ok(Step::Later)
    }

    /// Answers a single call of a pure function from its kept result, if memory has it.
    fn answer_kept(&self, request: &Request<'_>, chosen: &[Chosen], reply: &mut Reply<'_>) -> bool {
        let ([command], [Chosen { function, .. }]) = (request.commands.as_slice(), chosen) else {
            return false;
        };
        if request.return_intermediate_results || request.include_execution_summary {
            return false;
        }
        let Some(memo) = &function.memo else { return false };
        let Some((result, lsn)) = self.memos.look(memo, command.args, command.kwargs) else { return false };
        reply.seen.saw(lsn, false);
        write_success(reply.out, request.u, [(command.name.quoted(), result.as_bytes())]);
        true
    }

    /// Runs a job apart. It ends with its reply, at its time limit, or when its connection does.
    fn spawn(self: &Arc<Rpc>, job: Job<'static>, outbox: &Outbox) -> Result<(), Failure> {
        let bytes = job.bytes();
        let admitted = self.admission.enter(bytes)?;
        let mut otherwise = Vec::new();
        Failure::value("the reply could not be sent").write_into(&job.u, &mut otherwise);
        let call = outbox.call(bytes, Bytes::from(otherwise));
        let rpc = Arc::clone(self);
        tokio::spawn(async move {
            let _admitted = admitted;
            let deadline = Instant::now() + rpc.timeout;
            let outcome = tokio::select! {
                outcome = tokio::time::timeout_at(deadline, run::run(&rpc, &job, deadline)) => outcome,
                // Nobody is left to reply to; what the call had begun is dropped with it.
                () = call.outbox().ended() => return,
            };
            let body = match outcome.unwrap_or_else(|_| Err(Failure::timed_out(rpc.timeout))) {
                Ok(body) => body,
                Err(failure) => {
                    let mut body = Vec::new();
                    failure.write_into(&job.u, &mut body);
                    body
                }
            };
            drop(job);
            call.reply(body, Seen::default()).await;
        });
        Ok(())
    }
}

/// The one call that health probes and benchmarks make: `echo` of one argument and nothing special about it. It needs
/// no registry and no plan. The quoted name of the command and the argument.
fn plain_echo<'a>(request: &Request<'a>) -> Option<(&'a str, &'a str)> {
    let [command] = request.commands.as_slice() else { return None };
    let plain = command.fun.quoted() == "\"echo\""
        && command.function_id.is_none()
        && command.version_constraint.is_none()
        && command.target_cluster.is_none()
        && command.locs == "[]"
        && is_empty_object(command.kwargs)
        && !request.return_intermediate_results
        && !request.include_execution_summary;
    if !plain {
        return None;
    }
    let argument = discovery::single_element(command.args)?;
    Some((command.name.quoted(), argument))
}

fn is_empty_object(text: &str) -> bool {
    text.bytes().all(|byte| matches!(byte, b'{' | b'}') || byte.is_ascii_whitespace())
}

/// Why a function is not registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its declaration does not hold together.
    #[error(transparent)]
    Declaration(#[from] function::DeclarationError),
    /// It does not fit to what is registered already.
    #[error(transparent)]
    Registry(#[from] RegistryError),
}
