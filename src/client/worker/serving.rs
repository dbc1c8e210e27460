//! One connection of a worker, from its registration to its end.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::task::{AbortHandle, JoinSet};

use super::Worker;
use super::function::{Declaration, Failure, Function, Invocation};
use crate::client::lanes::Exit;
use crate::client::{Client, Error, rpc};

/// A registered worker on an open connection.
pub(super) struct Serving {
    client: Client,
    lane: Exit,
    functions: Arc<[Function]>,
    calls: JoinSet<String>,
    /// Calls under way by the node's id of them.
    running: HashMap<String, AbortHandle>,
    heartbeat: AbortHandle,
    answered: Arc<AtomicBool>,
}

#[derive(Serialize)]
struct Register<'a> {
    role: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    worker: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_in_flight: Option<u32>,
    lease_ms: u64,
    functions: Vec<&'a Declaration>,
}

#[derive(Deserialize)]
struct Terms {
    lease_ms: u64,
}

#[derive(Deserialize)]
struct Push<'a> {
    role: &'a str,
    u: &'a str,
    fun: Option<String>,
    version: Option<String>,
    #[serde(borrow)]
    args: Option<&'a RawValue>,
    #[serde(borrow)]
    kwargs: Option<&'a RawValue>,
    timeout_ms: Option<u64>,
}

#[derive(Serialize)]
struct Answer<'a> {
    role: &'static str,
    u: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a Failure>,
}

impl Serving {
    /// Connects and registers.
    pub(super) async fn begin(worker: &Worker) -> Result<Serving, Error> {
        let client = worker.endpoints.connect().await?;
        // Before anything can be invoked.
        let lane = client.shared.routes.lanes.work();
        let register = Register {
            role: "rpc-register",
            worker: worker.name.as_deref(),
            max_in_flight: worker.max_in_flight,
            lease_ms: u64::try_from(worker.lease.as_millis()).unwrap_or(u64::MAX),
            functions: worker.functions.iter().map(|function| &function.declaration).collect(),
        };
        let register = serde_json::value::to_raw_value(&register).map_err(Error::Encode)?;
        let lease = enlist(&client, &register).await?;
        let heartbeat = tokio::spawn(beat(client.clone(), register, lease)).abort_handle();
        Ok(Serving {
            client,
            lane,
            functions: worker.functions.as_slice().into(),
            calls: JoinSet::new(),
            running: HashMap::new(),
            heartbeat,
            answered: Arc::default(),
        })
    }

    /// Whether the connection was good for a call.
    pub(super) fn answered(&self) -> bool {
        self.answered.load(Ordering::Relaxed)
    }

    /// Runs calls until the connection ends. What is under way then is dropped: nobody can be told of it.
    pub(super) async fn serve(&mut self) {
        loop {
            tokio::select! {
                message = self.lane.next() => match message {
                    Some(message) => self.take(&message).await,
                    None => return,
                },
                Some(finished) = self.calls.join_next() => {
                    if let Ok(u) = finished {
                        self.running.remove(&u);
                    }
                }
            }
        }
    }

    /// Takes the functions back, finishes what is under way, and sees to it that the results have left.
    pub(super) async fn finish(&mut self, limit: Duration) {
        let ending = async {
            let taken_back = self.client.send(&serde_json::json!({"role": "rpc-unregister"})).await;
            // Calls that were sent before the node read that.
            while let Ok(Some(message)) = tokio::time::timeout(Duration::ZERO, self.lane.next()).await {
                self.take(&message).await;
            }
            while self.calls.join_next().await.is_some() {}
            if taken_back.is_ok() {
                // Its answer comes behind whatever was written before.
                let _ = self.client.echo::<_, u8>(&0).await;
            }
        };
        let _ = tokio::time::timeout(limit, ending).await;
    }

    async fn take(&mut self, message: &[u8]) {
        let Ok(push) = serde_json::from_slice::<Push<'_>>(message) else { return };
        if push.role == "rpc-cancel" {
            if let Some(call) = self.running.remove(push.u) {
                call.abort();
                // The place counts as taken until there is a result.
                let failure = Failure::new("Cancelled", "nobody waits for the result");
                answer(&self.client, push.u, Err(failure)).await;
            }
            return;
        }
        let u = push.u.to_owned();
        let (client, work, answered) = (self.client.clone(), self.work(push), Arc::clone(&self.answered));
        let id = u.clone();
        let call = self.calls.spawn(async move {
            let outcome = work.await;
            answered.store(true, Ordering::Relaxed);
            answer(&client, &id, outcome).await;
            id
        });
        self.running.insert(u, call);
    }

    /// What the call comes to, within its time.
    fn work(&self, push: Push<'_>) -> impl Future<Output = Result<Box<RawValue>, Failure>> + Send + use<> {
        let call = invocation(push);
        let function = call.as_ref().and_then(|call| self.function(call)).cloned();
        async move {
            let Some(call) = call else { return Err(Failure::new("BadInvocation", "it cannot be read")) };
            let Some(function) = function else {
                let message = format!("{} {} is not served here", call.fun, call.version);
                return Err(Failure::new("NotServed", message));
            };
            let timeout = call.timeout;
            // In a task of its own, so that a panic is a failure of the call and not of the worker.
            let mut running = JoinSet::new();
            running.spawn((function.run)(function.placed(call)));
            match tokio::time::timeout(timeout, running.join_next()).await {
                Ok(Some(Ok(outcome))) => outcome,
                Ok(Some(Err(error))) => Err(Failure::new("Panic", error)),
                Ok(None) => Err(Failure::new("Panic", "the call has gone")),
                Err(_) => Err(Failure::new("TimeoutError", format!("no result within {timeout:?}"))),
            }
        }
    }

    fn function(&self, call: &Invocation) -> Option<&Function> {
        let version = |function: &Function| function.declaration.version.clone().unwrap_or("1.0.0".into());
        let named = |function: &&Function| function.declaration.name == call.fun;
        let exact = self.functions.iter().filter(named).find(|function| version(function) == call.version);
        // The node may write a version in another way than it was declared.
        exact.or_else(|| self.functions.iter().find(named))
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.heartbeat.abort();
    }
}

fn invocation(push: Push<'_>) -> Option<Invocation> {
    Some(Invocation {
        fun: push.fun?,
        version: push.version.unwrap_or_default(),
        args: push.args?.to_owned(),
        kwargs: push.kwargs?.to_owned(),
        timeout: push.timeout_ms.map_or(Duration::from_secs(30), Duration::from_millis),
    })
}

/// Registers; how long the worker may be silent.
async fn enlist(client: &Client, register: &RawValue) -> Result<Duration, Error> {
    let reply = client.send(register).await?;
    let terms: Terms = serde_json::from_str(rpc::result(&reply)?).map_err(Error::Decode)?;
    Ok(Duration::from_millis(terms.lease_ms))
}

/// Renews the lease until the connection ends, and registers again should it have ended all the same.
async fn beat(client: Client, register: Box<RawValue>, lease: Duration) {
    let mut ticks = tokio::time::interval(lease / 3);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !client.is_lost() {
        ticks.tick().await;
        let renewed = client.send(&serde_json::json!({"role": "rpc-heartbeat"})).await;
        if let Ok(reply) = renewed
            && let Err(Error::Node { .. }) = rpc::result(&reply)
        {
            // A refusal is tried again with the next beat: the functions were good once.
            let _ = enlist(&client, &register).await;
        }
    }
}

async fn answer(client: &Client, u: &str, outcome: Result<Box<RawValue>, Failure>) {
    let (result, error) = match &outcome {
        Ok(result) => (Some(&**result), None),
        Err(failure) => (None, Some(failure)),
    };
    let Ok(payload) = serde_json::to_vec(&Answer { role: "rpc-result", u, result, error }) else { return };
    // A lost connection ends `serve`, too.
    if let Err(Error::TooLarge { bytes, bytes_max }) = client.post(payload).await {
        let failure = Failure::new("BadResult", format!("{bytes} bytes, the limit is {bytes_max}"));
        let answer = Answer { role: "rpc-result", u, result: None, error: Some(&failure) };
        if let Ok(payload) = serde_json::to_vec(&answer) {
            let _ = client.post(payload).await;
        }
    }
}
