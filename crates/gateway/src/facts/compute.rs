//! What the instance document says about a machine beyond its name, image and place.
//!
//! The names are the document's own, so that a machine file reads like it.

use serde::{Deserialize, Serialize};

/// The rest of the `compute` object; by default a plain Linux machine of the public cloud.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Compute {
    /// The cloud.
    pub az_environment: String,
    /// What becomes of a spot machine that is evicted.
    pub eviction_policy: String,
    /// The edge zone.
    pub extended_location: ExtendedLocation,
    /// Whether it can hibernate.
    pub hibernation_enabled: bool,
    /// The resource id of its dedicated host; excludes a host group.
    pub host: String,
    /// The resource id of its host group; excludes a host.
    pub host_group: String,
    /// Whether it runs on the host compatibility layer.
    pub is_host_compatibility_layer_vm: bool,
    /// The licence that its owner brought.
    pub license_type: String,
    /// The operating system.
    pub os_type: OsType,
    /// Whether only keys open it.
    pub disable_password_authentication: bool,
    /// The physical zone.
    pub physical_zone: String,
    /// The placement group of its scale set.
    pub placement_group_id: String,
    /// The plan of a marketplace image.
    pub plan: Plan,
    /// The fault domain.
    pub platform_fault_domain: String,
    /// The part of the fault domain.
    pub platform_sub_fault_domain: String,
    /// The update domain.
    pub platform_update_domain: String,
    /// `Regular`, `Low` or `Spot`; empty as in most documents.
    pub priority: String,
    /// The resource provider.
    pub provider: String,
    /// How it is secured.
    pub security_profile: SecurityProfile,
    /// The scale set that it is part of.
    pub scale_set: ScaleSet,
}

impl Default for Compute {
    fn default() -> Self {
        Self {
            az_environment: "AzurePublicCloud".to_owned(),
            eviction_policy: String::new(),
            extended_location: ExtendedLocation::default(),
            hibernation_enabled: false,
            host: String::new(),
            host_group: String::new(),
            is_host_compatibility_layer_vm: false,
            license_type: String::new(),
            os_type: OsType::default(),
            disable_password_authentication: true,
            physical_zone: String::new(),
            placement_group_id: String::new(),
            plan: Plan::default(),
            platform_fault_domain: "0".to_owned(),
            platform_sub_fault_domain: String::new(),
            platform_update_domain: "0".to_owned(),
            priority: String::new(),
            provider: "Microsoft.Compute".to_owned(),
            security_profile: SecurityProfile::default(),
            scale_set: ScaleSet::default(),
        }
    }
}

/// The operating system of a machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub enum OsType {
    /// Any Linux.
    #[default]
    Linux,
    /// Any Windows.
    Windows,
}

/// A place outside the region's data centres.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExtendedLocation {
    /// Its name.
    pub name: String,
    /// Its type, such as `edgeZone`.
    #[serde(rename = "type")]
    pub kind: String,
}

/// The plan of a marketplace image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Plan {
    /// The plan's name.
    pub name: String,
    /// The product.
    pub product: String,
    /// Who publishes it.
    pub publisher: String,
}

/// How a machine is secured.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SecurityProfile {
    /// Whether the firmware starts signed code alone.
    pub secure_boot_enabled: bool,
    /// Whether it has a virtual trusted platform module.
    pub virtual_tpm_enabled: bool,
    /// Whether its host encrypts its disks.
    pub encryption_at_host: bool,
    /// `TrustedLaunch`, `ConfidentialVM` or empty.
    pub security_type: String,
}

/// The scale set that a machine is part of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ScaleSet {
    /// The resource id, of flexible scale sets alone.
    pub id: String,
    /// The name.
    pub name: String,
}
