//! The `network` object of the instance document: interfaces with their addresses.

use serde_json::{Value, json};

use crate::facts::{AddressPair, Interface, Network};

/// Returns the object.
pub(super) fn network(network: &Network) -> Value {
    let interfaces: Vec<_> = network.interfaces().map(interface).collect();
    json!({ "interface": interfaces })
}

fn interface(interface: &Interface) -> Value {
    let ipv4 = std::iter::once(&interface.address).chain(&interface.secondary);
    let ipv6 = interface.ipv6.iter();
    json!({
        "ipv4": {
            "ipAddress": ipv4.map(address).collect::<Vec<_>>(),
            "subnet": [{
                "address": interface.subnet,
                "prefix": interface.prefix.to_string(),
            }],
        },
        "ipv6": {
            "ipAddress": ipv6.map(|own| json!({ "privateIpAddress": own })).collect::<Vec<_>>(),
        },
        "macAddress": interface.mac,
    })
}

fn address(pair: &AddressPair) -> Value {
    let public = pair.public.map(|address| address.to_string());
    json!({
        "privateIpAddress": pair.private,
        "publicIpAddress": public.unwrap_or_default(),
    })
}
