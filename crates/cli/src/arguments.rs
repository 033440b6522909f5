//! The command line; each command describes its own arguments.

use clap::{Parser, Subcommand, ValueEnum};

use crate::doctor::Doctor;

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

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}
