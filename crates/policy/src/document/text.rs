//! Reads the JSON text of a profile, in any of its forms, into a document whose every value has a place.
//!
//! Refuses a text with any problem and names all of them: what is no JSON, unknown,
//! repeated, missing and mistyped fields, and everything that [`RuleSet::compile`] refuses.

use std::collections::BTreeSet;

use jsonc_parser::common::Ranged as _;
use latchkey_protocol::authorization::AuthorizationItem;

use super::check::{Finding, check, repaired};
use super::fault::{Fault, InvalidDocument, Problem};
use super::form::{Assumed, Form};
use super::json;
use super::part::{Json, Parts, parts};
use super::place::{BYTE_ORDER_MARK, Lines, Place, Spans};
use super::resource::Resource;
use super::shape::Shape;
use crate::local;
use crate::rules::RuleSet;

/// A valid document. Two are equal when they say the same in the same form, wherever it stands.
#[derive(Clone, Debug)]
pub struct Document {
    /// The form of the text.
    pub form: Form,
    /// What it says, ready to be compiled.
    pub item: AuthorizationItem,
    /// What a version has beside its rules; nothing in the other forms.
    pub resource: Resource,
    /// What of the item the text does not say.
    pub assumed: Vec<Assumed>,
    text: String,
    lines: Lines,
    spans: Spans,
}

impl PartialEq for Document {
    fn eq(&self, other: &Self) -> bool {
        self.form == other.form
            && self.item == other.item
            && self.resource == other.resource
            && self.assumed == other.assumed
    }
}

impl Document {
    /// Returns where the value stands that a JSON pointer from the item names, or the nearest one
    /// around it; nothing for what the text does not say.
    #[must_use]
    pub fn place(&self, pointer: &str) -> Option<Place> {
        let pointer = self.form.pointer(pointer)?;
        let span = self.spans.nearest(&pointer);
        Some(self.lines.place(&self.text, &span))
    }

    /// Returns the text as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Reads a text of the form, or of the form that its fields tell.
///
/// # Errors
/// [`InvalidDocument`] with every problem of the text.
pub fn read(text: &str, form: Option<Form>) -> Result<Document, InvalidDocument> {
    let reading = Reading::of(text);
    let value = json::parse(reading.json).map_err(|finding| reading.refuse([finding]))?;
    let Some(form) = form.or_else(|| Form::detect(&value)) else {
        let range = value.range();
        let finding = Finding {
            pointer: String::new(),
            span: range.start..range.end,
            fault: Fault::UnknownForm,
        };
        return Err(reading.refuse([finding]));
    };
    let shape = Shape::of(form);
    let line = |at| reading.place(&(at..at)).line;
    let findings = check(&value, shape, &line);
    let parts = if findings.is_empty() {
        reading.parts(form)
    } else {
        parts(form, Json::Value(repaired(&value, shape)))
    };
    let parts = parts.map_err(|error| reading.refuse([json::malformed(reading.json, &error)]))?;
    let spans = Spans::of(&value, reading.shift);
    let problems = reading.problems(form, findings, &parts, &spans);
    if !problems.is_empty() {
        return Err(InvalidDocument(problems));
    }
    Ok(Document {
        form,
        item: parts.item,
        resource: parts.resource,
        assumed: parts.assumed,
        text: text.to_owned(),
        lines: reading.lines,
        spans,
    })
}

/// Reads the bytes of a file, see [`read`].
///
/// # Errors
/// [`InvalidDocument`] with every problem of the text, or that it is none.
pub fn read_bytes(bytes: &[u8], form: Option<Form>) -> Result<Document, InvalidDocument> {
    match std::str::from_utf8(bytes) {
        Ok(text) => read(text, form),
        Err(error) => {
            let (before, _) = bytes.split_at(error.valid_up_to());
            let before = std::str::from_utf8(before).unwrap_or_default();
            let at = before.len();
            let problem = Problem {
                pointer: String::new(),
                place: Lines::of(before).place(before, &(at..at + 1)),
                kind: Fault::NotUtf8,
            };
            Err(InvalidDocument(vec![problem]))
        }
    }
}

/// A text on its way to a document.
struct Reading<'a> {
    text: &'a str,
    /// The text without a byte order mark, and how long that is.
    json: &'a str,
    shift: usize,
    lines: Lines,
}

impl<'a> Reading<'a> {
    fn of(text: &'a str) -> Self {
        let json = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
        Self {
            text,
            json,
            shift: text.len() - json.len(),
            lines: Lines::of(text),
        }
    }

    /// Returns the place of a span of the JSON.
    fn place(&self, span: &std::ops::Range<usize>) -> Place {
        let span = span.start + self.shift..span.end + self.shift;
        self.lines.place(self.text, &span)
    }

    fn parts(&self, form: Form) -> Result<Parts, serde_json::Error> {
        parts(form, Json::Text(self.json))
    }

    fn refuse(&self, findings: impl IntoIterator<Item = Finding>) -> InvalidDocument {
        let problems = findings.into_iter().map(|finding| Problem {
            place: self.place(&finding.span),
            pointer: finding.pointer,
            kind: finding.fault,
        });
        InvalidDocument(problems.collect())
    }

    /// Joins what the form lacks and what the rules mean wrongly, in the order of the text.
    fn problems(
        &self,
        form: Form,
        findings: Vec<Finding>,
        parts: &Parts,
        spans: &Spans,
    ) -> Vec<Problem> {
        let InvalidDocument(mut problems) = self.refuse(findings);
        let in_form: BTreeSet<String> =
            problems.iter().map(|known| known.pointer.clone()).collect();
        let compiled = RuleSet::compile(&parts.item);
        let compiled = compiled.err().into_iter().flat_map(|invalid| invalid.0);
        let compiled = compiled.map(|problem| (problem.pointer, Fault::Profile(problem.kind)));
        let local = parts.local.iter().flat_map(local::problems);
        let local = local.map(|problem| (problem.pointer, Fault::Local(problem.kind)));
        for (pointer, kind) in compiled.chain(local) {
            let Some(pointer) = form.pointer(&pointer) else {
                continue;
            };
            if is_consequence(&pointer, &in_form) {
                continue;
            }
            let span = spans.nearest(&pointer);
            problems.push(Problem {
                place: self.lines.place(self.text, &span),
                pointer,
                kind,
            });
        }
        problems.sort_by_key(|problem| problem.place.offset);
        problems
    }
}

/// Says whether a problem of the meaning is a consequence of one of the form: it then lies in what
/// one of these pointers names, or around it.
fn is_consequence(pointer: &str, in_form: &BTreeSet<String>) -> bool {
    let ends = pointer.match_indices('/').map(|(end, _)| end);
    let mut around = ends.filter_map(|end| pointer.get(..end)).chain([pointer]);
    let inside = format!("{pointer}/");
    let mut from_inside = in_form.range(inside.clone()..);
    around.any(|outer| in_form.contains(outer))
        || from_inside
            .next()
            .is_some_and(|next| next.starts_with(&inside))
}

#[cfg(test)]
mod tests;
