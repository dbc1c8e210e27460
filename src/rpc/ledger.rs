//! What a running request has got so far, and the replies made of it.

use std::time::Instant;

use mpreg_storage::json::{Reader, write};

use super::function::Failure;
use super::job::Job;
use super::names::Names;
use super::resolve::{self, Results};
use crate::limits::{MESSAGE_BYTES_MAX, RPC_RESULTS_BYTES_MAX};

/// A level that has finished.
#[derive(Debug, Clone, Copy)]
struct Level {
    /// Wall time, microseconds since 1970.
    finished_us: u64,
    took_ns: u64,
}

/// Results by place of the command's name, and times by level.
#[derive(Debug)]
pub(super) struct Ledger {
    results: Vec<Option<String>>,
    bytes: usize,
    levels: Vec<Level>,
    /// When the request began and when its last level ended; absent when nobody will be told.
    clock: Option<(Instant, Instant)>,
}

impl Results for Ledger {
    fn result(&self, place: usize) -> Option<&str> {
        self.results.get(place)?.as_deref()
    }
}

impl Ledger {
    pub(super) fn new(job: &Job<'_>) -> Ledger {
        let timed = job.wishes.intermediate || job.wishes.summary;
        let now = timed.then(Instant::now);
        Ledger {
            results: vec![None; job.tasks.len()],
            bytes: 0,
            levels: Vec::with_capacity(job.plan.level_count()),
            clock: now.map(|now| (now, now)),
        }
    }

    /// Keeps the result of a command.
    pub(super) fn put(&mut self, place: usize, result: String) -> Result<(), Failure> {
        self.bytes += result.len();
        if self.bytes > RPC_RESULTS_BYTES_MAX {
            return Err(Failure::value(format!(
                "the results of this request take more than {RPC_RESULTS_BYTES_MAX} bytes"
            )));
        }
        self.results[place] = Some(result);
        Ok(())
    }

    /// Bytes of all results so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// All commands of a level have their results. `now_us` is the wall time.
    pub(super) fn end_level(&mut self, now_us: u64) {
        let took_ns = self.clock.as_mut().map_or(0, |(_, before)| {
            let now = Instant::now();
            nanoseconds(now - std::mem::replace(before, now))
        });
        self.levels.push(Level { finished_us: now_us, took_ns });
    }

    /// The arguments of a command with the results so far in their places.
    pub(super) fn resolve<'t>(
        &self,
        text: &'t str,
        place: usize,
        names: &Names<'_>,
    ) -> Result<std::borrow::Cow<'t, str>, Failure> {
        resolve::resolve(text, place, names, self).map_err(|error| Failure::value(error.to_string()))
    }

    /// Appends the reply of a request of which every level has finished.
    ///
    /// Fails when the reply is more than a client takes; `out` is then as it was.
    pub(super) fn write_reply(
        &self,
        job: &Job<'_>,
        names: &Names<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let start = out.len();
        out.extend_from_slice(br#"{"role":"rpc-response","u":"#);
        out.extend_from_slice(job.u.as_bytes());
        out.extend_from_slice(br#","r":"#);
        let last = self.levels.len().saturating_sub(1);
        self.write_results(job, names, last..=last, out);
        out.extend_from_slice(br#","error":null,"intermediate_results":["#);
        if job.wishes.intermediate {
            for index in 0..self.levels.len() {
                if index > 0 {
                    out.push(b',');
                }
                self.write_level(job, names, index, out);
                // Accumulated results repeat themselves; stop before they fill the memory.
                if out.len() - start > MESSAGE_BYTES_MAX {
                    break;
                }
            }
        }
        out.extend_from_slice(br#"],"execution_summary":"#);
        if job.wishes.summary {
            self.write_summary(job, out);
        } else {
            out.extend_from_slice(b"null");
        }
        out.push(b'}');
        let bytes = out.len() - start;
        if bytes > MESSAGE_BYTES_MAX {
            out.truncate(start);
            return Err(Failure::value(format!("the reply has more than {MESSAGE_BYTES_MAX} bytes")));
        }
        Ok(())
    }

    /// Appends the object that tells about one finished level.
    pub(super) fn write_level(&self, job: &Job<'_>, names: &Names<'_>, index: usize, out: &mut Vec<u8>) {
        let level = self.levels[index];
        out.extend_from_slice(br#"{"request_id":"#);
        out.extend_from_slice(job.u.as_bytes());
        field(out, br#","level_index":"#, index);
        out.extend_from_slice(br#","level_results":"#);
        self.write_results(job, names, index..=index, out);
        out.extend_from_slice(br#","accumulated_results":"#);
        self.write_results(job, names, 0..=index, out);
        field(out, br#","total_levels":"#, job.plan.level_count());
        field(out, br#","completed_levels":"#, index + 1);
        out.extend_from_slice(br#","timestamp":"#);
        write::seconds(out, level.finished_us);
        out.extend_from_slice(br#","execution_time_ms":"#);
        write::milliseconds(out, level.took_ns);
        out.push(b'}');
    }

    /// Appends `{name: result}` of these levels.
    fn write_results(
        &self,
        job: &Job<'_>,
        names: &Names<'_>,
        levels: std::ops::RangeInclusive<usize>,
        out: &mut Vec<u8>,
    ) {
        out.push(b'{');
        let count = levels.end() + 1 - levels.start();
        let mut first = true;
        for &command in job.plan.levels().skip(*levels.start()).take(count).flatten() {
            let task = &job.tasks[command];
            let Some(result) = names.place(&task.name).and_then(|place| self.result(place)) else { continue };
            if !std::mem::take(&mut first) {
                out.push(b',');
            }
            out.extend_from_slice(task.label.as_bytes());
            out.push(b':');
            out.extend_from_slice(result.as_bytes());
        }
        out.push(b'}');
    }

    fn write_summary(&self, job: &Job<'_>, out: &mut Vec<u8>) {
        let times = || self.levels.iter().map(|level| level.took_ns);
        let bottleneck = times().enumerate().max_by_key(|&(index, took)| (took, std::cmp::Reverse(index)));
        let levels = self.levels.len().max(1) as u64;
        out.extend_from_slice(br#"{"request_id":"#);
        out.extend_from_slice(job.u.as_bytes());
        out.extend_from_slice(br#","total_execution_time_ms":"#);
        write::milliseconds(out, self.clock.map_or(0, |(begun, ended)| nanoseconds(ended - begun)));
        field(out, br#","total_levels":"#, job.plan.level_count());
        out.extend_from_slice(br#","level_execution_times":["#);
        for (index, took_ns) in times().enumerate() {
            if index > 0 {
                out.push(b',');
            }
            write::milliseconds(out, took_ns);
        }
        field(out, br#"],"bottleneck_level_index":"#, bottleneck.map_or(0, |(index, _)| index));
        out.extend_from_slice(br#","average_level_time_ms":"#);
        write::milliseconds(out, times().sum::<u64>() / levels);
        field(out, br#","parallel_commands_executed":"#, job.plan.command_count());
        out.extend_from_slice(br#","cross_cluster_hops":0}"#);
    }
}

fn field(out: &mut Vec<u8>, name: &[u8], number: usize) {
    out.extend_from_slice(name);
    write::unsigned(out, number as u64);
}

fn nanoseconds(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// The request id as a string, from its quoted form.
pub(super) fn plain_id(u: &str) -> String {
    Reader::new(u).string("u").map_or_else(|_| u.to_owned(), |text| text.decode().into_owned())
}
