//! Commands for people: stand a lab up, list those that stand, sweep what is left of killed ones.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use latchkey_lab::state::{self, LabState};
use latchkey_lab::{Lab, sweep};
use nix::sys::signal::{SigSet, Signal};

use super::tell;

/// Blocks the signals that end a lab and returns them, to be waited for. It comes before anything
/// stands, so that an interrupt never leaves half a lab.
pub(super) fn block_signals() -> anyhow::Result<SigSet> {
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        signals.add(signal);
    }
    signals.thread_block().context("block signals")?;
    Ok(signals)
}

pub(super) fn up(guests: &[String]) -> anyhow::Result<ExitCode> {
    let signals = block_signals()?;
    let lab = guests
        .iter()
        .fold(Lab::builder(), |builder, name| builder.guest(name))
        .start()?;
    let mut out = io::stdout();
    writeln!(out, "lab {} stands; ctrl-c takes it down", lab.id())?;
    for guest in lab.guests() {
        let (name, address) = (guest.name(), guest.address());
        writeln!(
            out,
            "  {name}: {address}, latchkey-lab enter --lab {} {name}",
            lab.id()
        )?;
    }
    out.flush()?;
    signals.wait().context("wait for a signal")?;
    lab.stop()?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn list() -> anyhow::Result<ExitCode> {
    let mut out = io::stdout();
    let row = |out: &mut io::Stdout, [lab, node, address, interface, directory]: [&str; 5]| {
        writeln!(
            out,
            "{lab:<22} {node:<12} {address:<14} {interface:<10} {directory}"
        )
    };
    row(
        &mut out,
        ["LAB", "NODE", "ADDRESS", "INTERFACE", "DIRECTORY"],
    )?;
    for id in state::standing()? {
        // A lab that is just coming up or going down has no state to show.
        let Ok(lab) = LabState::read(id) else {
            continue;
        };
        for node in lab.nodes {
            let link = node
                .link
                .map(|link| (link.address.to_string(), link.interface));
            let (address, interface) = link.unwrap_or(("-".to_owned(), "-".to_owned()));
            let directory = node.directory.display().to_string();
            row(
                &mut out,
                [
                    &id.to_string(),
                    &node.name,
                    &address,
                    &interface,
                    &directory,
                ],
            )?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) fn sweep_all() -> anyhow::Result<ExitCode> {
    let found = sweep::sweep()?;
    let mut out = io::stdout();
    for path in &found.removed {
        writeln!(out, "removed {}", path.display())?;
    }
    if found.removed.is_empty() && found.problems.is_empty() {
        writeln!(out, "nothing to remove")?;
    }
    let code = if found.problems.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    };
    for problem in found.problems {
        tell(&problem.into());
    }
    Ok(code)
}
