//! `latchkey completions`: what a shell completes the program's arguments by.

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::arguments::Arguments;
use crate::exit::Exit;
use crate::terminal;

/// Writes the completions of a shell to standard output.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  latchkey completions bash > /usr/share/bash-completion/completions/latchkey")]
pub(crate) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(completions: &Completions) -> Exit {
    terminal::print(&written(completions.shell), Exit::Success)
}

/// Returns a shell's completions.
pub(crate) fn written(shell: Shell) -> String {
    let mut bytes = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "latchkey", &mut bytes);
    // The text is made of our own ASCII help texts and names.
    String::from_utf8(bytes).unwrap_or_default()
}
