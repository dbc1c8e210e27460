//! So many processes, one call at a time each.

use std::sync::{Mutex, PoisonError};

use mpreg::client::{Failure, Invocation};
use serde_json::value::RawValue;
use tokio::sync::Semaphore;

use super::process::{Process, Program};

/// Processes that wait for calls, and places for more.
#[derive(Debug)]
pub struct Pool {
    program: Program,
    /// One permit for each process that may run.
    places: Semaphore,
    idle: Mutex<Vec<Process>>,
}

impl Pool {
    /// A pool of up to `processes`, started as they are needed.
    pub fn new(program: Program, processes: u32) -> Pool {
        Pool { program, places: Semaphore::new(processes as usize), idle: Mutex::default() }
    }

    /// Starts the first one.
    pub async fn warm(&self) -> Result<(), Failure> {
        let process = self.program.start()?;
        self.put_back(process);
        Ok(())
    }

    /// One call. A process that fails it in any way but a clear answer is not used again: it is killed when this returns,
    /// also when the caller goes away meanwhile.
    pub async fn call(&self, call: &Invocation) -> Result<Box<RawValue>, Failure> {
        let line = self.program.line(call)?;
        let _place = self.places.acquire().await.expect("the semaphore is never closed");
        let mut process = match self.take() {
            Some(process) => process,
            None => self.program.start()?,
        };
        let limit = self.program.time_limit;
        let answer = tokio::time::timeout(limit, process.exchange(&line)).await;
        let answer = answer.map_err(|_| {
            Failure::new("TimeoutError", format!("the program gave no answer within {limit:?}"))
        })??;
        self.put_back(process);
        self.program.read(&answer)
    }

    /// One that waits and still runs.
    fn take(&self) -> Option<Process> {
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(mut process) = idle.pop() {
            if process.is_alive() {
                return Some(process);
            }
        }
        None
    }

    fn put_back(&self, process: Process) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(process);
    }
}
