//! One measurement: threads, a common start, and the sum of what they saw.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::drive::{Driver, Shared};
use super::keys::Keys;
use super::measure::Measured;
use super::plan::{Distribution, Level, Limit, Operation, Plan};
use crate::failure::{Failure, Kind};
use crate::progress::Progress;

/// Pipeline depth of the preload.
const PRELOAD_DEPTH: usize = 64;
/// Connections of the preload.
const PRELOAD_CONNECTIONS: usize = 8;

/// Measures once. `tick` is called about ten times a second with the steps done so far
/// (milliseconds or operations, as `Plan::steps` counts them).
pub fn measure(plan: &Plan, tick: &dyn Fn(u64)) -> Result<Measured, Failure> {
    let shared = Shared { plan, replies: AtomicU64::new(0) };
    let connect = |(thread, keys)| Driver::connect(&shared, keys, thread);
    let drivers: io::Result<Vec<Driver>> =
        Keys::for_threads(plan).into_iter().enumerate().map(connect).collect();
    let drivers = drivers.map_err(|error| unreachable(plan, &error))?;
    let (cpu_before, begin) = (cpu_time(), Instant::now());
    let outcome = thread::scope(|scope| {
        let threads: Vec<_> =
            drivers.into_iter().map(|driver| scope.spawn(move || driver.run(begin))).collect();
        while !threads.iter().all(ScopedJoinHandle::is_finished) {
            tick(steps_done(&shared, begin));
            thread::sleep(Duration::from_millis(if plan.steps() < 1000 { 10 } else { 100 }));
        }
        gather(threads)
    });
    let mut measured = outcome.map_err(|error| unreachable(plan, &error))?;
    let wall = begin.elapsed().as_secs_f64().max(1e-9);
    measured.client_cpu_percent = 100.0 * cpu_time().saturating_sub(cpu_before).as_secs_f64() / wall;
    Ok(measured)
}

/// Puts every key once, at level `eventual`.
pub fn preload(plan: &Plan) -> Result<(), Failure> {
    let preload = Plan {
        operation: Operation::Put,
        level: Level::Eventual,
        connections: PRELOAD_CONNECTIONS,
        depth: PRELOAD_DEPTH,
        threads: 1,
        distribution: Distribution::Sequential,
        limit: Limit::Operations(plan.keys),
        warmup: Duration::ZERO,
        rate: None,
        ..plan.clone()
    };
    let progress = Progress::start("preload", preload.steps());
    let measured = measure(&preload, &|done| progress.at(done))?;
    let stored = measured.counts.hits;
    progress.end(&format!("{stored} keys, {:.0} a second", measured.per_second()));
    super::refuse_errors(&measured)
}

fn gather(threads: Vec<ScopedJoinHandle<'_, io::Result<Measured>>>) -> io::Result<Measured> {
    let mut all = Measured::new();
    for thread in threads {
        let one = thread.join().unwrap_or_else(|_| Err(io::Error::other("a load thread panicked")))?;
        all.merge(one);
    }
    Ok(all)
}

fn steps_done(shared: &Shared<'_>, begin: Instant) -> u64 {
    match shared.plan.limit {
        // Relaxed: a progress bar may be a little behind.
        Limit::Operations(_) => shared.replies.load(Ordering::Relaxed),
        Limit::Time(_) => begin.elapsed().as_millis() as u64,
    }
}

/// Processor time of this process, all threads.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn unreachable(plan: &Plan, error: &io::Error) -> Failure {
    Failure::new(Kind::Unreachable, format!("{}: {error}", plan.target.url()))
}
