//! Who makes a request to the control plane: a person or a program, and what it may do.

use std::collections::BTreeSet;

use latchkey_api::Permission;
use serde::{Deserialize, Serialize};

/// Who made a change; goes into the activity log.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Actor {
    /// What kind of actor it is.
    pub kind: ActorKind,
    /// Its id, which is never given to another.
    pub id: String,
    /// Its name at that time.
    pub name: String,
}

/// The kinds of actors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ActorKind {
    /// A person with an account.
    Account,
    /// A program with an API token.
    Token,
    /// A gateway.
    Gateway,
    /// An agent that reports to control itself.
    Agent,
    /// The control plane, for what it does by itself.
    System,
}

impl Actor {
    /// The control plane itself.
    #[must_use]
    pub fn system() -> Self {
        Self {
            kind: ActorKind::System,
            id: "control".to_owned(),
            name: "control plane".to_owned(),
        }
    }
}

/// Who makes a request, established by its credentials; travels as an extension of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Who it is.
    pub actor: Actor,
    /// What it may do: of an account what its roles hold, of a token no more than its owner.
    pub permissions: BTreeSet<Permission>,
}

impl Principal {
    /// Returns whether this may be done.
    #[must_use]
    pub fn may(&self, permission: Permission) -> bool {
        self.permissions.contains(&permission)
    }
}
