//! The command line of `latchkey-lab`.
//!
//! Exit codes: 0 done, 1 failed, 64 not understood; `enter` returns those of the command.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use latchkey_lab::id::LabId;

mod benching;
mod demo;
mod entering;
mod matrix;
mod standing;

/// The command line was not understood (`EX_USAGE` of sysexits.h).
const EXIT_USAGE: u8 = 64;

/// Guests and their host as namespaces on one machine.
#[derive(Debug, Parser)]
#[command(version, propagate_version = true, arg_required_else_help = true)]
#[command(
    after_help = "Needs root. A lab leaves nothing behind when it ends; if it was killed, \
                        the next one, or `sweep`, removes the rest."
)]
struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Shows the main job: host, three guests, callers, and what becomes of their requests
    Demo {
        /// End after the table: 0 if every row is as expected, else 1
        #[arg(long)]
        once: bool,
    },
    /// Stands up a host and guests, and takes them down on an interrupt
    Up {
        /// Names of the guests
        #[arg(required = true, value_name = "GUEST")]
        guests: Vec<String>,
    },
    /// Lists the labs that stand, with their nodes
    List,
    /// Runs a command in a guest of a standing lab
    Enter(EnterArguments),
    /// Measures direct, nginx and Latchkey in one run, and prints medians and ratios
    Bench(BenchArguments),
    /// Writes the table of ways round from the results of the last tests
    BypassMatrix {
        /// Only compare: 0 if the file is what would be written, else 1
        #[arg(long)]
        check: bool,
        /// The document
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Removes what killed labs have left: processes, control groups, pins, directories
    Sweep,
    /// Holds the namespaces of one node until standard input ends
    #[command(hide = true)]
    Hold(HoldArguments),
    /// Builds and holds a throw-away root, as process 1 of it
    #[command(hide = true)]
    HoldRoot(HoldRootArguments),
    /// Becomes a program inside a node
    #[command(hide = true)]
    Exec(ExecArguments),
}

#[derive(Debug, Args)]
struct EnterArguments {
    /// Name of the guest, or `host`
    #[arg(value_name = "GUEST")]
    node: String,
    /// Run as this user of the guest
    #[arg(long, default_value = "root")]
    user: String,
    /// Id of the lab, as `list` shows it; needed if several stand
    #[arg(long, value_name = "ID")]
    lab: Option<LabId>,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND", default_values = ["/bin/sh"])]
    command: Vec<OsString>,
}

#[derive(Debug, Args)]
struct BenchArguments {
    /// Repetitions of every load; medians are taken over them
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// Length of one load in seconds
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=60))]
    seconds: u32,
    /// Also write the figures as JSON to this file
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct HoldArguments {
    #[arg(long)]
    cgroup: PathBuf,
    #[arg(long)]
    hostname: String,
    #[arg(long, num_args = 2, value_names = ["SOURCE", "TARGET"])]
    bind: Vec<PathBuf>,
}

#[derive(Debug, Args)]
struct HoldRootArguments {
    #[arg(long)]
    tree: PathBuf,
    #[arg(long)]
    mount_point: PathBuf,
    #[arg(long)]
    hostname: String,
}

#[derive(Debug, Args)]
struct ExecArguments {
    #[arg(long)]
    holder: u32,
    #[arg(long)]
    cgroup: PathBuf,
    #[arg(long)]
    uid: u32,
    #[arg(long)]
    gid: u32,
    /// Comma-separated, may be empty
    #[arg(long)]
    groups: String,
    #[arg(long)]
    directory: PathBuf,
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the program and returns its exit code.
#[must_use]
pub(crate) fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { EXIT_USAGE } else { 0 };
            // If the terminal is gone the code still tells.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let result = match arguments.action {
        Action::Demo { once } => demo::demo(once),
        Action::Up { guests } => standing::up(&guests),
        Action::List => standing::list(),
        Action::Enter(arguments) => entering::enter(arguments),
        Action::Bench(arguments) => benching::bench(&arguments),
        Action::BypassMatrix { check: true, file } => matrix::check(&file),
        Action::BypassMatrix { check: false, file } => matrix::write(&file),
        Action::Sweep => standing::sweep_all(),
        Action::Hold(arguments) => entering::hold(arguments),
        Action::HoldRoot(arguments) => entering::hold_root(arguments),
        Action::Exec(arguments) => entering::exec(arguments),
    };
    result.unwrap_or_else(|error| {
        tell(&error);
        ExitCode::FAILURE
    })
}

/// Writes an error and its causes to standard error.
fn tell(error: &anyhow::Error) {
    // If even that fails there is nobody left to tell.
    drop(writeln!(io::stderr(), "latchkey-lab: {error:#}"));
}
