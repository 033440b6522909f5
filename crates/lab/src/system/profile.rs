//! Access control profiles in few words: paths, and the users and programs who may ask for them.

use std::path::Path;

use serde_json::{Map, Value, json};

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
    written: Option<Value>,
}

/// One privilege and the identities that have it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Grant {
    privilege: String,
    path: String,
    identities: Vec<Identity>,
}

impl Grant {
    fn names(&self) -> Vec<&str> {
        let identities = self.identities.iter();
        identities.map(|identity| identity.name.as_str()).collect()
    }
}

/// Who may have a privilege; all that it tells must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an identity does nothing until a profile grants it something"]
pub struct Identity {
    name: String,
    selectors: Map<String, Value>,
}

impl Identity {
    /// An identity that selects nobody yet.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            selectors: Map::new(),
        }
    }

    /// Everything that runs as this user.
    pub fn user(name: &str) -> Self {
        Self::named(name).with("userName", name)
    }

    /// One program while it runs as this user, named by its executable and by its process.
    pub fn program(user: &str, executable: &Path) -> Self {
        let process = executable.file_name().unwrap_or(executable.as_os_str());
        Self::named(&format!("{} of {user}", process.display()))
            .with("userName", user)
            .with("exePath", executable.display().to_string())
            .with("processName", process.display().to_string())
    }

    /// Adds a selector or a condition, named as in profiles.
    pub fn with(mut self, selector: &str, value: impl Into<Value>) -> Self {
        self.selectors.insert(selector.to_owned(), value.into());
        self
    }

    /// Returns the identity as an entry of a profile, with no more than the selectors it has.
    fn document(&self) -> Value {
        let name = ("name".to_owned(), json!(self.name));
        let selectors = self.selectors.clone();
        std::iter::once(name).chain(selectors).collect()
    }
}

impl Profile {
    /// A profile that refuses what no grant covers.
    pub fn deny(id: &str) -> Self {
        Self {
            id: id.to_owned(),
            default_access: "Deny",
            grants: Vec::new(),
            written: None,
        }
    }

    /// A profile that somebody wrote, as it is.
    pub fn written(id: &str, document: Value) -> Self {
        Self {
            written: Some(document),
            ..Self::deny(id)
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
    pub fn grant(self, privilege: &str, path: &str, users: &[&str]) -> Self {
        self.grant_to(
            privilege,
            path,
            users.iter().map(|user| Identity::user(user)),
        )
    }

    /// Gives `identities`, and nobody else, what lies at `path` and below.
    pub fn grant_to(
        mut self,
        privilege: &str,
        path: &str,
        identities: impl IntoIterator<Item = Identity>,
    ) -> Self {
        self.grants.push(Grant {
            privilege: privilege.to_owned(),
            path: path.to_owned(),
            identities: identities.into_iter().collect(),
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
        if let Some(document) = &self.written {
            return document.clone();
        }
        let mut document = json!({ "id": self.id, "defaultAccess": self.default_access });
        if self.grants.is_empty() {
            return document;
        }
        let mut identities: Vec<&Identity> = self
            .grants
            .iter()
            .flat_map(|grant| &grant.identities)
            .collect();
        identities.sort_by_key(|identity| &identity.name);
        identities.dedup();
        let each =
            |describe: fn(&Grant) -> Value| -> Value { self.grants.iter().map(describe).collect() };
        let entries: Value = identities.into_iter().map(Identity::document).collect();
        let rules = json!({
            "privileges": each(|grant| json!({ "name": grant.privilege, "path": grant.path })),
            "roles": each(|grant| json!({
                "name": grant.privilege, "privileges": [grant.privilege],
            })),
            "identities": entries,
            "roleAssignments": each(|grant| json!({
                "role": grant.privilege, "identities": grant.names(),
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
    fn program_is_named_by_user_executable_and_process() {
        let curl = Identity::program("app", Path::new("/usr/bin/curl"));
        let document = Profile::deny("curl")
            .grant_to("read", "/", [curl])
            .document();
        assert_eq!(
            document["rules"]["identities"],
            json!([{
                "name": "curl of app", "userName": "app",
                "exePath": "/usr/bin/curl", "processName": "curl",
            }])
        );
        assert_eq!(
            document["rules"]["roleAssignments"],
            json!([{ "role": "read", "identities": ["curl of app"] }])
        );
    }

    #[test]
    fn profile_without_grants_has_no_rules() {
        assert_eq!(
            open().document(),
            json!({ "id": "open", "defaultAccess": "Allow" })
        );
    }
}
