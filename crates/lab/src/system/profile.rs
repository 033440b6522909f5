//! Access control profiles in few words: paths, and the users who may ask for them.

use serde_json::{Value, json};

/// Where the instance metadata service describes the machine.
pub const INSTANCE_PATH: &str = "/metadata/instance";

/// Where it gives tokens of the machine's identity.
pub const TOKEN_PATH: &str = "/metadata/identity/oauth2/token";

/// A profile of one endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a profile does nothing until it is given to a guest"]
pub struct Profile {
    id: String,
    default_access: &'static str,
    grants: Vec<Grant>,
}

/// One privilege and the users who have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    privilege: String,
    path: String,
    users: Vec<String>,
}

impl Profile {
    /// A profile that refuses what no grant covers.
    pub fn deny(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            default_access: "Deny",
            grants: Vec::new(),
        }
    }

    /// A profile that allows what no grant covers.
    pub fn allow(id: &str) -> Self {
        Self {
            default_access: "Allow",
            ..Self::deny(id)
        }
    }

    /// Gives `users`, and nobody else, what lies at `path` and below.
    pub fn grant(mut self, privilege: &str, path: &str, users: &[&str]) -> Self {
        self.grants.push(Grant {
            privilege: privilege.to_owned(),
            path: path.to_owned(),
            users: users.iter().map(|&user| user.to_owned()).collect(),
        });
        self
    }

    /// Returns what the id of the profile begins with wherever it is shown.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the profile as the document that the host reads.
    #[must_use]
    pub fn document(&self) -> Value {
        let mut document = json!({ "id": self.id, "defaultAccess": self.default_access });
        if self.grants.is_empty() {
            return document;
        }
        let mut users: Vec<&String> = self.grants.iter().flat_map(|grant| &grant.users).collect();
        users.sort_unstable();
        users.dedup();
        let each =
            |describe: fn(&Grant) -> Value| -> Value { self.grants.iter().map(describe).collect() };
        let identities: Value = users
            .iter()
            .map(|user| json!({ "name": user, "userName": user }))
            .collect();
        let rules = json!({
            "privileges": each(|grant| json!({ "name": grant.privilege, "path": grant.path })),
            "roles": each(|grant| json!({
                "name": grant.privilege, "privileges": [grant.privilege],
            })),
            "identities": identities,
            "roleAssignments": each(|grant| json!({
                "role": grant.privilege, "identities": grant.users,
            })),
        });
        if let Some(fields) = document.as_object_mut() {
            fields.insert("rules".to_owned(), rules);
        }
        document
    }
}

/// The profile of the examples: root, `app` and `www` may read what the machine is, `app` alone
/// may have its tokens, and `mallory` nothing.
pub fn standard() -> Profile {
    Profile::deny("standard")
        .grant("read-instance", INSTANCE_PATH, &["root", "app", "www"])
        .grant("get-token", TOKEN_PATH, &["app"])
}

/// A profile that leaves everything to the endpoint's own rules.
pub fn open() -> Profile {
    Profile::allow("open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_names_every_user_once() {
        let document = standard().document();
        let identities = document["rules"]["identities"].as_array().unwrap();
        let names: Vec<_> = identities.iter().map(|i| i["userName"].as_str()).collect();
        assert_eq!(names, [Some("app"), Some("root"), Some("www")]);
        assert_eq!(document["defaultAccess"], "Deny");
    }

    #[test]
    fn profile_without_grants_has_no_rules() {
        assert_eq!(
            open().document(),
            json!({ "id": "open", "defaultAccess": "Allow" })
        );
    }
}
