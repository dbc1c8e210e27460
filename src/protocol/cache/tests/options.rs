//! Client, lease, notification and what a put says beyond its value.

use proptest::prelude::*;

use super::{KEY, read, refused};
use crate::protocol::cache::{Client, Command, Lease, Notification, Operation, Put, Request, Ttl};
use crate::protocol::{OperationIds, parse};

fn put(members: &str) -> Result<Put<'static>, String> {
    match read(&format!(r#""operation":"put",{KEY},"value":1,{members}"#))?.command {
        Command::Put(put) => Ok(put),
        other => panic!("{other:?}"),
    }
}

fn get(options: &str) -> Result<Request<'static>, String> {
    read(&format!(r#""operation":"get",{KEY},"options":{{{options}}}"#))
}

#[test]
fn client_is_read_and_checked() {
    let client =
        |text: &str| read(&format!(r#""operation":"stats","client":{text}"#)).map(|read| read.client);
    let found = client(r#"{"id":"worker-1","seq":18446744073709551615,"x":1}"#).unwrap();
    assert_eq!(found.as_deref(), Some(&Client { id: "worker-1".into(), seq: u64::MAX }));
    assert_eq!(client("null"), Ok(None));
    assert!(client(&format!(r#"{{"id":"{}","seq":0}}"#, "x".repeat(128))).is_ok());
    for (text, message) in [
        (r#"{"seq":1}"#, "client.id is required"),
        (r#"{"id":"a"}"#, "client.seq is required"),
        (r#"{"id":"a","seq":null}"#, "client.seq is required"),
        (r#"{"id":"","seq":1}"#, "client.id must be 1 to 128 bytes long"),
        (r#"{"id":5,"seq":1}"#, "client.id must be a string"),
        (r#"{"id":"a","seq":-1}"#, "client.seq must be an integer of 0 or more"),
        (r#"{"id":"a","seq":1.0}"#, "client.seq must be an integer of 0 or more"),
        (r#""a""#, "client must be an object"),
    ] {
        assert_eq!(client(text).unwrap_err(), message, "{text}");
    }
    let long = client(&format!(r#"{{"id":"{}","seq":0}}"#, "x".repeat(129)));
    assert_eq!(long.unwrap_err(), "client.id has 129, the limit is 128");
}

#[test]
fn lease_is_read_and_checked() {
    let lease = |text: &str| get(&format!(r#""lease":{text}"#)).map(|request| request.options.lease);
    assert_eq!(lease(r#"{"ttl_ms":5000}"#), Ok(Some(Lease::Ask { ttl_ms: 5000 })));
    assert_eq!(lease(r#"{"ttl_ms":600000.0}"#), Ok(Some(Lease::Ask { ttl_ms: 600_000 })));
    assert_eq!(lease(r#"{"token":7,"failed":true}"#), Ok(Some(Lease::GiveUp { token: 7 })));
    assert_eq!(lease("null"), Ok(None));
    for (text, message) in [
        (r#"{}"#, "options.lease.ttl_ms is required"),
        (r#"{"token":7}"#, "options.lease.ttl_ms is required"),
        (r#"{"ttl_ms":0}"#, "options.lease.ttl_ms must be 1 or more"),
        (r#"{"ttl_ms":600001}"#, "options.lease.ttl_ms must be at most 600000"),
        (r#"{"ttl_ms":"5"}"#, "options.lease.ttl_ms must be a number"),
        (r#"{"failed":true}"#, "options.lease.token is required"),
        (r#"{"token":"7"}"#, "options.lease.token must be a number"),
        (r#"5"#, "options.lease must be an object"),
    ] {
        assert_eq!(lease(text).unwrap_err(), message, "{text}");
    }
    let fill = read(&format!(r#""operation":"put",{KEY},"value":1,"options":{{"lease":{{"token":7}}}}"#));
    assert_eq!(fill.unwrap().options.lease, Some(Lease::Fill { token: 7 }));
    for lease in [r#"{"ttl_ms":5}"#, r#"{"token":7,"failed":true}"#] {
        let message = read(&format!(r#""operation":"put",{KEY},"value":1,"options":{{"lease":{lease}}}"#));
        assert_eq!(message.unwrap_err(), "options.lease.token is required");
    }
    for operation in ["delete", "stats", "query", "batch"] {
        let message =
            read(&format!(r#""operation":"{operation}",{KEY},"options":{{"lease":{{"token":7}}}}"#));
        assert_eq!(message.unwrap_err(), "options.lease must be left out of all but get and put");
    }
}

#[test]
fn notification_is_read_and_checked() {
    let read = get(
        r#""notify_on_change":true,"notification_topic":"stock.low","notification_payload":{"a":1},"notification_condition":{"field_path":"x","threshold":{"$lt":1}}"#,
    );
    let wanted = Notification {
        topic: Some("stock.low".into()),
        payload: Some(r#"{"a":1}"#),
        condition: Some(r#"{"field_path":"x","threshold":{"$lt":1}}"#),
    };
    assert_eq!(read.unwrap().options.notification.as_deref(), Some(&wanted));
    let nulls = r#""notification_topic":null,"notification_payload":null,"notification_condition":null,"lease":null,"replication_strategy":null,"preferred_regions":null,"conflict_resolution":null"#;
    assert_eq!(get(nulls), get(""));
    let ignored = r#""replication_strategy":"eager","preferred_regions":["eu"],"conflict_resolution":"mine""#;
    assert_eq!(get(ignored), get(""));
    for (options, message) in [
        (r#""notification_topic":5"#, "options.notification_topic must be a string"),
        (r#""notification_payload":[]"#, "options.notification_payload must be an object"),
        (r#""notification_condition":"x""#, "options.notification_condition must be an object"),
        (r#""replication_strategy":5"#, "options.replication_strategy must be a string"),
        (r#""preferred_regions":[5]"#, "options.preferred_regions must be a string"),
        (r#""conflict_resolution":[]"#, "options.conflict_resolution must be a string"),
    ] {
        assert_eq!(get(options).unwrap_err(), message, "{options}");
    }
    let long = get(&format!(r#""notification_topic":"{}""#, "x".repeat(513)));
    assert_eq!(long.unwrap_err(), "options.notification_topic has 513, the limit is 512");
}

#[test]
fn ttl_config_is_read_and_checked() {
    let read = put(
        r#""metadata":{"ttl_seconds":5},"ttl_config":{"ttl_seconds":7.0,"refresh_on_access":true,"ttl_jitter_percent":10,"x":1}"#,
    );
    let read = read.unwrap();
    let config = read.ttl_config.unwrap();
    assert_eq!((config.refresh_on_access, config.jitter_percent), (true, 10.0));
    assert_eq!(read.metadata.ttl, Some(Ttl { micros: 7_000_000, is_float: true }));
    let nulls = r#""metadata":{"ttl_seconds":5},"ttl_config":{"ttl_seconds":null,"refresh_on_access":null,"ttl_jitter_percent":null}"#;
    let read = put(nulls).unwrap();
    assert_eq!(read.metadata.ttl.unwrap().micros, 5_000_000);
    assert!(!read.ttl_config.unwrap().refresh_on_access);
    assert_eq!(put(r#""ttl_config":null"#).unwrap().ttl_config, None);
    for (config, message) in [
        (r#"[]"#, "ttl_config must be an object"),
        (r#"{"ttl_seconds":-5}"#, "ttl_config.ttl_seconds must be greater than 0"),
        (r#"{"refresh_on_access":1}"#, "ttl_config.refresh_on_access must be true or false"),
        (r#"{"ttl_jitter_percent":101}"#, "ttl_config.ttl_jitter_percent must be from 0 to 100"),
        (r#"{"ttl_jitter_percent":-1}"#, "ttl_config.ttl_jitter_percent must be from 0 to 100"),
        (r#"{"ttl_jitter_percent":"1"}"#, "ttl_config.ttl_jitter_percent must be a number"),
    ] {
        assert_eq!(put(&format!(r#""ttl_config":{config}"#)).unwrap_err(), message, "{config}");
    }
}

#[test]
fn stale_windows_and_constraints_are_read() {
    let windows = r#""metadata":{"stale_while_revalidate_seconds":30,"stale_if_error_seconds":0.5},"constraints":[{"a":1}]"#;
    let read = put(windows).unwrap();
    assert_eq!(read.metadata.stale_while_revalidate_us, 30_000_000);
    assert_eq!(read.metadata.stale_if_error_us, 500_000);
    assert_eq!((read.metadata.negative, read.constraints), (false, Some(r#"[{"a":1}]"#)));
    let nulls = r#""metadata":{"stale_while_revalidate_seconds":null,"stale_if_error_seconds":null,"negative":null},"constraints":null"#;
    assert_eq!(put(nulls).unwrap(), put(r#""constraints":[]"#).unwrap());
    for (metadata, message) in [
        (
            r#"{"stale_while_revalidate_seconds":-1}"#,
            "metadata.stale_while_revalidate_seconds must be 0 or more",
        ),
        (r#"{"stale_if_error_seconds":1e12}"#, "metadata.stale_if_error_seconds must be at most 1e11"),
        (r#"{"stale_if_error_seconds":"1"}"#, "metadata.stale_if_error_seconds must be a number"),
        (r#"{"negative":1}"#, "metadata.negative must be true or false"),
    ] {
        assert_eq!(put(&format!(r#""metadata":{metadata}"#)).unwrap_err(), message, "{metadata}");
    }
    refused(&[(
        &format!(r#""operation":"put",{KEY},"value":1,"constraints":{{}}"#),
        "constraints must be an array",
    )]);
}

#[test]
fn a_negative_put_has_no_value() {
    for value in ["", r#""value":null,"#] {
        let members = format!(r#""operation":"put",{KEY},{value}"metadata":{{"negative":true}}"#);
        let Command::Put(put) = read(&members).unwrap().command else { panic!() };
        assert!(put.metadata.negative);
        assert_eq!(put.value, "null");
    }
    let message = put(r#""metadata":{"negative":true}"#).unwrap_err();
    assert_eq!(message, "metadata.negative must be false where there is a value");
}

#[test]
fn every_operation_has_its_name() {
    for (operation, name) in [
        (Operation::Atomic, "\"atomic\""),
        (Operation::Structure, "\"structure\""),
        (Operation::Namespace, "\"namespace\""),
        (Operation::Invalidate, "\"invalidate\""),
        (Operation::Query, "\"query\""),
        (Operation::Batch, "\"batch\""),
    ] {
        assert_eq!(operation.quoted(), name);
    }
}

/// A request in which every member of the protocol appears.
const EVERYTHING: &str = r#"{"role":"cache-request","u":"1","operation":"batch","key":{"namespace":"n","identifier":"i","tags":["t"]},"value":[1,{"a":null}],
"atomic_operation":{"operation_type":"test_and_set","expected_value":null,"new_value":{"a":1},"increment_by":1,"initial_value":0,"ttl_seconds":5,"conditions":{"value.a":{"$gt":1}},"create_if_missing":true},
"structure_operation":{"structure_type":"map","operation":"set","values":[1,"a"],"fields":["f"],"field_updates":{"f":{"operation":"increment","value":1}},"scored_values":[{"value":1,"score":2}],"index":-1,"range_spec":{"start":1,"end":2,"min_score":0.5,"max_score":1e3},"limit":3,"options":{"create_if_missing":true,"other_sets":["a:b:v2"]},"value":1,"score":2,"count":3},
"namespace_operation":{"operation_type":"restore","namespace":"n","pattern":"*","conditions":{"age_seconds":{"$gt":1}},"max_entries":5,"dry_run":true,"sample_size":1,"data":{"entries":[]},"merge_strategy":"newest","limit":1,"offset":0},
"operations":[{"operation":"put","key":{"namespace":"n","identifier":"i"},"value":1,"metadata":{"ttl_seconds":5}},{"operation":"structure","key":{"namespace":"n","identifier":"i"},"structure_operation":{"structure_type":"sorted_set","operation":"add","scored_values":[{"value":"a","score":1}]}}],
"client":{"id":"c","seq":1},"pattern":"a*","tags":["t"],"constraints":[{"constraint_type":"min_value","value":1}],"ttl_config":{"ttl_seconds":5,"ttl_jitter_percent":10},
"metadata":{"ttl_seconds":5,"dependencies":["a:b"],"stale_if_error_seconds":5,"negative":false},
"options":{"consistency_level":"strong","notify_on_change":true,"notification_payload":{"a":1}}}"#;

const OPERATIONS: [&str; 11] = [
    "get",
    "put",
    "delete",
    "stats",
    "atomic",
    "structure",
    "namespace",
    "invalidate",
    "query",
    "batch",
    "nothing",
];

fn answered(message: &[u8]) -> Result<(), TestCaseError> {
    if let Err(rejection) = parse(message) {
        let mut out = Vec::new();
        rejection.write_into(0, &mut OperationIds::new(1, 2), &mut out);
        let reply: serde_json::Value = serde_json::from_slice(&out).unwrap();
        prop_assert!(reply["u"].is_string() && reply["role"].is_string());
    }
    Ok(())
}

#[test]
fn the_message_with_everything_is_read_as_each_operation() {
    for operation in &OPERATIONS[..10] {
        let message = EVERYTHING.replace("\"batch\"", &format!("\"{operation}\""));
        let refused_all = ["structure", "atomic", "invalidate"];
        // Constraints on a structure, a ttl_config on an atomic operation, and a pattern with tags are refused.
        assert_eq!(parse(message.as_bytes()).is_err(), refused_all.contains(operation), "{operation}");
    }
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        "[a-z*:.]{0,6}".prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::hash_map(name(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

/// Names that the protocol knows, and others.
fn name() -> impl Strategy<Value = String> {
    let known = EVERYTHING
        .split('"')
        .filter(|part| part.len() > 1 && part.bytes().all(|byte| byte == b'_' || byte.is_ascii_lowercase()));
    let known: Vec<String> = known.map(str::to_owned).collect();
    prop_oneof![4 => prop::sample::select(known), 1 => "[a-z]{0,3}"]
}

proptest! {
    /// Whatever becomes of a message, there is a request or an answer.
    #[test]
    fn edited_messages_get_an_answer(operation in prop::sample::select(&OPERATIONS[..]), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..6)) {
        let mut message = EVERYTHING.replace("\"batch\"", &format!("\"{operation}\"")).into_bytes();
        for (place, byte, kind) in edits {
            if message.is_empty() {
                break;
            }
            let at = place.index(message.len());
            match kind {
                0 => message[at] = byte,
                1 => message[at] = b"{}[],:\"\\0-.eun"[usize::from(byte) % 14],
                2 => drop(message.remove(at)),
                _ => message.truncate(at),
            }
        }
        answered(&message)?;
    }

    /// Members of any type under the names of the protocol never end in a panic.
    #[test]
    fn arbitrary_members_get_an_answer(operation in prop::sample::select(&OPERATIONS[..]), members in prop::collection::hash_map(name(), json(), 0..6)) {
        let mut message = serde_json::Map::from_iter(members);
        message.insert("role".into(), "cache-request".into());
        message.insert("u".into(), "1".into());
        message.insert("operation".into(), operation.into());
        answered(serde_json::Value::from(message).to_string().as_bytes())?;
    }

    /// The same for what stands inside of the operations.
    #[test]
    fn arbitrary_operations_get_an_answer(inner in prop::collection::hash_map(name(), json(), 0..6), family in prop::sample::select(&["set", "list", "map", "sorted_set", "counter", "queue", "stack"][..]), verb in prop::sample::select(&["add", "append", "get", "set", "union", "increment", "increment_field", "range", "pop", "rank"][..])) {
        let mut operation = serde_json::Map::from_iter(inner);
        operation.insert("structure_type".into(), family.into());
        operation.insert("operation".into(), verb.into());
        let message = serde_json::json!({"role": "cache-request", "u": "1", "operation": "structure", "key": {"namespace": "n", "identifier": "i"}, "structure_operation": operation});
        answered(message.to_string().as_bytes())?;
    }
}
