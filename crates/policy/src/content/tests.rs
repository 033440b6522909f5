//! What changes the hash of a profile, and what leaves it as it was.

use latchkey_protocol::authorization::{Privilege, QueryParameters, RoleAssignment};

use super::*;

fn item(parameters: &[(&str, &str)]) -> AuthorizationItem {
    let parameters = parameters
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let privilege = Privilege {
        name: "p".to_owned(),
        path: "/m".to_owned(),
        query_parameters: Some(QueryParameters(parameters.collect())),
        ..Privilege::default()
    };
    AuthorizationItem {
        default_access: "Deny".to_owned(),
        mode: "Enforce".to_owned(),
        id: "1".to_owned(),
        rules: Some(AccessControlRules {
            privileges: Some(vec![privilege]),
            ..Default::default()
        }),
        ..AuthorizationItem::default()
    }
}

#[test]
fn order_of_parameters_does_not_change_the_hash() {
    let hash = content_hash(&item(&[("a", "1"), ("b", "2")]));
    assert_eq!(hash, content_hash(&item(&[("b", "2"), ("a", "1")])));
    assert_eq!(hash.len(), 64);
}

#[test]
fn any_change_of_content_changes_the_hash() {
    let base = item(&[("a", "1")]);
    let mut variants = vec![
        base.clone(),
        item(&[("a", "2")]),
        item(&[("a1", "")]),
        item(&[]),
    ];
    variants.push(AuthorizationItem {
        id: "2".to_owned(),
        ..base.clone()
    });
    variants.push(AuthorizationItem {
        mode: "Audit".to_owned(),
        ..base.clone()
    });
    variants.push(AuthorizationItem {
        rules: None,
        ..base.clone()
    });
    variants.push(AuthorizationItem {
        rules: Some(AccessControlRules::default()),
        ..base
    });
    let hashes: std::collections::HashSet<_> = variants.iter().map(content_hash).collect();
    assert_eq!(hashes.len(), variants.len());
}

fn of(identities: Vec<Identity>) -> AuthorizationItem {
    let mut item = item(&[]);
    item.rules = Some(AccessControlRules {
        identities: Some(identities),
        ..Default::default()
    });
    item
}

#[test]
fn every_selector_and_condition_changes_the_hash() {
    type Change = fn(&mut Identity);
    let changes: [Change; 18] = [
        |_| {},
        |i| i.user_name = Some("x".to_owned()),
        |i| i.group_name = Some("x".to_owned()),
        |i| i.exe_path = Some("x".to_owned()),
        |i| i.process_name = Some("x".to_owned()),
        |i| i.systemd_unit = Some("x".to_owned()),
        |i| i.systemd_slice = Some("x".to_owned()),
        |i| i.container_id = Some("x".to_owned()),
        |i| i.cgroup = Some("x".to_owned()),
        |i| i.script_path = Some("x".to_owned()),
        |i| i.uid = Some(0),
        |i| i.uid = Some(1),
        |i| i.gid = Some(1),
        |i| i.exe_sha256 = Some(vec![]),
        |i| i.exe_sha256 = Some(vec!["x".to_owned()]),
        |i| i.forbid = Some(vec![]),
        |i| i.forbid = Some(vec!["x".to_owned()]),
        |i| i.forbid = Some(vec!["x".to_owned(), "y".to_owned()]),
    ];
    let changed = changes.iter().map(|change| {
        let mut identity = Identity::default();
        change(&mut identity);
        content_hash(&of(vec![identity]))
    });
    let hashes: std::collections::HashSet<_> = changed.collect();
    assert_eq!(hashes.len(), changes.len());
}

#[test]
fn every_later_field_changes_the_hash_wherever_it_stands() {
    type Change = fn(&mut AuthorizationItem, &mut Privilege, &mut RoleAssignment);
    let changes: [Change; 10] = [
        |_, _, _| {},
        |item, _, _| item.audit_until = Some("x".to_owned()),
        |_, privilege, _| privilege.methods = Some(vec![]),
        |_, privilege, _| privilege.methods = Some(vec!["x".to_owned()]),
        |_, privilege, _| privilege.path_match = Some("x".to_owned()),
        |_, _, assignment| assignment.mode = Some("x".to_owned()),
        |_, _, assignment| assignment.comment = Some("x".to_owned()),
        |_, _, assignment| assignment.comment = Some("y".to_owned()),
        |item, _, assignment| {
            item.audit_until = Some("x".to_owned());
            assignment.mode = Some("x".to_owned());
        },
        |_, privilege, assignment| {
            privilege.path_match = Some("x".to_owned());
            assignment.mode = Some("x".to_owned());
        },
    ];
    let changed = changes.iter().map(|change| {
        let mut item = item(&[]);
        let (mut privilege, mut assignment) = (Privilege::default(), RoleAssignment::default());
        change(&mut item, &mut privilege, &mut assignment);
        item.rules = Some(AccessControlRules {
            privileges: Some(vec![privilege]),
            role_assignments: Some(vec![assignment]),
            ..Default::default()
        });
        content_hash(&item)
    });
    let hashes: std::collections::HashSet<_> = changed.collect();
    assert_eq!(hashes.len(), changes.len());
}

#[test]
fn document_without_later_selectors_keeps_its_hash() {
    let identity = Identity {
        name: "i".to_owned(),
        user_name: Some("alice".to_owned()),
        ..Identity::default()
    };
    assert_eq!(
        content_hash(&of(vec![identity])),
        "ffeeb78ef752ee0b08bcf22aa0e443b3c735aff26a5e90627827a8dc482a1725"
    );
}
