//! What to try while the demo stands: exact commands and files.

use std::io::Write;

use super::cast::TOKEN;
use super::{DemoError, ENFORCE};
use crate::binaries::{self, Binary};
use crate::process::ProcessError;
use crate::system::System;

pub(super) fn write(out: &mut impl Write, system: &System, program: &str) -> Result<(), DemoError> {
    let lab = system.lab().id();
    let enter = format!("{program} enter --lab {lab}");
    let token = format!("'http://169.254.169.254{TOKEN}'");
    let latchkey = binaries::find(Binary::Cli).map_err(ProcessError::from)?;
    let latchkey = latchkey.display();
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
