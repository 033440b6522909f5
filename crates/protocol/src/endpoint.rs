//! The endpoints that are ours: address, port, protocol TCP. Everything else is never touched.
//!
//! What an endpoint accepts (host names, uploads, callers) is data of that endpoint.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::mode::Mode;

/// What kind of service answers at an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum EndpointKind {
    /// An instance metadata service, open to every process by default.
    Imds,
    /// Azure's WireServer: goal state, certificates; root only.
    WireServer,
    /// Azure's HostGAPlugin: extensions; root only, under the rules of the WireServer.
    HostGa,
}

impl EndpointKind {
    /// Returns whether the service answers to root alone, in every mode.
    #[must_use]
    pub const fn is_root_only(self) -> bool {
        matches!(self, Self::WireServer | Self::HostGa)
    }

    /// Returns the name that records and configuration use.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Imds => "imds",
            Self::WireServer => "wireserver",
            Self::HostGa => "hostga",
        }
    }
}

impl fmt::Display for EndpointKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One protected endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// The name in records and configuration, unique in its table.
    pub name: String,
    /// What answers there.
    pub kind: EndpointKind,
    /// The addresses it answers at; IPv4-mapped addresses stand for the IPv4 one.
    pub addresses: Vec<IpAddr>,
    /// The TCP port.
    pub port: u16,
    /// Host names, besides the addresses, that requests may carry.
    pub hosts: Vec<String>,
    /// The mode until one is known from the host.
    pub initial_mode: Mode,
    /// Whether the host speaks the Metadata Security Protocol; without, nothing is signed.
    pub msp: bool,
}

impl Endpoint {
    /// Returns whether `host`, a `Host` header value, names this endpoint.
    #[must_use]
    pub fn accepts_host(&self, host: &str) -> bool {
        let Some((name, port)) = split_host(host) else {
            return false;
        };
        if port.is_some_and(|port| port != self.port) {
            return false;
        }
        match name {
            HostName::Address(address) => self.addresses.contains(&address.to_canonical()),
            HostName::Registered(name) => {
                self.hosts.iter().any(|own| own.eq_ignore_ascii_case(name))
            }
        }
    }
}

/// What stands before the port of a `Host` value.
enum HostName<'a> {
    Address(IpAddr),
    Registered(&'a str),
}

/// Splits a `Host` value into name and port (RFC 9112 section 3.2); nothing when it is not of that
/// form: an IPv6 address stands in brackets, nothing else does, and a port is digits.
fn split_host(host: &str) -> Option<(HostName<'_>, Option<u16>)> {
    let (name, tail) = match host.strip_prefix('[') {
        Some(bracketed) => {
            let (address, tail) = bracketed.split_once(']')?;
            let address: Ipv6Addr = address.parse().ok()?;
            (HostName::Address(address.into()), tail)
        }
        None => {
            let (name, tail) = host.split_at_checked(host.find(':').unwrap_or(host.len()))?;
            let name = match name.parse::<Ipv4Addr>() {
                Ok(address) => HostName::Address(address.into()),
                Err(_) => HostName::Registered(name),
            };
            (name, tail)
        }
    };
    match tail.strip_prefix(':') {
        None if tail.is_empty() => Some((name, None)),
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some((name, Some(digits.parse().ok()?)))
        }
        Some(_) | None => None,
    }
}

/// The endpoints of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointTable(Vec<Endpoint>);

/// Why a set of endpoints is no table.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Two endpoints share a name.
    #[error("endpoint `{0}` is defined twice")]
    RepeatedName(String),
    /// Two endpoints claim the same address and port.
    #[error("endpoints `{0}` and `{1}` both claim {2}")]
    RepeatedAddress(String, String, SocketAddr),
    /// An endpoint has no address.
    #[error("endpoint `{0}` has no address")]
    NoAddress(String),
}

impl EndpointTable {
    /// Builds a table and folds IPv4-mapped addresses.
    ///
    /// # Errors
    /// When a name or an address and port stand for two endpoints, or one has no address.
    pub fn new(mut endpoints: Vec<Endpoint>) -> Result<Self, EndpointError> {
        let mut table = Self::default();
        for mut endpoint in endpoints.drain(..) {
            endpoint.addresses = endpoint
                .addresses
                .iter()
                .map(IpAddr::to_canonical)
                .collect();
            if endpoint.addresses.is_empty() {
                return Err(EndpointError::NoAddress(endpoint.name));
            }
            if table.0.iter().any(|other| other.name == endpoint.name) {
                return Err(EndpointError::RepeatedName(endpoint.name));
            }
            for address in &endpoint.addresses {
                let destination = SocketAddr::new(*address, endpoint.port);
                if let Some((_, other)) = table.find(destination) {
                    let other = other.name.clone();
                    return Err(EndpointError::RepeatedAddress(
                        other,
                        endpoint.name,
                        destination,
                    ));
                }
            }
            table.0.push(endpoint);
        }
        Ok(table)
    }

    /// Returns Azure's three endpoints, as deployed.
    #[must_use]
    pub fn azure(initial_mode: Mode) -> Self {
        let imds = IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254));
        let wire_server = IpAddr::V4(Ipv4Addr::new(168, 63, 129, 16));
        let endpoint = |kind: EndpointKind, address, port| Endpoint {
            name: kind.as_str().to_owned(),
            kind,
            addresses: vec![address],
            port,
            hosts: Vec::new(),
            initial_mode,
            msp: true,
        };
        Self(vec![
            endpoint(EndpointKind::Imds, imds, 80),
            endpoint(EndpointKind::WireServer, wire_server, 80),
            endpoint(EndpointKind::HostGa, wire_server, 32526),
        ])
    }

    /// Returns the endpoint at `destination` and its index.
    #[must_use]
    pub fn find(&self, destination: SocketAddr) -> Option<(usize, &Endpoint)> {
        let address = destination.ip().to_canonical();
        self.0.iter().enumerate().find(|(_, endpoint)| {
            endpoint.port == destination.port() && endpoint.addresses.contains(&address)
        })
    }

    /// Returns all endpoints, in the order of their indexes.
    #[must_use]
    pub fn as_slice(&self) -> &[Endpoint] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host_ga() -> Endpoint {
        EndpointTable::azure(Mode::Enforce).as_slice()[2].clone()
    }

    #[test]
    fn host_may_be_the_address_in_any_family_with_the_right_port() {
        let endpoint = host_ga();
        for host in [
            "168.63.129.16",
            "168.63.129.16:32526",
            "[::ffff:168.63.129.16]:32526",
            "[::ffff:a83f:8110]",
        ] {
            assert!(endpoint.accepts_host(host), "{host}");
        }
    }

    #[test]
    fn foreign_hosts_and_ports_are_not_accepted() {
        let endpoint = host_ga();
        for host in [
            "",
            "evil.example",
            "168.63.129.16:80",
            "168.63.129.16:",
            "168.63.129.16:x",
            "168.63.129.17",
            ":32526",
            "168.63.129.16:32526:1",
        ] {
            assert!(!endpoint.accepts_host(host), "{host}");
        }
    }

    #[test]
    fn hosts_that_are_not_of_the_form_are_not_accepted() {
        let endpoint = host_ga();
        for host in [
            "[168.63.129.16]",
            "[[::ffff:a83f:8110]]",
            "[::ffff:a83f:8110",
            "168.63.129.16]",
            "[168.63.129.16",
            "::ffff:168.63.129.16",
            "[::ffff:a83f:8110%25eth0]",
            "[::ffff:a83f:8110]x:32526",
            "168.63.129.16:+32526",
            "168.63.129.16::32526",
            "168.63.129.16:65536",
            "user@168.63.129.16",
            "168.63.129.16.",
            "168.63.33040",
            "0xa83f8110",
            "0250.077.0201.020",
        ] {
            assert!(!endpoint.accepts_host(host), "{host}");
        }
    }

    #[test]
    fn named_hosts_are_compared_without_letter_case() {
        let mut endpoint = host_ga();
        endpoint.hosts = vec!["metadata.google.internal".to_owned()];
        assert!(endpoint.accepts_host("Metadata.Google.Internal"));
    }

    #[test]
    fn mapped_destination_finds_the_ipv4_endpoint() {
        let table = EndpointTable::azure(Mode::Enforce);
        let (index, endpoint) = table
            .find("[::ffff:169.254.169.254]:80".parse().unwrap())
            .unwrap();
        assert_eq!((index, endpoint.kind), (0, EndpointKind::Imds));
        assert!(table.find("169.254.169.254:53".parse().unwrap()).is_none());
    }

    #[test]
    fn one_address_and_port_cannot_be_two_endpoints() {
        let mut second = host_ga();
        second.name = "other".to_owned();
        second.addresses = vec!["::ffff:168.63.129.16".parse().unwrap()];
        assert!(matches!(
            EndpointTable::new(vec![host_ga(), second]),
            Err(EndpointError::RepeatedAddress(..))
        ));
    }
}
