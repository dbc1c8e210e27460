//! Section 7.6: every kind, every field, every refusal.

use super::{KEY, command, refused};
use crate::protocol::cache::{Atomic, AtomicKind, Code, Command, Ttl};
use crate::protocol::parse;

fn atomic(operation: &str) -> Result<Atomic<'static>, String> {
    match command(&format!(r#""operation":"atomic",{KEY},"atomic_operation":{{{operation}}}"#))? {
        Command::Atomic(atomic) => Ok(atomic),
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_kind_is_read() {
    let cases = [
        (r#""operation_type":"test_and_set","new_value":1"#, AtomicKind::TestAndSet),
        (r#""operation_type":"compare_and_swap","new_value":1"#, AtomicKind::CompareAndSwap),
        (r#""operation_type":"increment""#, AtomicKind::Increment),
        (r#""operation_type":"decrement""#, AtomicKind::Decrement),
        (r#""operation_type":"append","new_value":"x""#, AtomicKind::Append),
        (r#""operation_type":"prepend","new_value":["x"]"#, AtomicKind::Prepend),
        (r#""operation_type":"extend_ttl","ttl_seconds":5"#, AtomicKind::ExtendTtl),
    ];
    for (operation, kind) in cases {
        assert_eq!(atomic(operation).unwrap().kind, kind, "{operation}");
    }
}

#[test]
fn every_field_is_read() {
    let read = atomic(
        r#""operation_type":"compare_and_swap","expected_value":{"a": 1},"new_value":[2],"increment_by":-1.5,"initial_value":7,
        "ttl_seconds":300,"conditions":{"access_count":{"$gte":5}},"create_if_missing":false,"x":1"#,
    );
    let read = read.unwrap();
    assert_eq!((read.expected, read.new, read.initial), (Some(r#"{"a": 1}"#), Some("[2]"), Some("7")));
    assert_eq!((read.by.text(), read.ttl), ("-1.5", Some(Ttl { micros: 300_000_000, is_float: false })));
    assert_eq!(
        (read.conditions, read.create_if_missing),
        (Some(r#"{"access_count":{"$gte":5}}"#), Some(false))
    );
    assert_eq!((&*read.key.namespace, &*read.key.identifier), ("n", "i"));
}

#[test]
fn what_is_left_out_has_its_default_and_null_is_left_out() {
    let bare = atomic(r#""operation_type":"increment""#).unwrap();
    let nulls = atomic(
        r#""operation_type":"increment","expected_value":null,"new_value":null,"increment_by":null,"initial_value":null,
        "ttl_seconds":null,"ttl_extension_seconds":null,"conditions":null,"create_if_missing":null"#,
    );
    assert_eq!(bare, nulls.unwrap());
    assert_eq!((bare.by.text(), bare.by.is_integer()), ("1", true));
    assert_eq!((bare.expected, bare.new, bare.initial, bare.ttl), (None, None, None, None));
    assert_eq!((bare.conditions, bare.create_if_missing, bare.constraints), (None, None, None));
    assert!(bare.metadata.is_none());
    assert_eq!(atomic(r#""operation_type":"increment","conditions":{ }"#).unwrap().conditions, None);
}

#[test]
fn time_to_live_has_an_alias_and_may_come_from_the_metadata() {
    let micros = |atomic: Atomic<'_>| atomic.ttl.map(|ttl| ttl.micros);
    let extension = atomic(r#""operation_type":"extend_ttl","ttl_extension_seconds":1.5"#).unwrap();
    assert_eq!(micros(extension), Some(1_500_000));
    let both =
        atomic(r#""operation_type":"extend_ttl","ttl_extension_seconds":1.5,"ttl_seconds":2"#).unwrap();
    assert_eq!(micros(both), Some(2_000_000));
    let members = format!(
        r#""operation":"atomic",{KEY},"metadata":{{"ttl_seconds":3,"computation_cost_ms":9}},"constraints":[{{}}],
        "atomic_operation":{{"operation_type":"test_and_set","new_value":1}}"#
    );
    let Ok(Command::Atomic(read)) = command(&members) else { panic!() };
    assert_eq!(read.metadata.as_ref().unwrap().computation_cost_ms, 9.0);
    assert_eq!(read.constraints, Some("[{}]"));
    assert_eq!(micros(read), Some(3_000_000));
}

#[test]
fn refusals_name_the_field() {
    let cases = [
        (r#""#, "atomic_operation.operation_type is required"),
        (r#""operation_type":5"#, "atomic_operation.operation_type must be a string"),
        (r#""operation_type":"swap""#, "atomic_operation.operation_type does not know \"swap\""),
        (r#""operation_type":"test_and_set""#, "atomic_operation.new_value is required"),
        (r#""operation_type":"test_and_set","new_value":null"#, "atomic_operation.new_value is required"),
        (r#""operation_type":"compare_and_swap""#, "atomic_operation.new_value is required"),
        (r#""operation_type":"append""#, "atomic_operation.new_value is required"),
        (r#""operation_type":"prepend""#, "atomic_operation.new_value is required"),
        (r#""operation_type":"extend_ttl""#, "atomic_operation.ttl_seconds is required"),
        (r#""increment_by":"1""#, "atomic_operation.increment_by must be a number"),
        (r#""increment_by":1e999"#, "atomic_operation.increment_by: number too large for a double"),
        (
            r#""operation_type":"increment","initial_value":"1""#,
            "atomic_operation.initial_value must be a number",
        ),
        (
            r#""operation_type":"decrement","initial_value":true"#,
            "atomic_operation.initial_value must be a number",
        ),
        (r#""ttl_seconds":-1"#, "atomic_operation.ttl_seconds must be greater than 0"),
        (r#""ttl_seconds":0"#, "atomic_operation.ttl_seconds must be greater than 0"),
        (r#""ttl_seconds":1e12"#, "atomic_operation.ttl_seconds must be at most 1e11"),
        (r#""ttl_extension_seconds":-0.5"#, "atomic_operation.ttl_extension_seconds must be greater than 0"),
        (r#""conditions":[]"#, "atomic_operation.conditions must be an object"),
        (r#""create_if_missing":1"#, "atomic_operation.create_if_missing must be true or false"),
        (r#""new_value":1,"new_value":2"#, "atomic_operation.new_value appears twice"),
    ];
    for (operation, message) in cases {
        assert_eq!(atomic(operation).unwrap_err(), message, "{operation}");
    }
    refused(&[
        (&format!(r#""operation":"atomic",{KEY}"#), "atomic_operation is required"),
        (&format!(r#""operation":"atomic",{KEY},"atomic_operation":null"#), "atomic_operation is required"),
        (
            &format!(r#""operation":"atomic",{KEY},"atomic_operation":[]"#),
            "atomic_operation must be an object",
        ),
        (r#""operation":"atomic","atomic_operation":{"operation_type":"increment"}"#, "key is required"),
        (
            &format!(
                r#""operation":"atomic",{KEY},"ttl_config":{{}},"atomic_operation":{{"operation_type":"increment"}}"#
            ),
            "ttl_config on anything but a put is not supported by this server yet",
        ),
    ]);
}

#[test]
fn a_value_beyond_the_limit_is_too_large() {
    let value = "x".repeat(mpreg_storage::limits::VALUE_BYTES_MAX);
    let message = format!(
        r#"{{"role":"cache-request","u":"1","operation":"atomic",{KEY},"atomic_operation":{{"operation_type":"append","new_value":"{value}"}}}}"#
    );
    let rejection = parse(message.as_bytes()).unwrap_err();
    assert_eq!(rejection.error().code(), Code::TooLarge);
    assert!(rejection.error().to_string().starts_with("atomic_operation.new_value has"));
}

#[test]
fn conflicts_have_the_words_of_the_protocol() {
    assert_eq!(AtomicKind::TestAndSet.conflict(), "Test condition failed");
    assert_eq!(AtomicKind::CompareAndSwap.conflict(), "Compare condition failed");
}
