//! Whole JSON values to structures: an array or object that was put becomes one with the first operation on it.

use std::collections::HashSet;

use super::set::canonical;
use super::{Family, payload};
use crate::json::Reader;

/// A value is no structure of this family.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("Wrong type for {}: {why}", family.name())]
pub struct Mismatch {
    /// What was wanted.
    pub family: Family,
    /// What stands in the way.
    pub why: &'static str,
}

/// The payload of a `Replace` that makes a structure out of a validated JSON text.
pub fn replacement(family: Family, text: &str) -> Result<Vec<u8>, Mismatch> {
    let mut out = Vec::with_capacity(text.len() + 16);
    let why = match family {
        Family::List => elements(text, |element| {
            payload::put_text(&mut out, element);
            Ok(())
        }),
        Family::Set => members(text, &mut out),
        Family::Map => fields(text, &mut out),
        Family::Sorted => pairs(text, &mut out),
    };
    why.map_err(|why| Mismatch { family, why })?;
    Ok(out)
}

const NOT_AN_ARRAY: &str = "the value is not an array";

/// Calls `each` with the text of every element.
fn elements<'a>(
    text: &'a str,
    mut each: impl FnMut(&'a str) -> Result<(), &'static str>,
) -> Result<(), &'static str> {
    let mut reader = Reader::new(text);
    let mut elements = reader.array("").map_err(|_| NOT_AN_ARRAY)?;
    while elements.next(&mut reader).map_err(|_| NOT_AN_ARRAY)? {
        each(reader.raw().map_err(|_| NOT_AN_ARRAY)?)?;
    }
    Ok(())
}

fn members(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    let mut seen = HashSet::new();
    let mut canon = Vec::new();
    elements(text, |member| {
        canonical(member, &mut canon);
        if !seen.insert(canon.clone()) {
            return Err("the array holds a value twice");
        }
        payload::put_text(out, member);
        Ok(())
    })
}

fn fields(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    const NOT_AN_OBJECT: &str = "the value is not an object";
    let mut reader = Reader::new(text);
    let mut members = reader.object("").map_err(|_| NOT_AN_OBJECT)?;
    while let Some(name) = members.next(&mut reader).map_err(|_| NOT_AN_OBJECT)? {
        payload::put_text(out, &name.decode());
        payload::put_text(out, reader.raw().map_err(|_| NOT_AN_OBJECT)?);
    }
    Ok(())
}

fn pairs(text: &str, out: &mut Vec<u8>) -> Result<(), &'static str> {
    const NO_PAIR: &str = "an element is not a pair of score and member";
    elements(text, |pair| {
        let mut reader = Reader::new(pair);
        let mut parts = reader.array("").map_err(|_| NO_PAIR)?;
        let mut next = |reader: &mut Reader<'_>| parts.next(reader).map_err(|_| NO_PAIR);
        if !next(&mut reader)? {
            return Err(NO_PAIR);
        }
        let score = reader.number("").map_err(|_| NO_PAIR)?.text();
        if !next(&mut reader)? {
            return Err(NO_PAIR);
        }
        let member = reader.raw().map_err(|_| NO_PAIR)?;
        if next(&mut reader)? {
            return Err(NO_PAIR);
        }
        payload::put_text(out, score);
        payload::put_text(out, member);
        Ok(())
    })
}
