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
            file(machine, path, &pointer("exePath"), findings);
            findings.extend(script(machine, path, pointer("exePath")));
        }
        if let Some(path) = &identity.script_path {
            file(machine, path, &pointer("scriptPath"), findings);
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

fn file(machine: &dyn Machine, path: &str, pointer: &str, findings: &mut Vec<Finding>) {
    let Facts {
        leads_to, writable, ..
    } = match machine.file(path) {
        None => return,
        Some(File::Missing) => {
            findings.push(Finding::new(
                Code::MissingFile,
                pointer,
                format!("this machine has no file `{path}`"),
                "correct the path, or install the program before the profile is applied",
            ));
            return;
        }
        Some(File::Present(facts)) => facts,
    };
    if let Some(target) = leads_to {
        findings.push(Finding::new(
            Code::LinkedFile,
            pointer,
            format!("`{path}` leads over a link to `{target}`, so no caller is ever known by it"),
            "name the file that the link leads to",
        ));
    }
    if let Some(place) = writable {
        findings.push(Finding::new(
            Code::WritableFile,
            pointer,
            format!("others than root can write to `{place}`, and so put another file at `{path}`"),
            "take the right to write away, or move the file to where only root writes",
        ));
    }
}

fn script(machine: &dyn Machine, path: &str, pointer: String) -> Option<Finding> {
    let Some(File::Present(facts)) = machine.file(path) else {
        return None;
    };
    let interpreter = facts.interpreter?;
    Some(Finding::new(
        Code::ScriptAsExecutable,
        pointer,
        format!(
            "`{path}` is a script, so the kernel runs `{interpreter}` and the identity matches nobody"
        ),
        "put the path into scriptPath, and the interpreter's file into exePath",
    ))
}
