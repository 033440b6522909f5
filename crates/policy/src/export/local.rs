//! A local rule file of the deployed agent, which validates it more strictly than what hosts send.

use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};

use super::loss::Severity;
use super::portable::Losses;
use crate::document::{Form, Resource, render};

/// What the deployed agent puts before the names of such a file.
const LOCAL_PREFIX: &str = "LocalFileRules_";

/// Returns the file's content.
pub(super) fn file(mut item: AuthorizationItem, losses: &mut Losses) -> String {
    let text = format!(
        "the file has no mode: the one that the host sends counts, whatever it is, not {}",
        item.mode
    );
    losses.add(Severity::Differs, "/mode", text);
    if let Some(rules) = &mut item.rules {
        adapt(rules, losses);
    }
    render(Form::Local, &item, &Resource::default())
}

/// Leaves out what grants nothing and what the deployed agent would refuse the whole file for.
fn adapt(rules: &mut AccessControlRules, losses: &mut Losses) {
    for (at, privilege) in rules.privileges.iter().flatten().enumerate() {
        for (name, value) in privilege.query_parameters.iter().flat_map(|all| &all.0) {
            if name.trim().is_empty() || value.trim().is_empty() {
                let text = format!("a local rule file may not ask for a blank value of `{name}`");
                let pointer = format!("/rules/privileges/{at}/queryParameters");
                losses.add(Severity::Impossible, pointer, text);
            }
        }
    }
    let mut empty = Vec::new();
    for (at, role) in rules.roles.iter_mut().flatten().enumerate() {
        each_once(&mut role.privileges);
        if role.privileges.is_empty() {
            let text = format!(
                "role `{}` gives nothing, which a local rule file may not say",
                role.name
            );
            losses.add(Severity::Dropped, format!("/rules/roles/{at}"), text);
            empty.push(role.name.clone());
        }
    }
    for (at, assignment) in rules.role_assignments.iter_mut().flatten().enumerate() {
        each_once(&mut assignment.identities);
        if assignment.identities.is_empty() {
            let text = "it assigns to nobody, which a local rule file may not say";
            losses.add(
                Severity::Dropped,
                format!("/rules/roleAssignments/{at}"),
                text,
            );
        }
    }
    if let Some(roles) = &mut rules.roles {
        roles.retain(|role| !role.privileges.is_empty());
    }
    if let Some(assignments) = &mut rules.role_assignments {
        assignments.retain(|own| !own.identities.is_empty() && !empty.contains(&own.role));
    }
    warn_of_prefix(rules, losses);
}

fn each_once(names: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    names.retain(|name| seen.insert(name.clone()));
}

/// The deployed agent puts the prefix before every name, also where it stands already; a name of
/// the host's that has it could then be taken for one of the file.
fn warn_of_prefix(rules: &AccessControlRules, losses: &mut Losses) {
    let privileges = rules.privileges.iter().flatten().map(|own| &own.name);
    let roles = rules.roles.iter().flatten().map(|own| &own.name);
    let identities = rules.identities.iter().flatten().map(|own| &own.name);
    for name in privileges.chain(roles).chain(identities) {
        if name.starts_with(LOCAL_PREFIX) {
            let text = format!("the deployed agent calls `{name}` `{LOCAL_PREFIX}{name}`");
            losses.add(Severity::Differs, "/rules", text);
        }
    }
}
