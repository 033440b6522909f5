//! The command line: where the configuration is, and what to do instead of running. Nothing else.

use std::num::NonZeroU64;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand, ValueEnum};
use latchkey_protocol::EndpointKind;

use crate::config::Location;

/// The gateway in front of metadata services, or in their place.
#[derive(Debug, Parser)]
#[command(name = "latchkey-host", version)]
pub struct Arguments {
    /// The configuration file
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/latchkey/host.toml",
        global = true
    )]
    pub config: PathBuf,
    /// Check the configuration and the machine files, and end
    #[arg(long, conflicts_with = "print_config")]
    pub check_config: bool,
    /// Print the configuration in force, and end
    #[arg(long)]
    pub print_config: bool,
    /// What to do instead of running
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Arguments {
    /// Reads the command line.
    ///
    /// # Errors
    /// When it is not understood, or asks for help.
    pub fn read() -> Result<Self, clap::Error> {
        let arguments = Self::try_parse()?;
        if arguments.command.is_some() && (arguments.check_config || arguments.print_config) {
            return Err(Self::command().error(
                ErrorKind::ArgumentConflict,
                "--check-config and --print-config are for the program itself, not for its commands",
            ));
        }
        Ok(arguments)
    }
}

/// What to do instead of running.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Look into the emulated metadata services of a running host
    #[command(subcommand)]
    Emulator(EmulatorCommand),
}

/// What to look at.
#[derive(Debug, Subcommand)]
pub enum EmulatorCommand {
    /// List what clients posted: health, telemetry, logs, approvals of events
    Inbox(InboxArguments),
}

/// Which posts to show, and how.
#[derive(Debug, Args)]
pub struct InboxArguments {
    /// Where the admin interface of the running host is, instead of where the configuration says
    #[arg(long, value_name = "URL", global = true, value_parser = location, conflicts_with = "config")]
    pub admin: Option<Location>,
    /// The form of the output
    #[arg(long, value_enum, default_value_t = Format::Table, global = true)]
    pub format: Format,
    /// Only the posts of this machine
    #[arg(long, value_name = "ID")]
    pub machine: Option<String>,
    /// Only the posts to this service
    #[arg(long, value_parser = endpoint, value_name = "imds|wireserver|hostga")]
    pub endpoint: Option<EndpointKind>,
    /// Go on with new posts as they come
    #[arg(long)]
    pub follow: bool,
    /// One post instead of the list
    #[command(subcommand)]
    pub one: Option<InboxCommand>,
}

/// One post instead of the list.
#[derive(Clone, Copy, Debug, Subcommand)]
pub enum InboxCommand {
    /// Show one post with the beginning of its body
    Show {
        /// Its number in the list
        number: NonZeroU64,
    },
}

/// The form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    Table,
    /// One JSON object in each line
    Json,
}

fn location(text: &str) -> Result<Location, String> {
    text.parse()
        .map_err(|_location| "must be of the form http://HOST:PORT".to_owned())
}

fn endpoint(text: &str) -> Result<EndpointKind, String> {
    let kinds = [
        EndpointKind::Imds,
        EndpointKind::WireServer,
        EndpointKind::HostGa,
    ];
    let found = kinds.into_iter().find(|kind| kind.as_str() == text);
    found.ok_or_else(|| "the services are imds, wireserver and hostga".to_owned())
}
