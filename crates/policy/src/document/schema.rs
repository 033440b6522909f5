//! The JSON schema (draft 2020-12) of every form, made from the types, for editors that complete and check.
//!
//! A document that is valid here is valid there; the other way round it may still hold what
//! only the reader knows, such as references that lead nowhere.

use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};
use schemars::JsonSchema;
use schemars::generate::SchemaSettings;

use super::Form;
use super::resource::VersionBody;
use crate::local::LocalRules;

/// The forms with the names of their schemas, as in `docs/schema/NAME.schema.json`.
pub const NAMES: [(Form, &str); 4] = [
    (Form::Item, "item"),
    (Form::Local, "local-rules"),
    (Form::Rules, "rules"),
    (Form::Version, "profile-version"),
];

/// Returns the text of the schema of a form.
#[must_use]
pub fn schema(form: Form) -> String {
    match form {
        Form::Item => of_input::<AuthorizationItem>("Authorization item"),
        Form::Local => of_input::<LocalRules>("Local rule file"),
        Form::Rules => of_input::<AccessControlRules>("Rules of an access control profile"),
        Form::Version => of_input::<VersionBody>("Version of an access control profile"),
    }
}

/// Returns the text of the schema of what is read as this type.
#[must_use]
pub fn of_input<T: JsonSchema>(title: &str) -> String {
    text::<T>(SchemaSettings::draft2020_12(), title)
}

/// Returns the text of the schema of what is written as this type.
#[must_use]
pub fn of_output<T: JsonSchema>(title: &str) -> String {
    text::<T>(SchemaSettings::draft2020_12().for_serialize(), title)
}

fn text<T: JsonSchema>(settings: SchemaSettings, title: &str) -> String {
    let mut schema = settings.into_generator().into_root_schema_for::<T>();
    schema.insert("title".to_owned(), title.into());
    // Plain data always serialises.
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}
