//! The cache protocol against a real node, over ws and tcp: the worked examples, each operation with its statuses,
//! what survives a restart, and bad input that changes nothing.

#![allow(clippy::unwrap_used)] // what tests call is a test, too

use mpreg::client::Client;
use mpreg::{Node, Running};
use serde_json::{Value, json};
use tempfile::TempDir;

struct Bench {
    dir: TempDir,
    node: Running,
    clients: [Client; 2],
    asked: u64,
}

impl Bench {
    async fn new() -> Bench {
        Bench::over(tempfile::tempdir().unwrap()).await
    }

    async fn over(dir: TempDir) -> Bench {
        let node = Node::new(dir.path()).listen("127.0.0.1:0".parse().unwrap()).start().await.unwrap();
        let address = node.addr();
        let ws = Client::connect(&format!("ws://{address}")).await.unwrap();
        let tcp = Client::connect(&format!("tcp://{address}")).await.unwrap();
        Bench { dir, node, clients: [ws, tcp], asked: 0 }
    }

    async fn restart(self) -> Bench {
        self.node.shutdown().await.unwrap();
        Bench::over(self.dir).await
    }

    /// Asks by turns over ws and tcp.
    async fn ask(&mut self, mut message: Value) -> Value {
        self.asked += 1;
        message["role"] = json!("cache-request");
        message["u"] = json!(format!("u{}", self.asked));
        let reply = self.clients[(self.asked % 2) as usize].raw(message).await.unwrap();
        assert_eq!(reply["u"], format!("u{}", self.asked));
        assert!(reply.get("intermediate_results").is_some_and(Value::is_null), "{reply}");
        reply
    }

    async fn put(&mut self, id: &str, value: Value) -> Value {
        self.ask(json!({"operation": "put", "key": key(id), "value": value})).await
    }

    async fn get(&mut self, id: &str) -> Value {
        let reply = self.ask(json!({"operation": "get", "key": key(id)})).await;
        match reply["status"].as_str() {
            Some("hit") => reply["entry"]["value"].clone(),
            Some("miss") => json!("MISS"),
            _ => reply,
        }
    }

    async fn atomic(&mut self, id: &str, operation: Value) -> Value {
        self.ask(json!({"operation": "atomic", "key": key(id), "atomic_operation": operation})).await
    }

    async fn structure(&mut self, id: &str, family: &str, operation: &str, mut more: Value) -> Value {
        more["structure_type"] = json!(family);
        more["operation"] = json!(operation);
        self.ask(json!({"operation": "structure", "key": key(id), "structure_operation": more})).await
    }

    /// The value of a structure operation that must succeed.
    async fn value(&mut self, id: &str, family: &str, operation: &str, more: Value) -> Value {
        let reply = self.structure(id, family, operation, more).await;
        assert!(matches!(reply["status"].as_str(), Some("hit" | "miss")), "{operation}: {reply}");
        assert_eq!(reply["structure_result"]["value"], reply["structure_result"]["operation_result"]);
        reply["structure_result"]["value"].clone()
    }

    async fn namespace(&mut self, namespace: &str, operation: &str, mut more: Value) -> Value {
        more["operation_type"] = json!(operation);
        more["namespace"] = json!(namespace);
        self.ask(json!({"operation": "namespace", "namespace_operation": more})).await
    }
}

fn key(id: &str) -> Value {
    match id.split_once('/') {
        Some((namespace, identifier)) => json!({"namespace": namespace, "identifier": identifier}),
        None => json!({"namespace": "n", "identifier": id}),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_seeds_examples_are_answered_as_written() {
    let mut bench = Bench::new().await;
    let lock = json!({"operation_type": "test_and_set", "expected_value": null, "ttl_seconds": 300,
        "new_value": {"owner": "worker_001", "acquired_at": 1640995200.123}});
    let taken = bench.atomic("locks/resource_abc", lock.clone()).await;
    assert_eq!((&taken["status"], &taken["cache_level"]), (&json!("hit"), &json!("L1")));
    assert_eq!(taken["entry"]["ttl_seconds"], 300);
    assert_eq!(taken["atomic_result"]["old_value"], Value::Null);
    assert_eq!(taken["atomic_result"]["current_value"]["owner"], "worker_001");
    let refused = bench.atomic("locks/resource_abc", lock).await;
    assert_eq!((&refused["status"], &refused["success"]), (&json!("conflict"), &json!(false)));
    assert_eq!(refused["error_message"], "Test condition failed");
    assert_eq!(refused["atomic_result"]["current_value"]["owner"], "worker_001");
    assert_eq!(refused["atomic_result"]["new_value"], Value::Null);

    let add = json!({"values": ["admin", "moderator"]});
    let first = bench.structure("user_permissions/user_456", "set", "add", add.clone()).await;
    let result = &first["structure_result"];
    assert_eq!((&result["value"], &result["added"], &result["size"]), (&json!(true), &json!(2), &json!(2)));
    assert_eq!((&result["exists"], first.get("entry")), (&json!(false), None));
    let again = bench.structure("user_permissions/user_456", "set", "add", add).await;
    let result = &again["structure_result"];
    assert_eq!((&result["added"], &result["size"], &result["exists"]), (&json!(0), &json!(2), &json!(true)));
    assert_eq!(bench.get("user_permissions/user_456").await, json!(["admin", "moderator"]));

    for number in 0..3 {
        bench.put(&format!("temp_data/expired_{number}"), json!(number)).await;
    }
    bench.put("temp_data/kept", json!(1)).await;
    let clear = json!({"pattern": "expired_*", "max_entries": 1000});
    let cleared = bench.namespace("temp_data", "clear", clear.clone()).await;
    let result = &cleared["namespace_result"];
    assert_eq!(cleared["status"], "hit");
    for (member, wanted) in [
        ("operation_type", json!("clear")),
        ("namespace", json!("temp_data")),
        ("pattern", json!("expired_*")),
        ("count", json!(3)),
        ("entries_affected", json!(3)),
        ("cleared_count", json!(3)),
        ("has_more", json!(false)),
        ("dry_run", json!(false)),
        ("error_message", Value::Null),
    ] {
        assert_eq!(result[member], wanted, "{member}");
    }
    let none = bench.namespace("temp_data", "clear", clear).await;
    assert_eq!((&none["status"], &none["namespace_result"]["count"]), (&json!("hit"), &json!(0)));
    assert_eq!(bench.get("temp_data/kept").await, json!(1));
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn atomics_follow_their_table() {
    let mut bench = Bench::new().await;
    let by = |kind: &str, more: Value| {
        let mut operation = more;
        operation["operation_type"] = json!(kind);
        operation
    };
    let new = |reply: &Value| reply["atomic_result"]["new_value"].clone();
    assert_eq!(new(&bench.atomic("c", by("increment", json!({}))).await), json!(1));
    assert_eq!(new(&bench.atomic("c", by("increment", json!({"increment_by": 41}))).await), json!(42));
    assert_eq!(new(&bench.atomic("c", by("decrement", json!({"increment_by": 0.5}))).await), json!(41.5));
    assert_eq!(new(&bench.atomic("d", by("increment", json!({"initial_value": 9}))).await), json!(10));
    bench.put("max", json!(u64::MAX)).await;
    let overflow = bench.atomic("max", by("increment", json!({}))).await;
    assert_eq!(overflow["status"], "error");
    assert_eq!(bench.get("max").await, json!(u64::MAX), "nothing changed");
    bench.put("text", json!("a")).await;
    assert_eq!(new(&bench.atomic("text", by("append", json!({"new_value": "b"}))).await), json!("ab"));
    assert_eq!(new(&bench.atomic("l", by("append", json!({"new_value": [1, 2]}))).await), json!([1, 2]));
    assert_eq!(
        new(&bench.atomic("l", by("prepend", json!({"new_value": [8, 9]}))).await),
        json!([8, 9, 1, 2])
    );
    let wrong = bench.atomic("text", by("increment", json!({}))).await;
    assert_eq!(
        (&wrong["status"], &wrong["error_message"]),
        (&json!("error"), &json!("Value is not numeric"))
    );
    assert_eq!(wrong["error_code"], "CACHE_WRONG_TYPE");
    let missing = bench.atomic("none", by("increment", json!({"create_if_missing": false}))).await;
    assert_eq!(missing["status"], "miss");
    assert_eq!(bench.atomic("none", by("extend_ttl", json!({"ttl_seconds": 5}))).await["status"], "miss");

    let swap = json!({"expected_value": {"a": 1, "b": 2.0}, "new_value": "swapped"});
    bench.put("o", json!({"b": 2, "a": 1.0})).await;
    assert_eq!(bench.atomic("o", by("compare_and_swap", swap.clone())).await["status"], "hit");
    let conflict = bench.atomic("o", by("compare_and_swap", swap)).await;
    assert_eq!(conflict["error_message"], "Compare condition failed");
    assert_eq!(conflict["atomic_result"]["old_value"], "swapped");
    let guarded = json!({"conditions": {"if_not_exists": true}, "new_value": 1});
    let refused = bench.atomic("o", by("append", guarded)).await;
    assert_eq!(
        (&refused["status"], &refused["error_message"]),
        (&json!("conflict"), &json!("Key already exists"))
    );
    let constrained = json!({"operation": "atomic", "key": key("c"),
        "atomic_operation": {"operation_type": "increment", "increment_by": 100},
        "constraints": [{"constraint_type": "max_value", "value": 50}]});
    let violated = bench.ask(constrained).await;
    assert_eq!(violated["error_message"], "Constraint violation");
    assert_eq!(violated["atomic_result"]["constraint_violations"].as_array().unwrap().len(), 1);
    assert_eq!(bench.get("c").await, json!(41.5));

    // A counter keeps the life it was given, a swapped value gets a new one.
    let put = json!({"operation": "put", "key": key("t"), "value": 1, "metadata": {"ttl_seconds": 100}});
    bench.ask(put).await;
    assert_eq!(bench.atomic("t", by("increment", json!({}))).await["entry"]["ttl_seconds"], 100);
    let extended = bench.atomic("t", by("extend_ttl", json!({"ttl_seconds": 50}))).await;
    assert_eq!(extended["entry"]["ttl_seconds"], 150);
    let unknown = bench.atomic("t", by("explode", json!({}))).await;
    assert_eq!((&unknown["status"], &unknown["error_code"]), (&json!("error"), &json!("CACHE_BAD_REQUEST")));
    let mut bench = bench.restart().await;
    assert_eq!(bench.get("c").await, json!(41.5));
    assert_eq!(bench.get("l").await, json!([8, 9, 1, 2]));
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn structures_follow_their_table_and_survive_a_restart() {
    let mut bench = Bench::new().await;
    for round in 0..2 {
        let id = |name: &str| format!("{name}{round}");
        let (s, l, m, z, q, t, c) = (id("s"), id("l"), id("m"), id("z"), id("q"), id("t"), id("c"));
        assert_eq!(bench.value(&s, "set", "add", json!({"values": [1, "a", {"x": 1}]})).await, true);
        let contains = bench.structure(&s, "set", "contains", json!({"values": [1.0, {"x": 1.0}, 7]})).await;
        assert_eq!(contains["structure_result"]["members"], json!([true, true, false]));
        bench.value("other", "set", "add", json!({"values": ["a", "b"]})).await;
        let other = json!({"options": {"other_sets": ["n:other"]}});
        assert_eq!(bench.value(&s, "set", "union", other.clone()).await, json!([1, "a", {"x": 1}, "b"]));
        assert_eq!(bench.value(&s, "set", "intersection", other.clone()).await, json!(["a"]));
        assert_eq!(bench.value(&s, "set", "difference", other).await, json!([1, {"x": 1}]));
        let removed = bench.structure(&s, "set", "remove", json!({"values": ["a", "zz"]})).await;
        assert_eq!(removed["structure_result"]["removed"], 1);
        assert_eq!(bench.value(&s, "set", "members", json!({})).await, json!([1, {"x": 1}]));

        assert_eq!(bench.value(&l, "list", "append", json!({"values": [1, 2, 3]})).await, 2);
        assert_eq!(bench.value(&l, "list", "prepend", json!({"values": [0]})).await, 0);
        assert_eq!(bench.value(&l, "list", "insert", json!({"index": 1, "values": ["i"]})).await, 1);
        assert_eq!(bench.value(&l, "list", "get", json!({"index": -1})).await, 3);
        let range = json!({"range_spec": {"start": 1, "end": 3}});
        assert_eq!(bench.value(&l, "list", "get_range", range).await, json!(["i", 1]));
        assert_eq!(bench.value(&l, "list", "pop_front", json!({})).await, 0);
        assert_eq!(bench.value(&l, "list", "pop_back", json!({"count": 2})).await, json!([3, 2]));
        assert_eq!(bench.value(&l, "list", "remove", json!({"values": ["i"]})).await, true);
        assert_eq!(
            bench.structure(&l, "list", "get", json!({"index": 9})).await["error_message"],
            "Invalid index"
        );

        let set = json!({"field_updates": {"name": "x", "count": 1, "deep": {"a": 1}}});
        assert_eq!(bench.value(&m, "map", "set_field", set).await, 3);
        let nested =
            json!({"field_updates": {"deep.b.c": 7, "count": {"operation": "increment", "value": 4}}});
        assert_eq!(bench.value(&m, "map", "set_field", nested).await, 2);
        assert_eq!(bench.get(&m).await, json!({"name": "x", "count": 5, "deep": {"a": 1, "b": {"c": 7}}}));
        assert_eq!(bench.value(&m, "map", "get", json!({"fields": ["deep.b.c"]})).await, 7);
        let fields = json!({"fields": ["name", "none"]});
        assert_eq!(bench.value(&m, "map", "get_fields", fields).await, json!({"name": "x"}));
        let up = json!({"fields": ["count"], "values": [2]});
        assert_eq!(bench.value(&m, "map", "increment_field", up).await, 7);
        assert_eq!(bench.value(&m, "map", "keys", json!({})).await, json!(["count", "deep", "name"]));
        assert_eq!(bench.value(&m, "map", "remove_fields", json!({"fields": ["name", "x"]})).await, 1);

        let scored = json!({"scored_values": [{"value": "a", "score": 3}, {"value": "b", "score": 1.5},
            {"value": "c", "score": 2}]});
        assert_eq!(bench.value(&z, "sorted_set", "add_scored", scored).await, 3);
        let again = json!({"scored_values": [{"value": "a", "score": 0}]});
        assert_eq!(bench.value(&z, "sorted_set", "add_scored", again).await, 0);
        let top = json!([{"value": "c", "score": 2}, {"value": "b", "score": 1.5}]);
        assert_eq!(bench.value(&z, "sorted_set", "get_top", json!({"limit": 2})).await, top);
        assert_eq!(bench.value(&z, "sorted_set", "rank", json!({"values": ["b"]})).await, 1);
        assert_eq!(bench.value(&z, "sorted_set", "get_score", json!({"values": ["b"]})).await, 1.5);
        let scores = json!({"range_spec": {"min_score": 1, "max_score": 2}});
        assert_eq!(bench.value(&z, "sorted_set", "range", scores).await, json!(["b", "c"]));
        assert_eq!(
            bench.value(&z, "sorted_set", "pop_min", json!({})).await,
            json!({"value": "a", "score": 0})
        );
        assert_eq!(bench.get(&z).await, json!([[1.5, "b"], [2, "c"]]));

        assert_eq!(bench.value(&q, "queue", "enqueue", json!({"values": [1, 2]})).await, 1);
        assert_eq!(bench.value(&q, "queue", "peek", json!({})).await, 1);
        assert_eq!(bench.value(&q, "queue", "dequeue", json!({})).await, 1);
        assert_eq!(bench.value(&t, "stack", "push", json!({"values": [1, 2]})).await, 1);
        assert_eq!(bench.value(&t, "stack", "pop", json!({})).await, 2);
        assert_eq!(bench.value(&t, "stack", "pop", json!({})).await, 1);
        let empty = bench.structure(&t, "stack", "pop", json!({})).await;
        assert_eq!((&empty["status"], &empty["structure_result"]["value"]), (&json!("miss"), &Value::Null));
        assert_eq!(bench.value(&c, "counter", "increment", json!({"values": [5]})).await, 5);
        assert_eq!(bench.value(&c, "counter", "decrement", json!({})).await, 4);
        assert_eq!(bench.get(&c).await, 4);

        let wrong = bench.structure(&m, "set", "add", json!({"values": [1]})).await;
        assert_eq!(wrong["error_message"], "Wrong type for set");
        assert_eq!((&wrong["status"], &wrong["error_code"]), (&json!("error"), &json!("CACHE_WRONG_TYPE")));
        assert_eq!(bench.structure("absent", "set", "members", json!({})).await["status"], "miss");
        bench.put("plain", json!([3, 4])).await;
        assert_eq!(bench.value("plain", "list", "append", json!({"values": [5]})).await, 2);
        assert_eq!(bench.get("plain").await, json!([3, 4, 5]));

        bench = bench.restart().await;
        assert_eq!(bench.get(&s).await, json!([1, {"x": 1}]));
        assert_eq!(bench.get(&l).await, json!([1]));
        assert_eq!(bench.get(&m).await, json!({"count": 7, "deep": {"a": 1, "b": {"c": 7}}}));
        assert_eq!(bench.value(&z, "sorted_set", "rank", json!({"values": ["c"]})).await, 1);
        assert_eq!(bench.value(&q, "queue", "size", json!({})).await, 1);
        assert_eq!(bench.value(&s, "set", "clear", json!({})).await, true);
        assert_eq!(bench.get(&s).await, json!([]));
    }
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_happen_whole_and_numbered_writes_once() {
    let mut bench = Bench::new().await;
    let operations = json!([
        {"operation": "put", "key": key("a"), "value": 1},
        {"operation": "atomic", "key": key("a"), "atomic_operation": {"operation_type": "increment"}},
        {"operation": "structure", "key": key("set"),
            "structure_operation": {"structure_type": "set", "operation": "add", "values": [1, 2]}},
        {"operation": "get", "key": key("a")},
    ]);
    let done = bench.ask(json!({"operation": "batch", "operations": operations})).await;
    assert_eq!(done["status"], "hit", "{done}");
    let results = done["batch_result"]["results"].as_array().unwrap();
    assert_eq!(results[1]["atomic_result"]["new_value"], 2);
    assert_eq!(results[2]["structure_result"]["added"], 2);
    assert_eq!(results[3]["entry"]["value"], 2);
    let given_up = json!([
        {"operation": "put", "key": key("a"), "value": "changed"},
        {"operation": "delete", "key": key("set")},
        {"operation": "atomic", "key": key("b"),
            "atomic_operation": {"operation_type": "compare_and_swap", "expected_value": 1, "new_value": 2}},
    ]);
    let refused = bench.ask(json!({"operation": "batch", "operations": given_up})).await;
    assert_eq!(refused["status"], "conflict", "{refused}");
    assert_eq!(refused["batch_result"]["failed_index"], 2);
    assert_eq!(bench.get("a").await, 2, "all or none");
    assert_eq!(bench.get("set").await, json!([1, 2]));

    let numbered = json!({"operation": "atomic", "key": key("n"), "client": {"id": "c1", "seq": 7},
        "atomic_operation": {"operation_type": "increment", "increment_by": 10}});
    let first = bench.ask(numbered.clone()).await;
    assert_eq!(first["atomic_result"]["new_value"], 10, "{first}");
    let second = bench.ask(numbered.clone()).await;
    assert_eq!(
        (&second["replayed"], &second["atomic_result"]["new_value"]),
        (&json!(true), &json!(10)),
        "{second}"
    );
    let mut bench = bench.restart().await;
    let third = bench.ask(numbered).await;
    assert_eq!((&third["replayed"], &third["status"]), (&json!(true), &json!("hit")));
    assert_eq!(bench.get("n").await, 10, "applied once");
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_in_a_batch_see_what_came_before_them() {
    let mut bench = Bench::new().await;
    bench.value("letters", "set", "add", json!({"values": ["a", "b"]})).await;
    bench.value("others", "set", "add", json!({"values": ["b", "z"]})).await;
    let of = |id: &str, family: &str, verb: &str, mut arguments: Value| {
        arguments["structure_type"] = json!(family);
        arguments["operation"] = json!(verb);
        json!({"operation": "structure", "key": key(id), "structure_operation": arguments})
    };
    for round in 0..2 {
        let operations = json!([
            of("letters", "set", "add", json!({"values": ["c"]})),
            of("letters", "set", "contains", json!({"values": ["c"]})),
            of("others", "set", "remove", json!({"values": ["b"]})),
            of("letters", "set", "difference", json!({"options": {"other_sets": [key("others")]}})),
            of("made", "sorted_set", "add", json!({"scored_values": [{"value": "x", "score": 2}, {"value": "y", "score": 1}]})),
            of("made", "sorted_set", "rank", json!({"values": ["x"]})),
            of("made", "sorted_set", "size", json!({})),
            of("count", "counter", "increment", json!({})),
            of("count", "counter", "get", json!({})),
            {"operation": "get", "key": key("letters")},
            {"operation": "put", "key": key("letters"), "value": "a text"},
            {"operation": "get", "key": key("letters")},
            {"operation": "delete", "key": key("made")},
            of("made", "sorted_set", "size", json!({})),
            of("letters2", "set", "size", json!({})),
        ]);
        let done = bench.ask(json!({"operation": "batch", "operations": operations})).await;
        let results = done["batch_result"]["results"].as_array().unwrap_or_else(|| panic!("{done}"));
        let value = |at: usize| &results[at]["structure_result"]["value"];
        assert_eq!(*value(1), true, "{done}");
        assert_eq!(*value(3), json!(["a", "b", "c"]), "b is gone from the others");
        assert_eq!((value(5), value(6)), (&json!(1), &json!(2)));
        assert_eq!(*value(8), round + 1);
        assert_eq!(results[9]["entry"]["value"], json!(["a", "b", "c"]));
        assert_eq!(results[11]["entry"]["value"], "a text");
        assert_eq!(
            (&results[13]["status"], &results[14]["status"]),
            (&json!("miss"), &json!("miss")),
            "{done}"
        );
        // Once more from rows.
        bench.put("letters", json!(["a", "b"])).await;
        bench.value("others", "set", "add", json!({"values": ["b"]})).await;
        bench = bench.restart().await;
    }
    let wrong = json!([
        {"operation": "put", "key": key("count"), "value": 77},
        of("others", "list", "get", json!({"index": 9})),
    ]);
    let refused = bench.ask(json!({"operation": "batch", "operations": wrong})).await;
    assert_eq!(
        (&refused["status"], &refused["batch_result"]["failed_index"]),
        (&json!("error"), &json!(1)),
        "{refused}"
    );
    assert_eq!(bench.get("count").await, 2, "a read that fails gives the batch up");
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_answers_of_numbered_writes_are_kept_whole() {
    let mut bench = Bench::new().await;
    let long = "x".repeat(300_000);
    bench.value("jobs", "queue", "enqueue", json!({"values": [long, "second"]})).await;
    let pop = json!({"operation": "structure", "key": key("jobs"), "client": {"id": "worker", "seq": 1},
        "structure_operation": {"structure_type": "queue", "operation": "dequeue"}});
    let first = bench.ask(pop.clone()).await;
    assert_eq!(first["structure_result"]["value"], long);
    let again = bench.ask(pop.clone()).await;
    assert_eq!((&again["replayed"], &again["structure_result"]["value"]), (&json!(true), &json!(long)));
    let mut bench = bench.restart().await;
    let again = bench.ask(pop).await;
    assert_eq!((&again["replayed"], &again["structure_result"]["value"]), (&json!(true), &json!(long)));
    assert_eq!(bench.value("jobs", "queue", "size", json!({})).await, 1, "popped once");

    // Longer than a value may be: nothing is done that could not be answered again.
    for half in ["y", "z"] {
        bench.value("large", "queue", "enqueue", json!({"values": [half.repeat(9_000_000)]})).await;
    }
    let pop = json!({"operation": "structure", "key": key("large"), "client": {"id": "worker", "seq": 2},
        "structure_operation": {"structure_type": "queue", "operation": "dequeue", "count": 2}});
    for _ in 0..2 {
        let refused = bench.ask(pop.clone()).await;
        assert_eq!(refused["error_code"], "CACHE_TOO_LARGE");
    }
    assert_eq!(bench.value("large", "queue", "size", json!({})).await, 2, "nothing was changed");
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leases_lives_and_volatile_values() {
    let mut bench = Bench::new().await;
    let ask = json!({"operation": "get", "key": key("costly"), "options": {"lease": {"ttl_ms": 60_000}}});
    let granted = bench.ask(ask.clone()).await;
    assert_eq!(
        (&granted["status"], &granted["lease"]["state"]),
        (&json!("miss"), &json!("granted")),
        "{granted}"
    );
    let token = granted["lease"]["token"].clone();
    assert_eq!(bench.ask(ask.clone()).await["lease"]["state"], "filling");
    let mut bench = bench.restart().await;
    assert_eq!(bench.ask(ask.clone()).await["lease"]["state"], "filling", "a lease survives a restart");
    let fill = |token: Value, value: u64| json!({"operation": "put", "key": key("costly"), "value": value, "options": {"lease": {"token": token}}});
    let wrong = bench.ask(fill(json!(1), 0)).await;
    assert_eq!(wrong["status"], "conflict");
    assert_eq!(bench.ask(fill(token.clone(), 42)).await["status"], "hit");
    assert_eq!(bench.get("costly").await, 42);
    assert_eq!(bench.ask(fill(token.clone(), 43)).await["status"], "conflict", "a lease fills once");
    bench.ask(json!({"operation": "delete", "key": key("costly")})).await;
    let next = bench.ask(ask).await["lease"]["token"].as_u64().unwrap();
    assert!(next > token.as_u64().unwrap(), "tokens grow");
    bench.put("costly", json!("written by another")).await;
    assert_eq!(bench.ask(fill(json!(next), 44)).await["status"], "conflict", "somebody wrote meanwhile");

    let stale = json!({"operation": "put", "key": key("old"), "value": 1,
        "metadata": {"ttl_seconds": 0.05, "stale_while_revalidate_seconds": 60}});
    assert_eq!(bench.ask(stale).await["entry"]["ttl_seconds"], 0.05);
    tokio::time::sleep(std::time::Duration::from_millis(120)).await;
    assert_eq!(bench.get("old").await, "MISS");
    let leased = json!({"operation": "get", "key": key("old"), "options": {"lease": {"ttl_ms": 1000}}});
    let stale = bench.ask(leased).await;
    assert_eq!((&stale["lease"]["stale"], &stale["entry"]["value"]), (&json!(true), &json!(1)), "{stale}");

    let negative = json!({"operation": "put", "key": key("nothing"),
        "metadata": {"negative": true, "ttl_seconds": 60}});
    assert_eq!(bench.ask(negative).await["status"], "hit");
    let miss = bench.ask(json!({"operation": "get", "key": key("nothing")})).await;
    assert_eq!((&miss["status"], &miss["negative"]), (&json!("miss"), &json!(true)));

    bench.put("v", json!("durable")).await;
    let volatile = json!({"operation": "put", "key": key("v"), "value": "memory",
        "options": {"cache_levels": ["L1"]}});
    assert_eq!(bench.ask(volatile).await["durability"], "volatile");
    assert_eq!(bench.get("v").await, "memory");
    let mut bench = bench.restart().await;
    assert_eq!(bench.get("v").await, "MISS", "the durable value does not come back");
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn namespaces_tags_patterns_and_cascades() {
    let mut bench = Bench::new().await;
    for namespace in ["ml", "ml.models", "mlops"] {
        bench.put(&format!("{namespace}/x"), json!(1)).await;
    }
    let everything = bench.ask(json!({"operation": "invalidate", "pattern": "*"})).await;
    assert_eq!(everything["status"], "error", "a bare star is guarded");
    let removed = bench.ask(json!({"operation": "invalidate", "pattern": "ml.*"})).await;
    assert_eq!(
        (&removed["status"], &removed["namespace_result"]["count"]),
        (&json!("hit"), &json!(2)),
        "{removed}"
    );
    assert_eq!(bench.get("mlops/x").await, 1);
    assert_eq!(bench.get("ml/x").await, "MISS");
    assert_eq!(bench.ask(json!({"operation": "invalidate", "pattern": "nope:*"})).await["status"], "miss");

    for number in 0..1500 {
        bench.put(&format!("many/id{number:04}"), json!(number)).await;
    }
    let partial = bench.namespace("many", "clear", json!({"max_entries": 1000})).await;
    assert_eq!(
        (&partial["status"], &partial["namespace_result"]["cleared_count"]),
        (&json!("partial"), &json!(1000))
    );
    assert_eq!(partial["namespace_result"]["has_more"], true);
    assert_eq!(bench.get("many/id0000").await, "MISS", "the oldest go first");
    assert_eq!(bench.get("many/id1499").await, 1499);
    assert_eq!(bench.namespace("many", "count", json!({})).await["namespace_result"]["count"], 500);
    let list = bench.namespace("many", "list_keys", json!({"limit": 2, "offset": 1})).await;
    assert_eq!(list["namespace_result"]["keys"][0]["identifier"], "id1001");
    assert_eq!(list["namespace_result"]["next_offset"], 3);
    let query = json!({"operation": "query", "key": {"namespace": "many"}, "pattern": "id149?"});
    assert_eq!(bench.ask(query).await["entry"]["value"].as_array().unwrap().len(), 10);
    let statistics = bench.namespace("many", "statistics", json!({"include_detailed_breakdown": true})).await;
    assert_eq!(statistics["namespace_result"]["entry_count"], 500);

    let behind = json!({"after": {"namespace": "", "identifier": "id1498"}});
    assert_eq!(bench.namespace("many", "count", behind).await["namespace_result"]["count"], 1);
    let part = json!({"limit": 1, "after": {"namespace": "many", "identifier": "id1497x"}});
    let part = bench.namespace("many", "backup", part).await;
    assert_eq!(part["namespace_result"]["data"]["entries"][0]["key"]["identifier"], "id1498", "{part}");
    assert_eq!(part["namespace_result"]["has_more"], true);
    // Names beside each other, one of them the beginning of another, one with a byte that is escaped.
    let neighbours = ["many", "many.more", "many\u{0}x", "many\u{1}", "manz"];
    for namespace in neighbours {
        let put = json!({"operation": "put", "key": {"namespace": namespace, "identifier": "x"}, "value": 1});
        bench.ask(put).await;
    }
    let names = bench.namespace("", "list_namespaces", json!({"pattern": "man*"})).await;
    let found = names["namespace_result"]["namespaces"].as_array().unwrap();
    assert_eq!(found.len(), neighbours.len(), "{names}");
    assert!(neighbours.iter().all(|name| found.contains(&json!(name))), "{names}");
    let some =
        bench.namespace("", "list_namespaces", json!({"pattern": "man*", "limit": 2, "offset": 1})).await;
    assert_eq!(some["namespace_result"]["namespaces"], json!(found[1..3]));
    assert_eq!(some["namespace_result"]["has_more"], true);
    bench.ask(json!({"operation": "delete", "key": {"namespace": "many", "identifier": "x"}})).await;

    let backup = bench.namespace("many", "backup", json!({"compression": true})).await;
    let data = backup["namespace_result"]["data"].clone();
    assert!(data.is_string(), "{backup}");
    bench.namespace("many", "clear", json!({})).await;
    let restored = bench.namespace("many", "restore", json!({"data": data})).await;
    assert_eq!(restored["namespace_result"]["restored_count"], 500, "{restored}");
    assert_eq!(bench.get("many/id1400").await, 1400);
    let hostile = bench.namespace("many", "restore", json!({"data": "AAAA"})).await;
    assert_eq!(hostile["status"], "error");

    for (id, tags) in [("t1", json!(["red"])), ("t2", json!(["red", "blue"])), ("t3", json!(["blue"]))] {
        let mut tagged = key(id);
        tagged["tags"] = tags;
        bench.ask(json!({"operation": "put", "key": tagged, "value": id})).await;
    }
    let cascade =
        json!({"operation": "invalidate", "tags": ["red"], "options": {"cascade_dependencies": true}});
    assert_eq!(bench.ask(cascade).await["error_code"], "CACHE_NOT_SUPPORTED");
    let hidden = bench.ask(json!({"operation": "invalidate", "tags": ["red"]})).await;
    assert_eq!(hidden["namespace_result"]["count"], 2, "{hidden}");
    assert_eq!(bench.get("t1").await, "MISS");
    assert_eq!(bench.get("t3").await, "t3");
    let mut tagged = key("t1");
    tagged["tags"] = json!(["red"]);
    bench.ask(json!({"operation": "put", "key": tagged, "value": "new"})).await;
    assert_eq!(bench.get("t1").await, "new", "what is put after is seen");
    let mut bench = bench.restart().await;
    assert_eq!((bench.get("t1").await, bench.get("t2").await), (json!("new"), json!("MISS")));

    for (id, on) in [("d1", "n:base"), ("d2", "n:d1"), ("d3", "n:d2")] {
        let put = json!({"operation": "put", "key": key(id), "value": 1, "metadata": {"dependencies": [on]}});
        bench.ask(put).await;
    }
    bench.put("base", json!(0)).await;
    let delete =
        json!({"operation": "delete", "key": key("base"), "options": {"cascade_dependencies": true}});
    assert_eq!(bench.ask(delete).await["status"], "hit");
    for id in ["base", "d1", "d2", "d3"] {
        assert_eq!(bench.get(id).await, "MISS", "{id}");
    }
    bench.node.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bad_input_names_its_field_and_changes_nothing() {
    let mut bench = Bench::new().await;
    bench.put("a", json!(1)).await;
    let values: Vec<u32> = (0..10_000).collect();
    assert_eq!(
        bench.structure("big", "set", "add", json!({"values": values})).await["structure_result"]["added"],
        10_000
    );
    for (message, named) in [
        (json!({"operation": "explode", "key": key("a")}), "operation"),
        (json!({"operation": "put", "key": {"namespace": "", "identifier": "a"}, "value": 1}), "namespace"),
        (
            json!({"operation": "put", "key": key("a"), "value": 1, "metadata": {"ttl_seconds": -1}}),
            "ttl_seconds",
        ),
        (
            json!({"operation": "put", "key": key("a"), "value": 2, "constraints": [{"constraint_type": "x"}]}),
            "constraint",
        ),
        (
            json!({"operation": "atomic", "key": key("a"), "atomic_operation": {"operation_type": "append"}}),
            "new_value",
        ),
        (
            json!({"operation": "atomic", "key": key("a"), "atomic_operation":
            {"operation_type": "increment", "conditions": {"nope": 1}}}),
            "nope",
        ),
        (
            json!({"operation": "structure", "key": key("a"), "structure_operation":
            {"structure_type": "set", "operation": "zap"}}),
            "zap",
        ),
        (json!({"operation": "namespace", "namespace_operation": {"operation_type": "clear"}}), "namespace"),
        (json!({"operation": "batch", "operations": [{"operation": "namespace"}]}), "operations[0]"),
    ] {
        let reply = bench.ask(message).await;
        let text = reply["error_message"].as_str().unwrap_or_default().to_owned();
        assert_eq!(reply["status"], "error", "{reply}");
        assert!(text.contains(named), "{named}: {text}");
        assert_eq!(bench.get("a").await, 1);
    }
    let huge = "x".repeat(17 << 20);
    for (family, operation) in [("list", "append"), ("set", "add"), ("queue", "enqueue")] {
        let reply = bench.structure("huge", family, operation, json!({"values": [huge]})).await;
        assert_eq!((&reply["status"], &reply["error_code"]), (&json!("error"), &json!("CACHE_TOO_LARGE")));
    }
    let scored = json!({"scored_values": [{"value": huge[..9 << 20], "score": 1}]});
    assert_eq!(bench.structure("huge", "sorted_set", "add", scored).await["error_code"], "CACHE_TOO_LARGE");
    let field = json!({"field_updates": {("f".repeat(5000)): 1}});
    assert_eq!(bench.structure("huge", "map", "set_field", field).await["error_code"], "CACHE_TOO_LARGE");
    assert_eq!(bench.put("after", json!(1)).await["status"], "hit", "the store goes on");
    let race: Vec<_> = (0..200)
        .map(|number| {
            let client = bench.clients[number % 2].clone();
            tokio::spawn(async move {
                let operation = json!({"operation_type": "test_and_set", "new_value": number});
                let message = json!({"role": "cache-request", "u": format!("r{number}"), "operation": "atomic",
                    "key": key("race"), "atomic_operation": operation});
                client.raw(message).await.unwrap()["status"].clone()
            })
        })
        .collect();
    let mut winners = 0;
    for task in race {
        winners += u32::from(task.await.unwrap() == "hit");
    }
    assert_eq!(winners, 1);
    bench.node.shutdown().await.unwrap();
}
