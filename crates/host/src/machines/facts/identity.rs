//! The managed identities of a machine file: the machine's own, and those that are assigned to it.

use std::collections::BTreeSet;

use latchkey_gateway::facts::{Identities, Identity};
use serde::Deserialize;
use uuid::Uuid;

use super::super::problem::Problems;
use super::derived::id_of;

/// The identities; without the ids of an own one, the machine has none of its own.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct IdentitySection {
    /// The tenant; by default one for all machines.
    tenant_id: Option<Uuid>,
    /// The application of the system-assigned identity.
    client_id: Option<Uuid>,
    /// The service principal of the system-assigned identity, the subject of tokens.
    object_id: Option<Uuid>,
    /// The user-assigned identities.
    user_assigned: Vec<UserAssignedSection>,
}

/// A user-assigned identity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct UserAssignedSection {
    /// The resource's name.
    name: String,
    /// The application; by default derived from the name.
    client_id: Option<Uuid>,
    /// The service principal; by default derived from the name.
    object_id: Option<Uuid>,
    /// The whole resource id; by default of the name in the machine's resource group.
    resource_id: Option<String>,
}

/// The machine that identities belong to.
pub(super) struct Owner<'a> {
    pub(super) subscription_id: Uuid,
    pub(super) resource_group: &'a str,
    pub(super) resource_id: String,
}

impl IdentitySection {
    pub(super) fn resolve(&self, owner: &Owner<'_>, problems: &mut Problems) -> Identities {
        let system = match (self.client_id, self.object_id) {
            (Some(client_id), Some(object_id)) => Some(Identity {
                client_id,
                object_id,
                resource_id: owner.resource_id.clone(),
            }),
            (None, None) => None,
            _ => {
                problems.at(
                    "facts.identity",
                    "`facts.identity` needs both `client_id` and `object_id`, or neither",
                );
                None
            }
        };
        let user_assigned = self.user_assigned.iter();
        let identities = Identities {
            tenant_id: self.tenant_id.unwrap_or_else(|| id_of("tenant")),
            system,
            user_assigned: user_assigned
                .map(|section| section.resolve(owner))
                .collect(),
        };
        check_unique(&identities, problems);
        identities
    }
}

impl UserAssignedSection {
    fn resolve(&self, owner: &Owner<'_>) -> Identity {
        let name = &self.name;
        let derived = |part: &str| id_of(&format!("identity/{part}/{name}"));
        Identity {
            client_id: self.client_id.unwrap_or_else(|| derived("client")),
            object_id: self.object_id.unwrap_or_else(|| derived("object")),
            resource_id: self.resource_id.clone().unwrap_or_else(|| {
                format!(
                    "/subscriptions/{}/resourcegroups/{}/providers/\
                     Microsoft.ManagedIdentity/userAssignedIdentities/{name}",
                    owner.subscription_id, owner.resource_group
                )
            }),
        }
    }
}

/// A selector that fits two identities would choose one of them by its place in the file.
fn check_unique(identities: &Identities, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for identity in identities.iter() {
        let selectors = [
            ("client_id", identity.client_id.to_string()),
            ("object_id", identity.object_id.to_string()),
            ("resource_id", identity.resource_id.to_ascii_lowercase()),
        ];
        for (name, value) in selectors {
            if !seen.insert((name, value.clone())) {
                problems.between(
                    "facts.identity",
                    format!("`facts.identity` gives the {name} `{value}` to two identities"),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identities(text: &str) -> (Identities, Problems) {
        let section: IdentitySection = serde_json::from_str(text).unwrap();
        let owner = Owner {
            subscription_id: Uuid::nil(),
            resource_group: "shop",
            resource_id: "/vm".to_owned(),
        };
        let mut problems = Problems::default();
        (section.resolve(&owner, &mut problems), problems)
    }

    #[test]
    fn machine_may_have_no_identity_its_own_or_assigned_ones() {
        let (none, problems) = identities("{}");
        assert_eq!((none.iter().count(), problems.messages().len()), (0, 0));
        let id = Uuid::from_u128(1);
        let (several, problems) = identities(&format!(
            r#"{{ "client_id": "{id}", "object_id": "{id}",
                 "user_assigned": [{{ "name": "deploy" }}, {{ "name": "read" }}] }}"#
        ));
        assert_eq!((several.iter().count(), problems.messages().len()), (3, 0));
        assert_eq!(several.system.unwrap().resource_id, "/vm");
        assert!(
            several.user_assigned[1]
                .resource_id
                .ends_with("/shop/providers/Microsoft.ManagedIdentity/userAssignedIdentities/read")
        );
    }

    #[test]
    fn half_an_identity_and_two_with_one_name_are_problems() {
        let (_, problems) = identities(&format!(
            r#"{{ "client_id": "{}",
                 "user_assigned": [{{ "name": "a" }}, {{ "name": "a" }}] }}"#,
            Uuid::nil()
        ));
        assert_eq!(problems.messages().len(), 4, "{problems:?}");
        assert!(problems.messages()[0].contains("needs both"));
        assert!(problems.messages()[3].contains("resource_id"));
    }
}
