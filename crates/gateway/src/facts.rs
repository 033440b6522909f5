//! What the emulated services say about a machine: one set of facts for every service.
//!
//! Plain data. Whoever makes it has checked it; nothing here is a secret but the
//! machine's own user data and, in redacted form, what its goal state encrypts.

pub mod goal_state;

mod compute;
mod event;
mod identity;
mod load_balancer;
mod network;
mod storage;
mod throttle;

use uuid::Uuid;

pub use compute::{Compute, ExtendedLocation, OsType, Plan, ScaleSet, SecurityProfile};
pub use event::{EventKind, EventSource, ScheduledEvent};
use goal_state::GoalState;
pub use identity::{Identities, Identity};
pub use load_balancer::{FrontendPair, InboundRule, LoadBalancer, Transport};
pub use network::{AddressPair, Interface, Network};
pub use storage::{Disk, Encryption, Image, Storage, UltraDisk, VaultedKey};
pub use throttle::Throttle;

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
    /// The network interfaces.
    pub network: Network,
    /// What the instance document says besides.
    pub compute: Compute,
    /// The disks.
    pub storage: Storage,
    /// The managed identities.
    pub identities: Identities,
    /// The load balancer before it, if there is one.
    pub load_balancer: Option<LoadBalancer>,
    /// What will happen to it.
    pub events: Vec<ScheduledEvent>,
    /// How much it may ask; without, as much as it likes.
    pub throttle: Option<Throttle>,
    /// What its agents are to do.
    pub goal_state: GoalState,
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
    use std::net::Ipv4Addr;

    use super::*;

    /// A system-assigned identity of tenant 10.
    pub(crate) fn identities() -> Identities {
        Identities {
            tenant_id: Uuid::from_u128(0xA),
            system: Some(Identity {
                client_id: Uuid::from_u128(0xB),
                object_id: Uuid::from_u128(0xC),
                resource_id: "/vm".to_owned(),
            }),
            user_assigned: vec![],
        }
    }

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
                primary: Interface {
                    address: AddressPair {
                        private: Ipv4Addr::new(10, 0, 0, 4),
                        public: None,
                    },
                    secondary: vec![],
                    ipv6: vec![],
                    subnet: Ipv4Addr::new(10, 0, 0, 0),
                    prefix: 24,
                    mac: "000D3A123456".to_owned(),
                },
                further: vec![],
            },
            compute: Compute::default(),
            storage: Storage::default(),
            identities: identities(),
            load_balancer: None,
            events: vec![],
            throttle: None,
            goal_state: GoalState::default(),
        }
    }
}
