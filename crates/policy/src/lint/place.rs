//! What the machine itself says about the callers that a profile names.

use latchkey_protocol::authorization::Identity;

use super::machine::{Facts, File, Machine};
use super::reading::{Reading, identity_at};
use super::{Code, Finding};

pub(super) fn look(reading: &Reading<'_>, machine: &dyn Machine, findings: &mut Vec<Finding>) {
    for (at, identity) in reading.identities.iter().enumerate() {
        let pointer = |member: &str| format!("{}/{member}", identity_at(at));
        findings.extend(absent(machine, identity, &pointer));
        // Its paths are those in the container.
        if identity.container_id.is_some() {
            continue;
        }
        if let Some(path) = &identity.exe_path {
            let facts = file(machine, path, &pointer("exePath"), findings);
            let facts = facts.unwrap_or_default();
            findings.extend(exchangeable(&facts, path, pointer("exePath"), identity));
            findings.extend(script(&facts, path, pointer("exePath")));
        }
        if let Some(path) = &identity.script_path {
            let facts = file(machine, path, &pointer("scriptPath"), findings);
            findings.extend(unreliable(
                &facts.unwrap_or_default(),
                path,
                pointer("scriptPath"),
            ));
        }
    }
}

/// Returns what the machine does not have.
fn absent(
    machine: &dyn Machine,
    identity: &Identity,
    pointer: &dyn Fn(&str) -> String,
) -> Vec<Finding> {
    let user = identity
        .user_name
        .as_ref()
        .filter(|name| machine.has_user(name) == Some(false));
    let group = identity
        .group_name
        .as_ref()
        .filter(|name| machine.has_group(name) == Some(false));
    let unit = identity
        .systemd_unit
        .as_ref()
        .filter(|name| machine.has_unit(name) == Some(false));
    [
        (user, Code::UnknownUser, "userName", "user"),
        (group, Code::UnknownGroup, "groupName", "group"),
        (unit, Code::UnknownUnit, "systemdUnit", "unit"),
    ]
    .into_iter()
    .filter_map(|(name, code, member, what)| {
        let message = format!("this machine has no {what} `{}`", name?);
        let remedy =
            "correct the name (letter case counts), or create it before the profile is applied";
        Some(Finding::new(code, pointer(member), message, remedy))
    })
    .collect()
}

/// Tells whether the file is there, under this path, and returns what is known of it.
fn file(
    machine: &dyn Machine,
    path: &str,
    pointer: &str,
    findings: &mut Vec<Finding>,
) -> Option<Facts> {
    let facts = match machine.file(path)? {
        File::Present(facts) => facts,
        File::Missing => {
            findings.push(Finding::new(
                Code::MissingFile,
                pointer,
                format!("this machine has no file `{path}`"),
                "correct the path, or install the program before the profile is applied",
            ));
            return None;
        }
    };
    if let Some(target) = &facts.leads_to {
        findings.push(Finding::new(
            Code::LinkedFile,
            pointer,
            format!("`{path}` leads over a link to `{target}`, so no caller is ever known by it"),
            "name the file that the link leads to",
        ));
    }
    Some(facts)
}

/// SECURITY: whoever can write to a program, or exchange it or a folder above it, is its identity.
fn exchangeable(
    facts: &Facts,
    path: &str,
    pointer: String,
    identity: &Identity,
) -> Option<Finding> {
    let place = facts.writable.as_ref()?;
    if place.only_by.is_some() && place.only_by == identity.user_name {
        return Some(Finding::new(
            Code::FileOfItsUser,
            pointer,
            format!(
                "the user of `{}` can write to `{}`, and so run any program as `{path}`",
                identity.name, place.path
            ),
            "have root own the file and its folder, or count on the user alone",
        ));
    }
    Some(Finding::new(
        Code::WritableFile,
        pointer,
        format!(
            "others than root can write to `{}`, and so run another program as `{path}`",
            place.path
        ),
        "take the right to write away, or move the file to where only root writes",
    ))
}

/// A script counts only if nobody but root can exchange it.
fn unreliable(facts: &Facts, path: &str, pointer: String) -> Option<Finding> {
    let place = facts.writable.as_ref()?;
    Some(Finding::new(
        Code::WritableFile,
        pointer,
        format!(
            "others than root can write to `{}`, so the script `{path}` is never taken for the caller's",
            place.path
        ),
        "take the right to write away, or move the file to where only root writes",
    ))
}

fn script(facts: &Facts, path: &str, pointer: String) -> Option<Finding> {
    let interpreter = facts.interpreter.as_ref()?;
    Some(Finding::new(
        Code::ScriptAsExecutable,
        pointer,
        format!(
            "`{path}` is a script, so the kernel runs `{interpreter}` and the identity matches nobody"
        ),
        "put the path into scriptPath, and the interpreter's file into exePath",
    ))
}
