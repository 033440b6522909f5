//! The form of the configuration file (TOML). An unknown field is an error; every field has a default.

use std::collections::BTreeMap;
use std::path::PathBuf;

use latchkey_protocol::{Endpoint, EndpointKind};
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{Config, UpstreamConfig};

/// The whole file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ConfigFile {
    /// Where keys are kept; made with mode 0700.
    pub state_dir: PathBuf,
    /// Where the machine files are, `*.toml` and `*.json`.
    pub machines_dir: PathBuf,
    /// The file that observations are appended to; by default `observations.jsonl` in `state_dir`.
    pub observations_file: Option<PathBuf>,
    /// The URL that tokens name as their issuer; by default where the admin interface listens.
    pub issuer: Option<Spanned<String>>,
    /// The admin interface.
    pub admin: AdminSection,
    /// What is served where.
    pub endpoints: EndpointsSection,
    /// Limits.
    pub limits: LimitsSection,
}

/// The admin interface.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminSection {
    /// Address and port. It asks nobody who they are: keep it on loopback.
    pub listen: Spanned<String>,
}

/// What is served where.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointsSection {
    /// The instance metadata service.
    #[serde(default = "imds")]
    pub imds: EndpointSection,
    /// The `WireServer`, which has the secure channel.
    #[serde(default = "wireserver")]
    pub wireserver: EndpointSection,
    /// The `HostGAPlugin`.
    #[serde(default = "hostga")]
    pub hostga: EndpointSection,
}

/// One endpoint. Guests connect to these addresses, so the host must have them.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EndpointSection {
    /// The IP addresses to listen on.
    pub addresses: Vec<Spanned<String>>,
    /// The TCP port.
    #[serde(default = "http_port")]
    pub port: Spanned<u16>,
    /// Host names, besides the addresses, that requests may carry.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The metadata service that answers here in place of the emulator: `http://HOST:PORT`.
    pub upstream: Option<Spanned<String>>,
    /// The file with the secret that is shared with it, for `hmac:` fields.
    pub upstream_secret_file: Option<Spanned<PathBuf>>,
    /// The headers that tell it who asks.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub upstream_headers: BTreeMap<String, Spanned<String>>,
}

/// Limits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsSection {
    /// Open connections in all.
    pub connections: Spanned<u32>,
    /// Open connections from one machine, or from all strangers of one interface together.
    pub connections_per_source: Spanned<u32>,
    /// Seconds from the first byte of a request head to its last.
    pub head_seconds: Spanned<u32>,
    /// Seconds from one piece of a request body to the next.
    pub body_seconds: Spanned<u32>,
    /// Seconds that a connection may stay open without a request.
    pub idle_seconds: Spanned<u32>,
    /// Seconds until a client takes a piece of a response.
    pub write_seconds: Spanned<u32>,
    /// Observations that may wait for the writer.
    pub observation_queue: Spanned<u32>,
    /// Requests under way to one metadata service; the rest wait their turn.
    pub upstream_requests: Spanned<u32>,
    /// Requests under way of one machine to one metadata service.
    pub upstream_requests_per_machine: Spanned<u32>,
    /// Seconds until a metadata service accepts a connection.
    pub upstream_connect_seconds: Spanned<u32>,
    /// Seconds until a metadata service answers, and from one piece of its answer to the next; clients
    /// that wait for a change have it hold its answer back for a minute.
    pub upstream_response_seconds: Spanned<u32>,
}

/// A value that stands in no file.
fn unplaced<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

fn http_port() -> Spanned<u16> {
    unplaced(80)
}

fn section(address: &str, port: u16) -> EndpointSection {
    EndpointSection {
        addresses: vec![unplaced(address.to_owned())],
        port: unplaced(port),
        hosts: vec![],
        upstream: None,
        upstream_secret_file: None,
        upstream_headers: BTreeMap::new(),
    }
}

fn imds() -> EndpointSection {
    section("169.254.169.254", 80)
}

fn wireserver() -> EndpointSection {
    section("168.63.129.16", 80)
}

fn hostga() -> EndpointSection {
    section("168.63.129.16", 32526)
}

impl Default for ConfigFile {
    fn default() -> Self {
        Self {
            state_dir: PathBuf::from("/var/lib/latchkey-host"),
            machines_dir: PathBuf::from("/etc/latchkey/machines"),
            observations_file: None,
            issuer: None,
            admin: AdminSection::default(),
            endpoints: EndpointsSection::default(),
            limits: LimitsSection::default(),
        }
    }
}

impl Default for AdminSection {
    fn default() -> Self {
        Self {
            listen: unplaced("127.0.0.1:9420".to_owned()),
        }
    }
}

impl Default for EndpointsSection {
    fn default() -> Self {
        Self {
            imds: imds(),
            wireserver: wireserver(),
            hostga: hostga(),
        }
    }
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            connections: unplaced(4096),
            connections_per_source: unplaced(256),
            head_seconds: unplaced(5),
            body_seconds: unplaced(30),
            idle_seconds: unplaced(75),
            write_seconds: unplaced(30),
            observation_queue: unplaced(8192),
            upstream_requests: unplaced(512),
            upstream_requests_per_machine: unplaced(32),
            upstream_connect_seconds: unplaced(5),
            upstream_response_seconds: unplaced(90),
        }
    }
}

impl ConfigFile {
    /// Returns the file that would make this configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let endpoint = |kind, otherwise: fn() -> EndpointSection| {
            config.endpoint(kind).map_or_else(otherwise, |endpoint| {
                EndpointSection::of(endpoint, config.upstream(kind))
            })
        };
        Self {
            state_dir: config.state_dir.clone(),
            machines_dir: config.machines_dir.clone(),
            observations_file: Some(config.observations_file.clone()),
            issuer: Some(unplaced(config.issuer.clone())),
            admin: AdminSection {
                listen: unplaced(config.admin_listen.to_string()),
            },
            endpoints: EndpointsSection {
                imds: endpoint(EndpointKind::Imds, imds),
                wireserver: endpoint(EndpointKind::WireServer, wireserver),
                hostga: endpoint(EndpointKind::HostGa, hostga),
            },
            limits: LimitsSection::of(config),
        }
    }
}

impl EndpointsSection {
    /// Returns every section with the kind of its endpoint.
    #[must_use]
    pub const fn by_kind(&self) -> [(EndpointKind, &EndpointSection); 3] {
        [
            (EndpointKind::Imds, &self.imds),
            (EndpointKind::WireServer, &self.wireserver),
            (EndpointKind::HostGa, &self.hostga),
        ]
    }
}

impl EndpointSection {
    fn of(endpoint: &Endpoint, upstream: Option<&UpstreamConfig>) -> Self {
        let addresses = endpoint.addresses.iter();
        let headers = upstream
            .iter()
            .flat_map(|upstream| upstream.description.headers());
        let secret_file = upstream.and_then(|upstream| upstream.secret_file.clone());
        Self {
            upstream: upstream.map(|upstream| unplaced(upstream.location.to_string())),
            upstream_secret_file: secret_file.map(unplaced),
            upstream_headers: headers
                .map(|(name, value)| (name.to_owned(), unplaced(value.to_owned())))
                .collect(),
            addresses: addresses
                .map(|address| unplaced(address.to_string()))
                .collect(),
            port: unplaced(endpoint.port),
            hosts: endpoint.hosts.clone(),
        }
    }
}

impl LimitsSection {
    fn of(config: &Config) -> Self {
        let count = |value: usize| unplaced(u32::try_from(value).unwrap_or(u32::MAX));
        let seconds = |value: std::time::Duration| {
            unplaced(u32::try_from(value.as_secs()).unwrap_or(u32::MAX))
        };
        Self {
            connections: count(config.connections.total),
            connections_per_source: count(config.connections.per_source),
            head_seconds: seconds(config.waits.head_timeout),
            body_seconds: seconds(config.waits.body_timeout),
            idle_seconds: seconds(config.waits.idle_timeout),
            write_seconds: seconds(config.waits.write_timeout),
            observation_queue: count(config.observation_queue),
            upstream_requests: count(config.upstream_limits.requests),
            upstream_requests_per_machine: count(config.upstream_limits.requests_per_machine),
            upstream_connect_seconds: seconds(config.upstream_limits.patience.connect),
            upstream_response_seconds: seconds(config.upstream_limits.patience.response),
        }
    }
}
