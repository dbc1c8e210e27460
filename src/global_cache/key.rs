//! Keys, and identifiers that follow from data.

use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use mpreg_storage::record::key::DEFAULT_VERSION;

/// Which entry is meant. Tags describe it and are no part of what it is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GlobalCacheKey {
    /// At most 128 bytes, not empty.
    pub namespace: String,
    /// Not empty.
    pub identifier: String,
    /// `v1.0.0` unless said otherwise.
    pub version: String,
    /// What the entry can be invalidated by.
    pub tags: Vec<String>,
}

impl GlobalCacheKey {
    /// The entry of this name.
    #[must_use]
    pub fn new(namespace: &str, identifier: &str) -> GlobalCacheKey {
        GlobalCacheKey {
            namespace: namespace.to_owned(),
            identifier: identifier.to_owned(),
            version: DEFAULT_VERSION.to_owned(),
            tags: Vec::new(),
        }
    }

    /// The entry of this data: its identifier is the first 32 hexadecimal digits of SHA-256 over the data's canonical
    /// JSON (compact, members sorted by name), so equal data have equal keys in every process and every language.
    ///
    /// # Errors
    /// The data cannot be written as JSON.
    ///
    /// ```
    /// use mpreg::GlobalCacheKey;
    /// use serde_json::json;
    ///
    /// let key = GlobalCacheKey::from_data("ns", &json!({"b": [1, null], "a": "ü"}))?;
    /// assert_eq!(key.identifier, "5ddd266d13a5e8cdcca4c2007bb2032c");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    pub fn from_data<T: Serialize + ?Sized>(
        namespace: &str,
        data: &T,
    ) -> Result<GlobalCacheKey, serde_json::Error> {
        let mut text = String::new();
        write_canonical(&serde_json::to_value(data)?, &mut text);
        let digest = Sha256::digest(text.as_bytes());
        let identifier: String = digest[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Ok(GlobalCacheKey::new(namespace, &identifier))
    }

    /// The same with another version.
    #[must_use]
    pub fn version(self, version: &str) -> GlobalCacheKey {
        GlobalCacheKey { version: version.to_owned(), ..self }
    }

    /// The same with tags.
    #[must_use]
    pub fn tags<T: Into<String>>(self, tags: impl IntoIterator<Item = T>) -> GlobalCacheKey {
        GlobalCacheKey { tags: tags.into_iter().map(Into::into).collect(), ..self }
    }

    pub(super) fn to_json(&self) -> Value {
        let GlobalCacheKey { namespace, identifier, version, tags } = self;
        json!({"namespace": namespace, "identifier": identifier, "version": version, "tags": tags})
    }
}

fn write_canonical(value: &Value, out: &mut String) {
    let quoted = |text: &str| Value::from(text).to_string();
    match value {
        Value::Array(elements) => {
            out.push('[');
            for (at, element) in elements.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_canonical(element, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| *name);
            out.push('{');
            for (at, (name, member)) in members.into_iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                out.push_str(&quoted(name));
                out.push(':');
                write_canonical(member, out);
            }
            out.push('}');
        }
        Value::Number(number) if number.is_f64() => out.push_str(&float(number.as_f64().unwrap_or(0.0))),
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The shortest text that reads back as the number, spelled as Python spells it: clients there compute keys as well.
fn float(number: f64) -> String {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        return format!("{number:?}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_data_have_equal_keys_and_others_have_others() {
        let key = |data: Value| GlobalCacheKey::from_data("n", &data).unwrap().identifier;
        assert_eq!(key(json!({"a": 1, "b": {"d": 1, "c": 2}})), key(json!({"b": {"c": 2, "d": 1}, "a": 1})));
        let different = [json!(1), json!(1.0), json!("1"), json!([1]), json!({"a": 1}), json!(null)];
        let keys: std::collections::HashSet<String> = different.into_iter().map(key).collect();
        assert_eq!(keys.len(), 6);
    }

    #[test]
    fn the_text_is_the_one_other_languages_hash() {
        let mut text = String::new();
        let data = json!({"\u{1}\"é": [1.5, -2, true], "B": 1, "a": {"z": [], "y": {}}});
        write_canonical(&data, &mut text);
        assert_eq!(text, "{\"\\u0001\\\"é\":[1.5,-2,true],\"B\":1,\"a\":{\"y\":{},\"z\":[]}}");
        for (number, expected) in [
            (1.0, "1.0"),
            (0.1, "0.1"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (1.5e300, "1.5e+300"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (-2.5e-7, "-2.5e-07"),
            (-0.0, "-0.0"),
        ] {
            assert_eq!(float(number), expected);
        }
    }
}
