//! `invalidate` and `query`: entries found by pattern or tag.

use std::borrow::Cow;

use super::KeyText;
use super::structure::Strings;
use crate::protocol::Error;
use crate::protocol::limits::{PATTERN_BYTES_MAX, TAGS_MAX};

/// What an invalidation removes.
#[derive(Debug, PartialEq)]
pub enum Invalidate<'a> {
    /// Everything whose text matches a glob (`*` and `#` any run, `?` one character). Tried against
    /// `ns:id:version`, `ns:id`, `ns.id` and `ns`. Not empty.
    Pattern(Cow<'a, str>),
    /// Everything that carries one of these tags.
    Tags(Strings<'a>),
}

/// Which keys a query lists.
#[derive(Debug, PartialEq)]
pub struct Query<'a> {
    /// Its namespace is searched; identifier and version (which may be missing) only come back in the reply.
    pub key: KeyText<'a>,
    /// A glob on the identifier, default `*`.
    pub pattern: Cow<'a, str>,
}

impl<'a> Invalidate<'a> {
    /// Either of the two ways to say what; not both.
    pub(super) fn new(
        pattern: Option<Cow<'a, str>>,
        tags: Option<Strings<'a>>,
    ) -> Result<Invalidate<'a>, Error> {
        match (pattern, tags) {
            (None, None) => Err(Error::Missing("pattern")),
            (Some(_), Some(_)) => {
                Err(Error::Range { path: "tags", wanted: "left out where there is a pattern" })
            }
            (None, Some(tags)) if tags.len() > TAGS_MAX => {
                Err(Error::TooLarge { what: "tags", size: tags.len(), size_max: TAGS_MAX })
            }
            (None, Some(tags)) => Ok(Invalidate::Tags(tags)),
            (Some(pattern), None) if pattern.is_empty() => {
                Err(Error::Range { path: "pattern", wanted: "a pattern of at least one character" })
            }
            (Some(pattern), None) => Ok(Invalidate::Pattern(pattern)),
        }
    }

    /// Whether this could clear the whole cache: a pattern of nothing but wildcards and separators. The operator
    /// must have allowed that.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let Invalidate::Pattern(pattern) = self else { return false };
        pattern.bytes().all(|byte| b"*#?:.".contains(&byte))
    }
}

/// Refuses a glob longer than any key.
pub(super) fn check_pattern<'a>(pattern: Cow<'a, str>, what: &'static str) -> Result<Cow<'a, str>, Error> {
    if pattern.len() > PATTERN_BYTES_MAX {
        return Err(Error::TooLarge { what, size: pattern.len(), size_max: PATTERN_BYTES_MAX });
    }
    Ok(pattern)
}
