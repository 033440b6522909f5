//! The interfaces of a machine file: the first one is the primary one and may be left out.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use latchkey_gateway::facts::{AddressPair, Interface, Network};
use serde::Deserialize;

use super::super::problem::Problems;
use super::derived::mac_of;
use super::one_or_more::OneOrMore;

/// The prefix length of a subnet that is not given, in bits.
const PREFIX_BITS: u8 = 24;

/// One network interface as the metadata describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct InterfaceSection {
    /// The private address; of the first interface by default the machine's first IPv4 address.
    private_address: Option<Ipv4Addr>,
    /// The public address.
    public_address: Option<Ipv4Addr>,
    /// Further IPv4 addresses.
    secondary: Vec<AddressPair>,
    /// The IPv6 addresses.
    ipv6: Vec<Ipv6Addr>,
    /// The prefix length of the subnet in bits; by default 24.
    prefix: Option<u8>,
    /// The hardware address, 12 hexadecimal digits; by default derived from the name.
    mac: Option<String>,
}

/// Returns the network of the machine with this name and address.
pub(super) fn resolve(
    sections: &OneOrMore<InterfaceSection>,
    name: &str,
    address: Ipv4Addr,
    problems: &mut Problems,
) -> Network {
    let default = InterfaceSection::default();
    let (first, further) = match sections.as_slice().split_first() {
        Some((first, further)) => (first, further),
        None => (&default, [].as_slice()),
    };
    let field = match sections {
        OneOrMore::One(_) => "facts.network",
        OneOrMore::More(_) => "facts.network.0",
    };
    let primary = first.resolve("facts.network", field, name, address, problems);
    let further = (1..).zip(further).map(|(number, section)| {
        let place = format!("facts.network[{number}]");
        let field = format!("facts.network.{number}");
        if section.private_address.is_none() {
            problems.under(
                "facts.network",
                &field,
                format!("`{place}` needs a `private_address`"),
            );
        }
        let name = format!("{name}-{number}");
        section.resolve(&place, &field, &name, Ipv4Addr::UNSPECIFIED, problems)
    });
    let network = Network {
        primary,
        further: further.collect(),
    };
    check_unique(&network, problems);
    network
}

impl InterfaceSection {
    fn resolve(
        &self,
        place: &str,
        field: &str,
        name: &str,
        address: Ipv4Addr,
        problems: &mut Problems,
    ) -> Interface {
        let prefix = self.prefix.unwrap_or(PREFIX_BITS);
        if prefix > 32 {
            problems.at(
                format!("{field}.prefix"),
                format!("`{place}.prefix` is {prefix}: 32 bits are the most"),
            );
        }
        let mac = self.mac.clone().unwrap_or_else(|| mac_of(name));
        if mac.len() != 12 || !mac.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            problems.at(
                format!("{field}.mac"),
                format!("`{place}.mac` is `{mac}`: write 12 hexadecimal digits"),
            );
        }
        let private = self.private_address.unwrap_or(address);
        let host_bits = 32 - u32::from(prefix.min(32));
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        Interface {
            address: AddressPair {
                private,
                public: self.public_address,
            },
            secondary: self.secondary.clone(),
            ipv6: self.ipv6.clone(),
            subnet: Ipv4Addr::from_bits(private.to_bits() & mask),
            prefix,
            mac: mac.to_ascii_uppercase(),
        }
    }
}

/// Clients find their interface by its hardware address.
fn check_unique(network: &Network, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for interface in network.interfaces() {
        if !seen.insert(&interface.mac) {
            problems.between(
                "facts.network",
                format!(
                    "`facts.network` gives the hardware address `{}` to two interfaces",
                    interface.mac
                ),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Result<Network, Problems> {
        let mut problems = Problems::default();
        let sections = serde_json::from_str(text).unwrap();
        let network = resolve(&sections, "web", Ipv4Addr::new(10, 1, 2, 3), &mut problems);
        if problems.is_empty() {
            Ok(network)
        } else {
            Err(problems)
        }
    }

    #[test]
    fn first_interface_is_derived_and_the_others_are_given() {
        let network = network(
            r#"[{}, { "private_address": "10.2.0.4", "prefix": 16, "ipv6": ["fd00::4"],
                "secondary": [{ "private_address": "10.2.0.5", "public_address": "192.0.2.5" }] }]"#,
        )
        .unwrap();
        assert_eq!(network.private_address(), Ipv4Addr::new(10, 1, 2, 3));
        assert_eq!(network.primary.subnet, Ipv4Addr::new(10, 1, 2, 0));
        let second = &network.further[0];
        assert_eq!(second.subnet, Ipv4Addr::new(10, 2, 0, 0));
        assert_eq!(
            second.secondary[0].public,
            Some(Ipv4Addr::new(192, 0, 2, 5))
        );
        assert_ne!(second.mac, network.primary.mac);
    }

    #[test]
    fn every_impossible_interface_is_a_problem() {
        let problems = network(r#"[{ "prefix": 33, "mac": "00:0d" }, { "mac": "00:0D" }]"#);
        let problems = problems.unwrap_err();
        for expected in [
            "`facts.network.prefix` is 33",
            "`facts.network.mac` is `00:0d`",
            "`facts.network[1]` needs a `private_address`",
            "`facts.network[1].mac` is `00:0D`",
            "`00:0D` to two interfaces",
        ] {
            assert!(
                problems
                    .messages()
                    .iter()
                    .any(|problem| problem.contains(expected)),
                "{expected} in {problems:?}"
            );
        }
    }
}
