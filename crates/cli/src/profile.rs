//! `latchkey profile`: what is done with access control profiles themselves.

use clap::{Args, Subcommand};

use crate::exit::Exit;

mod diff;
mod export;
mod fmt;
mod lint;
mod merge;
mod schema;
mod show;
mod starter;
mod test;

/// Works with access control profiles.
#[derive(Debug, Args)]
pub(crate) struct Profile {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Diff(diff::Diff),
    Export(Box<export::Export>),
    Fmt(fmt::Fmt),
    Lint(lint::Lint),
    Merge(merge::Merge),
    Schema(schema::Schema),
    Show(show::Show),
    Starter(starter::Starter),
    Test(test::Test),
}

pub(crate) fn run(profile: Profile) -> Exit {
    match profile.command {
        Command::Diff(diff) => diff::run(&diff),
        Command::Export(export) => export::run(&export),
        Command::Fmt(fmt) => fmt::run(&fmt),
        Command::Lint(lint) => lint::run(&lint),
        Command::Merge(merge) => merge::run(&merge),
        Command::Schema(schema) => schema::run(&schema),
        Command::Show(show) => show::run(&show),
        Command::Starter(starter) => starter::run(&starter),
        Command::Test(test) => test::run(&test),
    }
}
