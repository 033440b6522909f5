//! What a machine is told about itself: given in its file, or derived from its name so that it stays the same.

mod check;
mod derived;
mod event;
mod identity;
mod network;
mod one_or_more;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use latchkey_gateway::facts::goal_state::GoalState;
use latchkey_gateway::facts::{Compute, Facts, Identities, Image, LoadBalancer, Storage, Throttle};
use serde::Deserialize;
use uuid::Uuid;

use super::problem::Problems;
use derived::id_of;
use event::EventSection;
use identity::{IdentitySection, Owner};
use network::InterfaceSection;
use one_or_more::OneOrMore;

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
    image: Image,
    /// The administrator's account.
    admin_user: String,
    /// The administrator's SSH public keys.
    public_keys: Vec<String>,
    /// Names and values.
    tags: BTreeMap<String, String>,
    /// User data in base64.
    user_data: String,
    /// The network interfaces: one section, or a list with the primary one first.
    network: OneOrMore<InterfaceSection>,
    /// What the instance document says besides.
    compute: Compute,
    /// The disks.
    storage: Storage,
    /// The managed identities; without, the machine gets no tokens.
    identity: IdentitySection,
    /// The load balancer before the machine.
    load_balancer: Option<LoadBalancer>,
    /// What will happen to the machine.
    events: Vec<EventSection>,
    /// How much the machine may ask; without this section, as much as it likes.
    throttle: Option<Throttle>,
}

impl FactsSection {
    /// Returns the facts of the machine with this name and address.
    pub(super) fn resolve(&self, name: &str, address: Ipv4Addr, problems: &mut Problems) -> Facts {
        let or = |given: &Option<String>, otherwise: &str| {
            given.clone().unwrap_or_else(|| otherwise.to_owned())
        };
        let mut facts = Facts {
            vm_id: self.vm_id.unwrap_or_else(|| id_of(name)),
            name: name.to_owned(),
            computer_name: or(&self.computer_name, name),
            location: or(&self.location, "local"),
            zone: self.zone.clone(),
            subscription_id: self
                .subscription_id
                .unwrap_or_else(|| id_of("subscription")),
            resource_group: or(&self.resource_group, "latchkey"),
            vm_size: or(&self.vm_size, "Standard_B1s"),
            image: self.image.clone(),
            admin_user: self.admin_user.clone(),
            public_keys: self.public_keys.clone(),
            tags: self.tags.clone().into_iter().collect(),
            user_data: self.user_data.clone(),
            network: network::resolve(&self.network, name, address, problems),
            compute: self.compute.clone(),
            storage: self.storage.clone(),
            identities: Identities::default(),
            load_balancer: self.load_balancer.clone(),
            events: event::resolve(&self.events, name, problems),
            throttle: self.throttle,
            goal_state: GoalState::default(),
        };
        let owner = Owner {
            subscription_id: facts.subscription_id,
            resource_group: &facts.resource_group,
            resource_id: facts.resource_id(),
        };
        facts.identities = self.identity.resolve(&owner, problems);
        check::check(&facts, problems);
        facts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_that_are_not_given_stay_the_same() {
        let resolve = |name| {
            FactsSection::default().resolve(
                name,
                Ipv4Addr::new(10, 1, 2, 3),
                &mut Problems::default(),
            )
        };
        assert_eq!(resolve("web"), resolve("web"));
        assert_ne!(resolve("web").vm_id, resolve("app").vm_id);
        assert_eq!(resolve("web").identities.iter().count(), 0);
        assert_eq!(resolve("web").throttle, None);
    }
}
