//! Types as `rpc_describe` tells them: by the JSON a value has.

use serde::{Deserialize, Serialize};

/// The type of a parameter or a result. Serialises to the protocol's `TypeSpec`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeSpec {
    /// What people read: `integer`, `array[string]`, the name of a Rust type.
    pub display: String,
    /// Displays of what it is made of.
    #[serde(default)]
    pub args: Vec<String>,
    /// May be null, or left out.
    #[serde(default)]
    pub is_optional: bool,
    /// Module of a type with a name of its own.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub module: Option<String>,
    /// Name of such a type.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub qualname: Option<String>,
    /// `array` or `object` where `args` says of what.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<String>,
}

impl TypeSpec {
    /// A type that is known by its name alone.
    #[must_use]
    pub fn named(display: impl Into<String>) -> TypeSpec {
        TypeSpec {
            display: display.into(),
            args: Vec::new(),
            is_optional: false,
            module: None,
            qualname: None,
            origin: None,
        }
    }

    /// The JSON type that the Rust type `T` has in serde's usual form.
    #[must_use]
    pub fn of<T: ?Sized>() -> TypeSpec {
        TypeSpec::read(std::any::type_name::<T>())
    }

    /// Reads the name of a Rust type. What a compiler writes there is not promised to stay; an unknown form shows
    /// as it is, so at worst a description is less pretty.
    fn read(name: &str) -> TypeSpec {
        let name = name.trim().trim_start_matches('&').trim_start_matches("mut ");
        if let Some(inner) = name.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
            return if inner.is_empty() { TypeSpec::named("null") } else { TypeSpec::array(split(inner)) };
        }
        if let Some(inner) = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            return TypeSpec::array(vec![inner.split(';').next().unwrap_or(inner)]);
        }
        let (path, parameters) = match name.split_once('<').map(|(path, rest)| (path, rest.strip_suffix('>')))
        {
            Some((path, Some(inner))) => (path, split(inner)),
            _ => (name, Vec::new()),
        };
        let (module, own) = path.rsplit_once("::").unwrap_or(("", path));
        match own {
            "i8" | "i16" | "i32" | "i64" | "isize" | "u8" | "u16" | "u32" | "u64" | "usize" => {
                TypeSpec::named("integer")
            }
            "f32" | "f64" => TypeSpec::named("number"),
            "bool" => TypeSpec::named("boolean"),
            "String" | "str" | "char" | "Cow" => TypeSpec::named("string"),
            "Value" if module.starts_with("serde_json") => TypeSpec::named("any"),
            "Option" => parameters.first().map_or_else(
                || TypeSpec::named("any"),
                |inner| TypeSpec { is_optional: true, ..TypeSpec::read(inner) },
            ),
            "Box" | "Arc" | "Rc" => {
                parameters.first().map_or_else(|| TypeSpec::named("any"), |inner| TypeSpec::read(inner))
            }
            "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => {
                TypeSpec::array(parameters.into_iter().take(1).collect())
            }
            "HashMap" | "BTreeMap" => {
                TypeSpec::made_of("object", parameters.into_iter().skip(1).take(1).collect())
            }
            _ => TypeSpec {
                module: (!module.is_empty()).then(|| module.to_owned()),
                qualname: Some(own.to_owned()),
                ..TypeSpec::named(own)
            },
        }
    }

    fn array(elements: Vec<&str>) -> TypeSpec {
        TypeSpec::made_of("array", elements)
    }

    fn made_of(origin: &str, parts: Vec<&str>) -> TypeSpec {
        let args: Vec<String> = parts.into_iter().map(|part| TypeSpec::read(part).display).collect();
        let display = format!("{origin}[{}]", args.join(", "));
        TypeSpec { args, origin: Some(origin.to_owned()), ..TypeSpec::named(display) }
    }
}

/// Splits at the commas outside of brackets.
fn split(parameters: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0);
    for (at, byte) in parameters.bytes().enumerate() {
        match byte {
            b'<' | b'(' | b'[' => depth += 1,
            b'>' | b')' | b']' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => {
                parts.push(&parameters[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&parameters[start..]);
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, HashMap};

    fn display<T: ?Sized>() -> String {
        TypeSpec::of::<T>().display
    }

    #[test]
    fn rust_types_have_json_names() {
        assert_eq!(display::<i64>(), "integer");
        assert_eq!(display::<f32>(), "number");
        assert_eq!(display::<String>(), "string");
        assert_eq!(display::<&'static str>(), "string");
        assert_eq!(display::<bool>(), "boolean");
        assert_eq!(display::<()>(), "null");
        assert_eq!(display::<serde_json::Value>(), "any");
        assert_eq!(display::<Vec<Option<String>>>(), "array[string]");
        assert_eq!(display::<(i64, Vec<f64>)>(), "array[integer, array[number]]");
        assert_eq!(display::<[u8; 4]>(), "array[integer]");
        assert_eq!(display::<HashMap<String, Vec<i64>>>(), "object[array[integer]]");
        assert_eq!(display::<BTreeMap<String, serde_json::Value>>(), "object[any]");
        assert_eq!(display::<Box<i64>>(), "integer");
    }

    #[test]
    fn options_and_types_of_ones_own() {
        struct Order;
        let optional = TypeSpec::of::<Option<Vec<i64>>>();
        assert!(optional.is_optional);
        assert_eq!(
            (optional.display.as_str(), optional.args),
            ("array[integer]", vec!["integer".to_owned()])
        );
        let own = TypeSpec::of::<Order>();
        assert_eq!((own.display.as_str(), own.qualname.as_deref()), ("Order", Some("Order")));
        assert!(own.module.is_some_and(|module| module.contains("types")));
    }
}
