//! Starts the host program: reads the command line and the configuration, then runs or says what is wrong.

use std::error::Error;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::Path;
use std::process::ExitCode;

use latchkey_host::cli::{Arguments, Command, EmulatorCommand};
use latchkey_host::config::{Config, ConfigError, Location};
use latchkey_host::{app, inbox, machines};
use tracing::error;
use tracing_subscriber::EnvFilter;

/// The process failed.
const FAILURE: u8 = 1;
/// A file is not valid.
const INVALID: u8 = 3;
/// The command line is not understood.
const USAGE: u8 = 64;

fn main() -> ExitCode {
    let arguments = match Arguments::read() {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { 0 };
            // Whether or not somebody reads it, the exit code says the same.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    if let Some(command) = &arguments.command {
        return ended(inspect(&arguments.config, command));
    }
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

/// Does what was asked for instead of running.
fn inspect(config: &Path, command: &Command) -> Result<(), Failure> {
    let Command::Emulator(EmulatorCommand::Inbox(inbox)) = command;
    let admin = match &inbox.admin {
        Some(admin) => admin.clone(),
        None => Location::from(load(config)?.admin_listen),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(failure)?;
    let mut out = io::stdout().lock();
    runtime
        .block_on(inbox::show(admin, inbox, &mut out))
        .map_err(failure)
}

/// Says to people why a command failed, each cause in turn.
fn ended(outcome: Result<(), Failure>) -> ExitCode {
    let Err((code, failure)) = outcome else {
        return ExitCode::SUCCESS;
    };
    let mut said = format!("latchkey-host: {failure}");
    let mut cause = failure.source();
    while let Some(error) = cause {
        said = format!("{said}: {error}");
        cause = error.source();
    }
    // Whether or not somebody reads it, the exit code says the same.
    drop(writeln!(io::stderr(), "{said}"));
    ExitCode::from(code)
}

type Failure = (u8, Box<dyn Error + Send + Sync>);

fn run(arguments: &Arguments) -> Result<(), Failure> {
    let config = load(&arguments.config)?;
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

fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(|error| match &error {
        ConfigError::Read { .. } => (FAILURE, error.into()),
        ConfigError::Invalid { .. } => (INVALID, error.into()),
    })
}

fn failure(error: impl Error + Send + Sync + 'static) -> Failure {
    (FAILURE, Box::new(error))
}
