//! Writes a document in one way: fields in the order of the reference, two spaces of indent, a final newline.
//!
//! The form stays, and what the text did not say is not said. Formatting twice changes nothing.

use serde::Serialize;

use super::resource::VersionBody;
use super::text::{Document, Form};
use crate::local::LocalRules;

/// Returns the text of a document.
#[must_use]
pub fn format(document: &Document) -> String {
    match document.form {
        Form::Item => pretty(&document.item),
        Form::Local => pretty(&LocalRules::from(document)),
        Form::Rules => pretty(&document.item.rules.clone().unwrap_or_default()),
        Form::Version => pretty(&VersionBody::join(&document.item, &document.resource)),
    }
}

fn pretty(value: &impl Serialize) -> String {
    // Plain texts, lists and maps with text keys always serialise.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
