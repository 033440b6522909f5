//! The JSON schemas of callers and request lines, as far as their types alone do not tell them.

use std::borrow::Cow;

use schemars::generate::SchemaGenerator;
use schemars::{JsonSchema, Schema, json_schema};
use serde_json::{Value, json};

use super::claims::{CallerClaims, FIELDS};

/// A caller in a document of its own, in which an unknown field is a mistake.
#[derive(Debug)]
pub struct CallerDocument;

impl JsonSchema for CallerDocument {
    fn schema_name() -> Cow<'static, str> {
        "CallerDocument".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mut schema = CallerClaims::json_schema(generator);
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            for ignored in FIELDS {
                properties.entry(ignored).or_insert_with(
                    || json!({"description": "Of the deployed agent's claims; ignored."}),
                );
            }
        }
        schema.insert("additionalProperties".to_owned(), false.into());
        schema
    }
}

/// The name of an endpoint.
pub fn endpoint(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"enum": ["imds", "wireserver", "hostga"]})
}

/// Bytes as pairs of hexadecimal digits, which may be left out.
pub fn digits(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": ["string", "null"], "pattern": "^([0-9A-Fa-f]{2})*$"})
}

/// Lets three fields of a request line have their other names instead.
pub(super) fn other_names(schema: &mut Schema) {
    let mut choices = Vec::new();
    for (name, other) in [
        ("endpoint", "destination"),
        ("target", "url"),
        ("caller", "claims"),
    ] {
        if let Some(Value::Object(properties)) = schema.get_mut("properties") {
            let known = properties.get(name).cloned();
            properties.insert(other.to_owned(), known.unwrap_or_default());
        }
        if let Some(Value::Array(required)) = schema.get_mut("required") {
            required.retain(|required| required != name);
        }
        choices.push(json!({"oneOf": [{"required": [name]}, {"required": [other]}]}));
    }
    schema.insert("allOf".to_owned(), choices.into());
}
