//! `metadata` of a put: time to live, dependencies, cost, and how they become extras.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text, write};
use mpreg_storage::record::extras::{self, Extras};
use mpreg_storage::record::key::DEFAULT_VERSION;

use super::key::{DEPENDENCY, KeyText};
use crate::protocol::Error;
use crate::protocol::fields::Fields;
use crate::protocol::limits::TTL_SECONDS_MAX;

/// A time to live.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ttl {
    /// Microseconds, above 0.
    pub micros: u64,
    /// Written as `300.0` rather than `300`; replies follow.
    pub is_float: bool,
}

/// The metadata of a put. `Default` is what a put without it gets.
#[derive(Debug, Clone, PartialEq)]
pub struct Metadata<'a> {
    /// What computing the value cost, in milliseconds; default 0.
    pub computation_cost_ms: f64,
    /// The client's own measure; default 1.
    pub quality_score: f64,
    /// `None`: no expiry, or the server's default.
    pub ttl: Option<Ttl>,
    /// JSON array of keys, each `"namespace:identifier[:version]"` or a key object; checked.
    pub dependencies: Option<&'a str>,
    /// JSON object.
    pub access_patterns: Option<&'a str>,
    /// JSON array.
    pub geographic_hints: Option<&'a str>,
    /// JSON string with its quotes; any policy is accepted.
    pub replication_policy: Option<&'a str>,
}

impl Default for Metadata<'_> {
    fn default() -> Self {
        Metadata {
            computation_cost_ms: 0.0,
            quality_score: 1.0,
            ttl: None,
            dependencies: None,
            access_patterns: None,
            geographic_hints: None,
            replication_policy: None,
        }
    }
}

impl<'a> Metadata<'a> {
    /// Reads the metadata object at which `reader` stands into `self`, which holds the defaults.
    pub(super) fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        let mut fields = Fields::open(reader, "metadata")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "ttl_seconds" => self.ttl = read_ttl(&mut fields)?,
                "computation_cost_ms" => {
                    let number = fields.number(1, "metadata.computation_cost_ms")?;
                    self.computation_cost_ms = number.map_or(0.0, |number| number.to_f64());
                }
                "quality_score" => {
                    let number = fields.number(2, "metadata.quality_score")?;
                    self.quality_score = number.map_or(1.0, |number| number.to_f64());
                }
                "dependencies" => self.dependencies = read_dependencies(&mut fields)?,
                "access_patterns" => {
                    let object = fields.raw_object(4, "metadata.access_patterns")?;
                    self.access_patterns = object.filter(|text| *text != "{}");
                }
                "geographic_hints" => {
                    self.geographic_hints = fields.raw_array(5, "metadata.geographic_hints")?;
                }
                "replication_policy" => {
                    let policy = fields.string(6, "metadata.replication_policy")?;
                    let policy = policy.map(Text::quoted);
                    self.replication_policy = policy.filter(|text| *text != "\"geographic\"");
                }
                // The server knows both better: who wrote the entry, and how large it is.
                "created_by" => drop(fields.string(7, "metadata.created_by")?),
                "size_estimate_bytes" => drop(fields.number(8, "metadata.size_estimate_bytes")?),
                _ => fields.pass()?,
            }
        }
        Ok(())
    }

    /// Appends the extras of an entry with this metadata and these `tags` to `out`; nothing when
    /// everything has its default. Cost: no allocation unless there are dependencies.
    pub(super) fn encode_into(&self, tags: Option<&str>, out: &mut Vec<u8>) -> Result<(), Error> {
        let mut names = Vec::new();
        if let Some(array) = self.dependencies {
            write_dependencies(array, &mut names)?;
        }
        let defaults = Extras::default();
        let names = std::str::from_utf8(&names).expect("dependency names are written from strings");
        let extras = Extras {
            computation_cost_ms: self.computation_cost_ms,
            quality_score: self.quality_score,
            ttl_is_float: self.ttl.is_some_and(|ttl| ttl.is_float),
            tags: tags.unwrap_or(defaults.tags),
            dependencies: if names.is_empty() { defaults.dependencies } else { names },
            access_patterns: self.access_patterns,
            geographic_hints: self.geographic_hints,
            replication_policy: self.replication_policy,
        };
        extras.encode_into(out).map_err(|error: extras::Error| error.into())
    }
}

fn read_ttl(fields: &mut Fields<'_, '_>) -> Result<Option<Ttl>, Error> {
    const PATH: &str = "metadata.ttl_seconds";
    let Some(number) = fields.number(0, PATH)? else { return Ok(None) };
    let seconds = number.to_f64();
    if seconds <= 0.0 {
        return Err(Error::Range { path: PATH, wanted: "greater than 0" });
    }
    if seconds > TTL_SECONDS_MAX {
        return Err(Error::Range { path: PATH, wanted: "at most 1e11" });
    }
    // The nearest microsecond; a shorter life than one is rounded up, it must not become "for ever".
    let micros = ((seconds * 1e6).round() as u64).max(1);
    Ok(Some(Ttl { micros, is_float: !number.is_integer() }))
}

/// Checks the dependencies and returns them as the request wrote them; an empty list is `None`.
fn read_dependencies<'a>(fields: &mut Fields<'_, 'a>) -> Result<Option<&'a str>, Error> {
    let Some(reader) = fields.enter(3, DEPENDENCIES)? else { return Ok(None) };
    let mut ahead = reader.clone();
    let mut any = false;
    for_each_dependency(&mut ahead, |_| any = true)?;
    let text = reader.raw()?;
    Ok(any.then_some(text))
}

const DEPENDENCIES: &str = "metadata.dependencies";

/// Walks an array of dependencies in either form.
fn for_each_dependency<'a>(
    reader: &mut Reader<'a>,
    mut each: impl FnMut(Dependency<'_>),
) -> Result<(), Error> {
    let mut elements = reader.array(DEPENDENCIES)?;
    while elements.next(reader)? {
        let mut ahead = reader.clone();
        if ahead.object("").is_ok() {
            let key: KeyText<'a> = KeyText::read(reader, &DEPENDENCY)?;
            let named = !key.namespace.is_empty() && !key.identifier.is_empty();
            let wanted = "keys with a namespace and an identifier";
            if !named {
                return Err(Error::Range { path: DEPENDENCIES, wanted });
            }
            each(Dependency { namespace: key.namespace, identifier: key.identifier, version: key.version });
        } else {
            let text = reader.string(DEPENDENCIES)?.decode();
            let wanted = "\"namespace:identifier\" or \"namespace:identifier:version\"";
            each(Dependency::parse(&text).ok_or(Error::Range { path: DEPENDENCIES, wanted })?);
        }
    }
    Ok(())
}

/// Appends the dependencies as a JSON array of `namespace:identifier:version` strings.
fn write_dependencies(array: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'[');
    let mut first = true;
    for_each_dependency(&mut Reader::new(array), |dependency| {
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        out.push(b'"');
        write::escaped(out, &dependency.namespace);
        out.push(b':');
        write::escaped(out, &dependency.identifier);
        out.push(b':');
        write::escaped(out, &dependency.version);
        out.push(b'"');
    })?;
    out.push(b']');
    Ok(())
}

/// A key that another entry depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency<'a> {
    /// Namespace, never empty.
    pub namespace: Cow<'a, str>,
    /// Identifier, never empty; may hold colons.
    pub identifier: Cow<'a, str>,
    /// Version, `v1.0.0` when none is named.
    pub version: Cow<'a, str>,
}

impl<'a> Dependency<'a> {
    /// Splits `namespace:identifier[:version]`: the namespace ends at the first colon, the version is
    /// the last part if it looks like one (`v` and a digit) and something stands between.
    #[must_use]
    pub fn parse(text: &'a str) -> Option<Dependency<'a>> {
        let (namespace, rest) = text.split_once(':')?;
        let versioned = rest.rsplit_once(':').filter(|(_, version)| {
            let mut letters = version.bytes();
            letters.next() == Some(b'v') && letters.next().is_some_and(|byte| byte.is_ascii_digit())
        });
        let (identifier, version) = versioned.unwrap_or((rest, DEFAULT_VERSION));
        let named = !namespace.is_empty() && !identifier.is_empty();
        named.then_some(Dependency {
            namespace: Cow::Borrowed(namespace),
            identifier: Cow::Borrowed(identifier),
            version: Cow::Borrowed(version),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> Option<(String, String, String)> {
        let Dependency { namespace, identifier, version } = Dependency::parse(text)?;
        Some((namespace.into_owned(), identifier.into_owned(), version.into_owned()))
    }

    #[test]
    fn dependency_text_splits_at_the_right_colons() {
        let cases = [
            ("input:xyz789", ("input", "xyz789", "v1.0.0")),
            ("a:b:v2", ("a", "b", "v2")),
            ("a:b:c:v2.1.0", ("a", "b:c", "v2.1.0")),
            ("a:b:c", ("a", "b:c", "v1.0.0")),
            ("a:v2", ("a", "v2", "v1.0.0")),
            ("a:b:vx", ("a", "b:vx", "v1.0.0")),
        ];
        for (text, (namespace, identifier, version)) in cases {
            assert_eq!(parts(text), Some((namespace.into(), identifier.into(), version.into())), "{text}");
        }
        for text in ["", "a", ":b", "a:", "a::v2"] {
            assert_eq!(parts(text), None, "{text}");
        }
    }
}
