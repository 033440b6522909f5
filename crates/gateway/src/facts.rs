//! What the emulated services say about a machine: one set of facts for every service.
//!
//! Plain data. Whoever makes it has checked it; nothing here is a secret but the
//! machine's own user data.

use std::net::Ipv4Addr;

use uuid::Uuid;

/// What a machine is told about itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The machine's unique id.
    pub vm_id: Uuid,
    /// The resource's name; also the instance name of the goal state.
    pub name: String,
    /// The host name inside the guest.
    pub computer_name: String,
    /// The region.
    pub location: String,
    /// The availability zone; empty for none.
    pub zone: String,
    /// The subscription.
    pub subscription_id: Uuid,
    /// The resource group.
    pub resource_group: String,
    /// The size.
    pub vm_size: String,
    /// The image it was made of.
    pub image: Image,
    /// The administrator's account, which provisioning makes; empty for none.
    pub admin_user: String,
    /// The administrator's SSH public keys.
    pub public_keys: Vec<String>,
    /// Names and values, in the owner's order.
    pub tags: Vec<(String, String)>,
    /// The base64 text of the user data; empty for none.
    pub user_data: String,
    /// The primary network interface.
    pub network: Network,
    /// The managed identity, if it has one.
    pub identity: Option<Identity>,
}

/// The image of a machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// Who publishes it.
    pub publisher: String,
    /// The product.
    pub offer: String,
    /// The edition.
    pub sku: String,
    /// The version.
    pub version: String,
}

/// The network as the metadata describes it; says nothing about how packets are attributed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The private address.
    pub private_address: Ipv4Addr,
    /// The public address, if there is one.
    pub public_address: Option<Ipv4Addr>,
    /// The subnet's first address.
    pub subnet: Ipv4Addr,
    /// The subnet's prefix length in bits.
    pub prefix: u8,
    /// The hardware address, 12 upper-case hexadecimal digits.
    pub mac: String,
}

/// A managed identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The tenant that issues.
    pub tenant_id: Uuid,
    /// The application.
    pub client_id: Uuid,
    /// The service principal: the subject of tokens.
    pub object_id: Uuid,
}

impl Facts {
    /// Returns the machine's resource id.
    #[must_use]
    pub fn resource_id(&self) -> String {
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachines/{}",
            self.subscription_id, self.resource_group, self.name
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn facts(name: &str) -> Facts {
        Facts {
            vm_id: Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888),
            name: name.to_owned(),
            computer_name: name.to_owned(),
            location: "westeurope".to_owned(),
            zone: "1".to_owned(),
            subscription_id: Uuid::from_u128(7),
            resource_group: "group".to_owned(),
            vm_size: "Standard_D2s_v5".to_owned(),
            image: Image {
                offer: "debian-12".to_owned(),
                ..Image::default()
            },
            admin_user: "azureuser".to_owned(),
            public_keys: vec!["ssh-ed25519 AAAA test".to_owned()],
            tags: vec![
                ("team".to_owned(), "web".to_owned()),
                ("env".to_owned(), "test".to_owned()),
            ],
            user_data: String::new(),
            network: Network {
                private_address: Ipv4Addr::new(10, 0, 0, 4),
                public_address: None,
                subnet: Ipv4Addr::new(10, 0, 0, 0),
                prefix: 24,
                mac: "000D3A123456".to_owned(),
            },
            identity: Some(Identity {
                tenant_id: Uuid::from_u128(0xA),
                client_id: Uuid::from_u128(0xB),
                object_id: Uuid::from_u128(0xC),
            }),
        }
    }
}
