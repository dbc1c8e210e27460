//! Results of `bench`, for people and for programs.

use std::io;

use serde::Serialize;

use super::measure::{Counts, Latency, Measured};
use super::plan::Plan;
use crate::output::{self, Format, grouped};

/// One measurement with what it was of. The JSON keys are stable.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    pub target: String,
    pub transport: &'static str,
    pub operation: &'static str,
    pub level: &'static str,
    pub connections: usize,
    pub depth: usize,
    pub threads: usize,
    pub keys: u64,
    pub value_bytes: usize,
    pub rate: Option<f64>,
    pub seed: u64,
    pub seconds: f64,
    pub operations_per_second: f64,
    pub counts: Counts,
    pub mean_reply_bytes: u64,
    /// Coordinated omission corrected.
    pub latency: Latency,
    /// As the replies came in.
    pub latency_seen: Latency,
    pub client_cpu_percent: f64,
}

impl Row {
    /// What `measured` says about `plan`.
    pub fn new(plan: &Plan, measured: &Measured) -> Row {
        Row {
            target: plan.target.url(),
            transport: plan.target.transport.scheme(),
            operation: plan.operation_name(),
            level: plan.level.name(),
            connections: plan.connections,
            depth: plan.depth,
            threads: plan.threads,
            keys: plan.keys,
            value_bytes: plan.value_bytes,
            rate: plan.rate,
            seed: plan.seed,
            seconds: measured.elapsed.as_secs_f64(),
            operations_per_second: measured.per_second(),
            counts: measured.counts,
            mean_reply_bytes: measured.mean_reply_bytes(),
            latency: measured.corrected(plan.rate.is_some()),
            latency_seen: measured.seen(),
            client_cpu_percent: measured.client_cpu_percent,
        }
    }
}

/// Prints measurements: one line each for the counts, two for the latencies.
pub fn print(format: Format, rows: &[Row]) -> io::Result<()> {
    if format == Format::Json {
        return output::json(&rows);
    }
    let heads = ["what", "conns", "depth", "op/s", "hits", "misses", "errors", "reply B", "load cpu %"];
    let lines: Vec<_> = rows.iter().map(counts_line).collect();
    output::table(&heads, &lines)?;
    println!();
    let heads = ["latency, us", "mean", "p50", "p99", "p99.9", "max"];
    let lines: Vec<_> = rows.iter().flat_map(latency_lines).collect();
    output::table(&heads, &lines)
}

fn counts_line(row: &Row) -> Vec<String> {
    vec![
        format!("{} {}", row.transport, row.operation),
        row.connections.to_string(),
        row.depth.to_string(),
        grouped(row.operations_per_second as u64),
        grouped(row.counts.hits),
        grouped(row.counts.misses),
        grouped(row.counts.errors),
        row.mean_reply_bytes.to_string(),
        format!("{:.0}", row.client_cpu_percent),
    ]
}

fn latency_lines(row: &Row) -> Vec<Vec<String>> {
    let line = |name: &str, latency: &Latency| {
        let figures = [latency.mean_us, latency.p50_us, latency.p99_us, latency.p999_us, latency.max_us];
        std::iter::once(name.to_owned()).chain(figures.iter().map(|figure| format!("{figure:.1}"))).collect()
    };
    if row.rate.is_some() {
        return vec![line("from the scheduled start", &row.latency)];
    }
    vec![line("omission corrected", &row.latency), line("as seen", &row.latency_seen)]
}
