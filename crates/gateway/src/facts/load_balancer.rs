//! The load balancer before a machine: what it forwards to the machine and how the machine gets out.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// What a load balancer does for one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default, rename_all(serialize = "camelCase"))]
pub struct LoadBalancer {
    /// The machine's own public addresses.
    pub public_ip_addresses: Vec<FrontendPair>,
    /// What comes in.
    pub inbound_rules: Vec<InboundRule>,
    /// How the machine gets out.
    pub outbound_rules: Vec<FrontendPair>,
}

/// An address outside and the address inside that it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
pub struct FrontendPair {
    /// The address outside.
    pub frontend_ip_address: IpAddr,
    /// The address inside.
    pub private_ip_address: IpAddr,
}

/// A port that is forwarded to the machine.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, rename_all(serialize = "camelCase"))]
pub struct InboundRule {
    /// The address outside.
    pub frontend_ip_address: IpAddr,
    /// `tcp` or `udp`.
    pub protocol: Transport,
    /// The port outside.
    pub frontend_port: u16,
    /// The port of the machine.
    pub backend_port: u16,
    /// The address inside.
    pub private_ip_address: IpAddr,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}
