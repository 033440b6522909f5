//! What the JSON of each form says, taken apart: the item, what belongs to the resource, and what is left unsaid.

use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};
use serde::de::DeserializeOwned;

use super::form::{Assumed, Form};
use super::resource::{Resource, VersionBody};
use crate::local::LocalRules;
use crate::rules::Access;

/// A document without its places.
pub(super) struct Parts {
    pub(super) item: AuthorizationItem,
    pub(super) resource: Resource,
    pub(super) assumed: Vec<Assumed>,
    pub(super) local: Option<LocalRules>,
}

/// Where the value of a form is taken from.
pub(super) enum Json<'a> {
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

/// Takes the JSON of a form apart.
pub(super) fn parts(form: Form, json: Json<'_>) -> Result<Parts, serde_json::Error> {
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
