//! The part of a profile that the deployed agent understands, and everything that is lost on the way.
//!
//! SECURITY: the deployed agent ignores fields that it does not know. A selector that it ignores
//! selects everybody, a method or condition that it ignores holds always; so each is reported, and
//! what lets more through is never dropped in silence.

use latchkey_protocol::Mode;
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege, QueryParameters, RoleAssignment,
};
use latchkey_protocol::target::{canonical_path, canonical_text};

use super::loss::{Loss, Severity};
use crate::meaning::Meaning;

/// Collects what is lost.
#[derive(Debug, Default)]
pub(super) struct Losses(pub(super) Vec<Loss>);

impl Losses {
    pub(super) fn add(
        &mut self,
        severity: Severity,
        pointer: impl Into<String>,
        text: impl Into<String>,
    ) {
        self.0.push(Loss {
            pointer: pointer.into(),
            severity,
            text: text.into(),
        });
    }
}

/// Returns a valid profile without the fields that the deployed agent does not know.
pub(super) fn portable(
    item: &AuthorizationItem,
    meaning: &Meaning,
    losses: &mut Losses,
) -> AuthorizationItem {
    if item.audit_until.is_some() {
        let pointer = "/auditUntil";
        if meaning.has_audit() {
            let text =
                "the target knows no end of Audit: it would go on until somebody sets Enforce";
            losses.add(Severity::Widens, pointer, text);
        } else {
            losses.add(
                Severity::Dropped,
                pointer,
                "nothing is in Audit, so it has no effect",
            );
        }
    }
    let rules = item.rules.as_ref().map(|rules| AccessControlRules {
        privileges: map(rules.privileges.as_ref(), |at, privilege| {
            portable_privilege(at, privilege, losses)
        }),
        roles: rules.roles.clone(),
        identities: map(rules.identities.as_ref(), |at, identity| {
            portable_identity(at, identity, losses)
        }),
        role_assignments: map(rules.role_assignments.as_ref(), |at, assignment| {
            portable_assignment(at, assignment, meaning.mode, losses)
        }),
    });
    AuthorizationItem {
        default_access: meaning.default_access.as_str().to_owned(),
        mode: meaning.mode.as_str().to_owned(),
        id: item.id.clone(),
        audit_until: None,
        rules,
    }
}

fn map<T>(list: Option<&Vec<T>>, mut each: impl FnMut(usize, &T) -> T) -> Option<Vec<T>> {
    let entries = list?.iter().enumerate();
    Some(entries.map(|(at, entry)| each(at, entry)).collect())
}

fn portable_privilege(at: usize, privilege: &Privilege, losses: &mut Losses) -> Privilege {
    let pointer = format!("/rules/privileges/{at}");
    let name = &privilege.name;
    if let Some(methods) = &privilege.methods {
        let text = format!(
            "the target knows no methods: privilege `{name}` would cover every method, not {} alone",
            methods.join(", ")
        );
        losses.add(Severity::Widens, format!("{pointer}/methods"), text);
    }
    match privilege.path_match.as_deref() {
        Some("exact") => {
            let text = format!(
                "the target knows no exact paths: privilege `{name}` would cover all below `{}` too",
                privilege.path
            );
            losses.add(Severity::Widens, format!("{pointer}/pathMatch"), text);
        }
        Some(_) => {
            let text = "`segments` is what holds without it";
            losses.add(Severity::Dropped, format!("{pointer}/pathMatch"), text);
        }
        None => {}
    }
    let path = plain_path(&privilege.path);
    let parameters = privilege.query_parameters.as_ref();
    for (name, value) in parameters.iter().flat_map(|all| &all.0) {
        for text in [name, value] {
            let plain = plain_text(text);
            if !reads_alike(text, &plain) {
                let text = format!(
                    "the deployed agent decodes no rules, so that `{text}` is `{plain}` for it, which is another text \
                     or none when it is read back"
                );
                losses.add(
                    Severity::Impossible,
                    format!("{pointer}/queryParameters"),
                    text,
                );
            }
        }
    }
    if !path.ends_with('/') {
        // The deployed agent compares texts, not segments.
        let text = format!(
            "the deployed agent compares `{path}` as text: it covers paths such as `{path}-x` too"
        );
        losses.add(Severity::Differs, format!("{pointer}/path"), text);
    }
    let parameters = privilege.query_parameters.as_ref();
    Privilege {
        name: name.clone(),
        path,
        query_parameters: parameters.map(plain_parameters),
        methods: None,
        path_match: None,
    }
}

/// Writes a path as the deployed agent compares it: it decodes requests, but no rules, and keeps
/// empty segments.
fn plain_path(text: &str) -> String {
    if !text.contains('%') && !text.contains("//") {
        return text.to_owned();
    }
    match canonical_path(text) {
        Ok((path, true)) => path + "/",
        Ok((path, false)) => path,
        // Not of a valid document.
        Err(_) => text.to_owned(),
    }
}

fn plain_parameters(parameters: &QueryParameters) -> QueryParameters {
    let pairs = parameters.0.iter();
    QueryParameters(
        pairs
            .map(|(name, value)| (plain_text(name), plain_text(value)))
            .collect(),
    )
}

/// Writes a name or value as the deployed agent compares it.
fn plain_text(text: &str) -> String {
    match canonical_text(text) {
        Ok(decoded) if text.contains('%') => decoded,
        _ => text.to_owned(),
    }
}

/// Returns whether a name or value that is written is read as the one it was written for.
fn reads_alike(own: &str, written: &str) -> bool {
    match (canonical_text(own), canonical_text(written)) {
        (Ok(own), Ok(written)) => own == written,
        _ => false,
    }
}

/// Writes the path of a file without repeated and trailing slashes.
fn plain_file(path: &str) -> String {
    let segments = path.split('/').filter(|segment| !segment.is_empty());
    segments.map(|segment| format!("/{segment}")).collect()
}

fn portable_identity(at: usize, identity: &Identity, losses: &mut Losses) -> Identity {
    let pointer = format!("/rules/identities/{at}");
    let portable = Identity {
        name: identity.name.clone(),
        user_name: identity.user_name.clone(),
        group_name: identity.group_name.clone(),
        // The kernel knows no other spelling of a path, and the deployed agent compares texts.
        exe_path: identity.exe_path.as_deref().map(plain_file),
        process_name: identity.process_name.clone(),
        ..Identity::default()
    };
    let name = &identity.name;
    let own = [
        ("systemdUnit", identity.systemd_unit.is_some()),
        ("systemdSlice", identity.systemd_slice.is_some()),
        ("containerId", identity.container_id.is_some()),
        ("cgroup", identity.cgroup.is_some()),
        ("scriptPath", identity.script_path.is_some()),
        ("exeSha256", identity.exe_sha256.is_some()),
        ("uid", identity.uid.is_some()),
        ("gid", identity.gid.is_some()),
        ("forbid", identity.forbid.is_some()),
    ];
    let own: Vec<&str> = own
        .iter()
        .filter_map(|(field, is_given)| is_given.then_some(*field))
        .collect();
    let selects_nobody = Identity {
        name: name.clone(),
        ..Identity::default()
    };
    if portable == selects_nobody {
        let text = format!(
            "the target knows none of the selectors of identity `{name}` ({}), so it would be everybody: add userName, \
             groupName, exePath or processName",
            own.join(", ")
        );
        losses.add(Severity::Impossible, pointer, text);
        return portable;
    }
    for field in own {
        let text =
            format!("the target knows no {field}: identity `{name}` would be more callers without");
        losses.add(Severity::Widens, format!("{pointer}/{field}"), text);
    }
    portable
}

fn portable_assignment(
    at: usize,
    assignment: &RoleAssignment,
    profile: Mode,
    losses: &mut Losses,
) -> RoleAssignment {
    let pointer = format!("/rules/roleAssignments/{at}");
    let own = assignment.mode.as_ref();
    let own: Option<Mode> = own.and_then(|text| text.parse().ok());
    if let Some(own) = own {
        let (severity, text) = if own > profile {
            let text =
                format!("the target knows one mode: {profile} would hold here too, not {own}");
            (Severity::Widens, text)
        } else if own < profile {
            let text =
                format!("the target knows one mode: {profile} would hold at once, not {own}");
            (Severity::Differs, text)
        } else {
            (
                Severity::Dropped,
                format!("the profile is in {profile} anyway"),
            )
        };
        losses.add(severity, format!("{pointer}/mode"), text);
    }
    if assignment.comment.is_some() {
        let text = "the target keeps no comments";
        losses.add(Severity::Dropped, format!("{pointer}/comment"), text);
    }
    RoleAssignment {
        mode: None,
        comment: None,
        ..assignment.clone()
    }
}
