//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Tells what an agent's protection covers.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Doctor(Doctor),
}

/// Checks this machine's protection.
///
/// Exit codes: 0 nothing is wrong; 1 it could not be checked; 2 something is open that should not
/// be; 64 the command line is wrong.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Try every way round the agent, as root; no packet leaves the machine.
    #[arg(long, required = true)]
    pub(crate) coverage: bool,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The agent's folder of pins; /sys/fs/bpf/latchkey if no configuration is named.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) pins: Option<PathBuf>,
    /// The cgroup that the programs are attached to; found by their links if it is not named.
    #[arg(long, value_name = "DIR")]
    pub(crate) cgroup: Option<PathBuf>,
    /// The agent's configuration, which names both.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}
