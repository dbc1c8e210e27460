//! The requests of the client guide as they stand there, and our replies byte by byte.

use mpreg_storage::record::Extras;
use proptest::prelude::*;

use super::cache::{
    AtomicKind, Code, Command, Consistency, Durability, EntryReply, Failure, Head, Level, NamespaceAction,
    Operation, Performance, Reply, SetVerb, Status, Verb,
};
use super::{OperationIds, Request, cache, parse, pubsub};

const GET: &str = r#"{
  "role": "cache-request",
  "u": "cache-12345",
  "operation": "get",
  "key": {
    "namespace": "user_sessions",
    "identifier": "session_123",
    "version": "v1.0.0"
  },
  "options": {
    "consistency_level": "eventual",
    "timeout_ms": 5000
  }
}"#;

const PUT: &str = r#"{
  "role": "cache-request",
  "u": "cache-12346",
  "operation": "put",
  "key": {
    "namespace": "user_sessions",
    "identifier": "session_123"
  },
  "value": {
    "user_id": "user_456",
    "login_time": 1640995200.123
  },
  "options": {
    "consistency_level": "strong"
  }
}"#;

const ATOMIC: &str = r#"{
  "role": "cache-request",
  "u": "atomic-12347",
  "operation": "atomic",
  "key": {
    "namespace": "locks",
    "identifier": "resource_abc"
  },
  "atomic_operation": {
    "operation_type": "test_and_set",
    "expected_value": null,
    "new_value": {
      "owner": "worker_001",
      "acquired_at": 1640995200.123
    },
    "ttl_seconds": 300
  },
  "options": {
    "consistency_level": "strong"
  }
}"#;

const STRUCTURE: &str = r#"{
  "role": "cache-request",
  "u": "struct-12348",
  "operation": "structure",
  "key": {
    "namespace": "user_permissions",
    "identifier": "user_456"
  },
  "structure_operation": {
    "structure_type": "set",
    "operation": "add",
    "values": ["admin", "moderator"]
  }
}"#;

const NAMESPACE: &str = r#"{
  "role": "cache-request",
  "u": "namespace-12349",
  "operation": "namespace",
  "namespace_operation": {
    "operation_type": "clear",
    "namespace": "temp_data",
    "pattern": "expired_*",
    "max_entries": 1000
  }
}"#;

const VALUE: &str = r#"{"user_id":"user_456","login_time":1640995200.123}"#;
const ID: &[u8; 36] = b"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11";

fn cache_request(message: &str) -> cache::Request<'_> {
    match parse(message.as_bytes()) {
        Ok(Request::Cache(request)) => request,
        other => panic!("{other:?}"),
    }
}

/// What a refused message is answered with.
fn refusal(message: &str) -> String {
    let mut out = Vec::new();
    let rejection = parse(message.as_bytes()).expect_err(message);
    rejection.write_into(1_000_000, &mut OperationIds::new(0, 0), &mut out);
    String::from_utf8(out).unwrap()
}

fn written(reply: &Reply<'_>) -> String {
    let mut out = Vec::new();
    reply.write_into(&mut out);
    assert!(serde_json::from_slice::<serde_json::Value>(&out).is_ok());
    String::from_utf8(out).unwrap()
}

fn head(u: &'static str, operation: Operation, now_us: u64) -> Head<'static> {
    Head { u, now_us, operation: operation.quoted(), operation_id: ID }
}

fn entry() -> EntryReply<'static> {
    EntryReply {
        namespace: "user_sessions",
        identifier: "session_123",
        version: "v1.0.0",
        value: VALUE.as_bytes(),
        created_us: 1_700_000_000_200_000,
        access_count: 1,
        last_access_us: 1_700_000_001_500_000,
        ttl_us: None,
        extras: Extras::default(),
        include_metadata: true,
    }
}

#[test]
fn seed_get_is_read() {
    let request = cache_request(GET);
    assert_eq!(request.u, "\"cache-12345\"");
    assert_eq!(request.options.consistency, Some(Consistency::Eventual));
    assert_eq!(request.options.timeout_ms, 5000);
    let Command::Get(key) = request.command else { panic!("{:?}", request.command) };
    let mut encoded = Vec::new();
    key.encode_into(&mut encoded).unwrap();
    assert_eq!(encoded, b"user_sessions\0session_123\0");
}

#[test]
fn seed_put_is_read() {
    let request = cache_request(PUT);
    assert_eq!(request.u, "\"cache-12346\"");
    assert_eq!(request.options.consistency, Some(Consistency::Strong));
    let Command::Put(put) = request.command else { panic!("{:?}", request.command) };
    assert_eq!(put.key.version, "v1.0.0");
    // White space inside a value belongs to its text, white space around it does not.
    assert_eq!(put.value, "{\n    \"user_id\": \"user_456\",\n    \"login_time\": 1640995200.123\n  }");
    let mut extras = Vec::new();
    put.encode_extras_into(&mut extras).unwrap();
    assert!(extras.is_empty());
}

#[test]
fn seed_atomic_is_read() {
    let request = cache_request(ATOMIC);
    assert_eq!((request.u, request.options.consistency), ("\"atomic-12347\"", Some(Consistency::Strong)));
    let Command::Atomic(atomic) = request.command else { panic!("{:?}", request.command) };
    assert_eq!((atomic.kind, atomic.expected), (AtomicKind::TestAndSet, None));
    assert_eq!((&*atomic.key.namespace, &*atomic.key.identifier), ("locks", "resource_abc"));
    assert!(atomic.new.unwrap().contains("worker_001"));
    assert_eq!(atomic.ttl.unwrap().micros, 300_000_000);
}

#[test]
fn seed_structure_is_read() {
    let request = cache_request(STRUCTURE);
    assert_eq!(request.u, "\"struct-12348\"");
    let Command::Structure(structure) = request.command else { panic!("{:?}", request.command) };
    let Verb::Set(SetVerb::Add(values)) = structure.verb else { panic!("{:?}", structure.verb) };
    assert_eq!(values.iter().collect::<Vec<_>>(), ["\"admin\"", "\"moderator\""]);
    assert!(structure.create_if_missing);
}

#[test]
fn seed_namespace_is_read() {
    let request = cache_request(NAMESPACE);
    assert_eq!(request.u, "\"namespace-12349\"");
    let Command::Namespace(namespace) = request.command else { panic!("{:?}", request.command) };
    assert_eq!((&*namespace.namespace, &*namespace.pattern), ("temp_data", "expired_*"));
    let clear = NamespaceAction::Clear { max_entries: Some(1000), dry_run: false };
    assert_eq!(namespace.action, clear);
}

#[test]
fn hit() {
    let reply = Reply {
        level: Some(Level::L1),
        durability: Some(Durability::Eventual),
        entry: Some(entry()),
        performance: Some(Performance { lookup_ns: 30_000 }),
        ..Reply::new(head("\"cache-12345\"", Operation::Get, 1_700_000_001_500_000))
    };
    let expected = concat!(
        r#"{"role":"cache-response","u":"cache-12345","timestamp":1700000001.5,"version":"2.0","operation":"get","#,
        r#""status":"hit","success":true,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","cache_level":"L1","#,
        r#""durability":"eventual","entry":{"key":{"namespace":"user_sessions","identifier":"session_123","#,
        r#""version":"v1.0.0","tags":[]},"value":{"user_id":"user_456","login_time":1640995200.123},"#,
        r#""creation_time":1700000000.2,"access_count":1,"last_access_time":1700000001.5,"computation_cost_ms":0.0,"#,
        r#""size_bytes":50,"dependencies":[],"ttl_seconds":null},"#,
        r#""performance":{"lookup_time_ms":0.03,"network_hops":0,"cache_efficiency":1.0},"intermediate_results":null}"#,
    );
    assert_eq!(written(&reply), expected);
}

#[test]
fn miss() {
    let reply = Reply {
        status: Status::Miss,
        performance: Some(Performance { lookup_ns: 20_000 }),
        ..Reply::new(head("\"cache-12345\"", Operation::Get, 1_700_000_001_500_000))
    };
    let expected = concat!(
        r#"{"role":"cache-response","u":"cache-12345","timestamp":1700000001.5,"version":"2.0","operation":"get","#,
        r#""status":"miss","success":true,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","#,
        r#""performance":{"lookup_time_ms":0.02,"network_hops":0,"cache_efficiency":0.0},"intermediate_results":null}"#,
    );
    assert_eq!(written(&reply), expected);
}

#[test]
fn stored() {
    let entry = EntryReply {
        access_count: 0,
        last_access_us: 1_700_000_000_200_000,
        ttl_us: Some(300_000_000),
        extras: Extras {
            tags: r#"["a"]"#,
            dependencies: r#"["n:i:v1.0.0"]"#,
            computation_cost_ms: 2.5,
            ..Extras::default()
        },
        ..entry()
    };
    let reply = Reply {
        level: Some(Level::L1),
        durability: Some(Durability::Strong),
        entry: Some(entry),
        performance: Some(Performance { lookup_ns: 1_900_000 }),
        ..Reply::new(head("\"cache-12346\"", Operation::Put, 1_700_000_000_200_000))
    };
    let expected = concat!(
        r#"{"role":"cache-response","u":"cache-12346","timestamp":1700000000.2,"version":"2.0","operation":"put","#,
        r#""status":"hit","success":true,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","cache_level":"L1","#,
        r#""durability":"strong","entry":{"key":{"namespace":"user_sessions","identifier":"session_123","#,
        r#""version":"v1.0.0","tags":["a"]},"value":{"user_id":"user_456","login_time":1640995200.123},"#,
        r#""creation_time":1700000000.2,"access_count":0,"last_access_time":1700000000.2,"computation_cost_ms":2.5,"#,
        r#""size_bytes":50,"dependencies":["n:i:v1.0.0"],"ttl_seconds":300},"#,
        r#""performance":{"lookup_time_ms":1.9,"network_hops":0,"cache_efficiency":1.0},"intermediate_results":null}"#,
    );
    assert_eq!(written(&reply), expected);
}

#[test]
fn time_to_live_is_shown_as_it_was_given() {
    for (micros, ttl_is_float, text) in [
        (300_000_000, false, "300}"),
        (300_000_000, true, "300.0}"),
        (500_000, true, "0.5}"),
        (1, false, "0.000001}"),
    ] {
        let entry = EntryReply {
            ttl_us: Some(micros),
            extras: Extras { ttl_is_float, ..Extras::default() },
            ..entry()
        };
        let reply = Reply { entry: Some(entry), ..Reply::new(head("\"x\"", Operation::Get, 0)) };
        let reply = written(&reply);
        assert!(reply.contains(&format!("\"ttl_seconds\":{text}")), "{reply}");
    }
}

#[test]
fn without_metadata_the_required_members_stay() {
    let entry = EntryReply { include_metadata: false, ..entry() };
    let reply = written(&Reply { entry: Some(entry), ..Reply::new(head("\"x\"", Operation::Get, 0)) });
    assert!(
        reply.contains(r#""access_count":1,"last_access_time":1700000001.5},"intermediate_results":null}"#),
        "{reply}"
    );
}

#[test]
fn put_without_value() {
    let expected = r#"{"role":"cache-response","u":"x","timestamp":1.0,"version":"2.0","operation":"put","status":"error","success":false,"operation_id":"00000000-0000-8000-9000-000000000001","error_message":"PUT operation requires value","error_code":"CACHE_BAD_REQUEST","intermediate_results":null}"#;
    for value in ["", r#","value":null"#] {
        let message = format!(
            r#"{{"role":"cache-request","u":"x","operation":"put","key":{{"namespace":"n","identifier":"i"}}{value}}}"#
        );
        assert_eq!(refusal(&message), expected);
    }
}

#[test]
fn failure_escapes_its_message() {
    let failure = Failure { message: "a \"b\"\n", code: Code::Unavailable };
    let reply = written(&Reply::failure(head("\"\\u0041\"", Operation::Stats, 0), Status::Timeout, failure));
    let expected = concat!(
        r#"{"role":"cache-response","u":"\u0041","timestamp":0.0,"version":"2.0","operation":"stats","#,
        r#""status":"timeout","success":false,"operation_id":"5f0c6f0e-1b7e-4a53-9d2e-0f7d3b1f8a11","#,
        r#""error_message":"a \"b\"\n","error_code":"CACHE_UNAVAILABLE","intermediate_results":null}"#
    );
    assert_eq!(reply, expected);
}

#[test]
fn roles_nobody_knows() {
    let reply = |role: &str, u: &str| {
        format!(
            r#"{{"role":"rpc-response","u":"{u}","r":null,"error":{{"code":1004,"message":"Invalid RPC request role: {role}","details":null,"type":"InvalidRole"}},"intermediate_results":[],"execution_summary":null}}"#
        )
    };
    assert_eq!(refusal(r#"{"role":"banana","u":"q"}"#), reply("banana", "q"));
    assert_eq!(refusal(r#"{"u":"q","role":"fabric-gossip"}"#), reply("fabric-gossip", "q"));
    assert_eq!(refusal(r#"{"u":"q"}"#), reply("None", "q"));
    assert_eq!(refusal(r#"{"role":null}"#), reply("None", "unknown"));
}

#[test]
fn malformed_messages_are_answered_in_their_role() {
    assert_eq!(
        refusal(r#"{"role":"rpc","u":"q","cmds":5}"#),
        r#"{"role":"rpc-response","u":"q","r":null,"error":{"code":1005,"message":"Malformed message","details":"cmds must be an array (byte 29)","type":"MalformedMessage"},"intermediate_results":[],"execution_summary":null}"#
    );
    assert_eq!(
        refusal(r#"{"role":"pubsub-publish","u":"q","message":{"topic":NaN}}"#),
        r#"{"role":"pubsub-ack","operation_id":"q","success":false,"error":"message.topic: expected a JSON value (byte 52)","u":"ack_q"}"#
    );
    assert_eq!(
        refusal("PONG"),
        r#"{"role":"rpc-response","u":"unknown","r":null,"error":{"code":1005,"message":"Malformed message","details":"message: expected a JSON value (byte 0)","type":"MalformedMessage"},"intermediate_results":[],"execution_summary":null}"#
    );
    let reply = refusal(r#"{"role":"cache-request","u":"q","operation":"frobnicate"}"#);
    assert!(reply.contains(r#""operation":"frobnicate","status":"error""#), "{reply}");
    assert!(
        reply.contains(
            r#""error_message":"operation does not know \"frobnicate\"","error_code":"CACHE_BAD_REQUEST""#
        ),
        "{reply}"
    );
}

#[test]
fn pubsub_refusal() {
    let mut out = Vec::new();
    pubsub::write_refusal(&mut out, "\"01JQ\"", "no \"pub/sub\" yet");
    let expected = r#"{"role":"pubsub-ack","operation_id":"01JQ","success":false,"error":"no \"pub/sub\" yet","u":"ack_01JQ"}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

proptest! {
    /// Whatever a key or a message holds, the reply reads back as it was meant.
    #[test]
    fn replies_read_back(namespace: String, identifier: String, version: String, message: String, count: u64, cost in 0.0..1e12, ttl in 1..u64::MAX) {
        let entry = EntryReply {
            namespace: &namespace,
            identifier: &identifier,
            version: &version,
            access_count: count,
            ttl_us: Some(ttl),
            extras: Extras { computation_cost_ms: cost, ..Extras::default() },
            ..entry()
        };
        let failure = Failure { message: &message, code: Code::Internal };
        let reply = Reply {
            entry: Some(entry),
            performance: Some(Performance { lookup_ns: count }),
            failure: Some(failure),
            ..Reply::new(head("\"u\"", Operation::Delete, ttl))
        };
        let read: serde_json::Value = serde_json::from_str(&written(&reply)).unwrap();
        prop_assert_eq!(&read["entry"]["key"]["namespace"], &namespace);
        prop_assert_eq!(&read["entry"]["key"]["identifier"], &identifier);
        prop_assert_eq!(&read["entry"]["key"]["version"], &version);
        prop_assert_eq!(&read["entry"]["access_count"], count);
        prop_assert!((read["entry"]["computation_cost_ms"].as_f64().unwrap() - cost).abs() <= cost * 1e-15);
        prop_assert_eq!(&read["error_message"], &message);
        prop_assert!(read["intermediate_results"].is_null() && read.get("intermediate_results").is_some());
    }
}
