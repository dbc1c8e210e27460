//! A connection as a worker: what it says, and what happens when it ends.

use std::sync::Arc;

use mpreg_storage::json::Text;
use serde_json::{Value, json};

use super::Rpc;
use super::function::Failure;
use super::workers::WorkerId;
use crate::protocol::Rejection;
use crate::protocol::rpc::write_success;
use crate::protocol::worker::{Message, Outcome, read_id};
use crate::session::Reply;

/// What a connection is to the RPC. Dropping it takes its worker out.
#[derive(Debug)]
pub(crate) struct Member {
    rpc: Arc<Rpc>,
    worker: Option<WorkerId>,
}

impl Member {
    pub(super) fn new(rpc: Arc<Rpc>) -> Member {
        Member { rpc, worker: None }
    }

    /// Takes a message of a worker.
    pub(crate) fn take(&mut self, message: &Message<'_>, reply: &mut Reply<'_>) {
        let answered = match message {
            Message::Result { u, outcome } => return self.finish(u, outcome),
            Message::Register(register) => {
                let now_us = self.rpc.now_us();
                let registered = self.rpc.workers.register(self.worker, reply.outbox, register, now_us);
                (
                    register.u,
                    registered.map(|(worker, answer)| {
                        self.worker = Some(worker);
                        answer
                    }),
                )
            }
            Message::Unregister { u, functions } => (*u, self.unregister(*functions)),
            Message::Heartbeat { u } => (*u, self.renew()),
        };
        match answered {
            (u, Ok(answer)) => write_answer(u, &answer, reply.out),
            (u, Err(failure)) => failure.write_into(u, reply.out),
        }
    }

    /// A message could not be read: if it was a result, its caller must not wait for it.
    pub(crate) fn refused(&self, rejection: &Rejection<'_>) {
        if let (true, Some(worker), Some(id)) = (rejection.is_result(), self.worker, read_id(rejection.u())) {
            let failure = Failure::new("BadResult", format!("the worker's result: {}", rejection.error()));
            self.rpc.workers.finish(worker, id, Err(failure));
        }
    }

    fn finish(&self, u: &str, outcome: &Outcome<'_>) {
        let (Some(worker), Some(id)) = (self.worker, read_id(u)) else { return };
        let outcome = match outcome {
            Outcome::Value(text) => Ok((*text).to_owned()),
            Outcome::Failure { kind, message } => {
                let text = |text: &Option<Text<'_>>| text.map(|text| text.decode().into_owned());
                let kind = text(kind).unwrap_or_else(|| "Error".to_owned());
                Err(Failure::new(kind, text(message).unwrap_or_default()))
            }
        };
        self.rpc.workers.finish(worker, id, outcome);
    }

    fn unregister(&self, functions: Option<&str>) -> Result<Value, Failure> {
        let worker = self.worker.ok_or_else(Failure::no_worker)?;
        Ok(self.rpc.workers.unregister(worker, functions, self.rpc.now_us()))
    }

    fn renew(&self) -> Result<Value, Failure> {
        let lease =
            self.worker.and_then(|worker| self.rpc.workers.renew(worker)).ok_or_else(Failure::no_worker)?;
        Ok(json!({"lease_ms": u64::try_from(lease.as_millis()).unwrap_or(u64::MAX)}))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if let Some(worker) = self.worker {
            self.rpc.workers.disconnect(worker, self.rpc.now_us());
        }
    }
}

/// The members of `answer` are the `r` of the reply.
fn write_answer(u: &str, answer: &Value, out: &mut Vec<u8>) {
    let members = answer.as_object().into_iter().flatten();
    let members: Vec<(String, String)> =
        members.map(|(name, value)| (Value::from(name.as_str()).to_string(), value.to_string())).collect();
    write_success(out, u, members.iter().map(|(name, value)| (name.as_str(), value.as_bytes())));
}
