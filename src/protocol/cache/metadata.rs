//! `metadata` of a put: time to live, dependencies, cost, and how they become extras.

use std::borrow::Cow;

use mpreg_storage::json::{Reader, Text, write};
use mpreg_storage::record::extras::{self, Extras};
use mpreg_storage::record::key::DEFAULT_VERSION;

use super::key::{DEPENDENCY, read_references};
use super::numbers::{read_span, read_ttl};
use crate::protocol::Error;
use crate::protocol::fields::Fields;

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
    /// How long after its expiry the value may still be read while somebody computes it anew, in microseconds.
    pub stale_while_revalidate_us: u64,
    /// How long after its expiry the value may still be read because it could not be computed anew, in microseconds.
    pub stale_if_error_us: u64,
    /// There is no such thing, and that is what is remembered; the put has no value.
    pub negative: bool,
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
            stale_while_revalidate_us: 0,
            stale_if_error_us: 0,
            negative: false,
        }
    }
}

impl<'a> Metadata<'a> {
    /// Reads the metadata object at which `reader` stands into `self`, which holds the defaults.
    pub(super) fn read(&mut self, reader: &mut Reader<'a>) -> Result<(), Error> {
        let mut fields = Fields::open(reader, "metadata")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "ttl_seconds" => self.ttl = read_ttl(&mut fields, 0, "metadata.ttl_seconds")?,
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
                "stale_while_revalidate_seconds" => {
                    const PATH: &str = "metadata.stale_while_revalidate_seconds";
                    self.stale_while_revalidate_us = read_span(&mut fields, 9, PATH)?.unwrap_or(0);
                }
                "stale_if_error_seconds" => {
                    const PATH: &str = "metadata.stale_if_error_seconds";
                    self.stale_if_error_us = read_span(&mut fields, 10, PATH)?.unwrap_or(0);
                }
                "negative" => self.negative = fields.boolean(11, "metadata.negative")?.unwrap_or(false),
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
    pub(crate) fn encode_into(&self, tags: Option<&str>, out: &mut Vec<u8>) -> Result<(), Error> {
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
            ..defaults
        };
        extras.encode_into(out).map_err(|error: extras::Error| error.into())
    }
}

/// Checks the dependencies and returns them as the request wrote them; an empty list is `None`.
fn read_dependencies<'a>(fields: &mut Fields<'_, 'a>) -> Result<Option<&'a str>, Error> {
    let Some(reader) = fields.enter(3, "metadata.dependencies")? else { return Ok(None) };
    let mut any = false;
    read_references(&mut reader.clone(), &DEPENDENCY, |_| {
        any = true;
        Ok(())
    })?;
    let text = reader.raw()?;
    Ok(any.then_some(text))
}

/// Appends the dependencies as a JSON array of `namespace:identifier:version` strings.
fn write_dependencies(array: &str, out: &mut Vec<u8>) -> Result<(), Error> {
    out.push(b'[');
    let mut first = true;
    read_references(&mut Reader::new(array), &DEPENDENCY, |dependency| {
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
        Ok(())
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

    /// The same, borrowing nothing.
    pub(super) fn into_owned(self) -> Dependency<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Dependency {
            namespace: owned(self.namespace),
            identifier: owned(self.identifier),
            version: owned(self.version),
        }
    }
}

/// `ttl_config` of a put: how its time to live is counted. Its `ttl_seconds`, if it has one, takes the place of that
/// of the metadata.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TtlConfig {
    /// `ttl_seconds`.
    pub(super) ttl: Option<Ttl>,
    /// Every read makes it start anew; default false.
    pub refresh_on_access: bool,
    /// The put's time to live is spread by up to so many percent, in both directions; 0 to 100, default 0.
    pub jitter_percent: f64,
}

impl TtlConfig {
    /// Reads the object at which `reader` stands.
    #[cold]
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<TtlConfig, Error> {
        let mut config = TtlConfig { ttl: None, refresh_on_access: false, jitter_percent: 0.0 };
        let mut fields = Fields::open(reader, "ttl_config")?;
        while let Some(name) = fields.next()? {
            match &*name {
                "ttl_seconds" => config.ttl = read_ttl(&mut fields, 0, "ttl_config.ttl_seconds")?,
                "refresh_on_access" => {
                    let refresh = fields.boolean(1, "ttl_config.refresh_on_access")?;
                    config.refresh_on_access = refresh.unwrap_or(false);
                }
                "ttl_jitter_percent" => {
                    const PATH: &str = "ttl_config.ttl_jitter_percent";
                    let percent = fields.number(2, PATH)?.map_or(0.0, |number| number.to_f64());
                    if !(0.0..=100.0).contains(&percent) {
                        return Err(Error::Range { path: PATH, wanted: "from 0 to 100" });
                    }
                    config.jitter_percent = percent;
                }
                _ => fields.pass()?,
            }
        }
        Ok(config)
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
