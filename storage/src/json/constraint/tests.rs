//! Every type of constraint with values that hold and values that do not, every fault, own patterns.

use super::*;

/// An engine for the tests: the pattern must begin the string; `(` does not compile.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Begins(String);

impl Pattern for Begins {
    fn compile(pattern: &str) -> Result<Begins, String> {
        if pattern.contains('(') { Err("unclosed group".to_owned()) } else { Ok(Begins(pattern.to_owned())) }
    }

    fn matches(&self, subject: &str) -> bool {
        subject.starts_with(&self.0)
    }
}

fn parse(text: &str) -> Result<Constraints<Begins>, ConstraintFault> {
    Constraints::parse(text)
}

fn violations(constraint: &str, value: &str) -> Vec<String> {
    parse(&format!("[{constraint}]")).expect(constraint).violations(value)
}

#[test]
fn every_type_holds_and_is_violated() {
    for (constraint, good, bad, said) in [
        (
            r#""min_value","value":2.5"#,
            &["2.5", "3", "18446744073709551615"][..],
            &["2", "-1e9", "\"3\"", "true"][..],
            "value must be at least 2.5",
        ),
        (
            r#""max_value","value":9007199254740992"#,
            &["9007199254740992", "9007199254740992.0", "-1"],
            &["9007199254740993", "[1]"],
            "value must be at most 9007199254740992",
        ),
        (
            r#""min_length","value":2"#,
            &["\"éé\"", "\"\\u00e9a\"", "[1,2]", "{\"a\":1,\"b\":2}"],
            &["\"é\"", "[]", "{\"a\":1,\"a\":2}", "12", "null"],
            "value must have a length of at least 2",
        ),
        (
            r#""max_length","value":1"#,
            &["\"\"", "\"\\ud83d\\ude00\"", "[1]", "{\"a\":1,\"\\u0061\":2}"],
            &["\"ab\"", "[1,[]]", "{\"a\":1,\"b\":2}", "1"],
            "value must have a length of at most 1",
        ),
        (r#""type_check","value":"string""#, &["\"\""], &["1", "null", "[]"], "value must be a string"),
        (r#""type_check","value":"number""#, &["1", "1.5"], &["true", "\"1\""], "value must be a number"),
        (
            r#""type_check","value":"integer""#,
            &["1", "-1"],
            &["1.0", "1e2", "true"],
            "value must be an integer",
        ),
        (
            r#""type_check","value":"boolean""#,
            &["true", "false"],
            &["1", "null"],
            "value must be true or false",
        ),
        (r#""type_check","value":"object""#, &["{}"], &["[]"], "value must be an object"),
        (r#""type_check","value":"array""#, &["[]"], &["{}"], "value must be an array"),
        (
            r#""max_size","max_size_bytes":4"#,
            &["true", "1"],
            &["false", "\"abc\""],
            "value must take at most 4 bytes",
        ),
        (r#""max_size","value":4"#, &["true"], &["false"], "value must take at most 4 bytes"),
        (
            r#""required_fields","required_fields":["a","b.c"]"#,
            &["{\"a\":null,\"b\":{\"c\":1}}", "{\"a\":1,\"b.c\":1}"],
            &["{\"a\":1}", "{\"a\":1,\"b\":1}", "[\"a\",\"b.c\"]"],
            "value must have the fields a, b.c",
        ),
        (
            r#""regex_pattern","value":"ab""#,
            &["\"abc\"", "\"\\u0061b\""],
            &["\"ba\"", "1"],
            "value must match the pattern",
        ),
    ] {
        let constraint = format!(r#"{{"constraint_type":{constraint},"error_message":"","unknown":1}}"#);
        for value in good {
            assert_eq!(violations(&constraint, value), [""; 0], "{constraint} {value}");
        }
        for value in bad {
            assert_eq!(violations(&constraint, value), [said], "{constraint} {value}");
        }
    }
}

#[test]
fn a_field_path_leads_to_the_member() {
    let constraint = r#"{"constraint_type":"value_pattern","field_path":"user.mail","pattern":"ad"}"#;
    assert_eq!(violations(constraint, r#"{"user":{"mail":"ada"}}"#), [""; 0]);
    assert_eq!(violations(constraint, r#"{"user":{"mail":"bob"}}"#), ["user.mail must match the pattern"]);
    assert_eq!(violations(constraint, r#"{"user":{}}"#), ["user.mail is missing"]);
    assert_eq!(violations(constraint, "\"ada\""), ["user.mail is missing"]);
    let size = r#"{"constraint_type":"max_size","max_size_bytes":2,"field_path":"a"}"#;
    assert_eq!(violations(size, r#"{"a":12,"b":"long enough"}"#), [""; 0]);
}

#[test]
fn all_violations_are_told_in_order_and_in_the_clients_words() {
    let list = r#"{"constraint_type":"min_value","value":5,"error_message":"too few"},
        {"constraint_type":"max_value","value":9,"field_path":null},
        {"constraint_type":"type_check","value":"string","error_message":null}"#;
    assert_eq!(violations(list, "3"), ["too few", "value must be a string"]);
    assert_eq!(violations(list, "10"), ["value must be at most 9", "value must be a string"]);
    assert!(parse("[]").unwrap().is_empty() && !parse(&format!("[{list}]")).unwrap().is_empty());
}

#[test]
fn faults_say_which_constraint_and_member() {
    for (text, message) in [
        ("{}", "constraints must be an array"),
        ("[1]", "constraints[0] must be an object"),
        ("[{}]", "constraints[0].constraint_type must be a string"),
        (r#"[{"constraint_type":"custom"}]"#, "constraints[0]: unknown constraint type 'custom'"),
        (r#"[{"constraint_type":"min_value"}]"#, "constraints[0].value must be a number"),
        (r#"[{"constraint_type":"max_value","value":"1"}]"#, "constraints[0].value must be a number"),
        (
            r#"[{"constraint_type":"min_length","value":-1}]"#,
            "constraints[0].value must be an integer of 0 or more",
        ),
        (
            r#"[{"constraint_type":"max_length","value":1.0}]"#,
            "constraints[0].value must be an integer of 0 or more",
        ),
        (
            r#"[{"constraint_type":"max_size"}]"#,
            "constraints[0].max_size_bytes must be an integer of 0 or more",
        ),
        (
            r#"[{"constraint_type":"type_check","value":"float"}]"#,
            "constraints[0].value must be string, number, integer, boolean, object or array",
        ),
        (
            r#"[{"constraint_type":"required_fields"}]"#,
            "constraints[0].required_fields must be an array of strings",
        ),
        (
            r#"[{"constraint_type":"required_fields","required_fields":["a",1]}]"#,
            "constraints[0].required_fields must be an array of strings",
        ),
        (r#"[{"constraint_type":"regex_pattern"}]"#, "constraints[0].value must be a string"),
        (r#"[{"constraint_type":"value_pattern"}]"#, "constraints[0].pattern must be a string"),
        (r#"[{"constraint_type":"regex_pattern","value":"("}]"#, "constraints[0]: unclosed group"),
        (
            r#"[{"constraint_type":"max_size","value":1},{"constraint_type":"max_size","value":1,"field_path":2}]"#,
            "constraints[1].field_path must be a string",
        ),
        ("[", "the text ends inside a value (byte 1)"),
    ] {
        assert_eq!(parse(text).expect_err(text).to_string(), message, "{text}");
    }
    let refused = Constraints::<NoPatterns>::parse(r#"[{"constraint_type":"regex_pattern","value":"a"}]"#);
    assert_eq!(refused.unwrap_err().to_string(), "constraints[0]: patterns are not supported by this server");
}

#[test]
fn constraints_are_bounded() {
    let list =
        |count: usize| format!("[{}]", vec![r#"{"constraint_type":"max_size","value":1}"#; count].join(","));
    assert_eq!(parse(&list(CONSTRAINTS_MAX)).unwrap().violations("12").len(), CONSTRAINTS_MAX);
    assert_eq!(parse(&list(CONSTRAINTS_MAX + 1)).unwrap_err(), ConstraintFault::TooMany);
    let fields = |counts: &[usize]| {
        let each = counts.iter().map(|&count| {
            format!(r#"{{"constraint_type":"required_fields","value":[{}]}}"#, vec!["\"a\""; count].join(","))
        });
        format!("[{}]", each.collect::<Vec<_>>().join(","))
    };
    let half = CONSTRAINT_FIELDS_MAX / 2;
    assert!(parse(&fields(&[half, half])).unwrap().violations("{\"a\":1}").is_empty());
    assert_eq!(parse(&fields(&[half, half, 1])).unwrap_err(), ConstraintFault::TooManyFields);
    assert_eq!(parse(&fields(&[CONSTRAINT_FIELDS_MAX + 1])).unwrap_err(), ConstraintFault::TooManyFields);
}
