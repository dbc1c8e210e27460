//! Cache requests against a real store in a scratch directory, reply by reply.

use serde_json::{Value, json};

use super::*;
use crate::protocol::{Request as Any, parse};
use crate::session::Seen;
use mpreg_storage::store::Options as StoreOptions;

struct Bench {
    cache: Cache,
    clerk: Clerk,
    seen: Seen,
    _dir: tempfile::TempDir,
}

impl Bench {
    fn new(level: store::Level) -> Bench {
        let dir = tempfile::tempdir().unwrap();
        let options = StoreOptions { free_bytes_min: Some(0), ..StoreOptions::new(dir.path()) };
        let cache = Cache::new(Store::open(options).unwrap(), level, 7);
        let clerk = cache.clerk();
        Bench { cache, clerk, seen: Seen::default(), _dir: dir }
    }

    /// One request alone in its batch; asked again with patience when it is cold.
    fn ask(&mut self, message: &Value) -> Value {
        let (step, reply) = self.try_ask(message, Patience::None);
        if step == Step::Done {
            return reply;
        }
        assert_eq!((step, &reply), (Step::Cold, &Value::Null), "no trace of an answer");
        let (step, reply) = self.try_ask(message, Patience::Blocking);
        assert_eq!(step, Step::Done);
        reply
    }

    fn try_ask(&mut self, message: &Value, patience: Patience) -> (Step, Value) {
        let text = message.to_string();
        let Ok(Any::Cache(request)) = parse(text.as_bytes()) else { panic!("a cache request: {text}") };
        let (mut out, mut seen) = (Vec::new(), Seen::default());
        self.clerk.begin(&self.cache);
        self.clerk.begin_run();
        let key = self.clerk.encode(&request);
        self.clerk.prefetch(&self.cache);
        let mut reply =
            session::Reply { out: &mut out, seen: &mut seen, outbox: &session::Outbox::detached() };
        let step = self.clerk.answer(&self.cache, &request, &key, patience, &mut reply);
        self.clerk.end(&self.cache);
        self.seen = seen;
        (step, serde_json::from_slice(&out).unwrap_or(Value::Null))
    }
}

fn request(operation: &str, identifier: &str, more: Value) -> Value {
    let key = json!({"namespace": "n", "identifier": identifier});
    let mut message = json!({"role": "cache-request", "u": "u", "operation": operation, "key": key});
    for (name, value) in more.as_object().unwrap() {
        message[name] = value.clone();
    }
    message
}

fn get(identifier: &str) -> Value {
    request("get", identifier, json!({}))
}

fn strong(message: Value) -> Value {
    let mut message = message;
    message["options"]["consistency_level"] = json!("strong");
    message
}

#[test]
fn a_value_comes_back_as_it_was_put() {
    let mut bench = Bench::new(store::Level::Eventual);
    let stored = bench.ask(&request("put", "k", json!({"value": {"b": 1.0, "a": [1]}})));
    assert_eq!((&stored["status"], &stored["durability"]), (&json!("hit"), &json!("eventual")));
    assert_eq!(stored["entry"]["access_count"], 0);
    let found = bench.ask(&get("k"));
    assert_eq!(found["entry"]["value"], json!({"b": 1.0, "a": [1]}));
    assert_eq!((&found["cache_level"], &found["entry"]["access_count"]), (&json!("L1"), &json!(1)));
    assert_eq!(found["entry"]["creation_time"], stored["entry"]["creation_time"]);
    assert_eq!(found["entry"]["size_bytes"], 17);
    assert_ne!(found["operation_id"], stored["operation_id"]);
    assert!(found["performance"]["lookup_time_ms"].is_number());
}

#[test]
fn every_reply_tells_the_session_what_it_saw() {
    let mut bench = Bench::new(store::Level::Eventual);
    bench.ask(&request("put", "k", json!({"value": 1})));
    let lsn = bench.seen.observed;
    assert!(lsn > Lsn::ZERO);
    assert_eq!(bench.seen.strong, Lsn::ZERO);
    bench.ask(&get("k"));
    assert_eq!(bench.seen.observed, lsn, "a hit saw the put");
    let found = bench.ask(&strong(get("k")));
    assert_eq!((bench.seen.strong, &found["durability"]), (lsn, &json!("strong")));
    assert_eq!(bench.seen.timeout_ms, 5000);
    bench.ask(&request("delete", "k", json!({})));
    let deleted = bench.seen.observed;
    assert!(deleted > lsn);
    let miss = bench.ask(&strong(get("k")));
    assert_eq!((&miss["status"], bench.seen.strong), (&json!("miss"), deleted), "a miss saw the deletion");
    let nothing = bench.ask(&strong(request("delete", "k", json!({}))));
    assert_eq!((&nothing["status"], bench.seen.strong), (&json!("miss"), deleted));
    assert!(nothing.get("entry").is_none() && nothing.get("cache_level").is_none());
}

#[test]
fn what_left_memory_is_cold_and_comes_from_l2() {
    let mut bench = Bench::new(store::Level::Eventual);
    let tagged = json!({
        "value": "x", "metadata": {"computation_cost_ms": 12.5, "dependencies": ["a:b"], "ttl_seconds": 300},
        "key": {"namespace": "n", "identifier": "k", "tags": ["red"]},
    });
    bench.ask(&request("put", "k", tagged));
    bench.cache.store.checkpoint().unwrap();
    bench.cache.store.drop_clean();
    assert_eq!(bench.try_ask(&get("k"), Patience::None), (Step::Cold, Value::Null));
    let Ok(Any::Cache(parsed)) = parse(
        br#"{"role":"cache-request","u":"u","operation":"get","key":{"namespace":"n","identifier":"k"}}"#,
    ) else {
        panic!("a get")
    };
    assert!(bench.clerk.cold_key(&bench.cache, &parsed).is_some());
    let memory_only = bench.ask(&request("get", "k", json!({"options": {"cache_levels": ["L1"]}})));
    assert_eq!(memory_only["status"], "miss");
    let found = bench.ask(&get("k"));
    assert_eq!((&found["cache_level"], &found["durability"]), (&json!("L2"), &json!("strong")));
    let entry = &found["entry"];
    assert_eq!(entry["key"]["tags"], json!(["red"]));
    assert_eq!(entry["dependencies"], json!(["a:b:v1.0.0"]));
    assert_eq!((&entry["computation_cost_ms"], &entry["ttl_seconds"]), (&json!(12.5), &json!(300)));
    assert_eq!(bench.ask(&get("k"))["cache_level"], "L1", "it has been promoted");
    bench.cache.store.drop_clean();
    assert_eq!(bench.ask(&request("delete", "k", json!({})))["status"], "hit", "a cold delete finds its row");
    assert_eq!(bench.ask(&get("k"))["status"], "miss");
}

#[test]
fn the_default_level_is_the_operators() {
    let mut bench = Bench::new(store::Level::Strong);
    let stored = bench.ask(&request("put", "k", json!({"value": 1})));
    assert_eq!((&stored["durability"], bench.seen.strong), (&json!("strong"), bench.seen.observed));
    let weak = json!({"value": 1, "options": {"consistency_level": "weak", "include_metadata": false}});
    let stored = bench.ask(&request("put", "k", weak));
    assert_eq!((&stored["durability"], bench.seen.strong), (&json!("eventual"), Lsn::ZERO));
    assert!(stored["entry"].get("size_bytes").is_none());
}

#[test]
fn faults_of_the_request_are_named() {
    let mut bench = Bench::new(store::Level::Eventual);
    let long = "x".repeat(5000);
    let reply = bench.ask(&get(&long));
    assert_eq!((&reply["status"], &reply["error_code"]), (&json!("error"), &json!("CACHE_TOO_LARGE")));
    let empty = bench.ask(&get(""));
    assert_eq!(empty["error_code"], "CACHE_BAD_REQUEST");
    assert_eq!(bench.seen, Seen::default(), "nothing was seen");
}

#[test]
fn what_is_not_done_is_not_promised() {
    let mut bench = Bench::new(store::Level::Eventual);
    let notify = json!({"notify_on_change": true});
    for operation in ["invalidate", "namespace"] {
        let operation = json!({"role": "cache-request", "u": "u", "operation": operation, "pattern": "n.*", "options": notify,
            "namespace_operation": {"operation_type": "clear", "namespace": "n"}});
        let reply = bench.ask(&operation);
        assert_eq!(
            reply["error_message"],
            "options.notify_on_change of this operation is not supported by this server yet"
        );
        assert_eq!(reply["error_code"], "CACHE_NOT_SUPPORTED");
    }
    for wrong in [json!({"field_path": "a"}), json!({"new_value": {"$huge": 1}})] {
        let mut put = request("put", "k", json!({"options": notify}));
        put["value"] = json!(1);
        put["options"]["notification_condition"] = wrong;
        assert_eq!(bench.ask(&put)["error_code"], "CACHE_BAD_REQUEST");
        assert_eq!(bench.ask(&get("k"))["status"], "miss", "nothing was stored");
    }
    let harmless = json!({"options": {"notify_on_change": true, "cascade_dependencies": true}});
    assert_eq!(bench.ask(&request("get", "k", harmless))["status"], "miss");
}

#[test]
fn statistics_count_what_happened() {
    let mut bench = Bench::new(store::Level::Eventual);
    bench.ask(&request("put", "k", json!({"value": 1})));
    bench.ask(&get("k"));
    bench.ask(&get("k"));
    bench.ask(&get("none"));
    let reply = bench.ask(&json!({"role": "cache-request", "u": "u", "operation": "stats"}));
    assert_eq!(
        reply["entry"]["key"],
        json!({"namespace": "", "identifier": "", "version": "v1.0.0", "tags": []})
    );
    assert_eq!(reply["durability"], "volatile", "the figures end with the process");
    let counts = &reply["entry"]["value"]["operation_stats"];
    assert_eq!((&counts["puts"], &counts["l1_hits"], &counts["misses"]), (&json!(1), &json!(2), &json!(1)));
    assert_eq!(reply["entry"]["value"]["l1_statistics"]["entry_count"], 1);
}

#[test]
fn a_store_that_was_closed_says_unavailable_and_tells_the_node() {
    let mut bench = Bench::new(store::Level::Eventual);
    bench.cache.store.clone().close().unwrap();
    let reply = bench.ask(&request("put", "k", json!({"value": 1})));
    assert_eq!((&reply["status"], &reply["error_code"]), (&json!("error"), &json!("CACHE_UNAVAILABLE")));
    assert!(bench.seen.failed);
}
