//! `latchkey observe`: shows what the agent of this machine decides, while it decides.
//!
//! Reads the audit log and nothing else: it changes nothing, and the agent does not know of it.

use std::error::Error;
use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use latchkey_agent::config::{Config, ConfigError};
use latchkey_agent::failure::with_causes;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use crate::arguments::Format;
use crate::exit::Exit;
use crate::terminal;

mod columns;
mod decision;
mod display;
mod follower;
mod rate;
#[cfg(test)]
mod sample;
mod screen;
mod tally;
mod view;

use display::Display;
use follower::{FollowError, Follower, Start};

/// Where an agent writes unless it is told otherwise.
const AUDIT_FILE: &str = "/var/log/latchkey/audit.jsonl";
/// How long to wait for more.
const PERIOD: Duration = Duration::from_millis(200);

/// Shows what the agent decides, as it decides: on a terminal a table of callers, endpoints and
/// verdicts, else one line per decision.
///
/// Ends at Ctrl-C. Exit codes: 0 it was shown; 1 the audit log could not be read; 64 the command
/// line is wrong.
#[derive(Debug, Args)]
pub(crate) struct Observe {
    /// The agent's configuration, which names the audit log.
    #[arg(long, value_name = "FILE", conflicts_with = "audit")]
    pub(crate) config: Option<PathBuf>,
    /// The audit log; /var/log/latchkey/audit.jsonl if no configuration is named.
    #[arg(long, value_name = "FILE")]
    pub(crate) audit: Option<PathBuf>,
    /// Begin with what the log holds already.
    #[arg(long)]
    pub(crate) from_beginning: bool,
    /// Show what the log holds already, as a table unless as JSON, and end.
    #[arg(long, conflicts_with = "seconds")]
    pub(crate) once: bool,
    /// End after so many seconds.
    #[arg(long, value_name = "N")]
    pub(crate) seconds: Option<u32>,
    /// How decisions are written; JSON is one object per line.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The same as `--format json`.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Nothing more can be shown.
#[derive(Debug, thiserror::Error)]
enum ObserveError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Follow(#[from] FollowError),
    #[error("listen for signals")]
    Signal(#[source] io::Error),
    #[error("write decisions")]
    Output(#[source] io::Error),
}

pub(crate) fn run(observe: Observe) -> Exit {
    match follow(observe) {
        Ok(()) => Exit::Success,
        // Who read it has seen enough.
        Err(ObserveError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            Exit::Success
        }
        Err(error) => {
            terminal::complain(&with_causes(&error as &dyn Error));
            Exit::Failure
        }
    }
}

fn follow(observe: Observe) -> Result<(), ObserveError> {
    let path = audit_file(observe.config.as_deref(), observe.audit)?;
    let start = if observe.from_beginning || observe.once {
        Start::Beginning
    } else {
        Start::End
    };
    let follower = Follower::open(&path, start)?;
    let is_json = observe.json || observe.format == Format::Json;
    let display = match (is_json, observe.once, io::stdout().is_terminal()) {
        (true, ..) => Display::json(),
        (false, true, _) => Display::summary(),
        (false, false, true) => Display::table().map_err(ObserveError::Output)?,
        (false, false, false) => Display::lines(),
    };
    let end = match (observe.once, observe.seconds) {
        (true, _) => End::WhenRead,
        (false, Some(seconds)) => End::After(Duration::from_secs(seconds.into())),
        (false, None) => End::WhenStopped,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ObserveError::Signal)?;
    runtime.block_on(show(follower, display, end))
}

fn audit_file(config: Option<&Path>, audit: Option<PathBuf>) -> Result<PathBuf, ConfigError> {
    match config {
        Some(file) => Ok(Config::load(file)?.audit.file),
        None => Ok(audit.unwrap_or_else(|| PathBuf::from(AUDIT_FILE))),
    }
}

/// When to end.
#[derive(Clone, Copy, Debug)]
enum End {
    WhenRead,
    After(Duration),
    WhenStopped,
}

async fn show(mut follower: Follower, mut display: Display, end: End) -> Result<(), ObserveError> {
    let mut stop = Stop::listen().map_err(ObserveError::Signal)?;
    let began = Instant::now();
    loop {
        let batch = follower.read()?;
        display.take(&batch).map_err(ObserveError::Output)?;
        let pause = match end {
            End::WhenRead if !batch.has_more => break,
            End::After(limit) if began.elapsed() >= limit => break,
            _ if batch.has_more => Duration::ZERO,
            End::After(limit) => PERIOD.min(limit.saturating_sub(began.elapsed())),
            End::WhenRead | End::WhenStopped => PERIOD,
        };
        tokio::select! {
            biased;
            () = stop.wait() => break,
            () = sleep_until(Instant::now() + pause) => {}
        }
    }
    display.end().map_err(ObserveError::Output)
}

/// The signals by which a person or a service manager ends the program.
struct Stop {
    interrupt: Signal,
    terminate: Signal,
}

impl Stop {
    fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
