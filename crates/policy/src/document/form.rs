//! The forms that a profile has, how they are told from each other, and what of an item each can say.

use jsonc_parser::ast::Value;

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
    pub(super) fn detect(value: &Value<'_>) -> Option<Self> {
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
