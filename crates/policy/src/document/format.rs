//! Writes a document in one way: fields in the order of the reference, two spaces of indent, a final newline.
//!
//! The form stays, and what the text did not say is not said. Formatting twice changes nothing.

use latchkey_protocol::authorization::AuthorizationItem;
use serde::Serialize;

use super::form::Form;
use super::resource::{Resource, VersionBody};
use super::text::Document;
use crate::local::LocalRules;

/// Returns the text of a document.
#[must_use]
pub fn format(document: &Document) -> String {
    match document.form {
        Form::Local => pretty(&LocalRules::from(document)),
        form => render(form, &document.item, &document.resource),
    }
}

/// Returns the text of an item in a form; what the form cannot say is left out.
#[must_use]
pub fn render(form: Form, item: &AuthorizationItem, resource: &Resource) -> String {
    match form {
        Form::Item => pretty(item),
        Form::Local => pretty(&LocalRules {
            default_access: Some(item.default_access.clone()),
            id: Some(item.id.clone()).filter(|id| !id.trim().is_empty()),
            rules: item.rules.clone(),
        }),
        Form::Rules => pretty(&item.rules.clone().unwrap_or_default()),
        Form::Version => pretty(&VersionBody::join(item, resource)),
    }
}

fn pretty(value: &impl Serialize) -> String {
    // Plain texts, lists and maps with text keys always serialise.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}
