//! Section 7.7: every row and every alias. What is refused stands in `structure_refusals`.

use mpreg_storage::json::Text;

use super::{KEY, command};
use crate::protocol::cache::{
    Combine, Command, CounterVerb, Family, ListVerb, MapVerb, QueueVerb, Scored, SetVerb, SortedSetVerb,
    Span, StackVerb, Strings, Structure, Update, Updates, Values, Verb,
};

pub(super) fn structure(family: &str, operation: &str, rest: &str) -> Result<Structure<'static>, String> {
    let members = format!(
        r#""operation":"structure",{KEY},"structure_operation":{{"structure_type":"{family}","operation":"{operation}"{rest}}}"#
    );
    match command(&members)? {
        Command::Structure(structure) => Ok(structure),
        other => panic!("{other:?}"),
    }
}

fn verb(family: &str, operation: &str, rest: &str) -> Verb<'static> {
    match structure(family, operation, rest) {
        Ok(structure) => structure.verb,
        Err(message) => panic!("{family} {operation} {rest}: {message}"),
    }
}

fn values(values: Values<'_>) -> Vec<&str> {
    let found: Vec<_> = values.iter().collect();
    assert_eq!(found.len(), values.len());
    found
}

fn strings(strings: Strings<'_>) -> Vec<String> {
    let found: Vec<_> = strings.iter().map(|text| text.decode().into_owned()).collect();
    assert_eq!(found.len(), strings.len());
    found
}

fn updates(updates: Updates<'_>) -> Vec<(String, String)> {
    let shown = |update: Update<'_>| match update {
        Update::Store(text) => text.to_owned(),
        Update::Add(by) => format!("+{}", by.text()),
    };
    let found: Vec<_> =
        updates.iter().map(|(name, update)| (name.decode().into_owned(), shown(update))).collect();
    assert_eq!(found.len(), updates.len());
    found
}

pub(super) const AB: &str = r#","values":["a", {"b":1}]"#;

#[test]
fn set_operations() {
    for (name, build) in [
        ("add", SetVerb::Add as fn(Values<'static>) -> SetVerb<'static>),
        ("remove", SetVerb::Remove),
        ("contains", SetVerb::Contains),
    ] {
        let Verb::Set(verb) = verb("set", name, AB) else { panic!() };
        let (SetVerb::Add(found) | SetVerb::Remove(found) | SetVerb::Contains(found)) = &verb else {
            panic!()
        };
        assert_eq!(values(*found), ["\"a\"", "{\"b\":1}"]);
        assert_eq!(verb, build(*found), "{name}");
    }
    assert_eq!(verb("set", "members", ""), Verb::Set(SetVerb::Members));
    assert_eq!(verb("set", "size", ""), Verb::Set(SetVerb::Size));
    assert_eq!(verb("set", "clear", ""), Verb::Set(SetVerb::Clear));
    for (name, wanted) in [
        ("union", Combine::Union),
        ("intersection", Combine::Intersection),
        ("difference", Combine::Difference),
    ] {
        let others = r#","options":{"other_sets":["n:a","n:b:c:v2",{"namespace":"m","identifier":"x","version":"w"},"n:\u0061"]}"#;
        let Verb::Set(SetVerb::Combine { how, others }) = verb("set", name, others) else { panic!() };
        let named: Vec<_> =
            others.iter().map(|key| (&*key.namespace, &*key.identifier, &*key.version)).collect();
        assert_eq!(how, wanted);
        assert_eq!(named, [("n", "a", "v1.0.0"), ("n", "b:c", "v2"), ("m", "x", "w"), ("n", "a", "v1.0.0")]);
    }
}

#[test]
fn list_operations() {
    for name in ["append", "prepend", "remove"] {
        let Verb::List(ListVerb::Append(found) | ListVerb::Prepend(found) | ListVerb::Remove(found)) =
            verb("list", name, AB)
        else {
            panic!("{name}")
        };
        assert_eq!(values(found).len(), 2);
    }
    let Verb::List(ListVerb::Insert { index, values: found }) =
        verb("list", "insert", r#","index":-2,"values":[null]"#)
    else {
        panic!()
    };
    assert_eq!((index, values(found)), (-2, vec!["null"]));
    for (rest, count) in
        [("", 1), (r#","limit":3"#, 3), (r#","count":4"#, 4), (r#","limit":3.0,"count":4"#, 3)]
    {
        assert_eq!(verb("list", "pop_front", rest), Verb::List(ListVerb::PopFront { count }));
        assert_eq!(verb("list", "pop_back", rest), Verb::List(ListVerb::PopBack { count }));
        assert_eq!(verb("list", "pop", rest), Verb::List(ListVerb::PopBack { count }));
    }
    assert_eq!(verb("list", "pop", r#","index":0"#), Verb::List(ListVerb::PopAt { index: 0 }));
    assert_eq!(verb("list", "get", r#","index":-1.0"#), Verb::List(ListVerb::Get { index: -1 }));
    for name in ["get_range", "slice"] {
        for (rest, start, end) in [
            ("", 0, None),
            (r#","range_spec":null"#, 0, None),
            (r#","range_spec":{"start":1,"end":-1}"#, 1, Some(-1)),
            (r#","range_spec":{"start":null,"end":9}"#, 0, Some(9)),
        ] {
            assert_eq!(verb("list", name, rest), Verb::List(ListVerb::GetRange(Span { start, end })));
        }
    }
    assert_eq!(verb("list", "length", ""), Verb::List(ListVerb::Length));
    assert_eq!(verb("list", "size", ""), Verb::List(ListVerb::Length));
    assert_eq!(verb("list", "clear", ""), Verb::List(ListVerb::Clear));
}

#[test]
fn map_operations() {
    for name in ["set_field", "set"] {
        let rest = r#","field_updates":{"a.b":[1],"n":{"operation":"increment","value":-2},"o":{"operation":"buy"},"p":{"operation":"increment","value":1,"x":0},"z":null}"#;
        let Verb::Map(MapVerb::SetFields(found)) = verb("map", name, rest) else { panic!() };
        let pair = |name: &str, text: &str| (name.to_owned(), text.to_owned());
        let wanted = [
            pair("a.b", "[1]"),
            pair("n", "+-2"),
            pair("o", r#"{"operation":"buy"}"#),
            pair("p", r#"{"operation":"increment","value":1,"x":0}"#),
            pair("z", "null"),
        ];
        assert_eq!(updates(found), wanted);
    }
    for (name, rest, wanted, wanted_bare) in [
        ("get_fields", r#","fields":["a"]"#, vec!["a"], false),
        ("get_fields", r#","values":["a","b"]"#, vec!["a", "b"], false),
        ("get", r#","fields":["a"]"#, vec!["a"], true),
        ("get", r#","value":"\u0061""#, vec!["a"], true),
        ("get", r#","fields":["a","b"],"values":["c"]"#, vec!["a", "b"], false),
    ] {
        let Verb::Map(MapVerb::GetFields { fields, bare }) = verb("map", name, rest) else { panic!() };
        assert_eq!((strings(fields), bare), (wanted.into_iter().map(str::to_owned).collect(), wanted_bare));
    }
    for name in ["remove_fields", "delete", "contains"] {
        let Verb::Map(MapVerb::RemoveFields(fields) | MapVerb::Contains(fields)) =
            verb("map", name, r#","fields":["a","b"]"#)
        else {
            panic!("{name}")
        };
        assert_eq!(strings(fields), ["a", "b"]);
    }
    for (rest, wanted) in [
        (r#","fields":["a"],"values":[2.5]"#, "2.5"),
        (r#","fields":["a"]"#, "1"),
        (r#","fields":["a"],"value":-3"#, "-3"),
    ] {
        let Verb::Map(MapVerb::IncrementField { field, by }) = verb("map", "increment_field", rest) else {
            panic!()
        };
        assert_eq!((&*Text::decode(field), by.text()), ("a", wanted));
    }
    let rest = r#","field_updates":{"a":1,"b":{"operation":"increment","value":2}}"#;
    let Verb::Map(MapVerb::IncrementFields(found)) = verb("map", "increment_field", rest) else { panic!() };
    assert_eq!(updates(found), [("a".to_owned(), "+1".to_owned()), ("b".to_owned(), "+2".to_owned())]);
    for (name, wanted) in [
        ("keys", MapVerb::Keys),
        ("values", MapVerb::Values),
        ("items", MapVerb::Items),
        ("size", MapVerb::Size),
        ("clear", MapVerb::Clear),
    ] {
        assert_eq!(verb("map", name, ""), Verb::Map(wanted));
    }
}

fn scored(scored: Scored<'_>) -> Vec<(&str, &str)> {
    let found: Vec<_> = scored.iter().map(|(score, member)| (score.text(), member)).collect();
    assert_eq!(found.len(), scored.len());
    found
}

#[test]
fn sorted_set_operations() {
    for (name, rest, wanted) in [
        (
            "add_scored",
            r#","scored_values":[{"value":"a","score":1},{"score":2.5,"member":null,"x":0}]"#,
            vec![("1", "\"a\""), ("2.5", "null")],
        ),
        ("add", r#","scored_values":[{"value":[1],"score":-1e3}]"#, vec![("-1e3", "[1]")]),
        ("add", AB, vec![("0", "\"a\""), ("0", "{\"b\":1}")]),
        ("add", r#","member":"a","score":7"#, vec![("7", "\"a\"")]),
        ("add_scored", r#","values":["a"],"score":7"#, vec![("7", "\"a\"")]),
    ] {
        let Verb::SortedSet(SortedSetVerb::Add(found)) = verb("sorted_set", name, rest) else { panic!() };
        assert_eq!(scored(found), wanted);
    }
    let Verb::SortedSet(SortedSetVerb::Remove(found)) = verb("sorted_set", "remove", AB) else { panic!() };
    assert_eq!(found.len(), 2);
    for name in ["get_score", "score"] {
        for rest in [r#","values":["a"]"#, r#","value":"a""#, r#","member":"a""#] {
            assert_eq!(verb("sorted_set", name, rest), Verb::SortedSet(SortedSetVerb::Score("\"a\"")));
        }
    }
    assert_eq!(verb("sorted_set", "rank", r#","member":1"#), Verb::SortedSet(SortedSetVerb::Rank("1")));
    for (rest, limit) in [("", 10), (r#","limit":2"#, 2), (r#","count":3"#, 3)] {
        assert_eq!(verb("sorted_set", "get_top", rest), Verb::SortedSet(SortedSetVerb::Top { limit }));
        assert_eq!(verb("sorted_set", "get_bottom", rest), Verb::SortedSet(SortedSetVerb::Bottom { limit }));
    }
    for (name, bare) in [("get_range", false), ("range", true)] {
        let by_score = |min, max| Verb::SortedSet(SortedSetVerb::RangeByScore { min, max, bare });
        let by_rank =
            |start, end| Verb::SortedSet(SortedSetVerb::RangeByRank { span: Span { start, end }, bare });
        for (rest, wanted) in [
            ("", by_rank(0, None)),
            (r#","range_spec":{"start":1,"end":3}"#, by_rank(1, Some(3))),
            (r#","range_spec":{"min_score":1,"max_score":2.5}"#, by_score(Some(1.0), Some(2.5))),
            (r#","range_spec":{"max_score":0,"min_score":null}"#, by_score(None, Some(0.0))),
        ] {
            assert_eq!(verb("sorted_set", name, rest), wanted, "{name}{rest}");
        }
    }
    assert_eq!(verb("sorted_set", "size", ""), Verb::SortedSet(SortedSetVerb::Size));
    assert_eq!(verb("sorted_set", "clear", ""), Verb::SortedSet(SortedSetVerb::Clear));
}

#[test]
fn counter_operations() {
    for (rest, step, start) in [
        ("", "1", "0"),
        (r#","values":[5]"#, "5", "5"),
        (r#","index":7"#, "7", "7"),
        (r#","values":[5.5],"index":7"#, "5.5", "5.5"),
        (r#","value":-2"#, "-2", "-2"),
    ] {
        let Verb::Counter(CounterVerb::Increment(by)) = verb("counter", "increment", rest) else { panic!() };
        assert_eq!(by.text(), step);
        let Verb::Counter(CounterVerb::Decrement(by)) = verb("counter", "decrement", rest) else { panic!() };
        assert_eq!(by.text(), step);
        let Verb::Counter(CounterVerb::Set(to)) = verb("counter", "set", rest) else { panic!() };
        assert_eq!(to.text(), start);
    }
    assert_eq!(verb("counter", "get", ""), Verb::Counter(CounterVerb::Get));
    assert_eq!(verb("counter", "reset", ""), Verb::Counter(CounterVerb::Reset));
}

#[test]
fn queue_and_stack_operations() {
    let Verb::Queue(QueueVerb::Enqueue(found)) = verb("queue", "enqueue", AB) else { panic!() };
    assert_eq!(found.len(), 2);
    let Verb::Stack(StackVerb::Push(found)) = verb("stack", "push", AB) else { panic!() };
    assert_eq!(found.len(), 2);
    for (rest, count) in [("", 1), (r#","limit":2"#, 2)] {
        assert_eq!(verb("queue", "dequeue", rest), Verb::Queue(QueueVerb::Dequeue { count }));
        assert_eq!(verb("stack", "pop", rest), Verb::Stack(StackVerb::Pop { count }));
    }
    assert_eq!(verb("queue", "peek", ""), Verb::Queue(QueueVerb::Peek));
    assert_eq!(verb("queue", "size", ""), Verb::Queue(QueueVerb::Size));
    assert_eq!(verb("queue", "clear", ""), Verb::Queue(QueueVerb::Clear));
    assert_eq!(verb("stack", "peek", ""), Verb::Stack(StackVerb::Peek));
    assert_eq!(verb("stack", "size", ""), Verb::Stack(StackVerb::Size));
    assert_eq!(verb("stack", "clear", ""), Verb::Stack(StackVerb::Clear));
}

#[test]
fn a_scalar_stands_for_one_value() {
    for rest in [
        r#","value":"a""#,
        r#","member":"a""#,
        r#","values":[],"value":"a""#,
        r#","values":["a"],"value":"b""#,
    ] {
        let Verb::Set(SetVerb::Add(found)) = verb("set", "add", rest) else { panic!() };
        assert_eq!((values(found), found.only()), (vec!["\"a\""], Some("\"a\"")), "{rest}");
    }
    let Verb::Set(SetVerb::Add(found)) = verb("set", "add", AB) else { panic!() };
    assert_eq!(found.only(), None);
}

#[test]
fn options_and_metadata() {
    let plain = structure("set", "add", AB).unwrap();
    assert!(plain.create_if_missing && plain.metadata.is_none());
    let rest =
        r#","values":[1],"options":{"create_if_missing":false,"return_size":true,"other_sets":null,"x":1}"#;
    assert!(!structure("set", "add", rest).unwrap().create_if_missing);
    let members = format!(
        r#""operation":"structure",{KEY},"metadata":{{"ttl_seconds":5}},"structure_operation":{{"structure_type":"stack","operation":"peek"}}"#
    );
    let Ok(Command::Structure(read)) = command(&members) else { panic!() };
    assert_eq!(read.metadata.unwrap().ttl.unwrap().micros, 5_000_000);
}

/// The families with the operations that change something and those that do not.
pub(super) const OPERATIONS: [(&str, Family, &[&str], &[&str]); 7] = [
    (
        "set",
        Family::Set,
        &["add", "remove", "clear"],
        &["contains", "members", "size", "union", "intersection", "difference"],
    ),
    (
        "list",
        Family::List,
        &["append", "prepend", "insert", "pop_front", "pop_back", "pop", "remove", "clear"],
        &["get", "get_range", "slice", "length", "size"],
    ),
    (
        "map",
        Family::Map,
        &["set_field", "set", "remove_fields", "delete", "increment_field", "clear"],
        &["get_fields", "get", "contains", "keys", "values", "items", "size"],
    ),
    (
        "sorted_set",
        Family::SortedSet,
        &["add_scored", "add", "remove", "clear"],
        &["get_score", "score", "rank", "get_top", "get_bottom", "get_range", "range", "size"],
    ),
    ("counter", Family::Counter, &["increment", "decrement", "set", "reset"], &["get"]),
    ("queue", Family::Queue, &["enqueue", "dequeue", "clear"], &["peek", "size"]),
    ("stack", Family::Stack, &["push", "pop", "clear"], &["peek", "size"]),
];

#[test]
fn families_know_their_names_and_what_writes() {
    // Everything any operation may need; each takes what it needs and ignores the others.
    let rest = r#","values":["1"],"fields":["f"],"field_updates":{"f":1},"scored_values":[{"value":1,"score":1}],"index":1,"options":{"other_sets":["n:o"]}"#;
    let number = r#","values":[1]"#;
    for (name, family, writing, reading) in OPERATIONS {
        assert_eq!((family.as_str(), family.wrong_type()), (name, &*format!("Wrong type for {name}")));
        let rest = if family == Family::Counter { number } else { rest };
        for (operations, writes) in [(writing, true), (reading, false)] {
            for operation in operations {
                let verb = verb(name, operation, rest);
                assert_eq!((verb.family(), verb.writes()), (family, writes), "{name} {operation}");
            }
        }
    }
}
