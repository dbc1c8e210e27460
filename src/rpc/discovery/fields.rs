//! Arguments of discovery functions: one optional object, keyword arguments over it.

use serde_json::{Map, Value};

use crate::limits::{PAGE_ENTRIES_DEFAULT, PAGE_ENTRIES_MAX};
use crate::rpc::function::{Failure, Scope};

/// The members given, null ones left out.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

/// Which part of a listing is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) offset: usize,
    pub(super) limit: usize,
}

impl Page {
    /// The token of the page behind this one, which had `count` entries.
    pub(super) fn next_token(self, count: usize) -> String {
        format!("{}:{}", self.offset + count, self.limit)
    }
}

impl Fields {
    /// Reads the arguments of `fun`, checked JSON texts.
    pub(crate) fn read(fun: &str, args: &str, kwargs: &str) -> Result<Fields, Failure> {
        let args: Vec<Value> = serde_json::from_str(args)?;
        let count = args.len();
        let mut positional = args.into_iter();
        let mut members = match (positional.next(), positional.next()) {
            (None | Some(Value::Null), None) => Map::new(),
            (Some(Value::Object(members)), None) => members,
            (Some(_), None) => return Err(Failure::arguments(format!("{fun}() takes one object"))),
            _ => {
                return Err(Failure::arguments(format!(
                    "{fun}() takes at most 1 argument, {count} were given"
                )));
            }
        };
        members.extend(serde_json::from_str::<Map<String, Value>>(kwargs)?);
        members.retain(|_, value| !value.is_null());
        Ok(Fields(members))
    }

    /// Whatever was given.
    pub(super) fn any(&self, name: &str) -> Option<&Value> {
        self.0.get(name)
    }

    /// A text; numbers and truth values are taken as theirs.
    pub(super) fn text(&self, name: &'static str) -> Result<Option<String>, Failure> {
        match self.any(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.clone())),
            Some(Value::Array(_) | Value::Object(_)) => Err(wrong(name, "a string")),
            Some(other) => Ok(Some(other.to_string())),
        }
    }

    /// Several texts; one alone is taken for a list of it.
    pub(super) fn texts(&self, name: &'static str) -> Result<Vec<String>, Failure> {
        match self.any(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => Ok(vec![text.clone()]),
            Some(Value::Array(elements)) => {
                let text = |element: &Value| element.as_str().map(str::to_owned);
                let texts: Option<Vec<String>> = elements.iter().map(text).collect();
                texts.ok_or_else(|| wrong(name, "a list of strings"))
            }
            Some(_) => Err(wrong(name, "a list of strings")),
        }
    }

    /// A number of things, at least 1.
    pub(super) fn count(&self, name: &'static str) -> Result<Option<usize>, Failure> {
        let number = match self.any(name) {
            None => return Ok(None),
            Some(Value::String(text)) => text.trim().parse().ok(),
            Some(other) => other.as_u64(),
        };
        let count = number.and_then(|number| usize::try_from(number).ok()).filter(|&count| count > 0);
        count.map(Some).ok_or_else(|| wrong(name, "a whole number above 0"))
    }

    /// True or false.
    pub(super) fn flag(&self, name: &'static str) -> Result<Option<bool>, Failure> {
        self.any(name).map(|value| value.as_bool().ok_or_else(|| wrong(name, "true or false"))).transpose()
    }

    /// The scope asked for.
    pub(super) fn scope(&self) -> Result<Option<Scope>, Failure> {
        let Some(word) = self.text("scope")? else { return Ok(None) };
        Scope::read(&word).map(Some).ok_or_else(|| wrong("scope", "local, zone, region or global"))
    }

    /// The page asked for. A limit beside a token wins over the token's.
    pub(super) fn page(&self) -> Result<Page, Failure> {
        let token = self.text("page_token")?.filter(|token| !token.is_empty());
        let (offset, from_token) = match token {
            None => (0, None),
            Some(token) => {
                let parts = token
                    .split_once(':')
                    .and_then(|(offset, limit)| Some((offset.parse().ok()?, limit.parse::<usize>().ok()?)));
                let (offset, limit) = parts.ok_or_else(|| wrong("page_token", "<offset>:<limit>"))?;
                (offset, Some(limit))
            }
        };
        let limit = self.count("limit")?.or(from_token).unwrap_or(PAGE_ENTRIES_DEFAULT);
        Ok(Page { offset, limit: limit.clamp(1, PAGE_ENTRIES_MAX) })
    }
}

#[cold]
fn wrong(name: &str, wanted: &str) -> Failure {
    Failure::value(format!("{name} must be {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &str, kwargs: &str) -> Result<Fields, Failure> {
        Fields::read("f", args, kwargs)
    }

    #[test]
    fn an_object_keywords_both_or_nothing() {
        let both = read(r#"[{"scope": "local", "limit": 5}]"#, r#"{"limit": 7}"#).unwrap();
        assert_eq!(both.page().unwrap(), Page { offset: 0, limit: 7 });
        assert_eq!(both.scope().unwrap(), Some(Scope::Local));
        for empty in ["[]", "[null]", "[{}]", r#"[{"scope": null}]"#] {
            assert_eq!(read(empty, "{}").unwrap().scope().unwrap(), None);
        }
        assert!(read("[1]", "{}").is_err());
        assert!(read("[{}, {}]", "{}").is_err());
    }

    #[test]
    fn a_string_is_a_list_of_one() {
        let fields = read("[]", r#"{"tags": "a", "resources": ["b", "c"], "bad": [1], "n": 5}"#).unwrap();
        assert_eq!(fields.texts("tags").unwrap(), ["a"]);
        assert_eq!(fields.texts("resources").unwrap(), ["b", "c"]);
        assert!(fields.texts("bad").is_err() && fields.texts("n").is_err() && fields.text("bad").is_err());
        assert_eq!(fields.text("n").unwrap().as_deref(), Some("5"));
        assert!(fields.flag("n").is_err());
    }

    #[test]
    fn pages() {
        let page = |kwargs: &str| read("[]", kwargs).unwrap().page();
        assert_eq!(page("{}").unwrap(), Page { offset: 0, limit: 200 });
        assert_eq!(page(r#"{"page_token": "40:20"}"#).unwrap(), Page { offset: 40, limit: 20 });
        assert_eq!(
            page(r#"{"page_token": "40:20", "limit": 9999}"#).unwrap(),
            Page { offset: 40, limit: 2000 }
        );
        for bad in [r#"{"limit": 0}"#, r#"{"limit": -1}"#, r#"{"limit": 1.5}"#, r#"{"page_token": "x"}"#] {
            assert_eq!(page(bad).unwrap_err().code(), 1003, "{bad}");
        }
        assert_eq!(Page { offset: 40, limit: 20 }.next_token(20), "60:20");
    }

    #[test]
    fn unknown_scopes_are_errors() {
        assert!(read("[]", r#"{"scope": "moon"}"#).unwrap().scope().is_err());
    }
}
