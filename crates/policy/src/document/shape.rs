//! Which fields each form of a document has, and of which type they are.
//!
//! The types of the forms say the same to serde; a test compares both by the schemas of the types.

use super::Form;

/// What a value must be.
#[derive(Debug)]
pub(super) enum Shape {
    /// Anything: it is kept as it is and says nothing about rules.
    Any,
    /// A list of values of one shape.
    List(&'static Self),
    /// A whole number from 0 to 4,294,967,295.
    Number,
    /// An object with these fields and no others.
    Object(&'static [Field]),
    /// A text.
    Text,
    /// An object of any names, each with a text.
    Texts,
    /// `true` or `false`.
    Truth,
}

/// A field of an object.
#[derive(Debug)]
pub(super) struct Field {
    pub(super) name: &'static str,
    pub(super) shape: &'static Shape,
    pub(super) presence: Presence,
}

/// Whether a field may be absent; `null` counts as absent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    Optional,
    Required,
}

const fn optional(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        presence: Presence::Optional,
    }
}

const fn required(name: &'static str, shape: &'static Shape) -> Field {
    Field {
        name,
        shape,
        presence: Presence::Required,
    }
}

impl Shape {
    /// Returns the shape of a whole document.
    pub(super) const fn of(form: Form) -> &'static Self {
        match form {
            Form::Item => &ITEM,
            Form::Local => &LOCAL,
            Form::Rules => &RULES,
            Form::Version => &VERSION,
        }
    }

    /// Returns what the shape is called in a message.
    pub(super) const fn title(&self) -> &'static str {
        match self {
            Self::Any => "anything",
            Self::List(_) => "a list",
            Self::Number => "a whole number from 0 to 4294967295",
            Self::Object(_) => "an object",
            Self::Text => "a text",
            Self::Texts => "an object of names and texts",
            Self::Truth => "true or false",
        }
    }
}

const TEXTS: Shape = Shape::List(&Shape::Text);

const PRIVILEGE: Shape = Shape::Object(&[
    required("name", &Shape::Text),
    required("path", &Shape::Text),
    optional("queryParameters", &Shape::Texts),
    optional("methods", &TEXTS),
    optional("pathMatch", &Shape::Text),
]);

const ROLE: Shape = Shape::Object(&[
    required("name", &Shape::Text),
    required("privileges", &TEXTS),
]);

const IDENTITY: Shape = Shape::Object(&[
    required("name", &Shape::Text),
    optional("userName", &Shape::Text),
    optional("groupName", &Shape::Text),
    optional("exePath", &Shape::Text),
    optional("processName", &Shape::Text),
    optional("systemdUnit", &Shape::Text),
    optional("systemdSlice", &Shape::Text),
    optional("containerId", &Shape::Text),
    optional("cgroup", &Shape::Text),
    optional("scriptPath", &Shape::Text),
    optional("exeSha256", &TEXTS),
    optional("uid", &Shape::Number),
    optional("gid", &Shape::Number),
    optional("forbid", &TEXTS),
]);

const ASSIGNMENT: Shape = Shape::Object(&[
    required("role", &Shape::Text),
    required("identities", &TEXTS),
    optional("mode", &Shape::Text),
    optional("comment", &Shape::Text),
]);

const RULES: Shape = Shape::Object(&[
    optional("privileges", &Shape::List(&PRIVILEGE)),
    optional("roles", &Shape::List(&ROLE)),
    optional("identities", &Shape::List(&IDENTITY)),
    optional("roleAssignments", &Shape::List(&ASSIGNMENT)),
]);

const ITEM: Shape = Shape::Object(&[
    required("defaultAccess", &Shape::Text),
    required("mode", &Shape::Text),
    required("id", &Shape::Text),
    optional("auditUntil", &Shape::Text),
    optional("rules", &RULES),
]);

const LOCAL: Shape = Shape::Object(&[
    optional("defaultAccess", &Shape::Text),
    optional("id", &Shape::Text),
    optional("rules", &RULES),
]);

const REGION: Shape = Shape::Object(&[
    required("name", &Shape::Text),
    optional("regionalReplicaCount", &Shape::Number),
    optional("storageAccountType", &Shape::Text),
    optional("excludeFromLatest", &Shape::Truth),
    optional("encryption", &Shape::Any),
    optional("additionalReplicaSets", &Shape::Any),
]);

const VERSION: Shape = Shape::Object(&[
    optional("id", &Shape::Text),
    optional("name", &Shape::Text),
    optional("type", &Shape::Text),
    optional("location", &Shape::Text),
    optional("tags", &Shape::Texts),
    optional("systemData", &Shape::Any),
    required("properties", &PROPERTIES),
]);

const PROPERTIES: Shape = Shape::Object(&[
    required("mode", &Shape::Text),
    required("defaultAccess", &Shape::Text),
    optional("auditUntil", &Shape::Text),
    optional("rules", &RULES),
    optional("targetLocations", &Shape::List(&REGION)),
    optional("excludeFromLatest", &Shape::Truth),
    optional("publishedDate", &Shape::Text),
    optional("provisioningState", &Shape::Text),
    optional("replicationStatus", &Shape::Any),
]);

#[cfg(feature = "schema")]
#[cfg(test)]
mod tests;
