//! The operator's program `latchkey`: what a person asks about an agent and its machine.
//!
//! Answers stand on standard output, in text or JSON; complaints and progress on standard error.

#![forbid(unsafe_code)]

mod arguments;
mod doctor;
mod exit;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser as _;
use latchkey_intercept::coverage;

use arguments::{Arguments, Command};
use exit::Exit;

/// Runs the program and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    // Before anything else: the child must not have a second thread.
    if coverage::is_child() {
        return coverage::run_child();
    }
    let exit = match Arguments::try_parse() {
        Ok(arguments) => match arguments.command {
            Command::Doctor(doctor) => doctor::run(doctor),
        },
        Err(error) if error.use_stderr() => terminal::printed(error.print(), Exit::Usage),
        Err(error) => terminal::printed(error.print(), Exit::Success),
    };
    exit.into()
}
