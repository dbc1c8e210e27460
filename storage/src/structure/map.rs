//! Maps: fields with values, remembered in the order they came.

use std::collections::HashMap;

use super::command::{Answer, Error, FieldChange, Refusal, Resolved};
use super::set::{Given, SEQUENCE_BYTES};
use super::{Structure, Verb, payload};
use crate::json;
use crate::limits::{ECHO_BYTES_MAX, FIELD_BYTES_MAX, VALUE_BYTES_MAX};
use crate::tree::Source;

/// Fields up to which looking at each is cheaper than a table of them.
const FEW_FIELDS: usize = 8;

/// Values of the fields a command has changed so far, by top field, in the order they were first touched.
#[derive(Default)]
struct Pending<'a> {
    order: Vec<(&'a str, String)>,
    /// Of more than a few fields.
    places: HashMap<&'a str, usize>,
}

impl<'a> Pending<'a> {
    fn place(&self, field: &str) -> Option<usize> {
        if self.order.len() <= FEW_FIELDS {
            return self.order.iter().position(|(name, _)| *name == field);
        }
        self.places.get(field).copied()
    }

    fn get(&self, field: &str) -> Option<&str> {
        self.place(field).map(|at| &*self.order[at].1)
    }

    fn set(&mut self, field: &'a str, value: String) {
        if let Some(at) = self.place(field) {
            self.order[at].1 = value;
            return;
        }
        self.order.push((field, value));
        let few = self.order.len() <= FEW_FIELDS;
        let from = if self.places.is_empty() { 0 } else { self.order.len() - 1 };
        if !few {
            let places = self.order[from..].iter().zip(from..).map(|((field, _), at)| (*field, at));
            self.places.extend(places);
        }
    }
}

impl Structure {
    pub(super) fn resolve_set_fields<S: Source>(
        &self,
        changes: &[(&str, FieldChange<'_>)],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut pending = Pending::default();
        let mut answer = Answer::default();
        for (field, change) in changes {
            self.resolve_field(field, change, &mut pending, &mut answer, source)?;
            answer.count += 1;
        }
        let mut payload = Vec::new();
        for (field, value) in &pending.order {
            self.touch_field(field, source)?;
            payload::put_text(&mut payload, field);
            payload::put_text(&mut payload, value);
        }
        Ok(Resolved::counted(Verb::SetFields, payload, answer))
    }

    fn resolve_field<'a, S: Source>(
        &self,
        field: &'a str,
        change: &FieldChange<'_>,
        pending: &mut Pending<'a>,
        answer: &mut Answer,
        source: &S,
    ) -> Result<(), Error<S::Error>> {
        if field.len() > FIELD_BYTES_MAX {
            let (bytes, bytes_max) = (field.len(), FIELD_BYTES_MAX);
            let field = field[..field.floor_char_boundary(ECHO_BYTES_MAX)].to_owned();
            return Err(Error::Refused(Refusal::TooLarge { field, bytes, bytes_max }));
        }
        let (top, path) = self.split_path(field, pending, source)?;
        let whole = path.is_none() && matches!(change, FieldChange::Set(_));
        let old = match pending.get(top) {
            Some(value) => Some(value.to_owned()),
            // What was there does not matter to a value that replaces all of it.
            None if whole => None,
            None => self.field(top, source)?,
        };
        let value = match change {
            FieldChange::Set(value) => (*value).to_owned(),
            FieldChange::Increment(by) => {
                let current = match path {
                    None => old.as_deref(),
                    Some(path) => old.as_deref().and_then(|old| json::member(old, path)),
                };
                let sum = add(current.unwrap_or("0"), by, field)?;
                answer.values.push(sum.clone());
                sum
            }
        };
        let value = match path {
            None => value,
            Some(path) => set_path(old.as_deref().unwrap_or("{}"), path, &value, field)?,
        };
        if value.len() > VALUE_BYTES_MAX - SEQUENCE_BYTES {
            let (bytes, bytes_max) = (value.len(), VALUE_BYTES_MAX);
            return Err(Error::Refused(Refusal::TooLarge { field: field.to_owned(), bytes, bytes_max }));
        }
        pending.set(top, value);
        Ok(())
    }

    /// Splits a dotted field into the map's field and the path below it: an existing literal field wins.
    fn split_path<'a, S: Source>(
        &self,
        field: &'a str,
        pending: &Pending<'_>,
        source: &S,
    ) -> Result<(&'a str, Option<&'a str>), Error<S::Error>> {
        let Some((top, path)) = field.split_once('.') else { return Ok((field, None)) };
        let literal = pending.get(field).is_some() || self.main.get(field.as_bytes(), source)?.is_some();
        Ok(if literal || top.is_empty() { (field, None) } else { (top, Some(path)) })
    }

    pub(super) fn resolve_remove_fields<S: Source>(
        &self,
        fields: &[&str],
        source: &S,
    ) -> Result<Resolved, Error<S::Error>> {
        let mut payload = Vec::new();
        let mut given = Given::of(fields.len());
        for field in fields {
            if self.touch_field(field, source)? && given.is_first(field.as_bytes()) {
                payload::put_text(&mut payload, field);
                given.count += 1;
            }
        }
        let answer = Answer { count: given.count, ..Answer::default() };
        Ok(Resolved::counted(Verb::RemoveFields, payload, answer))
    }

    /// Whether a field is there, having looked wherever its change will go.
    fn touch_field<S: Source>(&self, field: &str, source: &S) -> Result<bool, Error<S::Error>> {
        match self.main.get(field.as_bytes(), source)? {
            Some(value) => {
                let sequence = value.get(..8).unwrap_or_default().to_vec();
                self.side.get(&sequence, source)?;
                Ok(true)
            }
            None => {
                self.side.get(&self.next_sequence.to_be_bytes(), source)?;
                Ok(false)
            }
        }
    }
}

fn add<E>(current: &str, by: &str, field: &str) -> Result<String, Error<E>> {
    let mut sum = Vec::new();
    json::add(current, by, &mut sum)
        .map_err(|fault| Error::Refused(Refusal::Number { field: field.to_owned(), fault }))?;
    Ok(super::list::text(&sum))
}

fn set_path<E>(text: &str, path: &str, value: &str, field: &str) -> Result<String, Error<E>> {
    let mut out = Vec::new();
    json::set_path(text, path, value, &mut out)
        .map_err(|fault| Error::Refused(Refusal::Path { field: field.to_owned(), fault }))?;
    Ok(super::list::text(&out))
}
