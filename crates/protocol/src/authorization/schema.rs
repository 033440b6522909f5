//! The JSON schemas of texts in a profile that mean more than a text.
//!
//! A schema helps an editor; what is valid is said by `latchkey-policy`, which refuses more.

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Value, json};

use super::QueryParameters;
use crate::flag::Flag;

/// A mode, in any letter case.
pub fn mode(_: &mut SchemaGenerator) -> Schema {
    words(&["Disabled", "Audit", "Enforce"], &[])
}

/// The mode of an assignment, in any letter case.
pub(super) fn assignment_mode(_: &mut SchemaGenerator) -> Schema {
    words(&["Audit", "Enforce"], &[json!({"type": "null"})])
}

/// A default access, in any letter case.
pub fn access(_: &mut SchemaGenerator) -> Schema {
    words(&["Allow", "Deny"], &[])
}

/// A default access that may be left out.
pub fn optional_access(_: &mut SchemaGenerator) -> Schema {
    words(&["Allow", "Deny"], &[json!({"type": "null"})])
}

/// A moment that may be left out.
pub fn moment(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["string", "null"],
        "format": "date-time",
        "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}"
    })
}

/// A name that others refer to.
pub(super) fn name(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": r"\S"})
}

/// A path of an endpoint, without a query.
pub(super) fn path(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^/[!-<>@-~]*$"})
}

/// Methods of HTTP.
pub(super) fn methods(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["array", "null"],
        "minItems": 1,
        "uniqueItems": true,
        "items": {"anyOf": [
            {"enum": ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]},
            {"type": "string", "pattern": "^[!#$%&'*+.^_`|~0-9A-Z-]+$"}
        ]}
    })
}

/// How a path is compared.
pub(super) fn path_match(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": ["segments", "exact", null]})
}

/// What selects by a text.
pub(super) fn selector(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "pattern": r"\S"})
}

/// The absolute path of a file or cgroup.
pub(super) fn absolute(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "pattern": "^/+[^/]"})
}

/// Digests of files.
pub(super) fn digests(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": ["array", "null"],
        "minItems": 1,
        "items": {"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"}
    })
}

/// What a caller must not be.
pub(super) fn flags(_: &mut SchemaGenerator) -> Schema {
    let words = Flag::ALL.map(Flag::as_str);
    json_schema!({"type": ["array", "null"], "minItems": 1, "items": {"enum": words}})
}

/// What a caller is; an empty list says that it is none of them.
pub fn set_flags(_: &mut SchemaGenerator) -> Schema {
    let words = Flag::ALL.map(Flag::as_str);
    json_schema!({"type": ["array", "null"], "items": {"enum": words}})
}

/// The words as they are written, which editors offer, and in any other letter case.
fn words(words: &[&str], others: &[Value]) -> Schema {
    let patterns: Vec<String> = words.iter().map(|word| any_case(word)).collect();
    let mut ways = vec![
        json!({"enum": words}),
        json!({"type": "string", "pattern": format!("^({})$", patterns.join("|"))}),
    ];
    ways.extend_from_slice(others);
    json_schema!({"anyOf": ways})
}

fn any_case(word: &str) -> String {
    let letters = word.chars();
    letters
        .map(|letter| {
            let (upper, lower) = (letter.to_ascii_uppercase(), letter.to_ascii_lowercase());
            format!("[{upper}{lower}]")
        })
        .collect()
}

impl JsonSchema for QueryParameters {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "QueryParameters".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "propertyNames": {"minLength": 1},
            "additionalProperties": {"type": "string"}
        })
    }
}
