//! The configuration as the program uses it: every value checked, every problem of a file named with its place.
//!
//! A file with any problem configures nothing.

pub mod file;
mod limits;
mod place;
mod upstream;

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::{fmt, io};

use latchkey_gateway::ConnectionLimits;
use latchkey_gateway::upstream::UpstreamLimits;
use latchkey_http1::Limits;
use latchkey_protocol::{Endpoint, EndpointKind, EndpointTable, Mode};

use file::{ConfigFile, EndpointSection};
use limits::CheckedLimits;
pub use place::{ConfigProblem, Problems};
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
    /// With every problem that it has; a text that is not of the form has one.
    pub fn parse(text: &str) -> Result<Self, Vec<ConfigProblem>> {
        let mut problems = Problems::in_text(text);
        let file: ConfigFile = match toml::from_str(text) {
            Ok(file) => file,
            Err(error) => {
                problems.at(error.span().unwrap_or_default(), error.message());
                return Err(problems.into_vec());
            }
        };
        let config = Self::check(&file, &mut problems);
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
                        url.span(),
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
    let sections = file.endpoints.by_kind();
    let endpoints = sections.map(|(kind, section)| endpoint(kind, section, problems));
    match EndpointTable::new(endpoints.to_vec()) {
        Ok(table) => Some(table),
        Err(error) => {
            problems.at(0..0, &error.to_string());
            None
        }
    }
}

fn endpoint(
    kind: EndpointKind,
    section: &EndpointSection,
    problems: &mut Problems<'_>,
) -> Endpoint {
    if *section.port.as_ref() == 0 {
        problems.at(
            section.port.span(),
            "the port is 0: name one that guests can know",
        );
    }
    let addresses = section.addresses.iter();
    Endpoint {
        name: kind.as_str().to_owned(),
        kind,
        addresses: addresses
            .filter_map(|text| problems.parsed::<IpAddr>(text, "is no IP address"))
            .collect(),
        port: *section.port.as_ref(),
        hosts: section.hosts.clone(),
        initial_mode: Mode::Enforce,
        msp: true,
    }
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
mod tests {
    use super::*;

    #[test]
    fn empty_file_is_the_default_configuration() {
        let config = Config::parse("").unwrap();
        assert_eq!(config.admin_listen.to_string(), "127.0.0.1:9420");
        assert_eq!(config.issuer, "http://127.0.0.1:9420");
        let names: Vec<_> = config
            .endpoints
            .as_slice()
            .iter()
            .map(|e| (e.name.as_str(), e.port))
            .collect();
        assert_eq!(names, [("imds", 80), ("wireserver", 80), ("hostga", 32526)]);
    }

    #[test]
    fn printed_configuration_configures_the_same() {
        let config = Config::parse("state_dir = \"/tmp/x\"\n[limits]\nidle_seconds = 9\n").unwrap();
        let again = Config::parse(&config.to_string()).unwrap();
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
    }

    #[test]
    fn upstream_is_printed_as_it_is_configured() {
        let text = "[endpoints.imds]\naddresses = [\"169.254.169.254\"]\n\
                    upstream = \"http://10.0.0.5:8775\"\nupstream_secret_file = \"/etc/secret\"\n\
                    upstream_headers = { X-Instance-ID = \"{vm_id}\", x-code = \"{hmac:vm_id}\" }\n";
        let config = Config::parse(text).unwrap();
        let upstream = config.upstream(EndpointKind::Imds).unwrap();
        assert_eq!(upstream.location.authority(), "10.0.0.5:8775");
        assert!(config.upstream(EndpointKind::WireServer).is_none());
        let again = Config::parse(&config.to_string()).unwrap();
        assert_eq!(format!("{config:?}"), format!("{again:?}"));
    }

    #[test]
    fn upstream_that_would_not_work_is_refused_with_its_place() {
        let section = "[endpoints.imds]\naddresses = [\"169.254.169.254\"]\n";
        for (line, complaint) in [
            ("upstream = \"https://a\"", "TLS is not spoken"),
            ("upstream_headers = { x = \"a\" }", "there is none"),
            ("upstream_secret_file = \"/s\"", "there is none"),
            (
                "upstream = \"http://a\"\nupstream_headers = { Host = \"a\" }",
                "itself",
            ),
            (
                "upstream = \"http://a\"\nupstream_headers = { x = \"{uuid}\" }",
                "is no field",
            ),
            (
                "upstream = \"http://a\"\nupstream_headers = { x = \"{hmac:id}\" }",
                "no upstream_secret_file",
            ),
        ] {
            let problems = Config::parse(&format!("{section}{line}\n")).unwrap_err();
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].message.contains(complaint), "{problems:?}");
            assert!(problems[0].line >= 3, "{problems:?}");
        }
    }

    #[test]
    fn every_problem_is_reported_with_line_and_column() {
        let text = "[admin]\nlisten = \"here\"\n[endpoints.imds]\naddresses = [\"169.254.169.254\", \"x\"]\nport = 0\n[limits]\nhead_seconds = 0\n";
        let problems = Config::parse(text).unwrap_err();
        let places: Vec<_> = problems
            .iter()
            .map(|problem| (problem.line, problem.column))
            .collect();
        assert_eq!(places, [(2, 10), (5, 8), (4, 33), (7, 16)], "{problems:?}");
    }

    #[test]
    fn unknown_field_is_refused_with_its_place() {
        let problems = Config::parse("state_dir = \"/tmp\"\nstate_dri = \"/tmp\"\n").unwrap_err();
        assert_eq!((problems.len(), problems[0].line), (1, 2), "{problems:?}");
        assert!(problems[0].to_string().contains("state_dri"));
    }

    #[test]
    fn one_address_and_port_cannot_be_two_endpoints() {
        let text = "[endpoints.imds]\naddresses = [\"168.63.129.16\"]\n";
        assert!(
            Config::parse(text).unwrap_err()[0]
                .to_string()
                .contains("both claim")
        );
    }
}
