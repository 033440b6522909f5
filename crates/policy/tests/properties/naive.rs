//! What a document says, read entry by entry on canonical forms, as section 4.3 of the wire
//! specification puts it: no index, no compilation, no order.

use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege,
};
use latchkey_protocol::target::{CanonicalTarget, canonical_path, canonical_text};
use latchkey_protocol::{Attributes, Flag, Reason};

fn covers(privilege: &Privilege, target: &CanonicalTarget) -> bool {
    let segments = |path: &str| -> Vec<String> {
        path.split('/')
            .filter(|segment| !segment.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let (path, below_only) = canonical_path(&privilege.path).unwrap();
    let (rule, request) = (segments(&path), segments(target.path()));
    let is_bare = rule.len() == request.len() && !target.has_trailing_slash();
    let parameters = privilege.query_parameters.clone().unwrap_or_default().0;
    target.path() != "*"
        && request.starts_with(&rule)
        && !(below_only && is_bare)
        && parameters.iter().all(|(name, value)| {
            let (name, value) = (
                canonical_text(name).unwrap(),
                canonical_text(value).unwrap(),
            );
            target.parameters().contains(&(name, value))
        })
}

fn is_of(caller: &Attributes, identity: &Identity) -> bool {
    let holds = |selector: &Option<String>, value: Option<&str>| {
        selector
            .as_deref()
            .is_none_or(|wanted| value == Some(wanted))
    };
    let number = |wanted: Option<u32>, value| wanted.is_none() || wanted == value;
    let group = &identity.group_name;
    let digests = identity.exe_sha256.as_ref();
    number(identity.uid, caller.uid)
        && number(identity.gid, caller.gid)
        && holds(&identity.systemd_unit, caller.systemd_unit.as_deref())
        && holds(&identity.systemd_slice, caller.systemd_slice.as_deref())
        && holds(&identity.container_id, caller.container_id.as_deref())
        && holds(&identity.script_path, caller.script_path.as_deref())
        && identity
            .cgroup
            .as_deref()
            .is_none_or(|group| lies_in(caller, group))
        && digests.is_none_or(|digests| {
            let mut digests = digests.iter().map(|digest| digest.to_ascii_lowercase());
            digests.any(|digest| caller.exe_sha256 == Some(digest))
        })
        && identity.forbid.iter().flatten().all(|word| {
            let flag: Flag = word.parse().unwrap();
            let mut doubtful = caller.flags.set().chain(caller.flags.unknown());
            doubtful.all(|doubtful| doubtful != flag)
        })
        && holds(&identity.user_name, caller.user_name.as_deref())
        && holds(&identity.exe_path, caller.executable.as_deref())
        && holds(&identity.process_name, caller.process_name())
        && group
            .as_ref()
            .is_none_or(|group| caller.group_names.contains(group))
}

fn lies_in(caller: &Attributes, group: &str) -> bool {
    let path = caller.cgroup.as_deref();
    path.is_some_and(|path| path == group || path.starts_with(&format!("{group}/")))
}

fn has(rules: &AccessControlRules, caller: &Attributes, privilege: &Privilege) -> bool {
    let assignments = rules.role_assignments.iter().flatten();
    assignments.into_iter().any(|assignment| {
        let mut roles = rules.roles.iter().flatten();
        let role = roles.find(|role| role.name == assignment.role).unwrap();
        let mut identities = rules.identities.iter().flatten();
        role.privileges.contains(&privilege.name)
            && identities.any(|i| assignment.identities.contains(&i.name) && is_of(caller, i))
    })
}

/// Returns the reason of a refusal.
pub(crate) fn refusal(
    item: &AuthorizationItem,
    target: &CanonicalTarget,
    caller: &Attributes,
) -> Option<Reason> {
    let rules = item.rules.clone().unwrap_or_default();
    let privileges = rules.privileges.iter().flatten();
    let covering: Vec<_> = privileges
        .filter(|privilege| covers(privilege, target))
        .collect();
    if covering
        .iter()
        .any(|privilege| has(&rules, caller, privilege))
    {
        None
    } else if !covering.is_empty() {
        Some(Reason::CallerNotAssigned)
    } else if item.default_access == "Allow" {
        None
    } else {
        Some(Reason::NoMatchingRule)
    }
}
