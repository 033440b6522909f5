//! What the agent runs with: the configuration file, checked whole before anything starts.
//!
//! Unknown fields, values out of bounds and endpoints that contradict each other are errors;
//! all of them are reported at once.

mod file;
mod problem;

use std::net::{SocketAddr, SocketAddrV4};
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use latchkey_http1::Limits;
use latchkey_intercept::KernelLimits;
use latchkey_protocol::{EndpointKind, EndpointTable};
pub use latchkey_settings::Place;
use latchkey_settings::{Document, Misfit};

use crate::audit::AuditConfig;
use crate::identity::IdentityConfig;
use crate::upstream::Patience;
pub use file::ConfigFile;
use file::{AuditSection, LimitsSection};
pub use problem::{ConfigError, ConfigProblem, Finding};

/// The checked configuration.
#[derive(Clone, Debug)]
pub struct Config {
    /// Holds keys, remembered modes and the status file.
    pub state_dir: PathBuf,
    /// Holds the rule files of the machine's administrator; nothing for `rules` in the state folder.
    pub local_rules_dir: Option<PathBuf>,
    /// Where redirected connections arrive; a loopback address.
    pub listener: SocketAddrV4,
    /// The cgroup whose processes are intercepted; nothing for the root of cgroup v2.
    pub cgroup: Option<PathBuf>,
    /// Where links and maps are pinned.
    pub pin_dir: PathBuf,
    /// What is protected.
    pub endpoints: EndpointTable,
    /// Where the secure channel's calls go; nothing when no endpoint speaks the protocol.
    pub channel: Option<SocketAddr>,
    /// The time between two calls for the status.
    pub poll_interval: Duration,
    /// The audit trail.
    pub audit: AuditConfig,
    /// Where the status file is written.
    pub status_file: PathBuf,
    /// How often the status file is written.
    pub status_interval: Duration,
    /// How callers are described.
    pub identity: IdentityConfig,
    /// How long clients are waited for.
    pub limits: Limits,
    /// How long a request waits for the rules or the key to arrive.
    pub hold: Duration,
    /// How long the host is waited for.
    pub patience: Patience,
    /// How many connections may be open.
    pub max_connections: usize,
    /// What one cgroup may ask for.
    pub kernel_limits: KernelLimits,
    /// When the coverage of the kernel programs is measured.
    pub measure: Measure,
}

/// When the agent itself measures what its kernel programs cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Once after each start.
    AtStart,
    /// Never; `latchkey doctor --coverage` does it on demand.
    Never,
}

impl Config {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(&read(path)?).map_err(|findings| ConfigError::Invalid {
            path: path.to_owned(),
            findings,
        })
    }

    /// Checks the text of a configuration file.
    ///
    /// # Errors
    /// With everything that is wrong with it, and where; a text that is not TOML with that alone.
    pub fn parse(text: &str) -> Result<Self, Vec<Finding>> {
        let into_findings = |misfits: Vec<Misfit>| misfits.into_iter().map(Finding::from);
        let mut document =
            Document::parse(text).map_err(|misfits| into_findings(misfits).collect::<Vec<_>>())?;
        let (file, misfits) = document.read();
        let mut findings: Vec<Finding> = into_findings(misfits).collect();
        let problems = match file.map(Self::check) {
            Some(Ok(config)) if findings.is_empty() => return Ok(config),
            Some(Err(problems)) => problems,
            Some(Ok(_)) | None => Vec::new(),
        };
        // What did not fit was taken out, so that nothing can be said to be absent.
        let is_whole = findings.is_empty();
        let certain = problems
            .into_iter()
            .filter(|problem| is_whole || !problem.is_about_absence());
        findings.extend(certain.map(|problem| Finding {
            place: document.place_of(&problem.field()),
            problem,
        }));
        // In the order of the file, however they were found.
        findings.sort_by_key(|finding| finding.place);
        Err(findings)
    }

    /// Checks a configuration.
    ///
    /// # Errors
    /// With everything that is wrong with it.
    pub fn check(file: ConfigFile) -> Result<Self, Vec<ConfigProblem>> {
        let mut checker = Checker(Vec::new());
        let endpoints = checker.endpoints(&file);
        let config = Self {
            channel: checker.channel(&file, &endpoints),
            listener: checker.listener(file.listener.address),
            poll_interval: checker.interval(
                "secure_channel.poll_interval_ms",
                file.secure_channel.poll_interval_ms,
            ),
            status_interval: checker.interval("status.interval_ms", file.status.interval_ms),
            identity: checker.identity(&file),
            limits: checker.limits(&file.limits),
            hold: checker.hold(&file.limits),
            patience: checker.patience(&file.limits),
            max_connections: checker.size(
                "limits.max_connections",
                file.limits.max_connections,
                65_536,
            ),
            kernel_limits: checker.kernel_limits(&file.limits),
            audit: checker.audit(file.audit),
            status_file: file
                .status
                .file
                .unwrap_or_else(|| file.state_dir.join("status.json")),
            local_rules_dir: file.local_rules_dir,
            state_dir: file.state_dir,
            cgroup: file.kernel.cgroup,
            pin_dir: file.kernel.pin_dir,
            endpoints,
            measure: if file.coverage.at_start {
                Measure::AtStart
            } else {
                Measure::Never
            },
        };
        if checker.0.is_empty() {
            Ok(config)
        } else {
            Err(checker.0)
        }
    }
}

impl ConfigFile {
    /// Reads a configuration file, unchecked but for its form.
    ///
    /// # Errors
    /// When it cannot be read, or with everything that is wrong with its form.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = read(path)?;
        let read = Document::parse(&text).map(|mut document| document.read());
        let misfits = match read {
            Ok((Some(file), misfits)) if misfits.is_empty() => return Ok(file),
            Ok((_, misfits)) | Err(misfits) => misfits,
        };
        Err(ConfigError::Invalid {
            path: path.to_owned(),
            findings: misfits.into_iter().map(Finding::from).collect(),
        })
    }
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path).map_err(|source| ConfigError::Read {
        path: path.to_owned(),
        source,
    })
}

/// Turns raw values into checked ones and gathers what is wrong with them.
struct Checker(Vec<ConfigProblem>);

impl Checker {
    fn within(&mut self, field: &'static str, value: u64, min: u64, max: u64) -> u64 {
        if !(min..=max).contains(&value) {
            self.0.push(ConfigProblem::OutOfBounds { field, min, max });
        }
        value
    }

    fn size(&mut self, field: &'static str, value: u64, max: u64) -> usize {
        // Within its bounds the value fits.
        usize::try_from(self.within(field, value, 1, max)).unwrap_or(usize::MAX)
    }

    fn interval(&mut self, field: &'static str, milliseconds: u64) -> Duration {
        Duration::from_millis(self.within(field, milliseconds, 100, 3_600_000))
    }

    fn timeout(&mut self, field: &'static str, milliseconds: u64) -> Duration {
        Duration::from_millis(self.within(field, milliseconds, 10, 600_000))
    }

    fn identity(&mut self, file: &ConfigFile) -> IdentityConfig {
        IdentityConfig {
            cgroup: file.kernel.cgroup.clone(),
            hashing: file.identity.hash,
            max_hashed_bytes: self.within(
                "identity.max_hashed_bytes",
                file.identity.max_hashed_bytes,
                1,
                1 << 40,
            ),
        }
    }

    fn limits(&mut self, file: &LimitsSection) -> Limits {
        Limits {
            head_timeout: self.timeout("limits.head_timeout_ms", file.head_timeout_ms),
            body_timeout: self.timeout("limits.body_timeout_ms", file.body_timeout_ms),
            idle_timeout: self.timeout("limits.idle_timeout_ms", file.idle_timeout_ms),
            write_timeout: self.timeout("limits.write_timeout_ms", file.write_timeout_ms),
        }
    }

    fn kernel_limits(&mut self, file: &LimitsSection) -> KernelLimits {
        let mut number = |field, value, max| {
            // Within its bounds the value fits.
            u32::try_from(self.within(field, value, 1, max))
                .ok()
                .and_then(NonZeroU32::new)
                .unwrap_or(NonZeroU32::MIN)
        };
        KernelLimits {
            connects_per_second: number(
                "limits.connects_per_second",
                file.connects_per_second,
                1_000_000,
            ),
            burst: number("limits.connect_burst", file.connect_burst, 1_000_000),
            open_connections: number("limits.open_connections", file.open_connections, 16_384),
        }
    }

    fn hold(&mut self, file: &LimitsSection) -> Duration {
        // Provisioning clients wait for a minute, and often for half a one.
        Duration::from_millis(self.within(
            "limits.hold_timeout_ms",
            file.hold_timeout_ms,
            10,
            60_000,
        ))
    }

    fn patience(&mut self, file: &LimitsSection) -> Patience {
        Patience {
            connect: self.timeout(
                "limits.host_connect_timeout_ms",
                file.host_connect_timeout_ms,
            ),
            response: self.timeout(
                "limits.host_response_timeout_ms",
                file.host_response_timeout_ms,
            ),
        }
    }

    fn audit(&mut self, file: AuditSection) -> AuditConfig {
        let keep_files = self.within("audit.keep_files", file.keep_files, 1, 1_000);
        AuditConfig {
            queue: self.size("audit.queue", file.queue, 1_000_000),
            max_file_bytes: self.within(
                "audit.max_file_bytes",
                file.max_file_bytes,
                65_536,
                1 << 40,
            ),
            keep_files: u32::try_from(keep_files).unwrap_or(u32::MAX),
            file: file.file,
        }
    }

    fn listener(&mut self, address: SocketAddrV4) -> SocketAddrV4 {
        if !address.ip().is_loopback() || address.port() == 0 {
            self.0.push(ConfigProblem::Listener);
        }
        address
    }

    fn endpoints(&mut self, file: &ConfigFile) -> EndpointTable {
        let Some(entries) = &file.endpoints else {
            return EndpointTable::azure(file.initial_mode);
        };
        if entries.is_empty() {
            self.0.push(ConfigProblem::NoEndpoint);
        }
        let mut table = EndpointTable::default();
        for (index, entry) in entries.iter().enumerate() {
            let mut endpoints = table.as_slice().to_vec();
            endpoints.push(entry.to_endpoint(file.initial_mode));
            match EndpointTable::new(endpoints) {
                Ok(larger) => table = larger,
                Err(source) => self.0.push(ConfigProblem::Endpoint { index, source }),
            }
        }
        table
    }

    fn channel(&mut self, file: &ConfigFile, endpoints: &EndpointTable) -> Option<SocketAddr> {
        let endpoints = endpoints.as_slice();
        if !endpoints.iter().any(|endpoint| endpoint.msp) {
            return None;
        }
        let wire_server = endpoints
            .iter()
            .find(|endpoint| endpoint.kind == EndpointKind::WireServer);
        let default = wire_server.and_then(|endpoint| {
            Some(SocketAddr::new(*endpoint.addresses.first()?, endpoint.port))
        });
        let channel = file.secure_channel.address.or(default);
        if channel.is_none() {
            self.0.push(ConfigProblem::NoChannel);
        }
        channel
    }
}

#[cfg(test)]
mod tests;
