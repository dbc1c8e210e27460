//! The batch extension: what it may hold, and that errors say which operation is at fault.

use mpreg_storage::limits::BATCH_OPS_MAX;

use super::{KEY, command, read, refused};
use crate::protocol::cache::{Code, Command, Operation};
use crate::protocol::parse;

fn batch(operations: &str) -> Result<Vec<Command<'static>>, String> {
    match command(&format!(r#""operation":"batch","operations":[{operations}]"#))? {
        Command::Batch(batch) => Ok(batch.operations),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_operation_on_a_key_is_read() {
    let operations = batch(&format!(
        r#"{{"operation":"get",{KEY}}},
        {{"operation":"put",{KEY},"value":[1],"metadata":{{"ttl_seconds":5}},"constraints":[{{}}],"ttl_config":{{"refresh_on_access":true}},"options":null}},
        {{{KEY},"operation":"delete","u":"ignored"}},
        {{"operation":"atomic",{KEY},"atomic_operation":{{"operation_type":"increment"}}}},
        {{"operation":"structure",{KEY},"structure_operation":{{"structure_type":"set","operation":"add","values":[1]}}}}"#
    ));
    let operations = operations.unwrap();
    let names: Vec<_> = operations.iter().map(Command::operation).collect();
    let wanted = [Operation::Get, Operation::Put, Operation::Delete, Operation::Atomic, Operation::Structure];
    assert_eq!(names, wanted);
    let Command::Put(put) = &operations[1] else { panic!() };
    assert_eq!(
        (put.value, put.metadata.ttl.unwrap().micros, put.constraints),
        ("[1]", 5_000_000, Some("[{}]"))
    );
    assert!(put.ttl_config.as_ref().unwrap().refresh_on_access);
    // Metadata of one operation is not that of the next.
    let Command::Atomic(atomic) = &operations[3] else { panic!() };
    assert!(atomic.metadata.is_none() && atomic.ttl.is_none());
}

#[test]
fn options_and_client_belong_to_the_whole() {
    let request = read(&format!(
        r#""operation":"batch","client":{{"id":"c","seq":1}},"options":{{"consistency_level":"strong"}},"operations":[{{"operation":"delete",{KEY}}}]"#
    ));
    let request = request.unwrap();
    assert_eq!(request.client.unwrap().seq, 1);
    assert!(request.options.consistency.is_some());
    assert_eq!(request.command.operation().quoted(), "\"batch\"");
}

#[test]
fn refusals_name_the_operation_and_the_field() {
    let get = format!(r#"{{"operation":"get",{KEY}}}"#);
    let cases = [
        (format!(r#"{get},{{"operation":"get"}}"#), "operations[1]: key is required"),
        (format!(r#"{get},{get},{{{KEY}}}"#), "operations[2]: operation is required"),
        (format!(r#"{get},5"#), "operations[1]: operations must be an object"),
        (r#"{"operation":"frob"}"#.to_owned(), "operations[0]: operation does not know \"frob\""),
        (format!(r#"{{"operation":"put",{KEY}}}"#), "operations[0]: PUT operation requires value"),
        (
            format!(r#"{{"operation":"atomic",{KEY},"atomic_operation":{{"operation_type":"append"}}}}"#),
            "operations[0]: atomic_operation.new_value is required",
        ),
        (
            format!(r#"{{"operation":"get",{KEY},"options":{{"timeout_ms":1}}}}"#),
            "operations[0]: options of one operation of a batch are not supported by this server yet",
        ),
    ];
    for (operations, message) in cases {
        assert_eq!(batch(&operations).unwrap_err(), message, "{operations}");
    }
    for name in ["batch", "namespace", "invalidate", "query", "stats"] {
        let message = batch(&format!(
            r#"{{"operation":"{name}",{KEY},"pattern":"x","operations":[{get}],"namespace_operation":{{}}}}"#
        ));
        let wanted = "operations[0]: operation must be get, put, delete, atomic or structure";
        assert_eq!(message.unwrap_err(), wanted, "{name}");
    }
    refused(&[
        (r#""operation":"batch""#, "operations is required"),
        (r#""operation":"batch","operations":[]"#, "operations is required"),
        (r#""operation":"batch","operations":{}"#, "operations must be an array"),
    ]);
}

#[test]
fn the_limit_is_exact_and_codes_come_through() {
    let gets = |count: usize| vec![format!(r#"{{"operation":"get",{KEY}}}"#); count].join(",");
    assert_eq!(batch(&gets(BATCH_OPS_MAX)).unwrap().len(), BATCH_OPS_MAX);
    assert_eq!(batch(&gets(BATCH_OPS_MAX + 1)).unwrap_err(), "operations has 1025, the limit is 1024");
    let message = format!(
        r#"{{"role":"cache-request","u":"1","operation":"batch","operations":[{{"operation":"put",{KEY},"value":"{}"}}]}}"#,
        "x".repeat(mpreg_storage::limits::VALUE_BYTES_MAX)
    );
    assert_eq!(parse(message.as_bytes()).unwrap_err().error().code(), Code::TooLarge);
}

/// A batch within a batch within ... is no recursion: the inner ones are passed over like any unknown member.
#[test]
fn nesting_is_bounded() {
    let mut message = format!(r#"{{"operation":"get",{KEY}}}"#);
    for _ in 0..20 {
        message = format!(r#"{{"operation":"batch","operations":[{message}]}}"#);
    }
    assert!(batch(&message).is_err());
}
