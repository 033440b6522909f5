//! The resource of a profile version as the management API takes and returns it.
//!
//! The rules of its body become an authorization item; what else belongs to the resource
//! is kept beside it, so that both can be written back.

use std::collections::BTreeMap;

use latchkey_protocol::authorization::{AccessControlRules, AuthorizationItem};
use latchkey_protocol::objects_only_both_ways;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a profile version has beside its rules. It has no effect in the guest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Resource {
    /// The resource's id; with it, guests know the version.
    pub id: Option<String>,
    /// Its last part.
    pub name: Option<String>,
    /// The type of the resource.
    pub kind: Option<String>,
    /// The region of the resource itself.
    pub location: Option<String>,
    /// The owner's tags.
    pub tags: Option<BTreeMap<String, String>>,
    /// Who made and changed it; the service writes it.
    pub system_data: Option<Value>,
    /// The regions that it is replicated to.
    pub target_locations: Option<Vec<TargetLocation>>,
    /// Whether `latest` passes over this version.
    pub exclude_from_latest: Option<bool>,
    /// When it was published; the service writes it.
    pub published_date: Option<String>,
    /// How far its creation is; the service writes it.
    pub provisioning_state: Option<String>,
    /// How far its replication is; the service writes it.
    pub replication_status: Option<Value>,
}

/// A region that a version is replicated to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub struct TargetLocation {
    /// The region's name.
    pub name: String,
    /// How many replicas it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regional_replica_count: Option<u32>,
    /// The storage that the replicas lie on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_account_type: Option<String>,
    /// Whether `latest` passes over this version in this region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_from_latest: Option<bool>,
    /// How the replicas are encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Value>,
    /// Further replicas on other storage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub additional_replica_sets: Option<Value>,
}

/// A version of an access control profile: the resource body of the management API.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
pub(crate) struct VersionBody {
    /// The resource's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    /// The version, as in `1.0.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// The type of the resource.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    kind: Option<String>,
    /// The region of the resource itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    /// The owner's tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tags: Option<BTreeMap<String, String>>,
    /// Who made and changed it; the service writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    system_data: Option<Value>,
    /// Mode and rules, and where they are replicated to.
    properties: VersionProperties,
}

/// Mode and rules of a version, and where they are replicated to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[serde(remote = "Self", rename_all = "camelCase")]
struct VersionProperties {
    /// `Disabled`, `Audit` or `Enforce`, in any letter case.
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::mode")
    )]
    mode: String,
    /// `Allow` or `Deny`, in any letter case, for requests that no privilege covers.
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::access")
    )]
    default_access: String,
    /// Until when Audit lasts (RFC 3339); then it is Enforce. Deployed agents ignore this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(
        feature = "schema",
        schemars(schema_with = "latchkey_protocol::authorization::schema::moment")
    )]
    audit_until: Option<String>,
    /// The rules; without, the default decides everything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rules: Option<AccessControlRules>,
    /// The regions that it is replicated to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_locations: Option<Vec<TargetLocation>>,
    /// Whether `latest` passes over this version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    exclude_from_latest: Option<bool>,
    /// When it was published; the service writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    published_date: Option<String>,
    /// How far its creation is; the service writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    provisioning_state: Option<String>,
    /// How far its replication is; the service writes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    replication_status: Option<Value>,
}

objects_only_both_ways!(TargetLocation, VersionBody, VersionProperties);

impl VersionBody {
    /// Joins rules and resource to a body. The item's id is the resource's.
    pub(crate) fn join(item: &AuthorizationItem, resource: &Resource) -> Self {
        let resource = resource.clone();
        Self {
            id: resource.id,
            name: resource.name,
            kind: resource.kind,
            location: resource.location,
            tags: resource.tags,
            system_data: resource.system_data,
            properties: VersionProperties {
                mode: item.mode.clone(),
                default_access: item.default_access.clone(),
                audit_until: item.audit_until.clone(),
                rules: item.rules.clone(),
                target_locations: resource.target_locations,
                exclude_from_latest: resource.exclude_from_latest,
                published_date: resource.published_date,
                provisioning_state: resource.provisioning_state,
                replication_status: resource.replication_status,
            },
        }
    }

    /// Parts a body into rules and resource.
    pub(crate) fn part(self) -> (AuthorizationItem, Resource) {
        let Self { properties, .. } = self;
        let item = AuthorizationItem {
            default_access: properties.default_access,
            mode: properties.mode,
            id: self.id.clone().unwrap_or_default(),
            audit_until: properties.audit_until,
            rules: properties.rules,
        };
        let resource = Resource {
            id: self.id,
            name: self.name,
            kind: self.kind,
            location: self.location,
            tags: self.tags,
            system_data: self.system_data,
            target_locations: properties.target_locations,
            exclude_from_latest: properties.exclude_from_latest,
            published_date: properties.published_date,
            provisioning_state: properties.provisioning_state,
            replication_status: properties.replication_status,
        };
        (item, resource)
    }
}
