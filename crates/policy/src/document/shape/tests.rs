//! Shapes against the schemas that are made from the types: the same fields, required and of the same type.

use std::collections::BTreeSet;

use serde_json::Value;

use super::*;
use crate::document::schema::{NAMES, schema};

/// The schema of one form, with what its parts refer to.
struct Types(Value);

impl Types {
    /// Returns what a reference leads to, or the one thing that may be there beside null.
    fn resolved<'a>(&'a self, schema: &'a Value) -> &'a Value {
        if let Some(target) = schema["$ref"].as_str() {
            let pointer = target.strip_prefix('#').unwrap();
            return self.resolved(self.0.pointer(pointer).unwrap());
        }
        let ways = schema["anyOf"].as_array().into_iter().flatten();
        let mut ways = ways.filter(|way| way.get("$ref").is_some());
        ways.next().map_or(schema, |way| self.resolved(way))
    }

    /// Lists what differs at a place and below it.
    fn compare(&self, shape: &Shape, schema: &Value, place: &str, differences: &mut Vec<String>) {
        let schema = self.resolved(schema);
        let mut types = types(schema);
        types.remove("null");
        let expected = match shape {
            Shape::Any => &[][..],
            Shape::List(_) => &["array"],
            Shape::Number => &["integer"],
            Shape::Object(_) | Shape::Texts => &["object"],
            Shape::Text => &["string"],
            Shape::Truth => &["boolean"],
        };
        if types != expected.iter().copied().collect() {
            differences.push(format!("{place}: {shape:?} is {types:?}"));
        }
        match shape {
            Shape::List(element) => {
                self.compare(
                    element,
                    &schema["items"],
                    &format!("{place}/-"),
                    differences,
                );
            }
            Shape::Texts => {
                let texts = &schema["additionalProperties"];
                self.compare(&Shape::Text, texts, &format!("{place}/*"), differences);
            }
            Shape::Number if schema["format"] != "uint32" => {
                differences.push(format!("{place}: {schema}"));
            }
            Shape::Object(fields) => self.compare_fields(fields, schema, place, differences),
            Shape::Any | Shape::Number | Shape::Text | Shape::Truth => {}
        }
    }

    fn compare_fields(
        &self,
        fields: &[Field],
        schema: &Value,
        place: &str,
        differences: &mut Vec<String>,
    ) {
        let properties = schema["properties"].as_object().unwrap();
        let known: BTreeSet<_> = properties.keys().map(String::as_str).collect();
        let names: BTreeSet<_> = fields.iter().map(|field| field.name).collect();
        if known != names || schema["additionalProperties"] != false {
            differences.push(format!("{place}: {names:?} are {known:?}"));
        }
        let required = schema["required"].as_array().into_iter().flatten();
        let required: BTreeSet<_> = required.filter_map(Value::as_str).collect();
        for field in fields {
            let place = format!("{place}/{}", field.name);
            let Some(schema) = properties.get(field.name) else {
                continue;
            };
            let types = types(schema);
            let is_nullable = types.contains("null") || types.is_empty();
            let is_optional = field.presence == Presence::Optional;
            if is_optional == required.contains(field.name) || is_optional != is_nullable {
                differences.push(format!("{place}: {:?}", field.presence));
            }
            self.compare(field.shape, schema, &place, differences);
        }
    }
}

/// Returns the names of the types that a schema accepts; a reference stands for an object.
fn types(schema: &Value) -> BTreeSet<&str> {
    if schema.get("$ref").is_some() {
        return BTreeSet::from(["object"]);
    }
    let of_value = |value: &Value| match value {
        Value::Null => "null",
        Value::String(_) => "string",
        other => panic!("no word of a profile: {other}"),
    };
    match (&schema["type"], &schema["enum"], &schema["anyOf"]) {
        (Value::String(one), ..) => BTreeSet::from([one.as_str()]),
        (Value::Array(several), ..) => several.iter().filter_map(Value::as_str).collect(),
        (_, Value::Array(words), _) => words.iter().map(of_value).collect(),
        (.., Value::Array(ways)) => ways.iter().flat_map(types).collect(),
        _ => BTreeSet::new(),
    }
}

#[test]
fn shapes_are_those_of_the_types() {
    for (form, name) in NAMES {
        let types = Types(serde_json::from_str(&schema(form)).unwrap());
        let mut differences = Vec::new();
        types.compare(Shape::of(form), &types.0, name, &mut differences);
        assert!(differences.is_empty(), "{differences:#?}");
    }
}

#[test]
fn field_that_only_one_of_both_knows_is_a_difference() {
    let types = Types(serde_json::from_str(&schema(Form::Item)).unwrap());
    let found = |shape: &Shape| {
        let mut differences = Vec::new();
        types.compare(shape, &types.0, "item", &mut differences);
        differences.len()
    };
    assert_eq!(found(&ITEM), 0);
    assert_eq!(found(&LOCAL), 3);
}
