//! For the tests: random texts that write equal values in many ways, and the slow, plain reading of them
//! that the quick code is compared with.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{Kind, Reader, elements_of, members_of, write};

/// A value as a tree; of duplicate members the last one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Tree {
    Null,
    Boolean(bool),
    Integer(i128),
    Float(f64),
    String(String),
    Array(Vec<Tree>),
    Object(BTreeMap<String, Tree>),
}

impl Tree {
    pub(crate) fn read(text: &str) -> Tree {
        match Kind::of(text).unwrap() {
            Kind::Null => Tree::Null,
            Kind::Boolean => Tree::Boolean(Reader::new(text).boolean("").unwrap()),
            Kind::Number => match text.trim().parse::<i128>() {
                Ok(whole) => Tree::Integer(whole),
                Err(_) => Tree::Float(text.trim().parse().unwrap()),
            },
            Kind::String => Tree::String(Reader::new(text).string("").unwrap().decode().into_owned()),
            Kind::Array => Tree::Array(elements_of(text).unwrap().map(Tree::read).collect()),
            Kind::Object => Tree::Object(
                members_of(text)
                    .unwrap()
                    .map(|(name, value)| (name.decode().into_owned(), Tree::read(value)))
                    .collect(),
            ),
        }
    }

    pub(crate) fn write(&self) -> String {
        let mut out = Vec::new();
        self.write_into(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn write_into(&self, out: &mut Vec<u8>) {
        match self {
            Tree::Null => out.extend_from_slice(b"null"),
            Tree::Boolean(yes) => out.extend_from_slice(yes.to_string().as_bytes()),
            Tree::Integer(whole) => out.extend_from_slice(whole.to_string().as_bytes()),
            Tree::Float(number) => write::float(out, *number),
            Tree::String(text) => write::string(out, text),
            Tree::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    out.push(if at == 0 { b'[' } else { b',' });
                    element.write_into(out);
                }
                out.extend_from_slice(if elements.is_empty() { b"[]" } else { b"]" });
            }
            Tree::Object(members) => {
                for (at, (name, value)) in members.iter().enumerate() {
                    out.push(if at == 0 { b'{' } else { b',' });
                    write::string(out, name);
                    out.push(b':');
                    value.write_into(out);
                }
                out.extend_from_slice(if members.is_empty() { b"{}" } else { b"}" });
            }
        }
    }

    fn rank(&self) -> u8 {
        match self {
            Tree::Null => 0,
            Tree::Boolean(false) => 1,
            Tree::Boolean(true) => 2,
            Tree::Integer(_) | Tree::Float(_) => 3,
            Tree::String(_) => 4,
            Tree::Array(_) => 5,
            Tree::Object(_) => 6,
        }
    }

    /// The order the canonical bytes promise.
    pub(crate) fn order(&self, other: &Tree) -> Ordering {
        match (self, other) {
            (Tree::Integer(left), Tree::Integer(right)) => left.cmp(right),
            (Tree::Float(left), Tree::Float(right)) => left.partial_cmp(right).unwrap(),
            (Tree::Integer(left), Tree::Float(right)) => integer_to_float(*left, *right),
            (Tree::Float(left), Tree::Integer(right)) => integer_to_float(*right, *left).reverse(),
            (Tree::String(left), Tree::String(right)) => left.chars().cmp(right.chars()),
            (Tree::Array(left), Tree::Array(right)) => one_by_one(left.iter(), right.iter(), Tree::order),
            (Tree::Object(left), Tree::Object(right)) => {
                one_by_one(left.iter(), right.iter(), |left, right| {
                    left.0.cmp(right.0).then_with(|| left.1.order(right.1))
                })
            }
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

/// Through the floor of the float, which is exact in 128 bits as far as any integer here reaches.
fn integer_to_float(whole: i128, number: f64) -> Ordering {
    if number.abs() > 1e30 {
        return if number > 0.0 { Ordering::Less } else { Ordering::Greater };
    }
    let floor = number.floor();
    let above = if number > floor { Ordering::Less } else { Ordering::Equal };
    whole.cmp(&(floor as i128)).then(above)
}

fn one_by_one<T>(
    mut left: impl Iterator<Item = T>,
    mut right: impl Iterator<Item = T>,
    order: impl Fn(T, T) -> Ordering,
) -> Ordering {
    loop {
        match (left.next(), right.next()) {
            (Some(left), Some(right)) => match order(left, right) {
                Ordering::Equal => {}
                unequal => return unequal,
            },
            (left, right) => return left.is_some().cmp(&right.is_some()),
        }
    }
}

/// Number texts, most of them close to where integers and doubles part, in several spellings.
pub(crate) fn any_number() -> impl Strategy<Value = String> {
    let near = (52..=64_u32, -3..=3_i128, any::<bool>(), 0..4_u8).prop_map(|(power, by, minus, spelling)| {
        let magnitude = (1_i128 << power) + by;
        let value = if minus { -magnitude } else { magnitude };
        let fits = i64::try_from(value).is_ok() || u64::try_from(value).is_ok();
        match spelling {
            0 | 1 if fits => value.to_string(),
            2 => format!("{value}e0"),
            _ => format!("{value}.0"),
        }
    });
    let small = prop::sample::select(vec![
        "0",
        "-0",
        "0.0",
        "-0.0",
        "0e5",
        "1",
        "1.0",
        "1e0",
        "10e-1",
        "0.1E1",
        "-1",
        "-1.0",
        "2",
        "2.5",
        "25e-1",
        "5e-324",
        "-5e-324",
        "1e-999",
        "1e308",
        "-1.7976931348623157e308",
        "100",
        "1e2",
        "0.1",
        "0.10000000000000001",
    ]);
    prop_oneof![
        3 => near,
        3 => small.prop_map(str::to_owned),
        1 => any::<i64>().prop_map(|whole| whole.to_string()),
        1 => any::<u64>().prop_map(|whole| whole.to_string()),
        1 => any::<f64>().prop_filter("finite", |number| number.is_finite()).prop_map(|number| format!("{number:e}")),
    ]
}

/// String texts: a few characters around every border, plain or escaped.
pub(crate) fn any_string() -> impl Strategy<Value = String> {
    let character = prop::sample::select(vec![
        "a",
        "b",
        "!",
        ".",
        "\\u0000",
        "\\u0001",
        "\\u0002",
        "\\n",
        "\\\"",
        "\\/",
        "/",
        "\\u0061",
        "é",
        "\\u00e9",
        "漢",
        "\u{ffff}",
        "😀",
        "\\ud83d\\ude00",
    ]);
    prop::collection::vec(character, 0..4).prop_map(|characters| format!("\"{}\"", characters.concat()))
}

/// Whole values: nested, with duplicate names, names in any order, white space here and there.
pub(crate) fn any_text() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        prop::sample::select(vec!["null", "true", "false", "[]", "{}"]).prop_map(str::to_owned),
        any_number(),
        any_string(),
    ];
    leaf.prop_recursive(4, 32, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4)
                .prop_map(|elements| format!("[{}]", elements.join(","))),
            object_of(any_string(), inner),
        ]
    })
}

/// Objects with these names and values.
pub(crate) fn object_of(
    names: impl Strategy<Value = String>,
    values: impl Strategy<Value = String>,
) -> impl Strategy<Value = String> {
    (prop::collection::vec((names, values), 0..5), any::<bool>()).prop_map(|(members, spaced)| {
        let (colon, comma) = if spaced { (" : ", " ,\n") } else { (":", ",") };
        let members: Vec<String> =
            members.into_iter().map(|(name, value)| format!("{name}{colon}{value}")).collect();
        if spaced { format!("{{ {} }}", members.join(comma)) } else { format!("{{{}}}", members.join(comma)) }
    })
}
