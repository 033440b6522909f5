//! `latchkey doctor`: checks this machine's protection and says what it found.

use std::error::Error;
use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::Args;
use latchkey_agent::config::{Config, ConfigError};
use latchkey_agent::coverage::as_record;
use latchkey_agent::failure::with_causes;
use latchkey_intercept::coverage::{ChildProgram, CoverageError, Probe, measure};
use latchkey_record::Coverage;

use crate::arguments::Format;
use crate::exit::Exit;
use crate::table;
use crate::terminal::{self, ProgressLine};

const PINS: &str = "/sys/fs/bpf/latchkey";

/// Checks this machine's protection.
///
/// Exit codes: 0 nothing is wrong; 1 it could not be checked; 2 something is open that should not
/// be; 64 the command line is wrong.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Try every way round the agent, as root; no packet leaves the machine.
    #[arg(long, required = true)]
    pub(crate) coverage: bool,
    /// How the answer is written.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(crate) format: Format,
    /// The agent's folder of pins; /sys/fs/bpf/latchkey if no configuration is named.
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    pub(crate) pins: Option<PathBuf>,
    /// The cgroup that the programs are attached to; found by their links if it is not named.
    #[arg(long, value_name = "DIR")]
    pub(crate) cgroup: Option<PathBuf>,
    /// The agent's configuration, which names both.
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
}

/// The check could not be made.
#[derive(Debug, thiserror::Error)]
enum DoctorError {
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Coverage(#[from] CoverageError),
    #[error("write the answer as JSON")]
    Json(#[from] serde_json::Error),
}

pub(crate) fn run(doctor: Doctor) -> Exit {
    let format = doctor.format;
    match check(doctor).and_then(|coverage| Ok((written(&coverage, format)?, coverage))) {
        Ok((text, coverage)) => {
            let exit = if coverage.findings == 0 {
                Exit::Success
            } else {
                Exit::Refused
            };
            terminal::print(&text, exit)
        }
        Err(error) => {
            terminal::complain(&with_causes(&error as &dyn Error));
            Exit::Failure
        }
    }
}

fn check(doctor: Doctor) -> Result<Coverage, DoctorError> {
    let probe = probe(doctor)?;
    let mut progress = ProgressLine::new();
    let coverage = measure(&probe, &mut |step| {
        progress.show(step.done, step.total, step.way.says());
        ControlFlow::Continue(())
    });
    progress.clear();
    Ok(as_record(&coverage?))
}

fn probe(doctor: Doctor) -> Result<Probe, ConfigError> {
    let (pin_dir, cgroup) = match doctor.config {
        Some(file) => {
            let config = Config::load(&file)?;
            (config.pin_dir, config.cgroup)
        }
        None => (doctor.pins.unwrap_or_else(|| PathBuf::from(PINS)), None),
    };
    Ok(Probe {
        pin_dir,
        cgroup: doctor.cgroup.or(cgroup),
        child: ChildProgram::default(),
    })
}

fn written(coverage: &Coverage, format: Format) -> Result<String, DoctorError> {
    Ok(match format {
        Format::Text => table::coverage(coverage, terminal::palette()),
        Format::Json => serde_json::to_string_pretty(coverage)? + "\n",
    })
}
