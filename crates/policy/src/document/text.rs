//! Reads the JSON text of a profile, in any of its forms, into a document whose every value has a place.
//!
//! Refuses a text with any problem and names all of them: what is no JSON, unknown,
//! repeated, missing and mistyped fields, and everything that [`RuleSet::compile`] refuses.

use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged as _;
use jsonc_parser::{CollectOptions, ParseOptions};
use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};
use serde::de::{DeserializeOwned, IgnoredAny};

use super::check::{Finding, check, repaired};
use super::fault::{Fault, InvalidDocument, Problem};
use super::place::{Lines, Place, Spans};
use super::resource::{Resource, VersionBody};
use super::shape::Shape;
use crate::local::{self, LocalRules};
use crate::rules::{Access, RuleSet};

/// How long a text may be. The management API documents no limit; this is room for ten thousand rules.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How deep lists and objects may contain each other; the forms need seven levels.
pub const MAX_DEPTH: usize = 64;

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// The forms of a profile that exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// The authorization item that a host sends to the guest.
    Item,
    /// A local rule file.
    Local,
    /// The rules object alone.
    Rules,
    /// The resource body of a profile version.
    Version,
}

/// Something that the engine needs and the text does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Assumed {
    /// The default access is taken to be `Deny`.
    DefaultAccess,
    /// There is no id.
    Id,
    /// The mode is taken to be `Enforce`.
    Mode,
}

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

impl Form {
    /// Translates a JSON pointer from the item into one from the root of a text of this form;
    /// nothing for a field that the form does not have.
    #[must_use]
    pub fn pointer(self, item: &str) -> Option<String> {
        let is_rules = item == "/rules" || item.starts_with("/rules/");
        match self {
            Self::Item => Some(item.to_owned()),
            Self::Local if matches!(item, "/mode" | "/auditUntil") => None,
            Self::Local => Some(item.to_owned()),
            Self::Rules if item.is_empty() => Some(String::new()),
            Self::Rules => is_rules.then(|| item.replacen("/rules", "", 1)),
            Self::Version if matches!(item, "" | "/id") => Some(item.to_owned()),
            Self::Version => Some(format!("/properties{item}")),
        }
    }

    /// Tells the form by the fields of the outermost object.
    fn detect(value: &Value<'_>) -> Option<Self> {
        let Value::Object(object) = value else {
            return None;
        };
        let has_any = |names: &[&str]| {
            let mut members = object.properties.iter();
            members.any(|member| names.contains(&member.name.as_str()))
        };
        if has_any(&["properties"]) {
            Some(Self::Version)
        } else if has_any(&["mode", "auditUntil"]) {
            Some(Self::Item)
        } else if has_any(&["privileges", "roles", "identities", "roleAssignments"]) {
            Some(Self::Rules)
        } else {
            has_any(&["rules", "defaultAccess"]).then_some(Self::Local)
        }
    }
}

/// Reads a text of the form, or of the form that its fields tell.
///
/// # Errors
/// [`InvalidDocument`] with every problem of the text.
pub fn read(text: &str, form: Option<Form>) -> Result<Document, InvalidDocument> {
    let reading = Reading::of(text);
    let value = reading
        .parse()
        .map_err(|finding| reading.refuse([finding]))?;
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
    let parts = parts.map_err(|error| reading.refuse([reading.malformed(&error)]))?;
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

/// A document without its places.
struct Parts {
    item: AuthorizationItem,
    resource: Resource,
    assumed: Vec<Assumed>,
    local: Option<LocalRules>,
}

/// Where the value of a form is taken from.
enum Json<'a> {
    Text(&'a str),
    Value(serde_json::Value),
}

impl Json<'_> {
    fn read<T: DeserializeOwned>(self) -> Result<T, serde_json::Error> {
        match self {
            Self::Text(text) => serde_json::from_str(text),
            Self::Value(value) => serde_json::from_value(value),
        }
    }
}

fn parts(form: Form, json: Json<'_>) -> Result<Parts, serde_json::Error> {
    let mut parts = Parts {
        item: AuthorizationItem {
            default_access: Access::Deny.as_str().to_owned(),
            mode: Mode::Enforce.as_str().to_owned(),
            ..AuthorizationItem::default()
        },
        resource: Resource::default(),
        assumed: Vec::new(),
        local: None,
    };
    match form {
        Form::Item => parts.item = json.read()?,
        Form::Rules => {
            parts.item.rules = Some(json.read::<AccessControlRules>()?);
            parts.assumed = vec![Assumed::Mode, Assumed::DefaultAccess, Assumed::Id];
        }
        Form::Version => {
            (parts.item, parts.resource) = json.read::<VersionBody>()?.part();
            if parts.resource.id.is_none() {
                parts.assumed = vec![Assumed::Id];
            }
        }
        Form::Local => {
            let local: LocalRules = json.read()?;
            parts.assumed = vec![Assumed::Mode];
            match &local.default_access {
                Some(access) => parts.item.default_access.clone_from(access),
                None => parts.assumed.push(Assumed::DefaultAccess),
            }
            match &local.id {
                Some(id) => parts.item.id.clone_from(id),
                None => parts.assumed.push(Assumed::Id),
            }
            parts.item.rules = local.complete_rules();
            parts.local = Some(local);
        }
    }
    Ok(parts)
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

    fn parse(&self) -> Result<Value<'a>, Finding> {
        let whole = |fault| Finding {
            pointer: String::new(),
            span: 0..0,
            fault,
        };
        if self.text.len() > MAX_BYTES {
            return Err(whole(Fault::TooLarge));
        }
        if let Some(at) = too_deep(self.json) {
            let span = at..at + 1;
            return Err(Finding {
                span,
                ..whole(Fault::TooDeep)
            });
        }
        // The parser with places is laxer than JSON here and there, so both must accept the text.
        serde_json::from_str::<IgnoredAny>(self.json).map_err(|error| self.malformed(&error))?;
        let parsed = jsonc_parser::parse_to_ast(self.json, &CollectOptions::default(), &STRICT);
        let parsed = parsed.map_err(|error| {
            let range = error.range();
            Finding {
                span: range.start..range.end,
                ..whole(Fault::Malformed(error.kind().to_string()))
            }
        })?;
        parsed
            .value
            .ok_or_else(|| whole(Fault::Malformed("the text is empty".to_owned())))
    }

    fn malformed(&self, error: &serde_json::Error) -> Finding {
        let json = Lines::of(self.json);
        let at = json.offset(self.json, error.line(), error.column());
        let message = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let message = message.strip_suffix(&position).unwrap_or(&message);
        Finding {
            pointer: String::new(),
            span: at..at + self.json.get(at..).map_or(0, first_len),
            fault: Fault::Malformed(message.to_owned()),
        }
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
        let in_form = problems.len();
        let compiled = RuleSet::compile(&parts.item);
        let compiled = compiled.err().into_iter().flat_map(|invalid| invalid.0);
        let compiled = compiled.map(|problem| (problem.pointer, Fault::Profile(problem.kind)));
        let local = parts.local.iter().flat_map(local::problems);
        let local = local.map(|problem| (problem.pointer, Fault::Local(problem.kind)));
        for (pointer, kind) in compiled.chain(local) {
            let Some(pointer) = form.pointer(&pointer) else {
                continue;
            };
            let (known, _) = problems.split_at(in_form.min(problems.len()));
            if known.iter().any(|known| is_about(&known.pointer, &pointer)) {
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

/// Says whether two pointers name one value or one lies in the other: a problem of the meaning is
/// then a consequence of one of the form.
fn is_about(form: &str, meaning: &str) -> bool {
    let lies_in = |inner: &str, outer: &str| {
        let rest = inner.strip_prefix(outer);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    lies_in(meaning, form) || lies_in(form, meaning)
}

/// Returns where a text opens one list or object more than may be open, before any parser recurses.
fn too_deep(json: &str) -> Option<usize> {
    let (mut depth, mut in_text, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in json.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if in_text => is_escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => {
                depth += 1;
                if depth > MAX_DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

fn first_len(text: &str) -> usize {
    text.chars().next().map_or(0, char::len_utf8)
}

const STRICT: ParseOptions = ParseOptions {
    allow_comments: false,
    allow_loose_object_property_names: false,
    allow_trailing_commas: false,
    allow_missing_commas: false,
    allow_single_quoted_strings: false,
    allow_hexadecimal_numbers: false,
    allow_unary_plus_numbers: false,
    allow_bare_decimal_point_numbers: false,
    allow_non_finite_numbers: false,
    allow_extended_string_escapes: false,
};

#[cfg(test)]
mod tests;
