//! `worker`: a program of any kind as a function.
//!
//! ```text
//! caller ── call ──> server ── rpc-invoke ──> worker ── one line on stdin ──> process
//!                                                    <── one line on stdout ──
//! ```
//!
//! A line in is `{"fun":"text.upper","args":["a"],"kwargs":{}}`, a line out `{"result":"A"}` or
//! `{"error":{"type":"ValueError","message":"no text"}}`. With `--plain` a line in is the one argument itself and a line out the
//! result itself. A pool of processes takes one call at a time each; one that is too slow, or dies, fails its call and is
//! started anew for the next.

mod pool;
mod process;

use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mpreg::client::{Backoff, Client, Endpoints, Function, Invocation, Worker};

use crate::failure::{Failure, Outcome};
use crate::online::{Connection, duration, failure};
use pool::Pool;
use process::Program;

/// Serve a program as a function: one JSON line in, one JSON line out for each call.
#[derive(Args)]
#[command(after_help = HELP)]
pub struct Arguments {
    /// Name of the function.
    function: String,
    /// The program and its arguments.
    #[arg(last = true, required = true)]
    program: Vec<String>,
    /// Version of the function.
    #[arg(long, default_value = "1.0.0")]
    function_version: String,
    /// What it does, for people.
    #[arg(long, value_name = "TEXT")]
    doc: Option<String>,
    /// Name of a parameter, in order; may come several times.
    #[arg(long = "parameter", value_name = "NAME")]
    parameters: Vec<String>,
    /// A tag to find it by; may come several times.
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// A resource this machine has; may come several times.
    #[arg(long = "resource", value_name = "RESOURCE")]
    resources: Vec<String>,
    /// Running it twice does no harm: a call whose worker is lost is tried on another.
    #[arg(long)]
    idempotent: bool,
    /// Equal arguments give equal results: the server keeps them for this long.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pure: Option<Duration>,
    /// Lines are the one argument and the result, nothing around them.
    #[arg(long)]
    plain: bool,
    /// Processes, which is also how many calls run at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    processes: u32,
    /// A call that takes longer fails, and its process is killed.
    #[arg(long, value_name = "TIME", value_parser = duration, default_value = "30s")]
    time_limit: Duration,
    #[command(flatten)]
    connection: Connection,
}

const HELP: &str = "Example:\n  mpreg-tools worker text.upper --plain -- sed -u 's/.*/\\U&/'\n  mpreg-tools call text.upper '\"hello\"'";

impl Arguments {
    /// Runs `worker` until it is interrupted.
    pub fn run(&self) -> Outcome {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        runtime.block_on(self.serve())
    }

    async fn serve(&self) -> Outcome {
        let program = Program { words: self.program.clone(), plain: self.plain, time_limit: self.time_limit };
        let pool = Arc::new(Pool::new(program, self.processes));
        // A program that is not there should be known before anybody calls it.
        pool.warm().await.map_err(|error| Failure::usage(error.message))?;
        let never = Backoff { give_up_after: Duration::MAX, ..Backoff::default() };
        let endpoints = Endpoints::new([self.connection.url.clone()]).map_err(failure)?;
        // The first connection shows whether somebody is there at all; once it was, patience has no end.
        Client::connect_with(&self.connection.url, self.connection.options()).await.map_err(failure)?;
        let endpoints = endpoints.options(self.connection.options()).backoff(never);
        let (name, processes) = (self.function.clone(), self.processes);
        let worker = Worker::new(endpoints)
            .name(format!("mpreg-tools {}", std::process::id()))
            .max_in_flight(self.processes)
            .function(self.declared(pool))
            .on_ready(move || eprintln!("serving {name} with {processes} processes; interrupt to stop"));
        worker.run_until(stop()).await.map_err(failure)
    }

    fn declared(&self, pool: Arc<Pool>) -> Function {
        let run = move |call: Invocation| {
            let pool = Arc::clone(&pool);
            async move { pool.call(&call).await }
        };
        let mut function = Function::raw(&self.function, run)
            .version(&self.function_version)
            .parameters(self.parameters.iter().map(String::as_str))
            .resources(&self.resources)
            .tags(&self.tags);
        if let Some(doc) = &self.doc {
            function = function.describe(doc);
        }
        if self.idempotent {
            function = function.idempotent();
        }
        if let Some(ttl) = self.pure {
            function = function.pure(ttl);
        }
        function
    }
}

/// Ready when the user or the system wants an end.
async fn stop() {
    let terminated = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signal) => drop(signal.recv().await),
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
    eprintln!("stopping: calls under way are finished first");
}
