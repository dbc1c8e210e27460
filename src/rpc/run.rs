//! Running a request level by level: on the spot when everything is quick, otherwise as a task.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::Rpc;
use super::catalog::Announcement;
use super::discovery::Fields;
use super::function::{Code, Failure, Function};
use super::job::Job;
use super::ledger::{self, Ledger};
use super::names::Names;
use super::workers::Errand;
use crate::limits::MESSAGE_BYTES_MAX;

/// Runs a job of nothing but quick functions, here and now, and appends its reply.
pub(super) fn run_quick(job: &Job<'_>, now_us: u64, out: &mut Vec<u8>) -> Result<(), Failure> {
    let (names, mut ledger) = (job.names(), Ledger::new(job));
    for level in job.plan.levels() {
        for &command in level {
            let task = &job.tasks[command];
            let place = place(&names, &task.name);
            let args = ledger.resolve(&task.args, place, &names)?;
            let kwargs = ledger.resolve(&task.kwargs, place, &names)?;
            let Code::Quick(code) = &task.function.code else {
                unreachable!("the job was asked whether it is quick")
            };
            let result = guarded(&task.function.name, || code(&args, &kwargs))?;
            ledger.put(place, result)?;
        }
        ledger.end_level(now_us);
    }
    ledger.write_reply(job, &names, out)
}

/// Runs any job and returns its reply.
pub(super) async fn run(rpc: &Arc<Rpc>, job: &Job<'static>, deadline: Instant) -> Result<Vec<u8>, Failure> {
    let (names, mut ledger) = (job.names(), Ledger::new(job));
    for (index, level) in job.plan.levels().enumerate() {
        if let [command] = level {
            let call = Call::new(job, *command, &names, &ledger, deadline)?;
            let place = call.place;
            ledger.put(place, call.run(rpc).await?)?;
        } else {
            // Dropped at the first failure, which ends the others.
            let mut running = JoinSet::new();
            for &command in level {
                let call = Call::new(job, command, &names, &ledger, deadline)?;
                let rpc = Arc::clone(rpc);
                running.spawn(async move { (call.place, call.run(&rpc).await) });
            }
            while let Some(ended) = running.join_next().await {
                let (place, outcome) = ended.map_err(|_| Failure::new("Cancelled", "the node stops"))?;
                ledger.put(place, outcome?)?;
            }
        }
        ledger.end_level(rpc.now_us());
        announce(rpc, job, &names, &ledger, index);
    }
    let mut reply = Vec::new();
    ledger.write_reply(job, &names, &mut reply)?;
    Ok(reply)
}

/// Publishes a finished level where the request asks for it.
fn announce(rpc: &Rpc, job: &Job<'_>, names: &Names<'_>, ledger: &Ledger, index: usize) {
    let Some(topic) = &job.wishes.topic else { return };
    if ledger.bytes() > MESSAGE_BYTES_MAX {
        // Nobody could be sent a message of all results so far.
        return;
    }
    let mut payload = Vec::new();
    ledger.write_level(job, names, index, &mut payload);
    let Ok(payload) = String::from_utf8(payload) else { return };
    rpc.catalog.bus.publish(&Announcement {
        topic,
        message_id: &format!("rpc_intermediate_{}_{index}", ledger::plain_id(&job.u)),
        headers: r#"{"event":"rpc.intermediate_result"}"#,
        payload: &payload,
        publisher: &rpc.catalog.identity.node_id,
    });
}

fn place(names: &Names<'_>, name: &str) -> usize {
    names.place(name).expect("every command's name is known")
}

/// One command, ready and on its own.
#[derive(Debug)]
struct Call {
    place: usize,
    function: Arc<Function>,
    args: String,
    kwargs: String,
    resources: Vec<String>,
    deadline: Instant,
}

impl Call {
    fn new(
        job: &Job<'_>,
        command: usize,
        names: &Names<'_>,
        ledger: &Ledger,
        deadline: Instant,
    ) -> Result<Call, Failure> {
        let task = &job.tasks[command];
        let place = place(names, &task.name);
        Ok(Call {
            place,
            function: Arc::clone(&task.function),
            args: ledger.resolve(&task.args, place, names)?.into_owned(),
            kwargs: ledger.resolve(&task.kwargs, place, names)?.into_owned(),
            resources: task.resources.clone(),
            deadline,
        })
    }

    async fn run(self, rpc: &Arc<Rpc>) -> Result<String, Failure> {
        let _running = rpc.running.acquire().await.expect("the semaphore is never closed");
        match &self.function.memo {
            None => self.run_code(rpc).await,
            Some(memo) => {
                let arguments = (self.args.as_str(), self.kwargs.as_str());
                rpc.memos.get_or_run(memo, arguments, || self.run_code(rpc)).await
            }
        }
    }

    async fn run_code(&self, rpc: &Arc<Rpc>) -> Result<String, Failure> {
        let Call { function, args, kwargs, .. } = self;
        let name = &function.name;
        match &function.code {
            Code::Quick(code) => guarded(name, || code(args, kwargs)),
            Code::Builtin(builtin) => builtin(rpc, &Fields::read(name, args, kwargs)?),
            Code::Async(code) => {
                let running = guarded(name, || code(args, kwargs))?;
                guarded_async(name, running).await
            }
            Code::Blocking(code) => {
                let (code, name) = (Arc::clone(code), name.clone());
                let (args, kwargs) = (args.clone(), kwargs.clone());
                let blocking = tokio::task::spawn_blocking(move || guarded(&name, || code(&args, &kwargs)));
                blocking.await.unwrap_or_else(|_| Err(Failure::new("Cancelled", "the node stops")))
            }
            Code::Workers(pool) => {
                let (resources, deadline) = (self.resources.as_slice(), self.deadline);
                let errand = Errand { function, pool: *pool, args, kwargs, resources, deadline };
                rpc.workers.call(&errand).await
            }
        }
    }
}

/// Runs code of others: where panics unwind, one is a failure of its call and of nothing else.
fn guarded<T>(name: &str, code: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|_| Err(panicked(name)))
}

async fn guarded_async(
    name: &str,
    running: impl Future<Output = Result<String, Failure>>,
) -> Result<String, Failure> {
    AssertUnwindSafe(running).catch_unwind().await.unwrap_or_else(|_| Err(panicked(name)))
}

#[cold]
fn panicked(name: &str) -> Failure {
    tracing::error!(function = name, "a function panicked");
    Failure::new("Panic", format!("{name} panicked"))
}
