//! Every field and operator, every fault, and single tests against the slow order of trees.

use proptest::prelude::*;

use super::*;
use crate::json::generators::{Tree, any_text};

const FACTS: Facts<'static> = Facts {
    exists: true,
    access_count: 7,
    ttl_remaining_us: Some(59_500_000),
    age_us: 2_000_000,
    size_bytes: 40,
    value: Some(r#"{"owner":"ada","stock":{"level":9},"a.b":true,"none":null,"list":[1,2.0]}"#),
};

fn holds(conditions: &str) -> bool {
    Conditions::parse(conditions).expect(conditions).check(&FACTS).is_ok()
}

fn fault(conditions: &str) -> ConditionFault {
    Conditions::parse(conditions).expect_err(conditions)
}

#[test]
fn every_operator_of_every_field() {
    for (conditions, expected) in [
        ("{}", true),
        (r#"{"access_count": 7}"#, true),
        (r#"{"access_count": 7.0}"#, true),
        (r#"{"access_count": "7"}"#, false),
        (r#"{"access_count": {"$eq": 7, "$ne": 8, "$lt": 8, "$lte": 7, "$gt": 6.5, "$gte": 7}}"#, true),
        (r#"{"access_count": {"$lt": 7}}"#, false),
        (r#"{"access_count": {"$gt": 7}}"#, false),
        (r#"{"access_count": {"$lte": 6}}"#, false),
        (r#"{"access_count": {"$gte": 8}}"#, false),
        (r#"{"access_count": {"$ne": 7}}"#, false),
        (r#"{"access_count": {"$in": [1, 7]}}"#, true),
        (r#"{"access_count": {"$in": []}}"#, false),
        (r#"{"access_count": {"$nin": [1, 7]}}"#, false),
        (r#"{"access_count": {"$nin": []}}"#, true),
        (r#"{"ttl_remaining": {"$lt": 60, "$gt": 59.4}}"#, true),
        (r#"{"ttl_remaining": 59.5}"#, true),
        (r#"{"age_seconds": {"$gte": 2}, "size_bytes": {"$lt": 41}}"#, true),
        (r#"{"age_seconds": {"$gte": 2}, "size_bytes": {"$lt": 40}}"#, false),
        (r#"{"value.owner": "ada"}"#, true),
        (r#"{"value.owner": {"$gt": "ad", "$lt": "adb"}}"#, true),
        (r#"{"value.owner": {"$gt": 1}}"#, false),
        (r#"{"value.owner": {"$ne": 1}}"#, true),
        (r#"{"value.stock.level": {"$lt": 10}}"#, true),
        (r#"{"value.a.b": true}"#, true),
        (r#"{"value.a.b": {"$lte": true}}"#, false),
        (r#"{"value.none": null}"#, true),
        (r#"{"value.stock": {"level": 9.0}}"#, true),
        (r#"{"value.list": [1.0, 2]}"#, true),
        (r#"{"value.list": {"$in": [[1, 2]]}}"#, true),
        (r#"{"value.stock": {}}"#, false),
        (r#"{"value": {"list":[1,2],"none":null,"a.b":true,"stock":{"level":9},"owner":"ada"}}"#, true),
        (r#"{"value": {"$ne": 1}}"#, true),
    ] {
        assert_eq!(holds(conditions), expected, "{conditions}");
    }
}

#[test]
fn what_is_not_there_satisfies_nothing() {
    let lasting = Facts { ttl_remaining_us: None, value: None, ..FACTS };
    for operator in ["$eq", "$ne", "$lt", "$lte", "$gt", "$gte"] {
        for field in ["ttl_remaining", "value", "value.owner"] {
            let conditions = Conditions::parse(&format!("{{\"{field}\":{{\"{operator}\":1}}}}")).unwrap();
            assert_eq!(conditions.check(&lasting), Err(Unmet::Field(field)), "{field} {operator}");
        }
    }
    for field in ["access_count", "age_seconds", "size_bytes", "value.missing", "value.owner.deeper"] {
        let conditions = Conditions::parse(&format!("{{\"{field}\":{{\"$nin\":[]}}}}")).unwrap();
        let there = !field.starts_with("value");
        assert_eq!(conditions.check(&FACTS).is_ok(), there, "{field}");
        assert_eq!(conditions.check(&Facts::ABSENT), Err(Unmet::Field(field)), "{field}");
    }
}

#[test]
fn existence_is_said_first() {
    let check =
        |text, facts| Conditions::parse(text).unwrap().check(facts).map_err(|unmet| unmet.to_string());
    let both = r#"{"access_count": 0, "if_not_exists": true}"#;
    assert_eq!(check(both, &FACTS), Err("Key already exists".to_owned()));
    assert_eq!(check(r#"{"if_not_exists": true}"#, &Facts::ABSENT), Ok(()));
    assert_eq!(check(r#"{"if_exists": true}"#, &Facts::ABSENT), Err("Key does not exist".to_owned()));
    assert_eq!(check(r#"{"if_exists": true}"#, &FACTS), Ok(()));
    assert_eq!(check(r#"{"if_exists": false, "if_not_exists": false}"#, &FACTS), Ok(()));
    assert_eq!(check(r#"{"size_bytes": 0}"#, &FACTS), Err("Condition on size_bytes not met".to_owned()));

    let conditions = |text| Conditions::parse(text).unwrap();
    assert!(conditions("{}").is_empty() && conditions(r#"{"if_exists":false}"#).is_empty());
    assert!(!conditions(both).is_empty() && !conditions(both).need_value());
    assert!(conditions(r#"{"value":1}"#).need_value() && conditions(r#"{"value.x":1}"#).need_value());
}

#[test]
fn faults_name_what_is_wrong() {
    for (conditions, message) in [
        ("[]", "conditions must be an object"),
        (r#"{"size": 1}"#, "unknown condition field 'size'"),
        (r#"{"values.x": 1}"#, "unknown condition field 'values.x'"),
        (r#"{"size_bytes": {"$gte": 1, "$like": 2}}"#, "unknown condition operator '$like' of 'size_bytes'"),
        (r#"{"size_bytes": {"$gte": 1, "x": 2}}"#, "unknown condition operator 'x' of 'size_bytes'"),
        (r#"{"size_bytes": {"$in": 1}}"#, "'$in' and '$nin' of 'size_bytes' take an array"),
        (r#"{"if_exists": 1}"#, "condition 'if_exists' must be true or false"),
        (r#"{"if_not_exists": null}"#, "condition 'if_not_exists' must be true or false"),
        (r#"{"size_bytes": }"#, "expected a JSON value (byte 15)"),
    ] {
        assert_eq!(fault(conditions).to_string(), message, "{conditions}");
    }
    let long = "é".repeat(1000);
    assert_eq!(fault(&format!("{{\"{long}\":1}}")), ConditionFault::UnknownField("é".repeat(32)));
}

#[test]
fn conditions_are_bounded() {
    let tests = |count: usize| format!("{{\"size_bytes\":{{{}}}}}", vec!["\"$gte\":0"; count].join(","));
    assert!(holds(&tests(CONDITIONS_MAX)));
    assert_eq!(fault(&tests(CONDITIONS_MAX + 1)), ConditionFault::TooMany);
    let choices = |count: usize| format!("{{\"value\":{{\"$nin\":[{}]}}}}", vec!["0"; count].join(","));
    assert!(holds(&choices(CONDITION_CHOICES_MAX)));
    assert_eq!(
        fault(&choices(CONDITION_CHOICES_MAX + 1)),
        ConditionFault::TooManyChoices("value".to_owned())
    );
    let events = tests(CONDITIONS_MAX + 1);
    assert_eq!(EventConditions::parse(&events), Err(ConditionFault::TooMany));
}

#[test]
fn events_are_tested_in_both_forms() {
    let event = |name: &str| match name {
        "new_value" => Some(r#"{"stock_level": 9, "deep": {"x.y": 1}}"#),
        "old_value" => Some(r#"{"stock_level": 12}"#),
        "event_type" => Some("\"cache_put\""),
        "dotted.name" => Some("1"),
        _ => None,
    };
    for (text, expected) in [
        ("{}", true),
        (r#"{"field_path":"stock_level","threshold":{"$lt":10}}"#, true),
        (r#"{"field_path":"stock_level","threshold":{"$lt":9}}"#, false),
        (r#"{"field_path":"stock_level","threshold":9}"#, true),
        (r#"{"field_path":"deep.x.y","threshold":1}"#, true),
        (r#"{"field_path":"missing","threshold":{"$ne":1}}"#, false),
        (r#"{"new_value.stock_level":{"$lt":10},"event_type":"cache_put"}"#, true),
        (r#"{"new_value.stock_level":{"$lt":10},"event_type":"cache_delete"}"#, false),
        (r#"{"old_value.stock_level":{"$gte":10}}"#, true),
        (r#"{"dotted.name":1}"#, true),
        (r#"{"cluster_id":{"$ne":"x"}}"#, false),
        (r#"{"field_path":"stock_level","threshold":9,"event_type":{"$in":["cache_delete"]}}"#, false),
    ] {
        assert_eq!(EventConditions::parse(text).unwrap().hold(&event), expected, "{text}");
    }
    for (text, fault) in [
        (r#"{"field_path":"x"}"#, ConditionFault::HalfATest),
        (r#"{"threshold":1}"#, ConditionFault::HalfATest),
        (r#"{"field_path":1,"threshold":1}"#, ConditionFault::NotAString),
        ("1", ConditionFault::NotAnObject),
    ] {
        assert_eq!(EventConditions::parse(text), Err(fault), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn tests_hold_as_on_trees(value in any_text(), operand in any_text(), others in prop::collection::vec(any_text(), 0..3)) {
        let (left, right) = (Tree::read(&value), Tree::read(&operand));
        let order = left.order(&right);
        let ordered = matches!((&left, &right),
            (Tree::String(_), Tree::String(_)) | (Tree::Integer(_) | Tree::Float(_), Tree::Integer(_) | Tree::Float(_)));
        let among = order.is_eq() || others.iter().any(|other| left.order(&Tree::read(other)).is_eq());
        let choices = format!("[{operand}{}]", others.iter().map(|other| format!(",{other}")).collect::<String>());
        for (operator, operand, expected) in [
            ("$eq", &operand, order.is_eq()),
            ("$ne", &operand, order.is_ne()),
            ("$lt", &operand, ordered && order.is_lt()),
            ("$lte", &operand, ordered && order.is_le()),
            ("$gt", &operand, ordered && order.is_gt()),
            ("$gte", &operand, ordered && order.is_ge()),
            ("$in", &choices, among),
            ("$nin", &choices, !among),
        ] {
            let conditions = Conditions::parse(&format!("{{\"value\":{{\"{operator}\":{operand}}}}}")).unwrap();
            let held = conditions.check(&Facts { value: Some(&value), ..FACTS }).is_ok();
            prop_assert_eq!(held, expected, "{} {} {}", value, operator, operand);
        }
    }

    #[test]
    fn noise_is_refused_or_read(text in "\\PC*", tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", "\"value\"", "\"value.a\"", "\"$gt\"", "\"$in\"", "\"if_exists\"", "\"field_path\"",
        "\"threshold\"", "1", "true", "null", "\"\\u0000\"",
    ]), 0..12)) {
        for text in [text, tokens.concat()] {
            if let Ok(conditions) = Conditions::parse(&text) {
                prop_assert!(validate(text.as_bytes()).is_ok());
                let _ = (conditions.check(&FACTS), conditions.check(&Facts::ABSENT));
            }
            let _ = EventConditions::parse(&text).map(|conditions| conditions.hold(&|_| Some("1")));
        }
    }
}
