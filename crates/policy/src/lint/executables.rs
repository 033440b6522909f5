//! Executables that say little about what runs: interpreters, relays, and mere names.

use latchkey_protocol::authorization::Identity;

use super::reading::{Reading, identity_at};
use super::{Code, Finding};
use crate::program::Program;

pub(super) fn look(reading: &Reading<'_>, findings: &mut Vec<Finding>) {
    for (at, identity) in reading.identities.iter().enumerate() {
        findings.extend(program(at, identity));
        findings.extend(process_name(at, identity));
        if identity.exe_sha256.is_some() {
            findings.push(Finding::new(
                Code::PinnedDigest,
                format!("{}/exeSha256", identity_at(at)),
                format!(
                    "`{}` is refused after every update of its executable",
                    identity.name
                ),
                "add the new digest before the update, and take the old one out after it",
            ));
        }
    }
}

/// Returns whether something tells what an executable runs, or who started it for what.
const fn is_tied(identity: &Identity) -> bool {
    identity.systemd_unit.is_some()
        || identity.script_path.is_some()
        || identity.cgroup.is_some()
        || identity.container_id.is_some()
}

fn program(at: usize, identity: &Identity) -> Option<Finding> {
    let path = identity.exe_path.as_deref().map(|path| (path, "exePath"));
    let name = identity
        .process_name
        .as_deref()
        .map(|name| (name, "processName"));
    let mut given = path.into_iter().chain(name);
    let (program, text, member) =
        given.find_map(|(text, member)| Some((Program::of(text)?, text, member)))?;
    let pointer = format!("{}/{member}", identity_at(at));
    let name = &identity.name;
    match program {
        Program::Interpreter if !is_tied(identity) => Some(Finding::new(
            Code::BareInterpreter,
            pointer,
            format!(
                "`{text}` runs whatever it is given, so `{name}` is any script of these callers"
            ),
            "name the systemdUnit or the scriptPath too, or give the program a user of its own",
        )),
        Program::Fetcher if !is_tied(identity) => Some(Finding::new(
            Code::RelayExecutable,
            pointer,
            format!("`{text}` fetches for whoever starts it, so `{name}` is everybody who can"),
            "name the systemdUnit or the scriptPath that uses it, or give the task a user of its own",
        )),
        Program::Relay => Some(Finding::new(
            Code::RelayExecutable,
            pointer,
            format!(
                "`{text}` passes on what others send it, so `{name}` may be whoever reaches it"
            ),
            "see that it never forwards to the metadata addresses, or name the real caller instead",
        )),
        Program::Interpreter | Program::Fetcher => None,
    }
}

fn process_name(at: usize, identity: &Identity) -> Option<Finding> {
    let process = identity.process_name.as_ref()?;
    let others = Identity {
        name: String::new(),
        process_name: None,
        user_name: None,
        uid: None,
        forbid: None,
        ..identity.clone()
    };
    if others != Identity::default() {
        return None;
    }
    let pointer = format!("{}/processName", identity_at(at));
    let name = &identity.name;
    Some(match identity.user_name.as_ref() {
        None if identity.uid.is_none() => Finding::new(
            Code::ProcessNameAlone,
            pointer,
            format!("any file that is called `{process}` is `{name}`, whoever put it anywhere"),
            "name the whole exePath, and the user or the systemdUnit",
        ),
        _ => Finding::new(
            Code::ProcessNameOfUser,
            pointer,
            format!("the user of `{name}` can call any file `{process}`"),
            "name the whole exePath, or leave processName out",
        ),
    })
}
