//! `latchkey profile`: what is done with access control profiles themselves.

use clap::{Args, Subcommand};

use crate::exit::Exit;

mod fmt;
mod lint;
mod show;
mod test;

/// Works with access control profiles.
#[derive(Debug, Args)]
pub(crate) struct Profile {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Fmt(fmt::Fmt),
    Lint(lint::Lint),
    Show(show::Show),
    Test(test::Test),
}

pub(crate) fn run(profile: Profile) -> Exit {
    match profile.command {
        Command::Fmt(fmt) => fmt::run(&fmt),
        Command::Lint(lint) => lint::run(&lint),
        Command::Show(show) => show::run(&show),
        Command::Test(test) => test::run(&test),
    }
}
