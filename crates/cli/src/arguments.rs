//! The command line; each command describes its own arguments.

use clap::{Parser, Subcommand, ValueEnum};
use latchkey_protocol::EndpointKind;

use crate::completions::Completions;
use crate::doctor::Doctor;
use crate::explain::Explain;
use crate::learn::Learn;
use crate::manual::Manual;
use crate::observe::Observe;
use crate::profile::Profile;
use crate::signature::Signature;
use crate::simulate::Simulate;

/// Reads, tests and explains access control profiles, and tells what an agent's protection covers.
///
/// Answers go to standard output, complaints and progress to standard error. Wherever a FILE is
/// read, `-` is standard input.
///
/// Exit codes: 0 ok; 1 failure; 2 refused; 3 invalid document; 64 wrong command line.
#[derive(Debug, Parser)]
#[command(name = "latchkey", version)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Completions(Completions),
    Doctor(Doctor),
    Explain(Box<Explain>),
    Learn(Learn),
    Manual(Manual),
    Observe(Observe),
    Profile(Profile),
    Signature(Signature),
    Simulate(Simulate),
}

/// How an answer is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
}

/// An endpoint, as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Endpoint {
    Imds,
    #[value(name = "wireserver")]
    WireServer,
    #[value(name = "hostga")]
    HostGa,
}

impl From<Endpoint> for EndpointKind {
    fn from(endpoint: Endpoint) -> Self {
        match endpoint {
            Endpoint::Imds => Self::Imds,
            Endpoint::WireServer => Self::WireServer,
            Endpoint::HostGa => Self::HostGa,
        }
    }
}

/// An endpoint that has a profile of its own; the `WireServer`'s holds for the `HostGAPlugin` too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProfileEndpoint {
    Imds,
    #[value(name = "wireserver")]
    WireServer,
}

/// Reads the name of a region.
pub(crate) fn region(text: &str) -> Result<String, &'static str> {
    if text.trim().is_empty() {
        Err("name a region")
    } else {
        Ok(text.to_owned())
    }
}

/// A mode that profiles are learned or tried in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    Audit,
    Enforce,
}

impl Mode {
    /// Returns the word as profiles have it.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Audit => "Audit",
            Self::Enforce => "Enforce",
        }
    }
}
