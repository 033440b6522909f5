//! Compares a parsed text with the shape of its form: unknown, repeated, missing and mistyped fields.
//!
//! Looks at everything, so that one mistake does not hide the next.

use std::collections::HashMap;
use std::ops::Range;

use jsonc_parser::ast::{Object, Value};
use jsonc_parser::common::Ranged as _;
use serde_json::Map;

use super::fault::Fault;
use super::place::escaped;
use super::shape::{Field, Presence, Shape};

/// How alike two names are, from 0 to 1, for one to be taken for a misspelling of the other.
const NEAR: f64 = 0.84;

/// What is wrong at a pointer and a span of the parsed text.
pub(super) struct Finding {
    pub(super) pointer: String,
    pub(super) span: Range<usize>,
    pub(super) fault: Fault,
}

/// Returns everything that distinguishes a value from its shape. `line` tells the line of an offset.
pub(super) fn check(
    value: &Value<'_>,
    shape: &Shape,
    line: &dyn Fn(usize) -> usize,
) -> Vec<Finding> {
    let mut checker = Checker {
        findings: Vec::new(),
        line,
    };
    checker.value(value, shape, "");
    checker.findings
}

struct Checker<'a> {
    findings: Vec<Finding>,
    line: &'a dyn Fn(usize) -> usize,
}

impl Checker<'_> {
    fn report(&mut self, pointer: String, range: jsonc_parser::common::Range, fault: Fault) {
        self.findings.push(Finding {
            pointer,
            span: range.start..range.end,
            fault,
        });
    }

    fn value(&mut self, value: &Value<'_>, shape: &Shape, pointer: &str) {
        match (shape, value) {
            (Shape::Any, _) => self.inside(value, pointer),
            (Shape::Text, Value::StringLit(_)) | (Shape::Truth, Value::BooleanLit(_)) => {}
            (Shape::Number, Value::NumberLit(number)) if number.value.parse::<u32>().is_ok() => {}
            (Shape::List(element), Value::Array(array)) => {
                for (at, value) in array.elements.iter().enumerate() {
                    self.value(value, element, &format!("{pointer}/{at}"));
                }
            }
            (Shape::Object(fields), Value::Object(object)) => self.object(object, fields, pointer),
            (Shape::Texts, Value::Object(object)) => {
                self.repetitions(object, pointer);
                for member in &object.properties {
                    let pointer = format!("{pointer}/{}", escaped(member.name.as_str()));
                    self.value(&member.value, &Shape::Text, &pointer);
                }
            }
            (shape, value) => {
                let fault = Fault::WrongType {
                    expected: shape.title(),
                    found: title(value),
                };
                self.report(pointer.to_owned(), value.range(), fault);
            }
        }
    }

    fn object(&mut self, object: &Object<'_>, fields: &[Field], pointer: &str) {
        self.repetitions(object, pointer);
        for member in &object.properties {
            let name = member.name.as_str();
            let pointer = format!("{pointer}/{}", escaped(name));
            match fields.iter().find(|field| field.name == name) {
                None => {
                    let known: Vec<_> = fields.iter().map(|field| field.name).collect();
                    let fault = Fault::UnknownField {
                        name: name.to_owned(),
                        near: nearest(name, &known),
                        known,
                    };
                    self.report(pointer.clone(), member.name.range(), fault);
                    self.inside(&member.value, &pointer);
                }
                Some(field) if is_absent(&member.value, field) => {}
                Some(field) => self.value(&member.value, field.shape, &pointer),
            }
        }
        let required = fields
            .iter()
            .filter(|field| field.presence == Presence::Required);
        for field in required {
            if !object
                .properties
                .iter()
                .any(|member| member.name.as_str() == field.name)
            {
                let pointer = format!("{pointer}/{}", field.name);
                self.report(pointer, object.range(), Fault::MissingField(field.name));
            }
        }
    }

    /// Reports the names that an object has twice.
    fn repetitions(&mut self, object: &Object<'_>, pointer: &str) {
        let mut first = HashMap::with_capacity(object.properties.len());
        for member in &object.properties {
            let name = member.name.as_str();
            match first.get(name) {
                None => {
                    first.insert(name, member.name.start());
                }
                Some(start) => {
                    let fault = Fault::DuplicateField {
                        name: name.to_owned(),
                        first: (self.line)(*start),
                    };
                    let pointer = format!("{pointer}/{}", escaped(name));
                    self.report(pointer, member.name.range(), fault);
                }
            }
        }
    }

    /// Reports repeated names in what has no shape.
    fn inside(&mut self, value: &Value<'_>, pointer: &str) {
        match value {
            Value::Array(array) => {
                for (at, value) in array.elements.iter().enumerate() {
                    self.inside(value, &format!("{pointer}/{at}"));
                }
            }
            Value::Object(object) => {
                self.repetitions(object, pointer);
                for member in &object.properties {
                    let pointer = format!("{pointer}/{}", escaped(member.name.as_str()));
                    self.inside(&member.value, &pointer);
                }
            }
            _ => {}
        }
    }
}

fn is_absent(value: &Value<'_>, field: &Field) -> bool {
    field.presence == Presence::Optional && matches!(value, Value::NullKeyword(_))
}

/// Returns what a value is called in a message.
const fn title(value: &Value<'_>) -> &'static str {
    match value {
        Value::Array(_) => "a list",
        Value::BooleanLit(_) => "true or false",
        Value::NullKeyword(_) => "null",
        Value::NumberLit(_) => "a number",
        Value::Object(_) => "an object",
        Value::StringLit(_) => "a text",
    }
}

/// Returns the known name that is most like this one, if it is much alike.
fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let folded = |text: &str| text.to_ascii_lowercase().replace(['_', '-'], "");
    let name = folded(name);
    let scored = known
        .iter()
        .map(|known| (strsim::jaro_winkler(&name, &folded(known)), *known));
    let best = scored.max_by(|(one, _), (other, _)| one.total_cmp(other));
    best.filter(|(score, _)| *score >= NEAR)
        .map(|(_, known)| known)
}

/// Returns a value of the shape, with what fits of this one and something empty for the rest, so
/// that the rest of a document can be looked at although a part is wrong.
pub(super) fn repaired(value: &Value<'_>, shape: &Shape) -> serde_json::Value {
    match (shape, value) {
        (Shape::Text, Value::StringLit(text)) => text.value.as_ref().into(),
        (Shape::Truth, Value::BooleanLit(truth)) => truth.value.into(),
        (Shape::Number, Value::NumberLit(number)) => {
            number.value.parse::<u32>().unwrap_or_default().into()
        }
        (Shape::List(element), Value::Array(array)) => {
            let elements = array.elements.iter();
            elements.map(|value| repaired(value, element)).collect()
        }
        (Shape::Texts, Value::Object(object)) => {
            let members = object.properties.iter().map(|member| {
                let name = member.name.as_str().to_owned();
                (name, repaired(&member.value, &Shape::Text))
            });
            members.collect()
        }
        (Shape::Object(fields), Value::Object(object)) => {
            let mut members = Map::new();
            for field in *fields {
                let found = object
                    .properties
                    .iter()
                    .find(|member| member.name.as_str() == field.name);
                match found.map(|member| &member.value) {
                    Some(value) if !is_absent(value, field) => {
                        members.insert(field.name.to_owned(), repaired(value, field.shape));
                    }
                    None if field.presence == Presence::Required => {
                        members.insert(field.name.to_owned(), empty(field.shape));
                    }
                    _ => {}
                }
            }
            members.into()
        }
        (shape, _) => empty(shape),
    }
}

fn empty(shape: &Shape) -> serde_json::Value {
    match shape {
        Shape::Any => serde_json::Value::Null,
        Shape::List(_) => serde_json::Value::Array(Vec::new()),
        Shape::Number => 0.into(),
        Shape::Text => "".into(),
        Shape::Texts => Map::new().into(),
        Shape::Truth => false.into(),
        Shape::Object(fields) => {
            let required = fields
                .iter()
                .filter(|field| field.presence == Presence::Required);
            required
                .map(|field| (field.name.to_owned(), empty(field.shape)))
                .collect()
        }
    }
}
