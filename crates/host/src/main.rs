//! Starts the host program: reads the command line and the configuration, then runs or says what is wrong.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::Parser as _;
use latchkey_host::cli::Arguments;
use latchkey_host::config::{Config, ConfigError};
use latchkey_host::{app, machines};
use tracing::error;
use tracing_subscriber::EnvFilter;

/// The process failed.
const FAILURE: u8 = 1;
/// A file is not valid.
const INVALID: u8 = 3;
/// The command line is not understood.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Whether or not somebody reads it, the exit code says the same.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let is_terminal = io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_ansi(is_terminal)
        .with_env_filter(filter)
        .init();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, failure)) => {
            error!(error = &*failure, "latchkey-host ends");
            ExitCode::from(code)
        }
    }
}

type Failure = (u8, Box<dyn Error + Send + Sync>);

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = Config::load(&arguments.config).map_err(|error| match &error {
        ConfigError::Read { .. } => (FAILURE, error.into()),
        ConfigError::Invalid { .. } => (INVALID, error.into()),
    })?;
    if arguments.print_config {
        return write!(io::stdout(), "{config}").map_err(failure);
    }
    if arguments.check_config {
        let reading = machines::read(&config.machines_dir);
        return reading
            .outcome
            .map(drop)
            .map_err(|error| (INVALID, error.into()));
    }
    let runtime = tokio::runtime::Runtime::new().map_err(failure)?;
    runtime.block_on(app::run(config)).map_err(failure)
}

fn failure(error: impl Error + Send + Sync + 'static) -> Failure {
    (FAILURE, Box::new(error))
}
