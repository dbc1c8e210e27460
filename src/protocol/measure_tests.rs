//! What does it cost to read a request and to write a reply, beside a typed serde_json parse of the
//! same messages? Not a promise, so ignored; run with
//! `cargo test --release -p mpreg --lib measure -- --ignored --nocapture`.

use std::hint::black_box;
use std::time::Instant;

use mpreg_storage::record::Extras;
use serde::Deserialize;

use super::cache::{Durability, EntryReply, Head, Level, Operation, Performance, Reply};
use super::{OperationIds, parse};

const GET: &[u8] = br#"{"role":"cache-request","u":"cache-12345","operation":"get","key":{"namespace":"user_sessions","identifier":"session_123","version":"v1.0.0"},"options":{"consistency_level":"eventual","timeout_ms":5000}}"#;
const PUT: &[u8] = br#"{"role":"cache-request","u":"cache-12346","operation":"put","key":{"namespace":"user_sessions","identifier":"session_123"},"value":{"user_id":"user_456","login_time":1640995200.123},"options":{"consistency_level":"strong"}}"#;

/// The yardstick: the same members, borrowed, the value raw.
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

/// The best of several rounds, in nanoseconds a call: the one the machine disturbed least.
fn best_ns(mut call: impl FnMut()) -> f64 {
    const CALLS: u32 = 100_000;
    let round = |_| {
        let started = Instant::now();
        (0..CALLS).for_each(|_| call());
        started.elapsed().as_nanos() as f64 / f64::from(CALLS)
    };
    (0..15).map(round).fold(f64::MAX, f64::min)
}

#[test]
#[ignore = "a measurement"]
fn measure_parse() {
    for (name, message) in [("get", GET), ("put", PUT)] {
        let ours = best_ns(|| drop(black_box(parse(black_box(message)))));
        let serde = best_ns(|| drop(black_box(serde_json::from_slice::<Typed<'_>>(black_box(message)))));
        println!("{name} of {} B: {ours:.0} ns, serde_json typed {serde:.0} ns", message.len());
    }
}

#[test]
#[ignore = "a measurement"]
fn measure_reply() {
    let mut ids = OperationIds::new(1, 2);
    let mut out = Vec::with_capacity(4096);
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
    let ns = best_ns(|| {
        out.clear();
        let operation = Operation::Get.quoted();
        let head = Head {
            u: "\"cache-12345\"",
            now_us: 1_700_000_001_500_123,
            operation,
            operation_id: ids.next_id(),
        };
        let reply = Reply {
            level: Some(Level::L1),
            durability: Some(Durability::Eventual),
            entry: Some(black_box(entry)),
            performance: Some(Performance { lookup_ns: 30_000 }),
            ..Reply::new(head)
        };
        reply.write_into(black_box(&mut out));
    });
    println!("reply of {} B: {ns:.0} ns", out.len());
}
