//! The authorization item of the status response: an access control profile as it travels to the guest.
//!
//! Only the form; `latchkey-policy` says which documents are valid and what they mean.

use std::fmt;

use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap as _;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::objects_only_both_ways;

#[cfg(feature = "schema")]
pub mod schema;

/// The items of one machine, by endpoint.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(remote = "Self")]
pub struct AuthorizationRules {
    /// The item of the instance metadata service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imds: Option<AuthorizationItem>,
    /// The item of the WireServer; holds for the HostGAPlugin too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wireserver: Option<AuthorizationItem>,
    /// Deployed hosts send it and deployed agents ignore it; so do we.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostga: Option<AuthorizationItem>,
}

/// One endpoint's mode and rules.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AuthorizationItem {
    /// `Allow` or `Deny`, for requests that no privilege covers.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::access"))]
    pub default_access: String,
    /// `Disabled`, `Audit` or `Enforce`.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::mode"))]
    pub mode: String,
    /// Names this content; hosts change it whenever the content changes.
    pub id: String,
    /// Until when Audit lasts (RFC 3339); then it is Enforce. Deployed agents ignore this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::moment"))]
    pub audit_until: Option<String>,
    /// The rules; without, the default decides everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<AccessControlRules>,
}

/// Who may do what, as four lists that refer to each other by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct AccessControlRules {
    /// What can be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privileges: Option<Vec<Privilege>>,
    /// Sets of privileges.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// Who can ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub identities: Option<Vec<Identity>>,
    /// Which identities hold which role.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_assignments: Option<Vec<RoleAssignment>>,
}

/// A part of an endpoint: a path and everything below it, narrowed by parameters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Privilege {
    /// Unique among privileges.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::name"))]
    pub name: String,
    /// The path, with a leading slash.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::path"))]
    pub path: String,
    /// Parameters that a request must have, with these values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub query_parameters: Option<QueryParameters>,
    /// The methods that are covered; all if absent. Deployed agents ignore this and what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::methods"))]
    pub methods: Option<Vec<String>>,
    /// `segments`: the path and everything below it, the default; `exact`: the path alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::path_match"))]
    pub path_match: Option<String>,
}

/// A set of privileges.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Role {
    /// Unique among roles.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::name"))]
    pub name: String,
    /// Names of privileges.
    pub privileges: Vec<String>,
}

/// A kind of caller: all given selectors must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct Identity {
    /// Unique among identities.
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::name"))]
    pub name: String,
    /// The name of the effective user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::selector"))]
    pub user_name: Option<String>,
    /// The name of one of the process's groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::selector"))]
    pub group_name: Option<String>,
    /// The path of the executable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::absolute"))]
    pub exe_path: Option<String>,
    /// The last component of the executable's path.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::selector"))]
    pub process_name: Option<String>,
    /// The unit of the system's systemd. Deployed agents ignore this and what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::selector"))]
    pub systemd_unit: Option<String>,
    /// The slice that the unit lies in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::selector"))]
    pub systemd_slice: Option<String>,
    /// The container's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::selector"))]
    pub container_id: Option<String>,
    /// The path of a cgroup; those below it count too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::absolute"))]
    pub cgroup: Option<String>,
    /// The path of the script that an interpreter runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::absolute"))]
    pub script_path: Option<String>,
    /// SHA-256 of the executable in hexadecimal digits, one of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::digests"))]
    pub exe_sha256: Option<Vec<String>>,
    /// The effective user by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<u32>,
    /// The effective group by number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gid: Option<u32>,
    /// What the caller must not be, as words for flags; selects nobody by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::flags"))]
    pub forbid: Option<Vec<String>>,
}

/// Gives a role to identities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct RoleAssignment {
    /// The name of a role.
    pub role: String,
    /// Names of identities.
    pub identities: Vec<String>,
    /// `Audit` or `Enforce`: what becomes of those who are refused under this role's privileges; as
    /// the item's mode if absent. Deployed agents ignore this and what follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(schema_with = "schema::assignment_mode"))]
    pub mode: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

objects_only_both_ways!(
    AuthorizationRules,
    AuthorizationItem,
    AccessControlRules,
    Privilege,
    Role,
    Identity,
    RoleAssignment,
);

/// Parameters with their values, in the order of the document.
///
/// A name that appears twice is kept twice: only then can the reader refuse the one endpoint that it
/// belongs to, and say where it stands, instead of a whole status response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryParameters(pub Vec<(String, String)>);

impl Serialize for QueryParameters {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for QueryParameters {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(QueryParametersVisitor)
    }
}

struct QueryParametersVisitor;

impl<'de> Visitor<'de> for QueryParametersVisitor {
    type Value = QueryParameters;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of parameter names and values")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut parameters: Vec<(String, String)> = Vec::new();
        while let Some(parameter) = map.next_entry()? {
            parameters.push(parameter);
        }
        Ok(QueryParameters(parameters))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_travels_with_no_more_than_it_was_given() {
        for text in [
            r#"{"name":"i","userName":"alice"}"#,
            r#"{"name":"i","systemdUnit":"a.service","systemdSlice":"system.slice","containerId":"c","cgroup":"/a","scriptPath":"/s","exeSha256":["0f"],"uid":0,"gid":1,"forbid":["traced"]}"#,
        ] {
            let identity: Identity = serde_json::from_str(text).unwrap();
            assert_eq!(serde_json::to_string(&identity).unwrap(), text);
        }
    }
}
