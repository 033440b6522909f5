//! Roles, identities and assignments that come to nothing.

use super::reading::{Reading, identity_at};
use super::{Code, Finding};

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    for (at, role) in reading.roles.iter().enumerate() {
        let (pointer, name) = (format!("/rules/roles/{at}"), &role.form.name);
        if role.privileges.is_empty() {
            findings.push(Finding::new(
                Code::EmptyRole,
                pointer.clone(),
                format!("the role `{name}` holds no privilege"),
                "list the privileges that it is for, or delete it",
            ));
        }
        if role.assignments.is_empty() {
            findings.push(Finding::new(
                Code::UnassignedRole,
                pointer,
                format!("the role `{name}` is assigned to nobody"),
                "assign it to identities, or delete it",
            ));
        }
    }
    for (at, assignment) in reading.assignments.iter().enumerate() {
        if assignment.identities.is_empty() {
            findings.push(Finding::new(
                Code::EmptyAssignment,
                format!("/rules/roleAssignments/{at}"),
                format!(
                    "the role `{}` is assigned to an empty list",
                    assignment.role
                ),
                "list the identities that get the role, or delete the assignment",
            ));
        }
    }
    for (at, identity) in reading.identities.iter().enumerate() {
        if reading.is_assigned.get(at) == Some(&false) {
            findings.push(Finding::new(
                Code::UnusedIdentity,
                identity_at(at),
                format!("no assignment names the identity `{}`", identity.name),
                "assign a role to it, or delete it",
            ));
        }
    }
}
