//! Workers coming and going.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::Hub;
use super::state::{Lost, PoolId, State, WorkerId};
use crate::limits::{
    FUNCTION_DECLARATION_BYTES_MAX, WORKER_FUNCTIONS_MAX, WORKER_IN_FLIGHT_DEFAULT, WORKER_IN_FLIGHT_MAX,
    WORKER_LEASE_MS_DEFAULT, WORKER_LEASE_MS_MAX, WORKER_LEASE_MS_MIN, WORKERS_MAX,
};
use crate::protocol::worker::Register;
use crate::rpc::function::{Code, Declaration, Failure, Function};
use crate::rpc::job;
use crate::rpc::registry::Registry;
use crate::session::Outbox;

impl Hub {
    /// Registers what a worker offers, all of it or nothing. `known` is the worker the connection is already. The
    /// second part is the `r` of the reply.
    pub(crate) fn register(
        &self,
        known: Option<WorkerId>,
        outbox: &Outbox,
        message: &Register<'_>,
        now_us: u64,
    ) -> Result<(WorkerId, Value), Failure> {
        let offered = functions(message.functions)?;
        let clamped =
            |given: Option<u64>, default: u64, min: u64, max: u64| given.unwrap_or(default).clamp(min, max);
        let in_flight_max = clamped(message.max_in_flight, WORKER_IN_FLIGHT_DEFAULT, 1, WORKER_IN_FLIGHT_MAX);
        let lease_ms =
            clamped(message.lease_ms, WORKER_LEASE_MS_DEFAULT, WORKER_LEASE_MS_MIN, WORKER_LEASE_MS_MAX);
        let terms = (u32::try_from(in_flight_max).unwrap_or(u32::MAX), Duration::from_millis(lease_ms));
        let count = offered.len();
        let id = self.catalog.change(now_us, |registry, delta| {
            let mut state = self.state();
            if known.is_none() && state.workers() >= WORKERS_MAX {
                return Err(Failure::unavailable("too many workers are connected"));
            }
            let taken = take_all(&mut state, registry, offered)?;
            let id = state.enlist(known, outbox, terms, Instant::now());
            for Taken { function, pool, resources, .. } in taken {
                state.join(id, pool, resources);
                delta.added.push(function);
            }
            Ok(id)
        })?;
        let name = message.worker.map(|name| name.decode().into_owned());
        tracing::info!(worker = id.0, name, functions = count, "a worker has registered");
        let reply = json!({
            "worker_id": format!("w{}", id.0),
            "registered": count,
            "max_in_flight": in_flight_max,
            "lease_ms": lease_ms,
        });
        Ok((id, reply))
    }

    /// Takes back functions of a worker: those in the JSON array of names, or all. The reply's `r`.
    pub(crate) fn unregister(&self, worker: WorkerId, names: Option<&str>, now_us: u64) -> Value {
        self.renew(worker);
        let mut removed = 0;
        self.take_out(now_us, |state| {
            let before = state.served(worker);
            let lost: Vec<Lost> = match names {
                None => state.leave(worker, None),
                Some(names) => {
                    job::strings(names).iter().flat_map(|name| state.leave(worker, Some(name))).collect()
                }
            };
            removed = before - state.served(worker);
            lost
        });
        json!({"unregistered": removed})
    }
}

/// The functions of a JSON array of declarations.
fn functions(text: &str) -> Result<Vec<Function>, Failure> {
    let offered: Vec<Declaration> = serde_json::from_str(text)?;
    if offered.len() > WORKER_FUNCTIONS_MAX {
        let count = offered.len();
        return Err(Failure::value(format!(
            "{count} functions at once, the limit is {WORKER_FUNCTIONS_MAX}"
        )));
    }
    if text.len() > FUNCTION_DECLARATION_BYTES_MAX * offered.len().max(1) {
        return Err(Failure::value("the declarations are too long"));
    }
    Ok(offered
        .iter()
        .map(|declaration| Function::new(declaration, Code::Workers(0)))
        .collect::<Result<_, _>>()?)
}

/// A function in the registry whose worker has not joined yet.
struct Taken {
    function: Arc<Function>,
    pool: PoolId,
    /// What this worker has.
    resources: Vec<String>,
    /// What stood in its place.
    before: Option<Arc<Function>>,
}

/// Registers all functions, or leaves everything as it was. Calls cannot come in between: they need the state.
fn take_all(state: &mut State, registry: &Registry, offered: Vec<Function>) -> Result<Vec<Taken>, Failure> {
    let mut taken: Vec<Taken> = Vec::with_capacity(offered.len());
    for mut function in offered {
        let pool = state.pool(&function.name, function.version);
        let resources = function.resources.clone();
        // The registry knows what all who serve it have; each call is given to one who has what it needs.
        function.resources.extend(state.resources(pool));
        function.resources.sort_unstable();
        function.resources.dedup();
        function.code = Code::Workers(pool);
        let before = registry.version(&function.name, function.version);
        match registry.add(function) {
            Ok(function) => taken.push(Taken { function, pool, resources, before }),
            Err(error) => {
                take_back(state, registry, taken);
                return Err(error.into());
            }
        }
    }
    Ok(taken)
}

fn take_back(state: &mut State, registry: &Registry, taken: Vec<Taken>) {
    for Taken { function, before, .. } in taken.into_iter().rev() {
        match before {
            Some(before) => registry.restore(before),
            None => drop(registry.remove(&function.name, function.version)),
        }
    }
    state.drop_empty_pools();
}
