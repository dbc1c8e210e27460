//! Members of nested objects by dotted paths.
//!
//! A member's name may itself hold dots, so a path is read step by step: in each object a member whose name
//! is *all* of what is left of the path wins; only without one does the part before the first dot name the
//! member to go through. Of members of one name the last one counts. A path goes through objects only.

use std::ops::Range;

use super::{EditFault, check_depth, checked, trimmed};
use crate::json::scan::skip_space;
use crate::json::{Kind, Reader, members_of, write};

/// The text of the member of `text` that `path` leads to.
///
/// Cost: one pass over each object on the way; allocates only for names written with escapes.
#[must_use]
pub fn member<'a>(text: &'a str, path: &str) -> Option<&'a str> {
    let place = find(text, path).ok()?;
    place.value.map(|value| &text[value])
}

/// Appends to `out` the object `text` with `value` as the member that `path` leads to.
///
/// The member is replaced in place, or added behind the others; objects missing on the way are created.
/// Everything else keeps its exact text. [`EditFault::NotAnObject`] when `text`, or what a step leads to, is
/// something other than an object.
pub fn set_path(text: &str, path: &str, value: &str, out: &mut Vec<u8>) -> Result<(), EditFault> {
    let place = find(text, path)?;
    let value = trimmed(value);
    // Objects created on the way count like those that were there.
    let created = if place.value.is_some() { 0 } else { place.rest.matches('.').count() };
    check_depth(value, place.objects + created)?;
    checked(out, |out| match place.value {
        Some(old) => {
            out.extend_from_slice(&text.as_bytes()[..old.start]);
            out.extend_from_slice(value.as_bytes());
            out.extend_from_slice(&text.as_bytes()[old.end..]);
        }
        None => add_member(text, place.object, place.rest, value, out),
    })
}

/// Appends to `out` the object `text` without the member that `path` leads to; `false`, and nothing
/// appended, when there is none.
pub fn remove_path(text: &str, path: &str, out: &mut Vec<u8>) -> bool {
    let Ok(Place { object, rest, value: Some(_), .. }) = find(text, path) else {
        return false;
    };
    let mut separator = b'{';
    out.extend_from_slice(&text.as_bytes()[..object.start]);
    for (name, value) in members_of(&text[object.clone()]).into_iter().flatten() {
        if !name.means(rest) {
            out.push(separator);
            separator = b',';
            out.extend_from_slice(name.quoted().as_bytes());
            out.push(b':');
            out.extend_from_slice(value.as_bytes());
        }
    }
    if separator == b'{' {
        out.push(b'{');
    }
    out.push(b'}');
    out.extend_from_slice(&text.as_bytes()[object.end..]);
    true
}

/// Where a path leads: to a member that is there, or to the object that lacks it.
struct Place<'p> {
    /// The innermost object reached.
    object: Range<usize>,
    /// How many objects were gone through, that one included.
    objects: usize,
    /// What is left of the path in that object.
    rest: &'p str,
    /// The value of the member named by all of the rest.
    value: Option<Range<usize>>,
}

fn find<'p>(text: &str, path: &'p str) -> Result<Place<'p>, EditFault> {
    let start = skip_space(text.as_bytes(), 0);
    let mut place = Place { object: start..start + trimmed(text).len(), objects: 1, rest: path, value: None };
    loop {
        if Kind::of(&text[place.object.clone()]) != Some(Kind::Object) {
            return Err(EditFault::NotAnObject);
        }
        let (step, behind) = match place.rest.split_once('.') {
            Some((step, behind)) => (Some(step), behind),
            None => (None, ""),
        };
        let [whole, through] = lookup(text, place.object.clone(), [Some(place.rest), step]);
        match (whole, through) {
            (Some(value), _) => return Ok(Place { value: Some(value), ..place }),
            (None, Some(object)) => {
                place = Place { object, objects: place.objects + 1, rest: behind, value: None };
            }
            (None, None) => return Ok(place),
        }
    }
}

/// The last member of each of two names, in one pass over the object.
fn lookup(text: &str, object: Range<usize>, names: [Option<&str>; 2]) -> [Option<Range<usize>>; 2] {
    let mut found = [None, None];
    let mut reader = Reader::new(&text[object.clone()]);
    let Ok(mut members) = reader.object("") else { return found };
    while let Ok(Some(name)) = members.next(&mut reader) {
        let Ok(value) = reader.raw() else { break };
        let end = object.start + reader.offset();
        for (wanted, found) in names.iter().zip(&mut found) {
            if wanted.is_some_and(|wanted| name.means(wanted)) {
                *found = Some(end - value.len()..end);
            }
        }
    }
    found
}

/// Writes `text` with one more member in `object`: the steps of `path`, one inside the other, around `value`.
fn add_member(text: &str, object: Range<usize>, path: &str, value: &str, out: &mut Vec<u8>) {
    let (before, closing) = text.as_bytes().split_at(object.end - 1);
    let before = before.trim_ascii_end();
    out.extend_from_slice(before);
    if before.len() > object.start + 1 {
        out.push(b',');
    }
    let mut created = 0;
    for (at, step) in path.split('.').enumerate() {
        if at > 0 {
            out.push(b'{');
            created = at;
        }
        write::string(out, step);
        out.push(b':');
    }
    out.extend_from_slice(value.as_bytes());
    out.extend(std::iter::repeat_n(b'}', created));
    out.extend_from_slice(closing);
}
