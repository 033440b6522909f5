//! The operator's program `latchkey`: what a person asks about profiles, an agent and its machine.
//!
//! Answers stand on standard output, in text or JSON; complaints and progress on standard error.

#![forbid(unsafe_code)]

mod arguments;
mod board;
mod completions;
mod doctor;
mod document;
mod exit;
mod explain;
mod input;
mod learn;
mod machine;
mod manual;
mod observe;
mod output;
mod problem;
mod profile;
mod signature;
mod simulate;
mod table;
mod terminal;
mod visible;

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
        Ok(arguments) => run_command(arguments.command),
        Err(error) if error.use_stderr() => terminal::printed(error.print(), Exit::Usage),
        Err(error) => terminal::printed(error.print(), Exit::Success),
    };
    exit.into()
}

fn run_command(command: Command) -> Exit {
    match command {
        Command::Completions(completions) => completions::run(&completions),
        Command::Doctor(doctor) => doctor::run(doctor),
        Command::Explain(explain) => explain::run(&explain),
        Command::Learn(learn) => learn::run(&learn),
        Command::Manual(manual) => manual::run(&manual),
        Command::Observe(observe) => observe::run(observe),
        Command::Profile(profile) => profile::run(profile),
        Command::Signature(signature) => signature::run(&signature),
        Command::Simulate(simulate) => simulate::run(&simulate),
    }
}
