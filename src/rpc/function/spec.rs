//! A declaration in the protocol's shapes `RpcSummary` and `RpcSpec`, made once when a function is registered.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::declaration::{Declaration, Parameter};
use super::types::TypeSpec;
use crate::rpc::version::Version;

/// The version of these shapes.
const SPEC_VERSION: &str = "1";

/// The shapes of one function as JSON text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shapes {
    /// `{name, function_id, version}`.
    pub(crate) identity: String,
    /// `RpcSummary`.
    pub(crate) summary: String,
    /// `RpcSpec`.
    pub(crate) spec: String,
    /// SHA-256 of the spec without its digest, as compact JSON with sorted keys.
    pub(crate) digest: String,
    /// First line of the documentation, or the name in words.
    pub(crate) headline: String,
}

impl Shapes {
    pub(crate) fn of(declaration: &Declaration, version: Version, scope: &str) -> Shapes {
        let identity = json!({
            "name": declaration.name,
            "function_id": declaration.id(),
            "version": version.to_string(),
        });
        let namespace = declaration.resolved_namespace();
        let (headline, description) = documentation(declaration);
        let returns = declaration.returns.as_ref().map_or_else(|| TypeSpec::named("any"), |of| of.spec());
        let spec = json!({
            "identity": identity,
            "namespace": namespace,
            "doc": {
                "summary": headline,
                "description": description,
                "param_docs": param_docs(&declaration.parameters),
                "return_doc": declaration.returns_doc,
            },
            "parameters": declaration.parameters.iter().map(parameter).collect::<Vec<_>>(),
            "return_spec": {"type_spec": returns, "doc": declaration.returns_doc},
            "resources": declaration.resources,
            "tags": declaration.tags,
            "scope": scope,
            "capabilities": declaration.capabilities,
            "examples": declaration.examples,
            "spec_version": SPEC_VERSION,
        });
        // Maps of `Value` are sorted, and its text is compact: what is digested is canonical.
        let digest = hex(&Sha256::digest(spec.to_string()));
        let required = declaration.parameters.iter().filter(|parameter| is_required(parameter)).count();
        let summary = json!({
            "identity": identity,
            "namespace": namespace,
            "summary": headline,
            "parameter_count": declaration.parameters.len(),
            "required_parameter_count": required,
            "return_type": returns,
            "spec_version": SPEC_VERSION,
            "spec_digest": digest,
        });
        let Value::Object(mut spec) = spec else { unreachable!("made as an object above") };
        spec.insert("spec_digest".to_owned(), digest.clone().into());
        Shapes {
            identity: identity.to_string(),
            summary: summary.to_string(),
            spec: Value::Object(spec).to_string(),
            digest,
            headline,
        }
    }
}

/// Summary and description.
fn documentation(declaration: &Declaration) -> (String, String) {
    let doc = declaration.doc.trim();
    let (first, rest) = doc.split_once('\n').unwrap_or((doc, ""));
    let headline =
        if first.is_empty() { declaration.name.replace('_', " ") } else { first.trim().to_owned() };
    (headline, rest.trim().to_owned())
}

fn param_docs(parameters: &[Parameter]) -> Vec<Value> {
    let documented = parameters.iter().filter(|parameter| !parameter.doc.is_empty());
    documented.map(|parameter| json!({"name": parameter.name, "description": parameter.doc})).collect()
}

fn is_required(parameter: &Parameter) -> bool {
    parameter.required.unwrap_or(parameter.default.is_none())
}

fn parameter(parameter: &Parameter) -> Value {
    let mut default = Map::new();
    default.insert("has_default".to_owned(), parameter.default.is_some().into());
    let encoding = if parameter.default.is_some() { "json" } else { "none" };
    default.insert("encoding".to_owned(), encoding.into());
    if let Some(value) = &parameter.default {
        default.insert("json_value".to_owned(), value.clone());
    }
    let of = parameter.of.as_ref().map_or_else(|| TypeSpec::named("any"), |of| of.spec());
    json!({
        "name": parameter.name,
        "kind": parameter.kind,
        "type_spec": of,
        "required": is_required(parameter),
        "default": default,
        "doc": parameter.doc,
    })
}

/// Lower-case hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |nibble: u8| char::from(DIGITS[usize::from(nibble & 15)]);
    bytes.iter().flat_map(|&byte| [digit(byte >> 4), digit(byte)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shapes(value: Value) -> Shapes {
        let declaration: Declaration = serde_json::from_value(value).unwrap();
        Shapes::of(&declaration, declaration.parsed_version().unwrap(), "zone")
    }

    #[test]
    fn every_member_of_the_spec_is_there() {
        let shapes = shapes(json!({
            "name": "math.add", "version": "v2", "doc": "Adds two numbers.\n\nNo overflow.",
            "parameters": [{"name": "a", "type": "integer", "doc": "left"}, {"name": "b", "default": 1}],
            "returns": "integer", "returns_doc": "the sum", "tags": ["math"],
            "examples": [{"name": "small", "request": {"args": [1, 2]}, "response": 3}],
        }));
        let mut spec: Value = serde_json::from_str(&shapes.spec).unwrap();
        assert_eq!(
            spec["identity"],
            json!({"name": "math.add", "function_id": "math.add", "version": "2.0.0"})
        );
        assert_eq!(spec["namespace"], "math");
        assert_eq!(
            spec["doc"],
            json!({"summary": "Adds two numbers.", "description": "No overflow.",
            "param_docs": [{"name": "a", "description": "left"}], "return_doc": "the sum"})
        );
        assert_eq!(
            spec["parameters"][0],
            json!({"name": "a", "kind": "positional_or_keyword",
            "type_spec": {"display": "integer", "args": [], "is_optional": false}, "required": true,
            "default": {"has_default": false, "encoding": "none"}, "doc": "left"})
        );
        assert_eq!(
            spec["parameters"][1]["default"],
            json!({"has_default": true, "encoding": "json", "json_value": 1})
        );
        assert_eq!(spec["parameters"][1]["required"], false);
        assert_eq!(spec["return_spec"]["type_spec"]["display"], "integer");
        assert_eq!(
            spec["examples"][0],
            json!({"name": "small", "description": "", "request": {"args": [1, 2]}, "response": 3})
        );
        for member in ["resources", "tags", "scope", "capabilities", "spec_version"] {
            assert!(!spec[member].is_null(), "{member}");
        }
        let told = spec.as_object_mut().unwrap().remove("spec_digest").unwrap();
        assert_eq!(told, hex(&Sha256::digest(spec.to_string())));
        assert_eq!(told, shapes.digest);
    }

    #[test]
    fn the_summary() {
        let shapes = shapes(json!({"name": "warm_up", "parameters": [{"name": "a", "required": false}]}));
        assert_eq!(shapes.headline, "warm up");
        let summary: Value = serde_json::from_str(&shapes.summary).unwrap();
        assert_eq!(
            summary,
            json!({
            "identity": {"name": "warm_up", "function_id": "warm_up", "version": "1.0.0"},
            "namespace": "", "summary": "warm up", "parameter_count": 1, "required_parameter_count": 0,
            "return_type": {"display": "any", "args": [], "is_optional": false},
            "spec_version": "1", "spec_digest": shapes.digest})
        );
    }

    #[test]
    fn equal_declarations_have_equal_digests() {
        let one = shapes(json!({"name": "f", "doc": "x"}));
        assert_eq!(one.digest, shapes(json!({"doc": "x", "name": "f"})).digest);
        assert_ne!(one.digest, shapes(json!({"name": "f", "doc": "y"})).digest);
        assert_eq!(hex(&[0x0f, 0xa0]), "0fa0");
    }
}
