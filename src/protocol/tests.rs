//! What requests may leave out, what they may not, and what is said about it.

use mpreg_storage::json::Fault;
use mpreg_storage::record::Extras;
use proptest::prelude::*;

use super::cache::{Command, Consistency, Level, Levels, Options, Put, Ttl};
use super::*;

fn cache_request(members: &str) -> Result<cache::Request<'static>, String> {
    let message = format!(r#"{{"role":"cache-request","u":"1",{members}}}"#);
    match parse(message.leak().as_bytes()) {
        Ok(Request::Cache(request)) => Ok(request),
        Ok(other) => panic!("{other:?}"),
        Err(rejection) => Err(without_offset(&rejection.error().to_string())),
    }
}

/// An error's text without its place, which the golden tests check.
fn without_offset(message: &str) -> String {
    message.split(" (byte ").next().unwrap_or_default().to_owned()
}

const KEY: &str = r#""key":{"namespace":"n","identifier":"i"}"#;

fn put(members: &str) -> Result<Put<'static>, String> {
    let request = cache_request(&format!(r#""operation":"put",{KEY},"value":1,{members}"#))?;
    let Command::Put(put) = request.command else { panic!("{:?}", request.command) };
    Ok(put)
}

fn options(options: &str) -> Result<Options<'static>, String> {
    cache_request(&format!(r#""operation":"get",{KEY},"options":{options}"#)).map(|request| request.options)
}

#[test]
fn order_of_members_does_not_matter() {
    let message = br#" {"options":null,"key":{"identifier":"i","namespace":"n"},"u":"1","operation":"delete","role":"cache-request"} "#;
    let Ok(Request::Cache(request)) = parse(message) else { panic!() };
    assert!(matches!(request.command, Command::Delete(_)));
}

#[test]
fn every_optional_member_may_be_null_and_unknown_ones_are_ignored() {
    let nulls = r#""timestamp":null,"version":null,"metadata":null,"constraints":null,"ttl_config":null,"encrypted":null,"pattern":null,"atomic_operation":null,"x":{"y":[1]},
        "options":{"consistency_level":null,"timeout_ms":null,"cache_levels":null,"include_metadata":null,"replication_factor":null,"prefer_local":null,"max_staleness_seconds":null,
        "cascade_dependencies":null,"replication_propagate":null,"notify_on_change":null,"reason":null,"source_change":null,"x":1}"#;
    let request = cache_request(&format!(r#""operation":"get",{KEY},{nulls}"#)).unwrap();
    assert_eq!(request.options, Options::default());
    let key = r#""key":{"namespace":"n","identifier":"i","version":null,"tags":null,"x":[]}"#;
    let metadata = r#""metadata":{"computation_cost_ms":null,"dependencies":null,"ttl_seconds":null,"replication_policy":null,"access_patterns":null,"geographic_hints":null,"quality_score":null,"created_by":null,"size_estimate_bytes":null}"#;
    let request = cache_request(&format!(r#""operation":"put","value":0,{key},{metadata}"#)).unwrap();
    let Command::Put(put) = request.command else { panic!() };
    assert_eq!((&*put.key.version, put.key.tags, put.value), ("v1.0.0", None, "0"));
    assert_eq!(put.metadata, Default::default());
}

#[test]
fn errors_name_the_member() {
    let cases = [
        (r#""operation":"get""#, "key is required"),
        (r#""operation":"get","key":null"#, "key is required"),
        (r#""operation":"get","key":{"identifier":"i"}"#, "key.namespace is required"),
        (r#""operation":"get","key":{"namespace":"n"}"#, "key.identifier is required"),
        (r#""operation":"get","key":{"namespace":5}"#, "key.namespace must be a string"),
        (r#""operation":"get","key":{"namespace":"n","namespace":"m"}"#, "key.namespace appears twice"),
        (r#""operation":"get","key":{"tags":["a",1]}"#, "key.tags must be a string"),
        (r#""operation":"get","key":[]"#, "key must be an object"),
        (r#""operation":null"#, "operation is required"),
        (r#""operation":"GET""#, "operation does not know \"GET\""),
        (r#""operation":"get","operation":"put""#, "operation appears twice"),
        (r#""operation":"get","u":"2""#, "u appears twice"),
        (r#""operation":"invalidate""#, "pattern is required"),
        (r#""operation":"query""#, "key is required"),
        (r#""operation":"get","x":01"#, "malformed number"),
    ];
    for (members, message) in cases {
        assert_eq!(cache_request(members).unwrap_err(), message, "{members}");
    }
}

#[test]
fn options_are_read_and_checked() {
    let all = options(
        r#"{"include_metadata":false,"consistency_level":"quorum","timeout_ms":250.0,"cache_levels":["L1","L4"],"replication_factor":3,"prefer_local":false,
        "max_staleness_seconds":1.5,"replication_propagate":false,"reason":"why","source_change":{"a":1}}"#,
    );
    let all = all.unwrap();
    assert_eq!(
        (all.consistency, all.timeout_ms, all.replication_factor),
        (Some(Consistency::Strong), 250, 3)
    );
    assert_eq!(
        [Level::L1, Level::L2, Level::L3, Level::L4].map(|level| all.levels.has(level)),
        [true, false, false, true]
    );
    assert!(!all.include_metadata && !all.prefer_local && !all.replication_propagate);
    assert_eq!(
        (all.max_staleness_seconds, all.reason, all.source_change),
        (1.5, Some("\"why\""), Some(r#"{"a":1}"#))
    );
    assert_eq!(options(r#"{"cache_levels":[]}"#).unwrap().levels, Levels::ALL);
    assert_eq!(options(r#"{"consistency_level":"weak"}"#).unwrap().consistency, Some(Consistency::Weak));
    for (text, message) in [
        (r#"{"consistency_level":"Strong"}"#, "options.consistency_level does not know \"Strong\""),
        (r#"{"cache_levels":["L5"]}"#, "options.cache_levels does not know \"L5\""),
        (r#"{"timeout_ms":-1}"#, "options.timeout_ms must be 0 or more"),
        (r#"{"prefer_local":1}"#, "options.prefer_local must be true or false"),
    ] {
        assert_eq!(options(text).unwrap_err(), message, "{text}");
    }
}

#[test]
fn encrypted_messages_are_refused() {
    let message = put(r#""encrypted":true"#).unwrap_err();
    assert_eq!(message, "encrypted messages are not supported by this server yet");
    assert!(put(r#""encrypted":false"#).is_ok());
}

#[test]
fn time_to_live_is_exact_and_bounded() {
    let ttl =
        |text: &str| put(&format!(r#""metadata":{{"ttl_seconds":{text}}}"#)).map(|put| put.metadata.ttl);
    let some = |micros, is_float| Ok(Some(Ttl { micros, is_float }));
    assert_eq!(ttl("300"), some(300_000_000, false));
    assert_eq!(ttl("300.0"), some(300_000_000, true));
    assert_eq!(ttl("0.1"), some(100_000, true));
    assert_eq!(ttl("1e-9"), some(1, true));
    assert_eq!(ttl("100000000000"), some(100_000_000_000_000_000, false));
    assert_eq!(ttl("null"), Ok(None));
    for text in ["0", "-1", "-0.0"] {
        assert_eq!(ttl(text).unwrap_err(), "metadata.ttl_seconds must be greater than 0");
    }
    assert_eq!(ttl("1e300").unwrap_err(), "metadata.ttl_seconds must be at most 1e11");
}

#[test]
fn metadata_becomes_extras() {
    let put = put(
        r#""metadata":{"computation_cost_ms":12,"dependencies":["input:xyz789",{"namespace":"a","identifier":"b\"","version":"v2"}],"ttl_seconds":1.5,"replication_policy":"async",
        "access_patterns":{"p":1},"geographic_hints":["eu"],"quality_score":0.5,"created_by":"me","size_estimate_bytes":7}"#,
    );
    let mut bytes = Vec::new();
    put.unwrap().encode_extras_into(&mut bytes).unwrap();
    let expected = Extras {
        computation_cost_ms: 12.0,
        quality_score: 0.5,
        ttl_is_float: true,
        tags: "[]",
        dependencies: r#"["input:xyz789:v1.0.0","a:b\":v2"]"#,
        access_patterns: Some(r#"{"p":1}"#),
        geographic_hints: Some(r#"["eu"]"#),
        replication_policy: Some("\"async\""),
        ..Extras::default()
    };
    assert_eq!(Extras::decode(&bytes), Ok(expected));
}

#[test]
fn tags_become_extras_and_defaults_do_not() {
    let message = br#"{"role":"cache-request","u":"1","operation":"put","value":1,"key":{"namespace":"n","identifier":"i","tags":["a", "b"]},
        "metadata":{"dependencies":[],"geographic_hints":[],"access_patterns":{},"replication_policy":"geographic","quality_score":1,"computation_cost_ms":0,"ttl_seconds":5}}"#;
    let Ok(Request::Cache(cache::Request { command: Command::Put(mut put), .. })) = parse(message) else {
        panic!()
    };
    let mut bytes = Vec::new();
    put.encode_extras_into(&mut bytes).unwrap();
    assert_eq!(Extras::decode(&bytes), Ok(Extras { tags: r#"["a", "b"]"#, ..Extras::default() }));
    put.key.tags = None;
    bytes.clear();
    put.encode_extras_into(&mut bytes).unwrap();
    assert!(bytes.is_empty());
}

#[test]
fn bad_metadata_is_named() {
    for (metadata, message) in [
        (
            r#"{"dependencies":["x"]}"#,
            "metadata.dependencies must be \"namespace:identifier\" or \"namespace:identifier:version\"",
        ),
        (
            r#"{"dependencies":[{"namespace":"","identifier":"i"}]}"#,
            "metadata.dependencies must be keys with a namespace and an identifier",
        ),
        (r#"{"dependencies":[{"identifier":"i"}]}"#, "metadata.dependencies.namespace is required"),
        (r#"{"dependencies":[5]}"#, "metadata.dependencies must be a string"),
        (r#"{"ttl_seconds":"5"}"#, "metadata.ttl_seconds must be a number"),
        (r#"{"access_patterns":[]}"#, "metadata.access_patterns must be an object"),
    ] {
        assert_eq!(put(&format!("\"metadata\":{metadata}")).unwrap_err(), message, "{metadata}");
    }
}

#[test]
fn limits_are_exact() {
    let with_u = |length: usize| {
        format!(r#"{{"role":"cache-request","u":"{}","operation":"stats"}}"#, "x".repeat(length - 2))
    };
    assert!(parse(with_u(limits::REQUEST_ID_BYTES_MAX).as_bytes()).is_ok());
    let long = with_u(limits::REQUEST_ID_BYTES_MAX + 1);
    let rejection = parse(long.as_bytes()).unwrap_err();
    assert_eq!((rejection.u(), rejection.error().code()), ("\"unknown\"", cache::Code::TooLarge));
    let value_bytes = mpreg_storage::limits::VALUE_BYTES_MAX;
    let with_value = |length: usize| {
        format!(
            r#"{{"role":"cache-request","u":"1","operation":"put",{KEY},"value":"{}"}}"#,
            "x".repeat(length - 2)
        )
    };
    assert!(parse(with_value(value_bytes).as_bytes()).is_ok());
    let too_large = with_value(value_bytes + 1);
    assert_eq!(parse(too_large.as_bytes()).unwrap_err().error().code(), cache::Code::TooLarge);
    let with_commands = |count: usize| {
        format!(
            r#"{{"role":"rpc","u":"1","cmds":[{}{{"name":"a","fun":"a"}}]}}"#,
            r#"{"name":"a","fun":"a"},"#.repeat(count - 1)
        )
    };
    assert!(parse(with_commands(limits::RPC_COMMANDS_MAX).as_bytes()).is_ok());
    assert!(parse(with_commands(limits::RPC_COMMANDS_MAX + 1).as_bytes()).is_err());
}

#[test]
fn rpc_of_the_python_client_is_read() {
    let message = br#"{"role":"rpc","cmds":[{"name":"echo","fun":"echo","args":[1, {"a":[2]}],"kwargs":{"arg":"x"},"locs":[],"function_id":null,"version_constraint":">=1.0","target_cluster":null,"routing_topic":null}],"u":"01J","return_intermediate_results":false,"intermediate_result_callback_topic":null,"include_execution_summary":true,"debug_mode":false}"#;
    let Ok(Request::Rpc(request)) = parse(message) else { panic!() };
    assert_eq!((request.u, request.include_execution_summary, request.commands.len()), ("\"01J\"", true, 1));
    let command = &request.commands[0];
    assert_eq!(command.arguments(), ["1", r#"{"a":[2]}"#]);
    assert_eq!(
        command.keywords().iter().map(|(name, value)| (name.decode(), *value)).collect::<Vec<_>>(),
        [("arg".into(), "\"x\"")]
    );
    assert_eq!(command.version_constraint.map(Text::decode).as_deref(), Some(">=1.0"));
    assert_eq!((command.function_id, command.locs), (None, "[]"));
    let mut out = Vec::new();
    rpc::write_success(&mut out, request.u, [(command.name.quoted(), &b"1"[..])]);
    let expected = br#"{"role":"rpc-response","u":"01J","r":{"echo":1},"error":null,"intermediate_results":[],"execution_summary":null}"#;
    assert_eq!(out, expected);
}

#[test]
fn unknown_functions_are_answered_as_the_protocol_shows() {
    let mut out = Vec::new();
    let details = Some("Command not found: nope");
    let failure = rpc::Failure { code: 1001, message: "Command not found", details, kind: "CommandNotFound" };
    rpc::write_failure(&mut out, "\"q2\"", &failure);
    let expected = r#"{"role":"rpc-response","u":"q2","r":null,"error":{"code":1001,"message":"Command not found","details":"Command not found: nope","type":"CommandNotFound"},"intermediate_results":[],"execution_summary":null}"#;
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}

#[test]
fn pubsub_and_silent_roles_are_recognised() {
    let message = br#"{"role":"pubsub-unsubscribe","subscription_id":"x","u":"s"}"#;
    let Ok(Request::PubSub(request)) = parse(message) else { panic!() };
    assert_eq!((request.u, request.command), ("\"s\"", pubsub::Command::Unsubscribe("\"x\"")));
    for role in ["pubsub-ack", "cache-analytics", "metrics", "metrics-alert"] {
        assert_eq!(parse(format!(r#"{{"role":"{role}"}}"#).as_bytes()), Ok(Request::Ignored));
    }
}

#[test]
fn a_bad_request_id_is_unknown() {
    for u in ["5", "null", "[\"x\"]"] {
        let message = format!(r#"{{"role":"cache-request","u":{u},"operation":"stats"}}"#);
        assert_eq!(parse(message.as_bytes()).unwrap_err().u(), "\"unknown\"", "{u}");
    }
    let rejection = parse(b"{\"role\":\"cache-request\",\"u\":\"a\\n\",\"x\":\"\xff\"}").unwrap_err();
    assert_eq!(rejection.u(), "\"a\\n\"");
    assert!(matches!(rejection.error(), Error::Json(error) if error.fault() == Fault::Utf8));
}

#[test]
fn escaped_names_and_strings_mean_the_same() {
    let message = br#"{"r\u006fle":"cache-requ\u0065st","u":"\u0041","oper\u0061tion":"g\u0065t","key":{"namesp\u0061ce":"n\n","identifier":"\ud83d\ude00"}}"#;
    let Ok(Request::Cache(request)) = parse(message) else { panic!() };
    assert_eq!(request.u, "\"\\u0041\"");
    let Command::Get(key) = request.command else { panic!() };
    assert_eq!((&*key.namespace, &*key.identifier), ("n\n", "😀"));
}

const SEED: &[u8] = br#"{"role":"cache-request","u":"c-1","operation":"put","key":{"namespace":"n","identifier":"i","tags":["a"]},"value":{"a":[1,2.5,"x"]},"metadata":{"ttl_seconds":5,"dependencies":["a:b"]},"options":{"consistency_level":"strong","cache_levels":["L1"]}}"#;

proptest! {
    /// Whatever arrives, there is a request or an answer, and the answer is JSON with a string `u`.
    #[test]
    fn every_message_gets_an_answer(edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 0..6)) {
        let mut message = SEED.to_vec();
        for (place, byte, kind) in edits {
            if message.is_empty() {
                break;
            }
            let at = place.index(message.len());
            match kind {
                0 => message[at] = byte,
                1 => message[at] = b"{}[],:\"\\0-.eu "[usize::from(byte) % 14],
                2 => drop(message.remove(at)),
                _ => message.truncate(at),
            }
        }
        if let Err(rejection) = parse(&message) {
            let mut out = Vec::new();
            rejection.write_into(0, &mut OperationIds::new(1, 2), &mut out);
            let reply: serde_json::Value = serde_json::from_slice(&out).unwrap();
            prop_assert!(reply["u"].is_string() && reply["role"].is_string());
        }
    }
}

#[test]
fn text_behind_a_message_is_refused() {
    for message in [
        r#"{"role":"cache-request","u":"1","operation":"stats"}"#,
        r#"{"operation":"stats","u":"1","role":"cache-request"}"#,
        r#"{"role":"rpc","u":"1","cmds":[]}"#,
        r#"{"role":"pubsub-publish","u":"1","message":{"topic":"a"}}"#,
    ] {
        assert!(parse(format!("{message} \n").as_bytes()).is_ok(), "{message}");
        let doubled = format!("{message}{message}");
        let rejection = parse(doubled.as_bytes()).unwrap_err();
        assert!(
            matches!(rejection.error(), Error::Json(error) if error.fault() == Fault::Trailing),
            "{message}"
        );
        assert_eq!(rejection.u(), "\"1\"");
    }
    let rejection = parse(br#"{"u":"1"}}"#).unwrap_err();
    assert!(matches!(rejection.error(), Error::Json(error) if error.fault() == Fault::Trailing));
}
