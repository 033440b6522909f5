//! Joins the rules of a host with those of a local file, whose names get a prefix so that they meet no others.

use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};

use super::LocalRules;

/// What the names of a local file begin with beside a host's.
const PREFIX: &str = "LocalFileRules_";

/// Adds a valid local file to an item.
pub(super) fn merged(mut item: AuthorizationItem, local: &LocalRules) -> AuthorizationItem {
    if let Some(access) = &local.default_access {
        item.default_access.clone_from(access);
    }
    if let Some(id) = &local.id {
        item.id = format!("{}_{id}", item.id);
    }
    item.rules = match (item.rules, local.rules.clone()) {
        (Some(host), Some(local)) => Some(joined(host, prefixed(local))),
        (host, local) => host.or(local),
    };
    item
}

fn joined(host: AccessControlRules, local: AccessControlRules) -> AccessControlRules {
    AccessControlRules {
        privileges: appended(host.privileges, local.privileges),
        roles: appended(host.roles, local.roles),
        identities: appended(host.identities, local.identities),
        role_assignments: appended(host.role_assignments, local.role_assignments),
    }
}

/// A list that is absent on one side is the other's.
fn appended<T>(host: Option<Vec<T>>, local: Option<Vec<T>>) -> Option<Vec<T>> {
    match (host, local) {
        (Some(mut host), Some(local)) => {
            host.extend(local);
            Some(host)
        }
        (host, local) => host.or(local),
    }
}

fn prefixed(mut rules: AccessControlRules) -> AccessControlRules {
    let prefix = |name: &mut String| name.insert_str(0, PREFIX);
    for privilege in rules.privileges.iter_mut().flatten() {
        prefix(&mut privilege.name);
    }
    for role in rules.roles.iter_mut().flatten() {
        prefix(&mut role.name);
        role.privileges.iter_mut().for_each(prefix);
    }
    for identity in rules.identities.iter_mut().flatten() {
        prefix(&mut identity.name);
    }
    for assignment in rules.role_assignments.iter_mut().flatten() {
        prefix(&mut assignment.role);
        assignment.identities.iter_mut().for_each(prefix);
    }
    rules
}
