//! Taking a value apart into the texts of its elements or members, without copying them.
//!
//! ```
//! use mpreg_storage::json::{elements_of, members_of};
//!
//! let elements: Vec<&str> = elements_of(r#"[1, "two", [3]]"#).into_iter().flatten().collect();
//! assert_eq!(elements, ["1", "\"two\"", "[3]"]);
//!
//! for (name, value) in members_of(r#"{"a\tb": {"c": 1}}"#).into_iter().flatten() {
//!     assert_eq!((&*name.decode(), name.quoted(), value), ("a\tb", r#""a\tb""#, r#"{"c": 1}"#));
//! }
//! ```

use super::{Elements, Members, Reader, Text};

/// The elements of the array that `text` is, in order, each as its exact text; `None` when it is no array.
///
/// `text` must have been validated: at a fault of the grammar the iteration ends early. Cost: one pass over
/// the text in all.
#[must_use]
pub fn elements_of(text: &str) -> Option<ElementTexts<'_>> {
    let mut reader = Reader::new(text);
    let elements = reader.array("").ok()?;
    Some(ElementTexts { reader, elements })
}

/// The members of the object that `text` is, in the order written, names (quoted or decoded, as the
/// caller likes) beside the exact texts of their values; `None` when it is no object.
///
/// Duplicate names all appear; where it matters the last one counts. Otherwise as [`elements_of`].
#[must_use]
pub fn members_of(text: &str) -> Option<MemberTexts<'_>> {
    let mut reader = Reader::new(text);
    let members = reader.object("").ok()?;
    Some(MemberTexts { reader, members })
}

/// What [`elements_of`] iterates with.
#[derive(Debug)]
pub struct ElementTexts<'a> {
    reader: Reader<'a>,
    elements: Elements,
}

impl<'a> Iterator for ElementTexts<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.elements.next(&mut self.reader).ok()? { self.reader.raw().ok() } else { None }
    }
}

/// What [`members_of`] iterates with.
#[derive(Debug)]
pub struct MemberTexts<'a> {
    reader: Reader<'a>,
    members: Members,
}

impl<'a> Iterator for MemberTexts<'a> {
    type Item = (Text<'a>, &'a str);

    fn next(&mut self) -> Option<(Text<'a>, &'a str)> {
        let name = self.members.next(&mut self.reader).ok()??;
        Some((name, self.reader.raw().ok()?))
    }
}
