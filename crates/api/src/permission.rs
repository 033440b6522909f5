//! What a person or a program may do with the control plane: permissions, and the roles that hold them.
//!
//! Both lists are closed. Every route names the permission that it needs; no role is a part of
//! another, each lists what it holds.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something that can be permitted.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Permission {
    /// See machines, their state and their settings.
    ReadMachines,
    /// Make, change and delete machines, scale sets and their settings.
    WriteMachines,
    /// See galleries, profiles and versions; lint, diff and simulate.
    ReadProfiles,
    /// Make, change and delete galleries, profiles and versions.
    WriteProfiles,
    /// See what was asked by whom.
    ReadObservations,
    /// See roll-outs.
    ReadRollouts,
    /// Start, go on with, stop and take back roll-outs.
    WriteRollouts,
    /// Have machines latch new keys.
    RotateKeys,
    /// See who changed what.
    ReadActivity,
    /// See gateways and enrolled agents.
    ReadGateways,
    /// Enrol and revoke gateways and agents.
    WriteGateways,
    /// See, make, change and delete accounts and other people's tokens.
    ManageAccounts,
    /// Change settings of the control plane.
    WriteSettings,
}

impl Permission {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::ReadMachines,
        Self::WriteMachines,
        Self::ReadProfiles,
        Self::WriteProfiles,
        Self::ReadObservations,
        Self::ReadRollouts,
        Self::WriteRollouts,
        Self::RotateKeys,
        Self::ReadActivity,
        Self::ReadGateways,
        Self::WriteGateways,
        Self::ManageAccounts,
        Self::WriteSettings,
    ];

    /// Returns the permission's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadMachines => "read-machines",
            Self::WriteMachines => "write-machines",
            Self::ReadProfiles => "read-profiles",
            Self::WriteProfiles => "write-profiles",
            Self::ReadObservations => "read-observations",
            Self::ReadRollouts => "read-rollouts",
            Self::WriteRollouts => "write-rollouts",
            Self::RotateKeys => "rotate-keys",
            Self::ReadActivity => "read-activity",
            Self::ReadGateways => "read-gateways",
            Self::WriteGateways => "write-gateways",
            Self::ManageAccounts => "manage-accounts",
            Self::WriteSettings => "write-settings",
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a person is in the organisation.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Sees.
    Reader,
    /// Sees, and edits profiles.
    Author,
    /// Sees, rolls out and rotates keys.
    Approver,
    /// Everything.
    Admin,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Reader, Self::Author, Self::Approver, Self::Admin];

    /// Returns the role's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Author => "author",
            Self::Approver => "approver",
            Self::Admin => "admin",
        }
    }

    /// Returns what the role holds.
    #[must_use]
    pub fn permissions(self) -> BTreeSet<Permission> {
        use Permission as P;
        let reads = [
            P::ReadMachines,
            P::ReadProfiles,
            P::ReadObservations,
            P::ReadRollouts,
            P::ReadActivity,
            P::ReadGateways,
        ];
        let more: &[Permission] = match self {
            Self::Reader => &[],
            Self::Author => &[P::WriteProfiles],
            Self::Approver => &[P::WriteMachines, P::WriteRollouts, P::RotateKeys],
            Self::Admin => &P::ALL,
        };
        reads.iter().chain(more).copied().collect()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_wire() {
        for permission in Permission::ALL {
            let word = serde_json::to_value(permission).unwrap();
            assert_eq!(word, permission.as_str());
        }
        for role in Role::ALL {
            assert_eq!(serde_json::to_value(role).unwrap(), role.as_str());
        }
    }

    #[test]
    fn who_writes_profiles_does_not_roll_them_out_unless_admin() {
        for role in [Role::Reader, Role::Author, Role::Approver] {
            let held = role.permissions();
            assert!(
                !(held.contains(&Permission::WriteProfiles)
                    && held.contains(&Permission::WriteRollouts)),
                "{role}"
            );
            assert!(!held.contains(&Permission::ManageAccounts), "{role}");
        }
        assert_eq!(Role::Admin.permissions().len(), Permission::ALL.len());
    }
}
