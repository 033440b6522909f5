//! The managed identities of a machine: at most one of its own and any number that were assigned to it.

use uuid::Uuid;

/// The identities of a machine; all are of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// The tenant that issues their tokens.
    pub tenant_id: Uuid,
    /// The one that lives and dies with the machine.
    pub system: Option<Identity>,
    /// The others, in the owner's order.
    pub user_assigned: Vec<Identity>,
}

/// One identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The application.
    pub client_id: Uuid,
    /// The service principal: the subject of tokens.
    pub object_id: Uuid,
    /// The resource that the identity is: of a system-assigned one the machine.
    pub resource_id: String,
}

impl Identities {
    /// Returns all identities, the machine's own first.
    pub fn iter(&self) -> impl Iterator<Item = &Identity> {
        self.system.iter().chain(&self.user_assigned)
    }
}
