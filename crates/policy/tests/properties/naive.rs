//! What a document says, read entry by entry on canonical forms, as section 4.3 of the wire
//! specification puts it, with our fields beside it: no index, no compilation, no order.

use jiff::Timestamp;
use latchkey_protocol::authorization::{
    AccessControlRules, AuthorizationItem, Identity, Privilege,
};
use latchkey_protocol::target::{CanonicalTarget, canonical_path, canonical_text};
use latchkey_protocol::{Attributes, Flag, Mode, Reason};

fn covers(privilege: &Privilege, method: &str, target: &CanonicalTarget) -> bool {
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
    let is_exact = privilege.path_match.as_deref() == Some("exact");
    let methods = privilege.methods.as_ref();
    target.path() != "*"
        && request.starts_with(&rule)
        && !(is_exact && request.len() > rule.len())
        && methods.is_none_or(|methods| methods.iter().any(|own| own == method))
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

fn covering<'a>(
    item: &'a AuthorizationItem,
    method: &str,
    target: &CanonicalTarget,
) -> Vec<&'a Privilege> {
    let rules = item.rules.iter();
    let privileges = rules.flat_map(|rules| rules.privileges.iter().flatten());
    privileges
        .filter(|privilege| covers(privilege, method, target))
        .collect()
}

/// Returns the reason of a refusal.
pub(crate) fn refusal(
    item: &AuthorizationItem,
    method: &str,
    target: &CanonicalTarget,
    caller: &Attributes,
) -> Option<Reason> {
    let rules = item.rules.clone().unwrap_or_default();
    let covering = covering(item, method, target);
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

/// Returns what a mode has become.
fn due(item: &AuthorizationItem, mode: &str, now: Timestamp) -> Mode {
    let until = item.audit_until.as_ref();
    let has_ended = until.is_some_and(|until| until.parse::<Timestamp>().unwrap() <= now);
    match mode.parse().unwrap() {
        Mode::Audit if has_ended => Mode::Enforce,
        mode => mode,
    }
}

pub(crate) fn mode(item: &AuthorizationItem, now: Timestamp) -> Mode {
    due(item, &item.mode, now)
}

/// Returns the mode in which whoever lacks a privilege is refused.
fn withheld(item: &AuthorizationItem, privilege: &Privilege, now: Timestamp) -> Mode {
    let rules = item.rules.clone().unwrap_or_default();
    let assignments = rules.role_assignments.iter().flatten();
    let giving = assignments.filter(|assignment| {
        let mut roles = rules.roles.iter().flatten();
        roles.any(|role| role.name == assignment.role && role.privileges.contains(&privilege.name))
    });
    let modes = giving.map(|assignment| assignment.mode.as_ref().unwrap_or(&item.mode));
    let strictest = modes.map(|mode| due(item, mode, now)).max();
    strictest.unwrap_or(mode(item, now))
}

/// Returns the strictest mode of the privileges that cover a request, if any does.
pub(crate) fn covering_mode(
    item: &AuthorizationItem,
    method: &str,
    target: &CanonicalTarget,
    now: Timestamp,
) -> Option<Mode> {
    let covering = covering(item, method, target).into_iter();
    covering
        .map(|privilege| withheld(item, privilege, now))
        .max()
}

/// Returns the strictest mode that anything in the document is refused in.
pub(crate) fn strictest_mode(item: &AuthorizationItem, now: Timestamp) -> Mode {
    let rules = item.rules.clone().unwrap_or_default();
    let privileges = rules.privileges.iter().flatten();
    let modes = privileges.map(|privilege| withheld(item, privilege, now));
    modes.fold(mode(item, now), Mode::max)
}
