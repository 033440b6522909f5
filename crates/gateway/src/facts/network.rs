//! A machine's interfaces and addresses, as its documents describe them.
//!
//! Says nothing about how packets are attributed.

use std::net::{Ipv4Addr, Ipv6Addr};

use serde::Deserialize;

/// The interfaces of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The interface that metadata requests leave by.
    pub primary: Interface,
    /// The others.
    pub further: Vec<Interface>,
}

/// One interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its first IPv4 address.
    pub address: AddressPair,
    /// Its further IPv4 addresses.
    pub secondary: Vec<AddressPair>,
    /// Its IPv6 addresses.
    pub ipv6: Vec<Ipv6Addr>,
    /// The subnet's first address.
    pub subnet: Ipv4Addr,
    /// The subnet's prefix length in bits.
    pub prefix: u8,
    /// The hardware address, 12 upper-case hexadecimal digits.
    pub mac: String,
}

/// A private address and the public one that stands for it, if there is one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressPair {
    /// The address inside the network.
    #[serde(rename = "private_address")]
    pub private: Ipv4Addr,
    /// The address outside.
    #[serde(rename = "public_address", default)]
    pub public: Option<Ipv4Addr>,
}

impl Network {
    /// Returns all interfaces, the primary one first.
    pub fn interfaces(&self) -> impl Iterator<Item = &Interface> {
        std::iter::once(&self.primary).chain(&self.further)
    }

    /// Returns the address that the machine is known by.
    #[must_use]
    pub const fn private_address(&self) -> Ipv4Addr {
        self.primary.address.private
    }
}
