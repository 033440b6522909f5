//! What a machine is told about itself: given in its file, or derived from its name so that it stays the same.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use latchkey_gateway::facts::{Facts, Identity, Image, Network};
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

/// The facts of a machine file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct FactsSection {
    /// The machine's unique id; by default derived from its name.
    vm_id: Option<Uuid>,
    /// The host name inside the guest; by default the machine's name.
    computer_name: Option<String>,
    /// The region; by default `local`.
    location: Option<String>,
    /// The availability zone.
    zone: String,
    /// The subscription; by default one for all machines.
    subscription_id: Option<Uuid>,
    /// The resource group; by default `latchkey`.
    resource_group: Option<String>,
    /// The size; by default `Standard_B1s`.
    vm_size: Option<String>,
    /// The image.
    image: ImageSection,
    /// The administrator's account.
    admin_user: String,
    /// The administrator's SSH public keys.
    public_keys: Vec<String>,
    /// Names and values.
    tags: BTreeMap<String, String>,
    /// User data in base64.
    user_data: String,
    /// The network interface.
    network: NetworkSection,
    /// The managed identity; without, the machine gets no tokens.
    identity: Option<IdentitySection>,
}

/// The image of a machine.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ImageSection {
    /// Who publishes it.
    publisher: String,
    /// The product.
    offer: String,
    /// The edition.
    sku: String,
    /// The version.
    version: String,
}

/// The network as the metadata describes it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct NetworkSection {
    /// The private address; by default the machine's first IPv4 address.
    private_address: Option<Ipv4Addr>,
    /// The public address.
    public_address: Option<Ipv4Addr>,
    /// The prefix length of the subnet in bits; by default 24.
    prefix: Option<u8>,
    /// The hardware address, 12 hexadecimal digits; by default derived from the name.
    mac: Option<String>,
}

/// A managed identity.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct IdentitySection {
    /// The tenant.
    tenant_id: Uuid,
    /// The application.
    client_id: Uuid,
    /// The service principal, the subject of tokens.
    object_id: Uuid,
}

impl FactsSection {
    /// Returns the facts of the machine with this name and address.
    pub(super) fn resolve(
        &self,
        name: &str,
        address: Ipv4Addr,
        problems: &mut Vec<String>,
    ) -> Facts {
        let or = |given: &Option<String>, otherwise: &str| {
            given.clone().unwrap_or_else(|| otherwise.to_owned())
        };
        let image = &self.image;
        Facts {
            vm_id: self.vm_id.unwrap_or_else(|| derived_id(name)),
            name: name.to_owned(),
            computer_name: or(&self.computer_name, name),
            location: or(&self.location, "local"),
            zone: self.zone.clone(),
            subscription_id: self
                .subscription_id
                .unwrap_or_else(|| derived_id("subscription")),
            resource_group: or(&self.resource_group, "latchkey"),
            vm_size: or(&self.vm_size, "Standard_B1s"),
            image: Image {
                publisher: image.publisher.clone(),
                offer: image.offer.clone(),
                sku: image.sku.clone(),
                version: image.version.clone(),
            },
            admin_user: self.admin_user.clone(),
            public_keys: self.public_keys.clone(),
            tags: self.tags.clone().into_iter().collect(),
            user_data: self.user_data.clone(),
            network: self.network.resolve(name, address, problems),
            identity: self.identity.as_ref().map(|identity| Identity {
                tenant_id: identity.tenant_id,
                client_id: identity.client_id,
                object_id: identity.object_id,
            }),
        }
    }
}

impl NetworkSection {
    fn resolve(&self, name: &str, address: Ipv4Addr, problems: &mut Vec<String>) -> Network {
        let prefix = self.prefix.unwrap_or(24);
        if prefix > 32 {
            problems.push(format!(
                "`facts.network.prefix` is {prefix}: 32 bits are the most"
            ));
        }
        let mac = self.mac.clone().unwrap_or_else(|| derived_mac(name));
        if mac.len() != 12 || !mac.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            problems.push(format!(
                "`facts.network.mac` is `{mac}`: write 12 hexadecimal digits"
            ));
        }
        let private_address = self.private_address.unwrap_or(address);
        let host_bits = 32 - u32::from(prefix.min(32));
        let mask = u32::MAX.checked_shl(host_bits).unwrap_or(0);
        Network {
            private_address,
            public_address: self.public_address,
            subnet: Ipv4Addr::from_bits(private_address.to_bits() & mask),
            prefix,
            mac: mac.to_ascii_uppercase(),
        }
    }
}

/// Returns a GUID that is the same for the same name.
fn derived_id(name: &str) -> Uuid {
    let mut bytes = [0; 16];
    for (byte, hashed) in bytes.iter_mut().zip(Sha256::digest(name)) {
        *byte = hashed;
    }
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Returns a locally administered hardware address that is the same for the same name.
fn derived_mac(name: &str) -> String {
    let digits: String = hex::encode_upper(Sha256::digest(name))
        .chars()
        .take(10)
        .collect();
    format!("02{digits}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_are_not_given_stay_the_same() {
        let resolve = |name| {
            FactsSection::default().resolve(name, Ipv4Addr::new(10, 1, 2, 3), &mut Vec::new())
        };
        assert_eq!(resolve("web"), resolve("web"));
        assert_ne!(resolve("web").vm_id, resolve("app").vm_id);
        assert_eq!(resolve("web").network.subnet, Ipv4Addr::new(10, 1, 2, 0));
        assert_eq!(resolve("web").identity, None);
    }

    #[test]
    fn impossible_network_facts_are_problems() {
        let section = NetworkSection {
            prefix: Some(33),
            mac: Some("00:0d".to_owned()),
            ..NetworkSection::default()
        };
        let mut problems = Vec::new();
        section.resolve("web", Ipv4Addr::LOCALHOST, &mut problems);
        assert_eq!(problems.len(), 2, "{problems:?}");
    }
}
