//! The command line of the agent: run, or check and print the configuration; nothing else.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use latchkey_intercept::coverage;
use tracing_subscriber::EnvFilter;

use crate::app;
use crate::config::{Config, ConfigFile};
use crate::failure::with_causes;

/// Exit code for a failure.
const FAILURE: u8 = 1;
/// Exit code for a configuration that cannot be used.
const INVALID_DOCUMENT: u8 = 3;
/// Exit code for a wrong command line.
const USAGE: u8 = 64;

/// Guest agent of the Metadata Security Protocol: intercepts requests to the cloud's metadata
/// services, finds out which process asks, checks it against the allowlist, signs what is allowed.
///
/// Runs in the foreground as root until SIGTERM; SIGHUP asks the host for keys and rules at once.
/// The kernel programs stay when it ends: what is in Enforce is then refused, never direct.
#[derive(Debug, Parser)]
#[command(name = "latchkey-agent", version)]
struct Arguments {
    /// The configuration file.
    #[arg(long, value_name = "FILE", default_value = "/etc/latchkey/agent.toml")]
    config: PathBuf,
    /// Check the configuration and exit: 0 if it is valid, 3 if not.
    #[arg(long)]
    check_config: bool,
    /// Print the configuration with all defaults and exit.
    #[arg(long)]
    print_config: bool,
}

/// Runs the program and returns its exit code.
#[must_use]
pub fn run() -> ExitCode {
    if coverage::is_child() {
        return coverage::run_child();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() {
                ExitCode::from(USAGE)
            } else {
                ExitCode::SUCCESS
            };
            return if error.print().is_ok() {
                code
            } else {
                ExitCode::from(FAILURE)
            };
        }
    };
    let config = match Config::load(&arguments.config) {
        Ok(config) => config,
        Err(error) => return complain(&error, INVALID_DOCUMENT),
    };
    if arguments.check_config {
        return print(&format!("{}: valid\n", arguments.config.display()));
    }
    if arguments.print_config {
        return print_config(&arguments.config);
    }
    start(config)
}

fn start(config: Config) -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_unset| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(false)
        .init();
    // One thread: a request costs less than waking another, and the user database has its own few.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        // SECURITY: more than all readers of callers together (`identity/readers.rs`), which a caller
        // can make wait for ever; the watchdog and the audit trail need threads too.
        .max_blocking_threads(512)
        .build();
    let result = match runtime {
        Ok(runtime) => runtime.block_on(app::run(config)),
        Err(error) => return complain(&error, FAILURE),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => complain(&error, FAILURE),
    }
}

fn print_config(path: &std::path::Path) -> ExitCode {
    let file = match ConfigFile::read(path) {
        Ok(file) => file,
        Err(error) => return complain(&error, INVALID_DOCUMENT),
    };
    match toml::to_string_pretty(&file) {
        Ok(text) => print(&text),
        Err(error) => complain(&error, FAILURE),
    }
}

/// A reader that went away is no failure.
fn print(text: &str) -> ExitCode {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => ExitCode::from(FAILURE),
        _ => ExitCode::SUCCESS,
    }
}

fn complain(error: &dyn std::error::Error, code: u8) -> ExitCode {
    match writeln!(io::stderr(), "latchkey-agent: {}", with_causes(error)) {
        Ok(()) | Err(_) => ExitCode::from(code),
    }
}
