//! The demo as a command: shows the table, stays up until an interrupt or, with `--once`, ends.

use std::io::{self, Write as _};
use std::process::ExitCode;

use anyhow::Context as _;
use latchkey_lab::demo::Demo;

use super::standing::block_signals;

/// What somebody misses who does not stay.
const LEFT_OUT: &str = "\
`latchkey explain` tells why a row is as it is, `latchkey observe` shows decisions as they are made,
`latchkey profile lint` looks rules over: without --once the demo stays up, with commands to try.";

pub(super) fn demo(once: bool) -> anyhow::Result<ExitCode> {
    let signals = block_signals()?;
    let mut out = io::stdout();
    let demo = Demo::show(&mut out)?;
    let code = if demo.unexpected().is_empty() {
        writeln!(out, "\nEvery row is as expected.")?;
        ExitCode::SUCCESS
    } else {
        writeln!(out, "\nNot as expected:")?;
        for line in demo.unexpected() {
            writeln!(out, "  {line}")?;
        }
        ExitCode::FAILURE
    };
    if once {
        writeln!(out, "{LEFT_OUT}")?;
    } else {
        let program = std::env::current_exe().context("find the lab's own program")?;
        demo.write_hints(&mut out, &program.display().to_string())?;
        signals.wait().context("wait for a signal")?;
    }
    demo.stop()?;
    Ok(code)
}
