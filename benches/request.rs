//! What does it cost to read a request and to write its reply, beside a typed serde_json parse of the same message?
//!
//! The messages of the client guide: a get of 200 bytes and a put (durability: none, no store here). The yardstick
//! borrows every member it can and keeps the value raw, as a careful user of serde_json would. The reply has no
//! yardstick of its own: it is set beside the parse, since an answered request costs both. `CLOCK` has no effect here.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use mpreg::protocol::cache::{Durability, EntryReply, Head, Level, Operation, Performance, Reply};
use mpreg::protocol::{OperationIds, parse};
use mpreg_storage::record::Extras;
use serde::Deserialize;

const GET: &[u8] = br#"{"role":"cache-request","u":"cache-12345","operation":"get","key":{"namespace":"user_sessions","identifier":"session_123","version":"v1.0.0"},"options":{"consistency_level":"eventual","timeout_ms":5000}}"#;
const PUT: &[u8] = br#"{"role":"cache-request","u":"cache-12346","operation":"put","key":{"namespace":"user_sessions","identifier":"session_123"},"value":{"user_id":"user_456","login_time":1640995200.123},"options":{"consistency_level":"strong"}}"#;
const MESSAGES: [(&str, &[u8]); 2] = [("get", GET), ("put", PUT)];
const ROUNDS: usize = 7;
const CALLS: u32 = 100_000;

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the parse is timed")]
struct Typed<'a> {
    role: &'a str,
    u: &'a str,
    operation: &'a str,
    #[serde(borrow)]
    key: TypedKey<'a>,
    #[serde(borrow)]
    value: Option<&'a serde_json::value::RawValue>,
    #[serde(borrow)]
    options: Option<TypedOptions<'a>>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the parse is timed")]
struct TypedKey<'a> {
    namespace: &'a str,
    identifier: &'a str,
    version: Option<&'a str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only the parse is timed")]
struct TypedOptions<'a> {
    consistency_level: Option<&'a str>,
    timeout_ms: Option<u64>,
}

fn ours(message: &[u8]) {
    drop(black_box(parse(black_box(message))));
}

fn yardstick(message: &[u8]) {
    drop(black_box(serde_json::from_slice::<Typed<'_>>(black_box(message))));
}

/// Writes the reply of a get that hit.
fn reply(ids: &mut OperationIds, out: &mut Vec<u8>) {
    out.clear();
    let head = Head {
        u: "\"cache-12345\"",
        now_us: 1_700_000_001_500_123,
        operation: Operation::Get.quoted(),
        operation_id: ids.next_id(),
    };
    let entry = EntryReply {
        namespace: "user_sessions",
        identifier: "session_123",
        version: "v1.0.0",
        value: br#"{"user_id":"user_456","login_time":1640995200.123}"#,
        created_us: 1_700_000_000_200_417,
        access_count: 17,
        last_access_us: 1_700_000_001_500_009,
        ttl_us: None,
        extras: Extras::default(),
        include_metadata: true,
    };
    let reply = Reply {
        level: Some(Level::L1),
        durability: Some(Durability::Eventual),
        entry: Some(black_box(entry)),
        performance: Some(Performance { lookup_ns: 30_000 }),
        ..Reply::new(head)
    };
    reply.write_into(black_box(out));
}

/// Nanoseconds a call.
fn round(call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    (0..CALLS).for_each(|_| call());
    start.elapsed().as_nanos() as f64 / f64::from(CALLS)
}

/// Both in turns, medians, one line.
fn tell(name: &str, goal: &str, mut ours: impl FnMut(), mut yardstick: impl FnMut()) {
    let (mut left, mut right) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        left.push(round(&mut ours));
        right.push(round(&mut yardstick));
    }
    left.sort_by(f64::total_cmp);
    right.sort_by(f64::total_cmp);
    let (ours, yardstick) = (left[ROUNDS / 2], right[ROUNDS / 2]);
    let ratio = ours / yardstick;
    println!("RATIO {name} ours={ours:.1} yardstick={yardstick:.1} ratio={ratio:.2} goal={goal}");
}

fn ratios() {
    for (name, message) in MESSAGES {
        let (ours, yardstick) = (|| ours(message), || yardstick(message));
        tell(&format!("request/parse/{name}/ns_vs_serde_json"), "<=1", ours, yardstick);
    }
    let (mut ids, mut out) = (OperationIds::new(1, 2), Vec::with_capacity(4096));
    tell("request/reply/get/ns_vs_parse", "-", || reply(&mut ids, &mut out), || yardstick(GET));
}

fn request(bench: &mut Criterion) {
    if std::env::args().all(|argument| argument != "--test" && argument != "--list") {
        ratios();
    }
    for (name, message) in MESSAGES {
        let mut group = bench.benchmark_group(format!("request/parse/{name}"));
        group.throughput(Throughput::Bytes(message.len() as u64)).sample_size(20);
        group.warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
        group.bench_function("ours", |bencher| bencher.iter(|| ours(message)));
        group.bench_function("serde_json_typed", |bencher| bencher.iter(|| yardstick(message)));
        group.finish();
    }
    let mut group = bench.benchmark_group("request/reply/get");
    let (mut ids, mut out) = (OperationIds::new(1, 2), Vec::with_capacity(4096));
    group.sample_size(20).warm_up_time(Duration::from_millis(200)).measurement_time(Duration::from_secs(1));
    group.bench_function("ours", |bencher| bencher.iter(|| reply(&mut ids, &mut out)));
    group.finish();
}

criterion_group!(benches, request);
criterion_main!(benches);
