//! Who serves what, who is busy and who waits. Every method is short and never waits; one lock holds all of it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::limits::WORKER_WAITING_MAX;
use crate::rpc::function::Failure;
use crate::rpc::version::Version;
use crate::session::Outbox;

/// Number of a worker, never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct WorkerId(pub(super) u64);

/// Number of a function version that workers serve.
pub(super) type PoolId = u64;

/// What an invocation came to.
#[derive(Debug)]
pub(super) enum Answer {
    Outcome(Result<String, Failure>),
    /// The worker is gone; whether it ran the call nobody knows.
    Lost,
}

/// A function that has lost its last worker.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) name: String,
    pub(super) version: Version,
}

/// A worker's place for one call was given to whoever waited. `None`: no worker is left.
type Turn = Option<WorkerId>;

#[derive(Debug)]
pub(super) struct Worker {
    pub(super) outbox: Outbox,
    in_flight: u32,
    in_flight_max: u32,
    lease: Duration,
    lease_ends: Instant,
    /// The pools it is in, with the resources it has there.
    serves: HashMap<PoolId, Vec<String>>,
}

#[derive(Debug)]
struct Pool {
    name: String,
    version: Version,
    members: Vec<WorkerId>,
}

/// A call in line.
#[derive(Debug)]
struct Waiting {
    ticket: u64,
    pool: PoolId,
    resources: Vec<String>,
    /// Workers that would not take it.
    refused: Vec<WorkerId>,
    turn: oneshot::Sender<Turn>,
}

/// An invocation a worker has not answered.
#[derive(Debug)]
struct Pending {
    worker: WorkerId,
    /// `None`: nobody waits for it any more.
    answer: Option<oneshot::Sender<Answer>>,
}

/// What came of asking for a worker.
#[derive(Debug)]
pub(super) enum Acquired {
    /// It has a place for this call, which is taken now.
    Worker(WorkerId),
    /// All are busy; the ticket gives up the place in line.
    Wait(u64, oneshot::Receiver<Turn>),
    /// All are busy, and the line is full.
    Full,
    /// None.
    Nobody,
}

#[derive(Debug, Default)]
pub(super) struct State {
    next: u64,
    workers: HashMap<WorkerId, Worker>,
    pools: HashMap<PoolId, Pool>,
    by_function: BTreeMap<(String, Version), PoolId>,
    pending: HashMap<u64, Pending>,
    line: VecDeque<Waiting>,
}

impl State {
    fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.len()
    }

    #[cfg(test)]
    pub(super) fn in_flight(&self) -> usize {
        self.pending.len()
    }

    /// The worker of a connection, made when `known` is none (any more).
    pub(super) fn enlist(
        &mut self,
        known: Option<WorkerId>,
        outbox: &Outbox,
        (in_flight_max, lease): (u32, Duration),
        now: Instant,
    ) -> WorkerId {
        if let Some(id) = known
            && let Some(worker) = self.workers.get_mut(&id)
        {
            (worker.in_flight_max, worker.lease, worker.lease_ends) = (in_flight_max, lease, now + lease);
            return id;
        }
        let id = WorkerId(self.number());
        let worker = Worker {
            outbox: outbox.clone(),
            in_flight: 0,
            in_flight_max,
            lease,
            lease_ends: now + lease,
            serves: HashMap::new(),
        };
        self.workers.insert(id, worker);
        id
    }

    /// The pool of a function version, made when there is none.
    pub(super) fn pool(&mut self, name: &str, version: Version) -> PoolId {
        let key = (name.to_owned(), version);
        if let Some(&pool) = self.by_function.get(&key) {
            return pool;
        }
        let pool = self.number();
        self.pools.insert(pool, Pool { name: name.to_owned(), version, members: Vec::new() });
        self.by_function.insert(key, pool);
        pool
    }

    /// Forgets pools that were made for nobody.
    pub(super) fn drop_empty_pools(&mut self) {
        self.pools.retain(|_, pool| !pool.members.is_empty());
        let pools = &self.pools;
        self.by_function.retain(|_, pool| pools.contains_key(pool));
    }

    /// How many pools the worker is in.
    pub(super) fn served(&self, id: WorkerId) -> usize {
        self.workers.get(&id).map_or(0, |worker| worker.serves.len())
    }

    /// The worker serves this pool from now on.
    pub(super) fn join(&mut self, id: WorkerId, pool: PoolId, resources: Vec<String>) {
        let (Some(worker), Some(pool_of)) = (self.workers.get_mut(&id), self.pools.get_mut(&pool)) else {
            return;
        };
        if worker.serves.insert(pool, resources).is_none() {
            pool_of.members.push(id);
        }
    }

    /// All resources the members of a pool have, sorted.
    pub(super) fn resources(&self, pool: PoolId) -> Vec<String> {
        let members = self.pools.get(&pool).map(|pool| pool.members.as_slice()).unwrap_or_default();
        let served = members.iter().filter_map(|id| self.workers.get(id)?.serves.get(&pool));
        let mut all: Vec<String> = served.flatten().cloned().collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The worker serves these functions no longer, or none at all; those nobody serves any more.
    pub(super) fn leave(&mut self, id: WorkerId, name: Option<&str>) -> Vec<Lost> {
        let Some(worker) = self.workers.get_mut(&id) else { return Vec::new() };
        let pools = &self.pools;
        let named =
            |pool: &PoolId| name.is_none_or(|name| pools.get(pool).is_some_and(|pool| pool.name == name));
        let left: Vec<PoolId> = worker.serves.keys().copied().filter(named).collect();
        left.iter().for_each(|pool| drop(worker.serves.remove(pool)));
        let lost = self.close_pools(id, left);
        self.turn_away();
        lost
    }

    fn close_pools(&mut self, id: WorkerId, left: Vec<PoolId>) -> Vec<Lost> {
        let mut lost = Vec::new();
        for pool_id in left {
            let Some(pool) = self.pools.get_mut(&pool_id) else { continue };
            pool.members.retain(|member| *member != id);
            if pool.members.is_empty()
                && let Some(pool) = self.pools.remove(&pool_id)
            {
                self.by_function.remove(&(pool.name.clone(), pool.version));
                lost.push(Lost { name: pool.name, version: pool.version });
            }
        }
        lost
    }

    /// The worker is gone, and with it the calls it had; the functions nobody serves any more.
    pub(super) fn remove(&mut self, id: WorkerId) -> Vec<Lost> {
        let Some(worker) = self.workers.remove(&id) else { return Vec::new() };
        let gone: Vec<u64> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.worker == id)
            .map(|(&number, _)| number)
            .collect();
        for number in gone {
            let answer = self.pending.remove(&number).and_then(|pending| pending.answer);
            // Refused only by a caller that has gone, too.
            let _ = answer.map(|answer| answer.send(Answer::Lost));
        }
        let lost = self.close_pools(id, worker.serves.into_keys().collect());
        self.turn_away();
        lost
    }

    /// Tells calls in line that nobody is left for them.
    fn turn_away(&mut self) {
        let line = std::mem::take(&mut self.line);
        for waiting in line {
            if self.fitting(waiting.pool, &waiting.resources, &waiting.refused).next().is_some() {
                self.line.push_back(waiting);
            } else {
                let _ = waiting.turn.send(None);
            }
        }
    }

    /// Members of a pool that may take a call, busy or not.
    fn fitting<'s>(
        &'s self,
        pool: PoolId,
        resources: &'s [String],
        refused: &'s [WorkerId],
    ) -> impl Iterator<Item = (WorkerId, &'s Worker)> {
        let members = self.pools.get(&pool).map(|pool| pool.members.as_slice()).unwrap_or_default();
        members.iter().filter_map(move |id| {
            let worker = self.workers.get(id)?;
            let has = worker.serves.get(&pool)?;
            let fits =
                resources.iter().all(|wanted| has.binary_search(wanted).is_ok()) && !refused.contains(id);
            fits.then_some((*id, worker))
        })
    }

    /// Takes a place at the least busy worker that fits, or in the line.
    pub(super) fn acquire(&mut self, pool: PoolId, resources: &[String], refused: &[WorkerId]) -> Acquired {
        let mut fitting = self.fitting(pool, resources, refused).peekable();
        if fitting.peek().is_none() {
            return Acquired::Nobody;
        }
        let free = fitting.filter(|(_, worker)| worker.in_flight < worker.in_flight_max);
        // Of equally busy ones, the one that has had the fewest places before: small and large workers fill alike.
        let best = free.min_by_key(|(_, worker)| (worker.in_flight, std::cmp::Reverse(worker.in_flight_max)));
        if let Some(id) = best.map(|(id, _)| id) {
            self.take_place(id);
            return Acquired::Worker(id);
        }
        if self.line.len() >= WORKER_WAITING_MAX {
            return Acquired::Full;
        }
        let (turn, waiting) = oneshot::channel();
        let ticket = self.number();
        let (resources, refused) = (resources.to_vec(), refused.to_vec());
        self.line.push_back(Waiting { ticket, pool, resources, refused, turn });
        Acquired::Wait(ticket, waiting)
    }

    fn take_place(&mut self, id: WorkerId) {
        if let Some(worker) = self.workers.get_mut(&id) {
            worker.in_flight += 1;
        }
    }

    /// A place at the worker is free again: whoever waits for it has its turn.
    pub(super) fn release(&mut self, id: WorkerId) {
        let Some(worker) = self.workers.get_mut(&id) else { return };
        worker.in_flight = worker.in_flight.saturating_sub(1);
        while let Some(at) = self.next_in_line(id) {
            let Some(waiting) = self.line.remove(at) else { return };
            self.take_place(id);
            // A caller may have gone; then the next one has its turn.
            if waiting.turn.send(Some(id)).is_ok() {
                return;
            }
            if let Some(worker) = self.workers.get_mut(&id) {
                worker.in_flight -= 1;
            }
        }
    }

    /// The first in line that this worker can serve now.
    fn next_in_line(&self, id: WorkerId) -> Option<usize> {
        let worker = self.workers.get(&id).filter(|worker| worker.in_flight < worker.in_flight_max)?;
        self.line.iter().position(|waiting| {
            let has = worker.serves.get(&waiting.pool);
            let fits =
                |has: &Vec<String>| waiting.resources.iter().all(|wanted| has.binary_search(wanted).is_ok());
            has.is_some_and(fits) && !waiting.refused.contains(&id)
        })
    }

    /// Gives up a place in line, and the turn that may have come meanwhile.
    pub(super) fn give_up(&mut self, ticket: u64, turn: &mut oneshot::Receiver<Turn>) {
        if let Some(at) = self.line.iter().position(|waiting| waiting.ticket == ticket) {
            self.line.remove(at);
        } else if let Ok(Some(id)) = turn.try_recv() {
            self.release(id);
        }
    }

    /// Notes an invocation at a worker whose place has been taken, and where to send it. `None`: the worker is gone.
    pub(super) fn invoke(&mut self, id: WorkerId) -> Option<(u64, Outbox, oneshot::Receiver<Answer>)> {
        let outbox = self.workers.get(&id)?.outbox.clone();
        let (answer, waiting) = oneshot::channel();
        let number = self.number();
        self.pending.insert(number, Pending { worker: id, answer: Some(answer) });
        Some((number, outbox, waiting))
    }

    /// An invocation never reached its worker.
    pub(super) fn take_back(&mut self, number: u64) {
        if let Some(pending) = self.pending.remove(&number) {
            self.release(pending.worker);
        }
    }

    /// Nobody waits for an invocation any more. Its place stays taken until the worker answers; its outbox, to say so.
    pub(super) fn abandon(&mut self, number: u64) -> Option<Outbox> {
        let pending = self.pending.get_mut(&number)?;
        pending.answer = None;
        Some(self.workers.get(&pending.worker)?.outbox.clone())
    }

    pub(super) fn finish(
        &mut self,
        id: WorkerId,
        number: u64,
        outcome: Result<String, Failure>,
        now: Instant,
    ) {
        self.renew(id, now);
        if self.pending.get(&number).is_none_or(|pending| pending.worker != id) {
            return;
        }
        let answer = self.pending.remove(&number).and_then(|pending| pending.answer);
        let _ = answer.map(|answer| answer.send(Answer::Outcome(outcome)));
        self.release(id);
    }

    pub(super) fn renew(&mut self, id: WorkerId, now: Instant) -> Option<Duration> {
        let worker = self.workers.get_mut(&id)?;
        worker.lease_ends = now + worker.lease;
        Some(worker.lease)
    }

    /// Workers whose lease has ended.
    pub(super) fn expired(&self, now: Instant) -> Vec<WorkerId> {
        let late = |(id, worker): (&WorkerId, &Worker)| (worker.lease_ends <= now).then_some(*id);
        self.workers.iter().filter_map(late).collect()
    }
}
