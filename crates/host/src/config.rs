//! The configuration as the program uses it: every value checked, every problem of a file named with its place.
//!
//! A file with any problem configures nothing.

pub mod file;
mod limits;
mod problem;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use latchkey_gateway::ConnectionLimits;
use latchkey_gateway::upstream::UpstreamLimits;
use latchkey_http1::Limits;
use latchkey_protocol::{Endpoint, EndpointKind, EndpointTable, Mode};
use latchkey_settings::Document;

use file::{ConfigFile, EndpointSection};
use limits::CheckedLimits;
pub use problem::ConfigProblem;
use problem::Problems;
pub use upstream::{Location, LocationError, UpstreamConfig};

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where keys are kept.
    pub state_dir: PathBuf,
    /// Where the machine files are.
    pub machines_dir: PathBuf,
    /// The file that observations are appended to.
    pub observations_file: PathBuf,
    /// Where the admin interface listens.
    pub admin_listen: SocketAddr,
    /// The URL that tokens name as their issuer.
    pub issuer: String,
    /// What is served where.
    pub endpoints: EndpointTable,
    /// How long a connection waits for its client.
    pub waits: Limits,
    /// How many connections may be open.
    pub connections: ConnectionLimits,
    /// How many observations may wait for the writer.
    pub observation_queue: usize,
    /// The metadata services that answer in place of the emulators.
    pub upstreams: Vec<(EndpointKind, UpstreamConfig)>,
    /// How much is asked of them at once, and how long they may take.
    pub upstream_limits: UpstreamLimits,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read the configuration `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The file is not a valid configuration.
    #[error("the configuration is invalid:{}", listed(path, problems))]
    Invalid {
        /// The file.
        path: PathBuf,
        /// All that is wrong with it.
        problems: Vec<ConfigProblem>,
    },
}

fn listed(path: &Path, problems: &[ConfigProblem]) -> String {
    problems
        .iter()
        .map(|problem| format!("\n{}:{problem}", path.display()))
        .collect()
}

impl Config {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, or with every problem that it has.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text).map_err(|problems| ConfigError::Invalid {
            path: path.to_owned(),
            problems,
        })
    }

    /// Checks the text of a file.
    ///
    /// # Errors
    /// With every problem that it has; a text that is not TOML with that alone.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigProblem>> {
        let mut document = Document::parse(text).map_err(|misfits| {
            let problems = misfits.into_iter().map(ConfigProblem::from);
            problems.collect::<Vec<_>>()
        })?;
        let (file, misfits) = document.read::<ConfigFile>();
        let mut problems = Problems::of(&document, misfits);
        let config = file.and_then(|file| Self::check(&file, &mut problems));
        match config {
            Some(config) if problems.is_empty() => Ok(config),
            Some(_) | None => Err(problems.into_vec()),
        }
    }

    fn check(file: &ConfigFile, problems: &mut Problems<'_>) -> Option<Self> {
        let admin_listen = problems.parsed::<SocketAddr>(
            &file.admin.listen,
            "is no address and port, such as 127.0.0.1:9420",
        );
        let issuer = match &file.issuer {
            Some(url) => {
                if !url.as_ref().starts_with("http://") && !url.as_ref().starts_with("https://") {
                    problems.at(
                        &url.span(),
                        &format!("`{}` is no http or https URL", url.as_ref()),
                    );
                }
                Some(url.as_ref().clone())
            }
            None => admin_listen.map(|address| format!("http://{address}")),
        };
        let endpoints = endpoints(file, problems);
        let upstreams = file.endpoints.by_kind().into_iter();
        let upstreams = upstreams
            .filter_map(|(kind, section)| Some((kind, UpstreamConfig::check(section, problems)?)))
            .collect();
        let limits = CheckedLimits::check(&file.limits, problems);
        Some(Self {
            observations_file: file
                .observations_file
                .clone()
                .unwrap_or_else(|| file.state_dir.join("observations.jsonl")),
            state_dir: file.state_dir.clone(),
            machines_dir: file.machines_dir.clone(),
            admin_listen: admin_listen?,
            issuer: issuer?,
            endpoints: endpoints?,
            waits: limits.waits,
            connections: limits.connections,
            observation_queue: limits.observation_queue,
            upstreams,
            upstream_limits: limits.upstream,
        })
    }

    /// Returns the metadata service behind the endpoints of this kind.
    #[must_use]
    pub fn upstream(&self, kind: EndpointKind) -> Option<&UpstreamConfig> {
        let mut upstreams = self.upstreams.iter();
        upstreams
            .find(|(own, _)| *own == kind)
            .map(|(_, upstream)| upstream)
    }

    /// Returns the endpoint of this kind.
    #[must_use]
    pub fn endpoint(&self, kind: EndpointKind) -> Option<&Endpoint> {
        self.endpoints
            .as_slice()
            .iter()
            .find(|endpoint| endpoint.kind == kind)
    }
}

fn endpoints(file: &ConfigFile, problems: &mut Problems<'_>) -> Option<EndpointTable> {
    let mut table = EndpointTable::default();
    for (kind, section) in file.endpoints.by_kind() {
        let Some(endpoint) = endpoint(kind, section, problems) else {
            continue;
        };
        let mut endpoints = table.as_slice().to_vec();
        endpoints.push(endpoint);
        match EndpointTable::new(endpoints) {
            Ok(larger) => table = larger,
            // A section that lost something has values that nobody wrote.
            Err(_) if !problems.is_whole("endpoints") => {}
            Err(error) => problems.about(&format!("endpoints.{kind}"), &error.to_string()),
        }
    }
    (table.as_slice().len() == file.endpoints.by_kind().len()).then_some(table)
}

fn endpoint(
    kind: EndpointKind,
    section: &EndpointSection,
    problems: &mut Problems<'_>,
) -> Option<Endpoint> {
    if *section.port.as_ref() == 0 {
        problems.at(
            &section.port.span(),
            "the port is 0: name one that guests can know",
        );
    }
    let addresses = section.addresses.iter();
    let addresses: Vec<_> = addresses
        .filter_map(|text| problems.parsed::<IpAddr>(text, "is no IP address"))
        .collect();
    // Whether it has an address, and nobody else's, is known of those that could be read.
    (addresses.len() == section.addresses.len()).then(|| Endpoint {
        name: kind.as_str().to_owned(),
        kind,
        addresses,
        port: *section.port.as_ref(),
        hosts: section.hosts.clone(),
        initial_mode: Mode::Enforce,
        msp: true,
    })
}

impl fmt::Display for Config {
    /// Writes the values in force, as a file that would configure the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match toml::to_string_pretty(&ConfigFile::of(self)) {
            Ok(text) => f.write_str(&text),
            Err(_) => Err(fmt::Error),
        }
    }
}

#[cfg(test)]
mod tests;
