//! What to try while the demo stands: exact commands and files.

use std::io::Write;
use std::path::PathBuf;

use latchkey_protocol::Mode;
use serde_json::json;

use super::cast::TOKEN;
use super::{DemoError, ENFORCE};
use crate::binaries::{self, Binary};
use crate::files;
use crate::process::ProcessError;
use crate::system::{System, SystemError, profile};

pub(super) fn write(out: &mut impl Write, system: &System, program: &str) -> Result<(), DemoError> {
    let lab = system.lab().id();
    let enter = format!("{program} enter --lab {lab}");
    let token = format!("'http://169.254.169.254{TOKEN}'");
    let latchkey = binaries::find(Binary::Cli).map_err(ProcessError::from)?;
    let latchkey = latchkey.display();
    let rules = write_rules(system)?;
    let rules = rules.display();
    let audit = system.audit_file(ENFORCE)?;
    let status = system.status_file(ENFORCE)?;
    let observations = system.observations_file();
    let machine = system.machine_file(ENFORCE);
    let pid = system.agent_pid(ENFORCE)?;
    let machine = machine.display();
    let lines = [
        (
            "Ask as the web server",
            format!("{enter} --user www {ENFORCE} -- curl -si -H Metadata:true {token}"),
        ),
        (
            "Look around as the app",
            format!("{enter} --user app {ENFORCE}"),
        ),
        (
            "Ask why the web server gets no token",
            format!(
                "{latchkey} explain --profile {rules} --endpoint imds --user www --target '{TOKEN}'"
            ),
        ),
        (
            "Look the rules over",
            format!("{latchkey} profile lint {rules}"),
        ),
        (
            "Watch what the agent decides",
            format!(
                "{latchkey} observe --from-beginning --audit {}",
                audit.display()
            ),
        ),
        (
            "Follow the audit trail",
            format!("tail -f {}", audit.display()),
        ),
        (
            "Follow what the host sees",
            format!("tail -f {}", observations.display()),
        ),
        (
            "Read the agent's status",
            format!("cat {}", status.display()),
        ),
        (
            "Change who may ask for what",
            format!("edit the profile in {machine}; host and agent follow within two seconds"),
        ),
        (
            "Go back to Audit",
            format!("sed -i 's/\"Enforce\"/\"Audit\"/' {machine}"),
        ),
        (
            "Rotate the key",
            format!("sed -i 's/\"key_incarnation\": 1/\"key_incarnation\": 2/' {machine}"),
        ),
        (
            "Kill the agent, ask again",
            format!("kill -9 {pid}   # refused, never direct"),
        ),
    ];
    writeln!(
        out,
        "\nThe lab stands until Ctrl-C. Try, as root in another terminal:\n"
    )?;
    for (what, how) in lines {
        writeln!(out, "  {what}:\n    {how}")?;
    }
    Ok(out.flush()?)
}

/// Writes the guest's rules for the instance metadata service to a file of their own, which programs
/// read that know nothing of machine files.
fn write_rules(system: &System) -> Result<PathBuf, SystemError> {
    let mut rules = profile::standard().document();
    if let Some(item) = rules.as_object_mut() {
        item.insert("mode".to_owned(), json!(Mode::Enforce));
    }
    let path = system.lab().dir().join("imds.json");
    files::write(&path, &format!("{rules:#}\n"))?;
    Ok(path)
}
