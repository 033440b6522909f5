//! The command line: where the configuration is, and what to do instead of running. Nothing else.

use std::path::PathBuf;

use clap::Parser;

/// The gateway in front of metadata services, or in their place.
#[derive(Debug, Parser)]
#[command(name = "latchkey-host", version)]
pub struct Arguments {
    /// The configuration file
    #[arg(long, value_name = "FILE", default_value = "/etc/latchkey/host.toml")]
    pub config: PathBuf,
    /// Check the configuration and the machine files, and end
    #[arg(long, conflicts_with = "print_config")]
    pub check_config: bool,
    /// Print the configuration in force, and end
    #[arg(long)]
    pub print_config: bool,
}
