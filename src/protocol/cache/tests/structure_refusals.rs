//! Section 7.7: what a structure operation must not lack, mistake or exceed.

use super::structure::{AB, OPERATIONS, structure};
use super::{KEY, refused};
use crate::protocol::cache::Code;
use crate::protocol::limits::{MEMBERS_MAX, OTHER_SETS_MAX};
use crate::protocol::parse;

#[test]
fn unknown_names_are_refused() {
    for (family, _, _, _) in OPERATIONS {
        let message = structure(family, "frobnicate", AB).unwrap_err();
        assert_eq!(message, "structure_operation.operation does not know \"frobnicate\"");
    }
    let message = structure("heap", "push", AB).unwrap_err();
    assert_eq!(message, "structure_operation.structure_type does not know \"heap\"");
    // A name of one family is none of another.
    for (family, operation) in [("set", "append"), ("list", "push"), ("queue", "pop"), ("counter", "size")] {
        assert!(structure(family, operation, AB).is_err(), "{family} {operation}");
    }
}

#[test]
fn refusals_name_the_field() {
    let missing_values = "structure_operation.values is required";
    let cases = [
        ("set", "add", "", missing_values),
        ("set", "add", r#","values":[]"#, missing_values),
        ("set", "remove", r#","values":null"#, missing_values),
        ("set", "contains", "", missing_values),
        ("set", "union", "", "structure_operation.options.other_sets is required"),
        (
            "set",
            "union",
            r#","options":{"other_sets":[]}"#,
            "structure_operation.options.other_sets is required",
        ),
        (
            "set",
            "union",
            r#","options":{"other_sets":["x"]}"#,
            "structure_operation.options.other_sets must be \"namespace:identifier\" or \"namespace:identifier:version\"",
        ),
        (
            "set",
            "union",
            r#","options":{"other_sets":[{"namespace":"","identifier":"x"}]}"#,
            "structure_operation.options.other_sets must be keys with a namespace and an identifier",
        ),
        (
            "set",
            "union",
            r#","options":{"other_sets":[{"namespace":"a"}]}"#,
            "structure_operation.options.other_sets.identifier is required",
        ),
        (
            "set",
            "union",
            r#","options":{"other_sets":"x"}"#,
            "structure_operation.options.other_sets must be an array",
        ),
        ("set", "add", r#","options":[]"#, "structure_operation.options must be an object"),
        (
            "set",
            "add",
            r#","options":{"create_if_missing":0}"#,
            "structure_operation.options.create_if_missing must be true or false",
        ),
        ("list", "append", "", missing_values),
        ("list", "insert", AB, "structure_operation.index is required"),
        ("list", "insert", r#","index":1"#, missing_values),
        ("list", "get", "", "structure_operation.index is required"),
        ("list", "get", r#","index":"1""#, "structure_operation.index must be a number"),
        ("list", "get", r#","index":1.5"#, "structure_operation.index must be a whole number within 64 bits"),
        (
            "list",
            "get",
            r#","index":1e300"#,
            "structure_operation.index must be a whole number within 64 bits",
        ),
        (
            "list",
            "get",
            r#","index":18446744073709551615"#,
            "structure_operation.index must be a whole number within 64 bits",
        ),
        (
            "list",
            "get",
            r#","index":99999999999999999999"#,
            "structure_operation.index: integer beyond 64 bits",
        ),
        (
            "list",
            "pop",
            r#","index":1,"limit":2"#,
            "structure_operation.limit must be 1 where there is an index",
        ),
        ("list", "pop", r#","limit":0"#, "structure_operation.limit must be 1 or more"),
        ("list", "pop", r#","limit":-1"#, "structure_operation.limit must be 0 or more"),
        ("list", "pop", r#","count":0"#, "structure_operation.count must be 1 or more"),
        ("list", "slice", r#","range_spec":[]"#, "structure_operation.range_spec must be an object"),
        (
            "list",
            "slice",
            r#","range_spec":{"start":"a"}"#,
            "structure_operation.range_spec.start must be a number",
        ),
        (
            "list",
            "slice",
            r#","range_spec":{"end":0.5}"#,
            "structure_operation.range_spec.end must be a whole number within 64 bits",
        ),
        ("map", "set_field", "", "structure_operation.field_updates is required"),
        ("map", "set_field", r#","field_updates":{}"#, "structure_operation.field_updates is required"),
        (
            "map",
            "set_field",
            r#","field_updates":[1]"#,
            "structure_operation.field_updates must be an object",
        ),
        (
            "map",
            "set",
            r#","field_updates":{"f":{"operation":"increment","value":"1"}}"#,
            "structure_operation.field_updates.value must be a number",
        ),
        (
            "map",
            "set",
            r#","field_updates":{"f":{"operation":"increment"}}"#,
            "structure_operation.field_updates.value is required",
        ),
        ("map", "get_fields", "", "structure_operation.fields is required"),
        ("map", "get_fields", r#","fields":[1]"#, "structure_operation.fields must be strings"),
        ("map", "get", r#","values":["a",1]"#, "structure_operation.values must be strings"),
        ("map", "remove_fields", r#","fields":"a""#, "structure_operation.fields must be an array"),
        ("map", "increment_field", "", "structure_operation.fields is required"),
        ("map", "increment_field", r#","fields":["a","b"]"#, "structure_operation.fields must be one field"),
        (
            "map",
            "increment_field",
            r#","fields":["a"],"values":["1"]"#,
            "structure_operation.values must be a number",
        ),
        (
            "map",
            "increment_field",
            r#","field_updates":{"a":"1"}"#,
            "structure_operation.field_updates must be numbers",
        ),
        ("sorted_set", "add_scored", "", "structure_operation.scored_values is required"),
        ("sorted_set", "add_scored", AB, "structure_operation.scored_values is required"),
        ("sorted_set", "add", "", "structure_operation.scored_values is required"),
        ("sorted_set", "add", r#","score":1"#, missing_values),
        ("sorted_set", "add", r#","values":[1],"score":"x""#, "structure_operation.score must be a number"),
        (
            "sorted_set",
            "add",
            r#","scored_values":[5]"#,
            "structure_operation.scored_values must be an object",
        ),
        (
            "sorted_set",
            "add",
            r#","scored_values":[[1,2]]"#,
            "structure_operation.scored_values must be an object",
        ),
        ("sorted_set", "add", r#","scored_values":{}"#, "structure_operation.scored_values must be an array"),
        (
            "sorted_set",
            "add",
            r#","scored_values":[{"value":1}]"#,
            "structure_operation.scored_values.score is required",
        ),
        (
            "sorted_set",
            "add",
            r#","scored_values":[{"score":1}]"#,
            "structure_operation.scored_values.value is required",
        ),
        (
            "sorted_set",
            "add",
            r#","scored_values":[{"value":1,"score":"1"}]"#,
            "structure_operation.scored_values.score must be a number",
        ),
        ("sorted_set", "rank", "", missing_values),
        ("sorted_set", "rank", AB, "structure_operation.values must be one value"),
        ("sorted_set", "get_top", r#","limit":"3""#, "structure_operation.limit must be a number"),
        (
            "sorted_set",
            "range",
            r#","range_spec":{"start":1,"max_score":2}"#,
            "structure_operation.range_spec must be either scores or places",
        ),
        (
            "sorted_set",
            "range",
            r#","range_spec":{"min_score":"1"}"#,
            "structure_operation.range_spec.min_score must be a number",
        ),
        ("counter", "increment", r#","values":["1"]"#, "structure_operation.values must be a number"),
        ("counter", "increment", r#","values":[1,2]"#, "structure_operation.values must be one value"),
        ("queue", "enqueue", "", missing_values),
        ("stack", "push", "", missing_values),
        ("stack", "push", r#","values":{"a":1}"#, "structure_operation.values must be an array"),
        ("stack", "push", r#","values":[1],"values":[2]"#, "structure_operation.values appears twice"),
    ];
    for (family, operation, rest, message) in cases {
        assert_eq!(structure(family, operation, rest).unwrap_err(), message, "{family} {operation}{rest}");
    }
    refused(&[
        (&format!(r#""operation":"structure",{KEY}"#), "structure_operation is required"),
        (
            &format!(r#""operation":"structure",{KEY},"structure_operation":{{}}"#),
            "structure_operation.structure_type is required",
        ),
        (
            &format!(r#""operation":"structure",{KEY},"structure_operation":{{"structure_type":"set"}}"#),
            "structure_operation.operation is required",
        ),
        (
            &format!(
                r#""operation":"structure",{KEY},"constraints":[{{}}],"structure_operation":{{"structure_type":"set","operation":"size"}}"#
            ),
            "constraints on a structure are not supported by this server yet",
        ),
        (
            &format!(
                r#""operation":"structure",{KEY},"ttl_config":{{}},"structure_operation":{{"structure_type":"set","operation":"size"}}"#
            ),
            "ttl_config on anything but a put is not supported by this server yet",
        ),
    ]);
}

#[test]
fn members_are_limited_by_name() {
    let message = |operation: &str| {
        format!(
            r#"{{"role":"cache-request","u":"1","operation":"structure",{KEY},"structure_operation":{{{operation}}}}}"#
        )
    };
    let list = |element: &str, count: usize| vec![element; count].join(",");
    let fields =
        |count: usize| (0..count).map(|number| format!("\"{number}\":0")).collect::<Vec<_>>().join(",");
    let pair = r#"{"value":1,"score":1}"#;
    for (name, build) in [
        (
            "values",
            &(|count| format!(r#""structure_type":"set","operation":"add","values":[{}]"#, list("1", count)))
                as &dyn Fn(usize) -> String,
        ),
        ("fields", &|count| {
            format!(r#""structure_type":"map","operation":"get","fields":[{}]"#, list("\"f\"", count))
        }),
        ("field_updates", &|count| {
            format!(r#""structure_type":"map","operation":"set","field_updates":{{{}}}"#, fields(count))
        }),
        ("scored_values", &|count| {
            format!(
                r#""structure_type":"sorted_set","operation":"add","scored_values":[{}]"#,
                list(pair, count)
            )
        }),
    ] {
        assert!(parse(message(&build(MEMBERS_MAX)).as_bytes()).is_ok(), "{name}");
        let text = message(&build(MEMBERS_MAX + 1));
        let rejection = parse(text.as_bytes()).unwrap_err();
        assert_eq!(rejection.error().code(), Code::TooLarge);
        let wanted = format!("structure_operation.{name} has 100001, the limit is 100000");
        assert_eq!(rejection.error().to_string(), wanted);
    }
    let others = |count: usize| format!(r#","options":{{"other_sets":[{}]}}"#, list("\"n:i\"", count));
    assert!(structure("set", "union", &others(OTHER_SETS_MAX)).is_ok());
    let message = structure("set", "union", &others(OTHER_SETS_MAX + 1)).unwrap_err();
    assert_eq!(message, "structure_operation.options.other_sets has 65, the limit is 64");
}
