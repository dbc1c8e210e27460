//! What part of the requests of a trace does each eviction policy answer?
//!
//! The memory itself is run, one shard, bounded by entries: a read, and on a miss a fill. Cache sizes are 1, 5 and 10 % of a
//! trace's distinct keys. Traces are files of little-endian u32 key numbers, one a request, in the folder
//! `TRACES_U32`; without it, zipf 0.9 over 100,000 keys. Requests are 16.4 ms apart, the resolution of the LRU.

mod support;

use std::path::PathBuf;

use mpreg_storage::memory::{Memory, Options, PolicyKind};
use mpreg_storage::record::{EntryFields, EntryKind, Lsn};

const POLICIES: [PolicyKind; 2] = [PolicyKind::S3Fifo, PolicyKind::Lru];
const PARTS_PERCENT: [usize; 3] = [1, 5, 10];
const TICK_US: u64 = 1 << 14;

struct Trace {
    name: String,
    requests: Vec<u32>,
}

#[allow(clippy::disallowed_methods)] // the traces are files outside the store
fn traces() -> Vec<Trace> {
    let Some(folder) = std::env::var_os("TRACES_U32").map(PathBuf::from) else {
        let requests = support::zipf(100_000, 0.9, 2_000_000, 1);
        return vec![Trace { name: "zipf 0.9".into(), requests }];
    };
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("TRACES_U32 is a folder")
        .filter_map(|file| {
            Some(file.ok()?.path()).filter(|path| path.extension().is_some_and(|end| end == "u32"))
        })
        .collect();
    paths.sort();
    let read = |path: &PathBuf| {
        let bytes = std::fs::read(path).expect("a trace can be read");
        let requests =
            bytes.chunks_exact(4).map(|word| u32::from_le_bytes(word.try_into().expect("four bytes")));
        let name = path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        Trace { name, requests: requests.collect() }
    };
    paths.iter().map(read).collect()
}

/// Hits in percent of the requests.
fn hit_percent(trace: &Trace, policy: PolicyKind, entries: usize) -> f64 {
    let options = Options { entries_max: entries as u64, shards: 1, policy, ..Options::default() };
    let memory = Memory::new(&Options { bytes_max: u64::MAX / 2, ..options });
    let mut now_us = 1_u64 << 50;
    for request in &trace.requests {
        now_us += TICK_US;
        let key = request.to_be_bytes();
        if memory.read(&key, now_us, |_| ()).is_none() {
            let fields = EntryFields {
                kind: EntryKind::Value,
                lsn: Lsn(1),
                created_us: now_us,
                expires_us: 0,
                access_count: 0,
                last_access_us: now_us,
                value: b"",
                extras: b"",
            };
            memory.fill(memory.fill_token(&key), &key, &fields);
        }
    }
    100.0 * memory.stats().hits as f64 / trace.requests.len() as f64
}

fn main() {
    println!("hit ratio, % of requests; columns: {POLICIES:?}");
    let mut sums = [0.0; POLICIES.len()];
    let traces = traces();
    for trace in &traces {
        let distinct = trace.requests.iter().collect::<std::collections::HashSet<_>>().len();
        for percent in PARTS_PERCENT {
            let entries = (distinct * percent / 100).max(1);
            let ratios = POLICIES.map(|policy| hit_percent(trace, policy, entries));
            for (sum, ratio) in sums.iter_mut().zip(ratios) {
                *sum += ratio;
            }
            let columns: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:6.2}")).collect();
            println!("{:36} {percent:3} % {entries:8} {}", trace.name, columns.join(" "));
        }
    }
    let cells = (traces.len() * PARTS_PERCENT.len()) as f64;
    println!("mean {:?}", sums.map(|sum| (sum / cells * 100.0).round() / 100.0));
}
