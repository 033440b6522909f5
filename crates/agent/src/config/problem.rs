//! What can be wrong with a configuration file, and how it is told: every problem on a line with its place.

use std::fmt;
use std::path::{Path, PathBuf};

use latchkey_protocol::endpoint::EndpointError;
use latchkey_settings::{Misfit, Place};

/// The configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("read the configuration {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
    /// The file is not of the form, or its values contradict each other or are out of bounds.
    #[error("the configuration is invalid:{}", listed(path, findings))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong.
        findings: Vec<Finding>,
    },
}

fn listed(path: &Path, findings: &[Finding]) -> String {
    let path = path.display();
    let lines = findings.iter().map(|finding| format!("\n{path}:{finding}"));
    lines.collect()
}

/// One thing that is wrong with a configuration, and where.
#[derive(Debug)]
pub struct Finding {
    /// Where; nothing when it is about what is not there.
    pub place: Option<Place>,
    /// What.
    pub problem: ConfigProblem,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = self.place {
            write!(f, "{place}:")?;
        }
        write!(f, " {}", self.problem)
    }
}

impl From<Misfit> for Finding {
    fn from(misfit: Misfit) -> Self {
        Self {
            place: misfit.place,
            problem: ConfigProblem::Form(misfit.message),
        }
    }
}

/// One thing that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigProblem {
    /// A part is not TOML, unknown, or of the wrong type: what the reader says of it.
    #[error("{0}")]
    Form(String),
    /// A number is out of bounds.
    #[error("`{field}` must be between {min} and {max}")]
    OutOfBounds {
        /// The field.
        field: &'static str,
        /// The least value.
        min: u64,
        /// The greatest value.
        max: u64,
    },
    /// The listener would be reachable from elsewhere.
    #[error("`listener.address` must be a loopback address with a port")]
    Listener,
    /// An endpoint contradicts itself or one before it.
    #[error("{source}")]
    Endpoint {
        /// Its index among the endpoints.
        index: usize,
        /// What is wrong with it.
        source: EndpointError,
    },
    /// There is nothing to do.
    #[error("`endpoints` is empty: leave it out for Azure's endpoints")]
    NoEndpoint,
    /// Keys cannot be got.
    #[error(
        "`secure_channel.address` is needed: an endpoint has `msp = true` and none is a wireserver"
    )]
    NoChannel,
}

impl ConfigProblem {
    /// Returns the field that it is about.
    pub(super) fn field(&self) -> String {
        match self {
            Self::OutOfBounds { field, .. } => (*field).to_owned(),
            Self::Listener => "listener.address".to_owned(),
            Self::Endpoint { index, .. } => format!("endpoints.{index}"),
            Self::Form(_) | Self::NoEndpoint | Self::NoChannel => "endpoints".to_owned(),
        }
    }

    /// Returns whether it says that something is absent.
    pub(super) const fn is_about_absence(&self) -> bool {
        matches!(
            self,
            Self::NoEndpoint
                | Self::NoChannel
                | Self::Endpoint {
                    source: EndpointError::NoAddress(_),
                    ..
                }
        )
    }
}
