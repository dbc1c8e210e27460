//! What the scanner accepts, what it refuses and where it says the fault is; and a comparison of
//! its verdicts with serde_json's on random and damaged texts.

use proptest::prelude::*;

use super::*;
use crate::limits::{JSON_DEPTH_MAX, JSON_NODES_MAX};

fn fault(text: &str) -> (Fault, usize) {
    let error = validate(text.as_bytes()).expect_err(text);
    (error.fault(), error.offset())
}

#[test]
fn values_keep_their_exact_text() {
    for text in
        ["null", "true", "false", "0", "-0", "1.50", "\"\"", "[]", "{}", "[ 1 ,\n2 ]", "{ \"a\" : [ ] }"]
    {
        assert_eq!(validate(format!(" \t\r\n{text} \n").as_bytes()), Ok(text));
    }
    assert_eq!(validate("\"é 漢 \u{10ffff}\"".as_bytes()), Ok("\"é 漢 \u{10ffff}\""));
}

#[test]
fn broken_texts_say_what_and_where() {
    let cases = [
        ("", Fault::Truncated, 0),
        ("  ", Fault::Truncated, 2),
        ("NaN", Fault::NotAValue, 0),
        ("[Infinity]", Fault::NotAValue, 1),
        ("nul", Fault::NotAValue, 0),
        ("truex", Fault::Trailing, 4),
        ("1 2", Fault::Trailing, 2),
        ("'a'", Fault::NotAValue, 0),
        ("[1,]", Fault::NotAValue, 3),
        ("[1 2]", Fault::NoComma, 3),
        ("[1}", Fault::NoComma, 2),
        ("[1", Fault::Truncated, 2),
        ("[", Fault::Truncated, 1),
        ("{", Fault::Truncated, 1),
        ("{1:2}", Fault::NotAName, 1),
        ("{\"a\":1,}", Fault::NotAName, 7),
        ("{\"a\" 1}", Fault::NoColon, 5),
        ("{\"a\"", Fault::Truncated, 4),
        ("{\"a\":1]", Fault::NoComma, 6),
        ("\"abc", Fault::Truncated, 4),
        ("\"a\nb\"", Fault::Control, 2),
        ("\"\\x\"", Fault::Escape, 1),
        ("\"\\u12g4\"", Fault::Escape, 1),
        ("\"\\u12", Fault::Truncated, 1),
        ("\"\\", Fault::Truncated, 1),
        ("\u{feff}1", Fault::NotAValue, 0),
    ];
    for (text, what, at) in cases {
        assert_eq!(fault(text), (what, at), "{text:?}");
    }
    let error = validate(b"\"ab\xff\"").unwrap_err();
    assert_eq!((error.fault(), error.offset()), (Fault::Utf8, 3));
}

#[test]
fn surrogates_come_in_pairs() {
    assert!(validate(br#""\ud83d\ude00""#).is_ok());
    assert!(validate(br#""\ue000 \ud7ff""#).is_ok());
    for text in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\ud83d""#, r#""\ud83dx""#, r#""\ude00\ud83d""#] {
        assert_eq!(fault(text).0, Fault::Surrogate, "{text}");
    }
}

#[test]
fn numbers_have_a_grammar_and_a_range() {
    for text in ["-", "01", "-01", "1.", ".5", "1e", "1e+", "1.e3", "+1", "--1", "0x10", "1_0"] {
        assert!(validate(text.as_bytes()).is_err(), "{text}");
    }
    for text in
        ["9223372036854775808", "18446744073709551615", "-9223372036854775808", "1e308", "0e999", "1e-999"]
    {
        assert!(validate(text.as_bytes()).is_ok(), "{text}");
    }
    for text in ["18446744073709551616", "-9223372036854775809", "100000000000000000000000"] {
        assert_eq!(fault(text), (Fault::IntegerRange, 0), "{text}");
    }
    let long = format!("{}.5", "9".repeat(400));
    for text in ["1e309", "-1e999", "1.8e308", long.as_str()] {
        assert_eq!(fault(text), (Fault::FloatRange, 0), "{text}");
    }
}

#[test]
fn depth_and_nodes_are_limited_exactly() {
    let nested = |open: &str, close: &str, levels: usize| open.repeat(levels) + "1" + &close.repeat(levels);
    assert!(validate(nested("[", "]", JSON_DEPTH_MAX).as_bytes()).is_ok());
    assert!(validate(nested("{\"a\":", "}", JSON_DEPTH_MAX).as_bytes()).is_ok());
    assert_eq!(fault(&nested("[", "]", JSON_DEPTH_MAX + 1)), (Fault::Depth, JSON_DEPTH_MAX));
    assert_eq!(fault(&nested("{\"a\":", "}", JSON_DEPTH_MAX + 1)).0, Fault::Depth);
    assert_eq!(fault(&"[".repeat(1_000_000)).0, Fault::Depth);
    let wide = |nodes: usize| format!("[{}1]", "1,".repeat(nodes - 2));
    assert!(validate(wide(JSON_NODES_MAX).as_bytes()).is_ok());
    assert_eq!(fault(&wide(JSON_NODES_MAX + 1)).0, Fault::Nodes);
}

#[test]
fn special_bytes_are_found_at_every_place_of_a_word() {
    for special in ["\"", "\\", "\n", "\0", "\u{1f}"] {
        for before in 0..20 {
            let text = "\u{7f}é~ ![]".repeat(3)[..].chars().take(before).collect::<String>();
            let whole = format!("{text}{special}\"\"\"\"\"\"\"\"\"\"");
            assert_eq!(text::plain_end(whole.as_bytes(), 0), text.len(), "{whole:?}");
        }
    }
}

#[test]
fn strings_decode_like_serde_json() {
    for text in
        [r#""plain""#, r#""a\"b\\c\/d\b\f\n\r\t""#, r#""\u0041\u00e9\u6f22\ud83d\ude00!""#, r#""\u0000""#]
    {
        let mut reader = Reader::new(text);
        let read = reader.string("s").unwrap();
        assert_eq!(read.decode(), serde_json::from_str::<String>(text).unwrap());
        assert_eq!(read.quoted(), text);
        assert_eq!(matches!(read.decode(), std::borrow::Cow::Borrowed(_)), !text.contains('\\'));
    }
}

#[test]
fn typed_reads_name_the_member() {
    let shown = |error: Error| error.to_string();
    assert_eq!(
        shown(Reader::new(" 5").string("key.namespace").unwrap_err()),
        "key.namespace must be a string (byte 1)"
    );
    assert_eq!(
        shown(Reader::new("-1").unsigned("n").unwrap_err()),
        "n must be an integer of 0 or more (byte 0)"
    );
    assert_eq!(shown(Reader::new("1.0").signed("n").unwrap_err()), "n must be an integer (byte 0)");
    assert_eq!(shown(Reader::new("\"1\"").number("n").unwrap_err()), "n must be a number (byte 0)");
    assert_eq!(shown(Reader::new("null").boolean("b").unwrap_err()), "b must be true or false (byte 0)");
    assert_eq!(shown(Reader::new("[]").object("o").unwrap_err()), "o must be an object (byte 0)");
    assert_eq!(shown(Reader::new("{}").array("a").unwrap_err()), "a must be an array (byte 0)");
    // A broken value is a fault of the grammar, not of the type.
    assert_eq!(Reader::new("nope").string("s").unwrap_err().fault(), Fault::NotAValue);
}

#[test]
fn typed_reads_convert() {
    let mut reader =
        Reader::new("[true, false, 18446744073709551615, -9223372036854775808, 2.5, 7, null, \"x\"]");
    let mut elements = reader.array("").unwrap();
    let mut next = |reader: &mut Reader<'_>| assert!(elements.next(reader).unwrap());
    next(&mut reader);
    assert!(reader.boolean("").unwrap());
    next(&mut reader);
    assert!(!reader.boolean("").unwrap());
    next(&mut reader);
    assert_eq!(reader.unsigned("").unwrap(), u64::MAX);
    next(&mut reader);
    assert_eq!(reader.signed("").unwrap(), i64::MIN);
    next(&mut reader);
    let number = reader.number("").unwrap();
    assert_eq!((number.to_f64(), number.is_integer(), number.to_i64()), (2.5, false, None));
    next(&mut reader);
    assert_eq!(reader.number("").unwrap().to_f64(), 7.0);
    next(&mut reader);
    assert!(reader.null().unwrap() && !reader.null().unwrap());
}

#[test]
fn writers_write_what_the_protocol_shows() {
    let written = |write: &dyn Fn(&mut Vec<u8>)| {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    };
    for (micros, text) in [
        (1_700_000_001_500_000, "1700000001.5"),
        (0, "0.0"),
        (1, "0.000001"),
        (2_000_000, "2.0"),
        (10_120_030, "10.12003"),
    ] {
        assert_eq!(written(&|out| write::seconds(out, micros)), text);
    }
    assert_eq!(written(&|out| write::milliseconds(out, 30_000)), "0.03");
    assert_eq!(written(&|out| write::milliseconds(out, 1_900_000)), "1.9");
    for (number, text) in [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (-3.0, "-3.0"),
        (0.1, "0.1"),
        (-0.0, "-0.0"),
        (1e300, "1e300"),
        (f64::NAN, "null"),
    ] {
        assert_eq!(written(&|out| write::float(out, number)), text);
    }
    assert_eq!(written(&|out| write::string(out, "a\"b\\\n\u{1}é")), "\"a\\\"b\\\\\\n\\u0001é\"");
    assert_eq!(written(&|out| write::signed(out, i64::MIN)), i64::MIN.to_string());
}

/// Whether serde_json takes a text, and whether what it read breaks one of our extra limits: an
/// integer beyond 64 bits arrives there as a float.
fn reference_verdict(text: &[u8]) -> bool {
    serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

/// The faults by which we refuse more than serde_json does.
fn is_extra_limit(fault: Fault) -> bool {
    matches!(fault, Fault::Depth | Fault::Nodes | Fault::IntegerRange)
}

fn verdicts_agree(text: &[u8]) -> Result<(), TestCaseError> {
    match (validate(text), reference_verdict(text)) {
        (Ok(_), true) | (Err(_), false) => Ok(()),
        (Err(error), true) if is_extra_limit(error.fault()) => Ok(()),
        (ours, theirs) => {
            let text = String::from_utf8_lossy(text);
            Err(TestCaseError::fail(format!("{text:?}: ours {ours:?}, serde_json takes it: {theirs}")))
        }
    }
}

fn any_json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(5, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
            prop::collection::vec((any::<String>(), inner), 0..6)
                .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn written_trees_are_accepted_whole(tree in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&tree) } else { serde_json::to_string(&tree) };
        let text = text.unwrap();
        prop_assert_eq!(validate(text.as_bytes()), Ok(text.as_str()));
    }

    #[test]
    fn damaged_trees_get_the_same_verdict(tree in any_json(), edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..4u8), 1..4)) {
        let mut text = serde_json::to_vec(&tree).unwrap();
        for (place, byte, kind) in edits {
            if text.is_empty() {
                break;
            }
            let at = place.index(text.len());
            match kind {
                0 => text[at] = byte,
                1 => text[at] = b"{}[],:\"\\0-.eEtfnu "[usize::from(byte) % 18],
                2 => drop(text.remove(at)),
                _ => text.truncate(at),
            }
        }
        verdicts_agree(&text)?;
    }

    #[test]
    fn token_soup_gets_the_same_verdict(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", " ", "\n", "\"a\"", "\"\\n\"", "\"\\ud800\"", "\"\\ud800\\udc00\"", "\"\\u00e9\"", "\"", "\\", "0", "-0", "-", "12",
        "1.5", "1.", "1e5", "1E+5", "1e400", "1e-400", "00", "true", "false", "null", "nul", "\u{0}", "é", "99999999999999999999",
    ]), 0..12)) {
        verdicts_agree(tokens.concat().as_bytes())?;
    }

    #[test]
    fn floats_and_integers_read_back(number: f64, whole: i64, micros in 0..u64::MAX) {
        let mut out = Vec::new();
        write::float(&mut out, number);
        if number.is_finite() {
            prop_assert_eq!(std::str::from_utf8(&out).unwrap().parse::<f64>().unwrap().to_bits(), number.to_bits());
        }
        let mut out = Vec::new();
        write::signed(&mut out, whole);
        prop_assert_eq!(String::from_utf8(out).unwrap(), whole.to_string());
        let mut out = Vec::new();
        write::seconds(&mut out, micros);
        let text = String::from_utf8(out).unwrap();
        let (seconds, digits) = text.split_once('.').unwrap();
        prop_assert_eq!(format!("{seconds}{digits:0<6}").parse::<u64>().unwrap(), micros);
    }

    #[test]
    fn escaped_strings_read_back(text: String) {
        let mut out = Vec::new();
        write::string(&mut out, &text);
        let mut reader = Reader::from_bytes(&out).unwrap();
        prop_assert_eq!(reader.string("").unwrap().decode(), text);
        prop_assert!(reader.end().is_ok());
    }
}

/// Reads a whole value through the typed reads, as a tree to compare with.
fn tree(reader: &mut Reader<'_>) -> Result<serde_json::Value, Error> {
    let kind = reader.clone().raw()?.as_bytes()[0];
    Ok(match kind {
        b'{' => {
            let mut members = reader.object("")?;
            let mut found = serde_json::Map::new();
            while let Some(name) = members.next(reader)? {
                found.insert(name.decode().into_owned(), tree(reader)?);
            }
            found.into()
        }
        b'[' => {
            let mut elements = reader.array("")?;
            let mut found = Vec::new();
            while elements.next(reader)? {
                found.push(tree(reader)?);
            }
            found.into()
        }
        b'"' => reader.string("")?.decode().into_owned().into(),
        b't' | b'f' => reader.boolean("")?.into(),
        b'n' => reader.null().map(|_| serde_json::Value::Null)?,
        _ => {
            let number = reader.number("")?;
            match (number.to_u64(), number.to_i64()) {
                (Some(whole), _) => whole.into(),
                (None, Some(whole)) => whole.into(),
                (None, None) => number.to_f64().into(),
            }
        }
    })
}

proptest! {
    #[test]
    fn reading_by_members_sees_what_serde_json_sees(expected in any_json(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&expected) } else { serde_json::to_string(&expected) };
        let text = text.unwrap();
        // Through its text once more: printing a float may move its last bit.
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut reader = Reader::new(&text);
        let read = tree(&mut reader).unwrap();
        prop_assert!(reader.end().is_ok());
        prop_assert!(same(&read, &expected), "{read} {expected}");
    }

    /// Reading member by member refuses exactly what reading the whole refuses.
    #[test]
    fn both_ways_of_reading_agree(tokens in prop::collection::vec(prop::sample::select(vec![
        "{", "}", "[", "]", ",", ":", " ", "\"a\"", "\"b\\u0020\"", "\"", "1", "-", "2.5", "true", "null", "nul",
    ]), 0..12)) {
        let text = tokens.concat();
        let mut reader = Reader::new(&text);
        let by_members = tree(&mut reader).and_then(|_| reader.end());
        prop_assert_eq!(by_members.is_ok(), validate(text.as_bytes()).is_ok(), "{}", text);
    }
}

/// Equal, floats compared to the last place but one: serde_json's quick float parser may be one off.
fn same(left: &serde_json::Value, right: &serde_json::Value) -> bool {
    use serde_json::Value::{Array, Number, Object};
    match (left, right) {
        (Array(left), Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(l, r)| same(l, r))
        }
        (Object(left), Object(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|((a, l), (b, r))| a == b && same(l, r))
        }
        (Number(left), Number(right)) if left.is_f64() && right.is_f64() => {
            let (left, right) = (left.as_f64().unwrap(), right.as_f64().unwrap());
            (left - right).abs() <= left.abs() * 1e-15
        }
        _ => left == right,
    }
}

#[test]
fn members_and_elements_stop_at_faults() {
    let members = |text: &str| -> Result<usize, Fault> {
        let mut reader = Reader::new(text);
        let mut members = reader.object("o").map_err(|error| error.fault())?;
        let mut count = 0;
        while members.next(&mut reader).map_err(|error| error.fault())?.is_some() {
            reader.raw().map_err(|error| error.fault())?;
            count += 1;
        }
        Ok(count)
    };
    assert_eq!(members("{}"), Ok(0));
    assert_eq!(members(" { \"a\" : 1 , \"b\" : [ ] } "), Ok(2));
    for (text, fault) in [
        ("{,}", Fault::NotAName),
        ("{\"a\":1 \"b\":2}", Fault::NoComma),
        ("{\"a\":1,}", Fault::NotAName),
        ("{\"a\":1,", Fault::Truncated),
        ("{\"a\":1]", Fault::NoComma),
        ("{\"a\":}", Fault::NotAValue),
        ("{\"a\"=1}", Fault::NoColon),
        ("{a:1}", Fault::NotAName),
        ("{", Fault::Truncated),
    ] {
        assert_eq!(members(text), Err(fault), "{text}");
    }
    let mut reader = Reader::new("[1,]");
    let mut elements = reader.array("a").unwrap();
    assert!(elements.next(&mut reader).unwrap());
    reader.raw().unwrap();
    assert!(!matches!(elements.next(&mut reader).map(|_| reader.raw()), Ok(Ok(_))));
}
